"""Snapshots of 100 RSUs to four pages: how old what a page shows is, and what it costs the centre.

`python -m benchmarks.tracks [--quick] [nats|mosquitto]`. 100 RSUs send 100 tracks each ten times a second,
all at the same moment, that of the UTC grid; names and lanes come each 5 s, as an RSU sends them. One cheap
publisher (`benchmarks.raw_mqtt`) stands for all RSUs; broker and centre are the real ones, the pages read
WebSockets in a process of their own (`benchmarks.track_pages`).

`tracks.age_p99_ms`: age of the newest frame that a page has of an RSU, sampled at random moments over all
pages and RSUs; half a period of it is the wait for the next frame.  `tracks.way_p99_ms`: from a frame's stamp
until a page has it.  `tracks.core_share`: of a core, by the centre's process.
"""

import asyncio
import contextlib
import multiprocessing
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from benchmarks.brokers import kinds_asked, worse_of
from benchmarks.delivery_site import HOST, running
from benchmarks.harness import Line, help_or_exit, is_quick
from benchmarks.processes import cpu_share
from benchmarks.raw_mqtt import RawMqtt, publish
from benchmarks.track_pages import STAMP, watch
from edge import topics, wire
from edge.figures import quantile
from petroroad.processes.broker import Kind
from petroroad.processes.ports import kept_port

RSUS, TRACKS, PAGES, PERIOD_NS = 100, 100, 4, 100_000_000
NAMED, LANES = 10, 60  # tracks of an RSU with a name; lanes of its map
WHOLE_EVERY = 50  # snapshots: names and lanes are in each such one
QUICK_S, WHOLE_S, WARM_UP_S = 10.0, 60.0, 2.0
ESNS = tuple(f"T-{place:03d}" for place in range(RSUS))


def snapshot(esn: str, place: int, *, whole: bool) -> bytes:
    """Return a snapshot with plausible tracks; its stamp is replaced before it is sent."""
    records = np.zeros(TRACKS, dtype=wire.TRACK_DTYPE)
    number = np.arange(TRACKS)
    records["track"] = (place << 23) + number + (1 << 32)
    records["lon_e7"], records["lat_e7"] = 1_220_000_000 + 800 * number, 410_000_000 + 9_000 * place
    records["speed_cmps"], records["course_cdeg"], records["sigma_cm"] = 2_200, 9_000, 20
    records["lane"], records["s_dm"], records["d_cm"] = number % LANES, 600 * number, 3
    records["p_lane"], records["length_dm"], records["class"] = 250, 48, 1 + number % 4
    records["flags"] = wire.FLAG_OWNED | wire.FLAG_CONFIRMED | wire.FLAG_RADAR
    names = wire.TrackNames(
        track=tuple(int(track) for track in records["track"][:NAMED]),
        terminal=tuple(f"0138{place:04d}{i:04d}" for i in range(NAMED)),
        plate=tuple(f"辽L{place:03d}{i:02d}" for i in range(NAMED)),
        identity_p=(0.99,) * NAMED,
    )
    lanes = tuple(f"K{lane}/main/{lane % 3}" for lane in range(LANES))
    return wire.encode(
        wire.snapshot_of(
            records, esn=esn, seq=1, stamp_ns=time.time_ns(), lanes=lanes if whole else None,
            names=names if whole else None,
        )
    )  # fmt: skip


def send(port: int, end: Event, n_rsus: int = RSUS) -> None:
    """Send the snapshots of all RSUs on the grid until the end."""
    stamps = struct.Struct(">Q")
    rows = [
        [publish(topics.track_up(esn), snapshot(esn, place, whole=whole)) for whole in (False, True)]
        for place, esn in enumerate(ESNS[:n_rsus])
    ]
    places = [[packet.index(STAMP) + len(STAMP) for packet in pair] for pair in rows]
    client = RawMqtt(HOST, port, "bench-rsus")
    due_ns = time.time_ns() // PERIOD_NS * PERIOD_NS
    turn = 0
    while not end.is_set():
        due_ns, turn = due_ns + PERIOD_NS, turn + 1
        time.sleep(max(0.0, (due_ns - time.time_ns()) / 1e9))
        packets = bytearray()
        for place, pair in enumerate(rows):
            whole = (turn + place) % WHOLE_EVERY == 0
            stamps.pack_into(pair[whole], places[place][whole], due_ns)
            packets += pair[whole]
        client.send(packets)
    client.close()


def read(port: int, seconds: float, pipe: Any) -> None:
    """Read as all pages, and send the figures."""
    pages, ages_ns = uvloop.run(watch(HOST, port, PAGES, RSUS, seconds))
    ways_ms = [way_ms for page in pages for way_ms in page.ways_ms]
    n_frames = min(len(page.ways_ms) for page in pages)
    quantiles = [float(np.quantile(ages_ns, share)) / 1e6 for share in (0.5, 0.99)]
    pipe.send((*quantiles, quantile(ways_ms, 0.5), quantile(ways_ms, 0.99), n_frames / seconds))


@contextlib.contextmanager
def sending(port: int, n_rsus: int = RSUS) -> Iterator[None]:
    """Run the publisher."""
    spawn = multiprocessing.get_context("spawn")
    end = spawn.Event()
    sender = spawn.Process(target=send, args=(port, end, n_rsus), daemon=True)
    sender.start()
    try:
        yield
    finally:
        end.set()
        sender.join()


async def measure(kind: Kind, folder: Path, seconds: float) -> list[Line]:
    """Measure with one broker."""
    spawn = multiprocessing.get_context("spawn")
    with kept_port() as port, kept_port() as page_port:
        async with running(kind, folder, ESNS, port, f"{HOST}:{page_port}") as site:
            with sending(port):
                near, far = spawn.Pipe()
                pages = spawn.Process(target=read, args=(page_port, WARM_UP_S + seconds, far), daemon=True)
                pages.start()
                far.close()  # so that the pages' end is an end here, too
                share, broker_share = await asyncio.gather(
                    cpu_share(site.centre.process.pid, WARM_UP_S, seconds),
                    cpu_share(site.broker.process.pid, WARM_UP_S, seconds),
                )
                age_p50, age_p99, way_p50, way_p99, frames_hz = await asyncio.to_thread(near.recv)
                pages.join()
    return [
        Line(f"tracks.age_p50_ms.{kind}", age_p50, "ms"),
        Line(f"tracks.age_p99_ms.{kind}", age_p99, "ms"),
        Line(f"tracks.way_p50_ms.{kind}", way_p50, "ms"),
        Line(f"tracks.way_p99_ms.{kind}", way_p99, "ms"),
        Line(f"tracks.frames_hz.{kind}", frames_hz, f"frames/s at the slowest page, of {RSUS * 10}"),
        Line(f"tracks.core_share.{kind}", share, "of a core, the centre"),
        Line(f"tracks.core_share_broker.{kind}", broker_share, "of a core, the broker"),
    ]


def main() -> int:
    """Print one JSON line per figure; the bare names are the worse one of both brokers."""
    help_or_exit()
    found: list[Line] = []
    for kind in kinds_asked():
        with tempfile.TemporaryDirectory(prefix="petroroad-tracks-") as name:
            found += uvloop.run(measure(kind, Path(name), QUICK_S if is_quick() else WHOLE_S))
    worst = [worse_of(found, name) for name in ("tracks.age_p99_ms", "tracks.core_share")]
    for line in found + worst:
        line.show()
    return 0


if __name__ == "__main__":
    sys.exit(main())
