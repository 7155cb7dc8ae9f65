"""Everything that one run needs: the site's copies, a proxy and a disk for each part, the processes."""

import asyncio
import contextlib
import shutil
import signal
import sqlite3
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge.clock import Clock
from edge.config import address_of, load_site
from edge.identity import Role
from edge.link import LinkSettings, link_settings
from edge.tls import Holder
from petroroad.chaos.disks import BALLAST_MIB, Disk
from petroroad.chaos.fleet import Fleet, Part, Starter, copy_outbox
from petroroad.chaos.ledger import Connect, sqlite_ledger
from petroroad.chaos.plan import Cast, one_broker
from petroroad.chaos.proxy import Proxy, Ways
from petroroad.demo.site import LOOPBACK, SHIPPED, DemoSite, make_site
from petroroad.pki.whole_site import BROKER_NAME
from petroroad.processes.broker import Kind, start_broker
from petroroad.processes.broker_security import server_tls
from petroroad.processes.children import Child, ChildSpec, start, until_ready
from petroroad.processes.ports import kept_port
from petroroad.toml_text import dumps
from roadside.gateway.gateway import gateway_config

PROGRAM = (sys.executable, "-m", "petroroad")
SCENARIO = "chaos"
READY_S = 150.0  # seven processes start on two cores, which others may use too
GRACE_S = 10.0


