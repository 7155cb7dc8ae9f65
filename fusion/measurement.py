"""The measurement models: radar polar, radar object, GNSS fix; each fused into one track.

Row i of `states` is changed in place; the measurement is row k of M (.., N_MEAS), see fusion.layout.
"""

import math

from core.arrays import F1, F2
from core.kernel import kernel
from fusion import layout as at
from fusion.config import COURSE_SIGMA_RAD, OBJECT_LAG_S, QUANTUM_M, WHITE_SHARE
from fusion.heading import axis_of, heading_of, remember_heading
from fusion.layout import Settings, States
from fusion.models import (
    P22,
    P23,
    P33,
    SLOW_MPS,
    Registers,
    Velocity,
    centre_of,
    doubt_calm,
    fused,
    learn,
    load,
    note_errors,
    open_bias,
    store,
    update,
)

Row = tuple[float, float, float, float, float]  # of the measurement matrix H: argument h of `update`
Scalar = tuple[Row, float, float]  # row of H, residual, variance; a variance below 0: not measured
NOT_MEASURED = ((0.0, 0.0, 0.0, 0.0, 0.0), 0.0, -1.0)


@kernel(inner=True)
def _off_bearing(M: F2, k: int, d_e: float, d_n: float) -> float:
    """Return how far left of (d_e, d_n) the bearing of detection k lies [rad], in (-pi, pi]."""
    cos, sin = M[k, at.Z_COS], M[k, at.Z_SIN]
    across, ahead = d_e * sin - d_n * cos, d_e * cos + d_n * sin
    if not abs(across) < 0.1 * ahead:  # far aside, behind, or at the radar itself
        return math.atan2(across, ahead)
    t = across / ahead  # the series of the arc tangent: exact to the last bits, in a third of the time
    t2 = t * t
    return float(
        t * (1.0 - t2 * (1 / 3 - t2 * (1 / 5 - t2 * (1 / 7 - t2 * (1 / 9 - t2 * (1 / 11 - t2 / 13))))))
    )


@kernel(inner=True)
def velocity_of(state: Registers) -> Velocity:
    """Return velocity and its covariance."""
    return state[at.V_EAST], state[at.V_NORTH], state[P22], state[P23], state[P33]


@kernel(inner=True)
def _remember(X: F2, i: int, before: Velocity, after: Velocity, tuning: F1) -> None:
    """Store what a measurement, now fused into row i, shows of its heading and of its manoeuvres."""
    v_east, v_north = before[0], before[1]
    remember_heading(X, i, after[2] + after[4], v_east, v_north, before[2] + before[4])
    speed = math.sqrt(v_east * v_east + v_north * v_north)
    if speed > SLOW_MPS:
        learn(X, i, before, after, (v_east / speed, v_north / speed), tuning)
    elif not math.isnan(X[i, at.HEADING]):
        learn(X, i, before, after, (math.cos(X[i, at.HEADING]), math.sin(X[i, at.HEADING])), tuning)


@kernel(inner=True)
def fuse_polar(states: States, i: int, out: States, j: int, M: F2, k: int, settings: Settings) -> None:
    """Write state i (not bound) after detection k of M to row j of `out`, which may be row i itself.

    Azimuth, slant range and range rate one after another, each linearised at the last update (EKF). The same
    model as `_polar`, all in registers: the busiest step of a scan.
    """
    q = int(M[k, at.SOURCE])
    radars = settings.radars
    r_e, r_n, drop = radars[q, at.R_EAST], radars[q, at.R_NORTH], radars[q, at.R_DROP]
    state = load(states, i)
    before = velocity_of(state)
    d_e, d_n = state[at.EAST] - r_e, state[at.NORTH] - r_n
    d2 = max(d_e * d_e + d_n * d_n, 1.0)
    z = _off_bearing(M, k, d_e, d_n)
    state = fused(state, -d_n / d2, d_e / d2, 0.0, 0.0, z, radars[q, at.R_S_AZIMUTH] ** 2)
    d_e, d_n = state[at.EAST] - r_e, state[at.NORTH] - r_n
    slant = math.sqrt(max(d_e * d_e + d_n * d_n + drop * drop, 1.0))
    z = M[k, at.Z_RANGE] - slant
    state = fused(state, d_e / slant, d_n / slant, 0.0, 0.0, z, radars[q, at.R_S_RANGE] ** 2)
    if not math.isnan(M[k, at.Z_RATE]):
        d_e, d_n, v_e, v_n = (
            state[at.EAST] - r_e, state[at.NORTH] - r_n, state[at.V_EAST], state[at.V_NORTH],
        )  # fmt: skip
        slant = math.sqrt(max(d_e * d_e + d_n * d_n + drop * drop, 1.0))
        u_e, u_n = d_e / slant, d_n / slant
        rate = u_e * v_e + u_n * v_n
        h_e, h_n = (v_e - rate * u_e) / slant, (v_n - rate * u_n) / slant
        state = fused(state, h_e, h_n, u_e, u_n, M[k, at.Z_RATE] - rate, radars[q, at.R_S_RATE] ** 2)
    for a in range(at.HEADING, at.N_X):
        out.X[j, a] = states.X[i, a]
    store(out, j, state)
    _remember(out.X, j, before, velocity_of(state), settings.tuning)


