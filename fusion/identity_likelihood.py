"""Which radar track is which terminal's vehicle: the likelihood of each near pair, added up over time.

For a pair, the difference fix - track is, if they are one vehicle, the terminal's lasting error (Gauss-Markov
around nought) plus noise: a small Kalman filter per axis predicts it, so that an error that merely lasts is
no new evidence. Or else it is off by far more than stated, and stays so (multipath, a wrong lever arm).
It is set against two other stories: a vehicle that keeps its place beside the terminal's (platoon,
neighbouring lane), and one that moves on its own. Both need the own vehicle to have no radar track where
radar sees this one, and the longer that would have lasted, the less likely it is.
"""

import math

from core.arrays import F1, F2, F3, I1, I2, I3
from core.kernel import kernel
from fusion.heading import heading_of
from fusion.layout import (
    BIAS_SIGMA,
    CONFIRMED,
    RADAR_NS,
    RADAR_TIMEOUT_NS,
    ROW,
    S_SPEED,
    SERIAL,
    STATUS,
    TERMINAL,
    V_EAST,
    V_NORTH,
    Z2,
    Z3,
    Z4,
    Z5,
    Z6,
)
from fusion.measure import QUANTUM_M, WHITE_SHARE, centre_of
from fusion.radar_update import T_HIGH
from fusion.rewind import state_at

NEAR_M = 60.0  # further apart they are never weighed
VEHICLES_PER_M2 = 1.0 / (30.0 * 3.75)  # how densely other vehicles may stand about
P_BESIDE, P_APART = 0.002, 0.01  # own vehicle unseen, and the other keeps its place beside it, or does not
BESIDE_ALONG_M, BESIDE_ACROSS_M = 8.0, 2.75  # nearer to the own vehicle's centre no other one's can be
FOUND_S = 2.0  # radar finds a vehicle in its field within about this long,
P_NEVER = 0.01  # but of those that it has not this share stays hidden
P_WIDE, WIDE = 0.1, 2.5  # so often an error stays at what a sigma so many times the stated one would give
P_OVERLAP_MIN = 1e-3  # sizes are not known that well
RELATIVE_MPS = 3.0  # 1 sigma of speed between vehicles that have nothing to do with each other
CEILING = 20.0  # evidence is not hoarded beyond this, so that a change still shows
# Integers of a pair
P_SLOT, P_SERIAL, P_N, P_NS, P_SINCE, N_PAIR_INT = 0, 1, 2, 3, 4, 5
# Numbers of a pair: log likelihoods of the three stories; of "one vehicle" with a wide error against
# "beside", with which it moves alike, once for all; of the own vehicle having been unseen so long; per axis
# (along, across) mean and variance of the error under "one vehicle" and of the offset under "beside"; last
# difference east, north
L_ONE, L_BESIDE, L_APART, L_WIDE, L_UNSEEN, ONE, BESIDE, LAST, N_PAIR = 0, 1, 2, 3, 4, 5, 9, 13, 15


@kernel(inner=True)
def _log_normal(z: float, var: float) -> float:
    return -0.5 * (z * z / var + math.log(2.0 * math.pi * var))


@kernel(inner=True)
def _within(mean: float, sigma: float, half: float) -> float:
    """Return the probability that a normal number lies within +-half."""
    scale = sigma * math.sqrt(2.0)
    return 0.5 * (math.erf((half - mean) / scale) + math.erf((half + mean) / scale))


@kernel(inner=True)
def _log_sum(a: float, b: float) -> float:
    """Return the logarithm of exp(a) + exp(b)."""
    top = max(a, b)
    return top + math.log(math.exp(a - top) + math.exp(b - top))


@kernel
def odds(pairs: F3, w: int, k: int) -> float:
    """Return the log odds of pair k of terminal w being one vehicle, rivals aside."""
    wide = pairs[w, k, L_BESIDE] + pairs[w, k, L_WIDE]
    one = _log_sum(math.log(1.0 - P_WIDE) + pairs[w, k, L_ONE], math.log(P_WIDE) + wide)
    beside, apart = math.log(P_BESIDE) + pairs[w, k, L_BESIDE], math.log(P_APART) + pairs[w, k, L_APART]
    return float(one - pairs[w, k, L_UNSEEN] - _log_sum(beside, apart))


@kernel(inner=True)
def _place(pair_ints: I3, pairs: F3, w: int, i: int, serial: int, ints: I2) -> int:
    """Return the pair's place: its own, else one whose track is gone, else that of the least likely."""
    worst, least = 0, 1e30
    for k in range(pair_ints.shape[1]):
        if pair_ints[w, k, P_SLOT] == i and pair_ints[w, k, P_SERIAL] == serial:
            return k
    for k in range(pair_ints.shape[1]):
        at = pair_ints[w, k, P_SLOT]
        gone = pair_ints[w, k, P_N] == 0 or ints[at, SERIAL] != pair_ints[w, k, P_SERIAL]
        value = -1e30 if gone or ints[at, STATUS] != CONFIRMED else odds(pairs, w, k)
        if value < least:
            worst, least = k, value
    pair_ints[w, worst, P_SLOT], pair_ints[w, worst, P_SERIAL], pair_ints[w, worst, P_N] = i, serial, 0
    return worst


