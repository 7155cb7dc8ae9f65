"""The errors of radars' poses as a filter: fixes against radar, and radar against radar. Kernels only.

Five errors of each radar (N_ERRORS): what must be added to the survey's east and north [m] and boresight
[rad]; how far its clock is ahead [s]; by how much its ranges are too long [m]. `fusion.registration_sight`
says how they displace what it sees.

A truck's fix is the centre plus that truck's own lasting error (Gauss-Markov). So each truck that passes a
radar has a filter of seven numbers, the five and its error; what it says of the five is information about the
radar (Schmidt's nuisance parameters, marginalised). Trucks' errors average out, but for a part that
satellites give all receivers of a place alike: two numbers (COMMON) that all fixes contain.
"""

import math
from typing import NamedTuple

from core.arrays import F1, F2, F3, I2
from core.kernel import kernel
from fusion import layout as at
from fusion.antenna import centre_under
from fusion.layout import Rings, Tracks
from fusion.models import SLOW_MPS, fresh_m2
from fusion.registration_sight import (
    AROUND_NS,
    BODY,
    COUNT,
    FRESH,
    N_ERRORS,
    SUM_EAST,
    SUM_NORTH,
    WHILE,
    Radars,
    Work,
    observe,
)
from fusion.survey_quality import invert

N_COMMON = 2  # east and north of the error that all receivers share, after the errors of all radars
N_FILTER = N_ERRORS + 2  # and the truck's own error, east and north

P_TERMINAL, P_RADAR, P_FIRST_NS, P_LAST_NS, P_N = 0, 1, 2, 3, 4  # columns of `Passages.ints`
P_ODD = 5  # so many of its last fixes were left out
N_PASSAGE = 6
PASSAGES = 256  # that are under way at once
V_TRUCKS, V_PAIRS, V_MISFIT = 0, 1, 2  # columns of `Evidence.tally`
N_TALLY = 3

RECENT_NS = 150_000_000  # so lately radar saw a vehicle that two radars may see now
PASSED_NS = 3_000_000_000  # without a detection for so long, a truck has passed
PASSAGE_NS_MAX = 60_000_000_000  # a truck that stands in the field is one truck, each minute anew
SAMPLE_NS = 900_000_000  # least time between two samples of a passage: each is a mean over a second
MISFIT_MAX = 4.0  # chi-square of two: beyond it the truck's own error is taken to be that much larger
# A fix that is further off is an outlier (1 : 10 000 of two), or shows another vehicle; unless they all do
ODD_CHI2, ODD_MAX = 18.4, 2
# Of a pair on one track each second: what stays for a second counts (1 + r) / (1 - r), r = exp(-1), times its
# variance in a mean over seconds; what stays for the passage as often as it is seen, some ten seconds
WHILE_ALIKE, PASSAGE_ALIKE = 2.16, 10.0
# Share of what a truck shows of one radar that it does not show of the next as well: fields overlap, and its
# error outlasts a field, so that two radars learn from one and the same error
OWN_SHARE = 0.5


class Passages(NamedTuple):
    """The trucks that are passing a radar; a free row has terminal -1."""

    ints: I2  # (PASSAGES, N_PASSAGE)
    mean: F2  # (PASSAGES, N_FILTER)
    cov: F3  # (PASSAGES, N_FILTER, N_FILTER)


class Evidence(NamedTuple):
    """What the trucks said of the m radars: n = N_ERRORS m + N_COMMON errors, one after another."""

    information: F2  # (n, n) of what has passed, without a prior
    vector: F1  # (n,)
    tally: F2  # (m, N_TALLY) trucks, samples of pairs, mean misfit (1 where sigmas are honest)
    mean: F1  # (n,) estimate
    cov: F2  # (n, n) its covariance
    prior: F1  # (N_ERRORS,) sigmas with which a passage starts: wide, and taken off again


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
        ints[free, P_FIRST_NS], ints[free, P_LAST_NS], ints[free, P_N], ints[free, P_ODD] = t_ns, t_ns, 0, 0
    return free


