"""Multipath: detections without a track that are a vehicle's second echo start no track of their own."""

import math

from core.arrays import F2, I1
from core.kernel import kernel
from fusion import layout as at
from fusion.grid import CELL_M, cell_of, clear, put
from fusion.heading import axis_of
from fusion.layout import Grid, Tracks

OWN_RATE_MPS = 3.0  # a second echo of a vehicle moves as it does, to within this
BEHIND_M, BESIDE_M = 2.0, 1.0  # how far outside a vehicle's outline its own second echo may lie
BESIDE_M_MAX = 2.8  # of its middle: three quarters of a lane
LENGTH_M, WIDTH_M = 6.0, 2.5  # of a vehicle of unknown size
NO_TRACK, OWN_ECHO = -1, -2  # in track_of: anybody's; a vehicle's second echo


@kernel(inner=True)
def _outline(WX: F2, j: int, floats: F2, i: int) -> tuple[float, float, float, float]:
    """Return the axis (c, s), length and width of predicted track j (row i); if it has no axis, a square."""
    length, width = floats[i, at.LENGTH], floats[i, at.WIDTH]
    length = LENGTH_M if math.isnan(length) else length
    width = WIDTH_M if math.isnan(width) else width
    c, s = axis_of(WX, j)
    if math.isnan(c):
        return 1.0, 0.0, length, length
    return c, s, length, width


@kernel(inner=True)
def _is_own_echo(WX: F2, j: int, floats: F2, i: int, seen: F2, d: int, sigma_azimuth: float) -> bool:
    """Whether detection d lies on the outline of predicted track j (row i) and moves as it does.

    Far away the azimuth's error throws echoes aside, but never as far as the next lane.
    """
    c, s, length, width = _outline(WX, j, floats, i)
    d_e, d_n = seen[d, at.S_EAST] - WX[j, at.EAST], seen[d, at.S_NORTH] - WX[j, at.NORTH]
    if abs(c * d_e + s * d_n) > length / 2.0 + BEHIND_M:
        return False
    thrown = 3.0 * seen[d, at.S_RANGE] * sigma_azimuth * abs(c * seen[d, at.S_COS] + s * seen[d, at.S_SIN])
    beside = max(width / 2.0 + BESIDE_M, min(width / 2.0 + thrown, BESIDE_M_MAX))
    if abs(c * d_n - s * d_e) > beside:
        return False
    if math.isnan(seen[d, at.S_RATE]):
        return True
    own = seen[d, at.S_COS] * WX[j, at.V_EAST] + seen[d, at.S_SIN] * WX[j, at.V_NORTH]
    return bool(abs(seen[d, at.S_RATE] - own) < OWN_RATE_MPS)


@kernel(inner=True)
def _sort_vehicles(tracks: Tracks, WX: F2, rows: I1, n_t: int, grid: Grid) -> float:
    """Put the confirmed tracks in play into the grid; return how far off an echo of one may lie [m]."""
    ints, floats = tracks.ints, tracks.floats
    clear(grid)
    reach = 0.0
    for j in range(n_t):
        if ints[rows[j], at.STATUS] != at.CONFIRMED:
            continue
        put(grid, j, WX[j, at.EAST], WX[j, at.NORTH])
        _, _, length, width = _outline(WX, j, floats, rows[j])
        reach = max(reach, length / 2.0 + BEHIND_M + max(width / 2.0 + BESIDE_M, BESIDE_M_MAX))
    return reach


@kernel(inner=True)
def own_echoes(
    tracks: Tracks, WX: F2, rows: I1, n_t: int, sigma_azimuth: float, seen: F2, n_d: int, track_of: I1,
    grid: Grid,
) -> None:  # fmt: skip
    """Set track_of from NO_TRACK to OWN_ECHO where a detection is the second echo of a confirmed track.

    WX, rows : predicted X of the n_t tracks in play, and their rows. Only detections that are left over are
    looked at: in the gate each vehicle would search its whole surroundings, not its covariance's.
    """
    reach = -1.0
    for d in range(n_d):
        if track_of[d] != NO_TRACK:
            continue
        if reach < 0.0:
            reach = _sort_vehicles(tracks, WX, rows, n_t, grid)
        low = math.floor((seen[d, at.S_NORTH] - reach) / CELL_M)
        top = math.floor((seen[d, at.S_NORTH] + reach) / CELL_M)
        for a in range(
            math.floor((seen[d, at.S_EAST] - reach) / CELL_M),
            math.floor((seen[d, at.S_EAST] + reach) / CELL_M) + 1,
        ):
            for b in range(low, top + 1):
                j = grid.first[cell_of(a, b)]
                while j >= 0 and track_of[d] == NO_TRACK:
                    if _is_own_echo(WX, j, tracks.floats, rows[j], seen, d, sigma_azimuth):
                        track_of[d] = OWN_ECHO
                    j = grid.next_of[j]
