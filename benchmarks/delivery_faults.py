"""How long violations wait that come during a fault of FAULT_S, for `benchmarks.delivery`.

Each RSU and the centre reach the broker through a proxy of their own. While one fault lasts, each RSU raises
five violations a second; a wait is the time from detection to the centre's commit.
"""

import asyncio
import contextlib
import signal
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks.delivery_site import HOST, Site, through
from benchmarks.delivery_unit import TRICKLE_PERIOD_S, Unit
from benchmarks.harness import Line
from edge.config import address_of, load_site
from petroroad.chaos.proxy import Proxy
from petroroad.processes.broker import Kind, start_broker
from petroroad.processes.ports import kept_port

FAULT_S = 7.0
BEFORE_S, AFTER_S = 1.0, 1.0  # violations come from before the fault until after it
BROKER_AWAY_S = 6.0  # it needs up to a second to come back: the fault lasts FAULT_S as well


class Stage:
    """The site with a proxy before each part."""

    def __init__(self, kind: Kind, site: Site, folder: Path, rsus: Proxy, centre: Proxy) -> None:
        self.kind, self.site, self.folder, self.rsus, self.centre = kind, site, folder, rsus, centre

    async def rsu_link(self) -> None:
        """Let nothing pass between the RSUs and the broker; connections stay open."""
        with self.rsus.hole("up", "down"):
            await asyncio.sleep(FAULT_S)

    async def centre_link(self) -> None:
        """Let nothing pass between the centre and the broker."""
        with self.centre.hole("up", "down"):
            await asyncio.sleep(FAULT_S)

    async def centre_frozen(self) -> None:
        """Stop the centre's process, and let it continue."""
        self.site.centre.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(FAULT_S)
        finally:
            self.site.centre.signal(signal.SIGCONT)

    async def broker_killed(self) -> None:
        """Kill the broker and start it again."""
        port = address_of(load_site(self.site.path).config.mqtt.brokers[0])[1]
        await self.site.broker.stop(0.0)
        await asyncio.sleep(BROKER_AWAY_S)
        self.site.broker = await start_broker(self.kind, self.folder, HOST, port)


FAULTS = ("rsu_link", "centre_link", "centre_frozen", "broker_killed")


@contextlib.asynccontextmanager
async def staged(kind: Kind, site: Site, folder: Path) -> AsyncIterator[Stage]:
    """Put proxies before a site that runs; its centre is started anew behind one."""
    target = address_of(load_site(site.path).config.mqtt.brokers[0])
    direct = site.centre.spec
    with kept_port() as rsu_port, kept_port() as centre_port:
        rsus, centre = Proxy(HOST, rsu_port, target), Proxy(HOST, centre_port, target)
        await rsus.open()
        await centre.open()
        await site.end_centre()
        await site.start_centre(through(site.path, centre_port, "site-centre.toml"))
        try:
            yield Stage(kind, site, folder, rsus, centre)
        finally:
            await rsus.close()
            await centre.close()
            site.centre.spec = direct


async def fault_waits(stage: Stage, units: list[Unit], names: tuple[str, ...]) -> list[Line]:
    """Make one fault after the other; return the longest wait of each, and the longest beyond a fault."""
    lines, kind = [], stage.kind
    database = stage.folder / "centre.sqlite"
    for name in names:
        since_ns = time.time_ns()
        n = round((BEFORE_S + FAULT_S + AFTER_S) / TRICKLE_PERIOD_S)
        trickling = [asyncio.create_task(unit.ask("trickle", n)) for unit in units]
        await asyncio.sleep(BEFORE_S)
        await getattr(stage, name)()
        await asyncio.gather(*trickling)
        found_s = _waits_s(database, since_ns)
        if len(found_s) != n * len(units):
            raise RuntimeError(f"{name}: the centre has {len(found_s)} of {n * len(units)}")
        lines.append(Line(f"wait.fault_s.{name}.{kind}", max(found_s), f"s at a fault of {FAULT_S:.0f} s"))
    worst_s = max(line.value or 0.0 for line in lines)
    return [*lines, Line(f"wait.beyond_fault_s.{kind}", worst_s - FAULT_S, "s beyond the fault, the worst")]


def _waits_s(database: Path, since_ns: int) -> list[float]:
    """Return the waits of the violations that were detected since then."""
    query = "SELECT detected_ns, committed_ns FROM violation_version WHERE detected_ns >= ?"
    with contextlib.closing(sqlite3.connect(database)) as db:
        return [(committed - detected) / 1e9 for detected, committed in db.execute(query, (since_ns,))]