@kernel(inner=True)
def _first_misfit(evidence: Evidence, q: int, work: Work, z: F1, sigma_m: float) -> float:
    """Return the chi-square of a passage's first residual z, under what radar q is known to err by."""
    var, at_q, misfit = work.var[q], N_ERRORS * q, 0.0
    for a in range(2):  # the axes by themselves: their covariance is small against the truck's error
        row = work.J[2 * q + a]
        r, s = z[a], sigma_m**2 + var[FRESH + a] + var[WHILE + a] + var[BODY + a]
        for j in range(N_ERRORS):
            r -= row[j] * evidence.mean[at_q + j]
            for k in range(N_ERRORS):
                s += row[j] * evidence.cov[at_q + j, at_q + k] * row[k]
        misfit += r * r / s
    return float(misfit)


@kernel(inner=True)
def _begin(
    passages: Passages, p: int, evidence: Evidence, q: int, work: Work, misfit: float, sigma_m: float
) -> None:
    """Set passage p to the prior, its truck's error larger where the first residual does not fit."""
    mean, cov, var = passages.mean, passages.cov, work.var[q]
    tally = evidence.tally[q]
    gain = 1.0 / min(tally[V_TRUCKS] + 2.0, 50.0)
    tally[V_MISFIT] += gain * (min(0.5 * misfit, 25.0) - tally[V_MISFIT])
    own = sigma_m**2 * max(misfit / MISFIT_MAX, 1.0)
    for j in range(N_FILTER):
        mean[p, j] = 0.0
        for k in range(N_FILTER):
            cov[p, j, k] = 0.0
    for j in range(N_ERRORS):
        cov[p, j, j] = evidence.prior[j] ** 2
    c, s = work.beam[q, 0], work.beam[q, 1]  # a body of another size than assumed is an error of the truck's
    E, N = N_ERRORS, N_ERRORS + 1
    cov[p, E, E] = own + c * c * var[BODY] + s * s * var[BODY + 1]
    cov[p, N, N] = own + s * s * var[BODY] + c * c * var[BODY + 1]
    cov[p, E, N] = cov[p, N, E] = c * s * (var[BODY] - var[BODY + 1])


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
def _innovation(
    passages: Passages, p: int, q: int, a: int, z: float, r: float, work: Work
) -> tuple[float, float]:
    """Return the residual z of axis a against passage p, and its variance; r : its own.

    Writes work.row: its covariances with the state.
    """
    mean, cov, row = passages.mean, passages.cov, work.row
    c, s = work.beam[q, 0], work.beam[q, 1]
    b_e, b_n = (c, s) if a == 0 else (-s, c)
    total = r
    for j in range(N_FILTER):
        row[j] = cov[p, j, N_ERRORS] * b_e + cov[p, j, N_ERRORS + 1] * b_n
        for k in range(N_ERRORS):
            row[j] += cov[p, j, k] * work.J[2 * q + a, k]
    for j in range(N_ERRORS):
        total += work.J[2 * q + a, j] * row[j]
        z -= work.J[2 * q + a, j] * mean[p, j]
    total += b_e * row[N_ERRORS] + b_n * row[N_ERRORS + 1]
    return z - b_e * mean[p, N_ERRORS] - b_n * mean[p, N_ERRORS + 1], total


@kernel(inner=True)
def _update(passages: Passages, p: int, q: int, a: int, z: float, r: float, work: Work) -> None:
    """Fuse the residual z of axis a, of variance r, into passage p."""
    mean, cov, row = passages.mean, passages.cov, work.row
    z, total = _innovation(passages, p, q, a, z, r, work)
    for j in range(N_FILTER):
        mean[p, j] += row[j] * z / total
        for k in range(N_FILTER):
            cov[p, j, k] -= row[j] * row[k] / total


@kernel(inner=True)
def _add_fix(
    passages: Passages, p: int, evidence: Evidence, q: int, fix_ns: int, fix: tuple[float, float, float],
    z: F1, work: Work,
) -> None:  # fmt: skip
    """Fuse a fix into passage p of radar q, if it is no outlier.

    fix : sigma [m] and tau [s] of what lasts, variance of what is new [m^2]
    z : (2,) its place from the radar's, along the beam and across it
    """
    ints, (sigma_m, tau_s, white) = passages.ints[p], fix
    is_first = ints[P_N] == 0
    chi2 = 0.0
    if is_first:
        chi2 = _first_misfit(evidence, q, work, z, sigma_m)
    else:
        _advance(passages, p, sigma_m, tau_s, (fix_ns - ints[P_LAST_NS]) * 1e-9)
        for a in range(2):
            off, var = _innovation(passages, p, q, a, z[a], _new_m2(work, q, a, white), work)
            chi2 += off * off / var
    ints[P_LAST_NS] = fix_ns
    if chi2 > ODD_CHI2 and ints[P_ODD] < ODD_MAX:
        ints[P_ODD] += 1
        return
    ints[P_ODD] = 0
    if is_first:
        _begin(passages, p, evidence, q, work, chi2, sigma_m)
    for a in range(2):
        _update(passages, p, q, a, z[a], _new_m2(work, q, a, white), work)
    ints[P_N] += 1


