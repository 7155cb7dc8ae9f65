"""Identity of all terminals at once: a vehicle has one terminal at most, a terminal one vehicle.

The pairs of one terminal (`fusion.identity_likelihood`) say how likely each track is its vehicle, regardless
of other terminals. Here terminals that want the same tracks are weighed together, over all one-to-one choices
in which a terminal's vehicle may have no track, and a track's no terminal. The sum over the choices is
exact, by dynamic programming over the sets of tracks that are taken. Loopy belief propagation (Williams and
Lau 2014, IEEE Trans. AES 50, 2942) was tried in its place: where two terminals want the same two tracks it
calls 0.999 what is 0.53.
"""

import math
from typing import NamedTuple

import numpy as np

from core.arrays import F1, F2, I1, I2
from core.kernel import kernel
from fusion import layout as at
from fusion.doubt_ghost import was_elsewhere
from fusion.identity_likelihood import CEILING, may_be_named, odds
from fusion.layout import Terminals, Tracks
from fusion.track_store import PAIRS
from fusion.visibility import is_followed

WHO_MAX = 32  # terminals that are weighed together: those that want one track first, then theirs, and so on
TRACKS_MAX = 10  # tracks that they want; what is further away in this order hardly matters to the first
WANTED_MIN = 1e-4  # odds below it are no claim: the terminal's vehicle may have no track at all


class Joint(NamedTuple):
    """The terminals that are weighed together, and the probabilities of the first; scratch."""

    who: I1  # (WHO_MAX,) rows of the terminals; the first is the one asked for
    rows: I1  # (TRACKS_MAX,) rows of the tracks that they want
    column: I2  # (WHO_MAX, PAIRS) place in `rows` of each pair's track, -1 none
    odds: F2  # (WHO_MAX, PAIRS) that the pair is one vehicle
    ways: F1  # (2 ** TRACKS_MAX,) weight of all choices of the others by the set of tracks that they take
    p: F1  # (PAIRS,) probability that the pair of the first terminal is one vehicle; 0 where there is none


def joint_memory() -> Joint:
    """Return the memory of the kernels here."""
    return Joint(
        who=np.zeros(WHO_MAX, dtype=np.int64),
        rows=np.zeros(TRACKS_MAX, dtype=np.int64),
        column=np.zeros((WHO_MAX, PAIRS), dtype=np.int64),
        odds=np.zeros((WHO_MAX, PAIRS)),
        ways=np.zeros(1 << TRACKS_MAX),
        p=np.zeros(PAIRS),
    )


@kernel
def choose(joint: Joint, n_w: int, n_i: int) -> None:
    """Fill joint.p from joint.odds of n_w terminals for n_i tracks."""
    column, odds_of, ways, p = joint.column, joint.odds, joint.ways, joint.p
    n_sets = 1 << n_i
    for taken in range(n_sets):
        ways[taken] = 0.0
    ways[0] = 1.0
    for a in range(1, n_w):
        for taken in range(n_sets - 1, 0, -1):  # downwards: smaller sets are still those without terminal a
            for k in range(column.shape[1]):
                if column[a, k] >= 0 and taken >> column[a, k] & 1:
                    ways[taken] += odds_of[a, k] * ways[taken ^ (1 << column[a, k])]
    total = 0.0
    for taken in range(n_sets):
        total += ways[taken]
    for k in range(column.shape[1]):
        p[k] = 0.0
        if column[0, k] >= 0:
            for taken in range(n_sets):
                if not taken >> column[0, k] & 1:
                    p[k] += odds_of[0, k] * ways[taken]
    for k in range(column.shape[1]):
        total += p[k]
    for k in range(column.shape[1]):
        p[k] /= total


@kernel(inner=True)
def _is_pair(tracks: Tracks, terminals: Terminals, w: int, k: int, t_ns: int, timeout_ns: float) -> bool:
    """Return whether place k of terminal w is a pair with a track that radar follows and w may have."""
    ints, pair_ints = tracks.ints, terminals.pair_ints
    i = pair_ints[w, k, at.P_SLOT]
    if pair_ints[w, k, at.P_N] == 0 or ints[i, at.SERIAL] != pair_ints[w, k, at.P_SERIAL]:
        return False
    if not may_be_named(tracks, i) or not is_followed(ints, i, t_ns, timeout_ns):
        return False
    if was_elsewhere(tracks, terminals, w, i, t_ns):
        return False
    return bool(ints[i, at.TERMINAL] < 0 or ints[i, at.TERMINAL] == w)


