"""The motion model: constant velocity, pushed by a bend that decays, and the lasting error of a terminal.

`fusion.models` states what a motion model offers. Kernels work on row i of `States`, in site metres. The
covariance is symmetric to the bit.
"""

import math

from core.arrays import F1, F2
from core.kernel import kernel
from fusion import layout as at
from fusion.config import COURSE_SIGMA_RAD, OBJECT_LAG_S, QUANTUM_M, WHITE_SHARE
from fusion.extent import Row, end_facing, scatter
from fusion.lane_bend import begin_in_bend
from fusion.layout import Settings, States
from fusion.models.creeping import CREEP_MPS, hold_course, steering
from fusion.models.manoeuvre import age, noise_of
from fusion.models.registers import Moving, fused, load, predicted, store
from fusion.object_lag import object_lag
from fusion.turning import bend_of

SLOW_MPS = 2.0  # a slower vehicle has no certain course
E, N, VE, VN, B = at.EAST, at.NORTH, at.V_EAST, at.V_NORTH, at.BEND
BE, BN = at.BIAS_EAST, at.BIAS_NORTH
EX = at.EXTENT
LANE_CROSS_MPS = 1.2  # 1 sigma of the velocity across the lane's direction: a brisk change of lanes


@kernel(inner=True)
def combined(states: States, i: int) -> Moving:
    """Return position, velocity and their covariance of row i."""
    X, P = states.X, states.P
    return (
        X[i, E], X[i, N], X[i, VE], X[i, VN],
        P[i, E, E], P[i, E, N], P[i, E, VE], P[i, E, VN],
        P[i, N, N], P[i, N, VE], P[i, N, VN],
        P[i, VE, VE], P[i, VE, VN], P[i, VN, VN],
    )  # fmt: skip


@kernel(inner=True)
def _predict_bias(
    states: States, i: int, out: States, j: int, dt_s: float, push: tuple[float, float, float],
    course: tuple[float, float, float],
) -> None:  # fmt: skip
    """Let the bias decay to its prior: sigma on each axis, and along the course the error of the stamp.

    push : velocity that a bend of 1 m/s^2 adds (east, north), share of the bend that remains
    course : unit vector (c, s), speed
    """
    X, P, XO, PO = states.X, states.P, out.X, out.P
    w_e, w_n, keep_bend = push
    c, s, speed = course
    keep = math.exp(-dt_s / X[i, at.BIAS_TAU])
    for b in range(BE, at.N_DIM):
        XO[j, b] = keep * X[i, b]
        g = P[i, B, b]
        p2, p3 = P[i, VE, b] + w_e * g, P[i, VN, b] + w_n * g
        p0 = P[i, E, b] + dt_s * (P[i, VE, b] + 0.5 * w_e * g)
        p1 = P[i, N, b] + dt_s * (P[i, VN, b] + 0.5 * w_n * g)
        p0, p1, p2, p3, g = keep * p0, keep * p1, keep * p2, keep * p3, keep * keep_bend * g
        PO[j, E, b], PO[j, N, b], PO[j, VE, b], PO[j, VN, b], PO[j, B, b] = p0, p1, p2, p3, g
        PO[j, b, E], PO[j, b, N], PO[j, b, VE], PO[j, b, VN], PO[j, b, B] = p0, p1, p2, p3, g
        PO[j, EX, b] = PO[j, b, EX] = keep * P[i, EX, b]
    fresh = 1.0 - keep * keep
    iso, along = X[i, at.BIAS_SIGMA] ** 2, (speed * X[i, at.BIAS_DELAY]) ** 2
    keep *= keep
    PO[j, BE, BE] = keep * P[i, BE, BE] + fresh * (iso + along * c * c)
    PO[j, BN, BN] = keep * P[i, BN, BN] + fresh * (iso + along * s * s)
    PO[j, BE, BN] = keep * P[i, BE, BN] + fresh * along * c * s
    PO[j, BN, BE] = PO[j, BE, BN]


