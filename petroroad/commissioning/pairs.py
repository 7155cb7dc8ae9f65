"""Pairs of detections and places of reporting vehicles: what a radar with errors would measure of them."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from core.arrays import F64, I64
from fusion.config import RadarPose
from fusion.observations import TARGET_HEIGHT_M
from petroroad.commissioning.passes import Detections, Passes, Places

SPACING_S = 0.5  # the errors of echoes and fixes last: pairs of one vehicle in between are no new evidence
RATE_MPS_MAX = 3.0  # a pair's range rates differ by less
AXIS_RATIO = 0.25  # width : length: where beside the radar the reflecting point changes the end
LENGTH_M = 12.0  # of a truck that the registry does not describe


class Pairs(NamedTuple):
    """n pairs of a detection and the place of a reporting vehicle at that scan."""

    vehicle: I64  # (n,) place in the list of terminals
    scan: I64
    detection: I64  # (n,) place in Detections
    east_m: F64
    north_m: F64
    v_east_mps: F64
    v_north_mps: F64
    length_m: F64
    apart_m: F64  # detection and place


class Errors(NamedTuple):
    """What the places of n vehicles are wrong by during their passage: linear between K knots."""

    off_m: F64  # (n, K, 2) at the knots, east and north
    begin_s: F64  # (n,) of the first knot
    step_s: F64  # (n,) from one knot to the next

    def at(self, vehicle: I64, stamp_s: F64) -> F64:
        """Return the errors of vehicles (k,) at instants (k,), as (k, 2)."""
        knot, part = self.between(vehicle, stamp_s)
        before, after = self.off_m[vehicle, knot], self.off_m[vehicle, knot + 1]
        return np.asarray((1.0 - part[:, None]) * before + part[:, None] * after)

    def between(self, vehicle: I64, stamp_s: F64) -> tuple[I64, F64]:
        """Return the knot before, and which part of the way to the next one is over; (k,) each."""
        away = (stamp_s - self.begin_s[vehicle]) / self.step_s[vehicle]
        away = np.clip(away, 0.0, self.off_m.shape[1] - 1.0)
        knot = np.minimum(away.astype(np.int64), self.off_m.shape[1] - 2)
        return knot, np.asarray(away - knot)


class Rays(NamedTuple):
    """Where vehicles lie from a radar under given errors, and which way they drive; columns (n,)."""

    east_m: F64
    north_m: F64
    cos: F64  # of the vehicle's course
    sin: F64
    along: F64  # cosine between the ray and the course: 1 where it drives straight away


def rays_to(pairs: Pairs | Places, pose: RadarPose, value: F64) -> Rays:
    """Return the rays from the radar to the places under the errors `value` of place and clock."""
    forward, left, _, late_s, _, _ = value
    c, s = math.cos(pose.boresight_rad), math.sin(pose.boresight_rad)
    speed = np.maximum(np.hypot(pairs.v_east_mps, pairs.v_north_mps), 0.1)
    cos, sin = pairs.v_east_mps / speed, pairs.v_north_mps / speed
    east = pairs.east_m - late_s * pairs.v_east_mps - pose.east_m - forward * c + left * s
    north = pairs.north_m - late_s * pairs.v_north_mps - pose.north_m - forward * s - left * c
    along = (east * cos + north * sin) / np.maximum(np.hypot(east, north), 1.0)
    return Rays(east, north, cos, sin, along)


def predicted(pairs: Pairs | Places, length_m: F64, pose: RadarPose, value: F64) -> tuple[F64, F64, F64]:
    """Return slant range [m], azimuth [rad] and range rate [m/s] of the places under the errors `value`."""
    _, _, rotation, _, d_range, share = value
    east, north, cos, sin, along = rays_to(pairs, pose, value)
    facing = along / np.sqrt(along**2 + AXIS_RATIO**2 * (1.0 - along**2))
    east, north = east - share * length_m * facing * cos, north - share * length_m * facing * sin
    flat = np.maximum(np.hypot(east, north), 1.0)
    slant = np.hypot(flat, pose.height_m - TARGET_HEIGHT_M)
    azimuth = np.arctan2(north, east) - pose.boresight_rad - rotation
    rate = (east * pairs.v_east_mps + north * pairs.v_north_mps) / slant
    return slant + d_range, np.arctan2(np.sin(azimuth), np.cos(azimuth)), rate


def paired(passes: Passes, pose: RadarPose, value: F64, gate_m: float, errors: Errors | None = None) -> Pairs:
    """Return for each vehicle and scan the nearest detection within the gate, and with its range rate.

    errors : of the vehicles' places as far as known; the pairs have the places as they were reported
    """
    found: list[I64] = []  # (k, 4) each: vehicle, scan, detection, place
    apart_m: list[F64] = []
    dets = passes.detections
    for v, (terminal, places) in enumerate(passes.places.items()):
        length = _length(passes, terminal)
        if errors is not None:
            off = errors.at(np.full(len(places.scan), v), dets.stamp_s[places.scan])
            places = places._replace(east_m=places.east_m - off[:, 0], north_m=places.north_m - off[:, 1])
        slant, azimuth, rate = predicted(places, np.full(len(places.scan), length), pose, value)
        begin = dets.first[places.scan]
        count = dets.first[places.scan + 1] - begin
        of = np.flatnonzero(count)  # places at whose scan anything was detected
        place = np.repeat(of, count[of])
        starts = np.concatenate([[0], np.cumsum(count[of])[:-1]]).astype(np.int64)
        k = np.arange(len(place)) - np.repeat(starts - begin[of], count[of])
        turned = dets.azimuth_rad[k] - azimuth[place]
        across = slant[place] * np.arctan2(np.sin(turned), np.cos(turned))
        apart = np.hypot(dets.range_m[k] - slant[place], across)
        strange = np.abs(dets.rate_mps[k] - rate[place]) > RATE_MPS_MAX  # NaN is not
        near = np.flatnonzero((apart < gate_m) & ~strange)
        near = near[np.lexsort((apart[near], place[near]))]  # by place, then the nearest first
        i, best = np.unique(place[near], return_index=True)
        scan = places.scan[i]
        found.append(np.column_stack([np.full(len(i), v), scan, k[near[best]], i]))
        apart_m.append(apart[near[best]])
    table = np.concatenate([np.zeros((0, 4), dtype=np.int64), *found])
    return _pairs(passes, table, np.concatenate([np.zeros(0), *apart_m]))


def _length(passes: Passes, terminal: str) -> float:
    length = passes.length_m[terminal]
    return LENGTH_M if math.isnan(length) else length


def _pairs(passes: Passes, table: I64, apart_m: F64) -> Pairs:
    """Return the pairs of a table (n, 4): vehicle, scan, detection, place."""
    of, place = table[:, 0], table[:, 3]
    first = np.cumsum([0, *(len(places.scan) for places in passes.places.values())])

    def column(part: Callable[[Places], F64]) -> F64:
        whole = np.concatenate([np.zeros(0), *map(part, passes.places.values())])
        return np.asarray(whole[first[of] + place])

    lengths = np.array([_length(passes, terminal) for terminal in passes.places], dtype=np.float64)
    return Pairs(
        vehicle=of,
        scan=table[:, 1],
        detection=table[:, 2],
        east_m=column(lambda places: places.east_m),
        north_m=column(lambda places: places.north_m),
        v_east_mps=column(lambda places: places.v_east_mps),
        v_north_mps=column(lambda places: places.v_north_mps),
        length_m=lengths[of],
        apart_m=apart_m,
    )


def thinned(pairs: Pairs, dets: Detections) -> Pairs:
    """Return at most one pair of a vehicle per SPACING_S."""
    slot = np.floor(dets.stamp_s[pairs.scan] / SPACING_S).astype(np.int64)
    _, first = np.unique(np.stack([pairs.vehicle, slot], axis=1), axis=0, return_index=True)
    return Pairs._make(column[np.sort(first)] for column in pairs)


def residual_of(pairs: Pairs, dets: Detections, pose: RadarPose, value: F64) -> F64:
    """Return measured - predicted range and place across the beam (n, 2) [m]."""
    slant, azimuth, _ = predicted(pairs, pairs.length_m, pose, value)
    turned = dets.azimuth_rad[pairs.detection] - azimuth
    across = slant * np.arctan2(np.sin(turned), np.cos(turned))
    return np.stack([dets.range_m[pairs.detection] - slant, across], axis=1)
