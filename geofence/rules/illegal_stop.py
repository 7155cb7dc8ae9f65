"""`illegal_stop`: seconds that a vehicle stands on the road without an excuse."""

import math
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from core.arrays import I64, Bools
from geofence.grading import Grading, Hold, Holds, NoticeHolds, RuleSettings
from geofence.rules.base import Rule
from geofence.sample import Sample, Vehicle
from geofence.state import EXCUSED, STANDING, since_ns

if TYPE_CHECKING:
    from geofence.context import Context, TickContext

STOPPED = "stopped_since_ns"  # since when a vehicle stands, with an excuse or without
PASSED = "passed_ns"  # when another one of its way last passed it
FLOWS_NS = 60_000_000_000  # so long after the last one passed the traffic beside it still flows


class Config(Grading, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[rules.illegal_stop]`."""

    notice: NoticeHolds = (Hold(over=15.0),)
    warning: Holds = (Hold(over=30.0),)
    violation: Holds = (Hold(over=120.0),)


class IllegalStop(Rule):
    """Standing is excused in an area for it, at a gate, in a queue and at the head of a jam.

    While the traffic beside flows, who has stood for long is parked where he may change lanes. Where he may
    not, he may also be stuck behind the first one: each of such a row is a notice, and none of them more. So
    is each of a row that has stood for longer still where nothing passes: it is parked, or its jam is none
    that nobody need know of.
    """

    name, violation, kind, column = "illegal_stop", "illegal_stop", "timed", "illegal_stop"
    Config, unit, counts_standing = Config, "s", True
    explained_by = ("lane_departure",)  # who breaks down on the shoulder left the lane for it
    keys = (
        "stop_speed_mps",
        "stop_shoulder_m",
        "stop_gate_m",
        "stop_queue_m",
        "stop_zone_roles",
        "stop_jam_s",
        "stop_row_s",
    )
    stamps = (STOPPED, PASSED)

    def __init__(self, settings: RuleSettings, config: Any, zone_roles: Collection[str]) -> None:
        # half of the shortest stop that counts: excuses are found before it is over
        self._patience_ns = int(config.notice[0].over * 5e8)
        self._jam_ns = int(settings.stop_jam_s * 1e9)
        self._row_ns = max(self._jam_ns, int(settings.stop_row_s * 1e9))
        notice_s, warning_s = (min(hold.over for hold in rows) for rows in (config.notice, config.warning))
        # who stands in a row of a lane that it may not leave counts as standing for so long at most
        self._blocked_ns = int((notice_s + warning_s) * 5e8)

    @staticmethod
    def measure(v: Vehicle) -> Sample:
        value = v.standing_s if v.out_any_m <= v.stop_shoulder_m else math.nan
        return Sample(value, 0.0, v.tau_s, True)

    def start_ns(self, ctx: "Context", i: int) -> int | None:
        return int(ctx.state.stamps[ctx.rows[i], STANDING])

    def tick(self, ctx: "TickContext") -> tuple[()]:
        """Find the excuses of the vehicles that have stood for a while."""
        state, at = ctx.state, ctx.rows[ctx.mine]
        since = state.stamps[at, STANDING]
        stopped = state.stamp[STOPPED]
        state.stamps[at, stopped] = since_ns(state.stamps[at, stopped], since > 0, ctx.now_ns)
        long = (since > 0) & (ctx.now_ns - since >= self._patience_ns)
        state.flags[at, EXCUSED] = 0.0
        if long.any():
            self._excuse(ctx, ctx.mine[long], at[long])
        return ()

    def _excuse(self, ctx: "TickContext", standing: I64, rows: I64) -> None:
        """Excuse the standing tracks (k,) that have a reason; each of a row that is stuck stays at notice."""
        state, parked = ctx.state, self._is_parked(ctx, standing, rows)
        may_leave = ctx.around.may_change(ctx.located, standing)
        excused = ctx.around.excused(ctx.tracks, ctx.located, standing, parked & may_leave)
        lasts = ctx.now_ns - state.stamps[rows, state.stamp[STOPPED]] >= self._row_ns
        blocked = excused & ((parked & ~may_leave) | (lasts & ~parked))
        if blocked.any():  # neither in an area nor at a gate: nothing but the row explains it
            blocked[blocked] = ~ctx.around.excused(
                ctx.tracks, ctx.located, standing[blocked], np.ones(int(blocked.sum()), np.bool_)
            )
        excused &= ~blocked
        state.flags[rows, EXCUSED] = excused
        since_ns = state.stamps[rows, STANDING]
        since_ns[excused] = ctx.now_ns  # an excused wait is not counted afterwards
        since_ns[blocked] = np.maximum(since_ns[blocked], ctx.now_ns - self._blocked_ns)
        state.stamps[rows, STANDING] = since_ns

    def _is_parked(self, ctx: "TickContext", standing: I64, rows: I64) -> Bools:
        """Return which standing tracks (k,) no jam explains any more.

        In a jam everything moves within `stop_jam_s`, or all lanes stand. Who has not moved for so long while
        others of his way pass him is parked, or stands behind one that is.
        """
        stamps, passed_at = ctx.state.stamps, ctx.state.stamp[PASSED]
        long = ctx.now_ns - stamps[rows, ctx.state.stamp[STOPPED]] >= self._jam_ns
        if long.any():
            passed = ctx.around.passed(ctx.tracks, ctx.located, standing[long])
            stamps[rows[long][passed], passed_at] = ctx.now_ns
        flows = ctx.now_ns - stamps[rows, passed_at] <= FLOWS_NS
        return np.asarray(long & flows)
