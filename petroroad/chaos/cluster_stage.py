"""The stage with the cluster that `deploy/cluster` ships: three nodes, two workers, PostgreSQL, certificates.

The ways from RSUs, gateway and centre to each node, from the workers to each node, and from centre and
workers to the database pass a proxy each. A node's name means the ways of all parts to it.
"""

import asyncio
import contextlib
import json
import signal
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import nats
from nats.errors import Error as NatsError

from edge.config import load_site
from edge.queues import VIOLATIONS, inbox_of
from edge.tls import Holder, credentials
from petroroad.chaos.disks import BALLAST_MIB
from petroroad.chaos.fleet import Part, Starter
from petroroad.chaos.ledger import Connect, figure, postgresql_ledger
from petroroad.chaos.plan import DATABASE, LEADER, NODES, TO_DATABASE, WORKERS, Cast, a_cluster
from petroroad.chaos.stage import GRACE_S, Stage
from petroroad.demo.site import FILES, LOOPBACK
from petroroad.pki import authority as pki
from petroroad.pki.whole_site import issue_all
from petroroad.processes.broker import until_listening
from petroroad.processes.children import Child, NotReadyError, start, tail
from petroroad.processes.cluster import HOST, Ports, keep_ports, node_spec, write_files
from petroroad.processes.ports import kept_port
from petroroad.processes.postgresql import Postgresql, initialised
from petroroad.toml_text import dumps

Broker = Literal["nats", "mosquitto", "cluster"]
LEADER_S = 2.0  # for the answer who leads; else the first node is taken
POLL_S = 0.1
DATABASE_S = 30.0  # until it serves