@kernel(inner=True)
def _axis(
    pairs: F3, w: int, k: int, at: int, z: float, r: float, prior: float, keep: float, story: int
) -> None:
    """Advance one axis' error filter of one story and add the likelihood of difference z, variance r, to it.

    at : place of its mean and variance;  prior : stationary variance;  keep : share of the error left;
    story : place of its likelihood; beside, the error stays about its offset, else it goes back to nought
    """
    mean, var = pairs[w, k, at], pairs[w, k, at + 1]
    if story != L_BESIDE:
        mean *= keep
        var *= keep * keep
    var += (1.0 - keep * keep) * prior
    s = var + r
    pairs[w, k, story] += _log_normal(z - mean, s)
    pairs[w, k, at] = mean + var / s * (z - mean)
    pairs[w, k, at + 1] = var * r / s


@kernel(inner=True)
def _add(
    X: F2, P: F3, pair_ints: I3, pairs: F3, w: int, k: int, learnt_by: int, t_ns: int, M: F2, m: int,
    tuning: F1, WX: F2, WP: F3, d_east: float, d_north: float, r_lever: float,
) -> None:  # fmt: skip
    """Add one difference (fix's centre - track, at the same time) to pair k.

    learnt_by : row of a track that learnt the terminal's error from radar before, -1 none
    """
    speed = math.sqrt(WX[0, V_EAST] ** 2 + WX[0, V_NORTH] ** 2)
    heading = heading_of(WX, WP, 0)
    heading = M[m, Z3] if math.isnan(heading) else heading
    c, s = (1.0, 0.0) if math.isnan(heading) else (math.cos(heading), math.sin(heading))
    fresh = pair_ints[w, k, P_N] == 0
    dt_s = max(0.0, (t_ns - pair_ints[w, k, P_NS]) * 1e-9)
    keep = math.exp(-dt_s / M[m, Z5])
    r_white = (WHITE_SHARE * M[m, Z4]) ** 2 + QUANTUM_M**2 + r_lever
    log_place = math.log(VEHICLES_PER_M2)
    if fresh:
        alike = alone = 0.0
        if not math.isnan(M[m, Z2]):
            var = tuning[S_SPEED] ** 2 + c * c * WP[0, 2, 2] + 2.0 * s * c * WP[0, 2, 3] + s * s * WP[0, 3, 3]
            alike = _log_normal(M[m, Z2] - speed, var)
            alone = _log_normal(M[m, Z2] - speed, var + RELATIVE_MPS**2)
        pairs[w, k, L_ONE], pairs[w, k, L_WIDE] = alike, -log_place
        pairs[w, k, L_BESIDE], pairs[w, k, L_APART] = log_place + alike, log_place + alone
        pair_ints[w, k, P_SINCE] = t_ns
    overlap = 1.0  # probability that "beside" would put two vehicles into one place
    for axis in range(2):
        if axis == 1:
            c, s = -s, c
        z = c * d_east + s * d_north
        r = r_white + c * c * WP[0, 0, 0] + 2.0 * s * c * WP[0, 0, 1] + s * s * WP[0, 1, 1]
        by_stamp = (speed * M[m, Z6]) ** 2 if axis == 0 else 0.0
        prior = M[m, Z4] ** 2 + by_stamp
        one, beside = ONE + 2 * axis, BESIDE + 2 * axis
        if fresh:
            pairs[w, k, one], pairs[w, k, one + 1] = 0.0, prior
            wide = (WIDE * M[m, Z4]) ** 2 + by_stamp
            if learnt_by >= 0:
                i = learnt_by
                pairs[w, k, one] = c * X[i, 5] + s * X[i, 6]
                var = c * c * P[i, 5, 5] + 2.0 * s * c * P[i, 5, 6] + s * s * P[i, 6, 6]
                pairs[w, k, one + 1] = min(var, prior)
                wide = min(var, wide)
            half = BESIDE_ALONG_M if axis == 0 else BESIDE_ACROSS_M
            overlap *= _within(z - pairs[w, k, one], math.sqrt(pairs[w, k, one + 1] + r), half)
            pairs[w, k, L_WIDE] += _log_normal(z - pairs[w, k, one], wide + r)
            pairs[w, k, beside], pairs[w, k, beside + 1] = z, r
            _axis(pairs, w, k, one, z, r, prior, 1.0, L_ONE)
        else:
            _axis(pairs, w, k, one, z, r, prior, keep, L_ONE)
            _axis(pairs, w, k, beside, z, r, prior, keep, L_BESIDE)
            apart = 2.0 * r + (RELATIVE_MPS * dt_s) ** 2
            moved = z - c * pairs[w, k, LAST] - s * pairs[w, k, LAST + 1]
            pairs[w, k, L_APART] += _log_normal(moved, apart)
    if fresh:
        fits = math.log(max(1.0 - overlap, P_OVERLAP_MIN))
        pairs[w, k, L_BESIDE] += fits
        pairs[w, k, L_WIDE] -= fits
    unseen = math.exp(-max(0.0, (t_ns - pair_ints[w, k, P_SINCE]) * 1e-9) / FOUND_S)
    pairs[w, k, L_UNSEEN] = math.log(P_NEVER + (1.0 - P_NEVER) * unseen)
    pairs[w, k, LAST], pairs[w, k, LAST + 1] = d_east, d_north
    over = odds(pairs, w, k) - CEILING
    if over > 0.0:
        pairs[w, k, L_ONE] -= over
        pairs[w, k, L_WIDE] -= over
    pair_ints[w, k, P_N] += 1
    pair_ints[w, k, P_NS] = max(t_ns, pair_ints[w, k, P_NS])


