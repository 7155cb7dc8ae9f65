"""The equivalent lateral measurement: what one measurement alone says of a vehicle's place across its course.

A track forgets slow drifts, since its motion model allows for manoeuvres. Who looks for one needs what was
measured, with errors that are new in each measurement. The place that is measured, two scalars with rows h of
H, residuals z and variances r, has the information matrix Y = sum h h' / r and the vector y = sum h z / r
about the offset from the state: the same as P+^-1 - P-^-1 and P+^-1 x+ - P-^-1 x- of the position before and
after it (Bar-Shalom, Li, Kirubarajan 2001, 7.2.3), without the difference of two large inverses. The lateral
measurement is its marginal across the course, (Y^-1 y)_c with variance (Y^-1)_cc.

Rejected: r = 1 / (1 / p+ - 1 / p-) of the lateral variances alone. It takes in what the track knows of the
place along the course and of the velocity (an azimuth at an oblique beam, a range rate), so that its error
lasts as long as the track's own, and no other filter may add it up.
"""

import math
from typing import NamedTuple

import numpy as np

from core.arrays import B1, F1, F2, I1, I2
from core.kernel import kernel
from fusion import layout as at
from fusion.heading import COURSE_SIGMAS, DRIVING_MPS
from fusion.layout import Laterals, Rings, Settings, States, Tracks
from fusion.measurement import scalar_of
from fusion.radar_pose import along_axis, spread_at
from fusion.rewind import past_state


class Lateral(NamedTuple):
    """The last lateral measurement of each of n tracks in one observation, at its own time; NaN: none.

    z - x is the offset of what was measured from the track's place at `stamp_ns`, after the measurement was
    fused. For a late one this is not the place in the batch: it was rewound. Lasting errors are in it: what
    the tracker knows of a terminal's is not subtracted. A terminal's lasts TrackBatch.gnss_tau_s, a radar's
    as long as a vehicle is in its field.
    """

    offset_m: F1  # z - x
    sigma_m: F1  # 1 sigma of its error that is new in each measurement
    lasting_m: F1  # 1 sigma of the rest: of a radar what its pose leaves unknown, of a fix its terminal's
    axis_rad: F1  # direction in which it counts: left of the course, counter-clockwise from east
    east_m: F1  # x: the track's place at `stamp_ns`
    north_m: F1
    stamp_ns: I1  # of the measurement; 0: none
    is_fix: B1  # of the bound terminal; else of a radar
    speed_mps: F1  # as the fix reports it, NaN: it does not, or a radar measured
    course_rad: F1  # the same, counter-clockwise from east


@kernel(inner=True)
def _course(states: States, i: int) -> tuple[float, float]:
    """Return the course of row i as a unit vector, NaN where its direction is not known."""
    X, P = states.X, states.P
    speed2 = X[i, at.V_EAST] ** 2 + X[i, at.V_NORTH] ** 2
    var = P[i, at.V_EAST, at.V_EAST] + P[i, at.V_NORTH, at.V_NORTH]
    if speed2 > DRIVING_MPS**2 and speed2 > COURSE_SIGMAS**2 * var:
        speed = math.sqrt(speed2)
        return X[i, at.V_EAST] / speed, X[i, at.V_NORTH] / speed
    return math.cos(X[i, at.HEADING]), math.sin(X[i, at.HEADING])


@kernel(inline=True)
def lateral_of(states: States, i: int, M: F2, k: int, settings: Settings, numbers: F2, j: int) -> None:
    """Write the lateral measurement k, which was fused into row i of `states`, to column j of `numbers`."""
    X = states.X
    c, s = _course(states, i)
    along, both, across, of_along, of_across = 0.0, 0.0, 0.0, 0.0, 0.0
    for part in range(2):
        h, z, r = scalar_of(states, i, M, k, settings, part)
        h_a, h_c = c * h[0] + s * h[1], c * h[1] - s * h[0]
        w_a, w_c = h_a / r, h_c / r
        along += h_a * w_a
        both += h_a * w_c
        across += h_c * w_c
        of_along += w_a * z
        of_across += w_c * z
    over = 1.0 / (along * across - both * both)
    offset = (along * of_across - both * of_along) * over
    if M[k, at.WHAT] == at.FIX:  # its residual is that of place and bias
        offset += c * X[i, at.BIAS_NORTH] - s * X[i, at.BIAS_EAST]
        numbers[at.Y_LASTING, j] = X[i, at.BIAS_SIGMA]
        numbers[at.Y_SPEED, j], numbers[at.Y_COURSE, j] = M[k, at.Z_SPEED], M[k, at.Z_HEADING]
    else:
        q = int(M[k, at.SOURCE])
        spread = spread_at(settings.radars, q, X[i, at.EAST], X[i, at.NORTH])
        numbers[at.Y_LASTING, j] = math.sqrt(max(along_axis(spread, -s, c), 0.0))
        numbers[at.Y_SPEED, j] = numbers[at.Y_COURSE, j] = math.nan
    numbers[at.Y_OFFSET, j], numbers[at.Y_SIGMA, j] = offset, math.sqrt(along * over)
    numbers[at.Y_AXIS, j] = math.atan2(c, -s)
    numbers[at.Y_EAST, j], numbers[at.Y_NORTH, j] = X[i, at.EAST], X[i, at.NORTH]


