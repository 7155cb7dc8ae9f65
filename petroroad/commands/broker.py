"""`petroroad broker`: the embedded MQTT broker by itself."""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

import uvloop

from core.errors import CommandError, ConfigError, UsageError
from edge.config import Site, address_of, is_address, load_site
from edge.metrics import Health
from edge.notify import Notifier
from edge.ports import Ports
from edge.tls import file_stamp
from edge.topics import NAME
from petroroad.commands.running import until_signal
from petroroad.processes.broker import BrokerMissingError, Kind, start_broker
from petroroad.processes.broker_files import Login
from petroroad.processes.broker_metrics import BrokerMetrics
from petroroad.processes.broker_probe import Probe
from petroroad.processes.broker_security import ServerTls, server_tls
from petroroad.processes.children import Child, ChildError, NotReadyError

LISTEN = "127.0.0.1:1883"
LOOK_S = 5.0  # between looks at the files of TLS
PROBES_PER_PERIOD = 6.0  # of the watchdog: one that is late does no harm


def broker(
    *,
    config: Path | None = None,
    listen: str | None = None,
    kind: Kind = "nats",
    name: str = "broker",
    state: Path = Path("broker"),
    health: str | None = None,
) -> None:
    """Serve MQTT 3.1.1 until SIGINT or SIGTERM; with TLS and rights where the site has certificates.

    It is started anew when a certificate or the revocation list changes: what is revoked is cut off, and
    delivery resumes within seconds.

    Parameters
    ----------
    config
        A site file, which then says kind, certificates and, without --listen, the address: `[mqtt]`.
    listen
        HOST:PORT; 127.0.0.1:1883 without a site file. Another host than the loopback needs TLS.
    kind
        nats (from its wheel) or mosquitto (if installed).
    name
        Of the broker's certificate.
    state
        Directory of the broker's configuration, store and log.
    health
        HOST:PORT that serves /healthz, /readyz and /metrics.
    """
    served = _Served(kind, listen or LISTEN, name, state)
    if config is not None:
        site = load_site(config)
        mqtt = site.config.mqtt
        login = Login(mqtt.username, mqtt.password or "") if mqtt.username else None
        address = listen or (mqtt.brokers or (LISTEN,))[0]
        served = _Served(mqtt.embedded, address, name, state, site, login)
    if not is_address(served.listen):
        raise UsageError(f"--listen {served.listen}: must be HOST:PORT")
    if not NAME.fullmatch(name):
        raise UsageError(f"--name {name}: must be 1 to 64 of the characters A-Z a-z 0-9 _ -")
    if health is not None and not is_address(health):
        raise UsageError(f"--health {health}: must be HOST:PORT")
    uvloop.run(until_signal(_run(served, health)))


@dataclass(frozen=True, slots=True)
class _Served:
    """What is asked for."""

    kind: Kind
    listen: str
    name: str
    state: Path
    site: Site | None = None
    login: Login | None = None

    async def start(self, tls: ServerTls | None) -> Child:
        return await start_broker(self.kind, self.state, *address_of(self.listen), tls, self.login)

    def tls(self) -> ServerTls | None:
        """Read the site's certificates; ConfigError."""
        return None if self.site is None else server_tls(self.site, self.name)


async def _run(served: _Served, health: str | None) -> None:
    metrics, notifier = BrokerMetrics(), Notifier.from_env()
    answers = Health(lambda: (metrics.runs, {"broker": metrics.runs}), gauges=metrics.samples)
    async with asyncio.TaskGroup() as tasks:
        beside = [
            tasks.create_task(answers.serve(health, "--health", Ports(_say))),
            tasks.create_task(_watch(served, notifier)),
        ]
        await _serve(served, metrics, notifier)
        for task in beside:
            task.cancel()


async def _watch(served: _Served, notifier: Notifier) -> None:
    """Report to systemd as long as the program answers; without a watchdog it is not asked."""
    if notifier.watchdog_s is None:
        return
    probe = Probe(*address_of(served.listen), notifier.watchdog_s / PROBES_PER_PERIOD)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(probe.run())
        tasks.create_task(notifier.watch(lambda: probe.n_answers, lambda: f"{probe.n_answers} answers"))


def _say(event: str, **facts: object) -> None:
    shown = ", ".join(f"{name} {value}" for name, value in facts.items())
    sys.stderr.write(f"broker: {event}: {shown}\n")


async def _serve(served: _Served, metrics: BrokerMetrics, notifier: Notifier) -> None:
    tls = served.tls()
    while True:
        try:
            child = await served.start(tls)
        except (BrokerMissingError, ChildError, NotReadyError, OSError) as error:
            raise CommandError(str(error)) from error
        metrics.started(child, None if tls is None else tls.ends_s)
        notifier.ready()
        if sys.stderr.isatty():
            how = "MQTT" if tls is None else "MQTT over TLS"
            sys.stderr.write(f"{served.kind} serves {how} on {served.listen}; its log: {child.spec.log}\n")
        changing = asyncio.create_task(_changed(served, tls))
        dying = asyncio.create_task(child.died())
        try:
            await asyncio.wait({changing, dying}, return_when=asyncio.FIRST_COMPLETED)
            if dying.done():
                raise CommandError(str(dying.result()))
            tls = changing.result()
            sys.stderr.write("broker: the certificates or the revocation list have changed: starting anew\n")
        finally:
            for task in (changing, dying):
                task.cancel()
            await child.stop(1.5)


async def _changed(served: _Served, tls: ServerTls | None) -> ServerTls:
    """Return the TLS of now once a file has changed and all can be used; half copied ones wait."""
    seen, said = _stamps(tls), ""
    while True:
        await asyncio.sleep(LOOK_S)
        now = _stamps(tls)
        if now == seen:
            continue
        try:
            found = served.tls()
        except (ConfigError, CommandError) as error:  # again with the next look
            if said != str(error):
                sys.stderr.write(f"broker: the files of now can't be used: {error}\n")
            said = str(error)
            continue
        assert found is not None, "the site file is not read again"
        return found


def _stamps(tls: ServerTls | None) -> tuple[tuple[int, int] | None, ...]:
    return () if tls is None else tuple(file_stamp(path) for path in tls.files)
