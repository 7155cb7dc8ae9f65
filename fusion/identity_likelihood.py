"""Identity likelihood: which radar track is the vehicle of a terminal? Evidence adds up for each near pair.

Hypothesis "one vehicle": the difference fix - track is the terminal's lasting error (Gauss-Markov)
plus noise. A small Kalman filter per axis predicts it, so that an error that merely lasts is no new evidence.
A part of the likelihood allows an error far larger than stated that stays (multipath, a wrong lever arm).
Two rival hypotheses: "beside", another vehicle that keeps its place beside the terminal's (platoon, lane),
and "apart", one that moves independently. Both require that radar misses the terminal's own vehicle while it
sees this one; the longer that lasts, the less likely it is.
"""

import math

from core.arrays import F1, F2, F3, I1
from core.kernel import kernel
from fusion import layout as at
from fusion.births import VEHICLES_PER_M2
from fusion.config import QUANTUM_M, WHITE_SHARE
from fusion.heading import heading_of
from fusion.identity_extent import follow_extent, take_as
from fusion.layout import Rings, Settings, States, Terminals, Tracks
from fusion.models import centre_of
from fusion.rewind import state_at
from fusion.shadows import BESIDE_ACROSS_M, BESIDE_ALONG_M
from fusion.sigma_scale import ODD_SIGMAS, P_ODD
from fusion.visibility import is_followed, is_in_sight

WEIGHED_M_MAX = 60.0  # a pair further apart is not weighed
# Priors: radar misses the own vehicle, and another one keeps its place beside it, or moves independently
P_BESIDE, P_APART = 0.002, 0.01
ERRORS_LAST_S = 0.5  # radar's errors and the white ones of fixes: a fix so much later is all new evidence,
NEWS_NS_MIN = 20_000_000  # a sooner one in proportion; one a scan later or late is none
FOUND_S = 2.0  # radar detects a vehicle in its field of view within about this long,
P_NEVER = 0.01  # but misses this share of them for ever
HIDDEN_ODDS = 20.0  # of one that is out of its sight it has no track: 20 times likelier than else
NEW_SHARE = (
    2.0 * WHITE_SHARE
)  # of a sigma that is new in each fix: receivers that state half of it are common
P_WIDE, WIDE = 0.1, 2.5  # probability of an error with a sigma so many times the stated one
P_OVERLAP_MIN = 1e-3  # sizes are not known that well
FIX_COURSE_MPS_MIN = 2.0  # the course of a slower vehicle is noise
RELATIVE_MPS = 3.0  # 1 sigma of the relative speed of vehicles that move independently
E, N, VE, VN = at.EAST, at.NORTH, at.V_EAST, at.V_NORTH
BE, BN, EX = at.BIAS_EAST, at.BIAS_NORTH, at.EXTENT
# A fix with multipath, ten times off what its receiver states, is no evidence of identity
LOG_USUAL, LOG_ODD = math.log(1.0 - P_ODD), math.log(P_ODD)
CEILING = 20.0  # the log odds are capped, so that contrary evidence takes effect soon


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
    """Return the log odds that pair k of terminal w is one vehicle, regardless of other pairs."""
    pair = pairs[w, k]
    one = _log_sum(
        math.log(1.0 - P_WIDE) + pair[at.L_ONE], math.log(P_WIDE) + (pair[at.L_BESIDE] + pair[at.L_WIDE])
    )
    beside, apart = math.log(P_BESIDE) + pair[at.L_BESIDE], math.log(P_APART) + pair[at.L_APART]
    return float(one - pair[at.L_UNSEEN] - _log_sum(beside, apart))


@kernel(inner=True)
def may_be_named(tracks: Tracks, i: int) -> bool:
    """Return whether track i may be a terminal's vehicle: it is confirmed, or shown as likely one.

    The first reports count: whoever waited for the confirmation would begin his evidence one report later.
    But a single detection, of which nobody knows where it drives, bears no name.
    """
    status = tracks.ints[i, at.STATUS]
    is_shown = status == at.TENTATIVE and tracks.ints[i, at.SHOWN_NS] > 0
    return bool(status == at.CONFIRMED or (is_shown and tracks.floats[i, at.LLR] > 0.0))


