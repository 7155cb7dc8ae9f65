"""Whether a track is still the vehicle that it was at its last measurement, and whether it is one at all.

A name vouches for both: a terminal says who it is. A nameless track continues by radar alone, and radar's
next detection may be another vehicle's. What was gathered of it is dropped where that is likely.
"""

import math
from typing import NamedTuple

from core.arrays import B1, F1, F2, F3, I1, I32x1
from core.kernel import kernel
from fusion.tracks import TrackBatch
from geofence.detectors import HOLD_STEP_S, Windows
from geofence.drift import FIX_STEP_S
from geofence.state import (
    BORN,
    CLAIM_FIX,
    CLEAR_S,
    CUSUM,
    DEDICATED,
    GAPPED,
    LAST_OVER,
    LEAVING,
    PRESUMED,
    SEEN,
    SINCE,
)

# A nameless track that was not measured for longer may continue with a neighbour's detections. A radar of
# 10 Hz may miss twice; its stamps jitter
GAP_NS = 330_000_000
JUMP_SIGMAS = 4.0  # of an innovation across the course; by chance once in 16 000 measurements
FRESH_VARIANCE_SHARE = 1 / 16  # of the measurement's, at least: after a gap the gain is nearly 1
UNSEEN_NS = 1_000_000_000  # after so long without radar, only fixes measure the track


class Sightings(NamedTuple):
    """What continues n tracks: columns of TrackBatch, and what was measured across their courses."""

    terminal: I32x1
    presumed: B1
    radar_ns: I1
    off_m: F1  # what was measured, left of the track's place afterwards; NaN: nothing
    sigma_m: F1  # of its error
    lasting_m: F1  # 1 sigma of what its radar's pose leaves unknown; it is no news of one measurement
    axis_rad: F1  # direction in which it counts
    P: F3  # (n, 4, 4) covariance of place and velocity
    bias_m: F1  # 1 sigma per axis of the error that lasts
    is_fix: B1  # the last measurement was one of its terminal
    fix_ns: I1  # its stamp
    east_m: F1  # the track's place then
    north_m: F1
    gnss_bias_m: F1  # what its terminal states of the error that lasts, 1 sigma per axis
    gnss_tau_s: F1
    speed_mps: F1  # as the fix reports it, NaN: it does not
    course_rad: F1


@kernel(inner=True)
def is_named(i: int, seen: Sightings) -> bool:
    """Return whether track i has a name that is not only presumed."""
    return bool(seen.terminal[i] >= 0 and not seen.presumed[i])


@kernel(inner=True)
def is_unseen(i: int, stamp_ns: int, seen: Sightings) -> bool:
    """Return whether only fixes measure the place of track i."""
    return bool(stamp_ns - seen.radar_ns[i] > UNSEEN_NS)


@kernel(inner=True)
def hold_step_s(i: int, stamp_ns: int, seen: Sightings) -> float:
    """Return the longest interval between two samples of track i that counts in a hold timer [s]."""
    by_fixes = is_named(i, seen) and is_unseen(i, stamp_ns, seen)
    return FIX_STEP_S if by_fixes else HOLD_STEP_S


@kernel(inner=True)
def jumped(i: int, seen: Sightings) -> bool:
    """Return whether the last measurement of track i lies more than JUMP_SIGMAS from where it was predicted.

    With the gain K = p / r, p the variance afterwards, the innovation is y / (1 - K) of variance r / (1 - K).
    """
    if not seen.sigma_m[i] > 0.0:  # NaN as well
        return False
    e, n = math.cos(seen.axis_rad[i]), math.sin(seen.axis_rad[i])
    r = seen.sigma_m[i] ** 2
    p = e * e * seen.P[i, 0, 0] + 2.0 * e * n * seen.P[i, 0, 1] + n * n * seen.P[i, 1, 1]
    p += seen.bias_m[i] ** 2 - seen.lasting_m[i] ** 2
    return bool(seen.off_m[i] ** 2 > JUMP_SIGMAS**2 * max(r - p, FRESH_VARIANCE_SHARE * r))


@kernel(inner=True)
def follow(i: int, row: int, stamp_ns: int, seen: Sightings, windows: Windows, flags: F2) -> bool:
    """Note the measurement of track i in its row; drop what was gathered if it may be another vehicle's.

    Evidence, holds and presumed class are dropped. What an open episode says stays: it was proved before.
    Returns whether they were: the measurement was located by a class that the vehicle may not have.
    """
    stamps = windows.stamps
    last_ns = stamps[row, SEEN]
    if last_ns == 0:
        stamps[row, BORN] = stamp_ns
    stamps[row, SEEN] = max(stamp_ns, last_ns)
    if last_ns == 0 or is_named(i, seen) or not (stamp_ns - last_ns > GAP_NS or jumped(i, seen)):
        return False
    stamps[row, GAPPED] = stamp_ns
    for r in range(windows.evidence.shape[1]):
        for c in range(CUSUM, CLEAR_S):
            windows.evidence[row, r, c] = 0.0
        for c in range(SINCE, LAST_OVER):
            windows.evidence_ns[row, r, c] = 0
    for c in range(CLAIM_FIX):
        windows.drift[row, c] = 0.0
    windows.drift[row, LEAVING] = 0.0
    is_open = False
    for r in range(windows.open.shape[1]):
        is_open = is_open or windows.open[row, r]
    if not is_open:
        flags[row, PRESUMED] = 0.0
        stamps[row, DEDICATED] = 0
    return True


def sightings(tracks: TrackBatch) -> Sightings:
    """Return what kernels read of n tracks."""
    return Sightings(
        terminal=tracks.terminal, presumed=tracks.presumed, radar_ns=tracks.radar_ns,
        off_m=tracks.lateral.offset_m, sigma_m=tracks.lateral.sigma_m, lasting_m=tracks.lateral.lasting_m,
        axis_rad=tracks.lateral.axis_rad, P=tracks.P, bias_m=tracks.bias_m,
        is_fix=tracks.lateral.is_fix, fix_ns=tracks.lateral.stamp_ns, east_m=tracks.lateral.east_m,
        north_m=tracks.lateral.north_m, gnss_bias_m=tracks.gnss_bias_m, gnss_tau_s=tracks.gnss_tau_s,
        speed_mps=tracks.lateral.speed_mps, course_rad=tracks.lateral.course_rad,
    )  # fmt: skip
