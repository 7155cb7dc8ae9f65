"""Jamming: terminals of one place that fail together while radar sees their vehicles drive on.

A terminal fails on its own now and then: an antenna, a bridge, a receiver that starts anew. Jamming is so
many at one time that this explains nothing, at places that are apart: what fails at one place, one after
another, is a roof. It is one cause with one name, and no fault of any terminal, let alone of a driver.
"""

import math

from core.kernel import kernel
from fusion import doubt_table as col
from fusion import layout as at
from fusion.doubt_table import Doubts
from fusion.layout import Terminals, Tracks

SEEN_NS = 1_000_000_000  # radar saw its vehicle so lately
SOUND_S, SOUND_PERIODS = 1.0, 2.0  # its last sound fix may be so old, and so many periods more
# A terminal that errs or loses its place on its own begins to within a given ten seconds with 0.02: once in
# eight minutes, more than any receiver that is worth its price. So many of a place by chance: 1 : 100 000
TOGETHER_NS, ALONE_P, CHANCE = 10_000_000_000, 0.02, 1e-5
LEAST = 3
SEARCH_M = 300.0  # of a search
APART_M = 50.0  # places where they began to fail: more than a bridge is wide
SEARCH_M_MAX = 2_000.0
OVER_NS = 5_000_000_000  # so long without a failing terminal, the jam is over
# Mean over three looks of squared errors (each over twice the stated sigma), and what one look counts at
# most: one alone is not enough
LOOKS, LOOK_CHI2_MAX = 3.0, 25.0


@kernel(inner=True)
def note_noise(doubts: Doubts, w: int, chi2: float) -> None:
    """Add the squared error of one look, over twice the stated sigma."""
    noise = doubts.floats[w, col.NOISE]
    doubts.floats[w, col.NOISE] = noise + (min(chi2, LOOK_CHI2_MAX) - noise) / LOOKS


@kernel(inner=True)
def is_noisy(doubts: Doubts, w: int) -> bool:
    return bool(doubts.floats[w, col.NOISE] > col.NOISY_CHI2)


@kernel(inner=True)
def noise_scale(doubts: Doubts, w: int) -> float:
    """Return how many times the stated sigma terminal w's errors are now; 1 unless it is noisy."""
    return 2.0 * math.sqrt(doubts.floats[w, col.NOISE] / 2.0) if is_noisy(doubts, w) else 1.0


@kernel
def chance(n: int, k: int) -> float:
    """Return the probability that k or more of n fail on their own."""
    p, total = (1.0 - ALONE_P) ** n, 0.0
    for i in range(n + 1):
        total += p if i >= k else 0.0
        p *= (n - i) / (i + 1.0) * ALONE_P / (1.0 - ALONE_P)
    return total


@kernel(inner=True)
def _seen_row(tracks: Tracks, terminals: Terminals, doubts: Doubts, w: int, t_ns: int) -> int:
    """Return the row of terminal w's vehicle if radar sees it, also a while after it was let go; else -1."""
    ints = tracks.ints
    for row in (terminals.ints[w, at.ROW], doubts.ints[w, col.VEHICLE] - 1):
        if row < 0 or ints[row, at.STATUS] != at.CONFIRMED or t_ns - ints[row, at.RADAR_NS] > SEEN_NS:
            continue
        mine = ints[row, at.TERMINAL] == w
        if mine or (
            ints[row, at.TERMINAL] < 0 and ints[row, at.SERIAL] == doubts.ints[w, col.VEHICLE_SERIAL]
        ):
            return int(row)
    return -1


@kernel(inner=True)
def _look(tracks: Tracks, terminals: Terminals, doubts: Doubts, w: int, t_ns: int) -> None:
    """Set terminal w's STATE, where its vehicle is, since when it fails."""
    own, floats = doubts.ints, doubts.floats
    own[w, col.STATE] = 0
    row = _seen_row(tracks, terminals, doubts, w, t_ns)
    if row < 0:
        return
    X = tracks.states.X
    ahead_s = (t_ns - tracks.ints[row, at.STAMP]) * 1e-9
    floats[w, col.AT_E] = X[row, at.EAST] + ahead_s * X[row, at.V_EAST]
    floats[w, col.AT_N] = X[row, at.NORTH] + ahead_s * X[row, at.V_NORTH]
    lost = own[w, col.LOST_NS] > own[w, col.PLACED_NS] > 0
    if lost or is_noisy(doubts, w):
        own[w, col.STATE] = col.FAILING
        if own[w, col.FAILS_NS] == 0:
            own[w, col.FAILS_NS] = t_ns
            floats[w, col.FAILS_E], floats[w, col.FAILS_N] = floats[w, col.AT_E], floats[w, col.AT_N]
        return
    limit_s = SOUND_S + SOUND_PERIODS * tracks.ints[row, at.FIX_PERIOD_NS] * 1e-9
    if own[w, col.PLACED_NS] > 0 and (t_ns - own[w, col.PLACED_NS]) * 1e-9 <= limit_s:
        own[w, col.STATE], own[w, col.FAILS_NS] = col.SOUND, 0


@kernel(inner=True)
def _is_in(doubts: Doubts, j: int, east_m: float, north_m: float) -> bool:
    """Return whether a place lies in the area of jam j."""
    if doubts.jam_ints[j, col.J_SINCE_NS] == 0:
        return False
    d_e, d_n = east_m - doubts.jams[j, col.J_EAST], north_m - doubts.jams[j, col.J_NORTH]
    return bool(math.hypot(d_e, d_n) <= doubts.jams[j, col.J_REACH] + col.JAM_MARGIN_M)


