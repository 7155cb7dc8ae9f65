"""What was published to one RSU: which rules and map are in force, what a restart needs of them. Pure."""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from core.errors import ConfigError, MapError
from edge.config_down import ConfigAnswer, ConfigDown
from geofence.config import RulesConfig
from geofence.episode_book import Judged
from geofence.monitor import Monitor
from geofence.plausible import plain
from geofence.rule_changes import changes
from geofence.rules_text import check_rules, rules_of
from roadside.pipeline_map import Compiled, Published, check_map, compiled_of, on_map
from roadside.pipeline_setup import Setup, monitor_of

KEY = "config"  # of the outbox
REFUSAL_LENGTH_MAX = 500


class KeptConfig(msgspec.Struct, frozen=True, kw_only=True, tag="config"):
    """The newest accepted publication on the RSU's disk."""

    seq: int
    rules: str
    sha256: bytes  # of seq, rules and map: a damaged row is none
    map: bytes | None = None


class ConfigState(msgspec.Struct, frozen=True, kw_only=True):
    """The publications so far."""

    accepted: ConfigDown | None = None
    answered: ConfigAnswer | None = None


class Accepted(NamedTuple):
    """What a publication puts in force."""

    rules: RulesConfig
    compiled: Compiled | None  # another map; None: that of now


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(KeptConfig)


class PublishedConfig:
    """Accepts and refuses publications for one RSU.

    count : counts a reason so many times
    """

    def __init__(self, setup: Setup, count: Callable[[str, int], None]) -> None:
        self.state = ConfigState()
        self._setup, self._count = setup, count

    def receive(self, item: ConfigDown | Published) -> Accepted | None:
        """Return what a publication puts in force; None for one that is refused, old or a repeat."""
        down = item.down if isinstance(item, Published) else item
        state = self.state
        if state.answered is not None and down.seq <= state.answered.seq:
            self._count("config.repeated", 1)  # it is retained: each connection brings it
            return None
        try:
            accepted = self._checked(down, item)
        except (ConfigError, MapError) as error:  # the operator's: the old rules and the old map stay
            self._count("config.refused", 1)
            text = plain(str(error).removeprefix("config/down: "), REFUSAL_LENGTH_MAX)
            self.state = ConfigState(
                accepted=state.accepted, answered=ConfigAnswer(seq=down.seq, refused=text)
            )
            return None
        self._count("config.accepted", 1)
        if down.map is None and state.accepted is not None:  # the map stays, through a restart too
            down = msgspec.structs.replace(down, map=state.accepted.map)
        self.state = ConfigState(accepted=down, answered=ConfigAnswer(seq=down.seq))
        return accepted

    def _checked(self, down: ConfigDown, item: ConfigDown | Published) -> Accepted:
        """Return what a publication puts in force; ConfigError or MapError where it makes no sense."""
        setup, compiled = self._setup, None
        present = None if self.state.accepted is None else self.state.accepted.map
        if isinstance(item, Published) and item.compiled is None:
            raise MapError(item.refused)
        if down.map is not None and down.map != present:
            known = item.compiled if isinstance(item, Published) else None
            compiled = known or compiled_of(down.map, setup.frame, setup.radars)
            setup = on_map(setup, compiled)
            check_map(setup)
        rules = rules_of(down.rules, "config/down")
        check_rules(rules, setup.road, setup.vehicles, "config/down")
        self._setup = setup
        return Accepted(rules, compiled)

    def kept(self) -> bytes:
        """Return the accepted publication as the disk keeps it."""
        item = self.state.accepted
        assert item is not None
        return _ENCODER.encode(KeptConfig(seq=item.seq, rules=item.rules, sha256=_sha256(item), map=item.map))

    def start(self, bodies: Sequence[bytes]) -> tuple[Accepted | None, tuple[bytes, ...]]:
        """Begin with what the disk has; return what was in force, and the other bodies."""
        self.state, rules, others = ConfigState(), None, []
        for body in bodies:
            item = _decoded(body)
            if item is None:
                others.append(body)
            else:
                rules = self.receive(item)
        return rules, tuple(others)

    def restore(self, state: ConfigState) -> Accepted | None:
        """Continue from `state`; return what was in force, None for the site's rules and map."""
        self.state, item = state, state.accepted
        if item is None:
            return None
        if item.map is None:
            return Accepted(rules_of(item.rules, "config/down"), None)
        compiled = compiled_of(item.map, self._setup.frame, self._setup.radars)
        self._setup = on_map(self._setup, compiled)
        return Accepted(rules_of(item.rules, "config/down"), compiled)


def change_rules(
    monitor: Monitor, setup: Setup, rules: RulesConfig, now_ns: int
) -> tuple[list[Judged], Monitor]:
    """Return the closes of the episodes whose rules change, and a monitor by `rules` that continues."""
    found = changes(setup.rules, rules)
    closes = monitor.close_changed(now_ns, found.rules)
    again = monitor_of(dataclasses.replace(setup, rules=rules))
    again.continue_from(monitor, found.anew, found.rules)
    return closes, again


def _sha256(item: ConfigDown) -> bytes:
    return hashlib.sha256(f"{item.seq}\n{item.rules}".encode() + (item.map or b"")).digest()


def _decoded(body: bytes) -> ConfigDown | None:
    """Return a publication that the disk kept, None for other bytes and for damaged ones."""
    try:
        kept = _DECODER.decode(body)
        item = ConfigDown(seq=kept.seq, rules=kept.rules, map=kept.map)
        return item if kept.sha256 == _sha256(item) else None
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
