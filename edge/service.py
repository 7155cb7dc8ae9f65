"""The shell of every service process: connections, status, clock probe, health, and the order of its end.

An RSU, a gateway and the centre are each a `Service`: their subscriptions, their status and their own work.
Everything that they share is here, once.
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, Protocol

from edge.bugs import until_bug
from edge.clock import Clock
from edge.clock_probe import ClockProbe
from edge.config import Site
from edge.exposition import Samples, Values
from edge.host import clock_state
from edge.link import Link, Outgoing, link_settings
from edge.link_security import LinkSecurity
from edge.log import CountsLog, Logger, warn_unapplied
from edge.metrics import Health
from edge.notify import Notifier
from edge.patience import NO_REQUEST, OnEnd
from edge.ports import Ports
from edge.signing.guard import REFUSALS
from edge.status_order import Stamps
from edge.subscriptions import MAIN, Incoming, Subscription, Subscriptions
from edge.tls import Holder
from edge.versions import versions

STATUS_S = 2.0  # between heartbeats
# How long one thread computes while another one waits for it. A message takes some five calls to read, and
# after each a thread that computes, such as the centre's writer, had Python's usual 5 ms: 16 ms a message.
SWITCH_S = 0.000_5
DRAIN_S = 0.8  # a clean end waits this long for acknowledgements


class Presence(NamedTuple):
    """The facts that the shell adds to a status message."""

    state: Literal["online", "offline"]
    connection: int  # counts every attempt to connect from 1
    clock_offset_ms: float | None  # our clock ahead of the centre's; None without an answer since it was set
    stamp_ns: int  # of this status, by our clock; grows within a connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporting:
    """How a process reports: an RSU or gateway to the centre, the centre to all of them.

    status : makes birth, heartbeat and will.  epoch : a new one needs a new will, and so a new connection
    clock_req, clock_rsp : topics of the clock probe; the centre, whose clock the others ask, has none
    """

    status: Callable[[Presence], Outgoing]
    epoch: Callable[[], int]
    clock_req: str | None = None
    clock_rsp: str | None = None


class Service(Protocol):
    """A process as its shell sees it; subclass it for the defaults."""

    health: Health
    subscriptions: Subscriptions
    usual: Sequence[str] = ()  # beginnings of counters that grow in ordinary service: not logged

    @property
    def health_at(self) -> tuple[str | None, str]:
        """The address of `health` (None: nowhere) and its key in the site file."""

    @property
    def reporting(self) -> Reporting | None:
        """How it reports to the centre; None: not at all."""
        return None

    def count(self, reason: str) -> None:
        """Count one event."""

    def counts(self) -> Mapping[str, int]:
        """Return all counters of the process."""

    def progress(self) -> int | None:
        """Return a number that changes as long as the work moves on; None: the loop's turning is enough."""
        return None

    def on_connected(self) -> None:
        """Resume the work that waited for the main connection."""
        return

    def background(self) -> Mapping[str, Coroutine[Any, Any, None]]:
        """Return the tasks, by name, that run until the work has ended and the drain is over."""
        return {}

    async def work(self) -> None:
        """Do the work of the process; its return or its cancellation is the clean end."""

    async def drain(self) -> None:
        """Finish after the work; after DRAIN_S it is cancelled."""
        return


