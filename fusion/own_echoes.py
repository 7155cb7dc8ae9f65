"""Second echoes: detections that are left over and lie on a tracked vehicle; they start no track."""

import math

from core.arrays import F2, I1
from core.kernel import kernel
from fusion import layout as at
from fusion.births import NEAR_M
from fusion.grid import GRID_CELL_M, cell_of, clear, first_in, put
from fusion.heading import axis_of
from fusion.layout import Grid, Tracks

ECHO_RATE_MPS = 3.0  # the range rates of a vehicle and its second echo differ by less
BEHIND_M, BESIDE_M = 2.0, 1.0  # how far outside a vehicle's outline its second echo may lie
BESIDE_M_MAX = 2.8  # and how far from its centre line: three quarters of a lane
ECHO_LENGTH_M, ECHO_WIDTH_M = 6.0, 2.5  # of a vehicle of unknown size
# In track_of: not assigned; second echo of a tracked vehicle; not assigned, beside a tracked vehicle
NO_TRACK, OWN_ECHO, NEAR_TRACK = -1, -2, -3


@kernel(inner=True)
def _outline(WX: F2, j: int, floats: F2, i: int) -> tuple[float, float, float, float]:
    """Return direction (c, s), length, width of predicted track j (row i); without a direction a square."""
    length, width = floats[i, at.LENGTH], floats[i, at.WIDTH]
    # of unknown size: radar sees it up to its extent to both sides
    length = max(ECHO_LENGTH_M, 2.0 * WX[j, at.EXTENT]) if math.isnan(length) else length
    width = ECHO_WIDTH_M if math.isnan(width) else width
    c, s = axis_of(WX, j)
    if math.isnan(c):
        return 1.0, 0.0, length, length
    return c, s, length, width


@kernel(inner=True)
def _is_own_echo(WX: F2, j: int, floats: F2, i: int, seen: F2, d: int, sigma_azimuth: float) -> bool:
    """Whether detection d lies on the outline of predicted track j (row i) and moves as it does.

    Far away the error of the azimuth displaces echoes sideways; the next lane stays excluded.
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
    return bool(abs(seen[d, at.S_RATE] - own) < ECHO_RATE_MPS)


@kernel(inner=True)
def _is_near(WX: F2, j: int, seen: F2, d: int) -> bool:
    d_e, d_n = seen[d, at.S_EAST] - WX[j, at.EAST], seen[d, at.S_NORTH] - WX[j, at.NORTH]
    return bool(d_e * d_e + d_n * d_n < NEAR_M * NEAR_M)


@kernel(inner=True)
def _sort_vehicles(tracks: Tracks, WX: F2, rows: I1, n_t: int, grid: Grid) -> float:
    """Put the confirmed tracks in play into the grid; return how far from one a detection matters [m]."""
    ints, floats = tracks.ints, tracks.floats
    clear(grid)
    reach = NEAR_M
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

    To NEAR_TRACK where it is none, and within NEAR_M of one.

    WX, rows : predicted X of the n_t tracks in play, and their rows. Only detections that are left over are
    tested: as a part of the gate, every vehicle would search its whole surroundings.
    """
    reach = -1.0
    for d in range(n_d):
        if track_of[d] != NO_TRACK:
            continue
        if reach < 0.0:
            reach = _sort_vehicles(tracks, WX, rows, n_t, grid)
        low = math.floor((seen[d, at.S_NORTH] - reach) / GRID_CELL_M)
        top = math.floor((seen[d, at.S_NORTH] + reach) / GRID_CELL_M)
        for a in range(
            math.floor((seen[d, at.S_EAST] - reach) / GRID_CELL_M),
            math.floor((seen[d, at.S_EAST] + reach) / GRID_CELL_M) + 1,
        ):
            for b in range(low, top + 1):
                j = first_in(grid, cell_of(a, b))
                while j >= 0 and track_of[d] != OWN_ECHO:
                    if _is_own_echo(WX, j, tracks.floats, rows[j], seen, d, sigma_azimuth):
                        track_of[d] = OWN_ECHO
                    elif _is_near(WX, j, seen, d):
                        track_of[d] = NEAR_TRACK
                    j = grid.next_of[j]
