"""The open episodes. Opening, revising and closing one each make one version of a violation."""

from collections.abc import Mapping
from typing import NamedTuple

from geofence.episodes import Facts, OpenEpisode, encoded
from geofence.grading import RuleSettings
from geofence.map.frames import SiteFrame
from geofence.rules import BY_NAME, INDEX
from geofence.rules.base import NO_MEASURES, Rule
from geofence.state import LAST_OVER, State
from geofence.violation import GRADES, Grade, Phase, Stamps, Violation, ViolationVehicle
from geofence.writing import episode_id, evidence, violation

WARNING = GRADES.index("warning")


class Judged(NamedTuple):
    """A version of a violation, and its open episode as a restart needs it (None: it closed)."""

    violation: Violation
    episode: bytes | None


class EpisodeBook:
    """All open episodes by track, rule and scope."""

    def __init__(
        self, settings: RuleSettings, frame: SiteFrame, state: State, esn: str, map_version: str,
        *, late: bool = False,
    ) -> None:  # fmt: skip
        self._late = late
        self._frame, self._state = frame, state
        self._update_ns, self._rules_version = int(settings.update_s * 1e9), settings.version
        self._esn, self._map_version = esn, map_version
        self._open: dict[tuple[int, str, str], OpenEpisode] = {}
        self._by_id: dict[str, OpenEpisode] = {}

    def find(self, track: int, rule: str, scope: str = "") -> OpenEpisode | None:
        """Return a track's open episode of a rule and scope."""
        return self._open.get((track, rule, scope))

    def find_id(self, episode_id: str) -> OpenEpisode | None:
        """Return an open episode by its id."""
        return self._by_id.get(episode_id)

    def of(self, track: int) -> list[OpenEpisode]:
        """Return a track's open episodes, in the order of the registry."""
        row = self._state.find(track)
        if row is not None and not self._state.open[row].any():
            return []
        found = [episode for (owner, _, _), episode in self._open.items() if owner == track]
        return sorted(found, key=lambda episode: (INDEX[episode.rule_name], episode.scope))

    def all(self) -> list[OpenEpisode]:
        """Return every open episode, in the order in which they were opened here."""
        return list(self._open.values())

    def in_order(self) -> list[OpenEpisode]:
        """Return every open episode, the oldest first: the same after a restart, which opens them anew."""
        return sorted(self._open.values(), key=lambda episode: (episode.start_ns, episode.id))

    def attach(self, track: int, episode: OpenEpisode) -> None:
        """Give an episode to a track."""
        episode.track = track
        rule = episode.rule_name
        self._open[track, rule, episode.scope] = self._by_id[episode.id] = episode
        self._state.open[self._state.row(track), INDEX[rule]] = True

    def detach(self, episode: OpenEpisode) -> OpenEpisode:
        """Remove an open episode from its track and return it, still open."""
        track, rule = episode.track, episode.rule_name
        del self._open[track, rule, episode.scope], self._by_id[episode.id]
        row = self._state.find(track)
        if row is not None:
            others = BY_NAME[rule].scope != "track" and any(key[:2] == (track, rule) for key in self._open)
            self._state.open[row, INDEX[rule]] = others
        return episode

    def open(
        self,
        track: int,
        rule: type[Rule],
        scope: str,
        grade: int,
        start_ns: int,
        facts: Facts,
        stamps: Stamps,
        measures: Mapping[str, float] = NO_MEASURES,
    ) -> Judged:
        """Open an episode and return its first version."""
        episode = OpenEpisode(
            id=episode_id(self._esn, track, rule.name, scope or facts.lane, start_ns),
            rule=rule.violation,
            undecidable=not rule.accuses,
            scope=scope,
            track=track,
            grade="undecidable",
            version=0,
            start_ns=start_ns,
            zone=scope if rule.scope == "zone" else None,
            lon_deg=facts.lon_deg,
            lat_deg=facts.lat_deg,
        )
        self.attach(track, episode)
        return self.revise(episode, "open", GRADES[grade], facts, stamps, measures)

    def revise(
        self,
        episode: OpenEpisode,
        phase: Phase,
        grade: Grade,
        facts: Facts,
        stamps: Stamps,
        measures: Mapping[str, float] = NO_MEASURES,
    ) -> Judged:
        """Return the next version of an open episode."""
        episode.update(facts)
        if GRADES.index(grade) > GRADES.index(episode.grade):
            episode.grade = grade
        if episode.confirmed_ns is None and GRADES.index(episode.grade) >= WARNING:
            episode.confirmed_ns = stamps.measured_ns
        episode.version += 1
        episode.version_ns = episode.seen_ns = stamps.measured_ns
        return Judged(self._version(episode, phase, None, stamps, None, measures), encoded(episode))

    def restate(self, episode: OpenEpisode, stamps: Stamps) -> Judged:
        """Return the next version of an open episode, with the facts of the last: its owner has changed."""
        episode.version += 1
        episode.version_ns = stamps.measured_ns
        return Judged(self._version(episode, "update", None, stamps, None), encoded(episode))

    def close(
        self, episode: OpenEpisode, stamps: Stamps, reason: str | None = None, facts: Facts | None = None
    ) -> Judged:
        """Remove an episode from its track, close it for good and return its last version."""
        self.detach(episode)
        if facts is not None:
            episode.update(facts)
        return self.finish(episode, stamps, reason)

    def finish(self, episode: OpenEpisode, stamps: Stamps, reason: str | None) -> Judged:
        """Return the last version of an episode that was removed from its track."""
        row, rule = self._state.find(episode.track), episode.rule_name
        episode.version += 1
        end_ns = episode.seen_ns
        if row is not None and rule in self._state.graded:
            last_over_ns = int(self._state.evidence_ns[row, self._state.graded[rule], LAST_OVER])
            end_ns = max(episode.start_ns, last_over_ns or end_ns)
            self._state.clear_rule(row, rule)
        return Judged(self._version(episode, "close", end_ns, stamps, reason), None)

    def is_due(self, episode: OpenEpisode, stamp_ns: int) -> bool:
        """Return whether an open episode needs a new version only because time has passed."""
        return stamp_ns - episode.version_ns >= self._update_ns

    def _version(
        self,
        episode: OpenEpisode,
        phase: Phase,
        end_ns: int | None,
        stamps: Stamps,
        reason: str | None,
        measures: Mapping[str, float] = NO_MEASURES,
    ) -> Violation:
        state, rule = self._state, BY_NAME[episode.rule_name]
        row = state.find(episode.track)
        ring, ring_ns = state.newest(row) if row is not None else state.newest_of_none()
        return violation(
            episode,
            phase=phase,
            esn=self._esn,
            end_ns=end_ns,
            limit_mps=episode.limit_mps if rule.shows_limit else None,
            map_version=self._map_version,
            rules_version=self._rules_version,
            stamps=stamps,
            reason=episode.scope if reason is None and rule.scope == "fault" else reason,
            late=self._late,
            evidence=evidence(self._frame, state, rule.column, ring, ring_ns, measures),
        )


def same_vehicle(a: ViolationVehicle | None, b: ViolationVehicle | None) -> bool:
    """Return whether two versions name the same terminal."""
    return (None if a is None else a.terminal) == (None if b is None else b.terminal)