class Shell:
    """The connections and the clock probe of one process; `run` runs a service in it.

    clients : the client id of each connection by name; `MAIN` is the first
    holder : the part that its certificate must name; None: any
    """

    def __init__(
        self,
        part: str,
        site: Site,
        clock: Clock,
        logger: Logger,
        clients: Mapping[str, str],
        holder: Holder | None = None,
    ) -> None:
        self.part, self.site, self.log = part, site, logger
        self.probe, self._stamps = ClockProbe(clock), Stamps(clock.now_ns)
        settings = link_settings(site.config.mqtt, clients[MAIN], site.where, holder)
        self.links = {
            name: Link(replace(settings, client_id=client_id)) for name, client_id in clients.items()
        }
        self.main = self.links[MAIN]
        self.security = LinkSecurity(settings, self.links, logger)
        self.ports = Ports(logger.warning)
        self.notifier = Notifier.from_env()
        self.on_http_end: OnEnd = lambda _why, _address: None  # set by `attach`

    def link_counts(self) -> dict[str, int]:
        """Return the counters of connections and ports; links beside the main one begin with their name."""
        found = dict(self.main.counts) | self.security.counts() | self.ports.counts
        for name, link in self.links.items():
            if link is not self.main:
                found |= {f"{name}.{reason}": n for reason, n in link.counts.items()}
        return found

    def faults(self) -> tuple[str, ...]:
        """Return what is wrong with connections and ports: reasons for `degraded`."""
        return (*self.security.faults(), *self.ports.faults())

    def log_start(self, event: str, **facts: object) -> None:
        """Log that the service has started, and the settings that it does not apply; report it to systemd."""
        self.notifier.ready()
        warn_unapplied(self.log, self.site.unapplied)
        self.security.log_start()
        self.log.info(event, **facts)

    async def run(self, service: Service, *, ends_on_bug: bool = True) -> None:
        """Run a service until cancelled or its work ends: first the work ends, then the drain, then the rest.

        A failure of one task ends all. ends_on_bug : whether an exception in a callback ends the process
        """
        sys.setswitchinterval(SWITCH_S)
        self.attach(service)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(part, name=f"{self.part}.{name}")
                for name, part in self._parts(service, ends_on_bug=ends_on_bug).items()
            ]
            try:
                await service.work()
            finally:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(DRAIN_S):
                        await service.drain()
                for task in tasks:
                    task.cancel()
                self.notifier.stopping()

    def attach(self, service: Service) -> None:
        """Give the connections their subscriptions, birth and will, and health what every part shows."""
        subscriptions, reporting = service.subscriptions, service.reporting

        def note_http_end(why: str, address: str) -> None:
            service.count(f"http.{why}")
            if why != NO_REQUEST:  # browsers open connections that they may need
                self.log.warning("http.ended", reason=why, address=address)

        self.on_http_end = service.health.on_end = note_http_end
        service.health.add(lambda: self._samples(reporting), sorted(REFUSALS))
        if reporting is not None:

            def receive_time(message: Incoming) -> None:
                self.probe.receive(message.payload, service.count)

            if reporting.clock_rsp is not None:
                subscriptions.add(Subscription(reporting.clock_rsp, 0, receive_time))
            self.main.announce(
                will=lambda connection: reporting.status(self._presence("offline", connection)),
                birth=lambda connection: reporting.status(self._presence("online", connection)),
            )
        for name, link in self.links.items():
            link.subscribe(subscriptions.filters(name), subscriptions.dispatch, subscriptions.admits)
        self.main.on_up = service.on_connected

    def _parts(self, service: Service, *, ends_on_bug: bool) -> dict[str, Coroutine[Any, Any, None]]:
        address, key = service.health_at
        parts = {name: link.run() for name, link in self.links.items()}
        parts |= service.background()
        parts["status"] = self._report(service)
        parts["tls"] = self.security.run()
        parts["watchdog"] = self.notifier.watch(service.progress, self._state)
        parts["health"] = service.health.serve(address, key, self.ports)
        if ends_on_bug:
            parts["bug"] = until_bug(service.count)
        return parts

    def _state(self) -> str:
        """Return one line for `systemctl status`."""
        return ", ".join(
            f"{name} {'connected' if link.connected else 'not connected'}"
            for name, link in self.links.items()
        )

    def _samples(self, reporting: Reporting | None) -> Samples:
        """Return what every part shows to Prometheus."""
        offset_ms = self.probe.offset_ms
        found = host_samples(self.faults(), self.security.certificate_ends_s())
        found["link_up"] = {(name,): float(link.connected) for name, link in self.links.items()}
        if reporting is not None and reporting.clock_req is not None and offset_ms is not None:
            found["clock_offset_seconds"] = offset_ms / 1e3
        return found

    def _presence(self, state: Literal["online", "offline"], connection: int) -> Presence:
        return Presence(state, connection, self.probe.offset_ms, self._stamps.next_ns())

    async def _report(self, service: Service) -> None:
        """Publish the heartbeat, probe the clock, and log the counters that have grown."""
        counted, reporting = CountsLog(self.log, service.usual), service.reporting
        epoch = None if reporting is None else reporting.epoch()
        while True:
            await asyncio.sleep(STATUS_S)
            if reporting is not None:
                if reporting.epoch() != epoch:  # a conflict: the will must carry the new epoch
                    epoch = reporting.epoch()
                    self.main.reconnect()
                if self._stamps.must_begin_anew():  # readers refuse stamps that fall within a connection
                    self.main.reconnect()
                else:
                    self.main.send(reporting.status(self._presence("online", self.main.connection)))
                if reporting.clock_req is not None:
                    self.main.publish(reporting.clock_req, self.probe.ask(), qos=0)
            counted.log(service.counts())


def host_samples(faults: Iterable[str], certificate_ends_s: float | None) -> dict[str, float | Values]:
    """Return what a process of any kind shows to Prometheus: version, faults, the machine's clock."""
    clock = clock_state()
    found: dict[str, float | Values] = {
        "build_info": {(versions()["petroroad"],): 1.0},
        "degraded": dict.fromkeys(((fault,) for fault in faults), 1.0),
    }
    if clock != "unknown":
        found["clock_synchronized"] = float(clock == "synchronised")
    if certificate_ends_s is not None:
        found["certificate_not_after_timestamp_seconds"] = certificate_ends_s
    return found
