"""The time from the start of a warm RSU's process until it says that it is ready."""

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import Line
from benchmarks.latency import addresses_on
from benchmarks.latency_site import ESN, Addresses, write_site
from edge.config import address_of
from petroroad.processes.broker import start_broker
from petroroad.processes.children import ChildSpec, start, stop_all, until_ready
from petroroad.processes.ports import kept_port


async def ready_s(folder: Path, addresses: Addresses) -> float:
    """Start a broker, then an RSU; return how long the RSU took."""
    site = write_site(folder, addresses)
    broker = await start_broker("nats", folder, *address_of(addresses.broker))
    argv = (sys.executable, "-m", "petroroad", "rsu", "--config", str(site), "--esn", ESN)
    spec = ChildSpec(name=ESN, argv=(*argv, "--state", str(folder / "state")), log=folder / "rsu.log")
    begun_s = time.monotonic()
    rsu = await start(spec)
    try:
        await until_ready(rsu, addresses.health, 60.0)
        return time.monotonic() - begun_s
    finally:
        await stop_all([rsu, broker], 2.0)


def lines(n_starts: int) -> Iterator[Line]:
    """Yield the least of some starts: kernels are compiled, and only the first may find files uncached."""
    taken_s = []
    for _ in range(n_starts):
        with (
            tempfile.TemporaryDirectory(prefix="petroroad-ready-") as folder,
            kept_port() as broker_port,
            kept_port() as health_port,
        ):
            taken_s.append(asyncio.run(ready_s(Path(folder), addresses_on(broker_port, [health_port])[0])))
    yield Line("fusion.ready_s", min(taken_s), "s")