@kernel(inner=True)
def is_in_jam(doubts: Doubts, w: int) -> bool:
    """Return whether terminal w's vehicle was in the area of a jam at the last tick."""
    for j in range(doubts.jam_ints.shape[0]):
        if _is_in(doubts, j, doubts.floats[w, col.AT_E], doubts.floats[w, col.AT_N]):
            return True
    return False


@kernel(inner=True)
def _continue(doubts: Doubts, n: int, j: int, t_ns: int) -> None:
    """Follow jam j: who fails in it, how far it reaches, who bears its name, whether it is over."""
    own, floats, jam = doubts.ints, doubts.floats, doubts.jam_ints
    if jam[j, col.J_SINCE_NS] == 0:
        return
    for w in range(n):
        if own[w, col.STATE] == col.FAILING and _is_in(doubts, j, floats[w, col.AT_E], floats[w, col.AT_N]):
            own[w, col.KINDS] |= col.JAMMED
            jam[j, col.J_LAST_NS] = t_ns
            d_e = floats[w, col.AT_E] - doubts.jams[j, col.J_EAST]
            d_n = floats[w, col.AT_N] - doubts.jams[j, col.J_NORTH]
            reach_m = max(doubts.jams[j, col.J_REACH], math.hypot(d_e, d_n))
            doubts.jams[j, col.J_REACH] = min(reach_m, SEARCH_M_MAX)
    bearer = jam[j, col.J_BEARER] - 1
    if bearer < 0 or own[bearer, col.STATE] == 0:  # its vehicle is out of sight
        for w in range(n):
            if own[w, col.STATE] == col.FAILING and own[w, col.KINDS] & col.JAMMED:
                jam[j, col.J_BEARER] = w + 1
                break
    if t_ns - jam[j, col.J_LAST_NS] > OVER_NS:
        for k in range(jam.shape[1]):
            jam[j, k] = 0
    elif jam[j, col.J_BEARER] > 0:
        own[jam[j, col.J_BEARER] - 1, col.KINDS] |= col.BEARS_JAM


@kernel(inner=True)
def _search(doubts: Doubts, n: int, first: int, t_ns: int) -> None:
    """Begin a jam if terminal `first` began to fail together with others near it."""
    own, floats, jam = doubts.ints, doubts.floats, doubts.jam_ints
    failing, sound, spread_m, since_ns = 0, 0, 0.0, t_ns
    east = north = 0.0
    for w in range(n):
        state = own[w, col.STATE]
        d_e = floats[w, col.AT_E] - floats[first, col.AT_E]
        d_n = floats[w, col.AT_N] - floats[first, col.AT_N]
        if state == 0 or math.hypot(d_e, d_n) > SEARCH_M:
            continue
        if state == col.SOUND or abs(own[w, col.FAILS_NS] - own[first, col.FAILS_NS]) > TOGETHER_NS:
            sound += 1
            continue
        failing += 1
        east, north = east + floats[w, col.AT_E], north + floats[w, col.AT_N]
        since_ns = min(since_ns, own[w, col.FAILS_NS])
        d_e = floats[w, col.FAILS_E] - floats[first, col.FAILS_E]
        d_n = floats[w, col.FAILS_N] - floats[first, col.FAILS_N]
        spread_m = max(spread_m, math.hypot(d_e, d_n))
    if failing < LEAST or spread_m < APART_M or chance(failing + sound, failing) > CHANCE:
        return
    for j in range(jam.shape[0]):
        if jam[j, col.J_SINCE_NS] == 0:
            jam[j, col.J_SINCE_NS], jam[j, col.J_LAST_NS], jam[j, col.J_BEARER] = since_ns, t_ns, 0
            doubts.jams[j, col.J_EAST], doubts.jams[j, col.J_NORTH] = east / failing, north / failing
            doubts.jams[j, col.J_REACH] = 0.0
            _continue(doubts, n, j, t_ns)
            return


@kernel
def look_for_jams(tracks: Tracks, terminals: Terminals, doubts: Doubts, n: int, t_ns: int) -> None:
    """Advance the jams by one tick, and the bits JAMMED and BEARS_JAM of the first n terminals."""
    own = doubts.ints
    for w in range(n):
        own[w, col.KINDS] &= ~(col.JAMMED | col.BEARS_JAM)
        _look(tracks, terminals, doubts, w, t_ns)
    for j in range(doubts.jam_ints.shape[0]):
        _continue(doubts, n, j, t_ns)
    for w in range(n):
        fails_ns = own[w, col.FAILS_NS]
        if (
            own[w, col.STATE] == col.FAILING
            and not own[w, col.KINDS] & col.JAMMED
            and t_ns - fails_ns <= TOGETHER_NS
        ):
            _search(doubts, n, w, t_ns)


@kernel
def note_report(doubts: Doubts, w: int, stamp_ns: int, placed: int) -> None:
    """Note a report of terminal w, -1 none.

    placed : 1 with a position, 0 the terminal itself says that it has none, -1 the clock is in doubt
    """
    if w >= 0 and placed >= 0:
        column = col.PLACED_NS if placed else col.LOST_NS
        doubts.ints[w, column] = max(doubts.ints[w, column], stamp_ns)
