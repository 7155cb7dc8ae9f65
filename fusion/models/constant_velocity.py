"""The motion model: constant velocity, pushed by a bend that decays, and the lasting error of a terminal.

`fusion.models` states what a motion model offers. Kernels work on row i of `States`, in site metres. The
covariance is symmetric to the bit. The first N_RADAR dimensions with their covariance are 20 numbers, which a
compiled caller keeps in registers: loops over memory take three times as long.
"""

import math

from core.arrays import F1, F2
from core.kernel import kernel
from fusion import layout as at
from fusion.config import COURSE_SIGMA_RAD, OBJECT_LAG_S, QUANTUM_M, WHITE_SHARE
from fusion.layout import Settings, States
from fusion.models.manoeuvre import age, noise_of

SLOW_MPS = 2.0  # a slower vehicle has no certain course
E, N, VE, VN, B = at.EAST, at.NORTH, at.V_EAST, at.V_NORTH, at.BEND
BE, BN = at.BIAS_EAST, at.BIAS_NORTH
P22, P23, P33 = 14, 15, 17  # places of the velocities' covariance in Registers

# East, north, their velocities; then the upper triangle of their covariance, row by row
Moving = tuple[
    float, float, float, float,
    float, float, float, float, float, float, float, float, float, float,
]  # fmt: skip
# East, north, their velocities, the bend; then the upper triangle of their covariance, row by row
Registers = tuple[
    float, float, float, float, float,
    float, float, float, float, float, float, float, float, float, float, float, float, float, float, float,
]  # fmt: skip


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
def load(states: States, i: int) -> Registers:
    """Return the first N_RADAR dimensions of row i."""
    X, P = states.X, states.P
    return (
        X[i, E], X[i, N], X[i, VE], X[i, VN], X[i, B],
        P[i, E, E], P[i, E, N], P[i, E, VE], P[i, E, VN], P[i, E, B],
        P[i, N, N], P[i, N, VE], P[i, N, VN], P[i, N, B],
        P[i, VE, VE], P[i, VE, VN], P[i, VE, B], P[i, VN, VN], P[i, VN, B], P[i, B, B],
    )  # fmt: skip


@kernel(inner=True)
def store(states: States, i: int, registers: Registers) -> None:
    """Write the first N_RADAR dimensions of row i, both triangles of the covariance."""
    X, P = states.X, states.P
    x0, x1, x2, x3, x4, p00, p01, p02, p03, p04, p11, p12, p13, p14, p22, p23, p24, p33, p34, p44 = registers
    X[i, E], X[i, N], X[i, VE], X[i, VN], X[i, B] = x0, x1, x2, x3, x4
    P[i, E, E], P[i, E, N], P[i, E, VE], P[i, E, VN], P[i, E, B] = p00, p01, p02, p03, p04
    P[i, N, E], P[i, N, N], P[i, N, VE], P[i, N, VN], P[i, N, B] = p01, p11, p12, p13, p14
    P[i, VE, E], P[i, VE, N], P[i, VE, VE], P[i, VE, VN], P[i, VE, B] = p02, p12, p22, p23, p24
    P[i, VN, E], P[i, VN, N], P[i, VN, VE], P[i, VN, VN], P[i, VN, B] = p03, p13, p23, p33, p34
    P[i, B, E], P[i, B, N], P[i, B, VE], P[i, B, VN], P[i, B, B] = p04, p14, p24, p34, p44


@kernel(inner=True)
def moved(state: Moving, dt_s: float, q_ee: float, q_nn: float, q_en: float) -> Moving:
    """Return position and velocity dt_s later, at constant velocity.

    q : continuous white acceleration, two-sided PSD per axis and across [m^2/s^3] (Bar-Shalom 2001, 6.2.2)
    """
    x0, x1, x2, x3, p00, p01, p02, p03, p11, p12, p13, p22, p23, p33 = state
    a3, a2 = dt_s * dt_s * dt_s / 3.0, dt_s * dt_s / 2.0
    return (
        x0 + dt_s * x2, x1 + dt_s * x3, x2, x3,
        p00 + dt_s * (2.0 * p02 + dt_s * p22) + a3 * q_ee,
        p01 + dt_s * (p12 + p03 + dt_s * p23) + a3 * q_en,
        p02 + (dt_s * p22 + a2 * q_ee),
        p03 + (dt_s * p23 + a2 * q_en),
        p11 + dt_s * (2.0 * p13 + dt_s * p33) + a3 * q_nn,
        p12 + (dt_s * p23 + a2 * q_en),
        p13 + (dt_s * p33 + a2 * q_nn),
        p22 + dt_s * q_ee, p23 + dt_s * q_en, p33 + dt_s * q_nn,
    )  # fmt: skip


