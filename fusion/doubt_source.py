"""Whether a terminal's fixes can be believed, judged by the radar's track of its own vehicle.

Three faults have names: *dragged* (the place slides away from the vehicle, or lies far from it), *frozen*
(one place again and again while the vehicle drives), *overconfident* (errors far beyond what the terminal
states). None of them is the driver's.
"""

import math
from typing import NamedTuple

from core.arrays import B1, F1, F2, I1, I2
from core.kernel import kernel
from fusion import doubt_table as col
from fusion import layout as at
from fusion.doubt_jam import is_in_jam, is_noisy, noise_scale, note_noise
from fusion.doubt_slide import SLID_M, weigh_slide
from fusion.doubt_steps import LOOKS_LEAST, SQUARE_MAX, note_step, step_scale2
from fusion.doubt_table import Doubts
from fusion.heading import axis_of
from fusion.layout import Terminals, Tracks
from fusion.radar_pose import pose_spread
from fusion.sigma_scale import fleet_scale2

EVERY_NS = 1_000_000_000  # errors of fixes that are nearer in time are much the same
FRESH_NS, ALIGN_S = 300_000_000, 0.5  # radar saw the vehicle so lately; its state may be moved so far
FOLLOW_NS = 30_000_000_000  # a terminal that was let go is compared with its vehicle for so long
# Mean errors over two times. Of an error with a lasting part (Gauss-Markov, any tau) their difference has a
# standard deviation of at most 0.55 of the error's own; of one that slides at v it grows to (20 s - 3 s) v
FAST_S, SLOW_S, DIFFERENCE_SHARE = 3.0, 20.0, 0.55
LOOK_SHARE_MAX = 0.5  # a look after a gap stands for the gap, but one wild fix alone is no mean
AGE_S_MIN = 10.0  # of both means, before they are compared
# Squared distances of two dimensions: exp(-15) by chance in each 20 s; cleared within 2 sigma
DRAGGED_CHI2, FAR_CHI2, CLEAR_CHI2 = 30.0, 36.0, 4.0
WAIT_NS = 3_000_000_000
STILL_CHI2 = 9.21  # of a steady slide: 1 in 100 by chance
# Before the fleet's terminals have shown better, the error that is stated may be half the true one; what the
# fleet says counts as one independent look: a terminal that is worse than the others must show it soon
SCALE2_BEFORE, LOOKS_BEFORE = 4.0, 1.0
LOOKS_MAX = 40.0  # then half is forgotten: twenty minutes
# One in a million; stated at less than 0.58 of the true sigma
OVER_Z, OVER_RATIO, HONEST_RATIO = 4.75, 3.0, 1.5
JUMP_SIGMAS = 4.0
UNKNOWN_LENGTH_M = 12.0  # of a truck
# How far radar may see its end elsewhere than the track has learnt: tanks, bumpers and axles reflect in turn
EXTENT_SIGMAS, END_M = 2.0, 1.0
SAME_M = 0.05  # below the last digit of a position (1e-6 degrees)
FROZEN_M, FROZEN_SIGMAS = 10.0, 6.0  # the vehicle has moved this far and so many sigmas from the place
FROZEN_MPS, FROZEN_REPEATS, FROZEN_NS = 3.0, 3, 3_000_000_000  # the same by its own word alone


class Received(NamedTuple):
    """One message's fixes, as the terminals stated them."""

    M: F2  # (n, N_MEAS)
    stated_m: F1  # (n,) sigma
    terminal: I1  # rows
    stamp_ns: I1
    new: B1  # (n,) new, of a sound clock, with a position


