"""What the sequential tests have accumulated for each track and rule, and the grades that follow."""

from collections.abc import Mapping, Sequence

import numpy as np

from core.arrays import F64, I64
from core.times import TICK_NS
from geofence.context import Context
from geofence.detectors import S_SIGMA, S_TAU, S_VALUE, hold, limits_of, remember, start_of, step, weigh
from geofence.grading import Grading, RuleSettings
from geofence.located import Located
from geofence.rules.base import Measured, Rule
from geofence.state import CLEAR_S, ENOUGH, R_VALUE, State
from geofence.violation import GRADES

TICK_S = TICK_NS * 1e-9


class Values:
    """What the measured rules say of n tracks, one column for each rule."""

    def __init__(self, ctx: Context, rules: Sequence[Rule]) -> None:
        n = len(ctx.tracks)
        self.value = np.empty((n, len(rules)))
        self.sigma = np.empty((n, len(rules)))
        self.tau_s = np.repeat(ctx.tracks.tau_s[:, None], len(rules), axis=1)
        seen = ctx.tracks.confirmed & ~ctx.tracks.coasting
        self.judged = np.repeat(seen[:, None], len(rules), axis=1)
        for column, rule in enumerate(rules):
            self._fill(column, rule.measure(ctx))

    def samples(self, mine: I64) -> F64:
        """Return what the tests weigh of the tracks `mine`, (m, rules, 3)."""
        samples = np.empty((len(mine), self.value.shape[1], 3))
        samples[:, :, S_VALUE] = np.where(self.judged[mine], self.value[mine], np.nan)
        samples[:, :, S_SIGMA], samples[:, :, S_TAU] = self.sigma[mine], self.tau_s[mine]
        return samples

    def _fill(self, column: int, measured: Measured) -> None:
        self.value[:, column], self.sigma[:, column] = measured.value, measured.sigma
        if measured.tau_s is not None:
            self.tau_s[:, column] = measured.tau_s
        if measured.judged is not None:
            self.judged[:, column] &= measured.judged


class Evidence:
    """The sequential tests of all graded rules; what they accumulate is in the State."""

    def __init__(
        self, settings: RuleSettings, rules: Sequence[Rule], gradings: Mapping[str, Grading], state: State
    ) -> None:
        """Prepare thresholds.

        rules : the measured ones, in the order of their columns.  gradings : of all graded rules, by name
        """
        weighing = sum(rule.kind == "measured" for rule in rules)
        self.rate = settings.false_alarms_per_vehicle_hour / weighing  # of one rule
        self._clear_s, self._state = settings.clear_s, state
        self._limits = np.stack([limits_of(gradings[name]) for name in state.graded])
        self._clear_below = np.array([rule.clear_below() for rule in rules])

    def observe(self, ctx: Context, values: Values) -> I64:
        """Weigh an observation's owned tracks (m); return the grades (m, rules) that hold, -1: not judged."""
        state, mine = self._state, ctx.mine
        rows, stamps = ctx.rows[mine], ctx.tracks.stamp_ns[mine]
        grade = np.empty((len(mine), values.value.shape[1]), dtype=np.int64)
        step(
            rows, stamps, values.samples(mine), self._limits, self._clear_below, self._clear_s, self.rate,
            state.evidence, state.evidence_ns, state.stamps, grade,
        )  # fmt: skip
        columns = _ring_columns(ctx, ctx.located, values)[mine]
        remember(rows, stamps, columns, state.stamps, state.ring, state.ring_ns)
        return grade

    def count_seconds(self, rule: str, row: int, held_s: float, t_ns: int) -> int:
        """Advance a rule that counts seconds to tick `t_ns`; return the grade that holds."""
        r = self._state.graded[rule]
        evidence, evidence_ns = self._state.evidence[row, r], self._state.evidence_ns[row, r]
        weigh(held_s, 0.0, 1.0, TICK_S, 1.0, t_ns, evidence, evidence_ns)
        return int(hold(held_s, TICK_S, 0.0, self._clear_s, t_ns, self._limits[r], evidence, evidence_ns))

    def is_clear(self, rule: str, row: int) -> bool:
        """Return whether the rule has been kept for long enough to close its episode."""
        return bool(self._state.evidence[row, self._state.graded[rule], CLEAR_S] >= self._clear_s)

    def restart_clear(self, rule: str, row: int) -> None:
        """Count the time without from now on, as an episode opens."""
        if rule in self._state.graded:
            self._state.evidence[row, self._state.graded[rule], CLEAR_S] = 0.0

    def start_ns(self, rule: str, row: int, stamp_ns: int) -> int:
        """Return since when the evidence speaks against the track."""
        r = self._state.graded[rule]
        return min(
            stamp_ns, start_of(self._state.evidence[row, r], self._state.evidence_ns[row, r], stamp_ns)
        )

    def amount(self, row: int) -> float:
        """Return how much evidence a track has, to compare it with another of the same vehicle."""
        return float(self._state.evidence[row, :, :ENOUGH].sum())


def _ring_columns(ctx: Context, located: Located, values: Values) -> F64:
    """Return what the ring keeps of each track (n, columns)."""
    n_rules = values.value.shape[1]
    columns = np.empty((len(ctx.tracks), R_VALUE + 2 * n_rules))
    columns[:, 0:2] = ctx.tracks.x[:, 0:2]
    columns[:, 2], columns[:, 3], columns[:, 4] = located.s_m, located.d_m, located.sigma_d_m
    columns[:, 5] = ctx.speed_mps
    columns[:, R_VALUE : R_VALUE + n_rules] = values.value
    columns[:, R_VALUE + n_rules :] = values.sigma
    return columns


assert GRADES[0] == "undecidable", "grades of evidence begin with 1, notice"