@kernel(inner=True)
def predicted(
    state: Registers, dt_s: float, q_ee: float, q_nn: float, q_en: float, w_e: float, w_n: float, keep: float,
    bend_var: float,
) -> Registers:  # fmt: skip
    """Return the state dt_s later: constant velocity, pushed by the bend, which decays.

    q : as in `moved`;  (w_e, w_n) : velocity that a bend of 1 m/s^2 adds [m/s]
    keep : share of the bend that remains;  bend_var : its stationary variance
    """
    x0, x1, x2, x3, x4, p00, p01, p02, p03, p04, p11, p12, p13, p14, p22, p23, p24, p33, p34, p44 = state
    x0, x1, x2, x3, p00, p01, p02, p03, p11, p12, p13, p22, p23, p33 = moved(
        (x0, x1, x2, x3, p00, p01, p02, p03, p11, p12, p13, p22, p23, p33), dt_s, q_ee, q_nn, q_en
    )
    d_e, d_n = 0.5 * dt_s * w_e, 0.5 * dt_s * w_n
    p04, p14 = p04 + dt_s * p24, p14 + dt_s * p34
    f0, f1 = p04 + 0.5 * d_e * p44, p14 + 0.5 * d_n * p44  # (I + k e') P (I + k e')' = P + k f' + f k'
    f2, f3 = p24 + 0.5 * w_e * p44, p34 + 0.5 * w_n * p44
    return (
        x0 + d_e * x4, x1 + d_n * x4, x2 + w_e * x4, x3 + w_n * x4, keep * x4,
        p00 + 2.0 * d_e * f0, d_e * f1 + d_n * f0 + p01, d_e * f2 + w_e * f0 + p02, d_e * f3 + w_n * f0 + p03,
        keep * (p04 + d_e * p44),
        p11 + 2.0 * d_n * f1, d_n * f2 + w_e * f1 + p12, d_n * f3 + w_n * f1 + p13,
        keep * (p14 + d_n * p44),
        p22 + 2.0 * w_e * f2, w_e * f3 + w_n * f2 + p23, keep * (p24 + w_e * p44),
        p33 + 2.0 * w_n * f3, keep * (p34 + w_n * p44),
        keep * keep * p44 + (1.0 - keep * keep) * bend_var,
    )  # fmt: skip