@kernel(inner=True)
def _own_odds(tracks: Tracks, terminals: Terminals, w: int) -> float:
    """Return the log odds that the track of terminal w, which radar has seen, is its vehicle."""
    own = terminals.ints[w, at.ROW]
    for k in range(terminals.pair_ints.shape[1]):
        pair = terminals.pair_ints[w, k]
        if pair[at.P_N] > 0 and pair[at.P_SLOT] == own and pair[at.P_SERIAL] == tracks.ints[own, at.SERIAL]:
            return float(odds(terminals.pairs, w, k))
    return CEILING


@kernel(inner=True)
def _log_odds(tracks: Tracks, terminals: Terminals, w: int, k: int, lost: bool) -> float:
    """Return the log odds of pair k of terminal w.

    lost : radar lost w's own track. That still is its vehicle, and no track that radar had beside it; one
    that began later may be the same vehicle, found again.
    """
    mine = odds(terminals.pairs, w, k)
    i, own = terminals.pair_ints[w, k, at.P_SLOT], terminals.ints[w, at.ROW]
    if lost and tracks.ints[i, at.BORN] < tracks.ints[own, at.RADAR_NS]:
        mine -= math.log(1.0 + math.exp(_own_odds(tracks, terminals, w)))
    return min(mine, CEILING)


@kernel(inner=True)
def _invite(
    tracks: Tracks, terminals: Terminals, n_terminals: int, i: int, t_ns: int, timeout_ns: float,
    joint: Joint, n_w: int,
) -> int:  # fmt: skip
    """Add the searching terminals that want track i to joint.who; return the new n_w."""
    ints, about = tracks.ints, terminals.ints
    for u in range(n_terminals):
        row = about[u, at.ROW]
        if row < 0 or n_w == WHO_MAX or is_followed(ints, row, t_ns, timeout_ns):
            continue
        known = False
        for b in range(n_w):
            known |= joint.who[b] == u
        for k in range(terminals.pair_ints.shape[1]):
            wants = terminals.pair_ints[u, k, at.P_SLOT] == i
            if not known and wants and _is_pair(tracks, terminals, u, k, t_ns, timeout_ns):
                joint.who[n_w] = u
                n_w += 1
                known = True
    return n_w


@kernel
def marginals(
    tracks: Tracks, terminals: Terminals, n_terminals: int, w: int, t_ns: int, timeout_ns: float, joint: Joint
) -> int:
    """Fill joint.p for terminal w, weighed with those that want the same tracks; return how many these are.

    Terminals whose own track radar follows have their vehicle: of them only w is asked again.
    """
    ints, about = tracks.ints, terminals.ints
    joint.who[0] = w
    n_w, n_i, a = 1, 0, 0
    while a < n_w:
        v = joint.who[a]
        own = about[v, at.ROW]
        lost = ints[own, at.RADAR_NS] > 0 and not is_followed(ints, own, t_ns, timeout_ns)
        for k in range(joint.column.shape[1]):
            joint.column[a, k] = -1
            i = terminals.pair_ints[v, k, at.P_SLOT]
            if not _is_pair(tracks, terminals, v, k, t_ns, timeout_ns) or (i == own and lost):
                continue
            joint.odds[a, k] = math.exp(_log_odds(tracks, terminals, v, k, lost))
            if joint.odds[a, k] < WANTED_MIN and i != own:
                continue
            j = 0
            while j < n_i and joint.rows[j] != i:
                j += 1
            if j == n_i:
                if n_i == TRACKS_MAX:
                    continue
                joint.rows[n_i] = i
                n_i += 1
                n_w = _invite(tracks, terminals, n_terminals, i, t_ns, timeout_ns, joint, n_w)
            joint.column[a, k] = j
        a += 1
    choose(joint, n_w, n_i)
    return n_w
