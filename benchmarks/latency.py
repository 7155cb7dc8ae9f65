"""Sensor datagram to the centre's commit through a real broker: 1 000 vehicles x 10 Hz, over ten RSUs.

`python -m benchmarks.latency [--quick] [--rsus N] [nats|mosquitto]`. RSUs with outbox and recording on disk,
broker and centre are processes of their own; this process is the radars. A latency is the time from the
scheduled sending of the deciding scan (a delay of the sending counts) to the commit in the centre's database
(`committed_ns`), with its stages (`benchmarks.latency_commit`). Beside it runs what a plain TCP connection
and the two waits for the disk take (`benchmarks.raw_tcp`). The bare names are the worse one of both brokers.

`rsu.cpu_share` is the share of a core that the RSUs' processes take together, all threads, by the system's
account, `rsu.rss_mib` the memory of the largest at the end, `centre.cpu_share` and `broker.cpu_share` the
shares of the others.
`--quick` has one RSU with all vehicles, and ends within a minute.
"""

import asyncio
import contextlib
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import uvloop

from benchmarks.brokers import kinds_asked, worse_of
from benchmarks.harness import Line, help_or_exit, is_quick
from benchmarks.latency_commit import SHARES, lines_of, ways_of
from benchmarks.latency_load import VEHICLES, Load
from benchmarks.latency_site import Addresses, esn_of, write_site
from benchmarks.processes import cpu_share, rss_mib
from benchmarks.raw_tcp import RawTcp
from edge.config import address_of
from petroroad.processes.broker import Kind, start_broker
from petroroad.processes.children import Child, ChildSpec, start, stop_all, until_ready
from petroroad.processes.ports import kept_port
from roadside.devices import radar_udp

WARM_UP_S, QUICK_S, WHOLE_S = 6.0, 16.0, 120.0
END_S = 1.0  # for the last violations
RSUS = 10
PERIOD_NS = 100_000_000
SAMPLES_MIN = 100
READY_S = 120.0  # ten RSUs start at once
HOST = "127.0.0.1"