@kernel(inner=True)
def _polar(X: F2, i: int, M: F2, k: int, radars: F2, part: int) -> Scalar:
    """Azimuth, slant range and range rate one after another, each linearised at the last update (EKF)."""
    q = int(M[k, at.SOURCE])
    d_e, d_n = X[i, at.EAST] - radars[q, at.R_EAST], X[i, at.NORTH] - radars[q, at.R_NORTH]
    if part == 0:
        d2 = max(d_e * d_e + d_n * d_n, 1.0)
        z = _off_bearing(M, k, d_e, d_n)
        return (-d_n / d2, d_e / d2, 0.0, 0.0, 0.0), z, radars[q, at.R_S_AZIMUTH] ** 2
    slant = math.sqrt(max(d_e * d_e + d_n * d_n + radars[q, at.R_DROP] ** 2, 1.0))
    u_e, u_n = d_e / slant, d_n / slant
    if part == 1:
        return (u_e, u_n, 0.0, 0.0, 0.0), M[k, at.Z_RANGE] - slant, radars[q, at.R_S_RANGE] ** 2
    if math.isnan(M[k, at.Z_RATE]):
        return NOT_MEASURED
    v_e, v_n = X[i, at.V_EAST], X[i, at.V_NORTH]
    rate = u_e * v_e + u_n * v_n
    h_e, h_n = (v_e - rate * u_e) / slant, (v_n - rate * u_n) / slant
    return (h_e, h_n, u_e, u_n, 0.0), M[k, at.Z_RATE] - rate, radars[q, at.R_S_RATE] ** 2


@kernel(inner=True)
def _object(X: F2, i: int, M: F2, k: int, radars: F2, part: int) -> Scalar:
    """A radar's own track: position and velocity, each along and across the beam."""
    q = int(M[k, at.SOURCE])
    d_e, d_n = M[k, at.Z_EAST] - radars[q, at.R_EAST], M[k, at.Z_NORTH] - radars[q, at.R_NORTH]
    d = max(math.sqrt(d_e * d_e + d_n * d_n), 1.0)
    c, s = d_e / d, d_n / d
    s_across = radars[q, at.R_S_AZIMUTH] * d
    sigma = radars[q, at.R_S_RANGE] if part == 0 else radars[q, at.R_S_RATE]
    if part == 1 or part == 3:
        c, s = -s, c
        sigma = s_across if part == 1 else radars[q, at.R_S_RATE] + s_across / OBJECT_LAG_S
    if part < 2:
        z = c * (M[k, at.Z_EAST] - X[i, at.EAST]) + s * (M[k, at.Z_NORTH] - X[i, at.NORTH])
        return (c, s, 0.0, 0.0, 0.0), z, sigma**2
    z = c * (M[k, at.Z_V_EAST] - X[i, at.V_EAST]) + s * (M[k, at.Z_V_NORTH] - X[i, at.V_NORTH])
    return (0.0, 0.0, c, s, 0.0), z, sigma**2


