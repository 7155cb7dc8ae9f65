"""Extended vehicles: radar sees a point near the end that faces it; the state is the centre of the body.

    point = centre - extent * f * u + wander * n          u: unit vector of the body's axis, n: to its left

`f` is +1 behind the body, -1 ahead of it, and turns over smoothly beside it. It changes its sign with u, so the
axis is enough: nobody needs to know which end is the front. `extent` lasts; `wander`, the place across the
axis, is a Gauss-Markov process; along the axis the point is scattered about `extent`, which is counted as
noise. All of it is nought for a radar that reports the centre: then extent is learnt to be nought.
"""

import math

import numpy as np

from core.arrays import F2, F64, I64
from core.kernel import kernel
from fusion import layout as at
from fusion.heading import COURSE_SIGMAS
from fusion.layout import States, Tracks

SLOWEST_MPS = 2.0  # a slower vehicle has no certain course
# The facing point of an ellipse of width : length; lorries have 0.15 to 0.25, cars 0.4
AXIS_RATIO = 0.25
# 1 sigma along the axis as a share of the extent: bumper, axles and tanks reflect in turn, to a fifth of the
# length from the end (half-normal of 0.1 length about its mean: 0.06 of the 0.42 length that remain)
SCATTER_SHARE = 0.15
SLIDE_SHARE = 0.5  # the same beside the radar, where the point slides along the flank (even: 0.58)
WANDER_S = 1.0  # correlation time of both: the reflecting point stays for about a second
# 1 sigma of the wander as a share of the width; a point that is anywhere on the face has 0.29, the middle 0
WANDER_SHARE = 0.2
EXTENT_DRIFT = 0.05  # [m / sqrt(s)]: front and rear differ, as do near and far

# Length [m], 1 sigma, and width of a car and of a lorry; and what they reflect at 77 GHz [dBsm], with the spread
# of single echoes (fluctuation and aspect)
CAR_M, CAR_SIGMA_M, CAR_WIDTH_M, CAR_DBSM = 4.5, 0.6, 1.8, 10.0
LORRY_M, LORRY_SIGMA_M, LORRY_WIDTH_M, LORRY_DBSM = 13.5, 3.5, 2.5, 20.0
RCS_SIGMA_DB = 5.0
ECHO_ODDS_MAX = 3.0  # of one echo: a strong one may be a gantry's behind the car
ECHOES_ALIKE = 4.0  # speckle changes within 0.2 s: so many echoes of a fast radar count as one
DECIDING, DECIDED = 4.6, 100.0  # 99 : 1
STATED_SIZE_SHARE = 0.1  # 1 sigma of a length that a radar states
# Share of the length from the centre to where radar sees the end: anything from the centre to the bumper
SHARE, SHARE_SIGMA = 0.25, 0.144
SHARE_FLOOR = 0.05  # 1 sigma of what vehicles of one length differ by: tanks, boxes, trailers
KIND_SIGMA = 0.1  # of what two radars of a site differ by: most are of one kind
SHARE_MAX = 0.55  # the bumper is at 0.5
SHARE_SIGMA_MIN = 0.01  # the belief stays open: a radar may be exchanged
TELLS_SHARE = 0.08  # 1 sigma of a share that is worth learning from: half of what is known before
SEVERAL = -2  # in RADAR: more than one radar measured the track, or its share is learnt
# Of the wander's variance, as a share of (WANDER_SHARE width)^2: at the start it weighs WANDER_N vehicle-seconds;
# up to WANDER_N_MAX, so that it follows a change of radars within an hour; a tenth and twice the sigma
WANDER_N, WANDER_N_MAX, WANDER_MIN, WANDER_MAX = 30.0, 3_000.0, 0.01, 4.0
WANDER_GAIN_MIN, WANDER_SIGMAS_MAX = 0.1, 4.0
UNKNOWN_EXTENT_M, UNKNOWN_EXTENT_SIGMA_M = 2.2, 2.0  # of no known size and share

Row = tuple[float, float, float, float, float, float]  # of H: position, velocity, extent, wander
# Point from the radar (east, north); axis (c, s); f; extent * df/d(centre) (east, north); d(point)/d(velocity
# to the left) (east, north); variance along the axis, variance in all directions
Point = tuple[float, float, float, float, float, float, float, float, float, float, float]