async def send_scans(rsus: list[Addresses], seconds: float) -> None:
    """Send the scans of all radars on schedule, spread evenly over the period."""
    n, out = len(rsus), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    loads = [Load(esn_of(place), VEHICLES // n, 1.7 * place) for place in range(n)]
    begin_ns = (time.time_ns() // PERIOD_NS + 2) * PERIOD_NS
    radars = [(place, sensor) for sensor in range(2) for place in range(n)]
    with out:
        for i in range(int(seconds * 1e9 / PERIOD_NS)):
            for phase, (place, sensor) in enumerate(radars):
                due_ns = begin_ns + i * PERIOD_NS + phase * PERIOD_NS // len(radars)
                payload = loads[place].scan("WE"[sensor], i, (due_ns - begin_ns) / 1e9, due_ns)
                frame = radar_udp.encode(payload)
                await asyncio.sleep(max(0.0, (due_ns - time.time_ns()) / 1e9))
                out.sendto(frame, address_of(rsus[place].radars[sensor]))


class Parts(NamedTuple):
    """The processes of one run."""

    broker: Child
    centre: Child
    rsus: list[Child]


@contextlib.asynccontextmanager
async def running(
    kind: Kind, folder: Path, rsus: list[Addresses], site: Path, http: str
) -> AsyncIterator[Parts]:
    """Run a broker, a centre and the RSUs, which are ready."""
    python: tuple[str, ...] = (sys.executable, "-m", "petroroad")
    specs = [ChildSpec(name="centre", argv=(*python, "centre"), log=folder / "centre.log")]
    for place in range(len(rsus)):
        esn = esn_of(place)
        argv = (*python, "rsu", "--esn", esn, "--state", str(folder / esn))
        specs.append(ChildSpec(name=esn, argv=argv, log=folder / f"{esn}.log"))
    broker = await start_broker(kind, folder, *address_of(rsus[0].broker))
    children = [broker]
    try:
        for spec in specs:
            argv = (*spec.argv, "--config", str(site))
            children.append(await start(ChildSpec(name=spec.name, argv=argv, log=spec.log)))
        for child, address in zip(children[1:], (http, *(rsu.health for rsu in rsus)), strict=True):
            await until_ready(child, address, READY_S)
        yield Parts(broker, children[1], children[2:])
    finally:
        await stop_all(reversed(children), 2.0)


async def measure(kind: Kind, seconds: float, n_rsus: int, folder: Path) -> list[Line]:
    """Return the figures of one broker; all are of the time after the warm-up: until then all is new."""
    with contextlib.ExitStack() as held:
        ports = [held.enter_context(kept_port()) for _ in range(2 + n_rsus)]
        rsus = addresses_on(ports[0], ports[2:])
        site, http = write_site(folder, *rsus), f"{HOST}:{ports[1]}"
        database = folder / "centre.sqlite"
        with site.open("a", encoding="utf-8") as file:
            file.write(f'\n[centre]\nhttp = "{http}"\ndatabase = "sqlite:///{database}"\n')
        async with running(kind, folder, rsus, site, http) as parts:
            raw = RawTcp(folder)
            count_from_ns = time.time_ns() + int(WARM_UP_S * 1e9)
            children = (parts.broker, parts.centre, *parts.rsus)
            sending = asyncio.create_task(send_scans(rsus, WARM_UP_S + seconds))
            shares = await asyncio.gather(
                *(cpu_share(child.process.pid, WARM_UP_S, seconds) for child in children)
            )
            await sending
            peer_ms = await asyncio.to_thread(raw.end)
            await asyncio.sleep(END_S)
            largest_mib = max(rss_mib(child.process.pid) for child in parts.rsus)
    ways = ways_of(database, count_from_ns)
    if len(ways) < SAMPLES_MIN:
        raise RuntimeError(f"{kind}: only {len(ways)} violations came")
    used = {"broker": shares[0], "centre": shares[1], "rsu": sum(shares[2:])}
    return [
        *lines_of(kind, ways, peer_ms),
        *(Line(f"{part}.cpu_share.{kind}", 100.0 * share, "% of a core") for part, share in used.items()),
        Line(f"rsu.rss_mib.{kind}", largest_mib, "MiB"),
    ]


def addresses_on(broker_port: int, health_ports: list[int]) -> list[Addresses]:
    """Return the addresses of each RSU; the radars' are free now."""
    found = []
    with contextlib.ExitStack() as until_chosen:
        for health_port in health_ports:
            ends = [until_chosen.enter_context(socket.socket(type=socket.SOCK_DGRAM)) for _ in range(2)]
            for one in ends:
                one.bind((HOST, 0))
            west, east = (f"{HOST}:{one.getsockname()[1]}" for one in ends)
            found.append(
                Addresses(broker=f"{HOST}:{broker_port}", health=f"{HOST}:{health_port}", radars=(west, east))
            )
    return found


def worst_of(lines: list[Line], n_rsus: int) -> list[Line]:
    """Return the worse one of both brokers under the bare names."""
    unit = f"ms, {VEHICLES} vehicles over {n_rsus} RSU{'s' if n_rsus > 1 else ''}, the worse broker"
    found = []
    for name in (*(f"latency.commit.{share}" for share, _ in SHARES), "rsu.cpu_share", "rsu.rss_mib"):
        worst = worse_of(lines, name)
        found.append(worst._replace(unit=unit if name.startswith("latency") else worst.unit))
    return found


def main() -> int:
    """Print one JSON line per figure."""
    help_or_exit()
    arguments = sys.argv[1:]
    seconds, n_rsus = (QUICK_S, 1) if is_quick() else (WHOLE_S, RSUS)
    if "--rsus" in arguments:
        n_rsus = int(arguments[arguments.index("--rsus") + 1])
    lines: list[Line] = []
    for kind in kinds_asked():
        with tempfile.TemporaryDirectory(prefix="petroroad-latency-") as folder:
            for line in uvloop.run(measure(kind, seconds, n_rsus, Path(folder))):
                line.show()
                lines.append(line)
    for line in worst_of(lines, n_rsus):
        line.show()
    return 0


if __name__ == "__main__":
    sys.exit(main())