@kernel(inner=True)
def _reported_velocity(X: F2, i: int, speed: float, heading: float, s_speed: float, part: int) -> Scalar:
    """Speed along the course of a terminal and zero across it; without a usable course the speed alone."""
    v_e, v_n = X[i, at.V_EAST], X[i, at.V_NORTH]
    if math.isnan(speed):
        return NOT_MEASURED
    if speed <= SLOW_MPS:
        r = s_speed**2 + speed**2
        if part == 2:
            return (0.0, 0.0, 1.0, 0.0, 0.0), -v_e, r
        return (0.0, 0.0, 0.0, 1.0, 0.0), -v_n, r
    if not math.isnan(heading):
        c, s = math.cos(heading), math.sin(heading)
        if part == 2:
            return (0.0, 0.0, c, s, 0.0), speed - c * v_e - s * v_n, s_speed**2
        r = s_speed**2 + (COURSE_SIGMA_RAD * speed) ** 2
        return (0.0, 0.0, -s, c, 0.0), s * v_e - c * v_n, r
    own = math.sqrt(v_e**2 + v_n**2)
    if part == 2 and own > SLOW_MPS:
        return (0.0, 0.0, v_e / own, v_n / own, 0.0), speed - own, s_speed**2
    return NOT_MEASURED


@kernel(inner=True)
def _begin_fix(states: States, i: int, M: F2, k: int, tuning: F1) -> bool:
    """Add the bias of the terminal if the state has none; return whether the fix lies in the gate."""
    X, P = states.X, states.P
    E, N, BE, BN = at.EAST, at.NORTH, at.BIAS_EAST, at.BIAS_NORTH
    if X[i, at.BOUND] == 0.0:
        open_bias(states, i, M, k)
    note_errors(states, i, M, k)
    east, north, r = centre_of(M, k, heading_of(states, i))
    r += (WHITE_SHARE * M[k, at.Z_SIGMA]) ** 2 + QUANTUM_M**2
    z_e, z_n = east - X[i, E] - X[i, BE], north - X[i, N] - X[i, BN]
    s_ee = P[i, E, E] + 2.0 * P[i, E, BE] + P[i, BE, BE] + r
    s_nn = P[i, N, N] + 2.0 * P[i, N, BN] + P[i, BN, BN] + r
    s_en = P[i, E, N] + P[i, E, BN] + P[i, N, BE] + P[i, BE, BN]
    det = s_ee * s_nn - s_en * s_en
    d2 = (s_nn * z_e * z_e - 2.0 * s_en * z_e * z_n + s_ee * z_n * z_n) / det
    return bool(d2 < tuning[at.GATE_2])


@kernel(inner=True)
def _fix(states: States, i: int, M: F2, k: int, tuning: F1, part: int) -> Scalar:
    """A fix: east and north, each with its lasting bias, then speed and course."""
    X = states.X
    if part >= 2:
        return _reported_velocity(X, i, M[k, at.Z_SPEED], M[k, at.Z_HEADING], tuning[at.S_SPEED], part)
    east, north, r = centre_of(M, k, heading_of(states, i))
    r += (WHITE_SHARE * M[k, at.Z_SIGMA]) ** 2 + QUANTUM_M**2
    if part == 0:
        return (1.0, 0.0, 0.0, 0.0, 1.0), east - X[i, at.EAST] - X[i, at.BIAS_EAST], r
    return (0.0, 1.0, 0.0, 0.0, 1.0), north - X[i, at.NORTH] - X[i, at.BIAS_NORTH], r


@kernel(inline=True)
def apply(states: States, i: int, M: F2, k: int, settings: Settings, work: F1) -> int:
    """Fuse measurement k into track i, which is predicted to its time; 1 for a refused fix, else 0."""
    X, P = states.X, states.P
    VE, VN = at.V_EAST, at.V_NORTH
    what = M[k, at.WHAT]
    if what == at.POLAR and X[i, at.BOUND] == 0.0:
        fuse_polar(states, i, states, i, M, k, settings)
        return 0
    if what == at.FIX and not _begin_fix(states, i, M, k, settings.tuning):
        c, s = axis_of(X, i)
        if math.isnan(c):
            return 1
        doubt_calm(states, i, (c, s), settings.tuning)
        if not _begin_fix(states, i, M, k, settings.tuning):
            return 1
    before = X[i, VE], X[i, VN], P[i, VE, VE], P[i, VE, VN], P[i, VN, VN]
    for part in range(3 if what == at.POLAR else 4 if what != at.BASE else 0):
        if what == at.POLAR:
            h, z, r = _polar(X, i, M, k, settings.radars, part)
        elif what == at.OBJECT:
            h, z, r = _object(X, i, M, k, settings.radars, part)
        else:
            h, z, r = _fix(states, i, M, k, settings.tuning, part)
        if r > 0.0:
            update(states, i, h, z, r, work)
    after = X[i, VE], X[i, VN], P[i, VE, VE], P[i, VE, VN], P[i, VN, VN]
    _remember(X, i, before, after, settings.tuning)
    return 0
