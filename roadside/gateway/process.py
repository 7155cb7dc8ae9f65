"""The gateway as a process: its listeners, its rhythm, and the service of its shell."""

import asyncio
import resource
from collections.abc import Callable
from functools import partial

from core.errors import ConfigError
from edge import log, topics
from edge.clock import Clock
from edge.config import Site, address_of
from edge.metrics import Health, Ready
from edge.open_ports import open_ports_of_gateway, warn_open_ports
from edge.service import Reporting, Service, Shell
from edge.subscriptions import MAIN
from edge.tls import Holder
from roadside.gateway.gateway import Gateway, check_secret, gateway_config

BATCH_S = 0.005  # messages to one RSU are at least this far apart; fixes of the meantime travel together
BEAT_S = 0.1
EXPECTED = ("terminal.live",)  # shown as 0 before it happens: an alert looks at its increase


async def run(site: Site, clock: Clock) -> None:
    """Serve until cancelled; ConfigError for a listener of another kind, our own bug ends all."""
    _allow_sockets()
    config = gateway_config(site)
    check_secret(site, config.listeners)
    name = config.id
    logger = log.setup(part="gateway", gateway=name)
    shell = Shell("gateway", site, clock, logger, {MAIN: f"gateway-{name}"}, Holder("gateway", name))
    gateway = Gateway(site, clock, shell.main.publish, shell.link_counts)
    gateway.faults = shell.faults
    for i, url in enumerate(config.listeners):
        if not url.startswith("jt808://"):
            raise ConfigError(site.where, f"gateway.listeners[{i}]", "must be jt808://HOST:PORT", url)
    await shell.run(GatewayService(gateway, shell))


class GatewayService(Service):
    """The tasks and the status of one gateway."""

    usual = ("fix.taken", "link.connected", "command.delivered", "location.item.")

    def __init__(self, gateway: Gateway, shell: Shell) -> None:
        self.gateway, self.shell = gateway, shell
        self.subscriptions = gateway.subscriptions
        self.health = Health(self._ready, self.counts, self._gauges, expected=EXPECTED)

    @property
    def health_at(self) -> tuple[str | None, str]:
        return self.gateway.config.health, "gateway.health"

    @property
    def reporting(self) -> Reporting:
        name = self.gateway.config.id
        return Reporting(
            status=self.gateway.status,
            epoch=lambda: self.gateway.epoch,
            clock_req=topics.gateway_clock_req(name),
            clock_rsp=topics.gateway_clock_rsp(name),
        )

    def count(self, reason: str) -> None:
        self.gateway.count(reason)

    def counts(self) -> dict[str, int]:
        return self.gateway.all_counts()

    async def work(self) -> None:
        """Serve terminals and send to the RSUs until cancelled."""
        gateway, ports = self.gateway, self.shell.ports
        warn_open_ports(self.shell.log, open_ports_of_gateway(gateway.config))
        async with asyncio.TaskGroup() as tasks:
            urls = {f"gateway.listeners[{i}]": url for i, url in enumerate(gateway.config.listeners)}
            for key, url in urls.items():
                tasks.create_task(ports.keep(key, url, partial(_listen, gateway, url)), name=f"gateway.{url}")
            await ports.tried(*urls)
            self.shell.log_start("started", listeners=gateway.config.listeners, epoch=gateway.epoch)
            tasks.create_task(gateway.server.run(), name="gateway.terminals")
            tasks.create_task(self._flush(), name="gateway.flush")
            tasks.create_task(self._beat(), name="gateway.beat")

    async def _flush(self) -> None:
        """Send each fix at once, or together with the others that came within BATCH_S of the last sending."""
        while True:
            await self.gateway.pending.wait()
            self.gateway.pending.clear()
            self.gateway.flush()
            await asyncio.sleep(BATCH_S)

    async def _beat(self) -> None:
        while True:
            if self.shell.main.connected:
                self.gateway.beat()
            await asyncio.sleep(BEAT_S)

    def _ready(self) -> Ready:
        connected, listening = self.shell.main.connected, not self.shell.ports.closed
        facts = {"link": connected, "listening": listening, "terminals": self.gateway.server.n_terminals}
        return connected and listening, facts

    def _gauges(self) -> dict[str, float]:
        return {"terminals": self.gateway.server.n_terminals, "fixes_waiting": self.gateway.n_waiting}


def _allow_sockets() -> None:
    """Raise the soft limit of open files, often 1 024, to the hard one: each terminal is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _listen(gateway: Gateway, url: str, on_open: Callable[[], None]) -> None:
    """Accept terminals at one address until cancelled; OSError where it can't be had."""
    server = await gateway.server.listen(*address_of(url))
    try:
        on_open()
        await asyncio.Event().wait()
    finally:
        server.close()
