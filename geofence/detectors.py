"""Sequential tests of "over its limit" against "just on it", on correlated errors.

A departure from the lane is decided by the tests of geofence.drift as well. All rules: for a value y (how
far over) with an error of sigma and correlation time tau, two tests run in parallel with a split budget of
false alarms: the level test y > k sigma, and CUSUMs for shifts of 1, 2 and 4 sigma whose samples weigh
dt / (2 tau), so that a repeated error is no new evidence. Levels follow from the wanted rate of false alarms
of a vehicle that rides exactly on its limit for ever. docs/geofence.md shows the cost.
"""

import math
from typing import NamedTuple

import numpy as np

from core.arrays import B1, B2, F1, F2, F3, F64, I1, I2, I3, I64
from core.kernel import kernel
from geofence.crossing import crossing_level
from geofence.drift import RAMP_TAU_S, lasting_tau_s, place_spread_m, trusted_sigma_m, weigh_drift
from geofence.grading import Grading
from geofence.levels import Levels, level_at, place_level_m, unsettled_factor
from geofence.state import (
    CLAIM_USED,
    CLEAR_S,
    CROSSED,
    CUSUM,
    ENOUGH,
    HELD,
    JUDGED,
    KEPT_S,
    LAST,
    LAST_OVER,
    LAST_VALUE,
    PLACE,
    RING_LAST,
    RING_LENGTH,
    RING_ROWS,
    RING_STEP_NS,
    SINCE,
    State,
)

SHIFTS = 3
TESTS = 2  # level and CUSUM share the budget
# Each test's share of the false alarms that are allowed for departures: the tests that all rules have, those
# of geofence.drift and geofence.crossing. They add up to more than one, since no driver triggers all: one who
# keeps an edge on the line nears the first two levels, but makes hardly any ramp; one who wanders makes
# ramps, but nears no level of a place (docs/geofence.md)
ALL_SHARE, PLACE_SHARE, RAMP_SHARE = 0.5, 0.5, 0.7
CROSSING_SHARE = 0.7  # of the way across: a ramp within the lane is no way out of it, for whoever drives it
TAU_MIN_S = 0.05
DT_MAX_S = 2.0  # a longer gap counts as this long
# An interval between two samples counts as a time over the limit if both are, and for so long at most: what a
# vehicle did in a longer gap is not known. Radars scan twice in it
HOLD_STEP_S = 0.2
KEPT_S_MAX = 60.0  # longer than any rule asks for
LEAK = 2.0  # how fast a hold timer runs back: one noisy sample does not end a long excess
ROWS_PER_GRADE, GRADES = 2, 3
# columns of a sample: amount over the limit, 1 sigma of its error, the error's correlation time
S_VALUE, S_SIGMA, S_TAU = range(3)
OVER, FOR_S = range(2)  # of a row of limits
# where a vehicle is across the lanes that permit it: offset from their middle, positive to the left; half
# their width; how far it may be from the middle without touching a line
OFFSET_M, SPAN_M, FREE_M = range(3)
N_ACROSS = 3


class Departures(NamedTuple):
    """What departures from the lane are judged by."""

    rule: int  # the column of lane_departure
    rate: float  # its false alarms per hour
    levels: Levels


class Thresholds(NamedTuple):
    """The limits of the rules that have a row of evidence."""

    limits: F3  # (rules, 6, 2) OVER and FOR_S, two rows for each grade, NaN unused
    clear_below: F1  # (rules,) value below which the rule is kept again
    clear_s: float  # for how long it is kept until its episode closes
    rate: float  # false alarms per hour and rule, but for departures
    kept_s: F1  # (rules,) so long a nameless track must have kept the rule before it can break it
    departures: Departures


class Windows(NamedTuple):
    """The accumulated evidence: arrays of a geofence.state.State, changed in place."""

    evidence: F3
    evidence_ns: I3
    drift: F2
    stamps: I2
    ring: F3
    ring_ns: I2
    open: B2  # (rows, all rules), measured rules first


def windows_of(state: State) -> Windows:
    """Return a state's arrays; they are others after it grew."""
    return Windows(
        state.evidence, state.evidence_ns, state.drift, state.stamps, state.ring, state.ring_ns, state.open
    )