@kernel(inner=True)
def _place(terminals: Terminals, w: int, i: int, tracks: Tracks) -> int:
    """Return the place of terminal w's pair with track i: its own, a free one, or that of the worst pair."""
    ints, pair_ints, serial = tracks.ints, terminals.pair_ints, tracks.ints[i, at.SERIAL]
    worst, least = 0, 1e30
    for k in range(pair_ints.shape[1]):
        if pair_ints[w, k, at.P_SLOT] == i and pair_ints[w, k, at.P_SERIAL] == serial:
            return k
    for k in range(pair_ints.shape[1]):
        other = pair_ints[w, k, at.P_SLOT]
        gone = pair_ints[w, k, at.P_N] == 0 or ints[other, at.SERIAL] != pair_ints[w, k, at.P_SERIAL]
        value = -1e30 if gone or not may_be_named(tracks, other) else odds(terminals.pairs, w, k)
        if value < least:
            worst, least = k, value
    pair = pair_ints[w, worst]
    pair[at.P_SLOT], pair[at.P_SERIAL], pair[at.P_N] = i, serial, 0
    return worst


@kernel(inner=True)
def _predicted(pair: F1, place: int, prior: float, keep: float, decay: float) -> tuple[float, float]:
    """Return mean and variance of one axis' error under one hypothesis at the next fix.

    place : of its filter;  prior : stationary variance;  keep : share of the error that remains
    decay : the same of its mean: `keep`, or 1 where the error stays at its offset (beside)
    """
    return decay * pair[place], decay * decay * pair[place + 1] + (1.0 - keep * keep) * prior


@kernel(inner=True)
def _correct(pair: F1, place: int, mean: float, var: float, z: float, r: float) -> None:
    """Store one axis' error filter, predicted to mean and var, after difference z of variance r."""
    pair[place] = mean + var / (var + r) * (z - mean)
    pair[place + 1] = var * r / (var + r)


@kernel(inner=True)
def _is_odd(usual: float, odd: float) -> bool:
    """Return whether a fix is more likely an outlier than not; usual, odd : its log likelihoods as either."""
    return bool(LOG_ODD + odd > LOG_USUAL + usual)


@kernel(inner=True)
def _mixed(usual: float, odd: float) -> float:
    """Return the log likelihood of a fix that may be an outlier."""
    return _log_sum(LOG_USUAL + usual, LOG_ODD + odd)


@kernel(inner=True)
def _along(P: F3, i: int, a: int, c: float, s: float) -> float:
    """Return the variance along (c, s) of the two dimensions from a on."""
    return float(c * c * P[i, a, a] + 2.0 * s * c * P[i, a, a + 1] + s * s * P[i, a + 1, a + 1])


@kernel(inner=True)
def _begin_pair(pair: F1, M: F2, m: int, speed: float, var_speed: float) -> None:
    """Start a pair's likelihoods with those of the speeds."""
    log_place = math.log(VEHICLES_PER_M2)
    alike = alone = 0.0
    if not math.isnan(M[m, at.Z_SPEED]):
        alike = _log_normal(M[m, at.Z_SPEED] - speed, var_speed)
        alone = _log_normal(M[m, at.Z_SPEED] - speed, var_speed + RELATIVE_MPS**2)
    pair[at.L_ONE], pair[at.L_WIDE] = alike, -log_place
    pair[at.L_BESIDE], pair[at.L_APART] = log_place + alike, log_place + alone


@kernel(inner=True)
def _difference(
    predicted: States, M: F2, m: int, offset: tuple[float, float, float, float], speed: float, axis: int
) -> tuple[float, float, float, float]:
    """Return a fix's difference to track 0 of `predicted` on one axis (0 along the heading, 1 across).

    Its value, the variances of what is new in it and of what lasts, what stamp and extent add to the latter.
    offset : as of `_add`
    """
    d_east, d_north, r_lever, heading = offset
    WP, sigma = predicted.P, M[m, at.Z_SIGMA]
    c, s = (1.0, 0.0) if math.isnan(heading) else (math.cos(heading), math.sin(heading))
    if axis == 1:
        c, s = -s, c
    r = (NEW_SHARE * sigma) ** 2 + QUANTUM_M**2 + r_lever + _along(WP, 0, E, c, s)
    by_stamp = (speed * M[m, at.Z_DELAY]) ** 2 if axis == 0 else 0.0
    # of an unknown extent the track's error lasts as the terminal's does: no fix averages it
    by_extent = (c * WP[0, E, EX] + s * WP[0, N, EX]) ** 2 / max(WP[0, EX, EX], 1e-6)
    return c * d_east + s * d_north, r - by_extent, sigma**2 + by_stamp + by_extent, by_stamp + by_extent


