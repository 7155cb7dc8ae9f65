"""The errors of radars' poses as a filter: fixes against radar, and radar against radar. Kernels only.

Six errors of each radar (N_ERRORS): what must be added to the survey's east and north [m] and boresight
[rad]; how far its clock is ahead [s]; by how much its ranges are too long [m]; and where vehicles reflect, as
a share of their length from the centre to the end that it sees. The last is no error of the pose, but without
it a long truck's near end would count as a range bias.

With d the way from the surveyed radar to the place that it reported, u its unit vector, v the velocity, h the
heading and L the length, the centre of the vehicle lies at

    place + (east, north) + rotation * perp(d) + time * v - range * u + share * L * (u h) h

A truck's fix is the centre plus that truck's own lasting error (Gauss-Markov). So each truck that passes a
radar has a filter of eight numbers, the six and its error; what it says of the six is added, as information,
to the radar's when it has passed (Schmidt's nuisance parameters, marginalised). Trucks' errors average out.
"""

import math
from typing import NamedTuple

from core.arrays import F1, F2, F3, I2
from core.kernel import kernel
from fusion import layout as at
from fusion.config import QUANTUM_M, WHITE_SHARE
from fusion.heading import heading_of
from fusion.layout import Rings, Tracks
from fusion.models import SLOW_MPS, centre_of

EAST, NORTH, ROTATION, TIME, RANGE, SHARE = 0, 1, 2, 3, 4, 5
N_ERRORS = 6
N_FILTER = N_ERRORS + 2  # and the truck's own error, east and north

P_TERMINAL, P_RADAR, P_FIRST_NS, P_LAST_NS, P_N = 0, 1, 2, 3, 4  # columns of `Passages.ints`
N_PASSAGE = 5
PASSAGES = 256  # that are under way at once
V_TRUCKS, V_PAIRS, V_MISFIT = 0, 1, 2  # columns of `Evidence.tally`
N_TALLY = 3

NEAR_NS = 150_000_000  # a detection is taken to the fix's time: at 3 m/s² this adds 0.03 m
PASSED_NS = 3_000_000_000  # without a detection for so long, a truck has passed
PASSAGE_NS_MAX = 60_000_000_000  # a truck that stands in the field is one truck, each minute anew
SAMPLE_NS = 900_000_000  # between two samples of a passage: echoes of a body wander within about a second
WANDER_ALONG, WANDER_ACROSS_M = 0.15, 0.35  # of the reflection: share of the length; a lorry's face is 2.5 m
MISFIT_MAX = 4.0  # chi-square of two: beyond it the truck's own error is taken to be that much larger
LENGTH_UNKNOWN_SIGMA_M = 3.0  # where on a vehicle of unknown length the echo lies, along it
PAIR_SAMPLES = 10.0  # samples of a pair on one track count as one in so many: they share their reflections


class Passages(NamedTuple):
    """The trucks that are passing a radar; a free row has terminal -1."""

    ints: I2  # (PASSAGES, N_PASSAGE)
    mean: F2  # (PASSAGES, N_FILTER)
    cov: F3  # (PASSAGES, N_FILTER, N_FILTER)


class Evidence(NamedTuple):
    """What the trucks said of the m radars, their errors one after another (n = N_ERRORS m)."""

    information: F2  # (n, n) without the prior
    vector: F1  # (n,)
    tally: F2  # (m, N_TALLY) trucks, samples of pairs, mean misfit (1 where sigmas are honest)
    mean: F1  # (n,) estimate
    cov: F2  # (n, n) its covariance
    prior: F1  # (N_ERRORS,) sigmas of the survey


class Radars(NamedTuple):
    """Radars as surveyed and as the tracker uses them."""

    survey: F2  # (m, N_POSE)
    used: F2  # (m, N_POSE)
    applied: F2  # (m, N_ERRORS)


class Work(NamedTuple):
    """Memory that each call overwrites."""

    place: F2  # (m, 3) of each radar's detection, taken to the time asked: east, north; 0 none or 1
    J: F3  # (m, 2, N_ERRORS) its derivatives, along the beam and across it
    beam: F2  # (m, 4) cosine and sine of the beam; variances along and across it
    row: F1  # (N_FILTER,)
    small: F2  # (N_ERRORS, N_ERRORS)