@dataclass(slots=True)
class Stage:
    """Use `open`, `bring_up`, `drive`, and `close` in any case."""

    folder: Path
    seed: int
    broker_kind: Kind
    n_rsus: int
    program: tuple[str, ...]
    has_mounts: bool
    tls: bool = False  # with certificates, rights and signatures
    clock: Clock = field(default_factory=lambda: Clock.paced(time.time_ns()))
    fleet: Fleet = field(default_factory=Fleet)
    opened: list[Proxy] = field(default_factory=list)
    proxies: dict[str, Ways] = field(default_factory=dict)  # by the part whose ways they are
    disks: dict[str, Disk] = field(default_factory=dict)
    ends_ns: dict[str, list[int]] = field(default_factory=dict)
    full: set[str] = field(default_factory=set)  # RSUs whose disks are full now
    held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    site: DemoSite = field(init=False)
    centre: str = field(init=False)  # ids
    gateway: str = field(init=False)
    sim: Child | None = None

    async def open(self) -> None:
        """Make the site, the proxies and the disks."""
        self._make_site(tls=self.tls)
        config = tomllib.loads(self.site.path.read_text(encoding="utf-8"))
        config["outbox"] = config.get("outbox", {}) | {"ballast_mib": BALLAST_MIB}
        for name in ("centre", "gateway", *self.site.esns):
            address = await self._way((name,), address_of(self.site.broker))
            config["mqtt"] = config["mqtt"] | {"brokers": [address]}
            self._config(name).write_text(dumps(config), encoding="utf-8")
        self._make_disks()

    def _make_site(self, *, tls: bool = False) -> None:
        self.site = make_site(
            SHIPPED,
            self.folder,
            rsus=self.n_rsus,
            http=None,
            broker=self.broker_kind,
            held=self.held,
            tls=tls,
        )
        loaded = load_site(self.site.path)
        self.centre, self.gateway = loaded.config.centre.id, gateway_config(loaded).id

    async def _way(self, names: Sequence[str], target: tuple[str, int]) -> str:
        """Open a proxy to a server, as one of the ways of each of these names; return its address."""
        port = self.held.enter_context(kept_port())
        proxy = Proxy(LOOPBACK, port, target)
        await proxy.open()
        self.opened.append(proxy)
        for name in names:
            self.proxies.setdefault(name, Ways([])).proxies.append(proxy)
        return f"{LOOPBACK}:{port}"

    def _make_disks(self) -> None:
        for esn in self.site.esns:
            self.disks[esn] = Disk(self.outbox_folder(esn), has_mounts=self.has_mounts)
            self.ends_ns[esn] = []

    def outsider(self, client_id: str, role: Role, name: str) -> LinkSettings:
        """Return how a client of ours reaches the broker: with that part's certificate, and no signature."""
        site = load_site(self.site.path)
        holder = Holder(role, name) if self.tls else None
        return replace(link_settings(site.config.mqtt, client_id, site.where, holder), signing=None)

    def _config(self, name: str) -> Path:
        return self.folder / f"site-{name}.toml"

    def outbox_folder(self, esn: str) -> Path:
        """Where an RSU's outbox lies."""
        return self.folder / esn / "outbox"

    def outbox(self, esn: str) -> Path:
        """An RSU's outbox."""
        return self.outbox_folder(esn) / f"{esn}.sqlite"

    @property
    def database(self) -> Path:
        """The centre's database, where it is a file."""
        return self.folder / "centre.sqlite"

    @property
    def ledger(self) -> Connect:
        """How the checker reads the centre's database."""
        return sqlite_ledger(self.database)

    @property
    def cast(self) -> Cast:
        """Who can be hurt."""
        return one_broker(self.site.esns)

    @property
    def acknowledging(self) -> tuple[str, ...]:
        """The parts that store violations, and acknowledge them."""
        return ("centre",)

    async def named(self, part: str) -> str:
        """Return which part a fault's name means now."""
        return part

    def end(
        self, name: str, number: signal.Signals, down_s: float, between: Callable[[], None] | None = None
    ) -> bool:
        """End a part as `Fleet.end` does."""
        return self.fleet.end(name, number, down_s, between)

    @property
    def evidence(self) -> Path:
        """Copies of outboxes."""
        return self.folder / "evidence"

    async def bring_up(self) -> None:
        """Start all but the traffic; raises ChildError or NotReadyError."""
        host, port = address_of(self.site.broker)

        server = server_tls(load_site(self.site.path), BROKER_NAME) if self.tls else None

        async def broker() -> Child:
            return await start_broker(self.broker_kind, self.folder, host, port, server)

        first = await self.fleet.bring_up(Part("broker", broker))
        await self._bring_up_rest([first], {name: (name,) for name in ("centre", "gateway")})

    async def _bring_up_rest(self, needs: Sequence[Child], services: Mapping[str, tuple[str, ...]]) -> None:
        """Start what needs these parts: services by name, with their commands, and the RSUs."""
        late: list[Child] = []
        for name, words in services.items():
            starter = self._starter(name, *words, "--config", str(self._config(name)))
            late.append(await self.fleet.bring_up(Part(name, starter)))
        for esn in self.site.esns:
            unit = (
                "rsu",
                "--config",
                str(self._config(esn)),
                "--esn",
                esn,
                "--state",
                str(self.folder / esn),
            )
            late.append(await self.fleet.bring_up(Part(esn, self._starter(esn, *unit), self._keeper(esn))))
        async with asyncio.TaskGroup() as tasks:
            for child in late:
                address = self.site.health[child.spec.name]
                tasks.create_task(until_ready(child, address, READY_S, needs), name="chaos.ready")

    def _starter(self, name: str, *words: str) -> Starter:
        log = self.folder / f"{name}.log"
        spec = ChildSpec(name=name, argv=(*self.program, *words), log=log, env=self.clock.to_env())

        async def begin() -> Child:
            return await start(spec)

        return begin

    def _keeper(self, esn: str) -> Callable[[int], None]:
        def keep(n_ended: int) -> None:
            if esn not in self.full:
                self.ends_ns[esn].append(self.clock.now_ns())
            copy_outbox(self.outbox_folder(esn), self.evidence / esn / str(n_ended))

        return keep

    async def drive(self) -> None:
        """Start the traffic."""
        words = ["sim", "run", SCENARIO, "--seed", str(self.seed), "--drive", str(self.site.path)]
        words += ["--rsus", ",".join(self.site.esns), "--health", self.site.health["sim"]]
        self.sim = await self._starter("sim", *words)()
        await until_ready(self.sim, self.site.health["sim"], READY_S)

    async def stop_traffic(self) -> None:
        """End the simulator; that it ended before is a death as any other."""
        assert self.sim is not None, "it was started"
        if not self.sim.running:
            self.fleet.died.append(f"sim ended with {self.sim.process.returncode}")
        await self.sim.stop(GRACE_S)

    def replace_centre(self, backup: Path | None) -> None:
        """Put a backup in the place of the centre's database, or nothing; while it is down."""
        for path in self.folder.glob("centre.sqlite*"):
            path.unlink()
        if backup is not None:
            shutil.copyfile(backup, self.database)

    def back_up_centre(self) -> Path:
        """Copy the database of a running centre as SQLite does it."""
        to = self.folder / "backup.sqlite"
        to.unlink(missing_ok=True)
        with (
            contextlib.closing(sqlite3.connect(self.database)) as source,
            contextlib.closing(sqlite3.connect(to)) as copy,
        ):
            source.backup(copy)
        return to

    async def listens(self, name: str) -> bool:
        """Say whether a part has come so far that it serves its health; its files are open then."""
        if self.fleet.parts[name].pid is None:
            return False
        try:
            _, writer = await asyncio.open_connection(*address_of(self.site.health[name]))
        except OSError:
            return False
        writer.close()
        return True

    @contextlib.contextmanager
    def full_disk(self, esn: str) -> Iterator[Disk]:
        """Fill an RSU's disk until the block ends; `Disk.fill` again where its files shrank."""
        disk, part = self.disks[esn], self.fleet.parts[esn]
        self.full.add(esn)
        disk.fill(part.pid)
        try:
            yield disk
        finally:
            disk.heal(part.pid)
            self.full.discard(esn)

    async def end_units(self) -> None:
        """Kill the RSUs; what they had recorded and not committed was promised to nobody."""
        for esn in self.site.esns:
            self.ends_ns[esn].append(self.clock.now_ns())
        await self.fleet.bring_down(self.site.esns, 0.0)

    async def bring_down(self) -> None:
        """End all other parts in order."""
        await self.fleet.bring_down(("gateway",), GRACE_S)
        await self.fleet.bring_down(("centre",), GRACE_S)
        await self.fleet.bring_down(("broker",), GRACE_S)

    async def close(self) -> None:
        """Leave no process, port or mount, whatever has happened."""
        if self.sim is not None:
            await self.sim.stop(0.0)
        await self.fleet.abandon()
        for proxy in self.opened:
            await proxy.close()
        for disk in self.disks.values():
            disk.release()
        self.held.close()