@kernel(inner=True)
def end_facing(c: float) -> tuple[float, float]:
    """Return f and df/dc, for the cosine c of the angle between the axis and the direction from the radar."""
    across2 = AXIS_RATIO * AXIS_RATIO
    d = c * c + across2 * (1.0 - c * c)
    root = math.sqrt(d)
    return c / root, across2 / (d * root)


@kernel(inner=True)
def scatter(extent: float, f: float) -> float:
    """Return the variance of the point along the axis."""
    beside = max(1.0 - f * f, 0.0)
    return extent * extent * (SCATTER_SHARE * SCATTER_SHARE + SLIDE_SHARE * SLIDE_SHARE * beside)


@kernel(inner=True)
def is_driving(v_e: float, v_n: float, var: float) -> bool:
    """Return whether a velocity with variances of sum var gives the direction of the body."""
    speed2 = v_e * v_e + v_n * v_n
    return bool(speed2 > SLOWEST_MPS * SLOWEST_MPS and speed2 > COURSE_SIGMAS * COURSE_SIGMAS * var)


@kernel(inner=True)
def reflecting_point(
    X: F2, i: int, d: tuple[float, float], v: tuple[float, float, float], body: tuple[float, float, float]
) -> Point:
    """Return where a radar sees a vehicle; without any axis it is somewhere about the centre.

    X, i : memory of the track: heading and lane
    d : its centre from the radar;  v : its velocity, and the sum of the variances of that
    body : extent, its variance, wander
    """
    (d_e, d_n), (v_e, v_n, var), (extent, extent_var, wander) = d, v, body
    if math.isnan(X[i, at.AXIS]):
        blind = (extent * extent + extent_var) / 2.0
        return d_e, d_n, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, blind
    slower = 0.0
    if is_driving(v_e, v_n, var):
        slower = 1.0 / math.sqrt(v_e * v_e + v_n * v_n)
        c, s = v_e * slower, v_n * slower
    else:
        angle = X[i, at.AXIS] if math.isnan(X[i, at.HEADING]) else X[i, at.HEADING]
        c, s = math.cos(angle), math.sin(angle)
    flat = max(math.sqrt(d_e * d_e + d_n * d_n), 1.0)
    along, left = (c * d_e + s * d_n) / flat, (c * d_n - s * d_e) / flat
    f, df = end_facing(along)
    m = extent * df / flat
    of_u, of_n = -(m * left * flat + wander) * slower, -extent * f * slower
    return (
        d_e - extent * f * c - wander * s, d_n - extent * f * s + wander * c, c, s, f,
        m * (c - along * d_e / flat), m * (s - along * d_n / flat),
        of_u * c - of_n * s, of_u * s + of_n * c, scatter(extent, f), 0.0,
    )  # fmt: skip


@kernel(inner=True)
def row_of(point: Point, g_e: float, g_n: float) -> Row:
    """Return the derivatives by the state of a quantity whose derivative by the point is (g_e, g_n)."""
    _, _, c, s, f, m_e, m_n, t_e, t_n, _, _ = point
    g_u, g_t = g_e * c + g_n * s, g_e * t_e + g_n * t_n
    return g_e - g_u * m_e, g_n - g_u * m_n, -g_t * s, g_t * c, -f * g_u, c * g_n - s * g_e


@kernel(inner=True)
def dot(one: Row, other: Row) -> float:
    """Return the inner product."""
    a0, a1, a2, a3, a5, a6 = one
    b0, b1, b2, b3, b5, b6 = other
    return a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a5 * b5 + a6 * b6


@kernel(inner=True)
def spread(point: Point, b_e: float, b_n: float, often: float) -> tuple[float, float, float]:
    """Return the scatter across the beam, along it, and their covariance, in the plane [m^2].

    (b_e, b_n) : unit vector of the beam;  often : how many scans one place of the point counts for
    """
    _, _, c, s, _, _, _, _, _, along_var, blind_var = point
    ahead, aside = c * b_e + s * b_n, s * b_e - c * b_n
    along_var, blind_var = often * along_var, often * blind_var
    return (
        aside * aside * along_var + blind_var, ahead * ahead * along_var + blind_var,
        ahead * aside * along_var,
    )  # fmt: skip