@kernel(inner=True)
def _vehicle_of(tracks: Tracks, terminals: Terminals, doubts: Doubts, w: int, stamp_ns: int) -> int:
    """Return the row of the radar's track that terminal w is compared with, -1 if there is none now."""
    ints, own, row = tracks.ints, doubts.ints, terminals.ints[w, at.ROW]
    if row >= 0 and abs(stamp_ns - ints[row, at.RADAR_NS]) <= FRESH_NS:
        if own[w, col.VEHICLE] != row + 1 or own[w, col.VEHICLE_SERIAL] != ints[row, at.SERIAL]:
            own[w, col.VEHICLE], own[w, col.VEHICLE_SERIAL] = row + 1, ints[row, at.SERIAL]
            doubts.floats[w, col.AGE_S], own[w, col.ANCHOR_NS] = 0.0, 0
        own[w, col.BOUND_NS] = stamp_ns
        return int(row)
    row = own[w, col.VEHICLE] - 1
    if row < 0 or stamp_ns - own[w, col.BOUND_NS] > FOLLOW_NS:
        return -1
    same = ints[row, at.SERIAL] == own[w, col.VEHICLE_SERIAL] and ints[row, at.STATUS] == at.CONFIRMED
    free = ints[row, at.TERMINAL] < 0 or ints[row, at.TERMINAL] == w
    return int(row) if same and free and abs(stamp_ns - ints[row, at.RADAR_NS]) <= FRESH_NS else -1


@kernel(inner=True)
def _set(ints: I2, w: int, kind: int, holds: bool) -> None:
    ints[w, col.KINDS] = ints[w, col.KINDS] & ~kind | (kind if holds else 0)


@kernel(inner=True)
def _note_repeat(
    doubts: Doubts, w: int, stamp_ns: int, fix: F1, sigma_m: float, place: tuple[float, float]
) -> None:
    """Follow fixes of one and the same place; place : of the vehicle at the fix, NaN where radar lost it."""
    ints, floats = doubts.ints, doubts.floats
    off_m = math.hypot(fix[at.Z_EAST] - floats[w, col.ANCHOR_E], fix[at.Z_NORTH] - floats[w, col.ANCHOR_N])
    if ints[w, col.ANCHOR_NS] == 0 or off_m > SAME_M:
        ints[w, col.ANCHOR_NS], ints[w, col.REPEATS] = stamp_ns, 0
        floats[w, col.ANCHOR_E], floats[w, col.ANCHOR_N] = fix[at.Z_EAST], fix[at.Z_NORTH]
        floats[w, col.STOOD_E], floats[w, col.STOOD_N] = place
        _set(ints, w, col.FROZEN, False)
        return
    ints[w, col.REPEATS] += 1
    moved_m = math.hypot(place[0] - floats[w, col.STOOD_E], place[1] - floats[w, col.STOOD_N])
    drives = fix[at.Z_SPEED] >= FROZEN_MPS and stamp_ns - ints[w, col.ANCHOR_NS] >= FROZEN_NS
    if moved_m > FROZEN_M + FROZEN_SIGMAS * sigma_m or (drives and ints[w, col.REPEATS] >= FROZEN_REPEATS):
        _set(ints, w, col.FROZEN, True)


@kernel(inner=True)
def _mean(before: float, value: float, dt_s: float, age_s: float, tau_s: float) -> float:
    """Return the mean over the last tau_s, or over the age while it is shorter; of two looks at least."""
    return before + (value - before) * min(dt_s / min(age_s, tau_s), LOOK_SHARE_MAX)


class Error(NamedTuple):
    """One fix against the radar's track of its vehicle, and what else could explain the difference."""

    east_m: float
    north_m: float
    along: tuple[float, float]  # the course, as a unit vector
    sigma_m: float  # as stated
    tau_s: float
    place_m2: float  # variance of the track's place
    track_m2: float  # the same without what its radars' poses leave unknown, which stays
    delay_m2: float  # of the stamp, along the course
    half_m: float  # half the length: radar sees some point of the body


@kernel(inner=True)
def _scale2(doubts: Doubts, terminals: Terminals, w: int) -> float:
    """Return the terminal's variance over the stated one, at least 1; the fleet's until its own is known."""
    least = step_scale2(doubts.floats[w])
    before = min(fleet_scale2(terminals, w), SCALE2_BEFORE)
    squares, looks = doubts.floats[w, col.SQUARES] / 2.0, doubts.floats[w, col.LOOKS]
    return float(max((before * LOOKS_BEFORE + squares) / (LOOKS_BEFORE + looks), least))