@kernel(inner=True)
def _invert(A: F2, n: int) -> None:
    """Invert the symmetric positive definite A[:n, :n] in place (Gauss-Jordan, no pivots needed)."""
    for k in range(n):
        pivot = 1.0 / A[k, k]
        A[k, k] = 1.0
        for j in range(n):
            A[k, j] *= pivot
        for i in range(n):
            if i != k:
                factor = A[i, k]
                A[i, k] = 0.0
                for j in range(n):
                    A[i, j] -= factor * A[k, j]


@kernel(inner=True)
def _observe(tracks: Tracks, rings: Rings, radars: Radars, i: int, slot: int, t_ns: int, work: Work) -> None:
    """Write the detection in ring slot `slot` of track i, taken to t_ns, to its radar's row of `work`."""
    X, meas = tracks.states.X, rings.meas
    q = int(meas[i, slot, at.SOURCE])
    r_e, r_n = radars.survey[q, at.R_EAST], radars.survey[q, at.R_NORTH]
    if meas[i, slot, at.WHAT] == at.POLAR:
        slant = meas[i, slot, at.Z_RANGE] + radars.applied[q, RANGE]
        ground = math.sqrt(max(slant * slant - radars.survey[q, at.R_DROP] ** 2, 1.0))
        bearing = meas[i, slot, at.Z_AZIMUTH] + radars.survey[q, at.R_BORESIGHT]
        d_e, d_n = ground * math.cos(bearing), ground * math.sin(bearing)
    else:
        turn = radars.survey[q, at.R_BORESIGHT] - radars.used[q, at.R_BORESIGHT]
        o_e = meas[i, slot, at.Z_EAST] - radars.used[q, at.R_EAST]
        o_n = meas[i, slot, at.Z_NORTH] - radars.used[q, at.R_NORTH]
        d_e = math.cos(turn) * o_e - math.sin(turn) * o_n
        d_n = math.sin(turn) * o_e + math.cos(turn) * o_n
    ground = max(math.sqrt(d_e * d_e + d_n * d_n), 1.0)
    u_e, u_n = d_e / ground, d_n / ground
    v_e, v_n = X[i, at.V_EAST], X[i, at.V_NORTH]
    dt_s = (t_ns - rings.stamps[i, slot]) * 1e-9 - radars.applied[q, TIME]  # of the stamp as it came
    work.place[q, 0], work.place[q, 1] = r_e + d_e + v_e * dt_s, r_n + d_n + v_n * dt_s
    work.place[q, 2] = 1.0
    speed = max(math.sqrt(v_e * v_e + v_n * v_n), 1e-9)
    h_e, h_n = v_e / speed, v_n / speed
    facing = u_e * h_e + u_n * h_n
    length = tracks.floats[i, at.LENGTH]
    known = not math.isnan(length)
    for a in range(2):  # along the beam, then across it (to the left)
        c, s = (u_e, u_n) if a == 0 else (-u_n, u_e)
        row = work.J[q, a]
        row[EAST], row[NORTH] = c, s
        row[ROTATION] = ground if a == 1 else 0.0
        row[TIME] = c * v_e + s * v_n
        row[RANGE] = -1.0 if a == 0 else 0.0
        row[SHARE] = length * facing * (c * h_e + s * h_n) if known else 0.0
        sigma = radars.survey[q, at.R_S_RANGE] if a == 0 else radars.survey[q, at.R_S_AZIMUTH] * ground
        along = WANDER_ALONG * length if known else LENGTH_UNKNOWN_SIGMA_M
        of_h = c * h_e + s * h_n
        work.beam[q, 2 + a] = sigma**2 + (along * of_h) ** 2 + WANDER_ACROSS_M**2 * (1.0 - of_h * of_h)
    work.beam[q, 0], work.beam[q, 1] = u_e, u_n


