"""The directions of a road at the rails of each quad: along a bend they are not those of the chords."""

from collections.abc import Sequence

import numpy as np

from core.arrays import F64, I32, I64
from geofence.map.reading import Lane

HALF_RAD_MAX = 0.2  # sharper, along half a chord, a turn is a corner
SAME_RAD = 1e-9  # pieces of one chord turn by rounding only


def turns_at_rails(way: F64, long_m: F64, lane_of: I32, lanes: Sequence[Lane]) -> F64:
    """Return by which angles the road leads left of each quad at its rails, as tangents (n, 2).

    way : (n, 2) unit vectors of the quads, lane by lane.  long_m : (n,) their lengths
    An arc through the vertices turns by as much at each vertex as along half the chords beside it: a chord's
    share goes with its length. Of the turns at its ends the smaller one counts, and none if they differ in
    sign: a straight that begins a bend stays one, and a corner alone is no bend. Nor do the
    ends of a road bend.
    """
    n = len(way)
    if n == 0:
        return np.zeros((0, 2))
    turn = _turn(way, np.arange(n - 1), np.arange(1, n))
    begins = np.concatenate([[True], (lane_of[1:] != lane_of[:-1]) | (np.abs(turn) > SAME_RAD)])
    chord = np.cumsum(begins) - 1  # of each quad: quads are cut out of long chords
    first = np.flatnonzero(begins)
    chord_m = np.add.reduceat(long_m, first)
    same = np.flatnonzero(lane_of[first[1:]] == lane_of[first[:-1]])
    a, b = _joints(lane_of, lanes)
    before, after = np.concatenate([same, chord[a]]), np.concatenate([same + 1, chord[b]])
    turn = _turn(way[first], before, after)
    per_m = turn / np.maximum((chord_m[before] + chord_m[after]) / 2, 1e-6)
    at_end, at_start = (_straightest(at, turn, per_m, len(first)) for at in (before, after))
    smaller = np.where(np.abs(at_end) < np.abs(at_start), at_end, at_start)
    half = np.where(at_end * at_start > 0.0, smaller, 0.0) * chord_m / 2
    half = np.where(np.abs(half) <= HALF_RAD_MAX, half, 0.0)
    end_m = np.cumsum(long_m) - (np.cumsum(chord_m) - chord_m)[chord]
    at_m = np.column_stack([end_m - long_m, end_m])
    tangents: F64 = np.tan(half[chord][:, None] * (2.0 * at_m / chord_m[chord][:, None] - 1.0))
    return tangents


def _turn(way: F64, a: I64, b: I64) -> F64:
    """Return by how much way[b] turns left of way[a] (k,)."""
    cross = way[a, 0] * way[b, 1] - way[a, 1] * way[b, 0]
    return np.asarray(np.arctan2(cross, (way[a] * way[b]).sum(axis=1)))


def _joints(lane_of: I32, lanes: Sequence[Lane]) -> tuple[I64, I64]:
    """Return the last quad of each lane that names a successor, and the successor's first, for each pair."""
    number = {lane.lane: k for k, lane in enumerate(lanes)}
    pairs = [(k, number[name]) for k, lane in enumerate(lanes) for name in lane.successors]
    if not pairs:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    begin = np.searchsorted(lane_of, np.arange(len(lanes) + 1))
    a, b = np.array(pairs, dtype=np.int64).T
    return begin[a + 1] - 1, begin[b]


def _straightest(at: I64, turn: F64, per_m: F64, n: int) -> F64:
    """Return of each chord (n,) the turn per metre at its smallest turn: roads fork."""
    found = np.zeros(n)
    order = np.argsort(-np.abs(turn), kind="stable")  # what is written last stays
    found[at[order]] = per_m[order]
    return found
