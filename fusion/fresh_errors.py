"""How much of a terminal's error is new in each fix: learnt from how its fixes scatter about its track.

A receiver states one sigma. Most of that error lasts for tens of seconds in one receiver, and changes from
fix to fix in the next. Where it changes more than the tracker assumes, fixes lie outside the gate, or drag
the track aside as if the vehicle moved. So the share has N_FRESH steps from WHITE_SHARE of sigma on, sqrt(2)
apart, each FRESH_STEP_P times as probable as the one before. Each step has the likelihood of how fixes differ
from the prediction across the course, while radar sees the vehicle. Along the course vehicles brake, and
nobody knows which point of the body radar sees. What a fleet's terminals turned out to be is the prior of
the next one.
"""

import math

from core.arrays import F1, F2
from core.kernel import kernel
from fusion import layout as at
from fusion.antenna import centre_under
from fusion.config import QUANTUM_M, WHITE_SHARE
from fusion.heading import axis_of
from fusion.layout import Rings, States, Terminals, Tracks
from fusion.rewind import state_at
from fusion.sigma_scale import FLEET_EVERY, FRESH_STEP_P, ODD_SIGMAS, log_density, top_of
from fusion.terminal_errors import RADAR_NS_MAX

FORGET_S = 120.0  # receivers drive from open road under trees


@kernel
def fresh_m(terminals: Terminals, w: int, sigma_m: float) -> float:
    """Return 1 sigma of what is new in each fix of terminal w, whose whole error has sigma_m."""
    fleet, errors, group = terminals.fleet, terminals.errors, int(terminals.errors[w, at.E_GROUP])
    if fleet[group, at.F_FRESH_N] == 0.0 and errors[w, at.E_FRESH + at.N_FRESH - 1] == 0.0:
        return WHITE_SHARE * sigma_m  # radar has shown none yet
    top = top_of(errors, w, at.E_FRESH, at.N_FRESH)
    total = mean = 0.0
    for k in range(at.N_FRESH):
        p = fleet[group, at.F_FRESH + k] * math.exp(errors[w, at.E_FRESH + k] - top)
        total += p
        mean += p * 2.0**k
    return WHITE_SHARE * sigma_m * math.sqrt(mean / total)


@kernel(inner=True)
def _tell_fleet(terminals: Terminals, w: int) -> None:
    """Note that terminal w has learnt; what its group's terminals show is the prior of the next one.

    The prior is the mean of their posteriors, and of the one before any had shown anything.
    """
    fleet, errors = terminals.fleet, terminals.errors
    group, n = int(errors[w, at.E_GROUP]), errors.shape[0]
    fleet[group, at.F_FRESH_N] += 1.0
    if fleet[group, at.F_FRESH_N] < max(FLEET_EVERY, n / 8):
        return
    fleet[group, at.F_FRESH_N] = 1.0  # 0: never yet
    for k in range(at.N_FRESH):
        fleet[group, at.F_FRESH + k] = FRESH_STEP_P**k * (1.0 - FRESH_STEP_P)
    for v in range(n):
        if int(errors[v, at.E_GROUP]) != group or errors[v, at.E_FRESH + at.N_FRESH - 1] == 0.0:
            continue
        top, total = top_of(errors, v, at.E_FRESH, at.N_FRESH), 0.0
        for k in range(at.N_FRESH):
            total += FRESH_STEP_P**k * math.exp(errors[v, at.E_FRESH + k] - top)
        for k in range(at.N_FRESH):
            fleet[group, at.F_FRESH + k] += (
                FRESH_STEP_P**k * math.exp(errors[v, at.E_FRESH + k] - top) / total
            )


@kernel
def learn_fresh(
    tracks: Tracks, rings: Rings, terminals: Terminals, w: int, t_ns: int, M: F2, m: int, tuning: F1,
    predicted: States,
) -> None:  # fmt: skip
    """Learn from the fix in row m of M, which is not fused yet; one that is late teaches nothing.

    predicted : scratch
    """
    X, P, errors, i = predicted.X, predicted.P, terminals.errors, terminals.ints[w, at.ROW]
    if i < 0 or t_ns <= tracks.ints[i, at.GNSS_NS] or tracks.ints[i, at.GNSS_NS] == 0:
        return
    if tracks.ints[i, at.RADAR_NS] == 0 or abs(t_ns - tracks.ints[i, at.RADAR_NS]) > RADAR_NS_MAX:
        return
    if not state_at(tracks, rings, i, t_ns, predicted, 0, tuning) or X[0, at.BOUND] == 0.0:
        return
    c, s = axis_of(X, 0)
    if math.isnan(c):
        return
    E, N, BE, BN, sigma = at.EAST, at.NORTH, at.BIAS_EAST, at.BIAS_NORTH, M[m, at.Z_SIGMA]
    east, north, r = centre_under(predicted, 0, M, m)
    z = c * (north - X[0, N] - X[0, BN]) - s * (east - X[0, E] - X[0, BE])
    var = s * s * (P[0, E, E] + 2.0 * P[0, E, BE] + P[0, BE, BE]) + r + QUANTUM_M**2
    var += c * c * (P[0, N, N] + 2.0 * P[0, N, BN] + P[0, BN, BN])
    var -= 2.0 * s * c * (P[0, E, N] + P[0, E, BN] + P[0, N, BE] + P[0, BE, BN])
    keep = math.exp(-(t_ns - tracks.ints[i, at.GNSS_NS]) * 1e-9 / FORGET_S)
    fresh2, odd = (WHITE_SHARE * sigma) ** 2, (ODD_SIGMAS * sigma) ** 2 + var
    least = log_density(z, var + fresh2, odd)
    for k in range(at.N_FRESH):
        gain = log_density(z, var + fresh2 * 2.0**k, odd) - least
        errors[w, at.E_FRESH + k] = keep * errors[w, at.E_FRESH + k] + gain
    _tell_fleet(terminals, w)