@kernel(inline=True)
def note_lateral(
    tracks: Tracks, rings: Rings, i: int, stamp_ns: int, M: F2, m: int, settings: Settings, predicted: States,
    out: Laterals, j: int,
) -> None:  # fmt: skip
    """Write what row m of M, just fused into track i, measured across its course as entry j of `out`.

    predicted : scratch; of a scan its rows from j + 1 on are still in use
    """
    k = j % predicted.X.shape[0]  # a message may have more fixes than there are tracks
    if stamp_ns == tracks.ints[i, at.STAMP]:
        lateral_of(tracks.states, i, M, m, settings, out.numbers, j)
    elif past_state(tracks, rings, i, stamp_ns, predicted, k, settings.tuning):
        lateral_of(predicted, k, M, m, settings, out.numbers, j)
    else:
        out.numbers[at.Y_OFFSET, j] = math.nan
    known = not math.isnan(out.numbers[at.Y_OFFSET, j])
    out.stamp_ns[j], out.row[j] = stamp_ns if known else 0, i if known else -1


class LateralMemory(NamedTuple):
    """Memory for the lateral measurements of n tracks, and what `Lateral` names in it."""

    numbers: F2  # (N_LATERAL, n)
    stamp_ns: I1
    is_fix: B1
    named: Lateral


def lateral_memory(n: int) -> LateralMemory:
    """Return memory for n tracks, which must be filled."""
    numbers, stamp_ns = np.empty((at.N_LATERAL, n)), np.empty(n, dtype=np.int64)
    is_fix = np.empty(n, dtype=np.bool_)
    # Y_OFFSET and on
    offset_m, sigma_m, axis_rad, east_m, north_m, lasting_m, speed_mps, course_rad = numbers
    named = Lateral(
        offset_m, sigma_m, lasting_m, axis_rad, east_m, north_m, stamp_ns, is_fix, speed_mps, course_rad
    )
    return LateralMemory(numbers, stamp_ns, is_fix, named)


def fill_none(memory: LateralMemory) -> Lateral:
    """Fill in what n tracks have that nothing measured."""
    memory.numbers.fill(np.nan)
    memory.stamp_ns.fill(0)
    memory.is_fix.fill(False)
    return memory.named


def no_lateral(n: int) -> Lateral:
    """Return what n tracks have that nothing measured."""
    return fill_none(lateral_memory(n))


@kernel(inner=True)
def fill_of_scan(table: Laterals, n: int, numbers: F2, stamp_ns: I1, is_fix: B1) -> None:
    """Fill in the first n entries, those of the tracks that a scan touched."""
    for k in range(n):
        for a in range(at.N_LATERAL):
            numbers[a, k] = table.numbers[a, k]
        stamp_ns[k], is_fix[k] = table.stamp_ns[k], False


@kernel
def fill_of_fixes(
    table: Laterals, terminal: I1, rows: I1, n: int, ints: I2, numbers: F2, stamp_ns: I1, is_fix: B1
) -> None:
    """Fill in the lateral measurement of each of the first n tracks in `rows`: that of its last fix.

    terminal : (m,) rows of the terminals.  ints : of the tracks, by row
    numbers, stamp_ns, is_fix : of the memory that is filled
    A fix that was fused before its terminal moved to another track measured that other one: it has none.
    """
    for k in range(n):
        i, last = rows[k], -1
        for j in range(terminal.shape[0] - 1, -1, -1):
            if table.row[j] == i and terminal[j] == ints[i, at.TERMINAL]:
                last = j
                break
        for a in range(at.N_LATERAL):
            numbers[a, k] = math.nan if last < 0 else table.numbers[a, last]
        stamp_ns[k], is_fix[k] = 0 if last < 0 else table.stamp_ns[last], last >= 0
