"""The evidence of each track and rule, and the grades that follow from it."""

from collections.abc import Mapping, Sequence

import numpy as np

from core.arrays import I64
from core.times import TICK_NS
from geofence.context import Context
from geofence.detectors import (
    Thresholds,
    Tracks,
    Windows,
    add_sample,
    advance_timers,
    limits_of,
    start_of,
    step,
)
from geofence.grading import Grading, RuleSettings
from geofence.measuring import Measures, measure
from geofence.rules.base import Rule
from geofence.state import CLEAR_S, ENOUGH, R_VALUE, State
from geofence.violation import GRADES

TICK_S = TICK_NS * 1e-9
NONE_ACTIVE: I64 = np.zeros(0, dtype=np.int64)


class Values:
    """The values that the measured rules give the owned tracks of n: samples, and columns of the ring.

    samples : (n, rules, 3), S_VALUE NaN where it is not judged.  columns : (n, ring columns)
    value, sigma : (n, rules) views of the columns, with the values that are not judged
    Rows of other tracks are not filled.
    """

    def __init__(self, ctx: Context) -> None:
        n, n_rules = len(ctx.tracks), len(ctx.state.measured)
        self.columns = np.empty((n, R_VALUE + 2 * n_rules))
        self.samples = np.empty((n, n_rules, 3))
        self.value = self.columns[:, R_VALUE : R_VALUE + n_rules]
        self.sigma = self.columns[:, R_VALUE + n_rules :]
        out = Measures(self.samples, self.columns)
        measure(ctx.mine, ctx.rows, ctx.batch, ctx.around.site, ctx.state.stamps, ctx.state.flags, out)


class Evidence:
    """The sequential tests of all graded rules; their evidence is in the State."""

    def __init__(
        self, settings: RuleSettings, rules: Sequence[Rule], gradings: Mapping[str, Grading], state: State
    ) -> None:
        """Prepare thresholds.

        rules : the measured ones, in the order of their columns.  gradings : of all graded rules, by name
        """
        weighing = sum(rule.kind == "measured" for rule in rules)
        self.rate = settings.false_alarms_per_vehicle_hour / weighing  # of one rule
        self._clear_s, self._state = settings.clear_s, state
        self._thresholds = Thresholds(
            limits=np.stack([limits_of(gradings[name]) for name in state.graded]),
            clear_below=np.array([rule.clear_below() for rule in rules]),
            clear_s=settings.clear_s,
            rate=self.rate,
        )

    def advance(self, ctx: Context, values: Values) -> tuple[I64, I64]:
        """Test an observation's m owned tracks, and remember them.

        Return the grades (m, rules) that hold, -1: not judged, and the places k of the tracks for which one
        holds or an episode is open.
        """
        state, m = self._state, len(ctx.mine)
        tracks = Tracks(ctx.mine, ctx.rows, ctx.tracks.stamp_ns, values.samples, values.columns)
        windows = Windows(
            state.evidence, state.evidence_ns, state.stamps, state.ring, state.ring_ns, state.open
        )
        grade, active = np.empty((m, values.samples.shape[1]), dtype=np.int64), np.empty(m, dtype=np.bool_)
        if not step(tracks, self._thresholds, windows, grade, active):
            return grade, NONE_ACTIVE
        return grade, np.flatnonzero(active)

    def count_seconds(self, rule: str, row: int, held_s: float, t_ns: int) -> int:
        """Advance a rule that counts seconds to tick `t_ns`; return the grade that holds."""
        r = self._state.graded[rule]
        evidence, evidence_ns = self._state.evidence[row, r], self._state.evidence_ns[row, r]
        add_sample(held_s, 0.0, 1.0, TICK_S, 1.0, t_ns, evidence, evidence_ns)
        limits = self._thresholds.limits[r]
        return int(advance_timers(held_s, TICK_S, 0.0, self._clear_s, t_ns, limits, evidence, evidence_ns))

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
