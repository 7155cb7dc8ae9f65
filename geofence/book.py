"""The open episodes: opened, told again, closed; each step makes one version of a violation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from geofence.config import RulesConfig
from geofence.episodes import OpenEpisode
from geofence.map.frames import SiteFrame
from geofence.state import LAST_OVER, N_RULES, RULES, UNDECIDABLE, State
from geofence.violation import GRADES, Grade, Phase, Rule, Stamps, Violation, ViolationVehicle
from geofence.writing import episode_id, evidence, violation

WARNING = GRADES.index("warning")
CARRIED = msgspec.msgpack.Encoder()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a version says of the vehicle now, quantised."""

    vehicle: ViolationVehicle | None
    identity_p: float | None
    lon_deg: float
    lat_deg: float
    lane: str | None
    s_m: float | None
    d_m: float | None
    sigma_d_m: float | None
    speed_mps: float
    limit_mps: float | None
    p_violation: float


class Book:
    """All open episodes by track and slot (a rule's number, or UNDECIDABLE)."""

    def __init__(
        self, rules: RulesConfig, frame: SiteFrame, state: State, esn: str, map_version: str
    ) -> None:
        self._rules, self._frame, self._state = rules, frame, state
        self._esn, self._map_version = esn, map_version
        self._open: dict[tuple[int, int], OpenEpisode] = {}
        self._key_of: dict[str, tuple[int, int]] = {}

    def find(self, track: int, slot: int) -> OpenEpisode | None:
        """Return the open episode of a track in a slot."""
        return self._open.get((track, slot))

    def of(self, track: int) -> list[tuple[int, OpenEpisode]]:
        """Return a track's open episodes with their slots."""
        return [(slot, self._open[track, slot]) for slot in range(N_RULES + 1) if (track, slot) in self._open]

    def place(self, episode: str) -> tuple[int, int] | None:
        """Return the track and slot that an open episode hangs on, None where it is not open."""
        return self._key_of.get(episode)

    def all(self) -> list[tuple[int, int, OpenEpisode]]:
        """Return every open episode with its track and slot, in the order of opening."""
        return [(track, slot, episode) for (track, slot), episode in self._open.items()]

    def packed(self, episode: str) -> bytes | None:
        """Return an open episode's bytes, as a restart would need them."""
        key = self.place(episode)
        return None if key is None else CARRIED.encode(self._open[key])

    def put(self, track: int, slot: int, episode: OpenEpisode) -> None:
        """Let an episode hang on a track."""
        episode.track = track
        self._open[track, slot] = episode
        self._key_of[episode.id] = track, slot
        self._state.open[self._state.row(track), slot] = True

    def take(self, track: int, slot: int) -> OpenEpisode:
        """Take an episode off its track, still open."""
        episode = self._open.pop((track, slot))
        del self._key_of[episode.id]
        row = self._state.find(track)
        if row is not None:
            self._state.open[row, slot] = False
        return episode

    def open(
        self, track: int, slot: int, grade: int, start_ns: int, facts: Facts, stamps: Stamps
    ) -> Violation:
        """Open an episode and return its first version."""
        rule: Rule = "lane_departure" if slot == UNDECIDABLE else RULES[slot]
        episode = OpenEpisode(
            id=episode_id(self._esn, track, rule, slot, facts.lane, start_ns),
            rule=rule,
            undecidable=slot == UNDECIDABLE,
            track=track,
            grade="undecidable",
            version=0,
            hop=0,
            start_ns=start_ns,
            confirmed_ns=None,
            told_ns=0,
            seen_ns=stamps.measured_ns,
            zone=None,
            **_fields(facts),
        )
        self.put(track, slot, episode)
        return self.tell(episode, slot, "open", GRADES[grade], facts, stamps)

    def tell(
        self, episode: OpenEpisode, slot: int, phase: Phase, grade: Grade, facts: Facts | None, stamps: Stamps
    ) -> Violation:
        """Return the next version of an open episode."""
        if facts is not None:
            for name, value in _fields(facts).items():
                setattr(episode, name, value)
        if GRADES.index(grade) > GRADES.index(episode.grade):
            episode.grade = grade
        if episode.confirmed_ns is None and GRADES.index(episode.grade) >= WARNING:
            episode.confirmed_ns = stamps.measured_ns
        episode.version += 1
        episode.told_ns = episode.seen_ns = stamps.measured_ns
        return self._version(episode, slot, phase, None, stamps, None)

    def close(
        self, track: int, slot: int, stamps: Stamps, reason: str | None = None, facts: Facts | None = None
    ) -> Violation:
        """Close an episode for good and return its last version."""
        episode = self.take(track, slot)
        if facts is not None:
            for name, value in _fields(facts).items():
                setattr(episode, name, value)
        return self.finish(episode, slot, stamps, reason)

    def close_all(self, track: int, t_ns: int, reason: str, but: Sequence[str] = ()) -> list[Violation]:
        """Close a track's open episodes at tick `t_ns`, but for some; return their last versions."""
        stamps = Stamps(measured_ns=t_ns, arrived_ns=t_ns, by="tick")
        return [
            self.close(track, slot, stamps, reason)
            for slot, episode in self.of(track)
            if episode.id not in but
        ]

    def finish(self, episode: OpenEpisode, slot: int, stamps: Stamps, reason: str | None) -> Violation:
        """Return the last version of an episode that hangs on no track any more."""
        row = self._state.find(episode.track)
        episode.version += 1
        end_ns = episode.seen_ns
        if row is not None and slot < N_RULES:
            end_ns = max(episode.start_ns, int(self._state.evidence_ns[row, slot, LAST_OVER]) or end_ns)
            self._state.clear_rule(row, slot)
        return self._version(episode, slot, "close", end_ns, stamps, reason)

    def due(self, episode: OpenEpisode, stamp_ns: int) -> bool:
        """Say whether an open episode is to be told again."""
        return stamp_ns - episode.told_ns >= int(self._rules.update_s * 1e9)

    def _version(
        self,
        episode: OpenEpisode,
        slot: int,
        phase: Phase,
        end_ns: int | None,
        stamps: Stamps,
        reason: str | None,
    ) -> Violation:
        row = self._state.find(episode.track)
        ring, ring_ns = self._state.newest(row) if row is not None else self._state.newest_of_none()
        return violation(
            episode,
            phase=phase,
            esn=self._esn,
            end_ns=end_ns,
            stamps=stamps,
            map_version=self._map_version,
            rules_version=self._rules.version,
            columns=evidence(self._frame, slot, ring, ring_ns),
            reason=reason,
        )


def _fields(facts: Facts) -> dict[str, Any]:
    return {name: getattr(facts, name) for name in Facts.__slots__}


def same_vehicle(a: ViolationVehicle | None, b: ViolationVehicle | None) -> bool:
    """Say whether two versions name the same terminal."""
    return (None if a is None else a.terminal) == (None if b is None else b.terminal)


def slot_of(episode: OpenEpisode) -> int:
    """Return the slot that an episode belongs in."""
    return UNDECIDABLE if episode.undecidable else RULES.index(episode.rule)
