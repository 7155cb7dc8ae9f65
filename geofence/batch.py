"""The tracks of an observation as kernels read them, and each one's numbers, which several rules need."""

import math
from typing import NamedTuple

from core.arrays import B1, F1, F2, F3, F64, I1, I2, I32x1, U8x1
from core.classes import HAZMAT, TRUCK
from core.kernel import kernel
from fusion.tracks import TrackBatch
from geofence.grading import RuleSettings
from geofence.located import (
    ALONG,
    NO_LANE,
    OUT_ANY,
    OUT_PERMITTED,
    OUT_SAME_WAY,
    P_LANE,
    SIGMA,
    U_EAST,
    U_NORTH,
    UNJUDGED,
    Located,
)
from geofence.presumable import is_presumable
from geofence.sample import Vehicle
from geofence.state import CLAIM_USED, EXCUSED, MISPLACED, MOVED, MOVED_MPS, OWN_WAY, PRESUMED, STANDING
from geofence.widths import Widths

MOVES_SIGMAS = 2.0  # a standing vehicle moves again when its speed less so many sigmas is above the limit
YAW_FROM_MPS = 3.0  # below it the course is noise
YAW_MAX = 0.5
# 1 sigma of vehicles' speed across the lane: a change of lanes of 3.75 m in 6 s has 0.8 in its middle
SIDEWAYS_MPS = 0.5
SPEED_TAU_MAX_S = 1.0  # errors of velocity are no bias
UNKNOWN_LENGTH_M = 4.0


class Batch(NamedTuple):
    """n tracks and their places on the map: columns of TrackBatch and Located."""

    x: F2  # (n, 4)
    P: F3  # (n, 4, 4)
    bias_m: F1
    tau_s: F1
    length_m: F1
    width_m: F1
    coasting: B1
    stamp_ns: I1
    found: F2  # (n, FOUND)
    lane: I32x1
    kind: U8x1
    vehicle: I32x1
    off_road_m: F1  # of each hazmat vehicle from every place that permits it; NaN: not judged
    limit_mps: F1  # the lowest speed limit, NaN without one


class Site(NamedTuple):
    """The settings that measuring needs."""

    width_unknown_m: float
    width_hazmat_m: float  # of the narrowest registered hazmat vehicle
    width_truck_m: float  # of the narrowest registered truck, with hazmat or without
    stop_speed_mps: float
    stop_shoulder_m: float


@kernel(inner=True)
def _variance(P: F3, i: int, a: int, e: float, n: float) -> float:
    """Return the variance along (e, n) of the two states from index a."""
    return float(e * e * P[i, a, a] + 2 * e * n * P[i, a, a + 1] + n * n * P[i, a + 1, a + 1])


@kernel(inner=True)
def _width_m(b: Batch, site: Site, i: int, presumed: bool) -> float:
    """Return the width of vehicle i; an unknown one is that of the narrowest vehicle that it can be.

    presumed : to be a hazmat vehicle, of a class that can be one
    """
    if not math.isnan(b.width_m[i]):
        return float(b.width_m[i])
    if b.kind[i] == HAZMAT or presumed:
        return site.width_hazmat_m
    return site.width_truck_m if b.kind[i] == TRUCK else site.width_unknown_m


@kernel(inner=True)
def _half_width_m(b: Batch, i: int, speed_mps: float, width: float) -> tuple[float, float]:
    """Return half the footprint across the lane, and 1 sigma of it [m].

    It is the width, and the length where the course deviates. Deviations are of SIDEWAYS_MPS across the lane,
    so that the measured one counts as far as it is more certain than that (the mean of two normals).
    """
    if not speed_mps > YAW_FROM_MPS:
        return float(width / 2), 0.0
    length = UNKNOWN_LENGTH_M if math.isnan(b.length_m[i]) else b.length_m[i]
    u_east, u_north = b.found[i, U_EAST], b.found[i, U_NORTH]
    across_mps = u_east * b.x[i, 3] - u_north * b.x[i, 2]
    variance = max(_variance(b.P, i, 2, -u_north, u_east), 0.0)
    gain = SIDEWAYS_MPS**2 / (SIDEWAYS_MPS**2 + variance)
    yaw = min(gain * abs(across_mps) / speed_mps, YAW_MAX)
    return float(width / 2 + length / 2 * yaw), float(length / 2 * math.sqrt(gain * variance) / speed_mps)