@kernel(inline=True)
def copy(states: States, i: int, out: States, j: int) -> None:
    """Write state i to row j of `out`: the live dimensions and the memory."""
    for a in range(at.N_X):
        out.X[j, a] = states.X[i, a]
    if states.X[i, at.BOUND] != 0.0:
        for a in range(at.N_DIM):
            for b in range(at.N_DIM):
                out.P[j, a, b] = states.P[i, a, b]
    else:
        for a in range(at.N_RADAR):
            for b in range(at.N_RADAR):
                out.P[j, a, b] = states.P[i, a, b]


@kernel(inline=True)
def predict_to(states: States, i: int, out: States, j: int, dt_s: float, tuning: F1) -> None:
    """Write state i, dt_s later, to row j of `out`, its live dimensions; `out` row j may be row i itself.

    Constant velocity, bend (Singer 1970), bias (Gauss-Markov).
    """
    if dt_s <= 0.0:
        copy(states, i, out, j)
        return
    X = states.X
    speed = math.sqrt(X[i, VE] ** 2 + X[i, VN] ** 2)
    q_al, q_cr = noise_of(X, i, dt_s, tuning)
    c, s, gain = 1.0, 0.0, 0.0
    if speed > SLOW_MPS:
        c, s = X[i, VE] / speed, X[i, VN] / speed
        gain = min(1.0, (speed - SLOW_MPS) / SLOW_MPS)
    elif not math.isnan(X[i, at.HEADING]):  # it stands or creeps: it will continue in its last direction
        c, s = math.cos(X[i, at.HEADING]), math.sin(X[i, at.HEADING])
        q_cr *= steering(speed, SLOW_MPS)
    else:  # never seen moving
        q_al = min(q_al, q_cr)
        q_cr = q_al
    w_e, w_n = -s * gain * dt_s, c * gain * dt_s
    keep = math.exp(-dt_s / tuning[at.BEND_TAU])
    if X[i, at.BOUND] != 0.0:  # first: it reads what the rest may overwrite
        _predict_bias(states, i, out, j, dt_s, (w_e, w_n, keep), (c, s, speed))
    q_ee, q_nn = q_al * c * c + q_cr * s * s, q_al * s * s + q_cr * c * c
    bend_sigma = tuning[at.BEND_SIGMA]
    if bend_of(X[i, B], states.P[i, B, B], speed * speed)[0] != 0.0:
        # the sigma is that of all roads; one that bends more sharply straightens as sharply
        bend_sigma = max(bend_sigma, abs(X[i, B]))
    state = predicted(
        load(states, i), dt_s, (q_ee, q_nn, (q_al - q_cr) * s * c),
        (w_e, w_n, keep, bend_sigma * bend_sigma),
    )  # fmt: skip
    store(out, j, state)
    for a in range(at.HEADING, at.N_X):
        out.X[j, a] = X[i, a]
    out.X[j, at.DRIVEN] += speed * dt_s
    age(out.X, j, dt_s)
    if speed < CREEP_MPS:
        hold_course(out, j, dt_s)


@kernel
def predict(states: States, i: int, dt_s: float, tuning: F1) -> None:
    """Advance row i by dt_s, in place."""
    if dt_s > 0.0:
        predict_to(states, i, states, i, dt_s, tuning)


