"""How far a terminal's clock is off, by the vehicle that radar sees at its place when the report comes.

Ages of messages (`fusion.clocks`) can't tell 0.3 to 2.5 s from slow transport. Radar can: its track of the
vehicle was at the reported place at one instant, which the stamp should be. A report comes after the instant
that it is about, and seldom much later, so that only a vehicle at the place, or just ahead of it, may be the
terminal's.
"""

import math

from core.arrays import I1
from core.kernel import kernel
from fusion import doubt_table as col
from fusion import layout as at
from fusion.doubt_source import END_M, EXTENT_SIGMAS, FRESH_NS, UNKNOWN_LENGTH_M, Received
from fusion.doubt_table import Doubts
from fusion.heading import axis_of
from fusion.layout import Terminals, Tracks

EVERY_NS = 500_000_000  # fixes that are nearer in time have much the same error
GONE_NS = 30_000_000_000  # a pair without a look for so long starts anew
LATELY_NS = 5_000_000_000  # a look counts against a ghost for so long
MOVES_MPS = 3.0  # slower, a place says little about an instant
OFFSET_S = (0.3, 3.0)  # below, stamps are as good as their sigma; above, ages name the clock
# From the instant of the measurement to the arrival: never negative, but for the errors of both; while a
# radio cell is crowded some seconds, though the quickest of several reports takes less than one
WAY_S_MAX, QUICK_S_MAX = 3.5, 0.6
SPAN_NS, LOOKS = 10_000_000_000, 6.0  # so long and often it must hold
SIGMAS = 3.0
SPREAD = 2.0  # sigmas of what is left around the mean offset: the lasting part of the error is in the mean
ACROSS_M = 1.9  # half a lane: the vehicle in the next one is another
PLAIN_NS = 300_000_000  # so lately radar missed the vehicle where its stamps say that it is
NOISE_S = 0.1  # of radar's place along a body and of uneven speeds, as time


@kernel(inner=True)
def _instant(
    tracks: Tracks, i: int, fix: tuple[float, float], sigma_m: float, arrived_ns: int
) -> tuple[float, float]:
    """Return when [s before the arrival] track i was at the place of a fix, and its speed; NaN: not known.

    fix : east, north of the vehicle's centre by the fix
    """
    ints, X, P = tracks.ints, tracks.states.X, tracks.states.P
    ahead_s = (arrived_ns - ints[i, at.STAMP]) * 1e-9
    c, s = axis_of(X, i)
    speed = math.hypot(X[i, at.V_EAST], X[i, at.V_NORTH])
    if math.isnan(c) or speed < MOVES_MPS or abs(ahead_s) > 1.0:
        return math.nan, speed
    d_e = fix[0] - X[i, at.EAST] - ahead_s * X[i, at.V_EAST]
    d_n = fix[1] - X[i, at.NORTH] - ahead_s * X[i, at.V_NORTH]
    along, across = c * d_e + s * d_n, c * d_n - s * d_e
    place_m2 = (P[i, at.EAST, at.EAST] + P[i, at.NORTH, at.NORTH]) / 2.0
    noise_m = SIGMAS * math.sqrt(sigma_m**2 + place_m2)
    way_s = -along / speed
    if abs(across) > ACROSS_M or way_s > WAY_S_MAX or way_s * speed < -noise_m:
        return math.nan, speed
    return way_s, speed


@kernel(inner=True)
def _candidate(
    tracks: Tracks, doubts: Doubts, w: int, fix: tuple[float, float], sigma_m: float, arrived_ns: int,
    late_s: float, mean_s: float,
) -> tuple[int, float, float, bool]:  # fmt: skip
    """Return the row of the vehicle that may be terminal w's, -1 none; how long ago it was there; its speed;
    whether it shows the offset that others showed before, mean_s (NaN: none did).

    The one that shows that offset, also where radar has lost the vehicle and found it again as a new track;
    else the one that was there last.  late_s : by how much the report came after its stamp
    """
    ints = tracks.ints
    best, way, pace, off, fits = -1, math.inf, 0.0, math.inf, False
    for i in range(tracks.tally[at.T_HIGH]):
        if ints[i, at.STATUS] != at.CONFIRMED or abs(arrived_ns - ints[i, at.RADAR_NS]) > FRESH_NS:
            continue
        if ints[i, at.TERMINAL] >= 0 and ints[i, at.TERMINAL] != w:
            continue
        way_s, speed = _instant(tracks, i, fix, sigma_m, arrived_ns)
        if math.isnan(way_s):
            continue
        off_s = abs(way_s - late_s - mean_s)
        if off_s <= SPREAD * sigma_m / speed + NOISE_S:  # NaN is not
            if off_s < off:
                best, way, pace, off, fits = i, way_s, speed, off_s, True
        elif not fits and way_s < way:
            best, way, pace = i, way_s, speed
    return best, way, pace, fits


@kernel(inner=True)
def _note(doubts: Doubts, w: int, offset_s: float, way_s: float, speed: float, stamp_ns: int) -> None:
    """Advance mean and spread (Welford 1962) of the offset that one vehicle shows."""
    own, floats = doubts.ints, doubts.floats
    floats[w, col.TIMED_N] += 1.0
    off = offset_s - floats[w, col.TIMED_MEAN]
    floats[w, col.TIMED_MEAN] += off / floats[w, col.TIMED_N]
    floats[w, col.TIMED_SPREAD] += off * (offset_s - floats[w, col.TIMED_MEAN])
    floats[w, col.TIMED_QUICK] = min(floats[w, col.TIMED_QUICK], way_s)
    floats[w, col.TIMED_MPS] += (speed - floats[w, col.TIMED_MPS]) / floats[w, col.TIMED_N]
    own[w, col.TIMED_NS] = stamp_ns