@kernel(inner=True)
def _observe_all(tracks: Tracks, rings: Rings, radars: Radars, i: int, t_ns: int, work: Work) -> int:
    """Observe track i at t_ns by the nearest detection in time of each radar; return how many radars."""
    size, n = rings.stamps.shape[1], 0
    for q in range(radars.survey.shape[0]):
        work.place[q, 2] = 0.0
    k = tracks.ints[i, at.RING_LEN] - 1
    while k >= 0:
        slot = (tracks.ints[i, at.RING_HEAD] + k) % size
        gap_ns = t_ns - rings.stamps[i, slot]
        if gap_ns > NEAR_NS:
            break
        what, q = rings.meas[i, slot, at.WHAT], int(rings.meas[i, slot, at.SOURCE])
        if gap_ns >= -NEAR_NS and (what == at.POLAR or what == at.OBJECT):
            n += 1 if work.place[q, 2] == 0.0 else 0
            _observe(tracks, rings, radars, i, slot, t_ns, work)  # an older one is nearer to t_ns, or fine
        k -= 1
    return n


@kernel(inner=True)
def _passage(passages: Passages, w: int, q: int, t_ns: int) -> int:
    """Return the row of terminal w's passage of radar q, a new one if need be; -1: none is free."""
    ints, free = passages.ints, -1
    for p in range(ints.shape[0]):
        if ints[p, P_TERMINAL] == w and ints[p, P_RADAR] == q:
            return p
        if ints[p, P_TERMINAL] < 0 and free < 0:
            free = p
    if free >= 0:
        ints[free, P_TERMINAL], ints[free, P_RADAR] = w, q
        ints[free, P_FIRST_NS], ints[free, P_LAST_NS], ints[free, P_N] = t_ns, t_ns, 0
    return free


@kernel(inner=True)
def _begin(passages: Passages, p: int, evidence: Evidence, q: int, work: Work, z: F1, sigma_m: float) -> None:
    """Set passage p to the prior, its truck's error larger where the first residual z does not fit."""
    mean, cov = passages.mean, passages.cov
    at_q, misfit = N_ERRORS * q, 0.0
    for a in range(2):  # the axes by themselves: their covariance is small against the truck's error
        r, s = z[a], sigma_m**2 + work.beam[q, 2 + a]
        for j in range(N_ERRORS):
            r -= work.J[q, a, j] * evidence.mean[at_q + j]
            for k in range(N_ERRORS):
                s += work.J[q, a, j] * evidence.cov[at_q + j, at_q + k] * work.J[q, a, k]
        misfit += r * r / s
    tally = evidence.tally[q]
    gain = 1.0 / min(tally[V_TRUCKS] + 2.0, 50.0)
    tally[V_MISFIT] += gain * (min(0.5 * misfit, 25.0) - tally[V_MISFIT])
    var = sigma_m**2 * max(misfit / MISFIT_MAX, 1.0)
    for j in range(N_FILTER):
        mean[p, j] = 0.0
        for k in range(N_FILTER):
            cov[p, j, k] = 0.0
        cov[p, j, j] = evidence.prior[j] ** 2 if j < N_ERRORS else var


@kernel(inner=True)
def _advance(passages: Passages, p: int, sigma_m: float, tau_s: float, dt_s: float) -> None:
    """Predict the truck's error of passage p (Gauss-Markov)."""
    keep = math.exp(-dt_s / max(tau_s, 0.1))
    for b in range(N_ERRORS, N_FILTER):
        passages.mean[p, b] *= keep
        for j in range(N_FILTER):
            passages.cov[p, b, j] *= keep
        for j in range(N_FILTER):
            passages.cov[p, j, b] *= keep
        passages.cov[p, b, b] += sigma_m**2 * (1.0 - keep * keep)


@kernel(inner=True)
def _update(passages: Passages, p: int, q: int, a: int, z: float, r: float, work: Work) -> None:
    """Fuse the residual z of axis a, of variance r, into passage p."""
    mean, cov, row = passages.mean, passages.cov, work.row
    c, s = work.beam[q, 0], work.beam[q, 1]
    b_e, b_n = (c, s) if a == 0 else (-s, c)
    total = r
    for j in range(N_FILTER):
        row[j] = cov[p, j, N_ERRORS] * b_e + cov[p, j, N_ERRORS + 1] * b_n
        for k in range(N_ERRORS):
            row[j] += cov[p, j, k] * work.J[q, a, k]
    for j in range(N_ERRORS):
        total += work.J[q, a, j] * row[j]
        z -= work.J[q, a, j] * mean[p, j]
    total += b_e * row[N_ERRORS] + b_n * row[N_ERRORS + 1]
    z -= b_e * mean[p, N_ERRORS] + b_n * mean[p, N_ERRORS + 1]
    for j in range(N_FILTER):
        mean[p, j] += row[j] * z / total
        for k in range(N_FILTER):
            cov[p, j, k] -= row[j] * row[k] / total


