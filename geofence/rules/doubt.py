"""Doubt in terminals as verdicts: what fusion found against a source opens an episode, its end closes it."""

from typing import TYPE_CHECKING

import numpy as np

from geofence.rules.base import Verdict
from geofence.state import since_ns

if TYPE_CHECKING:  # it loads the compiler, and the configuration reads the rules
    from geofence.context import TickContext

# Bits of doubt, as fusion.doubt_table has them (which loads the compiler; a test compares both)
GHOST = 1
FAULTS = {2: "dragged", 4: "frozen", 8: "overconfident", 32: "jammed"}
FROZEN, JAMMED, IN_JAM, ASTRAY = 4, 16, 64, 128
NOT_DARK = FROZEN | JAMMED | IN_JAM  # it reports, but its receiver can't: that is not silence
MISPLACES = GHOST | 2 | FROZEN | JAMMED | IN_JAM | ASTRAY  # its places are not its vehicle's
NOTICE = 1  # index into geofence.violation.GRADES


def verdicts(ctx: "TickContext", rule: str, bit: int, scope: str, stamp: str, clear_ns: int) -> list[Verdict]:
    """Return the verdicts on the owned tracks whose terminal is in this doubt, or no longer is.

    stamp : name of the rule's own stamp, since when an open episode has been without its doubt
    """
    mine, state, t_ns = ctx.mine, ctx.state, ctx.now_ns
    if not (ctx.has_doubt or state.is_any_open(rule)):
        return []
    doubtful = (ctx.doubt[mine] & bit) != 0
    rows = ctx.rows[mine]
    maybe = np.flatnonzero(doubtful | state.is_open(rows, rule))
    if not len(maybe):
        return []
    is_open = np.array([_is_open(ctx, int(mine[k]), rule, scope) for k in maybe.tolist()], dtype=np.bool_)
    at, column = rows[maybe], state.stamp[stamp]
    since = since_ns(state.stamps[at, column], is_open & ~doubtful[maybe], t_ns)
    state.stamps[at, column] = since
    found = []
    for n, k in enumerate(maybe.tolist()):
        i = int(mine[k])
        if is_open[n]:
            clear = bool(since[n] > 0 and t_ns - since[n] >= clear_ns)
            found.append(Verdict(i, NOTICE, t_ns, opens=False, clear=clear, scope=scope))
        elif doubtful[k] and ctx.may_open[i]:
            found.append(Verdict(i, NOTICE, t_ns, opens=True, scope=scope))
    return found


def _is_open(ctx: "TickContext", i: int, rule: str, scope: str) -> bool:
    episodes = ctx.open_of(int(ctx.tracks.track[i]))
    return any((episode.rule_name, episode.scope) == (rule, scope) for episode in episodes)