@kernel(inline=True)
def update(states: States, i: int, h: Row, of_bias: float, residual: float, r: float, work: F1) -> None:
    """Fuse one scalar measurement of variance r into row i (symmetric rank-one form).

    h : its row of the measurement matrix;  of_bias : how much of the position's entries the bias has as well
    work : (>= N_DIM,) scratch
    """
    X, P = states.X, states.P
    if X[i, at.BOUND] == 0.0:
        store(states, i, fused(load(states, i), h, residual, r))
    else:
        h0, h1, h2, h3, h5 = h
        b0, b1 = of_bias * h0, of_bias * h1
        for a in range(at.N_DIM):
            g = P[i, a, E] * h0 + P[i, a, N] * h1 + P[i, a, VE] * h2 + P[i, a, VN] * h3
            work[a] = g + P[i, a, EX] * h5 + P[i, a, BE] * b0 + P[i, a, BN] * b1
        s = h0 * work[E] + h1 * work[N] + h2 * work[VE] + h3 * work[VN] + r
        s += h5 * work[EX] + b0 * work[BE] + b1 * work[BN]
        over_s = 1.0 / s
        for a in range(at.N_DIM):
            X[i, a] += work[a] * over_s * residual
            for b in range(at.N_DIM):
                P[i, a, b] -= work[a] * work[b] * over_s


@kernel
def centre_of(M: F2, k: int, heading: float) -> tuple[float, float, float]:
    """Return the vehicle's centre under a fix's antenna, and the variance that an unknown heading adds."""
    if math.isnan(heading):
        heading = M[k, at.Z_HEADING]
    forward, left = M[k, at.Z_FORWARD], M[k, at.Z_LEFT]
    if math.isnan(heading):
        return M[k, at.Z_EAST], M[k, at.Z_NORTH], forward * forward + left * left
    c, s = math.cos(heading), math.sin(heading)
    return M[k, at.Z_EAST] - forward * c + left * s, M[k, at.Z_NORTH] - forward * s - left * c, 0.0


@kernel
def open_bias(states: States, i: int, M: F2, k: int) -> None:
    """Add the bias of fix k's terminal to the state: mean zero, prior covariance."""
    X, P = states.X, states.P
    speed2 = X[i, VE] ** 2 + X[i, VN] ** 2
    iso, along = M[k, at.Z_SIGMA] ** 2, 0.0
    c = s = 0.0
    if speed2 > SLOW_MPS**2:
        along = speed2 * M[k, at.Z_DELAY] ** 2
        c, s = X[i, VE] / math.sqrt(speed2), X[i, VN] / math.sqrt(speed2)
    for b in range(BE, at.N_DIM):
        X[i, b] = 0.0
        for a in range(at.N_DIM):
            P[i, a, b] = 0.0
            P[i, b, a] = 0.0
    P[i, BE, BE] = iso + along * c * c
    P[i, BN, BN] = iso + along * s * s
    P[i, BE, BN] = along * c * s
    P[i, BN, BE] = P[i, BE, BN]
    X[i, at.BOUND] = 1.0


@kernel(inner=True)
def fresh_m2(M: F2, k: int) -> float:
    """Return the variance per axis of what is new in fix k; a state of an older version does not have it."""
    return float(max(M[k, at.Z_FRESH], WHITE_SHARE * M[k, at.Z_SIGMA]) ** 2 + QUANTUM_M**2)


@kernel(inner=True)
def note_errors(states: States, i: int, M: F2, k: int) -> None:
    """Store sigma, correlation time and stamp error that fix k states."""
    X = states.X
    X[i, at.BIAS_SIGMA], X[i, at.BIAS_TAU], X[i, at.BIAS_DELAY] = (
        M[k, at.Z_SIGMA], M[k, at.Z_TAU], M[k, at.Z_DELAY],
    )  # fmt: skip


@kernel(inner=True)
def _spread(
    states: States, i: int, a: int, axis: tuple[float, float], sigma: tuple[float, float], mean: float
) -> None:
    """Set the 2x2 block at dimension a: sigma along and across the axis (c, s), and the mean along it."""
    X, P = states.X, states.P
    c, s = axis
    s_c, s_s = sigma
    X[i, a] = c * mean
    X[i, a + 1] = s * mean
    P[i, a, a] = (c * s_c) ** 2 + (s * s_s) ** 2
    P[i, a + 1, a + 1] = (s * s_c) ** 2 + (c * s_s) ** 2
    P[i, a, a + 1] = c * s * (s_c**2 - s_s**2)
    P[i, a + 1, a] = P[i, a, a + 1]


