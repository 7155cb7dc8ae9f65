"""What each rule measures of a track: how far over, with what error, and whether it can be judged at all."""

from dataclasses import dataclass

import numpy as np

from core.classes import HAZMAT
from core.kernel import F64, Bools
from fusion.tracks import TrackBatch
from geofence.config import RulesConfig
from geofence.kernels import (
    ALONG,
    LIMIT,
    NO_LANE,
    OUT_ANY,
    OUT_PERMITTED,
    OUT_SAME_WAY,
    SIGMA,
    U_EAST,
    U_NORTH,
)  # fmt: skip
from geofence.located import Located
from geofence.state import ILLEGAL_STOP, LANE_DEPARTURE, N_RULES, OFF_ROAD, OVERSPEED, WRONG_WAY

SAME_WAY_SIGMAS = 4.0
YAW_FROM_MPS = 3.0  # below it the course is noise
YAW_SIGMAS = 2.0  # only what the course surely deviates widens the footprint
SPEED_TAU_MAX_S = 1.0  # errors of velocity are no bias
UNKNOWN_LENGTH_M = 4.0


@dataclass(frozen=True, slots=True)
class Measures:
    """n tracks by rules of geofence.state.RULES."""

    value: F64  # (n, rules) how far over the limit, in the rule's unit
    sigma: F64
    tau_s: F64
    judged: Bools
    limit_mps: F64  # (n,) of overspeed
    speed_mps: F64  # (n,)


def measure(
    rules: RulesConfig,
    tracks: TrackBatch,
    located: Located,
    standing_s: F64,
    off_road_m: F64,
    expressway: Bools,
) -> Measures:
    """Measure the rules that an observation decides; the row of dark_vehicle is a tick's.

    standing_s : (n,) how long each stands without excuse.  off_road_m : (n,) from all that permits it,
    NaN where that is not judged.  expressway : (lanes + 1,) whether a lane belongs to one
    """
    n = len(tracks)
    found, x = located.found, tracks.x
    value, sigma = np.full((n, N_RULES), np.nan), np.zeros((n, N_RULES))
    tau_s = np.repeat(tracks.tau_s[:, None], N_RULES, axis=1)
    tau_s[:, [WRONG_WAY, OVERSPEED]] = np.minimum(tracks.tau_s, SPEED_TAU_MAX_S)[:, None]
    speed = np.hypot(x[:, 2], x[:, 3])
    seen = tracks.confirmed & ~tracks.coasting
    judged = np.repeat(seen[:, None], N_RULES, axis=1)

    value[:, LANE_DEPARTURE] = found[:, OUT_PERMITTED] + half_width_m(rules, tracks, located, speed)
    sigma[:, LANE_DEPARTURE] = found[:, SIGMA]
    judged[:, LANE_DEPARTURE] &= ~located.undecidable

    value[:, OFF_ROAD] = off_road_m
    sigma[:, OFF_ROAD] = np.sqrt(
        np.maximum(tracks.P[:, 0, 0] + tracks.P[:, 1, 1], 0.0) / 2 + tracks.bias_m**2
    )

    along = x[:, 2:4] / np.maximum(speed, 1e-9)[:, None]
    sigma_v = np.sqrt(np.maximum(_quadratic(tracks.P[:, 2:, 2:], along[:, 0], along[:, 1]), 1e-6))
    other_way = ~(found[:, OUT_SAME_WAY] <= SAME_WAY_SIGMAS * found[:, SIGMA])  # NaN: none is near
    value[:, WRONG_WAY] = -found[:, ALONG]
    sigma[:, WRONG_WAY] = sigma_v
    judged[:, WRONG_WAY] &= (found[:, ALONG] > 0.0) | other_way

    limit = _limits(rules, located, expressway)
    value[:, OVERSPEED] = speed / limit - 1.0
    sigma[:, OVERSPEED] = sigma_v / limit
    known = (located.vehicle >= 0) | (located.kind == HAZMAT)
    judged[:, OVERSPEED] &= (
        known & ((located.kind == HAZMAT) | (located.p_lane > 0.9)) & (located.lane != NO_LANE)
    )

    value[:, ILLEGAL_STOP] = np.where(found[:, OUT_ANY] <= rules.stop_shoulder_m, standing_s, np.nan)
    judged[:, ILLEGAL_STOP] &= ~np.isnan(value[:, ILLEGAL_STOP])
    return Measures(value, sigma, tau_s, judged, limit, speed)


def half_width_m(rules: RulesConfig, tracks: TrackBatch, located: Located, speed: F64) -> F64:
    """Return half the footprint across the lane (n,): the width, and the length where the course deviates."""
    found, x = located.found, tracks.x
    width = np.where(np.isnan(tracks.width_m), rules.width_unknown_m, tracks.width_m)
    length = np.where(np.isnan(tracks.length_m), UNKNOWN_LENGTH_M, tracks.length_m)
    fast = np.maximum(speed, YAW_FROM_MPS)
    across = (found[:, U_EAST] * x[:, 3] - found[:, U_NORTH] * x[:, 2]) / fast
    wobble = np.sqrt(np.maximum(_quadratic(tracks.P[:, 2:, 2:], -found[:, U_NORTH], found[:, U_EAST]), 0.0))
    yaw = np.clip(np.abs(across) - YAW_SIGMAS * wobble / fast, 0.0, 0.5)
    return width / 2 + np.where(speed > YAW_FROM_MPS, length / 2 * yaw, 0.0)


def _quadratic(P: F64, e: F64, n: F64) -> F64:
    form: F64 = e**2 * P[:, 0, 0] + 2 * e * n * P[:, 0, 1] + n**2 * P[:, 1, 1]
    return form


def _limits(rules: RulesConfig, located: Located, expressway: Bools) -> F64:
    """The posted limit; for hazardous goods the general one too where it is lower."""
    lane = np.where(located.lane == NO_LANE, len(expressway) - 1, located.lane)
    general = np.where(expressway[lane], rules.hazmat_limit_expressway_mps, rules.hazmat_limit_mps)
    posted = located.found[:, LIMIT]
    return np.where(located.kind == HAZMAT, np.fmin(posted, general), posted)
