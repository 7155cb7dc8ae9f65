"""Taking over a neighbour's track: joined with the own one of the same vehicle, under the neighbour's id."""

from collections.abc import Sequence

import numpy as np

from fusion.filter import predict
from fusion.handover import CarriedTrack, is_sound, load, load_state
from fusion.identity_binding import describe, rebase, release
from fusion.layout import (
    BEND,
    BIAS_EAST,
    BIAS_SIGMA,
    BORN,
    CONFIRMED,
    EAST,
    FREE,
    GNSS_NS,
    IDENTITY_P,
    N_CV,
    N_DIM,
    N_X,
    NORTH,
    RADAR_NS,
    RADAR_TIMEOUT_NS,
    ROW,
    SERIAL,
    STAMP,
    STATUS,
    TERMINAL,
    V_EAST,
    V_NORTH,
)
from fusion.radar_update import T_FREE, T_HIGH, free_row, take_row
from fusion.track_store import Table, Terminals

GATE_4 = 23.5  # chi-square, 4 degrees, p = 0.9999
JOIN_M_MAX = 10.0  # further apart two radar tracks are never one
APART_M_MAX = 1_000.0  # of two places of one vehicle, the offset of a wrong datum included
SPEED_MPS_LEAST = 40.0  # that it may have got to meanwhile
ROUNDING_M = 0.001


def adopt(table: Table, terminals: Terminals, now_ns: int, track: CarriedTrack) -> tuple[str, list[int]]:
    """Take one carried track; return what was done (for the counters) and the own ids that are no more."""
    if not is_sound(track, now_ns):
        return "misfit", []
    w = terminals.row_of(track.terminal) if track.terminal is not None else -1
    outcome, (i, by_fixes) = "joined", _own(table, terminals, w, track)
    if by_fixes:  # only fixes here so far: what radar knew over there is better
        _load_state(table, i, track)
    if i < 0:
        outcome, i = "created", take_row(table.ints, table.floats, table.free, table.tally, 0, 0)
        if i < 0:
            return "full", []
        _create(table, i, track)
    gone = [int(table.track[i])]
    if w >= 0:
        gone += _bind(table, terminals, i, w, track)
    table.track[i] = track.track
    table.ints[i, STATUS] = CONFIRMED
    table.ints[i, BORN] = min(int(table.ints[i, BORN]), track.ints[BORN])
    return outcome, [key for key in gone if key and key != track.track]


def has_room(table: Table, terminals: Terminals, tracks: Sequence[CarriedTrack]) -> bool:
    """Whether all can be taken: each finds an own track that it joins, or a free row."""
    n_free = int(table.tally[T_FREE])
    if len(tracks) <= n_free:  # nearly always
        return True
    joined = set()
    for track in tracks:
        w = terminals.row.get(track.terminal, -1) if track.terminal is not None else -1
        joined.add(_own(table, terminals, w, track)[0])
    return len(tracks) - len(joined - {-1}) <= n_free  # two that would join the same need a row more


def contradicts(table: Table, terminals: Terminals, track: CarriedTrack) -> bool:
    """Whether the own track of the vehicle that is claimed is nowhere near: joined, it would become another.

    Both can have driven apart since the older of the two states.
    """
    w = terminals.row.get(track.terminal, -1) if track.terminal is not None else -1
    i, _ = _own(table, terminals, w, track)
    if i < 0:
        return False
    x, mine = np.array(track.x, dtype=np.float64), table.X[i]
    dt_s = abs(int(table.ints[i, STAMP]) - track.ints[STAMP]) * 1e-9
    speed_mps = max(np.hypot(x[V_EAST], x[V_NORTH]), np.hypot(mine[V_EAST], mine[V_NORTH]), SPEED_MPS_LEAST)
    apart_m = np.hypot(x[EAST] - mine[EAST], x[NORTH] - mine[NORTH])
    return bool(apart_m > APART_M_MAX + dt_s * speed_mps)


def _own(table: Table, terminals: Terminals, w: int, track: CarriedTrack) -> tuple[int, bool]:
    """Return the own row of the vehicle with terminal row w, -1 none; and whether fixes alone tell so."""
    reported = int(terminals.ints[w, ROW]) if w >= 0 else -1
    i = _by_id(table, track.track)
    if i < 0 and reported >= 0 and _is_seen(table, reported):
        i = reported
    if i < 0 and _was_seen(table, track):  # a place that fixes alone tell is no evidence: identity weighs it
        i = _by_place(table, track)
    return (reported, reported >= 0) if i < 0 else (i, False)


def _by_id(table: Table, key: int) -> int:
    rows = np.flatnonzero((table.track == np.uint64(key)) & (table.ints[:, STATUS] == CONFIRMED))
    return int(rows[0]) if len(rows) else -1


def _is_seen(table: Table, i: int) -> bool:
    """Whether the track's state is radar's."""
    radar_ns = int(table.ints[i, RADAR_NS])
    return radar_ns > 0 and int(table.ints[i, STAMP]) - radar_ns <= table.tuning[RADAR_TIMEOUT_NS]


def _was_seen(table: Table, track: CarriedTrack) -> bool:
    """Whether the carried state is radar's."""
    radar_ns = track.ints[RADAR_NS]
    return radar_ns > 0 and track.ints[STAMP] - radar_ns <= table.tuning[RADAR_TIMEOUT_NS]


