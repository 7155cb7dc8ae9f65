"""The site's gateway: terminals' TCP connections in, `gnss/down` to the RSUs out (docs/design.md section 1).

`process` runs it. Nothing is kept for a broker that is away: a late fix is worth nothing, and an RSU notices
the silence by itself.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from core.errors import ConfigError
from core.times import NS
from edge import topics
from edge.clock import Clock
from edge.config import Site, address_of
from edge.figures import merged
from edge.gateway_command import CommandOutcome
from edge.link import Outgoing
from edge.sections import GatewayConfig
from edge.service import Presence
from edge.site_map import plan_of
from edge.subscriptions import Incoming, Subscription, Subscriptions
from edge.tls import is_loopback
from edge.versions import package_version
from edge.wire import GatewayStatus, GnssFix, decode_fix, encode
from roadside.devices.jt808.codes import codes_of, drawn_codes
from roadside.devices.jt808.fences import encode_delete, encode_set
from roadside.devices.jt808.messages import Id
from roadside.devices.jt808.session import SessionRules
from roadside.gateway.commands import Commands
from roadside.gateway.feed import MESSAGE_FIXES_MAX, GatewayFeed, Routed
from roadside.gateway.routing import router_of
from roadside.gateway.terminals import Limits, TerminalServer
from roadside.site_fences import fences_for

ON_BOARD = "MQTT"  # where an on-board unit reports from


class Publish(Protocol):
    """`Link.publish`."""

    def __call__(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        """Start sending; False where the link can't."""


class Gateway:
    """One gateway; its methods are called from the one event loop and never block.

    link_counts : returns the counters of the connections, for the status
    """

    def __init__(
        self,
        site: Site,
        clock: Clock,
        publish: Publish,
        link_counts: Callable[[], dict[str, int]] = dict,
        *,
        limits: Limits | None = None,
    ) -> None:
        self.config = gateway_config(site)
        self.clock = clock
        self.counts: Counter[str] = Counter()
        self.publish, self.link_counts = publish, link_counts
        self.faults: Callable[[], tuple[str, ...]] = tuple  # reasons for `degraded`; set by the process
        self.pending = asyncio.Event()  # a fix waits for `flush`
        self.epoch = clock.now_ns() // NS
        self.rules = terminal_rules(site)
        esns, road = [rsu.esn for rsu in site.config.rsu], plan_of(site)
        self._feed = GatewayFeed(
            router_of(site.config.rsu, site.frame, road),
            self.config.id,
            self.epoch,
            esns,
            self.counts,
        )
        self.server = TerminalServer(
            self.rules,
            clock,
            self.counts,
            self.queue,
            limits=limits or terminal_limits(site),
            answered=self._answered,
        )
        self._site, self._zones = site, road.zones
        self._commands = Commands(self.server.send_text, self.counts, self._set_fences)
        self.subscriptions = Subscriptions(
            [
                Subscription(topics.vehicle_gnss_up("+"), 0, self._receive_fix),
                Subscription(topics.gateway_command_down(self.config.id), 1, self._receive_command),
            ],
            lambda: self.count("message.stray"),
        )

    @property
    def n_waiting(self) -> int:
        """How many fixes wait to be sent."""
        return self._feed.n_pending

    def queue(self, fixes: list[GnssFix]) -> None:
        """Queue fixes that carry their arrival; they leave with the next `flush`.

        A full message leaves at once: where thousands report on the same second, one turn of the loop brings
        more of them than may wait.
        """
        for at in range(0, len(fixes), MESSAGE_FIXES_MAX):  # a long stored batch is more than may wait
            self._feed.add_fixes(fixes[at : at + MESSAGE_FIXES_MAX])
            if self._feed.n_pending >= MESSAGE_FIXES_MAX:
                self.flush()
        if self._feed.n_pending:
            self.pending.set()

    def flush(self) -> None:
        """Send the queued fixes to the RSUs of their stretches."""
        self._send(self._feed.flush(self.clock.now_ns()))

    def beat(self) -> None:
        """Send an empty message to RSUs that got none for a second; close commands without an answer."""
        now_ns = self.clock.now_ns()
        self._send(self._feed.beat(now_ns))
        self._publish_outcomes(self._commands.overdue(now_ns))

    def status(self, presence: Presence) -> Outgoing:
        """Return birth, heartbeat or will."""
        status = GatewayStatus(
            state=presence.state,
            epoch=self.epoch,
            connection=presence.connection,
            terminals=self.server.n_terminals,
            version=package_version("petroroad"),
            clock_offset_ms=presence.clock_offset_ms,
            counts=self.all_counts(),
            stamp_ns=presence.stamp_ns,
            degraded=self.faults(),
            strange_terminals=self.server.strangers.shown(time.monotonic()),
        )
        return Outgoing(topics.gateway_status(self.config.id), encode(status), 1, True)

    def count(self, reason: str) -> None:
        """Count one of a reason."""
        self.counts[reason] += 1

    def all_counts(self) -> dict[str, int]:
        """Return how often each thing happened since the start, the link's included."""
        return merged(self.counts, self.link_counts())

    def _receive_fix(self, message: Incoming) -> None:
        """Receive a fix of an on-board unit, which reports by MQTT under its own name only."""
        terminal, now_ns = message.topic.name, self.clock.now_ns()
        try:
            fix = decode_fix(message.payload)
        except msgspec.MsgspecError:  # an on-board unit's fault
            self.counts["vehicle.malformed"] += 1
            return
        if fix.terminal != terminal:
            self.counts["vehicle.other_terminal"] += 1
        elif self.rules.refuse_unknown and terminal not in self.rules.known:
            self.counts["terminal.refused"] += 1
        elif self.server.is_taken(terminal, ON_BOARD):  # it has a connection, with a code, and reports there
            self.counts["terminal.live"] += 1
        else:
            self.queue([msgspec.structs.replace(fix, arrived_ns=now_ns)])

    def _receive_command(self, message: Incoming) -> None:
        self._publish_outcomes(self._commands.execute(message.payload, self.clock.now_ns()))

    def _set_fences(self, terminal: str) -> list[int] | None:
        """Set the site's zones in a terminal, in place of the polygons that it has."""
        found = fences_for(self._site, self._zones, terminal, self.clock.now_ns())
        self.counts["fences.left_out"] = len(found.left_out)

        def messages(version: int | None) -> list[tuple[Id, bytes]]:
            bodies = [encode_set(fence, version) for fence in found.fences]
            return [(Id.DELETE_POLYGON, encode_delete([])), *((Id.SET_POLYGON, body) for body in bodies)]

        return self.server.send_messages(terminal, messages)

    def _answered(self, terminal: str, seq: int, result: int) -> None:
        self._publish_outcomes(self._commands.answered(terminal, seq, result, self.clock.now_ns()))

    def _send(self, downs: list[Routed]) -> None:
        for esn, down in downs:
            if not self.publish(topics.gnss_down(esn), encode(down), qos=0) and len(down.fixes):
                self.counts["fix.unsent"] += len(down.fixes)

    def _publish_outcomes(self, outcomes: list[CommandOutcome]) -> None:
        for outcome in outcomes:
            self.publish(topics.gateway_command_up(self.config.id), encode(outcome), qos=1)