@kernel
def sample_fixes(
    tracks: Tracks, rings: Rings, radars: Radars, passages: Passages, evidence: Evidence, t_ns: int,
    work: Work,
) -> None:  # fmt: skip
    """Fuse the newest fix of each identified, moving track, against the radars that saw it then.

    t_ns : now; a fix is used once
    """
    ints, X, size = tracks.ints, tracks.states.X, rings.stamps.shape[1]
    z = work.small[0]
    for i in range(tracks.tally[at.T_HIGH]):
        if ints[i, at.STATUS] != at.CONFIRMED or ints[i, at.TERMINAL] < 0 or ints[i, at.INTEGRITY] != 0:
            continue
        if X[i, at.V_EAST] ** 2 + X[i, at.V_NORTH] ** 2 <= SLOW_MPS**2:
            continue
        if t_ns - ints[i, at.RADAR_NS] > PASSED_NS:
            continue
        k = ints[i, at.RING_LEN] - 1
        slot = (ints[i, at.RING_HEAD] + k) % size
        while k >= 0 and rings.meas[i, slot, at.WHAT] != at.FIX:
            k -= 1
            slot = (ints[i, at.RING_HEAD] + k) % size
        if k < 0 or t_ns - rings.stamps[i, slot] > PASSED_NS:
            continue
        fix_ns = rings.stamps[i, slot]
        if _observe_all(tracks, rings, radars, i, fix_ns, work) == 0:
            continue
        M = rings.meas[i]
        east, north, spread = centre_of(M, slot, heading_of(tracks.states, i))
        sigma_m, tau_s = M[slot, at.Z_SIGMA], M[slot, at.Z_TAU]
        # a stamp in whole seconds moves the fix along the road, as long as the terminal keeps its ways
        sigma_m = math.sqrt(
            sigma_m**2 + (X[i, at.V_EAST] ** 2 + X[i, at.V_NORTH] ** 2) * M[slot, at.Z_DELAY] ** 2
        )
        white = (WHITE_SHARE * M[slot, at.Z_SIGMA]) ** 2 + QUANTUM_M**2 + spread
        for q in range(radars.survey.shape[0]):
            if work.place[q, 2] == 0.0:
                continue
            p = _passage(passages, ints[i, at.TERMINAL], q, fix_ns)
            if p < 0:
                continue
            last_ns = passages.ints[p, P_LAST_NS]
            if passages.ints[p, P_N] > 0 and fix_ns - last_ns < SAMPLE_NS:
                continue
            d_e, d_n = east - work.place[q, 0], north - work.place[q, 1]
            c, s = work.beam[q, 0], work.beam[q, 1]
            z[0], z[1] = c * d_e + s * d_n, c * d_n - s * d_e
            if passages.ints[p, P_N] == 0:
                _begin(passages, p, evidence, q, work, z, sigma_m)
            else:
                _advance(passages, p, sigma_m, tau_s, (fix_ns - last_ns) * 1e-9)
            for a in range(2):
                _update(passages, p, q, a, z[a], work.beam[q, 2 + a] + white, work)
            passages.ints[p, P_LAST_NS] = fix_ns
            passages.ints[p, P_N] += 1