@dataclass(slots=True)
class ClusterStage(Stage):
    """Use it as a Stage."""

    ports: tuple[Ports, ...] = ()
    server: Postgresql | None = None
    databases: dict[str, str] = field(default_factory=dict)  # by part: the address by way of its proxy

    async def open(self) -> None:
        """Make the site, its certificates, the proxies, the disks and the database's files."""
        self._make_site()
        self.ports = keep_ports(self.held)
        self.server = await initialised(self.held.enter_context(kept_port()))
        path = self.site.path
        config = tomllib.loads(path.read_text(encoding="utf-8"))
        config["outbox"] = config.get("outbox", {}) | {"ballast_mib": BALLAST_MIB}
        brokers = [f"{LOOPBACK}:{each.mqtt}" for each in self.ports]
        config["mqtt"] = FILES | {"cluster": True, "brokers": brokers}
        config["nats"] = {"servers": [f"{HOST}:{each.clients}" for each in self.ports]}
        config["centre"] |= {"ingest": "workers", "database": self.server.address()}
        path.write_text(dumps(config), encoding="utf-8")
        self._issue()
        health = {name: f"{LOOPBACK}:{self.held.enter_context(kept_port())}" for name in WORKERS}
        self.site = replace(self.site, tls=True, health=self.site.health | health)
        for name in ("centre", "gateway", *WORKERS, *self.site.esns):
            self._config(name).write_text(dumps(await self._own(name, config)), encoding="utf-8")
        self._make_disks()

    def _issue(self) -> None:
        """Make an authority, the certificates of all parts, and what the nodes read."""
        folder, site = self.folder / "pki", load_site(self.site.path)
        pki.create(folder, "chaos", None)
        with pki.opened(folder, None) as authority:
            issue_all(authority, site, (HOST, LOOPBACK), pki.PART_DAYS)
            for name in WORKERS[1:]:  # the first one's is made with the site's
                authority.issue(authority.identity("worker", name), (), pki.PART_DAYS)
        write_files(self.folder, site)

    async def _own(self, name: str, config: dict[str, Any]) -> dict[str, Any]:
        """Return the site file of one part, which reaches everything by proxies of its own."""
        own = dict(config)
        if name not in WORKERS:
            brokers = [
                await self._way((name, node), (LOOPBACK, each.mqtt))
                for node, each in zip(NODES, self.ports, strict=True)
            ]
            own["mqtt"] = config["mqtt"] | {"brokers": brokers}
        else:
            servers = [
                await self._way((name, node), (LOOPBACK, each.clients))
                for node, each in zip(NODES, self.ports, strict=True)
            ]
            own["nats"] = {"servers": [address.replace(LOOPBACK, HOST) for address in servers]}
        if name in ("centre", *WORKERS):
            assert self.server is not None, "it was made"
            address = await self._way((f"{name}{TO_DATABASE}",), (LOOPBACK, self.server.port))
            database = self.server.address(int(address.rpartition(":")[2]))
            own["centre"] = config["centre"] | {"database": database}
        return own

    @property
    def ledger(self) -> Connect:
        assert self.server is not None, "it was made"
        return postgresql_ledger(self.server.conninfo)

    @property
    def cast(self) -> Cast:
        return a_cluster(self.site.esns)

    @property
    def acknowledging(self) -> tuple[str, ...]:
        return WORKERS

    async def bring_up(self) -> None:
        """Start all but the traffic; raises ChildError or NotReadyError."""
        server = self.server
        assert server is not None, "it was made"

        async def database() -> Child:
            return await server.start(self.folder / f"{DATABASE}.log")

        needs = [await self.fleet.bring_up(Part(DATABASE, database))]
        needs += [await self.fleet.bring_up(Part(name, self._node(i))) for i, name in enumerate(NODES, 1)]
        await self._until_database(needs[0])
        for child, ports in zip(needs[1:], self.ports, strict=True):
            await until_listening(child, LOOPBACK, ports.mqtt)
        services: dict[str, tuple[str, ...]] = {name: (name,) for name in ("centre", "gateway")}
        for name in WORKERS:
            services[name] = ("centre", "worker", "--id", name, "--health", self.site.health[name])
        await self._bring_up_rest(needs, services)

    def _node(self, n: int) -> Starter:
        """Return how to start node n: at once, since a node alone serves nobody, and two may be away."""

        async def begin() -> Child:
            return await start(node_spec(self.folder, n, self.ports))

        return begin

    async def _until_database(self, child: Child) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DATABASE_S):
                while await asyncio.to_thread(figure, self.ledger, "SELECT 1") is None:
                    if not child.running:
                        raise await child.died()
                    await asyncio.sleep(POLL_S)
                return
        raise NotReadyError(f"{DATABASE} does not serve; the end of its log:\n{tail(child.spec.log)}")

    def end(
        self, name: str, number: signal.Signals, down_s: float, between: Callable[[], None] | None = None
    ) -> bool:
        """End a part; PostgreSQL as a crash does: at once, so that it recovers at its next start."""
        return self.fleet.end(name, signal.SIGQUIT if name == DATABASE else number, down_s, between)

    async def named(self, part: str) -> str:
        """Return the node that leads the queue now, where that is meant."""
        if part != LEADER:
            return part
        for ports in self.ports:
            with contextlib.suppress(NatsError, OSError, TimeoutError, ValueError, KeyError):
                async with asyncio.timeout(LEADER_S):
                    return await self._leader(ports)
        return NODES[0]

    async def _leader(self, ports: Ports) -> str:
        site = load_site(self.site.path)
        tls = credentials(site.config.mqtt, site.where, Holder("worker", WORKERS[0]))
        assert tls is not None, "the site has certificates"
        client = await nats.connect(
            f"tls://{HOST}:{ports.clients}", tls=tls.context, allow_reconnect=False,
            inbox_prefix=inbox_of(WORKERS[0]).encode(), connect_timeout=1,
        )  # fmt: skip
        try:
            answer = await client.request(f"$JS.API.STREAM.INFO.{VIOLATIONS.stream}", b"", timeout=1)
            leader = str(json.loads(answer.data)["cluster"]["leader"])
        finally:
            await client.close()
        if leader not in NODES:
            raise ValueError(leader)
        return leader

    async def bring_down(self) -> None:
        """End all other parts in order; the database serves on: the checker reads it."""
        await self.fleet.bring_down(("gateway",), GRACE_S)
        await self.fleet.bring_down(("centre", *WORKERS), GRACE_S)
        await self.fleet.bring_down(NODES, GRACE_S)

    async def close(self) -> None:
        """Leave no process, port, mount or file of the database, whatever has happened."""
        await Stage.close(self)
        if self.server is not None:
            self.server.release()
