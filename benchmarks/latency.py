"""Sensor datagram to MQTT subscriber through a real broker: 1 000 vehicles x 10 Hz.

One RSU process with outbox and recording on disk, nats-server, and this process as radars and subscriber.
A latency is the time from the scheduled sending of the deciding scan (a delay of the sending counts) to the
arrival of its violation. `--quick` ends within 50 s. `rsu.cpu` is the share of a core that the
RSU's process takes meanwhile, all threads, by the system's account, `rsu.rss` its memory at the end.

With `--commit` a centre takes the subscriber's place, and `latency.commit` ends where its database holds the
violation (`committed_ns`): what a supervisor waits for.
"""

import asyncio
import contextlib
import os
import socket
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.harness import is_quick, print_line
from benchmarks.latency_load import Load
from benchmarks.latency_site import ESN, Addresses, write_site
from edge import topics
from edge.config import address_of, load_site
from edge.figures import quantile
from edge.link import Link, link_settings
from edge.wire import ViolationAck, ViolationBatch, encode
from geofence.violation import decode as decode_violation
from petroroad.demo.site import kept_port
from petroroad.processes.broker import start_broker
from petroroad.processes.children import Child, ChildSpec, start, stop_all, until_ready
from roadside.devices import radar_udp

WARM_UP_S, QUICK_S, WHOLE_S = 6.0, 22.0, 120.0
PERIOD_NS = 100_000_000
SAMPLES_MIN = 100
READY_S = 60.0


@dataclass(slots=True)
class Subscriber:
    """Receives violations, acknowledges them as a centre does, keeps one latency for each."""

    link: Link | None = None
    latencies_ms: list[float] = field(default_factory=list)
    count_from_ns: int = 0
    _seen: set[tuple[int, int]] = field(default_factory=set)

    def on_message(self, topic: str, payload: bytes, retained: bool) -> None:
        """Measure and acknowledge one batch of the outbox."""
        received_ns = time.time_ns()
        batch = msgspec.msgpack.decode(payload, type=ViolationBatch)
        for item in batch.items:
            if (batch.epoch, item.seq) in self._seen or item.violation is None:
                continue  # a resend
            self._seen.add((batch.epoch, item.seq))
            stamps = decode_violation(item.violation).stamps
            if stamps.by is None and stamps.measured_ns >= self.count_from_ns:
                self.latencies_ms.append((received_ns - stamps.measured_ns) / 1e6)
        ack = ViolationAck(centre="bench", epoch=batch.epoch, stored=tuple(item.seq for item in batch.items))
        assert self.link is not None, "messages come through the link"
        self.link.publish(topics.violation_ack(ESN), encode(ack))


