"""Whether a track's first detection alone shows a vehicle: what became of those before it that were like it.

Few false detections lie on a lane and move along it as fast as vehicles do; nearly all vehicles that enter a
radar's field do. So only such first detections are counted, by cell (`fusion.radar_field`), those beside a
tracked vehicle apart: they may be a second echo of it. The counts are of a beta posterior of the probability
that one becomes a confirmed track (Gelman et al. 2013, 2.4); a cell starts from its radar's share, the radar
from none. What is learnt is of outcomes, so that errors of the stated densities are in it.
"""

import math

from core.arrays import F2
from core.kernel import kernel
from fusion import layout as at
from fusion.layout import Detections, Rings, Settings, Shadows, Tracks
from fusion.radar_field import (
    SCANS_FOUND,
    SUM,
    entry_cell,
    measured_cell,
    note_born,
    note_false,
)
from fusion.shadows import is_in_shadow

ALONE, BESIDE = 1, 2  # BEGAN
# Faster than people walk and wind moves trees and wires; slower than any vehicle
MOVES_MPS, MOVES_MPS_MAX = 3.0, 45.0
# Cosine of the angle between beam and lane, below which a range rate says too little of the speed along it
ALONG_MIN = 0.3
# So near the middle of a tracked vehicle its second echo may lie: half of the longest articulated lorry
# (18.1 m, GB 1589-2016)
NEAR_M = 9.05
PRIOR_FIRST = 2.0  # first detections that the prior counts as: of a cell its radar's share, of a radar none
VEHICLES_PER_M2 = 1.0 / (30.0 * 3.75)  # density of vehicles on a lane
NO_ODDS = -50.0  # log odds of what does not move as vehicles do; finite, so that it can be stored anywhere


@kernel
def pace_mps(M: F2, d: int, settings: Settings) -> float:
    """Return the speed along its lane of the target in measurement d, NaN where it is not known.

    Without a map the speed towards or from the radar. Of a lane that leads both ways, its magnitude.
    """
    lane, is_polar = M[d, at.Z_LANE], M[d, at.WHAT] == at.POLAR
    if math.isnan(lane):
        if settings.lanes.direction.shape[0] > 0:
            return math.nan
        return abs(M[d, at.Z_RATE]) if is_polar else math.hypot(M[d, at.Z_V_EAST], M[d, at.Z_V_NORTH])
    c, s = math.cos(lane), math.sin(lane)
    if is_polar:
        along = M[d, at.Z_COS] * c + M[d, at.Z_SIN] * s
        pace = M[d, at.Z_RATE] / along if abs(along) >= ALONG_MIN else math.nan
    else:
        pace = M[d, at.Z_V_EAST] * c + M[d, at.Z_V_NORTH] * s
    return float(abs(pace) if M[d, at.Z_BOTH_WAYS] > 0.0 else pace)


@kernel
def odds_learnt(settings: Settings, q: int, cell: int, began: int) -> float:
    """Return the odds that such a first detection in a cell of radar q becomes a vehicle."""
    field, true, false = settings.field, at.C_FIRST_TRUE + 2 * (began - 1), at.C_FIRST_FALSE + 2 * (began - 1)
    whole = field[q, SUM, true] / (field[q, SUM, true] + field[q, SUM, false] + PRIOR_FIRST)
    n_true = field[q, cell, true] + PRIOR_FIRST * whole
    return float(n_true / (field[q, cell, false] + PRIOR_FIRST * (1.0 - whole)))


@kernel
def note_beginning(
    tracks: Tracks, i: int, detections: Detections, d: int, beside: bool, settings: Settings, shadows: Shadows
) -> None:
    """Note how new track i begins: with detection d of a radar's present scan, in the shadows of that scan.

    beside : a tracked vehicle.  Those that were there already when the radar began to scan say nothing of
    later ones: they are not counted. Nor is a glimpse in a shadow, after which no miss would count.
    """
    M, seen, radars = detections.M, detections.seen, settings.radars
    tracks.floats[i, at.BEGAN_ODDS] = NO_ODDS
    pace = pace_mps(M, d, settings)
    if not MOVES_MPS <= pace <= MOVES_MPS_MAX:  # NaN is not
        return
    began, q = BESIDE if beside else ALONE, int(M[d, at.SOURCE])
    if is_in_shadow(shadows, radars, q, seen[d, at.S_EAST], seen[d, at.S_NORTH]):
        return
    odds = odds_learnt(settings, q, measured_cell(M, d, settings), began)
    tracks.floats[i, at.BEGAN_ODDS] = math.log(max(odds, math.exp(NO_ODDS)))
    if settings.field[q, SUM, at.C_SCANS] >= SCANS_FOUND:
        tracks.ints[i, at.BEGAN] = began


@kernel(inner=True)
def _count(tracks: Tracks, rings: Rings, i: int, settings: Settings, column: int) -> None:
    """Count the outcome of track i where it began, once."""
    began = tracks.ints[i, at.BEGAN]
    tracks.ints[i, at.BEGAN] = 0
    q, cell, _ = entry_cell(tracks, rings, i, 0, settings)
    if q >= 0 and began > 0:
        column += 2 * (began - 1)
        settings.field[q, cell, column] += 1.0
        settings.field[q, SUM, column] += 1.0


@kernel
def note_vehicle(tracks: Tracks, rings: Rings, i: int, settings: Settings) -> None:
    """Note that track i is a vehicle, now that it is confirmed."""
    note_born(tracks, rings, i, settings)
    _count(tracks, rings, i, settings, at.C_FIRST_TRUE)


@kernel
def note_clutter(tracks: Tracks, rings: Rings, i: int, settings: Settings) -> None:
    """Note that tentative track i was no vehicle, now that it is dropped."""
    note_false(tracks, rings, i, settings)
    _count(tracks, rings, i, settings, at.C_FIRST_FALSE)