@kernel
def weigh(
    X: F2, P: F3, ints: I2, stamps: I2, states: F3, tally: I1, terminals: I2, pair_ints: I3,
    pairs: F3, w: int, t_ns: int, M: F2, m: int, tuning: F1, WX: F2, WP: F3,
) -> None:  # fmt: skip
    """Add the evidence of the fix in row m of M to each pair of terminal w with a radar track near it."""
    own = terminals[w, ROW]
    learnt_by = own if ints[own, RADAR_NS] > 0 and X[own, BIAS_SIGMA] > 0.0 else -1
    for i in range(tally[T_HIGH]):
        if ints[i, STATUS] != CONFIRMED or (ints[i, TERMINAL] >= 0 and i != own):
            continue
        if ints[i, RADAR_NS] == 0 or abs(t_ns - ints[i, RADAR_NS]) > tuning[RADAR_TIMEOUT_NS]:
            continue
        if abs(X[i, 0] - M[m, 2]) > 2.0 * NEAR_M or abs(X[i, 1] - M[m, 3]) > 2.0 * NEAR_M:
            continue
        if not state_at(X, P, i, ints, stamps, states, t_ns, WX, WP, 0, tuning):
            continue
        east, north, r_lever = centre_of(M, m, heading_of(WX, WP, 0))
        if math.sqrt((east - WX[0, 0]) ** 2 + (north - WX[0, 1]) ** 2) > NEAR_M:
            continue
        k = _place(pair_ints, pairs, w, i, ints[i, SERIAL], ints)
        _add(
            X, P, pair_ints, pairs, w, k, learnt_by, t_ns, M, m, tuning, WX, WP,
            east - WX[0, 0], north - WX[0, 1], r_lever,
        )  # fmt: skip


@kernel
def decide(
    ints: I2, terminals: I2, n_terminals: int, pair_ints: I3, pairs: F3, w: int, t_ns: int, tuning: F1,
    accept: float,
) -> tuple[float, float, float, float]:  # fmt: skip
    """Weigh terminal w's pairs against each other, and against other terminals' claims on the same track.

    accept : log odds that a binding needs.  Returns (row to bind or -1, its pair, its probability, own
    track's log odds; NaN where the own track has no radar).
    """
    own = terminals[w, ROW]
    own_odds, best, best_odds, total = math.nan, -1, -1e30, 1.0
    for k in range(pair_ints.shape[1]):
        i = pair_ints[w, k, P_SLOT]
        if pair_ints[w, k, P_N] == 0 or ints[i, SERIAL] != pair_ints[w, k, P_SERIAL]:
            continue
        if ints[i, STATUS] != CONFIRMED or abs(t_ns - ints[i, RADAR_NS]) > tuning[RADAR_TIMEOUT_NS]:
            continue
        mine = odds(pairs, w, k)
        if i == own:
            own_odds = mine
        elif ints[i, TERMINAL] >= 0:
            continue
        elif mine > best_odds:
            best, best_odds = k, mine
        total += math.exp(min(mine, 500.0))
    if best < 0:
        return -1.0, -1.0, math.nan if math.isnan(own_odds) else math.exp(own_odds) / total, own_odds
    p = math.exp(min(best_odds, 500.0)) / total
    if p < 1.0 / (1.0 + math.exp(-accept)) or pair_ints[w, best, P_N] < 2:
        return -1.0, -1.0, p if math.isnan(own_odds) else math.exp(own_odds) / total, own_odds
    i = pair_ints[w, best, P_SLOT]
    for other in range(n_terminals):
        at = terminals[other, ROW]
        if other == w or at < 0 or abs(t_ns - ints[at, RADAR_NS]) <= tuning[RADAR_TIMEOUT_NS]:
            continue  # it has its vehicle
        for k in range(pair_ints.shape[1]):
            claims = pair_ints[other, k, P_SLOT] == i and pair_ints[other, k, P_SERIAL] == ints[i, SERIAL]
            if claims and pair_ints[other, k, P_N] > 0 and odds(pairs, other, k) > best_odds - accept:
                return -1.0, -1.0, p, own_odds
    return float(i), float(best), p, own_odds
