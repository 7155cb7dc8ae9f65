"""Detections of a vehicle's flank: a radar that looks at it askew sees its near end, or the side of it.

A rough face sends back in proportion to its area and the squared cosine of the angle to its normal (Lambert),
so the chance of the flank is s^2 / (r c^2 + s^2): c, s cosine and sine of the angle between axis and beam, r
width : length. How much of that a radar's detections show is learnt: of smooth faces the flank shows beside
the radar only, and a radar that reports ends or centres never shows it.

The point lies anywhere along the body, on the side that faces the radar; so it measures the place across, and
none along.

A track that begins beside a radar may take one face for the other from its first detection on, half a width
off, and agree with itself ever after. What that leaves open lasts, so that no filter averages it out: it is
kept beside the state, and ends when a radar sees the vehicle from so far that only its end shows.
"""

import math

from core.arrays import F2
from core.kernel import kernel
from fusion import layout as at
from fusion.extent import AXIS_RATIO
from fusion.heading import axis_of, is_course_sure
from fusion.layout import States, Tracks

# At the start: half of Lambert's chance, with the weight of a few glimpses; at most: of a minute's
FLANKS, FLANKS_DUE, DUE_MAX = 2.0, 4.0, 200.0
CHANCE_MIN = 0.02  # a rarer one is not looked for: a false detection would be likelier
CHANCE_RIVAL = 0.2  # from here on a detection that fits the end is held against the flank as well
LEAST = 0.02  # of the share: it stays open, a radar may be exchanged
EXTENT_M_MIN = 1.0  # less than a car's: the radar reports centres
HALF_WIDTH_M = 1.25  # of a lorry: the flank lies so far from its axis, the end on it
CHANCE_CLOSED = (
    0.1  # below it the end alone shows; a state that was off by half a width has come back by then
)
# A face stays for about ten scans, so that so many detections are ten faces: less teaches little of the share
DUE_SURE = 100.0
BEYOND_M = 1.0  # a point of the flank lies so far outside of what the extent says at most: bumpers, errors


@kernel(inner=True)
def by_lambert(along: float) -> float:
    """Return the chance of the flank for the cosine `along` of the angle between axis and beam."""
    across2 = max(1.0 - along * along, 0.0)
    return across2 / (AXIS_RATIO * along * along + across2)


@kernel(inner=True)
def flanks_shown(radars: F2, q: int) -> float:
    """Return the share of Lambert's chance of a flank that radar q shows: see fusion.flank."""
    if radars[q, at.R_SHARE_VAR] == 0.0:
        return 0.0  # the site states that it reports centres
    return float(radars[q, at.R_FLANKS] / radars[q, at.R_FLANKS_DUE])


@kernel(inner=True)
def flanks_possible(radars: F2, q: int) -> float:
    """Return the share of Lambert's chance of a flank that radar q may show, as far as is known.

    Until enough was seen of it, at least what is assumed of a new radar.
    """
    shown = flanks_shown(radars, q)
    if radars[q, at.R_FLANKS_DUE] < DUE_SURE and shown > 0.0:
        shown = max(shown, FLANKS / FLANKS_DUE)
    return shown


@kernel(inner=True)
def _chance_by_law(states: States, j: int, radars: F2, q: int, axis: tuple[float, float]) -> float:
    """Return Lambert's chance that a detection of track j by radar q is of its flank."""
    if math.isnan(axis[0]) or states.X[j, at.EXTENT] < EXTENT_M_MIN:
        return 0.0
    d_e, d_n = states.X[j, at.EAST] - radars[q, at.R_EAST], states.X[j, at.NORTH] - radars[q, at.R_NORTH]
    flat = max(math.sqrt(d_e * d_e + d_n * d_n), 1.0)
    return by_lambert((axis[0] * d_e + axis[1] * d_n) / flat)


@kernel(inner=True)
def chance_of_flank(states: States, j: int, radars: F2, q: int, axis: tuple[float, float]) -> float:
    """Return the chance that a detection of track j by radar q is of its flank; axis: of its body."""
    return float(flanks_shown(radars, q) * _chance_by_law(states, j, radars, q, axis))


@kernel(inner=True)
def is_beside(states: States, j: int, axis: tuple[float, float], east: float, north: float) -> bool:
    """Return whether a place lies between the ends of the body of track j."""
    off = axis[0] * (east - states.X[j, at.EAST]) + axis[1] * (north - states.X[j, at.NORTH])
    spread = math.sqrt(states.P[j, at.EXTENT, at.EXTENT])
    return bool(abs(off) < states.X[j, at.EXTENT] + spread + BEYOND_M)


@kernel
def learn_flanks(states: States, j: int, radars: F2, q: int, is_flank: bool) -> None:
    """Count a detection of a followed vehicle, track j as it was predicted."""
    chance = chance_of_flank(states, j, radars, q, axis_of(states.X, j))
    radars[q, at.R_FLANKS_DUE] += chance * radars[q, at.R_FLANKS_DUE] / radars[q, at.R_FLANKS]
    radars[q, at.R_FLANKS] += 1.0 if is_flank else 0.0
    if radars[q, at.R_FLANKS_DUE] > DUE_MAX:
        radars[q, at.R_FLANKS_DUE] *= 0.5
        radars[q, at.R_FLANKS] *= 0.5
    least, most = LEAST * radars[q, at.R_FLANKS_DUE], radars[q, at.R_FLANKS_DUE]
    radars[q, at.R_FLANKS] = min(max(radars[q, at.R_FLANKS], least), most)


@kernel(inner=True)
def note_face(tracks: Tracks, i: int, radars: F2, q: int, begins: bool) -> None:
    """Note what the face of track i that radar q may have seen leaves open.

    begins : it is the track's first detection; its course is a guess, so that any face may be the one
    """
    shown, face = flanks_possible(radars, q), tracks.floats[i, at.FACE]
    if begins:
        tracks.floats[i, at.FACE] = 0.25 * HALF_WIDTH_M**2 if shown > 0.0 else 0.0
    elif face > 0.0 and is_course_sure(tracks.states, i):
        axis = axis_of(tracks.states.X, i)
        chance = shown * _chance_by_law(tracks.states, i, radars, q, axis)
        even = min(chance, 0.5) if chance >= CHANCE_CLOSED else 0.0  # the flank may be rarer than Lambert's
        tracks.floats[i, at.FACE] = min(face, even * (1.0 - even) * HALF_WIDTH_M**2)
