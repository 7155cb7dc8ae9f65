"""The evidence of each track and rule, and the grades that follow from it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from core.arrays import Bools
from core.times import TICK_NS
from fusion.tracks import TrackBatch
from geofence.batch import batch
from geofence.continuity import sightings
from geofence.detectors import (
    Departures,
    Thresholds,
    add_sample,
    advance_timers,
    limits_of,
    start_of,
    windows_of,
)
from geofence.grading import Grading, RuleSettings
from geofence.levels import shipped
from geofence.limits import Limits, SpeedLimits
from geofence.locate import ToLocate
from geofence.located import Located
from geofence.observing import Asked, Found, Seen, findings, locate_and_observe, observe_once
from geofence.rules.base import Rule
from geofence.state import CLEAR_S, ENOUGH, R_VALUE, State
from geofence.surroundings import Surroundings
from geofence.violation import GRADES

TICK_S = TICK_NS * 1e-9
# of the wanted false alarms: a metre out of the lane is shorter and harder to see than speed or a wrong way
DEPARTURE_SHARE = 0.7


class Values:
    """The memory of an observation's findings, with views of what the measured rules give each track.

    value, sigma : (>= n, rules) of the owned tracks, with the values that are not judged
    """

    def __init__(self, n: int, n_rules: int) -> None:
        self.found = findings(n, n_rules)
        self.value = self.found.columns[:, R_VALUE : R_VALUE + n_rules]
        self.sigma = self.found.columns[:, R_VALUE + n_rules :]


class BatchMemory(NamedTuple):
    """What the tests read of one batch of tracks; a batch that is filled again fills it again."""

    located: Located
    seen: Seen
    limits: Limits
    asked: Asked


def _memory_for(tracks: TrackBatch, located: Located, speed_limits: SpeedLimits) -> BatchMemory:
    """Return memory for n tracks; who is owned, the distances from the road and the limits must be filled."""
    n = len(tracks)
    limits = Limits(np.empty(n), np.empty(n, dtype=np.int32))
    columns = batch(tracks, located, np.full(n, np.nan), limits.mps)
    owned = np.empty(n, dtype=np.bool_)
    seen = Seen(owned, tracks.confirmed, located.rows, columns, sightings(tracks))
    return BatchMemory(located, seen, limits, Asked(speed_limits.asked(located), *limits))


class Evidence:
    """The sequential tests of all graded rules; their evidence is in the State."""

    def __init__(
        self, settings: RuleSettings, rules: Sequence[Rule], gradings: Mapping[str, Grading], state: State
    ) -> None:
        """Prepare thresholds.

        rules : the measured ones, in the order of their columns.  gradings : of all graded rules, by name
        """
        judged = Counter(rule.judges for rule in rules if rule.kind == "measured")
        # beside the departure, of one vehicle, at most
        others = judged["all"] - 1 + max(judged["hazmat"], judged["ordinary"])
        asked = settings.false_alarms_per_vehicle_hour
        self._clear_s, self._state, self._windows = settings.clear_s, state, windows_of(state)
        self.values = Values(64, len(state.measured))
        self._reused: dict[int, BatchMemory] = {}  # of the batches that are filled again, by size
        self._thresholds = Thresholds(
            limits=np.stack([limits_of(gradings[name]) for name in state.graded]),
            clear_below=np.array([rule.clear_below() for rule in rules]),
            clear_s=settings.clear_s,
            rate=(1.0 - DEPARTURE_SHARE) * asked / others,
            kept_s=np.array([rule.kept_s for rule in rules]),
            departures=Departures(state.graded["lane_departure"], DEPARTURE_SHARE * asked, shipped()),
        )

    def observe(self, tracks: TrackBatch, located: Located, owned: Bools, around: Surroundings) -> Found:
        """Measure and test an observation's owned tracks; what is found stays in `values` until the next."""
        memory = self._memory_of(tracks, located, owned, around)
        away = self._state.away(located.rows)
        if around.has_area or away.any():
            memory.seen.batch.off_road_m[:] = around.off_road_m(tracks, located, away)
        around.speed_limits.fill(memory.limits, tracks, located)
        return Found(
            *observe_once(
                memory.seen, around.site, self._thresholds, self._windows, self._state.flags,
                self.values.found,
            )
        )  # fmt: skip

    def locate_and_observe(
        self, tracks: TrackBatch, to_locate: ToLocate, owned: Bools, around: Surroundings
    ) -> Found:
        """Locate n > 0 tracks, then as `observe`; where no zone has a limit, and nobody left the road."""
        memory = self._memory_of(tracks, to_locate.located, owned, around)
        return Found(
            *locate_and_observe(
                to_locate.question, memory.asked, around.speed_limits.rows_at(tracks), memory.seen,
                around.site, self._thresholds, self._windows, self.values.found,
            )
        )  # fmt: skip

    def _memory_of(
        self, tracks: TrackBatch, located: Located, owned: Bools, around: Surroundings
    ) -> BatchMemory:
        """Return the memory of an observation's tracks; `values` has room for what is found of them."""
        state, n = self._state, len(located.lane)
        if n > len(self.values.value):
            self.values = Values(2 * n, len(state.measured))
        memory = self._reused.get(n) if tracks.is_reused else None
        if memory is None or memory.located is not located:
            memory = _memory_for(tracks, located, around.speed_limits)
            if tracks.is_reused:
                self._reused[n] = memory
        memory.seen.owned[:], memory.seen.batch.off_road_m[:] = owned, np.nan
        if self._windows.evidence is not state.evidence:  # its arrays are replaced together, as it grows
            self._windows = windows_of(state)
        return memory

    def count_seconds(self, rule: str, row: int, held_s: float, t_ns: int) -> int:
        """Advance a rule that counts seconds to tick `t_ns`; return the grade that holds."""
        r = self._state.graded[rule]
        evidence, evidence_ns = self._state.evidence[row, r], self._state.evidence_ns[row, r]
        add_sample(held_s, 0.0, 1.0, TICK_S, 1.0, t_ns, evidence, evidence_ns)
        limits = self._thresholds.limits[r]
        return int(
            advance_timers(held_s, TICK_S, TICK_S, (0.0, self._clear_s), t_ns, limits, evidence, evidence_ns)
        )

    def is_clear(self, rule: str, row: int) -> bool:
        """Return whether the rule has been kept for long enough to close its episode."""
        return bool(self._state.evidence[row, self._state.graded[rule], CLEAR_S] >= self._clear_s)

    def restart_clear(self, rule: str, row: int) -> None:
        """Restart the time for which the rule has been kept, as an episode opens."""
        if rule in self._state.graded:
            self._state.evidence[row, self._state.graded[rule], CLEAR_S] = 0.0

    def start_ns(self, rule: str, row: int, stamp_ns: int) -> int:
        """Return the stamp since which the evidence points to a breach, at most `stamp_ns`."""
        r = self._state.graded[rule]
        return min(
            stamp_ns, start_of(self._state.evidence[row, r], self._state.evidence_ns[row, r], stamp_ns)
        )

    def amount(self, row: int) -> float:
        """Return the sum of a track's evidence, to compare two tracks of one vehicle."""
        return float(self._state.evidence[row, :, :ENOUGH].sum())


assert GRADES[0] == "undecidable", "grades of evidence begin with 1, notice"
