"""Duplicate tracks: two tracks that stay in one place for HELD_NS are one vehicle and are merged.

Errors larger than stated put detections of a vehicle outside its gate; enough of them start a second track.
"""

import math

import numpy as np

from core.arrays import F64, I64
from fusion import layout as at
from fusion.grid import near_pairs
from fusion.heading import headings_of
from fusion.identity_binding import rebase
from fusion.models import predict
from fusion.track_store import TrackStore

ALONG_M, ACROSS_M, ALIKE_MPS = 5.0, 1.9, 3.0  # two vehicles are never so near and equally fast
ACROSS_M_LOST = 2.6  # if radar lost one of them; a lane is 3.75 m wide
DUPLICATE_M_MAX = math.hypot(ALONG_M, ACROSS_M_LOST)
MOVES_MPS_MIN = 1.0  # slower tracks are never merged: a radar separates standing objects a metre apart
# Since the last detection by radar; beyond LOST_NS, when the two met, the terminal must confirm the track
FRESH_NS, LOST_NS = 300_000_000, 1_000_000_000
DOUBT_NS = 3_000_000_000  # so long after its last detection a track may be the one that radar found anew
HELD_NS = 400_000_000

Pair = tuple[int, int]  # ids, the smaller first


def close_pairs(store: TrackStore, rows: I64, t_ns: int) -> list[tuple[int, int]]:
    """Return pairs of rows (i < j) in one place; radar sees one of them, and they have not two names.

    Where radar lost one of them, the other is that vehicle only if its track began when the first was lost.
    """
    ints, X = store.ints, store.X
    rows = rows[t_ns - ints[rows, at.RADAR_NS] <= DOUBT_NS]
    rows = rows[np.hypot(X[rows, at.V_EAST], X[rows, at.V_NORTH]) > MOVES_MPS_MIN]
    if len(rows) < 2:
        return []
    state: F64 = X[rows, : at.N_CV]
    state[:, :2] += state[:, 2:] * ((t_ns - ints[rows, at.STAMP]) * 1e-9)[:, None]
    one, other = near_pairs(state, DUPLICATE_M_MAX, store.scratch.grid).T
    apart = state[one] - state[other]
    heading = np.nan_to_num(headings_of(store.tracks.states, rows[one]))
    c, s = np.cos(heading), np.sin(heading)
    near = np.abs(c * apart[:, 0] + s * apart[:, 1]) < ALONG_M
    fresh = t_ns - ints[rows, at.RADAR_NS] <= FRESH_NS
    across = np.abs(c * apart[:, 1] - s * apart[:, 0])
    near &= across < np.where(fresh[one] & fresh[other], ACROSS_M, ACROSS_M_LOST)
    near &= fresh[one] | fresh[other]
    near &= np.hypot(apart[:, 2], apart[:, 3]) < ALIKE_MPS
    # two that radar followed at once are two vehicles, also when one of them is lost beside the other
    lost = np.where(ints[rows[one], at.RADAR_NS] < ints[rows[other], at.RADAR_NS], one, other)
    found_anew = ints[rows[one + other - lost], at.BORN] > ints[rows[lost], at.RADAR_NS] - FRESH_NS
    near &= (fresh[one] & fresh[other]) | found_anew
    name = np.where(ints[rows, at.TERMINAL] >= 0, ints[rows, at.TERMINAL], ints[rows, at.PRESUMED] - 1)
    near &= (name[one] < 0) | (name[other] < 0) | (name[one] == name[other])
    return list(zip(rows[one[near]].tolist(), rows[other[near]].tolist(), strict=True))


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
