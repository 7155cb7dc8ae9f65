"""Adaptive process noise: how much the vehicle of a track accelerates now, along its course and across it.

Each axis is in one of two modes, calm or in a manoeuvre, which differ only in the density of the white
acceleration. The probability of calm is learnt from what the filter corrects anyway. The filter runs once,
with the mean density of both modes: at the cost of one of the multiple models of Bar-Shalom, Li, Kirubarajan
(2001, 11.6).

Corrections of a velocity are white while the noise is right (Kailath 1968): with too little of it each has
the sign of those before, with too much of it the sensors' errors make them alternate. So the evidence is
their size and a fading sum of them, weighed against the spread that each has in both modes. All memory is in
X: it is rewound with the state, and zeros, a manoeuvre, are a fresh start.
"""

import math

from core.arrays import F1, F2
from core.kernel import kernel
from fusion import layout as at
from fusion.layout import States

ONSET_S, LASTS_S = 60.0, 3.0  # a truck in traffic brakes or changes lanes about once a minute, for about 3 s
STEP_S_MAX = 1.0  # modes change in steps of at most this
FADE_S = 2.0  # sums across fade so: half a lane change. Sums along fade in an eighth: a brake's build-up
# Without a measurement for dt, calm counts exp(-dt / FADE_S) of its probability. A gate must hold one in a
# thousand; a manoeuvre begins in dt / ONSET_S of all gaps. The 0.999 quantile of both modes together is that
# of a density of 0.03, 0.2, 0.3, 0.5 of the manoeuvre's after 0.1, 0.5, 1, 3 s: this, and a little more.
SUM_MAX = 30.0  # in sigmas, of a correction and of a sum: no more evidence than sensors can give
EXPONENT_MAX = 700.0  # beyond, exp is infinite or zero

Velocity = tuple[float, float, float, float, float]  # east, north; variances ee, en, nn
Axis = tuple[int, int]  # columns of its probability of calm and of its sum
Density = tuple[float, float, float]  # of the acceleration: the filter's, in calm, in a manoeuvre [m^2/s^3]
ALONG: Axis = (at.CALM_ALONG, at.SUM_ALONG)
CROSS: Axis = (at.CALM_CROSS, at.SUM_CROSS)


@kernel(inner=True)
def _densities(X: F2, i: int, seen: float, tuning: F1) -> tuple[Density, Density]:
    """Return the densities of row i along and across; calm counts the share `seen` of its probability."""
    full_al, full_cr = tuning[at.Q_ALONG], tuning[at.Q_CROSS]
    calm_al, calm_cr = min(tuning[at.Q_CALM_ALONG], full_al), min(tuning[at.Q_CALM_CROSS], full_cr)
    q_al = full_al + seen * X[i, at.CALM_ALONG] * (calm_al - full_al)
    q_cr = full_cr + seen * X[i, at.CALM_CROSS] * (calm_cr - full_cr)
    return (q_al, calm_al, full_al), (q_cr, calm_cr, full_cr)


@kernel(inner=True)
def noise_of(X: F2, i: int, dt_s: float, tuning: F1) -> tuple[float, float]:
    """Return the densities along and across of row i for the next dt_s [m^2/s^3]."""
    along, across = _densities(X, i, math.exp(-dt_s / FADE_S), tuning)
    return along[0], across[0]


@kernel(inner=True)
def age(X: F2, i: int, dt_s: float) -> None:
    """Let dt_s pass in the memory of row i: modes change, sums fade."""
    dt = min(dt_s, STEP_S_MAX)
    X[i, at.CALM_ALONG] += dt * ((1.0 - X[i, at.CALM_ALONG]) / LASTS_S - X[i, at.CALM_ALONG] / ONSET_S)
    X[i, at.CALM_CROSS] += dt * ((1.0 - X[i, at.CALM_CROSS]) / LASTS_S - X[i, at.CALM_CROSS] / ONSET_S)
    keep = math.exp(-dt_s / FADE_S)
    X[i, at.SUM_KEPT] *= keep
    X[i, at.SUM_CROSS] *= keep
    X[i, at.SUM_ALONG] *= keep**8


@kernel(inner=True)
def spread_of(q: float, q_mode: float, var: float, fade_s: float) -> float:
    """Return the variance of the normalised sum if the density is q_mode and the filter's is q.

    var : of the velocity, after the measurement. A filter of first order follows a velocity at the rate
    w = q / var. A sum that fades in T of what it corrects has the variance q T / 2, of which the share
    w T / (1 + w T) is the vehicle's; the rest, the sensors', is there in any mode.
    """
    return 1.0 + q * fade_s / (q * fade_s + var) * (q_mode / q - 1.0)