@kernel(inner=True)
def _begin(
    states: States, learnt_by: int, pair: F1, M: F2, m: int, predicted: States,
    offset: tuple[float, float, float, float], speed: float,
) -> None:  # fmt: skip
    """Start a pair with its first difference; arguments as of `_add`."""
    overlap = 1.0  # probability that "beside" would put two vehicles into one place
    heading, usual, odd, of_place = offset[3], 0.0, 0.0, 0.0
    c, s = (1.0, 0.0) if math.isnan(heading) else (math.cos(heading), math.sin(heading))
    for axis in range(2):
        if axis == 1:
            c, s = -s, c
        z, r, prior, by_stamp = _difference(predicted, M, m, offset, speed, axis)
        one, beside = at.ONE + 2 * axis, at.BESIDE + 2 * axis
        pair[one], pair[one + 1] = 0.0, prior
        wide = (WIDE * M[m, at.Z_SIGMA]) ** 2 + by_stamp
        if learnt_by >= 0:
            X, i = states.X, learnt_by
            var = _along(states.P, i, BE, c, s)
            pair[one], pair[one + 1] = c * X[i, BE] + s * X[i, BN], min(var, prior)
            wide = min(var, wide)
        half = BESIDE_ALONG_M if axis == 0 else BESIDE_ACROSS_M
        overlap *= _within(z - pair[one], math.sqrt(pair[one + 1] + r), half)
        of_place += _log_normal(z - pair[one], wide + r)
        pair[beside], pair[beside + 1] = z, r
        usual += _log_normal(z - pair[one], pair[one + 1] + r)
        odd += _log_normal(z - pair[one], (ODD_SIGMAS * M[m, at.Z_SIGMA]) ** 2 + r)
    pair[at.L_ONE] += _mixed(usual, odd)
    for axis in range(2):
        z, r, _, _ = _difference(predicted, M, m, offset, speed, axis)
        k = at.ONE + 2 * axis
        if not _is_odd(usual, odd):
            _correct(pair, k, pair[k], pair[k + 1], z, r)
    fits = math.log(max(1.0 - overlap, P_OVERLAP_MIN))
    pair[at.L_BESIDE] += fits
    pair[at.L_WIDE] += of_place - fits
    pair[at.WIDE_PLACE] = of_place


@kernel(inner=True)
def _start_beside(
    pair: F1, M: F2, m: int, predicted: States, offset: tuple[float, float, float, float], speed: float
) -> None:
    """Start the offset of "beside" anew, with that of a wide error: it was taken from a wild fix.

    Arguments as of `_add`.
    """
    overlap, of_place = 1.0, 0.0
    for axis in range(2):
        z, r, prior, by_stamp = _difference(predicted, M, m, offset, speed, axis)
        k, wide = at.BESIDE + 2 * axis, (WIDE * M[m, at.Z_SIGMA]) ** 2 + by_stamp + r
        of_place += _log_normal(z, wide)
        half = BESIDE_ALONG_M if axis == 0 else BESIDE_ACROSS_M
        overlap *= _within(z, math.sqrt(prior + r), half)
        pair[k], pair[k + 1] = z, r
    fits = math.log(max(1.0 - overlap, P_OVERLAP_MIN))
    pair[at.L_BESIDE] += fits
    # the first place was as likely as it was then: what was uncertain of the track may be known by now
    pair[at.L_WIDE] += of_place - fits - pair[at.WIDE_PLACE]
    pair[at.WIDE_PLACE] = of_place


