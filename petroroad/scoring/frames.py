"""What scoring compares at one instant: true vehicles and counted tracks. Data alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.arrays import F64, I64, U64, Bools

CUTOFF_M = 5.0  # GOSPA's c
SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthNow:
    """n vehicles at one instant; centres in site metres."""

    stamp_ns: int
    id: I64
    east_m: F64
    north_m: F64
    heading_rad: F64  # of travel, counter-clockwise from east
    speed_mps: F64
    east_mps: F64  # velocity of the centre, from its places before and after
    north_mps: F64
    length_m: F64  # 0 unknown
    covered: Bools  # some sensor could see it
    in_field: Bools  # within a radar's field of view
    manipulated: Bools  # its terminal's fixes are, or have been
    lane: Sequence[str | None]
    terminal: Sequence[str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TracksNow:
    """m tracks at the same instant."""

    id: U64
    rsu: I64  # a number for the RSU that published it
    east_m: F64
    north_m: F64
    speed_mps: F64
    east_mps: F64
    north_mps: F64
    sigma_m: F64  # lateral, 1 sigma
    covariance: F64 | None  # (m, 4, 4) of east, north, their velocities; None: of a recorded snapshot
    radar: Bools  # radar saw it within a second
    gnss: Bools  # its terminal reported within two seconds
    coasting: Bools  # no measurement for longer than the sensor's period allows
    in_field: Bools  # its place is within a radar's field of view
    lane: Sequence[str | None]
    terminal: Sequence[str | None]
    identity_p: F64  # of that terminal, two decimals in a recorded snapshot; 1 not stated


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """Which track is which vehicle's at one instant.

    reach : (n, m) whether the track lies within the cut-off of the vehicle's length axis
    """

    track_of: I64  # (n,) -1 none
    vehicle_of: I64  # (m,) -1 none
    reach: Bools
    away_m: F64  # (n, m) from the vehicle's length axis


def matches_of(truth: TruthNow, track_of: I64, de: F64, dn: F64) -> Matches:
    """Return the matches with their reach.

    track_of : (n,) from the assignment.  de, dn : (n, m) east and north from vehicle's centre to track
    """
    vehicle_of = np.full(de.shape[1], -1, dtype=np.int64)
    hit = np.flatnonzero(track_of >= 0)
    vehicle_of[track_of[hit]] = hit
    c, s = np.cos(truth.heading_rad)[:, None], np.sin(truth.heading_rad)[:, None]
    along = np.maximum(np.abs(c * de + s * dn) - truth.length_m[:, None] / 2.0, 0.0)
    away_m = np.hypot(along, c * dn - s * de)
    return Matches(track_of=track_of, vehicle_of=vehicle_of, reach=away_m < CUTOFF_M, away_m=away_m)