def gateway_config(site: Site) -> GatewayConfig:
    """Return the site's `[gateway]`; ConfigError where it has none."""
    if site.config.gateway is None:
        raise ConfigError(site.where, "gateway", "the site has no [gateway]")
    return site.config.gateway


def check_secret(site: Site, listeners: Iterable[str]) -> None:
    """Refuse (ConfigError) terminals on the network without a secret, unless the site says that it is meant.

    Codes that are drawn at each start are handed out anew to whoever asks first.
    """
    config = site.config.gateway
    if config is not None and (config.secret is not None or config.insecure):
        return
    for url in listeners:
        if url.startswith("jt808://") and not is_loopback(address_of(url)[0]):
            rule = "is missing: terminals outside this machine need codes made of one, or insecure = true"
            raise ConfigError(site.where, "gateway.secret", rule, url)


def terminal_rules(site: Site) -> SessionRules:
    """Return the rules for terminals, the same at the gateway and at an RSU's own listeners."""
    config = site.config.gateway
    secret = None if config is None else config.secret
    return SessionRules(
        known=frozenset(vehicle.terminal for vehicle in site.vehicles),
        refuse_unknown=config is not None and not config.accept_unknown,
        registration="open" if config is None else config.registration,
        code_of=drawn_codes() if secret is None else codes_of(secret.encode()),
    )


def terminal_limits(site: Site) -> Limits:
    """Return the limits for terminals."""
    config = site.config.gateway
    return Limits(address_max=None if config is None else config.connections_per_address)