@kernel(inner=True)
def surprise_of(q: float, q_mode: float, gain: float) -> float:
    """Return the variance of one normalised correction if the density is q_mode and the filter's is q.

    gain : share of the velocity's variance that the measurement removed. In the steady state of a filter of
    first order half the variance of its prediction is the vehicle's, the other half the sensors'.
    """
    return 1.0 + 0.5 * gain * (q_mode / q - 1.0)


@kernel(inner=True)
def evidence_of(x: float, calm_var: float, full_var: float) -> float:
    """Return the log likelihood ratio of a manoeuvre to calm of x, whose variances in both are given."""
    return 0.5 * (math.log(calm_var / full_var) + x * x * (1.0 / calm_var - 1.0 / full_var))


@kernel(inner=True)
def calm_after(calm: float, evidence: float) -> float:
    """Return the probability of calm after a log likelihood ratio of a manoeuvre to calm."""
    return calm / (calm + (1.0 - calm) * math.exp(min(max(evidence, -EXPONENT_MAX), EXPONENT_MAX)))


@kernel(inner=True)
def _learn_axis(
    X: F2, i: int, axis: Axis, correction: float, var: tuple[float, float], density: Density, kept: float,
    fade_s: float,
) -> None:  # fmt: skip
    """Learn one axis of row i from the correction of its velocity by a measurement.

    var : of the velocity before the measurement and after it; their difference is that of the correction
    kept : what is left of the sum's variance of one, as a standard deviation
    """
    mode, total = axis
    q, q_calm, q_full = density
    drop = var[0] - var[1]
    if not drop > 1e-9 * var[0]:
        return  # it says nothing of the velocity on this axis
    surprise = min(max(correction / math.sqrt(drop), -SUM_MAX), SUM_MAX)
    X[i, total] = min(max(X[i, total] + math.sqrt(1.0 - kept * kept) * surprise, -SUM_MAX), SUM_MAX)
    if X[i, mode] > 0.0 and q_full > q_calm:
        gain = drop / var[0]
        evidence = evidence_of(surprise, surprise_of(q, q_calm, gain), surprise_of(q, q_full, gain))
        spreads = spread_of(q, q_calm, var[1], fade_s), spread_of(q, q_full, var[1], fade_s)
        # what a sum holds for the second time is no second evidence
        evidence += (1.0 - kept) * evidence_of(X[i, total], spreads[0], spreads[1])
        X[i, mode] = calm_after(X[i, mode], evidence)


@kernel(inner=True)
def learn(X: F2, i: int, before: Velocity, after: Velocity, course: tuple[float, float], tuning: F1) -> None:
    """Learn the modes of row i from what a measurement, now fused, corrected.

    before, after : velocity and its covariance.  course : unit vector
    """
    c, s = course
    kept = X[i, at.SUM_KEPT]
    if kept >= 1.0:
        return  # of the same instant as the last: no time for a manoeuvre
    cc, cs, ss = c * c, c * s, s * s
    d_e, d_n = after[0] - before[0], after[1] - before[1]
    along, across = _densities(X, i, kept, tuning)
    var = (
        cc * before[2] + 2.0 * cs * before[3] + ss * before[4],
        cc * after[2] + 2.0 * cs * after[3] + ss * after[4],
    )
    _learn_axis(X, i, ALONG, c * d_e + s * d_n, var, along, kept**8, FADE_S / 8.0)
    var = (
        ss * before[2] - 2.0 * cs * before[3] + cc * before[4],
        ss * after[2] - 2.0 * cs * after[3] + cc * after[4],
    )
    _learn_axis(X, i, CROSS, c * d_n - s * d_e, var, across, kept, FADE_S)
    X[i, at.SUM_KEPT] = 1.0


@kernel(inner=True)
def doubt_calm(states: States, i: int, course: tuple[float, float], tuning: F1) -> None:
    """Take predicted row i to be in a manoeuvre since its last measurement: add the noise that calm left out.

    The prediction to a measurement that lies outside the gate is tried again so, before it is refused.
    """
    X, P = states.X, states.P
    c, s = course
    kept = X[i, at.SUM_KEPT]
    if kept <= 0.0:
        return  # of no known time, or nothing was left out
    dt = -FADE_S * math.log(kept)
    along, across = _densities(X, i, kept, tuning)
    q_al, q_cr = along[2] - along[0], across[2] - across[0]
    q = q_al * c * c + q_cr * s * s, (q_al - q_cr) * s * c, q_al * s * s + q_cr * c * c
    for a in range(2):
        for b in range(2):
            density = q[a + b]
            P[i, at.EAST + a, at.EAST + b] += dt * dt * dt / 3.0 * density
            P[i, at.EAST + a, at.V_EAST + b] += dt * dt / 2.0 * density
            P[i, at.V_EAST + a, at.EAST + b] += dt * dt / 2.0 * density
            P[i, at.V_EAST + a, at.V_EAST + b] += dt * density
    X[i, at.CALM_ALONG], X[i, at.CALM_CROSS] = 0.0, 0.0