async def send_scans(addresses: Addresses, seconds: float) -> None:
    """Send both radars' scans on schedule, half a period apart."""
    load, out = Load(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    targets = {name: address_of(at) for name, at in zip("WE", addresses.radars, strict=True)}
    begin_ns = (time.time_ns() // PERIOD_NS + 2) * PERIOD_NS
    with out:
        for i in range(int(seconds * 1e9 / PERIOD_NS)):
            for phase_ns, name in ((0, "W"), (PERIOD_NS // 2, "E")):
                due_ns = begin_ns + i * PERIOD_NS + phase_ns
                payload = load.scan(name, i, (due_ns - begin_ns) / 1e9, due_ns)
                frame = radar_udp.encode(payload)
                await asyncio.sleep(max(0.0, (due_ns - time.time_ns()) / 1e9))
                out.sendto(frame, targets[name])


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process so far, of all its threads (proc(5))."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


async def cpu_share(pid: int, after_s: float, seconds: float) -> float:
    """Return the share of a core that a process takes for some seconds from `after_s` on."""
    await asyncio.sleep(after_s)
    begun_s, begun_cpu_s = time.monotonic(), cpu_s(pid)
    await asyncio.sleep(seconds)
    return (cpu_s(pid) - begun_cpu_s) / (time.monotonic() - begun_s)


def rss_mib(pid: int) -> float:
    """Return the memory of a process (proc(5))."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Taken(NamedTuple):
    """What one run measured."""

    latencies_ms: list[float]
    cpu_share: float  # of a core, by the RSU
    rss_mib: float  # of the RSU, at the end


@contextlib.asynccontextmanager
async def unit(folder: Path, addresses: Addresses, site_path: Path) -> AsyncIterator[Child]:
    """Run a broker and the RSU, which is ready."""
    broker = await start_broker("nats", folder, *address_of(addresses.broker))
    argv = (sys.executable, "-m", "petroroad", "rsu", "--config", str(site_path), "--esn", ESN)
    rsu = await start(
        ChildSpec(name=ESN, argv=(*argv, "--state", str(folder / "state")), log=folder / "rsu.log")
    )
    try:
        await until_ready(rsu, addresses.health, READY_S)
        yield rsu
    finally:
        await stop_all([rsu, broker], 2.0)


async def loaded(rsu: Child, addresses: Addresses, seconds: float) -> tuple[float, float]:
    """Send scans; return the RSU's share of a core after the warm-up, and its memory at the end [MiB]."""
    _, share = await asyncio.gather(
        send_scans(addresses, WARM_UP_S + seconds), cpu_share(rsu.process.pid, WARM_UP_S, seconds)
    )
    await asyncio.sleep(0.5)
    return share, rss_mib(rsu.process.pid)


async def measure(seconds: float, folder: Path, addresses: Addresses) -> Taken:
    """Return the latencies of all violations that a scan decided, as a subscriber receives them.

    All figures are of the time after the warm-up: until then all vehicles are new.
    """
    site_path = write_site(folder, addresses)
    subscriber = Subscriber()
    subscriber.link = Link(
        link_settings(load_site(site_path).config.mqtt, "bench"),
        subscriptions=[(topics.violation_up(ESN), 1)],
        on_message=subscriber.on_message,
    )
    async with unit(folder, addresses, site_path) as rsu:
        listening = asyncio.create_task(subscriber.link.run(), name="bench.subscriber")
        subscriber.count_from_ns = time.time_ns() + int(WARM_UP_S * 1e9)
        try:
            share, rss = await loaded(rsu, addresses, seconds)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
    return Taken(subscriber.latencies_ms, share, rss)


async def measure_commits(seconds: float, folder: Path, addresses: Addresses) -> Taken:
    """Return the latencies as `measure`, up to the commit of a centre."""
    site_path, database = write_site(folder, addresses), folder / "centre.sqlite"
    with kept_port() as page, site_path.open("a", encoding="utf-8") as file:
        http = f"127.0.0.1:{page}"
        file.write(f'\n[centre]\nhttp = "{http}"\ndatabase = "sqlite:///{database}"\n')
        file.flush()
        async with unit(folder, addresses, site_path) as rsu:
            argv = (sys.executable, "-m", "petroroad", "centre", "--config", str(site_path))
            centre = await start(ChildSpec(name="centre", argv=argv, log=folder / "centre.log"))
            try:
                await until_ready(centre, http, READY_S)
                count_from_ns = time.time_ns() + int(WARM_UP_S * 1e9)
                share, rss = await loaded(rsu, addresses, seconds)
            finally:
                await centre.stop(2.0)
    return Taken(commit_latencies_ms(database, count_from_ns), share, rss)


def commit_latencies_ms(database: Path, from_ns: int) -> list[float]:
    """Return the time from the deciding scan to the commit, of each violation that a scan decided."""
    with contextlib.closing(sqlite3.connect(database)) as db:
        rows = db.execute(
            "SELECT body, committed_ns FROM violation_version"
            " WHERE decided_ns IS NOT NULL AND committed_ns IS NOT NULL"
        ).fetchall()
    taken = [(decode_violation(body).stamps.measured_ns, committed_ns) for body, committed_ns in rows]
    return [
        (committed_ns - measured_ns) / 1e6 for measured_ns, committed_ns in taken if measured_ns >= from_ns
    ]


def addresses_on(broker_port: int, health_port: int) -> Addresses:
    """Return the addresses of one run; the radars' are free now."""
    with socket.socket(type=socket.SOCK_DGRAM) as west, socket.socket(type=socket.SOCK_DGRAM) as east:
        for one in (west, east):
            one.bind(("127.0.0.1", 0))
        ports = (broker_port, health_port, west.getsockname()[1], east.getsockname()[1])
    broker, health, *radars = (f"127.0.0.1:{port}" for port in ports)
    return Addresses(broker=broker, health=health, radars=(radars[0], radars[1]))


def main() -> int:
    """Print one JSON line per figure."""
    seconds, commits = QUICK_S if is_quick() else WHOLE_S, "--commit" in sys.argv[1:]
    with (
        tempfile.TemporaryDirectory(prefix="petroroad-latency-") as folder,
        kept_port() as broker_port,
        kept_port() as health_port,
    ):
        addresses = addresses_on(broker_port, health_port)
        measuring = measure_commits if commits else measure
        taken = asyncio.run(measuring(seconds, Path(folder), addresses))
    if len(taken.latencies_ms) < SAMPLES_MIN:
        sys.stderr.write(f"latency: only {len(taken.latencies_ms)} violations came\n")
        return 1
    head = "latency.commit" if commits else "latency"
    for name, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)):
        value = quantile(taken.latencies_ms, share)
        assert value is not None, "there are samples"
        print_line(f"{head}.{name}", value, "ms")
    print_line(f"{head}.samples", len(taken.latencies_ms), "violations")
    print_line("rsu.cpu", 100.0 * taken.cpu_share, "% of a core")
    print_line("rsu.rss", taken.rss_mib, "MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
