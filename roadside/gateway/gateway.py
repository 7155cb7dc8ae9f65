"""The site's gateway: terminals' TCP connections in, `gnss/down` to the RSUs out (DESIGN section 1).

What is done with a fix, a command, a beat; the process around it is gateway_process.py. Nothing is kept for a
broker that is away: a late fix is worth nothing, and an RSU notices the silence by itself.
"""

from collections import Counter
from collections.abc import Callable
from typing import Protocol

import msgspec

from edge import topics
from edge.clock import NS, Clock
from edge.config import Site
from edge.errors import ConfigError
from edge.link import Outgoing
from edge.metrics import merged
from edge.sections import GatewayConfig
from edge.site_map import road_of
from edge.versions import package_version
from edge.wire import GatewayStatus, GnssFix, decode_fix, encode
from roadside.devices.jt808.session import SessionRules
from roadside.gateway.commands import Commands, Outcome
from roadside.gateway.feed import MESSAGE_FIXES_MAX, Down, GatewayFeed
from roadside.gateway.site_router import router_of
from roadside.gateway.terminals import Limits, TerminalServer
from roadside.probe import ClockProbe

VEHICLES = topics.vehicle_gnss_up("+")


class Publish(Protocol):
    """`Link.publish`."""

    def __call__(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        """Say whether the message was taken."""


class Gateway:
    """What one gateway process holds; its methods are called from the one event loop and never block."""

    def __init__(self, site: Site, clock: Clock, *, limits: Limits | None = None) -> None:
        self.config = gateway_config(site)
        self.clock = clock
        self.counts: Counter[str] = Counter()
        self.publish: Publish = _nowhere  # until there is a link
        self.on_pending: Callable[[], None] = _ignore  # a fix waits for `flush`
        self.link_counts: Callable[[], dict[str, int]] = dict
        self.epoch = clock.now_ns() // NS
        self.rules = terminal_rules(site)
        esns = [rsu.esn for rsu in site.config.rsu]
        self._feed = GatewayFeed(
            router_of(site, road_of(site)), self.config.id, self.epoch, esns, self.counts
        )
        self.server = TerminalServer(
            self.rules, clock, self.counts, self.take, limits=limits, answered=self._answered
        )
        self._commands = Commands(self.server.send_text, self.counts)
        self.probe = ClockProbe(clock)

    @property
    def subscriptions(self) -> list[tuple[str, int]]:
        return [
            (VEHICLES, 0),
            (topics.gateway_command_down(self.config.id), 1),
            (topics.gateway_clock_rsp(self.config.id), 0),
        ]

    def take(self, fixes: list[GnssFix]) -> None:
        """Take fixes that carry their arrival; they leave with the next `flush`.

        A message's worth leaves at once: where thousands report on the same second, one turn of the loop
        takes more of them than may wait.
        """
        for at in range(0, len(fixes), MESSAGE_FIXES_MAX):  # a long stored batch is more than may wait
            self._feed.put(fixes[at : at + MESSAGE_FIXES_MAX])
            if self._feed.n_pending >= MESSAGE_FIXES_MAX:
                self.flush()
        if self._feed.n_pending:
            self.on_pending()

    def flush(self) -> None:
        """Send what waits to the RSUs that it concerns."""
        self._send(self._feed.flush(self.clock.now_ns()))

    def beat(self) -> None:
        """Tell silent RSUs that we live; give up on drivers' answers that are overdue."""
        now_ns = self.clock.now_ns()
        self._send(self._feed.beat(now_ns))
        self._tell(self._commands.overdue(now_ns))

    def on_message(self, topic: str, payload: bytes, retained: bool) -> None:
        """Take what the broker delivers: fixes of on-board units, commands."""
        now_ns = self.clock.now_ns()
        parts = topics.parse(topic)
        if parts is None or retained:  # a retained fix or command is of another time
            self.counts["message.stray"] += 1
        elif parts.realm == "vehicle":
            self._vehicle(parts.name, payload, now_ns)
        elif parts.tail == "clock/rsp":
            self.probe.hear(payload, self.count)
        else:
            self._tell(self._commands.take(payload, now_ns))

    def status(self, state: str, connection: int) -> Outgoing:
        """Return birth, heartbeat or will."""
        assert state in ("online", "offline"), "a gateway's states"
        status = GatewayStatus(
            state="online" if state == "online" else "offline",
            epoch=self.epoch,
            connection=connection,
            terminals=self.server.n_terminals,
            version=package_version("petroroad"),
            clock_offset_ms=self.probe.offset_ms,
            counts=self.all_counts(),
            stamp_ns=self.clock.now_ns(),
        )
        return Outgoing(topics.gateway_status(self.config.id), encode(status), 1, True)

    def count(self, reason: str) -> None:
        """Count one of a reason."""
        self.counts[reason] += 1

    def all_counts(self) -> dict[str, int]:
        """Return how often each thing happened since the start, the link's included."""
        return merged(self.counts, self.link_counts())

    def _vehicle(self, terminal: str, payload: bytes, now_ns: int) -> None:
        """A faster on-board unit reports by MQTT, under its own name only."""
        try:
            fix = decode_fix(payload)
        except msgspec.MsgspecError:  # an on-board unit's fault
            self.counts["vehicle.malformed"] += 1
            return
        if fix.terminal != terminal:
            self.counts["vehicle.other_terminal"] += 1
        elif self.rules.refuse_unknown and terminal not in self.rules.known:
            self.counts["terminal.refused"] += 1
        else:
            self.take([msgspec.structs.replace(fix, arrived_ns=now_ns)])

    def _answered(self, terminal: str, seq: int, result: int) -> None:
        self._tell(self._commands.answered(terminal, seq, result, self.clock.now_ns()))

    def _send(self, downs: list[Down]) -> None:
        for esn, down in downs:
            if not self.publish(topics.gnss_down(esn), encode(down), qos=0) and len(down.fixes):
                self.counts["fix.unsent"] += len(down.fixes)

    def _tell(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            self.publish(topics.gateway_command_up(self.config.id), encode(outcome), qos=1)


def gateway_config(site: Site) -> GatewayConfig:
    """Return the site's `[gateway]`; ConfigError where it has none."""
    if site.config.gateway is None:
        raise ConfigError(site.where, "gateway", "the site has no [gateway]")
    return site.config.gateway


def terminal_rules(site: Site) -> SessionRules:
    """Return what terminals are held to, at the gateway and at an RSU's own listeners alike."""
    config = site.config.gateway
    return SessionRules(
        known=frozenset(vehicle.terminal for vehicle in site.vehicles),
        refuse_unknown=config is not None and not config.accept_unknown,
    )


def _nowhere(topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
    return False


def _ignore() -> None:
    """Nobody waits."""