@kernel(inner=True)
def _initial_fix(states: States, i: int, M: F2, k: int, tuning: F1) -> None:
    """Set position, velocity and bias of row i, which are zeros, from a fix."""
    X, P = states.X, states.P
    wide = tuning[at.S_V_PRIOR]
    speed, heading = M[k, at.Z_SPEED], M[k, at.Z_HEADING]
    if math.isnan(speed) or (math.isnan(heading) and speed > SLOW_MPS):
        _spread(states, i, VE, (1.0, 0.0), (wide, wide), 0.0)
    elif speed > SLOW_MPS:
        s_c = tuning[at.S_SPEED] + COURSE_SIGMA_RAD * speed
        _spread(states, i, VE, (math.cos(heading), math.sin(heading)), (tuning[at.S_SPEED], s_c), speed)
    else:
        s_v = tuning[at.S_SPEED] + speed
        _spread(states, i, VE, (1.0, 0.0), (s_v, s_v), 0.0)
    X[i, at.HEADING], X[i, at.AXIS] = heading if speed > SLOW_MPS else math.nan, heading
    X[i, E], X[i, N], r = centre_of(M, k, heading)
    open_bias(states, i, M, k)
    note_errors(states, i, M, k)
    for a in range(2):  # position = fix - bias: their errors are one
        for b in range(2):
            P[i, a, b] = P[i, a + BE, b + BE]
            P[i, a, b + BE] = -P[i, a + BE, b + BE]
            P[i, a + BE, b] = -P[i, a + BE, b + BE]
        P[i, a, a] += fresh_m2(M, k) + r


@kernel(inner=True)
def behind_point(states: States, i: int, d_e: float, d_n: float, axis: float, across: float) -> None:
    """Move row i from the point that radar saw to the centre of its body: the axis becomes known.

    d_e, d_n : the point from the radar;  axis : NaN unknown: then the body may lie any way about the point
    across : variance of the point across the axis
    """
    X, P = states.X, states.P
    extent, var = X[i, EX], P[i, EX, EX]
    X[i, at.AXIS] = axis
    if math.isnan(axis):
        blind = (extent * extent + var) / 2.0
        P[i, E, E] += blind
        P[i, N, N] += blind
        return
    c, s = math.cos(axis), math.sin(axis)
    flat = max(math.sqrt(d_e * d_e + d_n * d_n), 1.0)
    f, _ = end_facing((c * d_e + s * d_n) / flat)
    about_end, on_flank = scatter(extent, f)
    along = f * f * var + about_end + on_flank
    X[i, E] += f * extent * c
    X[i, N] += f * extent * s
    P[i, E, E] += along * c * c + across * s * s
    P[i, N, N] += along * s * s + across * c * c
    P[i, E, N] += (along - across) * s * c
    P[i, N, E] = P[i, E, N]
    P[i, E, EX], P[i, N, EX] = f * var * c, f * var * s
    P[i, EX, E], P[i, EX, N] = P[i, E, EX], P[i, N, EX]


@kernel(inner=True)
def _initial_velocity(
    states: States, i: int, M: F2, k: int, wide: float, beam: tuple[float, float], s_rate: float
) -> None:
    """Set the velocity from a prior, along the lane where the map has one, and the range rate (NaN: none).

    beam : unit vector of the line of sight, times the share of it that is level
    """
    X, lane, rate = states.X, M[k, at.Z_LANE], M[k, at.Z_RATE]
    level = math.sqrt(beam[0] ** 2 + beam[1] ** 2)
    if math.isnan(lane):
        way = beam[0] / level, beam[1] / level
        if math.isnan(rate):
            _spread(states, i, VE, way, (wide, wide), 0.0)
        else:
            _spread(states, i, VE, way, (s_rate / level, wide), rate / level)
        return
    mean = 0.0 if M[k, at.Z_BOTH_WAYS] != 0.0 else wide
    sigma = math.sqrt(2.0) * wide if M[k, at.Z_BOTH_WAYS] != 0.0 else wide
    _spread(states, i, VE, (math.cos(lane), math.sin(lane)), (sigma, LANE_CROSS_MPS), mean)
    if not math.isnan(rate):
        h = 0.0, 0.0, beam[0], beam[1], 0.0
        z = rate - beam[0] * X[i, VE] - beam[1] * X[i, VN]
        store(states, i, fused(load(states, i), h, z, s_rate * s_rate))


