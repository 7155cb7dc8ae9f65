"""One message of GNSS fixes against the table, in one call: admit, fuse, weigh identity."""

from core.arrays import B1, F1, F2, F3, I1, I2, I3
from core.kernel import kernel
from core.times import FUTURE_NS
from fusion.identity_likelihood import weigh
from fusion.layout import (
    ARRIVED,
    DUE,
    GNSS_NS,
    HEARD_NS,
    HISTORY_NS,
    IDENTITY_P,
    INTEGRITY,
    N_KEYS,
    OUTLIERS,
    PERIOD_NS,
    RADAR_NS,
    RADAR_TIMEOUT_NS,
    ROW,
    STAMP,
    STATUS,
    TERMINAL,
    WEIGHED_NS,
)
from fusion.measure import first
from fusion.radar_update import T_FULL, T_TOUCHED, take_row
from fusion.rewind import fuse, restart

OUTLIERS_MAX = 3  # so many fixes in a row outside the gate, and a track without radar starts anew
WEIGH_EVERY_NS = 500_000_000  # radar's own error lasts about as long: sooner is no new evidence
# What became of a fix
FUSED, DUPLICATE, FUTURE, LATE, UNUSABLE, OUTLIER, NO_ROOM = 0, 1, 2, 3, 4, 5, 6


@kernel(inner=True)
def _is_known(terminals: I2, keys: I3, w: int, stamp_ns: int, source_seq: int) -> bool:
    """Remember (stamp, source_seq) of terminal w; say whether it came before."""
    size = keys.shape[1]
    for k in range(min(size, terminals[w, N_KEYS])):
        if keys[w, k, 0] == stamp_ns and keys[w, k, 1] == source_seq:
            return True
    k = terminals[w, N_KEYS] % size
    keys[w, k, 0], keys[w, k, 1] = stamp_ns, source_seq
    terminals[w, N_KEYS] += 1
    return False


@kernel(inner=True)
def _own_track(
    X: F2, P: F3, ints: I2, floats: F2, stamps: I2, meas: F3, states: F3, free: I1, tally: I1,
    terminals: I2, w: int, stamp_ns: int, arrived_ns: int, M: F2, m: int, radars: F2, tuning: F1,
    scratch: F1,
) -> int:  # fmt: skip
    """Fuse the fix with the track of its terminal, or start one; return what became of it."""
    i = terminals[w, ROW]
    outcome = FUSED
    if i < 0:
        i = take_row(ints, floats, free, tally, stamp_ns, arrived_ns)
        if i < 0:
            return NO_ROOM
        first(X, P, i, M, m, radars, tuning)
        restart(X, P, i, ints, stamps, meas, states, stamp_ns, M, m)
        ints[i, STATUS], ints[i, TERMINAL] = DUE, w
        floats[i, IDENTITY_P] = 1.0
        terminals[w, ROW] = i
    else:
        by_radar = abs(stamp_ns - ints[i, RADAR_NS]) <= tuning[RADAR_TIMEOUT_NS]
        ends = fuse(X, P, i, ints, stamps, meas, states, stamp_ns, M, m, radars, tuning, scratch)
        if ends == 2:
            return LATE
        if ends == 1:
            outcome = OUTLIER
            ints[i, OUTLIERS] += 1
            ints[i, INTEGRITY] = 1
            if not by_radar and ints[i, OUTLIERS] >= OUTLIERS_MAX and stamp_ns >= ints[i, STAMP]:
                first(X, P, i, M, m, radars, tuning)
                restart(X, P, i, ints, stamps, meas, states, stamp_ns, M, m)
                ints[i, OUTLIERS] = 0
        else:
            ints[i, OUTLIERS], ints[i, INTEGRITY] = 0, 0
        if not by_radar and stamp_ns > ints[i, GNSS_NS]:
            ints[i, PERIOD_NS] = stamp_ns - ints[i, GNSS_NS]
    ints[i, GNSS_NS] = max(ints[i, GNSS_NS], stamp_ns)
    ints[i, ARRIVED] = max(arrived_ns, ints[i, ARRIVED])
    return outcome


@kernel
def fixes(
    X: F2, P: F3, ints: I2, floats: F2, stamps: I2, meas: F3, states: F3, free: I1, tally: I1,
    terminals: I2, keys: I3, pair_ints: I3, pairs: F3, now_ns: int, n: int,
    who: I1, stamp_ns: I1, arrived_ns: I1, source_seq: I1, usable: B1,
    M: F2, radars: F2, tuning: F1, WX: F2, WP: F3, scratch: F1, outcome: I1, touched: I1,
) -> None:  # fmt: skip
    """Take n fixes in their order; outcome (n,) says what became of each, touched which rows changed.

    who : (n,) terminal rows;  M : (n, N_MEAS) the fixes as measurements
    outcome has WEIGHED (64) added where identity evidence came in
    """
    n_touched = 0
    tally[T_FULL] = 0
    for j in range(n):
        w = who[j]
        if stamp_ns[j] > now_ns + FUTURE_NS:
            outcome[j] = FUTURE
            continue
        if _is_known(terminals, keys, w, stamp_ns[j], source_seq[j]):
            outcome[j] = DUPLICATE
            continue
        if stamp_ns[j] < now_ns - tuning[HISTORY_NS]:
            outcome[j] = LATE
            continue
        if not usable[j]:
            outcome[j] = UNUSABLE
            continue
        terminals[w, HEARD_NS] = max(terminals[w, HEARD_NS], stamp_ns[j])
        outcome[j] = _own_track(
            X, P, ints, floats, stamps, meas, states, free, tally, terminals, w, stamp_ns[j], arrived_ns[j],
            M, j, radars, tuning, scratch,
        )  # fmt: skip
        if outcome[j] == FUSED or outcome[j] == OUTLIER:
            touched[n_touched] = terminals[w, ROW]
            n_touched += 1
            if stamp_ns[j] - terminals[w, WEIGHED_NS] >= WEIGH_EVERY_NS:
                terminals[w, WEIGHED_NS] = stamp_ns[j]
                weigh(
                    X, P, ints, stamps, states, tally, terminals, pair_ints, pairs, w, stamp_ns[j], M, j,
                    tuning, WX, WP,
                )  # fmt: skip
                outcome[j] += 64
    tally[T_TOUCHED] = n_touched