@kernel(inner=True)
def _add_pair(evidence: Evidence, p: int, q: int, work: Work) -> None:
    """Add the difference of the places that radars p and q gave, in the beam axes of q."""
    c, s = work.beam[q, 0], work.beam[q, 1]
    turn_c, turn_s = c * work.beam[p, 0] + s * work.beam[p, 1], c * work.beam[p, 1] - s * work.beam[p, 0]
    d_e, d_n = work.place[p, 0] - work.place[q, 0], work.place[p, 1] - work.place[q, 1]
    for a in range(2):
        z = c * d_e + s * d_n if a == 0 else c * d_n - s * d_e
        on_0, on_1 = (turn_c, -turn_s) if a == 0 else (turn_s, turn_c)  # axis a of q in the beam axes of p
        r = work.beam[q, 2 + a] + on_0**2 * work.beam[p, 2] + on_1**2 * work.beam[p, 3]
        expected, var = 0.0, r
        for j in range(N_ERRORS):
            work.small[1, j] = work.J[q, a, j]
            work.small[2, j] = -(on_0 * work.J[p, 0, j] + on_1 * work.J[p, 1, j])
            expected += work.small[1, j] * evidence.mean[N_ERRORS * q + j]
            expected += work.small[2, j] * evidence.mean[N_ERRORS * p + j]
        for j in range(N_ERRORS):
            for k in range(N_ERRORS):
                var += work.small[1, j] * evidence.cov[N_ERRORS * q + j, N_ERRORS * q + k] * work.small[1, k]
                var += work.small[2, j] * evidence.cov[N_ERRORS * p + j, N_ERRORS * p + k] * work.small[2, k]
        misfit = (z - expected) ** 2 / var
        weight = 1.0 / (PAIR_SAMPLES * r * max(misfit / MISFIT_MAX, 1.0))
        for x in range(2):
            m = q if x == 0 else p
            for j in range(N_ERRORS):
                evidence.vector[N_ERRORS * m + j] += weight * work.small[1 + x, j] * z
                for y in range(2):
                    o = q if y == 0 else p
                    for k in range(N_ERRORS):
                        evidence.information[N_ERRORS * m + j, N_ERRORS * o + k] += (
                            weight * work.small[1 + x, j] * work.small[1 + y, k]
                        )
    evidence.tally[p, V_PAIRS] += 1.0
    evidence.tally[q, V_PAIRS] += 1.0


@kernel
def sample_pairs(
    tracks: Tracks, rings: Rings, radars: Radars, evidence: Evidence, t_ns: int, work: Work
) -> None:
    """Add what two radars say of one moving track: the difference of their places."""
    ints, X = tracks.ints, tracks.states.X
    for i in range(tracks.tally[at.T_HIGH]):
        if ints[i, at.STATUS] != at.CONFIRMED or t_ns - ints[i, at.RADAR_NS] > NEAR_NS:
            continue
        if X[i, at.V_EAST] ** 2 + X[i, at.V_NORTH] ** 2 <= SLOW_MPS**2:
            continue
        if _observe_all(tracks, rings, radars, i, ints[i, at.RADAR_NS], work) < 2:
            continue
        one = -1
        for q in range(radars.survey.shape[0]):
            if work.place[q, 2] == 0.0:
                continue
            if one >= 0:
                _add_pair(evidence, one, q, work)
            one = q


@kernel
def conclude(passages: Passages, evidence: Evidence, t_ns: int, keep: float, work: Work) -> None:
    """Add the passages that have ended to the evidence, and estimate anew.

    keep : share of the older evidence that still counts
    """
    n, small = evidence.vector.shape[0], work.small
    for j in range(n):
        evidence.vector[j] *= keep
        for k in range(n):
            evidence.information[j, k] *= keep
    for p in range(passages.ints.shape[0]):
        ints = passages.ints[p]
        if ints[P_TERMINAL] < 0:
            continue
        if t_ns - ints[P_LAST_NS] <= PASSED_NS and t_ns - ints[P_FIRST_NS] <= PASSAGE_NS_MAX:
            continue
        if ints[P_N] > 1:  # one place says nothing of the truck's own error
            at_q = N_ERRORS * ints[P_RADAR]
            for j in range(N_ERRORS):
                for k in range(N_ERRORS):
                    small[j, k] = passages.cov[p, j, k]
            _invert(small, N_ERRORS)
            for j in range(N_ERRORS):
                for k in range(N_ERRORS):
                    evidence.vector[at_q + j] += small[j, k] * passages.mean[p, k]
                    evidence.information[at_q + j, at_q + k] += 0.5 * (small[j, k] + small[k, j])
                evidence.information[at_q + j, at_q + j] -= 1.0 / evidence.prior[j] ** 2
            evidence.tally[ints[P_RADAR], V_TRUCKS] += 1.0
        ints[P_TERMINAL] = -1
    for j in range(n):
        for k in range(n):
            evidence.cov[j, k] = evidence.information[j, k]
        evidence.cov[j, j] += 1.0 / evidence.prior[j % N_ERRORS] ** 2
    _invert(evidence.cov, n)
    for j in range(n):
        evidence.mean[j] = 0.0
        for k in range(n):
            evidence.mean[j] += evidence.cov[j, k] * evidence.vector[k]