def scans_alike(period_s: float) -> float:
    """Return by what factor the correlation of the scatter makes the variance of a mean over scans larger.

    (1 + r) / (1 - r) with the correlation r of two scans: of an AR(1) error (Bayley, Hammersley 1946).
    """
    return 1.0 / math.tanh(period_s / (2.0 * WANDER_S))


@kernel
def extent_prior(length: float, length_var: float, share: float, share_var: float) -> tuple[float, float]:
    """Return mean and sigma of the extent, the product of length and share."""
    var = share * share * length_var + length * length * share_var + share_var * length_var
    return share * length, math.sqrt(var)


@kernel(inner=True)
def echo_odds(rcs_dbsm: float) -> float:
    """Return the log odds of a lorry, else a car, by the strength of one echo; NaN unknown: even."""
    if math.isnan(rcs_dbsm):
        return 0.0
    odds = (rcs_dbsm - (LORRY_DBSM + CAR_DBSM) / 2.0) * (LORRY_DBSM - CAR_DBSM) / RCS_SIGMA_DB**2
    return min(max(odds, -ECHO_ODDS_MAX), ECHO_ODDS_MAX)


@kernel(inner=True)
def size_by_echo(odds: float) -> tuple[float, float, float]:
    """Return mean and variance of the length, and the mean of the width, by the log odds of a lorry."""
    p = 1.0 / (1.0 + math.exp(-odds))
    var = p * LORRY_SIGMA_M**2 + (1.0 - p) * CAR_SIGMA_M**2 + p * (1.0 - p) * (LORRY_M - CAR_M) ** 2
    return p * LORRY_M + (1.0 - p) * CAR_M, var, p * LORRY_WIDTH_M + (1.0 - p) * CAR_WIDTH_M


@kernel(inner=True)
def learn_class(tracks: Tracks, i: int, odds: float, radars: F2, q: int) -> bool:
    """Add an echo of radar q to the class of track i; return whether its extent learnt the class just now.

    One echo says little: its strength fluctuates, and some scans long alike. A terminal's vehicle has its size
    from the registry.
    """
    floats, X, P = tracks.floats, tracks.states.X, tracks.states.P
    before = floats[i, at.ECHO_ODDS]
    if abs(before) >= DECIDED or X[i, at.BOUND] != 0.0:
        return False
    now = before + odds / ECHOES_ALIKE
    floats[i, at.ECHO_ODDS] = now
    if abs(now) < DECIDING:
        return False
    floats[i, at.ECHO_ODDS] = math.copysign(DECIDED, now)
    length, sigma = (LORRY_M, LORRY_SIGMA_M) if now > 0.0 else (CAR_M, CAR_SIGMA_M)
    mean, prior = extent_prior(length, sigma * sigma, radars[q, at.R_SHARE], radars[q, at.R_SHARE_VAR])
    over_s = 1.0 / (P[i, at.EXTENT, at.EXTENT] + prior * prior)
    z = mean - X[i, at.EXTENT]
    for a in range(at.N_RADAR):  # P[:, EXTENT] is changed last
        if a != at.EXTENT:
            g = P[i, a, at.EXTENT] * over_s
            X[i, a] += g * z
            for b in range(at.N_RADAR):
                if b != at.EXTENT:
                    P[i, a, b] -= g * P[i, b, at.EXTENT]
    keep = 1.0 - P[i, at.EXTENT, at.EXTENT] * over_s
    X[i, at.EXTENT] += (1.0 - keep) * z
    for a in range(at.N_RADAR):
        P[i, a, at.EXTENT] *= keep
        if a != at.EXTENT:
            P[i, at.EXTENT, a] = P[i, a, at.EXTENT]
    return True


def share_of(radars: F64, q: int) -> tuple[float, float]:
    """Return mean and variance of the share of radar q; below 0: of all radars alike."""
    if q >= 0:
        return float(radars[q, at.R_SHARE]), float(radars[q, at.R_SHARE_VAR])
    mean = float(radars[:, at.R_SHARE].mean())
    return mean, float(radars[:, at.R_SHARE_VAR].mean() + radars[:, at.R_SHARE].var())


