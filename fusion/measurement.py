"""The measurement models: radar polar, radar object, GNSS fix; each fused into one track.

Row i of `states` is changed in place; the measurement is row k of M (.., N_MEAS), see fusion.layout.
"""

import math

from core.arrays import F1, F2
from core.kernel import kernel
from fusion import layout as at
from fusion.antenna import centre_under
from fusion.config import COURSE_SIGMA_RAD
from fusion.extent import SWERVE_VAR, Point, Row, is_driving, reflecting_point, row_of, spread
from fusion.heading import axis_of, follow_lane, remember_heading
from fusion.lane_bend import follow_bend
from fusion.layout import Settings, States
from fusion.models import (
    P00,
    P01,
    P11,
    P22,
    P23,
    P33,
    P44,
    P55,
    SLOW_MPS,
    Registers,
    Velocity,
    behind_point,
    doubt_calm,
    fresh_m2,
    fused,
    learn,
    load,
    note_errors,
    open_bias,
    store,
    update,
)
from fusion.object_lag import object_lag

# Range rate; its derivatives by the point (east, north) and by the velocity (east, north); variance
Rate = tuple[float, float, float, float, float, float]
Scalar = tuple[Row, float, float]  # row of H, residual, variance; a variance below 0: not measured
NOTHING: Row = (0.0, 0.0, 0.0, 0.0, 0.0)
NOT_MEASURED = (NOTHING, 0.0, -1.0)


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
def seen_point(X: F2, i: int, state: Registers, r_e: float, r_n: float, flank: float) -> Point:
    """Return where a radar at (r_e, r_n) sees the body of a state, whose memory is row i of X.

    flank : 1 it sees the flank, 0 the end that faces it
    """
    return reflecting_point(
        X, i, (state[at.EAST] - r_e, state[at.NORTH] - r_n),
        (state[at.V_EAST], state[at.V_NORTH], state[P22] + state[P33]),
        (state[at.EXTENT], state[P55]), (state[P00], state[P01], state[P11]), flank,
        (state[at.BEND], state[P44]),
    )  # fmt: skip


@kernel(inner=True)
def rate_of(point: Point, state: Registers, drop: float) -> Rate:
    """Return the range rate of the reflecting point, its derivatives, and the variance that turning adds.

    The point moves as its vehicle, and sideways as the body turns: by the yaw rate times its distance from
    the centre. Of the yaw rate the bend of the state is known, and nothing of the rest.
    """
    p_e, p_n, v_e, v_n = point[0], point[1], state[at.V_EAST], state[at.V_NORTH]
    slant = math.sqrt(max(p_e * p_e + p_n * p_n + drop * drop, 1.0))
    u_e, u_n = p_e / slant, p_n / slant
    rate = u_e * v_e + u_n * v_n
    h_e, h_n = (v_e - rate * u_e) / slant, (v_n - rate * u_n) / slant
    if point[5] == 0.0 and point[6] == 0.0:  # it stands, or has no axis
        return rate, h_e, h_n, u_e, u_n, 0.0
    turn = u_e * point[5] + u_n * point[6]  # of the point per unit of acceleration across [m/s over m/s^2]
    return rate + turn * state[at.BEND], h_e, h_n, u_e, u_n, turn * turn * (state[P44] + SWERVE_VAR)


@kernel(inner=True)
def row_of_rate(point: Point, g: Rate) -> Row:
    """Return the row of H of a range rate, as `rate_of` returns it."""
    h0, h1, h2, h3, h5 = row_of(point, g[1], g[2])
    return h0, h1, h2 + g[3], h3 + g[4], h5


@kernel(inner=True)
def _slid(point: Point, d_e: float, d_n: float) -> Point:
    """Return a point of the flank at the place along the body where the radar saw it, (d_e, d_n) from it.

    Which point it is says nothing of the vehicle; but beside the radar the beam turns from end to end, and a
    linearisation at the middle takes the circle for a straight line.
    """
    p_e, p_n, c, s, f, t_e, t_n, about_end, rest, blind = point
    off = c * (d_e - p_e) + s * (d_n - p_n)
    return p_e + off * c, p_n + off * s, c, s, f, t_e, t_n, about_end, rest, blind