@kernel(inner=True)
def _judge_error(doubts: Doubts, w: int, stamp_ns: int, error: Error, scale2: float, steady: float) -> bool:
    """Decide on a drag by the mean errors; return whether it is one, or may be.

    A jam explains what its area's places do. One that has just begun to scatter may be the first of a jam:
    the others show it within WAIT_NS.

    scale2 : of the stated variance.  steady : chi-square of the likeliest steady slide
    """
    floats, (c, s) = doubts.floats, error.along
    own = scale2 * error.sigma_m**2
    fast_e, fast_n = floats[w, col.FAST_E], floats[w, col.FAST_N]
    d_e, d_n = fast_e - floats[w, col.SLOW_E], fast_n - floats[w, col.SLOW_N]
    rest, moves = error.place_m2 + error.delay_m2, DIFFERENCE_SHARE**2 * own
    # the point of the body that is seen changes: a uniform share of the length
    slides = (c * d_e + s * d_n) ** 2 / (moves + rest + error.half_m**2 / 3.0)
    slides += (c * d_n - s * d_e) ** 2 / (moves + error.place_m2)
    far = max(abs(c * fast_e + s * fast_n) - error.half_m, 0.0) ** 2 / (own + rest)
    far += (c * fast_n - s * fast_e) ** 2 / (own + error.place_m2)
    slides = slides if math.hypot(d_e, d_n) >= SLID_M else 0.0
    # a drag leads away from the vehicle; an error that shrinks is of a track that finds its vehicle's place
    grows = math.hypot(fast_e, fast_n) > math.hypot(floats[w, col.SLOW_E], floats[w, col.SLOW_N])
    if (grows and max(slides, steady) > DRAGGED_CHI2) or (
        far > FAR_CHI2 and math.hypot(fast_e, fast_n) >= SLID_M
    ):
        fails_ns = doubts.ints[w, col.FAILS_NS]
        began = fails_ns == 0 or stamp_ns - fails_ns < WAIT_NS
        if not (is_noisy(doubts, w) and began) and not is_in_jam(doubts, w):
            _set(doubts.ints, w, col.DRAGGED, True)
        return True
    if far < CLEAR_CHI2 and steady < STILL_CHI2:
        _set(doubts.ints, w, col.DRAGGED, False)
    return bool(doubts.ints[w, col.KINDS] & col.DRAGGED)


@kernel(inner=True)
def _exceeds(squares: float, n: float, ratio_min: float) -> bool:
    """Return whether squares worth n are beyond chance: Wilson and Hilferty's (1931) normal quantile."""
    if n < LOOKS_LEAST or squares <= ratio_min * n:
        return False
    spread = 2.0 / (9.0 * n)
    return bool((squares / n) ** (1.0 / 3.0) - 1.0 + spread > OVER_Z * math.sqrt(spread))


@kernel(inner=True)
def _judge_scale(doubts: Doubts, w: int) -> None:
    """Decide whether errors, or their steps, are far beyond the stated."""
    floats = doubts.floats[w]
    n = 2.0 * floats[col.LOOKS]
    is_over = _exceeds(floats[col.SQUARES], n, OVER_RATIO)
    if is_over or _exceeds(floats[col.STEP_SQUARES], floats[col.STEP_LOOKS], OVER_RATIO):
        _set(doubts.ints, w, col.OVERCONFIDENT, True)
    elif n >= LOOKS_LEAST and floats[col.SQUARES] < HONEST_RATIO * n:
        _set(doubts.ints, w, col.OVERCONFIDENT, False)


