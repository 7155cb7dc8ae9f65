"""The live shell of the simulated world: real sockets to the gateway and the RSUs, paced by the clock.

Trucks speak JT/T 808 over TCP, radars send UDP datagrams, to the ports that the site's file names. There is
no other way in.
"""

import asyncio
import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from core.errors import ConfigError
from core.times import NS
from edge.clock import Clock
from edge.config import Site
from edge.metrics import Health, Ready
from edge.ports import Ports
from roadside.devices import radar_udp
from sim.record import Tape
from sim.terminals import SimulatedTerminal
from sim.traffic import SIM_TICK_NS
from sim.world import Due, FixSent, ScanSent, World

LEAD_NS = 60_000_000  # a tick is simulated this long before its first datagram may leave
LATE_NS = 50_000_000  # of real time: counted
READY_S = 15.0  # of real time: then the run begins with the terminals that are ready


@dataclass(slots=True)
class Drive:
    """One live run. `seconds` None: until cancelled."""

    world: World
    clock: Clock
    seconds: float | None = None
    tapes: tuple[Tape, ...] = ()
    health: str | None = None
    on_second: Callable[[int], None] = lambda _: None
    counts: Counter[str] = field(default_factory=Counter)
    patience_s: float = READY_S
    _terminals: dict[int, tuple[SimulatedTerminal, asyncio.Task[None]]] = field(default_factory=dict)
    _radars: list[asyncio.DatagramTransport] = field(default_factory=list)
    _begun: bool = False

    async def run(self) -> None:
        """Serve until the run's end or cancelled; the tapes are whole either way."""
        try:
            await self._open_radars()
            async with asyncio.TaskGroup() as tasks:
                health = tasks.create_task(self._serve_health(), name="sim.health")
                self._meet_terminals(tasks)
                await self._until_ready()
                await self._play(tasks)
                for task in [health, *(task for _, task in self._terminals.values())]:
                    task.cancel()
        finally:
            for transport in self._radars:
                transport.close()
            self._close_tapes()

    def ready(self) -> Ready:
        """Say whether the run is on: sockets open and terminals signed in (or no longer waited for)."""
        n = sum(terminal.ready for terminal, _ in self._terminals.values())
        facts = {"terminals": n, "reporting": len(self._terminals), "radars": len(self._radars)}
        return self._begun, facts

    async def _serve_health(self) -> None:
        served = Health(self.ready, lambda: self.counts, self._gauges)
        await served.serve(self.health, "--health", Ports(_say))

    def _gauges(self) -> dict[str, float]:
        return {"vehicles": float(len(self.world.traffic.active_rows()))}

    async def _open_radars(self) -> None:
        loop = asyncio.get_running_loop()
        for host, port in radar_ports(self.world):
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _RadarSocket(self.counts), remote_addr=(host, port)
            )
            self._radars.append(transport)

    def _meet_terminals(self, tasks: asyncio.TaskGroup) -> None:
        """Connect the terminals of vehicles that came, sign off those of vehicles that left."""
        now = self.world.reporting()
        for vehicle in [v for v in self._terminals if v not in now]:
            self._terminals.pop(vehicle)[1].cancel()
        host, port = terminal_port(self.world.site)
        fleet = self.world.traffic.fleet
        for vehicle in now:
            if vehicle not in self._terminals:
                name, plate = fleet.terminal[vehicle] or "", fleet.plate[vehicle] or ""
                terminal = SimulatedTerminal(host, port, name, plate, self.counts)
                task = tasks.create_task(terminal.run(), name=f"sim.terminal.{name}")
                self._terminals[vehicle] = (terminal, task)

    async def _until_ready(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.patience_s):
                for terminal, _ in self._terminals.values():
                    await terminal.signed_in.wait()

    async def _play(self, tasks: asyncio.TaskGroup) -> None:
        world = self.world
        t0_ns = (self.clock.now_ns() // NS + 1) * NS
        world.begin(t0_ns)
        for tape in self.tapes:
            tape.begin(world.site, t0_ns)
        self._begun = True
        end_ns = (
            None if self.seconds is None else t0_ns + round(self.seconds * NS) // SIM_TICK_NS * SIM_TICK_NS
        )
        while end_ns is None or world.now_ns < end_ns:
            await self._send_until(world.now_ns - LEAD_NS)
            world.step()
            if (world.now_ns - t0_ns) % NS == 0:
                self.on_second((world.now_ns - t0_ns) // NS)
            self._meet_terminals(tasks)
        await self._send_until(world.now_ns)
        world.finish()
        while (due_ns := world.next_due_ns()) is not None:  # messages under way arrive
            await self._send_until(due_ns + 1)

    async def _send_until(self, until_ns: int) -> None:
        """Send each item that is due before until_ns at its time; return at until_ns."""
        while (due_ns := self.world.next_due_ns()) is not None and due_ns < until_ns:
            await self.clock.sleep_until_ns(due_ns)
            now_ns = self.clock.now_ns()
            self.counts["late"] += (now_ns - due_ns) / self.clock.rate > LATE_NS
            self._send(self.world.pop_due(min(now_ns + 1, until_ns)))
        await self.clock.sleep_until_ns(until_ns)

    def _send(self, items: Iterator[Due]) -> None:
        for due in items:
            match due.item:
                case ScanSent(radar=radar, payload=payload):
                    self._radars[radar].sendto(radar_udp.encode(payload))
                    self.counts["radar.scans"] += 1
                case FixSent(vehicle=vehicle, fix=fix):
                    if vehicle in self._terminals:
                        self._terminals[vehicle][0].report(fix)
                case _:
                    self.counts["truth"] += 1
            for tape in self.tapes:
                tape.add(due)

    def _close_tapes(self) -> None:
        if self._begun:
            self.world.finish()
        left = list(self.world.pop_due(2**63))
        for tape in self.tapes:
            for due in left:
                tape.add(due)
            if self._begun:
                tape.end()
            tape.close()


class _RadarSocket(asyncio.DatagramProtocol):
    """A radar's socket: it only sends; refusals of a port that nobody listens on are counted."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts

    def error_received(self, exc: Exception) -> None:
        self._counts[f"radar.{type(exc).__name__}"] += 1


def radar_ports(world: World) -> list[tuple[str, int]]:
    """Return where each simulated radar sends; ConfigError where an input is no UDP port."""
    radars = [radar for esn in world.esns for radar in world.site.rsu(esn).radar]
    return [_port(world.site, radar.input, "udp", f"rsu.radar {radar.id} input") for radar in radars]


def terminal_port(site: Site) -> tuple[str, int]:
    """Return the gateway's JT/T 808 listener; ConfigError where the site has none."""
    listeners: Any = () if site.config.gateway is None else site.config.gateway.listeners
    for listener in listeners:
        if listener.startswith("jt808://"):
            return _port(site, listener, "jt808", "gateway.listeners")
    raise ConfigError(site.where, "gateway.listeners", "the trucks need a jt808://HOST:PORT")


def _port(site: Site, url: str, scheme: str, key: str) -> tuple[str, int]:
    parts = urlsplit(url)
    if parts.scheme != scheme or parts.hostname is None or parts.port is None:
        raise ConfigError(site.where, key, f"the simulator drives {scheme}://HOST:PORT", url)
    return parts.hostname, parts.port


def _say(event: str, **facts: object) -> None:
    shown = ", ".join(f"{name} {value}" for name, value in facts.items())
    sys.stderr.write(f"sim: {event}: {shown}\n")