def _by_place(table: Table, track: CarriedTrack) -> int:
    """Return the nearest own radar track that can be the carried one's and has no other terminal, -1 none."""
    best, least, stamp_ns = -1, GATE_4, track.ints[STAMP]
    for i in _near(table, track):
        if table.ints[i, STATUS] == FREE or not _is_seen(table, i):
            continue
        if table.ints[i, TERMINAL] >= 0 and track.terminal is not None:
            continue  # another vehicle's; an unidentified one may have been identified here first
        ahead_s = (int(table.ints[i, STAMP]) - stamp_ns) * 1e-9
        if abs(ahead_s) > 5.0:
            continue
        load_state(table.WX, table.WP, 0, track)
        table.WX[1], table.WP[1] = table.X[i], table.P[i]
        predict(table.WX, table.WP, 0, max(ahead_s, 0.0), table.tuning)
        predict(table.WX, table.WP, 1, max(-ahead_s, 0.0), table.tuning)
        apart = table.WX[1, :N_CV] - table.WX[0, :N_CV]
        if np.hypot(apart[0], apart[1]) > JOIN_M_MAX:
            continue
        both = table.WP[0, :N_CV, :N_CV] + table.WP[1, :N_CV, :N_CV]
        d2 = float(apart @ np.linalg.solve(both, apart))
        if d2 < least:
            best, least = i, d2
    return best


def _near(table: Table, track: CarriedTrack) -> list[int]:
    """Return the rows that may come within JOIN_M_MAX of the carried track, whichever is predicted.

    Predicting takes 20 us: of a thousand rows, for each of a platoon's tracks, the RSU would stand still.
    """
    n = int(table.tally[T_HIGH])
    X, x = table.X[:n], np.array(track.x, dtype=np.float64)
    ahead_s = (table.ints[:n, STAMP] - track.ints[STAMP]) * 1e-9
    dt_s = np.abs(ahead_s)
    speed_mps = np.where(
        ahead_s < 0.0, np.hypot(X[:, V_EAST], X[:, V_NORTH]), np.hypot(x[V_EAST], x[V_NORTH])
    )
    bend_mps2 = np.abs(np.where(ahead_s < 0.0, X[:, BEND], x[BEND]))
    goes_m = dt_s * (speed_mps + 0.5 * dt_s * bend_mps2)
    apart_m = np.hypot(X[:, EAST] - x[EAST], X[:, NORTH] - x[NORTH])
    near: list[int] = np.flatnonzero(apart_m <= JOIN_M_MAX + goes_m + ROUNDING_M).tolist()
    return near


def _load_state(table: Table, i: int, track: CarriedTrack) -> None:
    """Take the carried state where it is newer, else leave the own."""
    if track.ints[STAMP] >= table.ints[i, STAMP] and track.ints[RADAR_NS] > 0:
        load_state(table.X, table.P, i, track)
        table.ints[i, STAMP], table.ints[i, RADAR_NS] = track.ints[STAMP], track.ints[RADAR_NS]
        rebase(table, i)


def _create(table: Table, i: int, track: CarriedTrack) -> None:
    serial = int(table.ints[i, SERIAL])
    load(table, i, track)
    table.ints[i, SERIAL], table.ints[i, TERMINAL], table.track[i] = serial, -1, 0
    rebase(table, i)


def _bind(table: Table, terminals: Terminals, i: int, w: int, track: CarriedTrack) -> list[int]:
    """Make row i terminal w's track, with what was learnt of its error; return ids that are no more."""
    gone = []
    reported = int(terminals.ints[w, ROW])
    if reported >= 0 and reported != i:
        gone.append(int(table.track[reported]))
        table.ints[i, GNSS_NS] = max(int(table.ints[i, GNSS_NS]), int(table.ints[reported, GNSS_NS]))
        table.track[reported] = 0
        free_row(table.ints, table.free, table.tally, reported)
    if table.ints[i, TERMINAL] >= 0 and table.ints[i, TERMINAL] != w:
        release(table, terminals, i)
    fresh = table.ints[i, TERMINAL] < 0
    table.ints[i, TERMINAL], terminals.ints[w, ROW] = w, i
    table.ints[i, GNSS_NS] = max(int(table.ints[i, GNSS_NS]), track.ints[GNSS_NS])
    table.floats[i, IDENTITY_P] = track.floats[IDENTITY_P] or 0.0
    describe(table, terminals, i)
    if fresh and (track.x[BIAS_SIGMA] or 0.0) > 0.0:
        load_state(table.WX, table.WP, 0, track)
        table.X[i, BIAS_EAST:N_DIM] = table.WX[0, BIAS_EAST:N_DIM]
        table.X[i, BIAS_SIGMA:N_X] = table.WX[0, BIAS_SIGMA:N_X]
        table.P[i, BIAS_EAST:, :] = 0.0
        table.P[i, :, BIAS_EAST:] = 0.0
        table.P[i, BIAS_EAST:, BIAS_EAST:] = table.WP[0, BIAS_EAST:, BIAS_EAST:]
        rebase(table, i)
    return gone
