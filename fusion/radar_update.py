"""One radar scan against the table, in one call: predict, gate, assign, fuse, start and drop tracks."""

import math

from core.arrays import F1, F2, F3, I1, I2
from core.kernel import kernel
from fusion.assignment import assign
from fusion.gating import gate
from fusion.layout import (
    ARRIVED,
    BORN,
    CONFIRMED,
    DUE,
    ENFORCING_NS,
    FIRST_RADAR,
    FREE,
    IDENTITY_P,
    KIND,
    LENGTH,
    LLR,
    LLR_CONFIRM,
    LLR_DROP,
    PERIOD_NS,
    R_ACCEPTED,
    R_S_AZIMUTH,
    RADAR_NS,
    SERIAL,
    STAMP,
    STATUS,
    TENTATIVE,
    TERMINAL,
    WIDTH,
)
from fusion.measure import first
from fusion.multipath import NO_TRACK, own_echoes
from fusion.rewind import append, fetch_next, fuse, restart

# Places of `tally`: what lasts, then what one call reports
T_SERIAL, T_FREE, T_HIGH, T_TOUCHED, T_FALLEN, T_FULL, T_LATE, T_PAIRS, T_DUE = 0, 1, 2, 3, 4, 5, 6, 7, 8
N_TALLY = 9

AHEAD = 4  # tracks: what they will write is fetched meanwhile


@kernel
def take_row(ints: I2, floats: F2, free: I1, tally: I1, stamp_ns: int, arrived_ns: int) -> int:
    """Take a free row for a new track, -1 if there is none."""
    if tally[T_FREE] == 0:
        tally[T_FULL] += 1
        return -1
    tally[T_FREE] -= 1
    i = int(free[tally[T_FREE]])
    for a in range(ints.shape[1]):
        ints[i, a] = 0
    floats[i, LLR], floats[i, IDENTITY_P] = 0.0, 0.0
    floats[i, LENGTH], floats[i, WIDTH] = math.nan, math.nan
    tally[T_SERIAL] += 1
    tally[T_HIGH] = max(tally[T_HIGH], i + 1)
    ints[i, SERIAL], ints[i, BORN], ints[i, ARRIVED] = tally[T_SERIAL], stamp_ns, arrived_ns
    ints[i, TERMINAL] = -1
    return i


@kernel
def free_row(ints: I2, free: I1, tally: I1, i: int) -> None:
    """Give row i back."""
    ints[i, STATUS] = FREE
    free[tally[T_FREE]] = i
    tally[T_FREE] += 1


@kernel(inner=True)
def _describe(ints: I2, floats: F2, i: int, about: F2, d: int) -> None:
    """Take size and class from the radar where no registry tells them."""
    if ints[i, TERMINAL] >= 0:
        return
    if not math.isnan(about[d, 0]):
        floats[i, LENGTH] = about[d, 0]
    if not math.isnan(about[d, 1]):
        floats[i, WIDTH] = about[d, 1]
    if about[d, 2] > 0.0:
        ints[i, KIND] = int(about[d, 2])


@kernel(inner=True)
def _seen(ints: I2, floats: F2, i: int, t_ns: int, arrived_ns: int, accepted: bool, period_ns: int) -> None:
    if t_ns >= ints[i, RADAR_NS]:
        ints[i, RADAR_NS] = t_ns
        ints[i, PERIOD_NS] = period_ns
    if accepted:
        ints[i, ENFORCING_NS] = max(t_ns, ints[i, ENFORCING_NS])
    ints[i, ARRIVED] = max(arrived_ns, ints[i, ARRIVED])


@kernel
def scan(
    X: F2, P: F3, ints: I2, floats: F2, stamps: I2, meas: F3, states: F3, free: I1, tally: I1,
    t_ns: int, arrived_ns: int, period_ns: int, M: F2, about: F2, n_d: int, radars: F2, q: int,
    tuning: F1, WX: F2, WP: F3, rows: I1, miss: F1, seen: F2, next_of: I1, grid: I1, pairs: I2,
    costs: F1,
    det_of: I1, track_of: I1, parent: I1, order: I1, start: I1, names: I1,
    cost: F2, work: F2, touched: I1, scratch: F1,
) -> None:  # fmt: skip
    """Fuse the n_d detections in M, all of radar q at t_ns; touched lists the rows that changed.

    about : (n_d, 3) length, width [m] and class as the radar tells them, NaN and 0 unknown
    """
    n_touched = 0
    tally[T_FALLEN], tally[T_FULL], tally[T_LATE], tally[T_PAIRS], tally[T_DUE] = 0, 0, 0, 0, 0
    n_t, n_p = gate(
        X, P, ints, stamps, states, tally[T_HIGH], t_ns, M, n_d, radars, q, tuning, WX, WP, rows, miss,
        seen, next_of, grid, pairs, costs,
    )  # fmt: skip
    tally[T_PAIRS] = n_p
    tally[T_FALLEN] = assign(
        n_t, n_d, n_p, pairs, costs, miss, det_of, track_of, parent, order, start, names, cost, work
    )
    own_echoes(
        ints, floats, WX, rows, n_t, radars[q, R_S_AZIMUTH], seen, n_d, track_of, grid, next_of
    )  # fmt: skip
    for p in range(n_p):  # the winning pair's likelihood, for those not confirmed
        t = pairs[0, p]
        if det_of[t] == pairs[1, p]:
            miss[t] = costs[p]
    accepted = radars[q, R_ACCEPTED] > 0.0
    for t in range(n_t):
        if t + AHEAD < n_t:
            fetch_next(rows[t + AHEAD], ints, stamps, meas, states)
        i = rows[t]
        if ints[i, STATUS] != CONFIRMED:
            floats[i, LLR] -= 0.5 * miss[t]
        d = det_of[t]
        if d < 0:
            if ints[i, STATUS] == TENTATIVE and floats[i, LLR] < tuning[LLR_DROP]:
                free_row(ints, free, tally, i)
            continue
        if t_ns >= ints[i, STAMP]:
            append(X, P, i, ints, stamps, meas, states, t_ns, M, d, WX, WP, t, radars, tuning, scratch)
        elif fuse(X, P, i, ints, stamps, meas, states, t_ns, M, d, radars, tuning, scratch) == 2:
            tally[T_LATE] += 1
            continue
        _seen(ints, floats, i, t_ns, arrived_ns, accepted, period_ns)
        _describe(ints, floats, i, about, d)
        if ints[i, STATUS] == TENTATIVE and floats[i, LLR] >= tuning[LLR_CONFIRM]:
            ints[i, STATUS] = DUE
            tally[T_DUE] += 1
        touched[n_touched] = i
        n_touched += 1
    for d in range(n_d):
        if track_of[d] != NO_TRACK:
            continue
        i = take_row(ints, floats, free, tally, t_ns, arrived_ns)
        if i < 0:
            continue
        first(X, P, i, M, d, radars, tuning)
        restart(X, P, i, ints, stamps, meas, states, t_ns, M, d)
        ints[i, STATUS], ints[i, FIRST_RADAR] = TENTATIVE, t_ns
        _seen(ints, floats, i, t_ns, arrived_ns, accepted, period_ns)
        _describe(ints, floats, i, about, d)
        touched[n_touched] = i
        n_touched += 1
    tally[T_TOUCHED] = n_touched
