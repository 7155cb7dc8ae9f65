"""The common part of rules that count, at each tick, the seconds for which they are certainly broken."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from core.arrays import F64, Bools
from core.times import TICK_NS
from geofence.grading import Grading
from geofence.rules.base import NO_MEASURES, Rule, Verdict
from geofence.state import since_ns

if TYPE_CHECKING:
    from geofence.context import TickContext


class Breach(NamedTuple):
    """How n tracks keep a rule now."""

    broken: Bools  # (n,) certainly
    unsure: Bools  # (n,) neither certainly broken nor certainly kept: its count waits
    z: F64  # (n,) by how many sigmas it is broken, negative where it is kept
    weight: F64  # (n,) probability that what it was measured by is so: the lane, the vehicle ahead
    measures: Mapping[str, F64] = NO_MEASURES  # (n,) evidence columns by name; NaN: not measured


class CountedRule(Rule):
    """An episode opens when the count reaches a grade; the count waits while nothing is certain."""

    kind, decided_by, unit = "timed", "tick", "s"
    Config: ClassVar[type[Grading]]

    def applies(self, ctx: "TickContext") -> bool:
        """Return whether anything on the map or in the settings concerns the rule."""
        return True

    @abstractmethod
    def breach(self, ctx: "TickContext") -> Breach:
        """Return how the n tracks of the tick keep the rule."""

    def allowed_s(self, ctx: "TickContext") -> F64:
        """Return for how long each track (n,) may break the rule, beside what the grades ask for."""
        return np.zeros(len(ctx.tracks))

    def tick(self, ctx: "TickContext") -> list[Verdict]:
        """Advance the count of every known track, owned or not; judge the owned ones."""
        state, t_ns, known = ctx.state, ctx.now_ns, ctx.known
        if not (self.applies(ctx) or state.is_any_open(self.name)):
            return []
        breach = self.breach(ctx)
        at, column = ctx.rows[known], state.stamp[self.stamps[0]]
        before = state.stamps[at, column]
        since = since_ns(before, breach.broken[known] | (breach.unsure[known] & (before > 0)), t_ns)
        waiting = breach.unsure[known] & (since > 0)
        state.stamps[at, column] = np.where(waiting, np.minimum(since + TICK_NS, t_ns), since)
        return self._verdicts(ctx, breach)

    def _verdicts(self, ctx: "TickContext", breach: Breach) -> list[Verdict]:
        state, at = ctx.state, ctx.rows[ctx.mine]
        since, is_open = state.stamps[at, state.stamp[self.stamps[0]]], state.is_open(at, self.name)
        held_s = np.where(since > 0, (ctx.now_ns - since) * 1e-9, 0.0) - self.allowed_s(ctx)[ctx.mine]
        due = ((held_s > self._after_s) & ctx.may_open[ctx.mine]) | is_open
        verdicts = []
        for k in np.flatnonzero(due & ~breach.unsure[ctx.mine]).tolist():
            i, row = int(ctx.mine[k]), int(at[k])
            grade = ctx.evidence.count_seconds(self.name, row, float(held_s[k]), ctx.now_ns)
            clear = ctx.evidence.is_clear(self.name, row)
            p = round(ctx.normal_cdf(float(breach.z[i])) * float(breach.weight[i]), 6)
            start_ns = int(since[k]) or ctx.now_ns
            measures = {name: float(column[i]) for name, column in breach.measures.items()}
            verdicts.append(
                Verdict(i, grade, start_ns, opens=grade > 0, clear=clear, p_violation=p, measures=measures)
            )
        return verdicts

    def _count_from(self, config: Grading) -> None:
        """Read after how many seconds the first grade can hold."""
        self._after_s = config.notice[0].over
