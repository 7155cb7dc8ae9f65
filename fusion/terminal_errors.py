"""What radar shows of a terminal's errors: the scale of its stated sigma, and the part that lasts.

The difference between fix and radar is taken at most twice a second. Errors last, so that one difference
tells little beyond the one before: with correlation rho it counts as (1 - rho^2) / (1 + rho^2) new ones.
"""

import math

from core.arrays import F1, F2
from core.kernel import kernel
from fusion import layout as at
from fusion.antenna import centre_under
from fusion.config import QUANTUM_M
from fusion.heading import heading_of
from fusion.layout import Rings, States, Terminals, Tracks
from fusion.radar_pose import along_axis, pose_spread
from fusion.rewind import restart, state_at
from fusion.sigma_scale import add_error, forget, scale_of, tell_fleet

RADAR_NS_MAX = 300_000_000  # its radar must have seen the vehicle so lately
BODY_SHARE = 0.03  # 1 sigma of the centre as radar shows it, along the vehicle, as a share of its length


@kernel
def learn(
    tracks: Tracks, rings: Rings, terminals: Terminals, w: int, t_ns: int, M: F2, m: int, tuning: F1,
    predicted: States,
) -> None:  # fmt: skip
    """Learn from the fix in row m of M, if radar sees the vehicle of its terminal w.

    M : the fix was fused with this sigma, which is the stated one times the scale;  predicted : scratch
    """
    ints, X, P, i = tracks.ints, predicted.X, predicted.P, terminals.ints[w, at.ROW]
    if i < 0 or ints[i, at.RADAR_NS] == 0 or abs(t_ns - ints[i, at.RADAR_NS]) > RADAR_NS_MAX:
        return
    if t_ns <= terminals.ints[w, at.LEARNT_NS] or not state_at(tracks, rings, i, t_ns, predicted, 0, tuning):
        return
    heading = heading_of(predicted, 0)
    if X[0, at.BOUND] == 0.0 or math.isnan(heading):
        return
    errors, c, s = terminals.errors, math.cos(heading), math.sin(heading)
    sigma, weight = M[m, at.Z_SIGMA] / scale_of(terminals, w), 1.0
    if terminals.ints[w, at.LEARNT_NS] > 0:
        dt_s = (t_ns - terminals.ints[w, at.LEARNT_NS]) * 1e-9
        weight = math.tanh(dt_s / M[m, at.Z_TAU])  # (1 - rho^2) / (1 + rho^2) with rho = exp(-dt / tau)
        forget(terminals, w, dt_s)
    east, north, r = centre_under(predicted, 0, M, m)
    d_e, d_n = east - X[0, at.EAST], north - X[0, at.NORTH]
    r += QUANTUM_M**2
    pose = pose_spread(tracks, i)
    p00, p01, p11 = P[0, at.EAST, at.EAST], P[0, at.EAST, at.NORTH], P[0, at.NORTH, at.NORTH]
    speed = math.sqrt(X[0, at.V_EAST] ** 2 + X[0, at.V_NORTH] ** 2)
    length = tracks.floats[i, at.LENGTH]
    body = 0.0 if math.isnan(length) else BODY_SHARE * length
    along = c * c * p00 + 2.0 * s * c * p01 + s * s * p11 + (speed * M[m, at.Z_DELAY]) ** 2 + body * body
    across = s * s * p00 - 2.0 * s * c * p01 + c * c * p11
    add_error(terminals, w, c * d_e + s * d_n, sigma, along + along_axis(pose, c, s) + r, weight)
    add_error(terminals, w, c * d_n - s * d_e, sigma, across + along_axis(pose, -s, c) + r, weight)
    tell_fleet(terminals, w)
    errors[w, at.E_BIAS_EAST], errors[w, at.E_BIAS_NORTH] = X[0, at.BIAS_EAST], X[0, at.BIAS_NORTH]
    errors[w, at.E_BIAS_VAR] = (P[0, at.BIAS_EAST, at.BIAS_EAST] + P[0, at.BIAS_NORTH, at.BIAS_NORTH]) / 2.0
    terminals.ints[w, at.LEARNT_NS] = t_ns


@kernel
def begin_with_bias(
    tracks: Tracks, rings: Rings, terminals: Terminals, w: int, i: int, t_ns: int, M: F2, m: int
) -> None:
    """Start track i, which fix m of terminal w began, with the lasting error that radar showed before.

    The error has returned towards zero since, by the tau of the fix, and its variance towards the prior.
    """
    errors, X, P = terminals.errors, tracks.states.X, tracks.states.P
    if errors[w, at.E_BIAS_VAR] <= 0.0:
        return
    keep = math.exp(-max(0.0, (t_ns - terminals.ints[w, at.LEARNT_NS]) * 1e-9) / M[m, at.Z_TAU])
    known = 1.0 - keep * keep * (1.0 - errors[w, at.E_BIAS_VAR] / M[m, at.Z_SIGMA] ** 2)
    if not known < 1.0:
        return
    for a in range(2):
        error = keep * errors[w, at.E_BIAS_EAST + a]
        X[i, at.BIAS_EAST + a] = error
        X[i, a] -= error
        for b in range(2):
            lost = (1.0 - known) * P[i, at.BIAS_EAST + a, at.BIAS_EAST + b]
            P[i, at.BIAS_EAST + a, at.BIAS_EAST + b] -= lost
            P[i, a, b] -= lost
            P[i, a, at.BIAS_EAST + b] += lost
            P[i, at.BIAS_EAST + b, a] += lost
    restart(tracks, rings, i, t_ns, M, m)
