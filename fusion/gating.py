"""Which detection can be which track's: prediction to the scan, a hashed grid, near pairs' likelihoods."""

import math

from core.arrays import F1, F2, F3, I1, I2
from core.kernel import kernel
from fusion.filter import bend_keep, predict_to
from fusion.grid import CELL_M, cell_of, clear, put
from fusion.layout import (
    CLUTTER,
    EAST,
    FREE,
    GATE_3,
    NORTH,
    OBJECT,
    P_DETECT,
    R_BORESIGHT,
    R_DROP,
    R_EAST,
    R_HALF_FOV,
    R_NORTH,
    R_RANGE,
    R_S_AZIMUTH,
    R_S_RANGE,
    R_S_RATE,
    RADAR_NS,
    RADAR_TIMEOUT_NS,
    S_COS,
    S_DROP,
    S_EAST,
    S_NORTH,
    S_RANGE,
    S_RATE,
    S_SIN,
    STAMP,
    STATUS,
    V_EAST,
    V_NORTH,
    WHAT,
    Z0,
    Z1,
    Z2,
    Z3,
    Z4,
)
from fusion.rewind import past_state

GATE_M_MAX = 60.0  # no gate is wider
RATE_SPAN_MPS = 80.0  # over which clutter's range rates spread
EDGE_RAD, EDGE_M = 0.05, 10.0  # detections still come from just outside the stated field of view


@kernel(inner=True)
def _locate(M: F2, n_d: int, radars: F2, q: int, seen: F2) -> None:
    """Write where each detection lies and its polar numbers, also for a radar's objects."""
    r_e, r_n = radars[q, R_EAST], radars[q, R_NORTH]
    for d in range(n_d):
        if M[d, WHAT] == OBJECT:
            d_e, d_n = M[d, Z0] - r_e, M[d, Z1] - r_n
            flat = max(math.sqrt(d_e * d_e + d_n * d_n), 1.0)
            seen[d, S_RANGE], seen[d, S_COS], seen[d, S_SIN] = flat, d_e / flat, d_n / flat
            seen[d, S_DROP] = 0.0
            seen[d, S_RATE] = (M[d, Z2] * d_e + M[d, Z3] * d_n) / flat
            seen[d, S_EAST], seen[d, S_NORTH] = M[d, Z0], M[d, Z1]
        else:
            drop = radars[q, R_DROP]
            c, s = M[d, Z3], M[d, Z4]
            flat = math.sqrt(max(M[d, Z1] ** 2 - drop * drop, 1.0))
            seen[d, S_RANGE], seen[d, S_COS], seen[d, S_SIN] = M[d, Z1], c, s
            seen[d, S_RATE], seen[d, S_DROP] = M[d, Z2], drop
            seen[d, S_EAST], seen[d, S_NORTH] = r_e + flat * c, r_n + flat * s


@kernel(inline=True)
def pair_cost(X: F2, P: F3, i: int, seen: F2, d: int, radars: F2, q: int, tuning: F1) -> tuple[float, float]:
    """Return (squared Mahalanobis distance, cost) of detection d for predicted track i.

    cost = -2 ln(P_D N(innovation; 0, S) / clutter density), in metres along and across the beam and m/s.
    """
    d_e, d_n = X[i, EAST] - radars[q, R_EAST], X[i, NORTH] - radars[q, R_NORTH]
    flat = max(math.sqrt(d_e * d_e + d_n * d_n), 1.0)
    c, s = d_e / flat, d_n / flat
    slant = math.sqrt(flat * flat + seen[d, S_DROP] ** 2)
    slope = flat / slant
    z_t = c * (seen[d, S_NORTH] - X[i, NORTH]) - s * (seen[d, S_EAST] - X[i, EAST])
    z_r = seen[d, S_RANGE] - slant
    s_tt = s * s * P[i, 0, 0] - 2.0 * s * c * P[i, 0, 1] + c * c * P[i, 1, 1]
    s_rr = c * c * P[i, 0, 0] + 2.0 * s * c * P[i, 0, 1] + s * s * P[i, 1, 1]
    s_tr = s * c * (P[i, 1, 1] - P[i, 0, 0]) + (c * c - s * s) * P[i, 0, 1]
    s_tt += (flat * radars[q, R_S_AZIMUTH]) ** 2
    s_rr = slope * slope * s_rr + radars[q, R_S_RANGE] ** 2
    s_tr *= slope
    g = s_tr / s_tt
    s_rr -= g * s_tr
    z_r -= g * z_t
    d2 = z_t * z_t / s_tt + z_r * z_r / s_rr
    odds = tuning[P_DETECT] / (
        2.0 * math.pi * tuning[CLUTTER]
    )  # of a vehicle, at density one of its innovation
    volume = s_tt * s_rr
    if not math.isnan(seen[d, S_RATE]):
        rate = slope * (c * X[i, V_EAST] + s * X[i, V_NORTH])
        s_tv = slope * (-s * (c * P[i, 0, 2] + s * P[i, 0, 3]) + c * (c * P[i, 1, 2] + s * P[i, 1, 3]))
        s_rv = slope * slope * (c * (c * P[i, 0, 2] + s * P[i, 0, 3]) + s * (c * P[i, 1, 2] + s * P[i, 1, 3]))
        s_vv = slope * slope * (c * c * P[i, 2, 2] + 2.0 * s * c * P[i, 2, 3] + s * s * P[i, 3, 3])
        s_vv += radars[q, R_S_RATE] ** 2
        s_rv -= g * s_tv
        z_v = seen[d, S_RATE] - rate - s_tv / s_tt * z_t - s_rv / s_rr * z_r
        s_vv -= s_tv * s_tv / s_tt + s_rv * s_rv / s_rr
        d2 += z_v * z_v / s_vv
        odds *= RATE_SPAN_MPS / math.sqrt(2.0 * math.pi)
        volume *= s_vv
    return d2, d2 + math.log(volume / (odds * odds))