@kernel(inner=True)
def fused(
    state: Registers, h0: float, h1: float, h2: float, h3: float, residual: float, r: float
) -> Registers:
    """Return the state after one scalar (h0, h1) position + (h2, h3) velocity of variance r."""
    x0, x1, x2, x3, x4, p00, p01, p02, p03, p04, p11, p12, p13, p14, p22, p23, p24, p33, p34, p44 = state
    k0 = p00 * h0 + p01 * h1 + p02 * h2 + p03 * h3
    k1 = p01 * h0 + p11 * h1 + p12 * h2 + p13 * h3
    k2 = p02 * h0 + p12 * h1 + p22 * h2 + p23 * h3
    k3 = p03 * h0 + p13 * h1 + p23 * h2 + p33 * h3
    k4 = p04 * h0 + p14 * h1 + p24 * h2 + p34 * h3
    over_s = 1.0 / (h0 * k0 + h1 * k1 + h2 * k2 + h3 * k3 + r)
    g0, g1, g2, g3, g4 = k0 * over_s, k1 * over_s, k2 * over_s, k3 * over_s, k4 * over_s
    return (
        x0 + g0 * residual, x1 + g1 * residual, x2 + g2 * residual, x3 + g3 * residual, x4 + g4 * residual,
        p00 - g0 * k0, p01 - g0 * k1, p02 - g0 * k2, p03 - g0 * k3, p04 - g0 * k4,
        p11 - g1 * k1, p12 - g1 * k2, p13 - g1 * k3, p14 - g1 * k4,
        p22 - g2 * k2, p23 - g2 * k3, p24 - g2 * k4,
        p33 - g3 * k3, p34 - g3 * k4,
        p44 - g4 * k4,
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
    else:  # never seen moving
        q_al = min(q_al, q_cr)
        q_cr = q_al
    w_e, w_n = -s * gain * dt_s, c * gain * dt_s
    keep = math.exp(-dt_s / tuning[at.BEND_TAU])
    if X[i, at.BOUND] != 0.0:  # first: it reads what the rest may overwrite
        _predict_bias(states, i, out, j, dt_s, (w_e, w_n, keep), (c, s, speed))
    q_ee, q_nn = q_al * c * c + q_cr * s * s, q_al * s * s + q_cr * c * c
    bend_sigma = tuning[at.BEND_SIGMA]
    state = predicted(
        load(states, i), dt_s, q_ee, q_nn, (q_al - q_cr) * s * c, w_e, w_n, keep, bend_sigma * bend_sigma
    )
    store(out, j, state)
    for a in range(at.HEADING, at.N_X):
        out.X[j, a] = X[i, a]
    age(out.X, j, dt_s)


@kernel
def predict(states: States, i: int, dt_s: float, tuning: F1) -> None:
    """Advance row i by dt_s, in place."""
    if dt_s > 0.0:
        predict_to(states, i, states, i, dt_s, tuning)


@kernel(inline=True)
def update(
    states: States, i: int, h: tuple[float, float, float, float, float], residual: float, r: float, work: F1
) -> None:
    """Fuse one scalar measurement of variance r into row i (symmetric rank-one form).

    h : its row of the measurement matrix: (h0, h1) on position, (h2, h3) on velocity, hb (h0, h1) on the bias
    work : (>= N_DIM,) scratch
    """
    X, P = states.X, states.P
    h0, h1, h2, h3, hb = h
    if X[i, at.BOUND] == 0.0:
        store(states, i, fused(load(states, i), h0, h1, h2, h3, residual, r))
    else:
        b0, b1 = hb * h0, hb * h1
        for a in range(at.N_DIM):
            g = P[i, a, E] * h0 + P[i, a, N] * h1 + P[i, a, VE] * h2 + P[i, a, VN] * h3
            work[a] = g + P[i, a, BE] * b0 + P[i, a, BN] * b1
        s = h0 * work[E] + h1 * work[N] + h2 * work[VE] + h3 * work[VN] + b0 * work[BE] + b1 * work[BN] + r
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
    """Set row i, which is all zeros, from a fix."""
    X, P = states.X, states.P
    wide = tuning[at.S_V_PRIOR]
    speed, heading = M[k, at.Z_SPEED], M[k, at.Z_HEADING]
    s_p = math.sqrt((WHITE_SHARE * M[k, at.Z_SIGMA]) ** 2 + QUANTUM_M**2)
    if math.isnan(speed) or (math.isnan(heading) and speed > SLOW_MPS):
        _spread(states, i, VE, (1.0, 0.0), (wide, wide), 0.0)
    elif speed > SLOW_MPS:
        s_c = tuning[at.S_SPEED] + COURSE_SIGMA_RAD * speed
        _spread(states, i, VE, (math.cos(heading), math.sin(heading)), (tuning[at.S_SPEED], s_c), speed)
    else:
        s_v = tuning[at.S_SPEED] + speed
        _spread(states, i, VE, (1.0, 0.0), (s_v, s_v), 0.0)
    X[i, at.HEADING] = heading
    X[i, E], X[i, N], r = centre_of(M, k, heading)
    open_bias(states, i, M, k)
    note_errors(states, i, M, k)
    for a in range(2):  # position = fix - bias: their errors are one
        for b in range(2):
            P[i, a, b] = P[i, a + BE, b + BE]
            P[i, a, b + BE] = -P[i, a + BE, b + BE]
            P[i, a + BE, b] = -P[i, a + BE, b + BE]
        P[i, a, a] += s_p**2 + r


@kernel
def initial(states: States, i: int, M: F2, k: int, settings: Settings) -> None:
    """Set row i from measurement k alone; quantities that it does not measure get a wide prior."""
    X, radars, tuning = states.X, settings.radars, settings.tuning
    for a in range(at.N_X):
        X[i, a] = 0.0
    for a in range(at.N_DIM):
        for b in range(at.N_DIM):
            states.P[i, a, b] = 0.0
    X[i, at.HEADING] = math.nan
    states.P[i, B, B] = tuning[at.BEND_SIGMA] ** 2
    if M[k, at.WHAT] == at.FIX:
        _initial_fix(states, i, M, k, tuning)
        return
    q, wide = int(M[k, at.SOURCE]), tuning[at.S_V_PRIOR]
    s_range, s_azimuth, s_rate = radars[q, at.R_S_RANGE], radars[q, at.R_S_AZIMUTH], radars[q, at.R_S_RATE]
    if M[k, at.WHAT] == at.POLAR:
        drop, slant, rate = radars[q, at.R_DROP], M[k, at.Z_RANGE], M[k, at.Z_RATE]
        flat = math.sqrt(max(slant**2 - drop * drop, 1.0))
        beam = M[k, at.Z_COS], M[k, at.Z_SIN]
        if math.isnan(rate):
            _spread(states, i, VE, beam, (wide, wide), 0.0)
        else:
            slope = flat / max(slant, 1.0)
            _spread(states, i, VE, beam, (s_rate / slope, wide), rate / slope)
        _spread(states, i, E, beam, (s_range, s_azimuth * flat), flat)
        X[i, E] += radars[q, at.R_EAST]
        X[i, N] += radars[q, at.R_NORTH]
    else:
        d_e, d_n = M[k, at.Z_EAST] - radars[q, at.R_EAST], M[k, at.Z_NORTH] - radars[q, at.R_NORTH]
        d = max(math.sqrt(d_e * d_e + d_n * d_n), 1.0)
        across, beam = s_azimuth * d, (d_e / d, d_n / d)
        _spread(states, i, E, beam, (s_range, across), 0.0)
        _spread(states, i, VE, beam, (s_rate, s_rate + across / OBJECT_LAG_S), 0.0)
        X[i, E], X[i, N] = M[k, at.Z_EAST], M[k, at.Z_NORTH]
        X[i, VE], X[i, VN] = M[k, at.Z_V_EAST], M[k, at.Z_V_NORTH]