@kernel(inner=True)
def _new_m2(work: Work, q: int, a: int, white: float) -> float:
    """Return the variance of what is new in a fix and in radar q's mean along axis a."""
    return float(work.var[q, FRESH + a] + WHILE_ALIKE * work.var[q, WHILE + a] + white)


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
        if observe(tracks, rings, radars, i, fix_ns, work) == 0:
            continue
        M = rings.meas[i]
        east, north, spread = centre_under(tracks.states, i, M, slot)
        sigma_m, tau_s = M[slot, at.Z_SIGMA], M[slot, at.Z_TAU]
        # a stamp in whole seconds moves the fix along the road, as long as the terminal keeps its ways
        sigma_m = math.sqrt(
            sigma_m**2 + (X[i, at.V_EAST] ** 2 + X[i, at.V_NORTH] ** 2) * M[slot, at.Z_DELAY] ** 2
        )
        white = fresh_m2(M, slot) + spread
        for q in range(radars.survey.shape[0]):
            if work.place[q, COUNT] == 0.0:
                continue
            p = _passage(passages, ints[i, at.TERMINAL], q, fix_ns)
            if p < 0:
                continue
            is_new = passages.ints[p, P_N] == 0 and passages.ints[p, P_ODD] == 0
            if not is_new and fix_ns - passages.ints[p, P_LAST_NS] < SAMPLE_NS:
                continue
            d_e, d_n = east - work.place[q, SUM_EAST], north - work.place[q, SUM_NORTH]
            c, s = work.beam[q, 0], work.beam[q, 1]
            z[0], z[1] = c * d_e + s * d_n, c * d_n - s * d_e
            _add_fix(passages, p, evidence, q, fix_ns, (sigma_m, tau_s, white), z, work)


@kernel(inner=True)
def _variance(work: Work, q: int, a: int) -> float:
    """Return what one second's mean of radar q along axis a counts among those of other seconds."""
    var = work.var[q]
    return float(var[FRESH + a] + WHILE_ALIKE * var[WHILE + a] + PASSAGE_ALIKE * var[BODY + a])


@kernel(inner=True)
def _add_pair(evidence: Evidence, p: int, q: int, work: Work) -> None:
    """Add the difference of the places that radars p and q gave, in the beam axes of q."""
    c, s, o_c, o_s = work.beam[q, 0], work.beam[q, 1], work.beam[p, 0], work.beam[p, 1]
    place, by_q, by_p = work.place, work.row, work.own
    turn_c, turn_s = c * o_c + s * o_s, c * o_s - s * o_c
    d_e, d_n = place[p, SUM_EAST] - place[q, SUM_EAST], place[p, SUM_NORTH] - place[q, SUM_NORTH]
    for a in range(2):
        z = c * d_e + s * d_n if a == 0 else c * d_n - s * d_e
        on_0, on_1 = (turn_c, -turn_s) if a == 0 else (turn_s, turn_c)  # axis a of q in the beam axes of p
        r = _variance(work, q, a) + on_0**2 * _variance(work, p, 0) + on_1**2 * _variance(work, p, 1)
        expected, var = 0.0, r
        for j in range(N_ERRORS):
            by_q[j] = work.J[2 * q + a, j]
            by_p[j] = -(on_0 * work.J[2 * p, j] + on_1 * work.J[2 * p + 1, j])
            expected += by_q[j] * evidence.mean[N_ERRORS * q + j] + by_p[j] * evidence.mean[N_ERRORS * p + j]
        for j in range(N_ERRORS):
            for k in range(N_ERRORS):
                j_q, k_q, j_p, k_p = N_ERRORS * q + j, N_ERRORS * q + k, N_ERRORS * p + j, N_ERRORS * p + k
                var += by_q[j] * evidence.cov[j_q, k_q] * by_q[k] + by_p[j] * evidence.cov[j_p, k_p] * by_p[k]
                var += 2.0 * by_q[j] * evidence.cov[j_q, k_p] * by_p[k]
        misfit = (z - expected) ** 2 / var
        # Two vehicles in one track differ by metres for seconds: the less two places agree, the less they say
        weight = 1.0 / (r * max(misfit / MISFIT_MAX, 1.0) ** 2)
        for x in range(2):
            m, one = (q, by_q) if x == 0 else (p, by_p)
            for j in range(N_ERRORS):
                evidence.vector[N_ERRORS * m + j] += weight * one[j] * z
                for k in range(N_ERRORS):
                    row = N_ERRORS * m + j
                    evidence.information[row, N_ERRORS * q + k] += weight * one[j] * by_q[k]
                    evidence.information[row, N_ERRORS * p + k] += weight * one[j] * by_p[k]
    evidence.tally[p, V_PAIRS] += 1.0
    evidence.tally[q, V_PAIRS] += 1.0