@kernel(inner=True)
def _note_error(doubts: Doubts, terminals: Terminals, w: int, stamp_ns: int, error: Error) -> None:
    """Advance the noise, the mean errors and the scale of terminal w, and decide on them."""
    ints, floats, (c, s) = doubts.ints, doubts.floats, error.along
    wide = SCALE2_BEFORE * error.sigma_m**2 + error.place_m2
    along = max(abs(c * error.east_m + s * error.north_m) - error.half_m, 0.0) ** 2
    across = (c * error.north_m - s * error.east_m) ** 2
    note_noise(doubts, w, along / (wide + error.delay_m2) + across / wide)
    dt_s = min((stamp_ns - ints[w, col.ERROR_NS]) * 1e-9, SLOW_S)
    ints[w, col.ERROR_NS] = stamp_ns
    first = floats[w, col.AGE_S] == 0.0
    if first:
        dt_s = EVERY_NS * 1e-9
    age_s = floats[w, col.AGE_S] = min(floats[w, col.AGE_S] + dt_s, SLOW_S)
    # of a place that has left its vehicle the steps are the way's that it is replayed from, or the jam's
    if ints[w, col.BOUND_NS] == stamp_ns and not ints[w, col.KINDS] & (col.JAMMED | col.DRAGGED | col.ASTRAY):
        step_s = 0.0 if first else dt_s
        note_step(
            floats[w], (error.east_m, error.north_m), error.along, error.sigma_m, error.track_m2, step_s
        )  # fmt: skip
    scale2 = _scale2(doubts, terminals, w)
    step_m = JUMP_SIGMAS * math.sqrt(scale2) * error.sigma_m
    for a, e in ((0, error.east_m), (1, error.north_m)):
        fast, slow = col.FAST_E + a, col.SLOW_E + a
        # what slides does not jump: one odd fix, or one odd place of the track, is no drag; nor is the first
        if first:
            floats[w, fast] = floats[w, slow] = min(max(e, -step_m), step_m)
            continue
        e = floats[w, fast] + min(max(e - floats[w, fast], -step_m), step_m)
        floats[w, fast] = _mean(floats[w, fast], e, dt_s, age_s, max(FAST_S, dt_s))
        floats[w, slow] = _mean(floats[w, slow], e, dt_s, age_s, SLOW_S)
    aside_m2, ahead_m2 = error.place_m2, error.place_m2 + error.delay_m2 + error.half_m**2
    steady = weigh_slide(
        floats[w], (c * error.east_m + s * error.north_m, c * error.north_m - s * error.east_m), error.along,
        scale2 * error.sigma_m**2, error.tau_s, (ahead_m2, aside_m2), error.half_m, 0.0 if first else dt_s,
    )  # fmt: skip
    if ints[w, col.KINDS] & col.JAMMED:  # no error of its own; the means start anew afterwards
        floats[w, col.AGE_S] = 0.0
        _set(ints, w, col.DRAGGED, False)
        return
    may_be_dragged = bool(ints[w, col.KINDS] & col.DRAGGED)
    if age_s >= AGE_S_MIN:
        if ints[w, col.BOUND_NS] == stamp_ns:
            ints[w, col.PROVED] = 1
        may_be_dragged = _judge_error(doubts, w, stamp_ns, error, scale2, steady)
    if may_be_dragged:
        return
    own, weight = error.sigma_m**2 + error.place_m2, dt_s / max(error.tau_s, dt_s)  # of an independent look
    rest = error.delay_m2 + error.half_m**2 / 3.0
    share = own / (own + rest)  # along the course the fix's own error is this much of what is seen
    squares = share * min((c * error.east_m + s * error.north_m) ** 2 / (own + rest), SQUARE_MAX)
    squares += min((c * error.north_m - s * error.east_m) ** 2 / own, SQUARE_MAX)
    floats[w, col.SQUARES] += weight * squares
    floats[w, col.LOOKS] += weight * (1.0 + share) / 2.0
    if floats[w, col.LOOKS] > LOOKS_MAX:
        floats[w, col.SQUARES], floats[w, col.LOOKS] = floats[w, col.SQUARES] / 2.0, LOOKS_MAX / 2.0
    _judge_scale(doubts, w)