@kernel
def sigma_place_m(b: Batch, i: int) -> float:
    """Return 1 sigma of track i's place, the mean of both axes."""
    return math.sqrt(max(b.P[i, 0, 0] + b.P[i, 1, 1], 0.0) / 2 + b.bias_m[i] ** 2)


@kernel(inner=True)
def _standing_s(
    b: Batch, i: int, speed_mps: float, stop_mps: float, row: int, stamps: I2, flags: F2
) -> float:
    """Return for how long track i has stood without an excuse.

    Advances two things in its row of the state: since when it stands, and whether it was ever seen moving.
    """
    if speed_mps > MOVED_MPS:
        flags[row, MOVED] = 1.0
    since = stamps[row, STANDING]
    sigma = math.sqrt(max(b.P[i, 2, 2] + b.P[i, 3, 3], 0.0) / 2)
    surely = speed_mps - MOVES_SIGMAS * sigma if since > 0 else speed_mps  # one noisy speed ends no stop
    if not (surely < stop_mps and flags[row, MOVED] > 0.0):
        since = 0
    elif since == 0:
        since = b.stamp_ns[i]
    stamps[row, STANDING] = since
    if since == 0 or flags[row, EXCUSED] > 0.0:
        return 0.0
    return float(max(b.stamp_ns[i] - since, 0) * 1e-9)


@kernel(inner=True)
def vehicle_of(b: Batch, site: Site, i: int, row: int, stamps: I2, flags: F2, drift: F2) -> Vehicle:
    found = b.found
    east_mps, north_mps = b.x[i, 2], b.x[i, 3]
    speed = math.hypot(east_mps, north_mps)
    per = max(speed, 1e-9)
    presumed = flags[row, PRESUMED] > 0.0 and is_presumable(b.kind[i], b.vehicle[i])
    half_width_m, yaw_m = _half_width_m(b, i, speed, _width_m(b, site, i, presumed))
    along_mps2 = _variance(b.P, i, 2, east_mps / per, north_mps / per)
    return Vehicle(
        speed,
        math.sqrt(max(along_mps2, 1e-6)),
        min(b.tau_s[i], SPEED_TAU_MAX_S),
        b.limit_mps[i],
        _standing_s(b, i, speed, site.stop_speed_mps, row, stamps, flags),
        half_width_m,
        sigma_place_m(b, i),
        b.tau_s[i],
        found[i, OUT_PERMITTED],
        found[i, OUT_ANY],
        found[i, OUT_SAME_WAY],
        found[i, SIGMA],
        found[i, ALONG],
        found[i, P_LANE],
        b.off_road_m[i],
        site.stop_shoulder_m,
        b.lane[i] != NO_LANE,
        b.kind[i] == HAZMAT,
        b.kind[i] != 0 and b.kind[i] != HAZMAT and not presumed,
        b.vehicle[i] >= 0,
        found[i, UNJUDGED] != 0.0,
        math.hypot(found[i, SIGMA], yaw_m),
        max(drift[row, CLAIM_USED], 1.0),
        drift[row, CLAIM_USED] > 0.0 and (flags[row, MISPLACED] > 0.0 or drift[row, OWN_WAY] > 0.0),
    )


def batch(tracks: TrackBatch, located: Located, off_road_m: F64, limit_mps: F64) -> Batch:
    """Return the columns of n tracks as kernels read them."""
    return Batch(
        x=tracks.x,
        P=tracks.P,
        bias_m=tracks.bias_m,
        tau_s=tracks.tau_s,
        length_m=tracks.length_m,
        width_m=tracks.width_m,
        coasting=tracks.coasting,
        stamp_ns=tracks.stamp_ns,
        found=located.found,
        lane=located.lane,
        kind=located.kind,
        vehicle=located.vehicle,
        off_road_m=off_road_m,
        limit_mps=limit_mps,
    )


def site_of(rules: RuleSettings, widths: Widths) -> Site:
    """Return the settings as kernels read them."""
    return Site(
        width_unknown_m=widths.unknown_m,
        width_hazmat_m=widths.hazmat_m,
        width_truck_m=widths.truck_m,
        stop_speed_mps=rules.stop_speed_mps,
        stop_shoulder_m=rules.stop_shoulder_m,
    )