@kernel(inner=True)
def _continue(
    pair: F1, M: F2, m: int, predicted: States, offset: tuple[float, float, float, float], speed: float,
    dt_s: float,
) -> bool:  # fmt: skip
    """Add a further difference to a pair, dt_s after the last one; return whether it may be no outlier.

    Arguments as of `_add`.
    """
    share, keep = min(1.0, dt_s / ERRORS_LAST_S), math.exp(-dt_s / M[m, at.Z_TAU])
    one = one_odd = beside = beside_odd = apart = apart_odd = 0.0  # log likelihoods
    heading, wild = offset[3], (ODD_SIGMAS * M[m, at.Z_SIGMA]) ** 2
    c, s = (1.0, 0.0) if math.isnan(heading) else (math.cos(heading), math.sin(heading))
    for axis in range(2):
        if axis == 1:
            c, s = -s, c
        z, r, prior, _ = _difference(predicted, M, m, offset, speed, axis)
        mean, var = _predicted(pair, at.ONE + 2 * axis, prior, keep, keep)
        one += _log_normal(z - mean, var + r)
        one_odd += _log_normal(z - mean, var + r + wild)
        mean, var = _predicted(pair, at.BESIDE + 2 * axis, prior, keep, 1.0)
        beside += _log_normal(z - mean, var + r)
        beside_odd += _log_normal(z - mean, var + r + wild)
        moved, var = z - c * pair[at.LAST] - s * pair[at.LAST + 1], 2.0 * r + (RELATIVE_MPS * dt_s) ** 2
        apart += _log_normal(moved, var)
        apart_odd += _log_normal(moved, var + wild)
    pair[at.LAST], pair[at.LAST + 1] = offset[0], offset[1]
    pair[at.L_ONE] += share * _mixed(one, one_odd)
    pair[at.L_BESIDE] += share * _mixed(beside, beside_odd)
    pair[at.L_APART] += share * _mixed(apart, apart_odd)
    is_odd, is_odd_beside = _is_odd(one, one_odd), _is_odd(beside, beside_odd)
    is_wild = is_odd and is_odd_beside and _is_odd(apart, apart_odd)  # whosever it is
    if is_odd_beside and not is_wild:
        _start_beside(pair, M, m, predicted, offset, speed)
    for axis in range(2):
        z, r, prior, _ = _difference(predicted, M, m, offset, speed, axis)
        k, j = at.ONE + 2 * axis, at.BESIDE + 2 * axis
        mean, var = _predicted(pair, k, prior, keep, keep)
        if is_odd:
            pair[k], pair[k + 1] = mean, var
        else:
            _correct(pair, k, mean, var, z, r / share)
        mean, var = _predicted(pair, j, prior, keep, 1.0)
        if is_wild:
            pair[j], pair[j + 1] = mean, var
        elif not is_odd_beside:
            _correct(pair, j, mean, var, z, r / share)
    return not is_wild


@kernel(inner=True)
def _add(
    states: States, learnt_by: int, pair: F1, pair_ints: I1, t_ns: int, M: F2, m: int, tuning: F1,
    predicted: States, offset: tuple[float, float, float, float],
) -> None:  # fmt: skip
    """Add one difference (fix's centre - track, at the same time) to a pair.

    learnt_by : row of a track that learnt the terminal's error from radar before, -1 none
    predicted : row 0 is the track
    offset : the difference east and north, the lever arm's variance, and the heading
    """
    WX, WP, heading, shows = predicted.X, predicted.P, offset[3], True
    if pair_ints[at.P_N] > 0 and t_ns - pair_ints[at.P_NS] < NEWS_NS_MIN:
        return
    speed = math.sqrt(WX[0, VE] ** 2 + WX[0, VN] ** 2)
    if pair_ints[at.P_N] == 0:
        along, course = speed, M[m, at.Z_HEADING] if M[m, at.Z_SPEED] > FIX_COURSE_MPS_MIN else math.nan
        c, s = (1.0, 0.0) if math.isnan(heading) else (math.cos(heading), math.sin(heading))
        if not math.isnan(course):
            # a new track's velocity across the beam is a guess, and part of its speed; oncoming is negative
            c, s = math.cos(course), math.sin(course)
            along = c * WX[0, VE] + s * WX[0, VN]
        _begin_pair(pair, M, m, along, tuning[at.S_SPEED] ** 2 + _along(WP, 0, VE, c, s))
        pair[at.EXTENT_TAKEN] = WX[0, EX]
        pair_ints[at.P_SINCE] = t_ns
        _begin(states, learnt_by, pair, M, m, predicted, offset, speed)
        pair[at.LAST], pair[at.LAST + 1] = offset[0], offset[1]
    else:
        dt_s = max(0.0, (t_ns - pair_ints[at.P_NS]) * 1e-9)
        if WX[0, at.BOUND] == 0.0:
            follow_extent(pair, predicted, 0, heading)
        shows = _continue(pair, M, m, predicted, offset, speed, dt_s)
    unseen = math.exp(-max(0.0, (t_ns - pair_ints[at.P_SINCE]) * 1e-9) / FOUND_S)
    pair[at.L_UNSEEN] = math.log(P_NEVER + (1.0 - P_NEVER) * unseen)
    pair_ints[at.P_N] += shows
    pair_ints[at.P_NS] = max(t_ns, pair_ints[at.P_NS])