def learn_shares(tracks: Tracks, radars: F64, rows: I64, length_m: F64) -> None:
    """Learn each radar's share from identified vehicles that it alone measured; each vehicle tells once.

    rows : confirmed tracks with a terminal;  length_m : their registered lengths, NaN unknown
    The other radars learn from it as well, less.
    Until another radar sees the vehicle from its other side its extent comes from the fixes. What the share
    itself told of the extent is taken off again, so that it does not confirm itself.
    """
    ints, X, P = tracks.ints, tracks.states.X, tracks.states.P
    told = P[rows, at.EXTENT, at.EXTENT] < (TELLS_SHARE * length_m) ** 2  # NaN does not
    for i, length in zip(rows[told].tolist(), length_m[told].tolist(), strict=True):
        q = int(ints[i, at.RADAR])
        if q < 0:
            continue
        share, var = share_of(radars, q)
        own, own_var = X[i, at.EXTENT] / length, P[i, at.EXTENT, at.EXTENT] / length**2
        news = 1.0 / own_var - 1.0 / (var + SHARE_FLOOR**2)
        ints[i, at.RADAR] = SEVERAL
        if news <= 0.0:
            continue
        fresh = min(max((own / own_var - share / (var + SHARE_FLOOR**2)) / news, 0.0), SHARE_MAX)
        error = np.full(len(radars), SHARE_FLOOR**2 + 1.0 / news + KIND_SIGMA**2)
        error[q] -= KIND_SIGMA**2
        gain = radars[:, at.R_SHARE_VAR] / (radars[:, at.R_SHARE_VAR] + error)
        radars[:, at.R_SHARE] += gain * (fresh - radars[:, at.R_SHARE])
        radars[:, at.R_SHARE_VAR] *= 1.0 - gain
        np.maximum(radars[:, at.R_SHARE_VAR], SHARE_SIGMA_MIN**2, out=radars[:, at.R_SHARE_VAR])


def note_registered(M: F64, radars: F64, size_m: F64) -> None:
    """Write the extents of the fixes' vehicles as the registry tells them, and what they wander.

    size_m : (n, 2) length and width, NaN unknown
    """
    share, var = share_of(radars, SEVERAL)
    length, width = size_m.T
    sigma = length * math.sqrt(var + SHARE_FLOOR**2)
    unknown = np.isnan(length)
    M[:, at.Z_EXTENT] = np.where(unknown, UNKNOWN_EXTENT_M, share * length)
    M[:, at.Z_EXTENT_SIGMA] = np.where(unknown, UNKNOWN_EXTENT_SIGMA_M, sigma)
    of_width = WANDER_SHARE * math.sqrt(float(radars[0, at.R_WANDER]))
    M[:, at.Z_WANDER_SIGMA] = of_width * np.where(np.isnan(width), LORRY_WIDTH_M, width)


def learn_wander(states: States, radars: F64, rows: I64) -> None:
    """Learn the wander's variance of this RSU's radars from tracks that radar and fixes measure now, each second.

    The fixes show how a vehicle moves across the road; what radar sees beside that is wander. Of a variance v
    that is assumed, the filter's estimate w with variance p should have w^2 = v - p = K v on average; it
    grows by K^2 with v (K = 1 - p / v), from which follows v for this track, with weight K^2.
    """
    X, P = states.X, states.P
    v = X[rows, at.WANDER_SIGMA] ** 2
    rows, v = rows[v > 0.0], v[v > 0.0]
    gain = np.maximum(1.0 - P[rows, at.WANDER, at.WANDER] / v, 0.0)
    told = gain > WANDER_GAIN_MIN
    if not told.any():
        return
    rows, v, gain = rows[told], v[told], gain[told]
    weight, old, n = gain**2, float(radars[0, at.R_WANDER]), float(radars[0, at.R_WANDER_N])
    more = np.minimum(X[rows, at.WANDER] ** 2 / v, WANDER_SIGMAS_MAX**2) - gain
    scale = old + float(more.sum()) * old / (n + float(weight.sum()))
    radars[:, at.R_WANDER] = min(max(scale, WANDER_MIN), WANDER_MAX)
    radars[:, at.R_WANDER_N] = min(n + float(weight.sum()), WANDER_N_MAX)
