"""Duplicate tracks: two tracks that stay in one place for HELD_NS are one vehicle and are merged.

Errors larger than stated put detections of a vehicle outside its gate; enough of them start a second track.
"""

import math

import numpy as np

from core.arrays import F2, I1, I2, I64
from core.kernel import checked_once, kernel
from fusion import layout as at
from fusion.grid import near_pairs
from fusion.heading import heading_of
from fusion.identity_binding import rebase
from fusion.layout import Grid, States, Tracks
from fusion.models import predict
from fusion.track_store import TrackStore

ALONG_M, ACROSS_M, ALIKE_MPS = 5.0, 1.9, 3.0  # two vehicles are never so near and equally fast
ACROSS_M_LOST = 2.6  # if radar lost one of them; a lane is 3.75 m wide
# Two bodies in one lane never overlap. A track that began beside a radar may take the flank for an end: it
# then runs most of a length ahead of its vehicle, or behind it, and the vehicle begins a second track. A body
# reaches at least as far as its extent less one sigma. Only tracks without a bound terminal are joined so,
# those with a presumed one too: joined, a bound one took the name to the wrong vehicle
OVERLAP_M_MAX, OVERLAP_MPS = 12.0, 1.5
DUPLICATE_M_MAX = math.hypot(OVERLAP_M_MAX, ACROSS_M_LOST)
MOVES_MPS_MIN = 1.0  # slower tracks are never merged: a radar separates standing objects a metre apart
# Since the last detection by radar; beyond LOST_NS, when the two met, the terminal must confirm the track
FRESH_NS, LOST_NS = 300_000_000, 1_000_000_000
DOUBT_NS = 3_000_000_000  # so long after its last detection a track may be the one that radar found anew
HELD_NS = 400_000_000

Pair = tuple[int, int]  # ids, the smaller first


@kernel(inner=True)
def _may_be_twin(tracks: Tracks, i: int, t_ns: int) -> bool:
    """Whether row i drives, and radar saw it so lately that another track may be its own."""
    ints, X = tracks.ints, tracks.states.X
    speed = math.hypot(X[i, at.V_EAST], X[i, at.V_NORTH])
    return bool(t_ns - ints[i, at.RADAR_NS] <= DOUBT_NS and speed > MOVES_MPS_MIN)


@kernel(inner=True)
def _least_extent(states: States, i: int) -> float:
    """Return how far the body of row i reaches from its centre at least."""
    return float(max(states.X[i, at.EXTENT] - math.sqrt(states.P[i, at.EXTENT, at.EXTENT]), 0.0))


@kernel(inner=True)
def _apart(states: States, i: int, one: int, other: int, moved: F2) -> tuple[float, float, float]:
    """Return how far two states are apart: along and across the heading of row i, and in velocity.

    one, other : rows of `moved` (n, >= N_CV), the states now
    """
    heading = heading_of(states, i)
    c, s = (1.0, 0.0) if math.isnan(heading) else (math.cos(heading), math.sin(heading))
    d_e, d_n = moved[one, at.EAST] - moved[other, at.EAST], moved[one, at.NORTH] - moved[other, at.NORTH]
    v_e = moved[one, at.V_EAST] - moved[other, at.V_EAST]
    v_n = moved[one, at.V_NORTH] - moved[other, at.V_NORTH]
    return abs(c * d_e + s * d_n), abs(c * d_n - s * d_e), math.hypot(v_e, v_n)


@kernel(inner=True)
def _are_twins(tracks: Tracks, i: int, j: int, one: int, other: int, moved: F2, t_ns: int) -> bool:
    """Whether rows i and j, whose states now are rows one and other of `moved`, are in one place."""
    ints = tracks.ints
    seen_i, seen_j = ints[i, at.RADAR_NS], ints[j, at.RADAR_NS]
    fresh_i, fresh_j = t_ns - seen_i <= FRESH_NS, t_ns - seen_j <= FRESH_NS
    name_i = ints[i, at.TERMINAL] if ints[i, at.TERMINAL] >= 0 else ints[i, at.PRESUMED] - 1
    name_j = ints[j, at.TERMINAL] if ints[j, at.TERMINAL] >= 0 else ints[j, at.PRESUMED] - 1
    if not (fresh_i or fresh_j) or (name_i >= 0 and name_j >= 0 and name_i != name_j):
        return False
    along_m, across_m, apart_mps = _apart(tracks.states, i, one, other, moved)
    unbound = ints[i, at.TERMINAL] < 0 and ints[j, at.TERMINAL] < 0
    recent = t_ns - min(seen_i, seen_j) <= LOST_NS
    if unbound and recent and across_m < ACROSS_M and apart_mps < OVERLAP_MPS:
        bodies_m = _least_extent(tracks.states, i) + _least_extent(tracks.states, j)
        if along_m < min(bodies_m, OVERLAP_M_MAX):
            return True
    # two that radar followed at once are two vehicles, also when one of them is lost beside the other
    lost, found = (i, j) if seen_i < seen_j else (j, i)
    anew = ints[found, at.BORN] > ints[lost, at.RADAR_NS] - FRESH_NS
    both = fresh_i and fresh_j
    near = along_m < ALONG_M and across_m < (ACROSS_M if both else ACROSS_M_LOST) and apart_mps < ALIKE_MPS
    return bool((both or anew) and near)