@kernel(inner=True)
def _heading(predicted: States, M: F2, m: int) -> float:
    """Return the heading of the vehicle if it is track 0 of `predicted`; NaN unknown.

    The course of the fix is good from the first: a new track's velocity across the beam is a guess, and
    a wrong heading moves a lorry's centre by metres. But the course of one that backs is not its heading.
    """
    heading, course = heading_of(predicted, 0), M[m, at.Z_HEADING]
    if math.isnan(course) or not M[m, at.Z_SPEED] > FIX_COURSE_MPS_MIN:
        return heading
    return heading if math.cos(course - heading) < 0.0 else course  # NaN is not


@kernel
def out_of_sight(pair_ints: I1, t_ns: int, is_known: bool) -> float:
    """Return the log odds that a vehicle which radar can't miss now gives to another one.

    is_known : since radar follows it; else it is out of sight, which explains that it has no track only as
    far as radar did not look for it before: who was in sight for seconds, then in a shadow, was missed.
    """
    looked_s = max(0.0, (t_ns - pair_ints[at.P_SINCE]) * 1e-9)
    share = 1.0 if is_known else math.exp(-looked_s / FOUND_S)
    return math.log(1.0 + (HIDDEN_ODDS - 1.0) * share)


@kernel
def weigh(
    tracks: Tracks, rings: Rings, terminals: Terminals, w: int, t_ns: int, M: F2, m: int, settings: Settings,
    predicted: States,
) -> None:  # fmt: skip
    """Add the evidence of the fix in row m of M to each pair of terminal w with a radar track near it.

    predicted : scratch
    """
    ints, X, WX, tuning = tracks.ints, tracks.states.X, predicted.X, settings.tuning
    own = terminals.ints[w, at.ROW]
    learnt_by = own if ints[own, at.RADAR_NS] > 0 and X[own, at.BOUND] != 0.0 else -1
    z_east, z_north = M[m, at.Z_EAST], M[m, at.Z_NORTH]
    # radar can only miss a vehicle that is in its sight, and of which it has no track
    is_known = is_followed(ints, own, t_ns, tuning[at.RADAR_TIMEOUT_NS])
    is_missed = not is_known and is_in_sight(tracks, t_ns, settings.radars, z_east, z_north)
    for i in range(tracks.tally[at.T_HIGH]):
        if not may_be_named(tracks, i) or (ints[i, at.TERMINAL] >= 0 and i != own):
            continue
        if ints[i, at.RADAR_NS] == 0 or abs(t_ns - ints[i, at.RADAR_NS]) > tuning[at.RADAR_TIMEOUT_NS]:
            continue
        if abs(X[i, E] - z_east) > 2.0 * WEIGHED_M_MAX or abs(X[i, N] - z_north) > 2.0 * WEIGHED_M_MAX:
            continue
        if not state_at(tracks, rings, i, t_ns, predicted, 0, tuning):
            continue
        take_as(predicted, M, m)
        heading = _heading(predicted, M, m)
        east, north, r_lever = centre_of(M, m, heading)
        d_east, d_north = east - WX[0, E], north - WX[0, N]
        if math.sqrt(d_east**2 + d_north**2) > WEIGHED_M_MAX:
            continue
        k = _place(terminals, w, i, tracks)
        pair, pair_ints = terminals.pairs[w, k], terminals.pair_ints[w, k]
        if not is_missed and pair_ints[at.P_N] > 0:
            pair_ints[at.P_SINCE] += max(0, t_ns - pair_ints[at.P_NS])
        _add(
            tracks.states, learnt_by, pair, pair_ints, t_ns, M, m, tuning, predicted,
            (d_east, d_north, r_lever, heading),
        )  # fmt: skip
        if not is_missed and i != own:
            pair[at.L_UNSEEN] += out_of_sight(pair_ints, t_ns, is_known)
        over = odds(terminals.pairs, w, k) - CEILING
        if over > 0.0:
            pair[at.L_ONE] -= over
            pair[at.L_WIDE] -= over
