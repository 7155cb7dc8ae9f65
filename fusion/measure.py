"""One measurement onto one track: radar polar, radar object, GNSS fix; and the first state that each gives.

Row i of (X, P) is changed in place; the measurement is row k of M (.., N_MEAS), see fusion.layout.
"""

import math

from core.arrays import F1, F2, F3
from core.kernel import kernel
from fusion.filter import SLOW_MPS, update
from fusion.fuse_radar import fuse_polar, off_bearing
from fusion.heading import follow, heading_of
from fusion.layout import (
    BASE,
    BEND,
    BEND_SIGMA,
    BIAS_DELAY,
    BIAS_EAST,
    BIAS_SIGMA,
    BIAS_TAU,
    EAST,
    FIX,
    GATE_2,
    HEADING,
    N_DIM,
    N_X,
    NORTH,
    OBJECT,
    POLAR,
    R_DROP,
    R_EAST,
    R_NORTH,
    R_S_AZIMUTH,
    R_S_RANGE,
    R_S_RATE,
    S_SPEED,
    S_V_PRIOR,
    SOURCE,
    V_EAST,
    V_NORTH,
    WHAT,
    Z0,
    Z1,
    Z2,
    Z3,
    Z4,
    Z5,
    Z6,
    Z7,
    Z8,
)

WHITE_SHARE = 0.25  # of a fix's stated sigma that is new in each fix; the rest is the lasting bias
QUANTUM_M = 0.03  # 1 sigma of positions cut to 1e-6 degrees (JT/T 808)
COURSE_SIGMA_RAD = 0.02  # of a reported course: whole degrees, antenna sway
OBJECT_LAG_S = 0.5  # a radar's own tracker tells the speed across its beam from about this long


Scalar = tuple[float, float, float, float, float, float, float]  # h on position, velocity, bias; residual, r
NOTHING = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0)


@kernel(inner=True)
def _polar(X: F2, i: int, M: F2, k: int, radars: F2, part: int) -> Scalar:
    """Azimuth, slant range and range rate one after another, each linearised where the last one led (EKF)."""
    q = int(M[k, SOURCE])
    d_e, d_n = X[i, EAST] - radars[q, R_EAST], X[i, NORTH] - radars[q, R_NORTH]
    if part == 0:
        d2 = max(d_e * d_e + d_n * d_n, 1.0)
        return -d_n / d2, d_e / d2, 0.0, 0.0, 0.0, off_bearing(M, k, d_e, d_n), radars[q, R_S_AZIMUTH] ** 2
    slant = math.sqrt(max(d_e * d_e + d_n * d_n + radars[q, R_DROP] ** 2, 1.0))
    u_e, u_n = d_e / slant, d_n / slant
    if part == 1:
        return u_e, u_n, 0.0, 0.0, 0.0, M[k, Z1] - slant, radars[q, R_S_RANGE] ** 2
    if math.isnan(M[k, Z2]):
        return NOTHING
    rate = u_e * X[i, V_EAST] + u_n * X[i, V_NORTH]
    h_e, h_n = (X[i, V_EAST] - rate * u_e) / slant, (X[i, V_NORTH] - rate * u_n) / slant
    return h_e, h_n, u_e, u_n, 0.0, M[k, Z2] - rate, radars[q, R_S_RATE] ** 2


@kernel(inner=True)
def _object(X: F2, i: int, M: F2, k: int, radars: F2, part: int) -> Scalar:
    """A radar's own track: position and velocity, each along and across the beam."""
    q = int(M[k, SOURCE])
    d_e, d_n = M[k, Z0] - radars[q, R_EAST], M[k, Z1] - radars[q, R_NORTH]
    d = max(math.sqrt(d_e * d_e + d_n * d_n), 1.0)
    c, s = d_e / d, d_n / d
    s_across = radars[q, R_S_AZIMUTH] * d
    sigma = radars[q, R_S_RANGE] if part == 0 else radars[q, R_S_RATE]
    if part == 1 or part == 3:
        c, s = -s, c
        sigma = s_across if part == 1 else radars[q, R_S_RATE] + s_across / OBJECT_LAG_S
    if part < 2:
        return c, s, 0.0, 0.0, 0.0, c * (M[k, Z0] - X[i, 0]) + s * (M[k, Z1] - X[i, 1]), sigma**2
    return 0.0, 0.0, c, s, 0.0, c * (M[k, Z2] - X[i, 2]) + s * (M[k, Z3] - X[i, 3]), sigma**2


@kernel
def open_bias(X: F2, P: F3, i: int, M: F2, k: int) -> None:
    """Give the track the error model of its terminal: a bias around nought, at its prior."""
    speed2 = X[i, V_EAST] ** 2 + X[i, V_NORTH] ** 2
    iso, along = M[k, Z4] ** 2, 0.0
    c = s = 0.0
    if speed2 > SLOW_MPS**2:
        along = speed2 * M[k, Z6] ** 2
        c, s = X[i, V_EAST] / math.sqrt(speed2), X[i, V_NORTH] / math.sqrt(speed2)
    for b in range(BIAS_EAST, N_DIM):
        X[i, b] = 0.0
        for a in range(N_DIM):
            P[i, a, b] = 0.0
            P[i, b, a] = 0.0
    P[i, 5, 5] = iso + along * c * c
    P[i, 6, 6] = iso + along * s * s
    P[i, 5, 6] = along * c * s
    P[i, 6, 5] = P[i, 5, 6]