class Tracks(NamedTuple):
    """An observation's n tracks, of which the first m in `mine` are tested."""

    mine: I1  # (>= m,)
    rows: I1  # (n,) of the State
    stamp_ns: I1
    samples: F3  # (n, rules, 3) S_VALUE (NaN: not judged) and S_SIGMA in each rule's unit, S_TAU in seconds
    columns: F2  # (n, ring columns)
    across: F2  # (n, N_ACROSS) OFFSET_M, SPAN_M, FREE_M
    step_s: F1  # (n,) the longest interval between two samples that counts in a hold timer
    vouched: B1  # (n,) it is surely a vehicle, since it has a name
    lived: B1  # (n,) or lives for long enough


@kernel
def cusum_level(shift: float, tau_s: float, rate_per_hour: float) -> float:
    """Return h: on the limit, one of the CUSUMs passes its own h at most `rate_per_hour` times an hour.

    On its limit a CUSUM for a shift of m sigma alarms about m^2 / 2 exp(-h) times in each 2 tau (the
    continuous limit of its run length; Monte Carlo gives a quarter of that), and the shifts share the rate.
    """
    return max(1.0, math.log(SHIFTS * 0.5 * shift**2 * 3600.0 / (2.0 * tau_s * rate_per_hour)))


@kernel
def level_sigmas(tau_s: float, dt_s: float, rate_per_hour: float) -> float:
    """Return k: the error, sampled each dt_s, passes k sigma upwards at most `rate_per_hour` times an hour.

    An Ornstein-Uhlenbeck process does so k phi(k) / tau times a second (Aldous 1989: each clump once).
    Sampling misses as much as if the level lay 0.583 sqrt(2 dt / tau) higher (Siegmund 1985).
    """
    density = math.sqrt(2.0 * math.pi) * rate_per_hour * tau_s / 3600.0
    k = 4.0
    for _ in range(12):  # k exp(-k^2 / 2) = density
        k = math.sqrt(2.0 * math.log(max(k / density, 2.0)))
    return k - 0.583 * math.sqrt(2.0 * min(dt_s / tau_s, 0.5))


@kernel
def add_sample(
    value: float, sigma: float, tau_s: float, dt_s: float, rate: float, stamp_ns: int, row: F1, row_ns: I1
) -> None:
    """Add one sample to a rule's row of evidence; set ENOUGH when either test passes.

    value, sigma : how far over the limit, and 1 sigma of its error, in the rule's unit
    dt_s : since the last sample.  rate : false alarms per hour.  row, row_ns : (EVIDENCE,), (EVIDENCE_NS,)
    """
    if sigma <= 0.0:  # a count of seconds needs no test
        row[ENOUGH] = max(row[ENOUGH], 1.0 if value > 0.0 else 0.0)
        return
    tau = max(tau_s, TAU_MIN_S)
    z = value / sigma
    share = min(1.0, dt_s / (2.0 * tau))
    shift = 1.0
    for m in range(SHIFTS):
        level = cusum_level(shift, tau, rate / TESTS)
        before = row[CUSUM + m]
        now = max(0.0, min(before + share * shift * (z - shift / 2.0), 2.0 * level))
        if before == 0.0 and now > 0.0:
            row_ns[SINCE + m] = stamp_ns
        row[CUSUM + m] = now
        if now > level:
            row[ENOUGH] = 1.0
        shift *= 2.0
    if z > 3.0 and z > level_sigmas(tau, dt_s, rate / TESTS):
        row[ENOUGH] = 1.0