@kernel
def note_fixes(tracks: Tracks, terminals: Terminals, doubts: Doubts, received: Received) -> None:
    """Compare one message's fixes, which were fused, with their vehicles; advance the terminals' evidence."""
    ints, X, P, own = tracks.ints, tracks.states.X, tracks.states.P, doubts.ints
    for j in range(received.stamp_ns.shape[0]):
        w, stamp_ns, fix, sigma = (
            received.terminal[j],
            received.stamp_ns[j],
            received.M[j],
            received.stated_m[j],
        )
        if not received.new[j] or stamp_ns <= own[w, col.ERROR_NS]:
            continue
        i = _vehicle_of(tracks, terminals, doubts, w, stamp_ns)
        ahead_s = (stamp_ns - ints[i, at.STAMP]) * 1e-9 if i >= 0 else math.inf
        if i < 0 or abs(ahead_s) > ALIGN_S:
            _note_repeat(doubts, w, stamp_ns, fix, sigma, (math.nan, math.nan))
            continue
        c, s = axis_of(X, i)
        if math.isnan(c):
            continue
        east = X[i, at.EAST] + ahead_s * X[i, at.V_EAST]
        north = X[i, at.NORTH] + ahead_s * X[i, at.V_NORTH]
        _note_repeat(doubts, w, stamp_ns, fix, sigma, (east, north))
        if stamp_ns - own[w, col.ERROR_NS] < EVERY_NS or own[w, col.KINDS] & col.FROZEN:
            continue
        length = tracks.floats[i, at.LENGTH]
        speed = math.hypot(X[i, at.V_EAST], X[i, at.V_NORTH])
        track_m2 = (P[i, at.EAST, at.EAST] + P[i, at.NORTH, at.NORTH]) / 2.0
        posed = pose_spread(tracks, i)  # a radar's wrong pose is no fault of the terminal
        unsure_m = END_M + EXTENT_SIGMAS * math.sqrt(P[i, at.EXTENT, at.EXTENT])
        error = Error(
            fix[at.Z_EAST] - east - c * fix[at.Z_FORWARD] + s * fix[at.Z_LEFT],
            fix[at.Z_NORTH] - north - s * fix[at.Z_FORWARD] - c * fix[at.Z_LEFT],
            (c, s),
            sigma,
            fix[at.Z_TAU],
            track_m2 + (posed[0] + posed[2]) / 2.0,
            track_m2,
            (fix[at.Z_DELAY] * speed) ** 2,
            min((UNKNOWN_LENGTH_M if math.isnan(length) else length) / 2.0, unsure_m),
        )
        _note_error(doubts, terminals, w, stamp_ns, error)


@kernel(inner=True)
def _drives(tracks: Tracks, terminals: Terminals, w: int, stamp_ns: int) -> bool:
    """Return whether radar sees that the vehicle of terminal w drives."""
    row = terminals.ints[w, at.ROW]
    if row < 0 or abs(stamp_ns - tracks.ints[row, at.RADAR_NS]) > FRESH_NS:
        return False
    X = tracks.states.X
    return math.hypot(X[row, at.V_EAST], X[row, at.V_NORTH]) >= FROZEN_MPS


@kernel
def distrust(
    tracks: Tracks, terminals: Terminals, doubts: Doubts, who: I1, stamp_ns: I1, M: F2, usable: B1
) -> None:
    """Lower the weight of doubtful terminals' fixes, in place; who : (n,) rows, -1 none.

    A dragged one has at least the error that was found and no course, a jammed one its noise; they neither
    pull nor unbind their vehicles. A place that is repeated while the vehicle drives is none.
    """
    for j in range(who.shape[0]):
        if who[j] < 0:
            continue
        w, floats = who[j], doubts.floats
        kinds, anchor_ns = doubts.ints[w, col.KINDS], doubts.ints[w, col.ANCHOR_NS]
        if kinds & col.FROZEN or (0 < anchor_ns < stamp_ns[j] and _drives(tracks, terminals, w, stamp_ns[j])):
            off_e = M[j, at.Z_EAST] - floats[w, col.ANCHOR_E]
            off_n = M[j, at.Z_NORTH] - floats[w, col.ANCHOR_N]
            usable[j] = usable[j] and math.hypot(off_e, off_n) > SAME_M
        if kinds & col.DRAGGED:
            found_m = math.hypot(floats[w, col.FAST_E], floats[w, col.FAST_N])
            M[j, at.Z_SIGMA] += found_m
            # what is far off in place has another course: a replayed way's turned its truck
            M[j, at.Z_SPEED], M[j, at.Z_HEADING] = math.nan, math.nan
        elif kinds & col.JAMMED:
            M[j, at.Z_SIGMA] *= noise_scale(doubts, w)