@kernel(inner=True)
def _decided_s(doubts: Doubts, w: int, sigma_m: float, end_m: float) -> float:
    """Return the offset of terminal w's clock, 0.0 while none is proved.

    Its effect must be larger than what else could be its cause: the error of the fixes, and that radar may
    see another end of the vehicle than its track has learnt.  end_m : by how much that may be
    """
    own, floats = doubts.ints, doubts.floats
    n, mean, speed = floats[w, col.TIMED_N], floats[w, col.TIMED_MEAN], floats[w, col.TIMED_MPS]
    if n >= 3.0 and math.sqrt(floats[w, col.TIMED_SPREAD] / (n - 1.0)) > SPREAD * sigma_m / speed + NOISE_S:
        own[w, col.TIMED_SERIAL] = 0  # it is another vehicle's way
        return 0.0
    span_ns = own[w, col.TIMED_NS] - own[w, col.TIMED_FROM_NS]
    if n < LOOKS or span_ns < SPAN_NS or floats[w, col.TIMED_QUICK] > QUICK_S_MAX:
        return 0.0
    if not OFFSET_S[0] <= abs(mean) <= OFFSET_S[1]:
        return 0.0
    return float(mean) if abs(mean) * speed > end_m + SIGMAS * sigma_m else 0.0


@kernel(inner=True)
def is_timed(doubts: Doubts, w: int, t_ns: int) -> bool:
    """Return whether radar saw a vehicle where terminal w's reports said when they came: it is no ghost."""
    quick = doubts.floats[w, col.TIMED_N] >= 2.0 and doubts.floats[w, col.TIMED_QUICK] <= QUICK_S_MAX
    return bool(quick and t_ns - doubts.ints[w, col.TIMED_AT_NS] <= LATELY_NS)


@kernel
def note_clocks(
    tracks: Tracks, terminals: Terminals, doubts: Doubts, received: Received, arrived_ns: I1
) -> bool:
    """Compare one message's fixes with the vehicles at their places; return whether a clock is found wrong.

    arrived_ns : (n,).  What is found stands in CLOCK_S until the caller has taken it.
    """
    ints, own, floats, found = tracks.ints, doubts.ints, doubts.floats, False
    for j in range(received.stamp_ns.shape[0]):
        w, stamp_ns, fix = received.terminal[j], received.stamp_ns[j], received.M[j]
        apart_ns = stamp_ns - own[w, col.TIMED_NS]
        if not received.new[j] or own[w, col.KINDS] & col.FROZEN:
            continue
        if arrived_ns[j] - own[w, col.PLAIN_NS] > PLAIN_NS:  # it may be where its stamp says
            continue
        if own[w, col.TIMED_SERIAL] > 0 and -GONE_NS < apart_ns < EVERY_NS:  # too near, or late
            continue
        heading, i = fix[at.Z_HEADING], terminals.ints[w, at.ROW]
        length = tracks.floats[i, at.LENGTH] if i >= 0 else math.nan
        if math.isnan(heading) and i >= 0:
            c, s = axis_of(tracks.states.X, i)
            heading = math.atan2(s, c)
        if math.isnan(heading):
            continue
        c, s = math.cos(heading), math.sin(heading)
        place = (
            fix[at.Z_EAST] - c * fix[at.Z_FORWARD] + s * fix[at.Z_LEFT],
            fix[at.Z_NORTH] - s * fix[at.Z_FORWARD] - c * fix[at.Z_LEFT],
        )
        sigma_m = fix[at.Z_SIGMA]
        runs = own[w, col.TIMED_SERIAL] > 0 and 0 <= apart_ns <= GONE_NS
        late_s = (arrived_ns[j] - stamp_ns) * 1e-9
        before_s = floats[w, col.TIMED_MEAN] if runs else math.nan
        row, way_s, speed, fits = _candidate(
            tracks, doubts, w, place, sigma_m, arrived_ns[j], late_s, before_s
        )
        if row < 0:
            continue
        if runs and not fits:  # another vehicle, as long as more looks showed the other offset
            floats[w, col.TIMED_N] -= 1.0
            runs = floats[w, col.TIMED_N] > 0.0
            if runs:
                continue
        if not runs:
            own[w, col.TIMED_FROM_NS] = stamp_ns
            for k in range(col.TIMED_N, col.TIMED_MPS + 1):
                floats[w, k] = 0.0
            floats[w, col.TIMED_QUICK] = math.inf
        own[w, col.TIMED_SERIAL] = ints[row, at.SERIAL] + 1
        _note(doubts, w, way_s - late_s, way_s, speed, stamp_ns)
        own[w, col.TIMED_AT_NS] = arrived_ns[j]
        unsure_m = END_M + EXTENT_SIGMAS * math.sqrt(tracks.states.P[row, at.EXTENT, at.EXTENT])
        half_m = (UNKNOWN_LENGTH_M if math.isnan(length) else length) / 2.0
        floats[w, col.CLOCK_S] = _decided_s(doubts, w, sigma_m, min(half_m, unsure_m))
        if floats[w, col.CLOCK_S] != 0.0:
            own[w, col.TIMED_SERIAL] = 0  # what follows has other stamps
            found = True
    return found