@kernel
def centre_of(M: F2, k: int, heading: float) -> tuple[float, float, float]:
    """Return the vehicle's centre under a fix's antenna, and the variance that an unknown heading adds."""
    if math.isnan(heading):
        heading = M[k, Z3]
    forward, left = M[k, Z7], M[k, Z8]
    if math.isnan(heading):
        return M[k, Z0], M[k, Z1], forward * forward + left * left
    c, s = math.cos(heading), math.sin(heading)
    return M[k, Z0] - forward * c + left * s, M[k, Z1] - forward * s - left * c, 0.0


@kernel(inner=True)
def _reported_velocity(X: F2, i: int, speed: float, heading: float, s_speed: float, part: int) -> Scalar:
    """A terminal's speed along its course and none across; without a usable course, the speed's size."""
    if math.isnan(speed):
        return NOTHING
    if speed <= SLOW_MPS:
        r = s_speed**2 + speed**2
        if part == 2:
            return 0.0, 0.0, 1.0, 0.0, 0.0, -X[i, V_EAST], r
        return 0.0, 0.0, 0.0, 1.0, 0.0, -X[i, V_NORTH], r
    if not math.isnan(heading):
        c, s = math.cos(heading), math.sin(heading)
        if part == 2:
            return 0.0, 0.0, c, s, 0.0, speed - c * X[i, V_EAST] - s * X[i, V_NORTH], s_speed**2
        r = s_speed**2 + (COURSE_SIGMA_RAD * speed) ** 2
        return 0.0, 0.0, -s, c, 0.0, s * X[i, V_EAST] - c * X[i, V_NORTH], r
    own = math.sqrt(X[i, V_EAST] ** 2 + X[i, V_NORTH] ** 2)
    if part == 2 and own > SLOW_MPS:
        return 0.0, 0.0, X[i, V_EAST] / own, X[i, V_NORTH] / own, 0.0, speed - own, s_speed**2
    return NOTHING


@kernel(inner=True)
def _begin_fix(X: F2, P: F3, i: int, M: F2, k: int, tuning: F1) -> bool:
    """Open or follow the terminal's error model; False if the fix can't be of this track."""
    if X[i, BIAS_SIGMA] == 0.0:
        open_bias(X, P, i, M, k)
    X[i, BIAS_SIGMA], X[i, BIAS_TAU], X[i, BIAS_DELAY] = M[k, Z4], M[k, Z5], M[k, Z6]
    east, north, r = centre_of(M, k, heading_of(X, P, i))
    r += (WHITE_SHARE * M[k, Z4]) ** 2 + QUANTUM_M**2
    z_e, z_n = east - X[i, 0] - X[i, 5], north - X[i, 1] - X[i, 6]
    s_ee = P[i, 0, 0] + 2.0 * P[i, 0, 5] + P[i, 5, 5] + r
    s_nn = P[i, 1, 1] + 2.0 * P[i, 1, 6] + P[i, 6, 6] + r
    s_en = P[i, 0, 1] + P[i, 0, 6] + P[i, 1, 5] + P[i, 5, 6]
    det = s_ee * s_nn - s_en * s_en
    d2 = (s_nn * z_e * z_e - 2.0 * s_en * z_e * z_n + s_ee * z_n * z_n) / det
    return bool(d2 < tuning[GATE_2])


@kernel(inner=True)
def _fix(X: F2, P: F3, i: int, M: F2, k: int, tuning: F1, part: int) -> Scalar:
    """A fix: east and north with their lasting bias, then speed and course."""
    if part >= 2:
        return _reported_velocity(X, i, M[k, Z2], M[k, Z3], tuning[S_SPEED], part)
    east, north, r = centre_of(M, k, heading_of(X, P, i))
    r += (WHITE_SHARE * M[k, Z4]) ** 2 + QUANTUM_M**2
    if part == 0:
        return 1.0, 0.0, 0.0, 0.0, 1.0, east - X[i, 0] - X[i, 5], r
    return 0.0, 1.0, 0.0, 0.0, 1.0, north - X[i, 1] - X[i, 6], r