@kernel
def add_departure(
    sample: tuple[float, float, float], across: tuple[float, float, float], dt_s: float, stamp_ns: int,
    departures: Departures, drift: F1, row: F1, row_ns: I1,
) -> None:  # fmt: skip
    """Add one sample of a footprint's place; set ENOUGH when a test passes while it seems over the line.

    sample : S_VALUE, S_SIGMA, S_TAU.  across : OFFSET_M, SPAN_M, FREE_M.  drift : (N_DRIFT,) of State.drift,
    whose CLAIM_USED is 0 where radar sees the vehicle
    dt_s : since the last sample of this rule
    The tests of all rules find what is shallow and long.
    """
    value_m, sigma_m, tau_s = sample
    rate, levels = departures.rate, departures.levels
    trusted_m = trusted_sigma_m(sigma_m, drift)
    place_m, ramp = weigh_drift(across[0], across[1], across[2], sigma_m, tau_s, dt_s, drift)
    # towards one line: an error larger than the lane would fold at its middle, and be out on either side
    sided_m = (across[0] if drift[PLACE] > 0.0 else -across[0]) - across[2]
    add_sample(
        min(value_m, sided_m), trusted_m, tau_s, min(dt_s, DT_MAX_S), ALL_SHARE * rate, stamp_ns, row, row_ns
    )
    if not value_m > 0.0:
        return
    # what lasts of a radar's error (its pose, the point of a body that it sees) moves as the vehicle passes:
    # it looks like a drift, and is none
    lasts, lasting_s = tau_s >= RAMP_TAU_S and drift[CLAIM_USED] > 0.0, lasting_tau_s(tau_s, dt_s)
    ramp_rate, place_rate = RAMP_SHARE * rate, PLACE_SHARE * rate
    drifts = lasts and ramp > 0.0 and ramp > level_at(levels.ramp, levels, trusted_m, lasting_s, ramp_rate)
    if drifts or (lasts and drift[CROSSED] > crossing_level(CROSSING_SHARE * rate)):
        row[ENOUGH] = 1.0
    elif place_m > 0.0:
        level_m = place_level_m(levels, trusted_m, lasting_s, place_rate)
        if place_m > level_m:  # few are, and most of these are proved
            level_m *= unsettled_factor(levels, trusted_m, lasting_s, place_spread_m(drift))
            row[ENOUGH] = max(row[ENOUGH], 1.0 if place_m > level_m else 0.0)


