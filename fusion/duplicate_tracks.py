"""Two tracks in one place are one vehicle: found after they have stood so for a while, and made one.

Errors larger than stated throw echoes out of the gate, and enough of them found a second track.
"""

import math

import numpy as np

from core.kernel import F64, I64
from fusion.filter import predict
from fusion.grid import near_pairs
from fusion.heading import headings_of
from fusion.identity_binding import rebase
from fusion.layout import (
    ARRIVED,
    BORN,
    EAST,
    ENFORCING_NS,
    HEADING,
    N_RADAR,
    NORTH,
    PERIOD_NS,
    RADAR_NS,
    STAMP,
    TERMINAL,
    V_EAST,
    V_NORTH,
)
from fusion.track_store import Table

ALONG_M, ACROSS_M, SPEED_MPS = 5.0, 1.9, 3.0  # nearer than two vehicles can be, and moving alike
ACROSS_M_LOST = 2.6  # where radar lost one of them: what it did since is not known; a lane is 3.75 m
TWINS_M_MAX = math.hypot(ALONG_M, ACROSS_M_LOST)
STANDS_MPS = 1.0  # slower ones are left alone: a radar tells standing things a metre apart from each other
FRESH_NS, LOST_NS = 300_000_000, 1_000_000_000  # since radar saw it; longer ago its terminal must tell
DOUBT_NS = 3_000_000_000  # until then it may be what radar found anew: nothing new is told of either
HELD_NS = 400_000_000

Pair = tuple[int, int]  # ids, the smaller first


def close_pairs(table: Table, rows: I64, t_ns: int) -> list[tuple[int, int]]:
    """Return the rows (i < j) in one place, of which radar sees one; two bound tracks are never a pair."""
    ints, X = table.ints, table.X
    rows = rows[t_ns - ints[rows, RADAR_NS] <= DOUBT_NS]
    rows = rows[np.hypot(X[rows, V_EAST], X[rows, V_NORTH]) > STANDS_MPS]
    if len(rows) < 2:
        return []
    at: F64 = X[rows, : V_NORTH + 1]
    at[:, :2] += at[:, 2:] * ((t_ns - ints[rows, STAMP]) * 1e-9)[:, None]
    one, other = near_pairs(at, TWINS_M_MAX, table.grid, table.next_of).T
    apart = at[one] - at[other]
    heading = np.nan_to_num(headings_of(X, table.P, rows[one]))
    c, s = np.cos(heading), np.sin(heading)
    near = np.abs(c * apart[:, 0] + s * apart[:, 1]) < ALONG_M
    fresh = t_ns - ints[rows, RADAR_NS] <= FRESH_NS
    across = np.abs(c * apart[:, 1] - s * apart[:, 0])
    near &= across < np.where(fresh[one] & fresh[other], ACROSS_M, ACROSS_M_LOST)
    near &= fresh[one] | fresh[other]
    near &= np.hypot(apart[:, 2], apart[:, 3]) < SPEED_MPS
    bound = ints[rows, TERMINAL] >= 0
    near &= ~(bound[one] & bound[other])
    return list(zip(rows[one[near]].tolist(), rows[other[near]].tolist(), strict=True))


def step(
    table: Table, rows: I64, t_ns: int, since: dict[Pair, int]
) -> tuple[dict[Pair, int], list[tuple[int, int]]]:
    """Return since when each pair has stood in one place, and the rows (goes, stays) that now become one.

    A bound track stays, else the older one.
    """
    held: dict[Pair, int] = {}
    joined: list[tuple[int, int]] = []
    gone: list[int] = []
    for i, j in close_pairs(table, rows, t_ns):
        one, other = int(table.track[i]), int(table.track[j])
        key = (min(one, other), max(one, other))
        held[key] = since.get(key, t_ns)
        if t_ns - held[key] < HELD_NS or i in gone or j in gone:
            continue
        if t_ns - min(table.ints[i, RADAR_NS], table.ints[j, RADAR_NS]) > LOST_NS:
            continue
        first = (table.ints[i, TERMINAL] < 0, table.ints[i, BORN], one)
        second = (table.ints[j, TERMINAL] < 0, table.ints[j, BORN], other)
        goes, stays = (j, i) if first <= second else (i, j)
        if _is_better(table, goes, stays, t_ns):
            _take_over(table, goes, stays)
        joined.append((goes, stays))
        gone.append(goes)
    return held, joined


def _is_better(table: Table, one: int, other: int, t_ns: int) -> bool:
    """Whether track `one` tells the place better: radar lost the other, or gave it less of late.

    The detections of one vehicle went to either, and what stood far off drew those that lay far off.
    """
    ahead_ns = int(table.ints[one, RADAR_NS] - table.ints[other, RADAR_NS])
    if abs(ahead_ns) > FRESH_NS:
        return ahead_ns > 0
    spread = []
    for row, i in enumerate((one, other)):
        table.WX[row], table.WP[row] = table.X[i], table.P[i]
        predict(table.WX, table.WP, row, max(t_ns - int(table.ints[i, STAMP]), 0) * 1e-9, table.tuning)
        spread.append(float(table.WP[row, EAST, EAST] + table.WP[row, NORTH, NORTH]))
    return spread[0] < spread[1]


def _take_over(table: Table, goes: int, stays: int) -> None:
    """Let the one that stays go on from the state of the other."""
    X, P, ints = table.X, table.P, table.ints
    X[stays, :N_RADAR] = X[goes, :N_RADAR]
    X[stays, HEADING] = X[goes, HEADING]
    P[stays, :N_RADAR, N_RADAR:] = 0.0
    P[stays, N_RADAR:, :N_RADAR] = 0.0
    P[stays, :N_RADAR, :N_RADAR] = P[goes, :N_RADAR, :N_RADAR]
    for column in (STAMP, ARRIVED, RADAR_NS, ENFORCING_NS, PERIOD_NS):
        ints[stays, column] = ints[goes, column]
    rebase(table, stays)