@kernel
def initial(states: States, i: int, M: F2, k: int, settings: Settings) -> None:
    """Set row i from measurement k alone; quantities that it does not measure get a wide prior."""
    X, radars, tuning = states.X, settings.radars, settings.tuning
    for a in range(at.N_X):
        X[i, a] = 0.0
    for a in range(at.N_DIM):
        for b in range(at.N_DIM):
            states.P[i, a, b] = 0.0
    X[i, at.HEADING], X[i, at.AXIS], X[i, at.LANE_BEND] = math.nan, math.nan, math.nan
    X[i, EX], states.P[i, EX, EX] = M[k, at.Z_EXTENT], M[k, at.Z_EXTENT_SIGMA] ** 2
    states.P[i, B, B] = tuning[at.BEND_SIGMA] ** 2
    if M[k, at.WHAT] == at.FIX:
        _initial_fix(states, i, M, k, tuning)
        return
    q, wide = int(M[k, at.SOURCE]), tuning[at.S_V_PRIOR]
    s_range, s_azimuth, s_rate = radars[q, at.R_S_RANGE], radars[q, at.R_S_AZIMUTH], radars[q, at.R_S_RATE]
    if M[k, at.WHAT] == at.POLAR:
        drop, slant = radars[q, at.R_DROP], M[k, at.Z_RANGE]
        flat = math.sqrt(max(slant**2 - drop * drop, 1.0))
        beam, slope = (M[k, at.Z_COS], M[k, at.Z_SIN]), flat / max(slant, 1.0)
        _initial_velocity(states, i, M, k, wide, (slope * beam[0], slope * beam[1]), s_rate)
        _spread(states, i, E, beam, (s_range, s_azimuth * flat), flat)
        d_e, d_n = X[i, E], X[i, N]
        X[i, E] += radars[q, at.R_EAST]
        X[i, N] += radars[q, at.R_NORTH]
    else:
        d_e, d_n = M[k, at.Z_EAST] - radars[q, at.R_EAST], M[k, at.Z_NORTH] - radars[q, at.R_NORTH]
        d = max(math.sqrt(d_e * d_e + d_n * d_n), 1.0)
        across, beam = s_azimuth * d, (d_e / d, d_n / d)
        v_across = beam[0] * M[k, at.Z_V_NORTH] - beam[1] * M[k, at.Z_V_EAST]
        behind, slower = object_lag(d, v_across)
        place = math.sqrt(s_range * s_range + behind), math.sqrt(across * across + behind)
        rate, cross = math.sqrt(s_rate * s_rate + slower), s_rate + across / OBJECT_LAG_S
        _spread(states, i, E, beam, place, 0.0)
        _spread(states, i, VE, beam, (rate, math.sqrt(cross * cross + slower)), 0.0)
        X[i, E], X[i, N] = M[k, at.Z_EAST], M[k, at.Z_NORTH]
        X[i, VE], X[i, VN] = M[k, at.Z_V_EAST], M[k, at.Z_V_NORTH]
    begin_in_bend(states, i, M[k, at.Z_LANE], M[k, at.Z_BEND])
    behind_point(states, i, d_e, d_n, M[k, at.Z_LANE], M[k, at.Z_ACROSS])