@kernel(inner=True)
def _is_in(seen: F2, d: int, a: int, b: int) -> bool:
    return bool(math.floor(seen[d, S_EAST] / CELL_M) == a and math.floor(seen[d, S_NORTH] / CELL_M) == b)


@kernel(inner=True)
def _pair(
    WX: F2, WP: F3, j: int, flat: float, radars: F2, q: int, tuning: F1, seen: F2, next_of: I1,
    grid: I1, pairs: I2, costs: F1, n_p: int,
) -> int:  # fmt: skip
    """Add the pairs of predicted track j, which is `flat` metres from radar q."""
    noise = max(radars[q, R_S_RANGE], radars[q, R_S_AZIMUTH] * flat)
    widest = WP[j, 0, 0] + WP[j, 1, 1] + noise * noise  # no axis of the ellipse is wider than both together
    gate2 = min(tuning[GATE_3] * widest, GATE_M_MAX * GATE_M_MAX)  # nothing further off passes the gate
    reach = math.sqrt(gate2)
    low, top = math.floor((WX[j, NORTH] - reach) / CELL_M), math.floor((WX[j, NORTH] + reach) / CELL_M)
    for a in range(
        math.floor((WX[j, EAST] - reach) / CELL_M), math.floor((WX[j, EAST] + reach) / CELL_M) + 1
    ):
        for b in range(low, top + 1):
            d = grid[cell_of(a, b)]
            while d >= 0:
                off2 = (seen[d, S_EAST] - WX[j, EAST]) ** 2 + (seen[d, S_NORTH] - WX[j, NORTH]) ** 2
                # other cells share this one's list
                if off2 < gate2 and n_p < costs.shape[0] and _is_in(seen, d, a, b):
                    d2, cost = pair_cost(WX, WP, j, seen, d, radars, q, tuning)
                    if d2 < tuning[GATE_3]:
                        pairs[0, n_p], pairs[1, n_p], costs[n_p] = j, d, cost
                        n_p += 1
                d = next_of[d]
    return n_p


@kernel
def gate(
    X: F2, P: F3, ints: I2, stamps: I2, states: F3, high: int, t_ns: int,
    M: F2, n_d: int, radars: F2, q: int, tuning: F1, WX: F2, WP: F3, rows: I1, miss: F1,
    seen: F2, next_of: I1, grid: I1, pairs: I2, costs: F1,
) -> tuple[int, int]:  # fmt: skip
    """Predict the tracks that radar q can see to t_ns and pair them with the n_d detections in M.

    WX, WP, rows, miss : predicted states of the tracks in play, their rows, cost of having no detection
    next_of, grid : (>= n_d,), (CELLS,) scratch
    Returns (tracks in play, pairs); pairs beyond the room in `pairs` are left out.
    """
    _locate(M, n_d, radars, q, seen)
    clear(grid)
    for d in range(n_d - 1, -1, -1):  # backwards, so that a cell's list runs forwards
        put(grid, next_of, d, seen[d, S_EAST], seen[d, S_NORTH])
    cos_sight, sin_sight = math.cos(radars[q, R_BORESIGHT]), math.sin(radars[q, R_BORESIGHT])
    cos_fov, cos_edge = (
        math.cos(radars[q, R_HALF_FOV]),
        math.cos(min(radars[q, R_HALF_FOV] + EDGE_RAD, math.pi)),
    )
    n_t = n_p = ahead_ns = 0
    keep, unseen = 1.0, -2.0 * math.log(1.0 - tuning[P_DETECT])
    for i in range(high):
        if ints[i, STATUS] == FREE or abs(t_ns - ints[i, RADAR_NS]) > tuning[RADAR_TIMEOUT_NS]:
            continue
        if t_ns < ints[i, STAMP]:
            if not past_state(X, P, i, ints, stamps, states, t_ns, WX, WP, n_t, tuning):
                continue
        else:
            if t_ns - ints[i, STAMP] != ahead_ns:  # most tracks were seen by the same scan
                ahead_ns = t_ns - ints[i, STAMP]
                keep = bend_keep(ahead_ns * 1e-9, tuning)
            predict_to(X, P, i, WX, WP, n_t, ahead_ns * 1e-9, keep, tuning)
        d_e, d_n = WX[n_t, EAST] - radars[q, R_EAST], WX[n_t, NORTH] - radars[q, R_NORTH]
        flat = math.sqrt(d_e * d_e + d_n * d_n)
        ahead = d_e * cos_sight + d_n * sin_sight
        if flat > radars[q, R_RANGE] + EDGE_M or ahead < flat * cos_edge:
            continue
        inside = flat <= radars[q, R_RANGE] and ahead >= flat * cos_fov
        miss[n_t] = unseen if inside else 0.0
        rows[n_t] = i
        n_p = _pair(WX, WP, n_t, flat, radars, q, tuning, seen, next_of, grid, pairs, costs, n_p)
        n_t += 1
    return n_t, n_p