@kernel(inline=True)
def apply(X: F2, P: F3, i: int, M: F2, k: int, radars: F2, tuning: F1, work: F1) -> int:
    """Fuse measurement k into track i, which stands at its time. Returns 1 for a fix that was refused."""
    what = M[k, WHAT]
    if what == POLAR and X[i, BIAS_SIGMA] == 0.0:
        fuse_polar(X, P, i, X, P, i, M, k, radars)
        return 0
    if what == FIX and not _begin_fix(X, P, i, M, k, tuning):
        return 1
    v_east, v_north, var = X[i, V_EAST], X[i, V_NORTH], P[i, 2, 2] + P[i, 3, 3]
    for part in range(3 if what == POLAR else 4 if what != BASE else 0):
        if what == POLAR:
            h0, h1, h2, h3, hb, z, r = _polar(X, i, M, k, radars, part)
        elif what == OBJECT:
            h0, h1, h2, h3, hb, z, r = _object(X, i, M, k, radars, part)
        else:
            h0, h1, h2, h3, hb, z, r = _fix(X, P, i, M, k, tuning, part)
        if r > 0.0:
            update(X, P, i, h0, h1, h2, h3, hb, z, r, work)
    follow(X, i, P[i, 2, 2] + P[i, 3, 3], v_east, v_north, var)
    return 0


@kernel(inner=True)
def _spread(X: F2, P: F3, i: int, a: int, c: float, s: float, s_c: float, s_s: float, m: float) -> None:
    """Set the 2x2 block at dimension a to s_c along (c, s) and s_s across it; m is the mean along."""
    X[i, a] = c * m
    X[i, a + 1] = s * m
    P[i, a, a] = (c * s_c) ** 2 + (s * s_s) ** 2
    P[i, a + 1, a + 1] = (s * s_c) ** 2 + (c * s_s) ** 2
    P[i, a, a + 1] = c * s * (s_c**2 - s_s**2)
    P[i, a + 1, a] = P[i, a, a + 1]


@kernel
def first(X: F2, P: F3, i: int, M: F2, k: int, radars: F2, tuning: F1) -> None:
    """Set track i from one measurement alone (converted; what it doesn't tell gets a wide prior)."""
    for a in range(N_X):
        X[i, a] = 0.0
    for a in range(N_DIM):
        for b in range(N_DIM):
            P[i, a, b] = 0.0
    X[i, HEADING] = math.nan
    P[i, BEND, BEND] = tuning[BEND_SIGMA] ** 2
    wide = tuning[S_V_PRIOR]
    if M[k, WHAT] == FIX:
        speed, heading = M[k, Z2], M[k, Z3]
        s_p = math.sqrt((WHITE_SHARE * M[k, Z4]) ** 2 + QUANTUM_M**2)
        if math.isnan(speed) or (math.isnan(heading) and speed > SLOW_MPS):
            _spread(X, P, i, 2, 1.0, 0.0, wide, wide, 0.0)
        elif speed > SLOW_MPS:
            c, s = math.cos(heading), math.sin(heading)
            s_c = tuning[S_SPEED] + COURSE_SIGMA_RAD * speed
            _spread(X, P, i, 2, c, s, tuning[S_SPEED], s_c, speed)
        else:
            s_v = tuning[S_SPEED] + speed
            _spread(X, P, i, 2, 1.0, 0.0, s_v, s_v, 0.0)
        X[i, HEADING] = heading
        X[i, 0], X[i, 1], r = centre_of(M, k, heading)
        open_bias(X, P, i, M, k)
        X[i, BIAS_SIGMA], X[i, BIAS_TAU], X[i, BIAS_DELAY] = M[k, Z4], M[k, Z5], M[k, Z6]
        for a in range(2):  # position = fix - bias: their errors are one
            for b in range(2):
                P[i, a, b] = P[i, a + 5, b + 5]
                P[i, a, b + 5] = -P[i, a + 5, b + 5]
                P[i, a + 5, b] = -P[i, a + 5, b + 5]
            P[i, a, a] += s_p**2 + r
        return
    q = int(M[k, SOURCE])
    if M[k, WHAT] == POLAR:
        drop = radars[q, R_DROP]
        flat = math.sqrt(max(M[k, Z1] ** 2 - drop * drop, 1.0))
        c, s = M[k, Z3], M[k, Z4]
        if math.isnan(M[k, Z2]):
            _spread(X, P, i, 2, c, s, wide, wide, 0.0)
        else:
            slope = flat / max(M[k, Z1], 1.0)
            _spread(X, P, i, 2, c, s, radars[q, R_S_RATE] / slope, wide, M[k, Z2] / slope)
        _spread(X, P, i, 0, c, s, radars[q, R_S_RANGE], radars[q, R_S_AZIMUTH] * flat, flat)
        X[i, 0] += radars[q, R_EAST]
        X[i, 1] += radars[q, R_NORTH]
    else:
        d_e, d_n = M[k, Z0] - radars[q, R_EAST], M[k, Z1] - radars[q, R_NORTH]
        d = max(math.sqrt(d_e * d_e + d_n * d_n), 1.0)
        across = radars[q, R_S_AZIMUTH] * d
        s_v = radars[q, R_S_RATE] + across / OBJECT_LAG_S
        _spread(X, P, i, 0, d_e / d, d_n / d, radars[q, R_S_RANGE], across, 0.0)
        _spread(X, P, i, 2, d_e / d, d_n / d, radars[q, R_S_RATE], s_v, 0.0)
        X[i, 0], X[i, 1], X[i, 2], X[i, 3] = M[k, Z0], M[k, Z1], M[k, Z2], M[k, Z3]