@kernel
def advance_timers(
    value: float,
    dt_s: float,
    step_s: float,
    clear: tuple[float, float],
    stamp_ns: int,
    limits: F2,
    row: F1,
    row_ns: I1,
) -> int:
    """Advance a rule's timers by dt_s; return the grade that holds: 0 none, 1 notice, 2 warning, 3 violation.

    clear : value below which the rule is kept, and for how long until the evidence is dropped
    step_s : the longest interval between two samples that counts as held, from the third sample over the
    limit on: two fixes in a row may share one error, so that the first interval is HOLD_STEP_S at most
    limits : (6, 2) OVER and FOR_S, two rows for each grade, NaN unused.  row, row_ns : as of `add_sample`
    """
    grade = 0
    clear_below, clear_s = clear
    since_s = (stamp_ns - row_ns[JUDGED]) * 1e-9 if row_ns[JUDGED] > 0 else 0.0
    for k in range(GRADES * ROWS_PER_GRADE):
        if value > limits[k, OVER]:
            if row[LAST_VALUE] > limits[k, OVER]:
                row[HELD + k] += min(since_s, step_s if row[HELD + k] > 0.0 else min(step_s, HOLD_STEP_S))
            if row[ENOUGH] > 0.0 and row[HELD + k] >= limits[k, FOR_S]:
                grade = max(grade, k // ROWS_PER_GRADE + 1)
        else:
            row[HELD + k] = max(0.0, row[HELD + k] - LEAK * dt_s)
    if value > clear_below:
        row[CLEAR_S] = max(0.0, row[CLEAR_S] - LEAK * dt_s)
        row_ns[LAST_OVER] = stamp_ns
    else:
        row[CLEAR_S] += dt_s
        row[KEPT_S] = min(row[KEPT_S] + min(dt_s, step_s), KEPT_S_MAX)
        if row[CLEAR_S] >= clear_s:
            row[ENOUGH] = 0.0
    row[LAST_VALUE], row_ns[JUDGED] = value, stamp_ns
    return grade


@kernel(inner=True)
def _test(tracks: Tracks, i: int, thresholds: Thresholds, windows: Windows, grade: I2, k: int) -> None:
    """Advance track i's row of the State by its samples; fill grade k, -1: not judged.

    What may be no vehicle, a nameless track that is new or was never seen to keep the rule, opens nothing.
    """
    limits, clear_below, clear_s = thresholds.limits, thresholds.clear_below, thresholds.clear_s
    rate, kept_s, departures = thresholds.rate, thresholds.kept_s, thresholds.departures
    evidence, evidence_ns, stamps = windows.evidence, windows.evidence_ns, windows.stamps
    row, stamp_ns, samples = tracks.rows[i], tracks.stamp_ns[i], tracks.samples
    last_ns = stamps[row, LAST]
    for r in range(samples.shape[1]):
        grade[k, r] = -1
    if last_ns >= stamp_ns:
        return
    dt_s = 0.0 if last_ns == 0 else min((stamp_ns - last_ns) * 1e-9, DT_MAX_S)
    stamps[row, LAST] = stamp_ns
    for r in range(samples.shape[1]):
        value, sigma, tau_s = samples[i, r, S_VALUE], samples[i, r, S_SIGMA], samples[i, r, S_TAU]
        if value == value:
            mine, mine_ns = evidence[row, r], evidence_ns[row, r]
            if r == departures.rule:
                since_s = (stamp_ns - mine_ns[JUDGED]) * 1e-9 if mine_ns[JUDGED] > 0 else 0.0
                place = (
                    tracks.across[i, OFFSET_M], tracks.across[i, SPAN_M], tracks.across[i, FREE_M],
                )  # fmt: skip
                add_departure(
                    (value, sigma, tau_s), place, since_s, stamp_ns, departures, windows.drift[row], mine,
                    mine_ns,
                )  # fmt: skip
            else:
                add_sample(value, sigma, tau_s, dt_s, rate, stamp_ns, mine, mine_ns)
            grade[k, r] = advance_timers(
                value, dt_s, tracks.step_s[i], (clear_below[r], clear_s), stamp_ns, limits[r], mine, mine_ns
            )
            is_vehicle = tracks.vouched[i] or (tracks.lived[i] and mine[KEPT_S] >= kept_s[r])
            if not is_vehicle and not windows.open[row, r]:
                grade[k, r] = 0


@kernel(inner=True)
def _remember(i: int, row: int, stamp_ns: int, columns: F2, windows: Windows) -> None:
    """Put track i's newest columns into its ring, at most five times a second."""
    stamps = windows.stamps
    if stamp_ns - stamps[row, RING_LAST] < RING_STEP_NS:
        return
    at = stamps[row, RING_ROWS] % RING_LENGTH
    for c in range(columns.shape[1]):
        windows.ring[row, at, c] = columns[i, c]
    windows.ring_ns[row, at] = stamp_ns
    stamps[row, RING_LAST] = stamp_ns
    stamps[row, RING_ROWS] += 1


@kernel
def step(
    tracks: Tracks, n_mine: int, thresholds: Thresholds, windows: Windows, grade: I2, active: B1
) -> bool:
    """Test an observation's first m owned tracks and remember them: advance their rows of the State.

    grade : (m, rules) filled, -1: not judged
    active : (m,) filled: a grade of the track holds, or an episode is open; returns whether any is
    A stamp that is not newer than the track's last one adds no evidence.
    """
    found = False
    for k in range(n_mine):
        i = tracks.mine[k]
        row, stamp_ns = tracks.rows[i], tracks.stamp_ns[i]
        _test(tracks, i, thresholds, windows, grade, k)
        _remember(i, row, stamp_ns, tracks.columns, windows)
        active[k] = False
        for r in range(grade.shape[1]):
            active[k] = active[k] or grade[k, r] > 0 or windows.open[row, r]
        found = found or active[k]
    return found


def limits_of(grading: Grading) -> F64:
    """Return a rule's grades as (6, 2): OVER and FOR_S, two rows for each grade; NaN unused."""
    table = np.full((GRADES * ROWS_PER_GRADE, 2), np.nan)
    for g, rows in enumerate((grading.notice, grading.warning, grading.violation)):
        for k, row in enumerate(rows):
            table[g * ROWS_PER_GRADE + k] = row.over, row.for_s
    return table


def start_of(row: F64, row_ns: I64, stamp_ns: int) -> int:
    """Return the stamp since which the evidence points to an excess: the start of the largest CUSUM."""
    best = int(np.argmax(row[CUSUM : CUSUM + SHIFTS]))
    return int(row_ns[SINCE + best]) if row[CUSUM + best] > 0.0 else stamp_ns
