"""The demo's processes: their arguments, and the order of their starts and ends."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge.clock import Clock
from edge.config import address_of, load_site
from petroroad.demo import DEMO_VARIABLE
from petroroad.demo.site import DemoSite
from petroroad.pki.whole_site import BROKER_NAME
from petroroad.processes.broker import start_broker
from petroroad.processes.broker_security import server_tls
from petroroad.processes.children import Child, ChildError, ChildSpec, start, stop_all, until_ready

READY_S = 30.0  # of real time; a cold disk is slow, a frozen part is noticed
PRODUCER_GRACE_S, REST_GRACE_S = 1.5, 0.5  # together well under the 3 s allowed after Ctrl-C


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficAsked:
    """The arguments of the simulator; None: its own default."""

    scenario: str
    seed: int
    noise: float
    vehicles: int | None
    duration_s: float | None


@dataclass(frozen=True, slots=True)
class RunDir:
    """Where everything of one run lies."""

    path: Path

    @property
    def truth(self) -> Path:
        return self.path / "truth.mcap"

    @property
    def database(self) -> Path:
        return self.path / "centre.sqlite"

    def log(self, part: str) -> Path:
        return self.path / f"{part}.log"

    def state(self, esn: str) -> Path:
        return self.path / esn

    def recordings(self, esns: Sequence[str]) -> list[Path]:
        """Return the recordings of the RSUs that exist, in the order of esns and of time."""
        return [path for esn in esns for path in sorted(self.state(esn).rglob("*.mcap"))]


@dataclass(slots=True)
class Parts:
    """The running processes. Use `bring_up`, `drive`, `watch`, `bring_down` in this order."""

    site: DemoSite
    run_dir: RunDir
    clock: Clock
    sim: Child | None = None
    rest: list[Child] = field(default_factory=list)  # broker first

    async def bring_up(self) -> None:
        """Start all but the traffic, the broker first; raises ChildError or NotReadyError."""
        config = ("--config", str(self.site.path))
        host, port = address_of(self.site.broker)
        tls = server_tls(load_site(self.site.path), BROKER_NAME) if self.site.tls else None
        kind = self.site.broker_kind
        self.rest.append(await start_broker(kind, self.run_dir.path, host, port, tls))
        late = [
            await self._start("centre", "centre", *config),
            await self._start("gateway", "gateway", *config),
        ]
        for esn in self.site.esns:
            state = ("--state", str(self.run_dir.state(esn)))
            late.append(await self._start(esn, "rsu", *config, "--esn", esn, *state))
        async with asyncio.TaskGroup() as tasks:
            for child in late:
                address = self.site.health[child.spec.name]
                ready = until_ready(child, address, READY_S, self.rest)
                tasks.create_task(ready, name=f"demo.ready.{child.spec.name}")

    async def drive(self, traffic: TrafficAsked) -> None:
        """Start the simulator against the device ports; raises as bring_up."""
        self.sim = await start(self._spec("sim", "sim", "run", *self._sim_arguments(traffic)))
        await until_ready(self.sim, self.site.health["sim"], READY_S, self.rest)

    def _sim_arguments(self, traffic: TrafficAsked) -> list[str]:
        given = [traffic.scenario, "--drive", str(self.site.path), "--rsus", ",".join(self.site.esns)]
        given += ["--seed", str(traffic.seed), "--noise", str(traffic.noise)]
        given += ["--health", self.site.health["sim"], "--truth", str(self.run_dir.truth)]
        if traffic.vehicles is not None:
            given += ["--vehicles", str(traffic.vehicles)]
        if traffic.duration_s is not None:
            given += ["--duration", str(traffic.duration_s)]
        return given

    def _spec(self, name: str, *arguments: str) -> ChildSpec:
        argv = (sys.executable, "-m", "petroroad", *arguments)
        env = self.clock.to_env() | ({DEMO_VARIABLE: "1"} if name == "centre" else {})
        return ChildSpec(name=name, argv=argv, log=self.run_dir.log(name), env=env)

    async def _start(self, name: str, *arguments: str) -> Child:
        child = await start(self._spec(name, *arguments))
        self.rest.append(child)
        return child

    async def watch(self, on_killed: Callable[[ChildSpec], None] | None = None) -> ChildError | None:
        """Return when the simulator has ended by itself (None), or else how the first part died.

        on_killed : called for each part but the simulator that a signal ended: somebody wants to see what the
            others do then, and they are watched further. Without it such an end is one like another.
        """
        assert self.sim is not None, "watched before it was brought up"
        specs = {
            asyncio.create_task(child.died(), name=f"demo.watch.{child.spec.name}"): child.spec
            for child in (self.sim, *self.rest)
        }
        waits = set(specs)
        try:
            while True:
                done, waits = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    found = task.result()
                    if on_killed is None or found.name == "sim" or found.status >= 0:
                        return None if (found.name, found.status) == ("sim", 0) else found
                    on_killed(specs[task])
        finally:
            for task in specs:
                task.cancel()

    async def bring_down(self, patience: float = 1.0) -> None:
        """End all, producers first, broker and centre last; no process is left, whatever happens meanwhile.

        patience : factor on the time that each has before it is killed; 1: someone waits at the keyboard
        """
        producers = [*self.rest[2:], *([self.sim] if self.sim else [])]
        try:
            await stop_all(producers, patience * PRODUCER_GRACE_S)  # the RSUs' outboxes empty into the centre
        finally:
            await stop_all(reversed(self.rest[:2]), patience * REST_GRACE_S)
