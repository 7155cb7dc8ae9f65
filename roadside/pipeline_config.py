"""The rules that were published to one RSU: which are in force, and what a restart needs of them. Pure."""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence

import msgspec

from core.errors import ConfigError
from edge.config_down import ConfigAnswer, ConfigDown
from geofence.config import RulesConfig
from geofence.episode_book import Judged
from geofence.monitor import Monitor
from geofence.plausible import plain
from geofence.rule_changes import changes, without
from geofence.rules_text import check_rules, rules_of
from roadside.pipeline_setup import Setup, monitor_of

KEY = "config"  # of the outbox
REFUSAL_LENGTH_MAX = 500


class KeptConfig(msgspec.Struct, frozen=True, kw_only=True, tag="config"):
    """The newest accepted publication on the RSU's disk."""

    seq: int
    rules: str
    sha256: bytes  # of seq and rules: a damaged row is none


class ConfigState(msgspec.Struct, frozen=True, kw_only=True):
    """The publications so far."""

    accepted: ConfigDown | None = None
    answered: ConfigAnswer | None = None


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(KeptConfig)


class PublishedConfig:
    """Accepts and refuses publications for one RSU.

    count : counts a reason so many times
    """

    def __init__(self, setup: Setup, count: Callable[[str, int], None]) -> None:
        self.state = ConfigState()
        self._setup, self._count = setup, count

    def receive(self, item: ConfigDown) -> RulesConfig | None:
        """Return the rules of a publication; None for one that is refused, old or a repeat."""
        answered = self.state.answered
        if answered is not None and item.seq <= answered.seq:  # it is retained: each connection brings it
            self._count("config.repeated", 1)
            return None
        try:
            rules = rules_of(item.rules, "config/down")
            check_rules(rules, self._setup.road, self._setup.vehicles, "config/down")
        except ConfigError as error:  # the operator's: the old rules stay
            self._count("config.refused", 1)
            text = plain(str(error).removeprefix("config/down: "), REFUSAL_LENGTH_MAX)
            self.state = ConfigState(
                accepted=self.state.accepted, answered=ConfigAnswer(seq=item.seq, refused=text)
            )
            return None
        self._count("config.accepted", 1)
        self.state = ConfigState(accepted=item, answered=ConfigAnswer(seq=item.seq))
        return rules

    def kept(self) -> bytes:
        """Return the accepted publication as the disk keeps it."""
        item = self.state.accepted
        assert item is not None
        return _ENCODER.encode(KeptConfig(seq=item.seq, rules=item.rules, sha256=_sha256(item)))

    def start(self, bodies: Sequence[bytes]) -> tuple[RulesConfig | None, tuple[bytes, ...]]:
        """Begin with what the disk has; return the rules that were in force, and the other bodies."""
        self.state, rules, others = ConfigState(), None, []
        for body in bodies:
            item = _decoded(body)
            if item is None:
                others.append(body)
            else:
                rules = self.receive(item)
        return rules, tuple(others)

    def restore(self, state: ConfigState) -> RulesConfig | None:
        """Continue from `state`; return the rules that were in force, None for the site file's."""
        self.state = state
        return None if state.accepted is None else rules_of(state.accepted.rules, "config/down")


def change_rules(
    monitor: Monitor, setup: Setup, rules: RulesConfig, now_ns: int
) -> tuple[list[Judged], Monitor]:
    """Return the closes of the episodes whose rules change, and a monitor by `rules` that continues."""
    found = changes(setup.rules, rules)
    closes = monitor.close_changed(now_ns, found.rules)
    again = monitor_of(dataclasses.replace(setup, rules=rules))
    again.restore(without(monitor.state(), found.anew))
    return closes, again


def _sha256(item: ConfigDown) -> bytes:
    return hashlib.sha256(f"{item.seq}\n{item.rules}".encode()).digest()


def _decoded(body: bytes) -> ConfigDown | None:
    """Return a publication that the disk kept, None for other bytes and for damaged ones."""
    try:
        kept = _DECODER.decode(body)
        item = ConfigDown(seq=kept.seq, rules=kept.rules)
        return item if kept.sha256 == _sha256(item) else None
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
