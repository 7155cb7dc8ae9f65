"""`undecidable`: a record of a time in which a departure of a hazmat vehicle could not have been judged."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from core.arrays import I64, Bools
from core.classes import HAZMAT
from geofence.grading import RuleSettings
from geofence.located import ALONG, OUT_PERMITTED, OUT_SAME_WAY, SIGMA
from geofence.rules.base import Rule, Verdict
from geofence.rules.wrong_way import AGAINST, SAME_WAY_SIGMAS
from geofence.state import CLAIM_USED, OWN_WAY, since_ns

if TYPE_CHECKING:
    from geofence.context import Context, TickContext

OUT_M = 0.3  # beyond the line: less is a notice at most
WRONG_WAY_MPS = 3.0  # faster than that against its lane is no reversing
UNDECIDED = 0  # the lowest of geofence.violation.GRADES
BLIND, SEEING = "undecidable_since_ns", "decidable_since_ns"


class Undecidable(Rule):
    """An episode of the lowest grade; recorded, never an alarm."""

    name, violation, kind, column = "undecidable", "lane_departure", "timed", "lane_departure"
    decided_by = "tick"
    keys = ("undecidable_s",)
    stamps, unit = (BLIND, SEEING), "s"
    accuses, updates = False, False

    def __init__(self, settings: RuleSettings, config: Any, zone_roles: Collection[str]) -> None:
        self._after_ns, self._clear_ns = int(settings.undecidable_s * 1e9), int(settings.clear_s * 1e9)

    def tick(self, ctx: "TickContext") -> list[Verdict]:
        """Judge the owned tracks that are on the stretch; one that has left it is no longer our record."""
        located, state, t_ns, mine = ctx.located, ctx.state, ctx.now_ns, ctx.mine
        at, blind_at, seeing_at = ctx.rows[mine], state.stamp[BLIND], state.stamp[SEEING]
        is_open = state.is_open(at, self.name)
        matters = (located.kind[mine] == HAZMAT) | ctx.presumed_hazmat(is_open)
        matters &= np.isfinite(located.found[mine, OUT_PERMITTED])
        blind = (located.undecidable[mine] | self._may_stick_out(ctx)) & matters
        # it drives against its lane, and no course led there, or a lane of its own way may be near
        blind |= self._may_be_on_the_wrong_way(ctx, at) & (located.kind[mine] == HAZMAT)
        blind &= ctx.is_on_stretch(located.s_m[mine])
        since = since_ns(state.stamps[at, blind_at], blind | is_open, t_ns)
        seeing = since_ns(state.stamps[at, seeing_at], ~blind, t_ns)
        state.stamps[at, blind_at], state.stamps[at, seeing_at] = since, seeing
        opens = ~is_open & ctx.may_open[mine] & blind & (t_ns - since >= self._after_ns)
        closes = is_open & (seeing > 0) & (t_ns - seeing >= self._clear_ns)
        state.stamps[at[closes], blind_at] = 0
        return [
            Verdict(int(mine[k]), UNDECIDED, int(since[k]), opens=bool(opens[k]), clear=bool(closes[k]))
            for k in np.flatnonzero(opens | closes | (is_open & blind)).tolist()
        ]

    @staticmethod
    def _may_stick_out(ctx: "TickContext") -> Bools:
        """Return which of our tracks (m,) are outside if they are as wide as they can be, else not."""
        mine, widths = ctx.mine, ctx.around.widths
        out_m = ctx.located.found[mine, OUT_PERMITTED]
        may_be = (out_m + widths.hazmat_most_m / 2 > OUT_M) & (out_m + widths.hazmat_m / 2 <= OUT_M)
        found: Bools = may_be & np.isnan(ctx.tracks.width_m[mine])
        return found

    @staticmethod
    def _may_be_on_the_wrong_way(ctx: "TickContext", at: I64) -> Bools:
        """Return which of our tracks (k,) may be on the wrong way, which `wrong_way` can't prove.

        at : their rows of the state (k,)
        """
        blind, found = np.zeros(len(at), dtype=np.bool_), ctx.located.found
        k = np.flatnonzero(found[ctx.mine, ALONG] < -WRONG_WAY_MPS)
        if not len(k):  # nearly always: whole rows of all tracks would cost more than the rest of the rule
            return blind
        rows, drift = ctx.mine[k], ctx.state.drift[at[k]]
        against = -found[rows, ALONG] > AGAINST * np.hypot(*ctx.tracks.x[rows, 2:].T)
        no_turn = (drift[:, CLAIM_USED] > 0.0) & (drift[:, OWN_WAY] > 0.0)
        near_m = SAME_WAY_SIGMAS * found[rows, SIGMA] * np.maximum(drift[:, CLAIM_USED], 1.0)
        blind[k] = against & (no_turn | (found[rows, OUT_SAME_WAY] <= near_m))
        return blind

    def p_violation(self, ctx: "Context", i: int) -> float:
        """As likely as not."""
        return 0.5