@kernel(inner=True)
def _polar(X: F2, i: int, state: Registers, M: F2, k: int, radars: F2, part: int) -> Scalar:
    """Azimuth, slant range and range rate one after another, each linearised at the last update (EKF).

    The scatter of the point shifts all three together. From each is taken what the residuals before it
    explain of its scatter, which leaves three independent scalars (a Cholesky decomposition of R).
    """
    q = int(M[k, at.SOURCE])
    drop = radars[q, at.R_DROP]
    point = seen_point(X, i, state, radars[q, at.R_EAST], radars[q, at.R_NORTH], M[k, at.Z_FLANK])
    if M[k, at.Z_FLANK] != 0.0:
        flat = math.sqrt(max(M[k, at.Z_RANGE] * M[k, at.Z_RANGE] - drop * drop, 1.0))
        point = _slid(point, flat * M[k, at.Z_COS], flat * M[k, at.Z_SIN])
    p_e, p_n, c, s = point[0], point[1], point[2], point[3]
    along = M[k, at.Z_ALONG] * point[7] + M[k, at.Z_OFTEN] * point[8]
    blind = M[k, at.Z_OFTEN] * point[9] + M[k, at.Z_ACROSS]
    p2 = max(p_e * p_e + p_n * p_n, 1.0)
    t_e, t_n = -p_n / p2, p_e / p2
    of_t = t_e * c + t_n * s  # of a metre along the body's axis
    z_t = _off_bearing(M, k, p_e, p_n)
    var_t = radars[q, at.R_S_AZIMUTH] ** 2 + along * of_t * of_t + blind / p2
    if part == 0:
        return row_of(point, t_e, t_n), z_t, var_t
    slant = math.sqrt(max(p2 + drop * drop, 1.0))
    r_e, r_n = p_e / slant, p_n / slant
    of_r = r_e * c + r_n * s
    g_rt = along * of_r * of_t / var_t
    z_r = M[k, at.Z_RANGE] - slant - g_rt * z_t
    var_r = radars[q, at.R_S_RANGE] ** 2 + along * of_r * (of_r - g_rt * of_t) + blind * p2 / (slant * slant)
    if part == 1:
        return row_of(point, r_e - g_rt * t_e, r_n - g_rt * t_n), z_r, var_r
    if math.isnan(M[k, at.Z_RATE]):
        return NOT_MEASURED
    rate, v_e, v_n, u_e, u_n, turns = rate_of(point, state, drop)
    of_v = v_e * c + v_n * s
    with_t = along * of_v * of_t + blind * (v_e * t_e + v_n * t_n)
    with_r = along * of_v * of_r + blind * (v_e * r_e + v_n * r_n)
    g_vt, g_vr = with_t / var_t, (with_r - g_rt * with_t) / var_r
    z = M[k, at.Z_RATE] - rate - g_vt * z_t - g_vr * z_r
    var = radars[q, at.R_S_RATE] ** 2 + turns + along * of_v * of_v + blind * (v_e * v_e + v_n * v_n)
    var -= g_vt * with_t + g_vr * (with_r - g_rt * with_t)
    g_e = v_e - g_vt * t_e - g_vr * (r_e - g_rt * t_e)
    g_n = v_n - g_vt * t_n - g_vr * (r_n - g_rt * t_n)
    return row_of_rate(point, (rate, g_e, g_n, u_e, u_n, turns)), z, var


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

    All in registers: the busiest step of a scan.
    """
    X, state, radars = states.X, load(states, i), settings.radars
    before = velocity_of(state)
    h, z, r = _polar(X, i, state, M, k, radars, 0)
    state = fused(state, h, z, r)
    h, z, r = _polar(X, i, state, M, k, radars, 1)
    state = fused(state, h, z, r)
    h, z, r = _polar(X, i, state, M, k, radars, 2)
    if r > 0.0:
        state = fused(state, h, z, r)
    for a in range(at.HEADING, at.N_X):
        out.X[j, a] = X[i, a]
    store(out, j, state)
    settle(out, j, M, k, radars)
    _remember(out.X, j, before, velocity_of(state), settings.tuning)


@kernel(inner=True)
def _object(X: F2, i: int, state: Registers, M: F2, k: int, radars: F2, part: int) -> Scalar:
    """A radar's own track: position across and along the beam, velocity along it.

    The velocity across it is not measured: the radar's tracker has it from the places that it sends as well.
    """
    q = int(M[k, at.SOURCE])
    r_e, r_n = radars[q, at.R_EAST], radars[q, at.R_NORTH]
    d_e, d_n = M[k, at.Z_EAST] - r_e, M[k, at.Z_NORTH] - r_n
    d = max(math.sqrt(d_e * d_e + d_n * d_n), 1.0)
    c, s = d_e / d, d_n / d
    s_across = radars[q, at.R_S_AZIMUTH] * d
    behind, slower = object_lag(d, c * M[k, at.Z_V_NORTH] - s * M[k, at.Z_V_EAST])
    if part >= 2:
        z = c * (M[k, at.Z_V_EAST] - state[at.V_EAST]) + s * (M[k, at.Z_V_NORTH] - state[at.V_NORTH])
        return (0.0, 0.0, c, s, 0.0), z, radars[q, at.R_S_RATE] ** 2 + slower
    point = seen_point(X, i, state, r_e, r_n, M[k, at.Z_FLANK])
    across, along, both = spread(point, c, s, (M[k, at.Z_ALONG], M[k, at.Z_OFTEN], M[k, at.Z_ACROSS]))
    z_t = -s * (d_e - point[0]) + c * (d_n - point[1])
    r = s_across * s_across + across + behind
    if part == 0:
        return row_of(point, -s, c), z_t, r
    g = both / r
    z = c * (d_e - point[0]) + s * (d_n - point[1]) - g * z_t
    return row_of(point, c + g * s, s - g * c), z, radars[q, at.R_S_RANGE] ** 2 + along + behind - g * both


@kernel(inner=True)
def settle(states: States, i: int, M: F2, k: int, radars: F2) -> None:
    """Turn row i with its lane; give it the axis of its course or lane if it had none, else note the lane.

    Until then its state was the point that radar sees. A track that began with a fix is the centre already.
    """
    X, P = states.X, states.P
    lane = M[k, at.Z_LANE]
    follow_bend(states, i, lane, M[k, at.Z_BEND])
    if not math.isnan(X[i, at.AXIS]) or X[i, at.BOUND] != 0.0:
        if not math.isnan(lane):
            follow_lane(X, i, lane)
            X[i, at.AXIS] = lane
        return
    v_e, v_n = X[i, at.V_EAST], X[i, at.V_NORTH]
    var = P[i, at.V_EAST, at.V_EAST] + P[i, at.V_NORTH, at.V_NORTH]
    if is_driving(v_e, v_n, var):
        lane = math.atan2(v_n, v_e)
    if not math.isnan(lane):
        q = int(M[k, at.SOURCE])
        d_e, d_n = X[i, at.EAST] - radars[q, at.R_EAST], X[i, at.NORTH] - radars[q, at.R_NORTH]
        behind_point(states, i, d_e, d_n, lane, M[k, at.Z_ACROSS])


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
    east, north, r = centre_under(states, i, M, k)
    r += fresh_m2(M, k)
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
    east, north, r = centre_under(states, i, M, k)
    r += fresh_m2(M, k)
    if part == 0:
        return (1.0, 0.0, 0.0, 0.0, 0.0), east - X[i, at.EAST] - X[i, at.BIAS_EAST], r
    return (0.0, 1.0, 0.0, 0.0, 0.0), north - X[i, at.NORTH] - X[i, at.BIAS_NORTH], r


@kernel(inner=True)
def scalar_of(states: States, i: int, M: F2, k: int, settings: Settings, part: int) -> Scalar:
    """Return one scalar of measurement k as track i expects it: parts 0 and 1 are its place."""
    if M[k, at.WHAT] == at.POLAR:
        return _polar(states.X, i, load(states, i), M, k, settings.radars, part)
    if M[k, at.WHAT] == at.OBJECT:
        return _object(states.X, i, load(states, i), M, k, settings.radars, part)
    return _fix(states, i, M, k, settings.tuning, part)


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
    for part in range(4 if what == at.FIX else 3 if what != at.BASE else 0):
        h, z, r = scalar_of(states, i, M, k, settings, part)
        if r > 0.0:
            update(states, i, h, 1.0 if what == at.FIX and part < 2 else 0.0, z, r, work)
    if what == at.POLAR or what == at.OBJECT:
        settle(states, i, M, k, settings.radars)
    after = X[i, VE], X[i, VN], P[i, VE, VE], P[i, VE, VN], P[i, VN, VN]
    _remember(X, i, before, after, settings.tuning)
    return 0