@kernel
def sample_pairs(
    tracks: Tracks, rings: Rings, radars: Radars, evidence: Evidence, t_ns: int, work: Work
) -> None:
    """Add what two radars say of one moving track: the difference of their places."""
    ints, X = tracks.ints, tracks.states.X
    for i in range(tracks.tally[at.T_HIGH]):
        if ints[i, at.STATUS] != at.CONFIRMED or t_ns - ints[i, at.RADAR_NS] > RECENT_NS:
            continue
        if X[i, at.V_EAST] ** 2 + X[i, at.V_NORTH] ** 2 <= SLOW_MPS**2:
            continue
        if observe(tracks, rings, radars, i, ints[i, at.RADAR_NS] - AROUND_NS, work) < 2:
            continue
        one = -1
        for q in range(radars.survey.shape[0]):
            if work.place[q, COUNT] == 0.0:
                continue
            if one >= 0:
                _add_pair(evidence, one, q, work)
            one = q


@kernel(inner=True)
def _add_passage(passages: Passages, p: int, prior: F1, information: F2, vector: F1, small: F2) -> None:
    """Add what the truck of passage p has shown of its radar, and of the error that all receivers share."""
    mean, at_q, common = passages.mean[p], N_ERRORS * passages.ints[p, P_RADAR], vector.shape[0] - N_COMMON
    for j in range(N_ERRORS):
        for k in range(N_ERRORS):
            small[j, k] = passages.cov[p, j, k]
    invert(small, N_ERRORS)
    for j in range(N_ERRORS):
        said = 0.0
        for k in range(N_ERRORS):
            said += OWN_SHARE * small[j, k] * mean[k]
        vector[at_q + j] += said
        if j < N_COMMON:
            vector[common + j] += said
        for k in range(N_ERRORS):
            news = 0.5 * (small[j, k] + small[k, j]) - (1.0 / prior[j] ** 2 if j == k else 0.0)
            news *= OWN_SHARE
            information[at_q + j, at_q + k] += news
            if j < N_COMMON:  # a fix shows the sum of place and common error
                information[common + j, at_q + k] += news
            if k < N_COMMON:
                information[at_q + j, common + k] += news
            if j < N_COMMON and k < N_COMMON:
                information[common + j, common + k] += news


@kernel
def conclude(passages: Passages, evidence: Evidence, t_ns: int, keep: float, work: Work) -> None:
    """Add the passages that have ended to the evidence.

    keep : share of the older evidence that still counts
    """
    n = evidence.vector.shape[0]
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
            _add_passage(passages, p, evidence.prior, evidence.information, evidence.vector, work.small)
            evidence.tally[ints[P_RADAR], V_TRUCKS] += 1.0
        ints[P_TERMINAL] = -1


@kernel
def gather(passages: Passages, evidence: Evidence, information: F2, vector: F1, work: Work) -> None:
    """Write all evidence, that of trucks which are still passing too, to `information` and `vector`."""
    for j in range(vector.shape[0]):
        vector[j] = evidence.vector[j]
        for k in range(vector.shape[0]):
            information[j, k] = evidence.information[j, k]
    for p in range(passages.ints.shape[0]):
        if passages.ints[p, P_TERMINAL] >= 0 and passages.ints[p, P_N] > 1:
            _add_passage(passages, p, evidence.prior, information, vector, work.small)