@kernel
def _close_pairs(tracks: Tracks, rows: I1, t_ns: int, grid: Grid, moved: F2, pairs: I2) -> int:
    """Write the pairs of rows in one place, some twice; return how many, or -n: `pairs` needs room for n.

    rows : in place, those that may be twins come first; pairs : places in it

    moved : scratch (>= n, >= N_CV)
    """
    n, X, ints = 0, tracks.states.X, tracks.ints
    for k in range(rows.shape[0]):
        i = rows[k]
        if _may_be_twin(tracks, i, t_ns):
            dt_s = (t_ns - ints[i, at.STAMP]) * 1e-9
            for a in range(2):
                moved[n, a], moved[n, a + 2] = X[i, a] + X[i, a + 2] * dt_s, X[i, a + 2]
            rows[n] = i
            n += 1
    n_near = near_pairs(moved, n, DUPLICATE_M_MAX, grid, pairs)
    if n_near > pairs.shape[0]:
        return -n_near
    n_pairs = 0
    for k in range(n_near):
        one, other = pairs[k, 0], pairs[k, 1]
        if _are_twins(tracks, rows[one], rows[other], one, other, moved, t_ns):
            pairs[n_pairs, 0], pairs[n_pairs, 1] = one, other
            n_pairs += 1
    return n_pairs


_close_pairs_once = checked_once(_close_pairs)


def close_pairs(store: TrackStore, rows: I64, t_ns: int) -> list[tuple[int, int]]:
    """Return pairs of rows (i before j) in one place; radar sees one of them, and they have not two names.

    Where radar lost one of them, the other is that vehicle only if its track began when the first was lost.
    """
    room = 2 * len(rows)
    while True:
        pairs: I64 = np.empty((room, 2), dtype=np.int64)
        kept, moved = rows.copy(), store.scratch.predicted.X
        n = _close_pairs_once(store.tracks, kept, t_ns, store.scratch.grid, moved, pairs)
        if n >= 0:  # cells that share a list yield a pair twice
            return [(int(kept[i]), int(kept[j])) for i, j in sorted({(i, j) for i, j in pairs[:n].tolist()})]
        room = -n


def step(
    store: TrackStore, rows: I64, t_ns: int, since: dict[Pair, int]
) -> tuple[dict[Pair, int], list[tuple[int, int]]]:
    """Return since when [ns] each pair of ids has been in one place, and the rows (goes, stays) to merge now.

    The bound track stays; if neither is bound, the older one. `since` is the first result of the last call.
    """
    held: dict[Pair, int] = {}
    joined: list[tuple[int, int]] = []
    gone: list[int] = []
    for i, j in close_pairs(store, rows, t_ns):
        one, other = int(store.track[i]), int(store.track[j])
        key = (min(one, other), max(one, other))
        held[key] = since.get(key, t_ns)
        if t_ns - held[key] < HELD_NS or i in gone or j in gone:
            continue
        if held[key] - min(store.ints[i, at.RADAR_NS], store.ints[j, at.RADAR_NS]) > LOST_NS:
            continue
        first = (store.ints[i, at.TERMINAL] < 0, store.ints[i, at.BORN], one)
        second = (store.ints[j, at.TERMINAL] < 0, store.ints[j, at.BORN], other)
        goes, stays = (j, i) if first <= second else (i, j)
        if _is_better(store, goes, stays, t_ns):
            _take_over(store, goes, stays)
        joined.append((goes, stays))
        gone.append(goes)
    return held, joined


def _is_better(store: TrackStore, one: int, other: int, t_ns: int) -> bool:
    """Whether the position of track `one` is better: radar lost the other, or measured it less often.

    Both tracks share the detections of one vehicle; the track with fewer of them lies further off.
    """
    ahead_ns = int(store.ints[one, at.RADAR_NS] - store.ints[other, at.RADAR_NS])
    if abs(ahead_ns) > FRESH_NS:
        return ahead_ns > 0
    spread = []
    for row, i in enumerate((one, other)):
        store.scratch.predicted.X[row], store.scratch.predicted.P[row] = store.X[i], store.P[i]
        predict(
            store.scratch.predicted,
            row,
            max(t_ns - int(store.ints[i, at.STAMP]), 0) * 1e-9,
            store.settings.tuning,
        )
        spread.append(
            float(
                store.scratch.predicted.P[row, at.EAST, at.EAST]
                + store.scratch.predicted.P[row, at.NORTH, at.NORTH]
            )
        )
    return spread[0] < spread[1]


def _take_over(store: TrackStore, goes: int, stays: int) -> None:
    """Give the track that stays the state of the other."""
    X, P, ints = store.X, store.P, store.ints
    X[stays, : at.N_RADAR] = X[goes, : at.N_RADAR]
    X[stays, at.HEADING : at.BOUND] = X[goes, at.HEADING : at.BOUND]
    P[stays, : at.N_RADAR, at.N_RADAR :] = 0.0
    P[stays, at.N_RADAR :, : at.N_RADAR] = 0.0
    P[stays, : at.N_RADAR, : at.N_RADAR] = P[goes, : at.N_RADAR, : at.N_RADAR]
    for column in (at.STAMP, at.ARRIVED, at.RADAR_NS, at.ENFORCING_NS, at.PERIOD_NS, at.HIDDEN_NS):
        ints[stays, column] = ints[goes, column]
    for place in (at.MISSED, at.EXTENT_PRIOR, at.EXTENT_PRIOR_VAR):
        store.floats[stays, place] = store.floats[goes, place]
    rebase(store, stays)
