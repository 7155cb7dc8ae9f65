"""The gateway as a process: listeners, link, timers and health around `Gateway`."""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from edge import log, topics
from edge.bugs import until_bug
from edge.clock import Clock
from edge.config import Site, address_of
from edge.errors import ConfigError
from edge.link import Link, link_settings
from edge.metrics import Health, Ready
from roadside.gateway.gateway import Gateway

BATCH_S = 0.005  # messages to one RSU are at least this far apart; what comes meanwhile goes together
BEAT_S = 0.1
STATUS_S = 2.0
USUAL = ("fix.taken", "link.connected", "command.delivered", "location.item.")  # counted, but nothing to log


async def run(site: Site, clock: Clock) -> None:
    """Serve until cancelled; ConfigError where a listener can't be opened, our own bug ends all."""
    _allow_sockets()
    gateway = Gateway(site, clock)
    link = Link(
        link_settings(site.config.mqtt, f"gateway-{gateway.config.id}", site.where),
        subscriptions=gateway.subscriptions,
        on_message=gateway.on_message,
        will=lambda connection: gateway.status("offline", connection),
        birth=lambda connection: gateway.status("online", connection),
    )
    gateway.publish = link.publish
    gateway.link_counts = lambda: link.counts

    def ready() -> Ready:
        return link.connected, {"link": link.connected, "terminals": gateway.server.n_terminals}

    health = Health(ready, gateway.all_counts, lambda: {"terminals": float(gateway.server.n_terminals)})
    async with _listening(gateway, site.where), asyncio.TaskGroup() as tasks:
        tasks.create_task(link.run(), name="gateway.link")
        tasks.create_task(gateway.server.run(), name="gateway.terminals")
        tasks.create_task(flushing(gateway), name="gateway.flush")
        tasks.create_task(_beating(gateway, link), name="gateway.beat")
        tasks.create_task(_reporting(gateway, link, site.unapplied), name="gateway.status")
        tasks.create_task(
            health.serve(gateway.config.health, site.where, "gateway.health"), name="gateway.health"
        )
        tasks.create_task(until_bug(gateway.count), name="gateway.bug")


def _allow_sockets() -> None:
    """Raise the soft limit of open files, often 1 024, to the hard one: each terminal is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def flushing(gateway: Gateway) -> None:
    """Send each fix at once, or together with the others that came within BATCH_S of the last sending."""
    pending = asyncio.Event()
    gateway.on_pending = pending.set
    while True:
        await pending.wait()
        pending.clear()
        gateway.flush()
        await asyncio.sleep(BATCH_S)


async def _beating(gateway: Gateway, link: Link) -> None:
    while True:
        if link.connected:
            gateway.beat()
        await asyncio.sleep(BEAT_S)


async def _reporting(gateway: Gateway, link: Link, unapplied: tuple[str, ...]) -> None:
    """Publish the heartbeat, probe the clock, and log what was counted since the last one."""
    logger = log.setup(part="gateway", gateway=gateway.config.id)
    log.tell_unapplied(logger, unapplied)
    logger.info("started", listeners=gateway.config.listeners, epoch=gateway.epoch)
    counted = log.CountsLog(logger, USUAL)
    while True:
        await asyncio.sleep(STATUS_S)
        counted.tell(gateway.all_counts())
        status = gateway.status("online", link.connection)
        link.publish(status.topic, status.payload, qos=status.qos, retain=status.retain)
        link.publish(topics.gateway_clock_req(gateway.config.id), gateway.probe.ask(), qos=0)


@asynccontextmanager
async def _listening(gateway: Gateway, where: str) -> AsyncIterator[None]:
    """Hold every listener of `[gateway]` open."""
    servers: list[asyncio.Server] = []
    try:
        for i, url in enumerate(gateway.config.listeners):
            servers.append(await _listen(gateway, url, f"gateway.listeners[{i}]", where))
        yield
    finally:
        for server in servers:
            server.close()


async def _listen(gateway: Gateway, url: str, key: str, where: str) -> asyncio.Server:
    if not url.startswith("jt808://"):
        raise ConfigError(where, key, "must be jt808://HOST:PORT", url)
    try:
        return await gateway.server.listen(*address_of(url))
    except OSError as error:
        raise ConfigError(where, key, f"can't listen: {error}", url) from error
