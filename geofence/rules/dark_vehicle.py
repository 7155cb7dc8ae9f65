"""`dark_vehicle`: seconds without a report in a dedicated lane under an enforcing radar."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from core.arrays import Bools
from core.times import TICK_NS
from geofence.grading import Grading, Hold, Holds, NoticeHolds, RuleSettings
from geofence.rules.base import Rule, Verdict
from geofence.rules.doubt import NOT_DARK
from geofence.state import MOVED, MOVED_MPS, since_ns

if TYPE_CHECKING:
    from geofence.context import Context, TickContext

SILENT = "silent_since_ns"  # since when a track is without a report in a dedicated lane


class Config(Grading, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[rules.dark_vehicle]`."""

    notice: NoticeHolds = (Hold(over=10.0),)
    warning: Holds = (Hold(over=10.0),)
    violation: Holds = (Hold(over=40.0),)


class DarkVehicle(Rule):
    """The count waits while the lane is uncertain, no gateway is present, or a report may be its own."""

    name, violation, kind, column = "dark_vehicle", "dark_vehicle", "timed", "dark_vehicle"
    decided_by = "tick"
    Config, keys = Config, ("dark_lane_p", "dark_report_s", "dark_reporter_m")
    stamps, unit, explained_by = (SILENT,), "s", ("unauthorised_vehicle",)

    def __init__(self, settings: RuleSettings, config: Any, zone_roles: Collection[str]) -> None:
        self._fresh_ns = int(settings.fresh_s * 1e9)
        self._report_ns = int(settings.dark_report_s * 1e9)
        self._lane_p, self._after_s = settings.dark_lane_p, config.notice[0].over

    def tick(self, ctx: "TickContext") -> list[Verdict]:
        """Advance the count of every known track, owned or not; judge the owned ones."""
        waits = self._count_silence(ctx)
        state, at = ctx.state, ctx.rows[ctx.mine]
        since, is_open = state.stamps[at, state.stamp[SILENT]], state.is_open(at, self.name)
        held_s = np.where(since > 0, (ctx.now_ns - since) * 1e-9, 0.0)
        due = ((held_s > self._after_s) & ctx.may_open[ctx.mine]) | is_open
        verdicts = []
        for k in np.flatnonzero(due).tolist():
            i, row = int(ctx.mine[k]), int(at[k])
            if waits[i] and is_open[k]:
                continue  # unknown for now: an open episode stays as it is
            grade = ctx.evidence.count_seconds(self.name, row, float(held_s[k]), ctx.now_ns)
            clear = ctx.evidence.is_clear(self.name, row)
            verdicts.append(Verdict(i, grade, int(since[k]), opens=grade > 0, clear=clear))
        return verdicts

    def p_violation(self, ctx: "Context", i: int) -> float:
        """The probability that it is in the dedicated lane at all."""
        return round(float(ctx.located.p_lane[i]), 6)

    def _count_silence(self, ctx: "TickContext") -> Bools:
        """Advance the stamps since which tracks are silent; return for which tracks (n,) the count waits."""
        tracks, located, state, t_ns, known = ctx.tracks, ctx.located, ctx.state, ctx.now_ns, ctx.known
        at = ctx.rows[known]
        fast = np.hypot(tracks.x[known, 2], tracks.x[known, 3]) > MOVED_MPS
        state.flags[at[fast], MOVED] = 1.0
        enforced = t_ns - tracks.enforcing_ns[known] <= self._fresh_ns
        unreported = (tracks.terminal[known] < 0) | (t_ns - tracks.gnss_ns[known] > self._report_ns)
        unreported &= (ctx.doubt[known] & NOT_DARK) == 0
        there = ctx.around.dedicated[ctx.lane_rows[known]] & (located.p_lane[known] >= 0.5)
        silent = enforced & unreported & there & (state.flags[at, MOVED] > 0.0)
        column = state.stamp[SILENT]
        since = since_ns(state.stamps[at, column], silent, t_ns)
        wanted = np.zeros(len(tracks), dtype=np.bool_)
        wanted[known[silent]] = True
        sure = (located.p_lane[known] >= self._lane_p) & ctx.gateway_present
        near = ctx.around.reporter_near(t_ns, tracks, wanted)
        if ctx.loose_reports is not None and len(ctx.loose_reports):
            near |= ctx.around.may_have_reported(t_ns, tracks, wanted, ctx.loose_reports)
        waiting = silent & (~sure | near[known])
        state.stamps[at, column] = np.where(waiting, np.minimum(since + TICK_NS, t_ns), since)
        waits = np.zeros(len(tracks), dtype=np.bool_)
        waits[known] = waiting
        return waits
