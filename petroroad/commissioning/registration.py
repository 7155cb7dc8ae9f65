"""The errors of a radar's pose, range and clock, by least squares over vehicles that report their places.

Unknown are six numbers of the radar (`NAMES`) and of each vehicle the constant error of its places, east and
north, which has the prior that its terminal states. Residuals are slant range and place across the beam.
Gauss-Newton with Huber's weights; detections are assigned anew in each round, in a gate that shrinks.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from core.arrays import F64, I64
from fusion.config import RadarPose
from fusion.observations import TARGET_HEIGHT_M
from petroroad.commissioning.passes import Detections, Passes, Places

# Place of the antenna along the surveyed boresight and to its left, turn to the left, age of the stamps,
# offset of the ranges, and the reflecting point: share of the length from the centre towards the radar
NAMES = ("forward_m", "left_m", "rotation_deg", "time_s", "range_m", "share")
N = len(NAMES)
# What an installed radar may be off by before anything is measured: 1 sigma
PRIOR = np.array([1.0, 1.0, math.radians(2.0), 0.05, 0.3, 0.15])
SHARE_AT, SHARE_MAX = 0.25, 0.5  # its prior mean, and the bumper; the centre is 0
SPACING_S = 0.5  # the errors of echoes and fixes last: pairs of one vehicle in between are no new evidence
STEPS = 4  # of Gauss-Newton in a round
# Of the rounds: from what a new radar may be off by, to less than half a lane beside the vehicle
GATES_M = (12.0, 6.0, 3.0, 1.8, 1.8)
RATE_MPS_MAX = 3.0  # a pair's range rates differ by less
HUBER = 2.0
AXIS_RATIO = 0.25  # width : length: where beside the radar the reflecting point changes the end
FLANK_CHANCE_MAX = 0.2  # of Lambert's law (fusion.flank); beyond, a point is half a width beside the end's
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What was found, in the order of NAMES; angles in radians."""

    value: F64  # (6,)
    covariance: F64  # (6, 6)
    pairs: Pairs
    terminals: Sequence[str]  # of pairs.vehicle
    residual_m: F64  # (n, 2) of range and across the beam, after the fit

    @property
    def sigma(self) -> F64:
        """1 sigma of each (6,)."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))

    @property
    def n_vehicles(self) -> int:
        """Vehicles that were seen."""
        return len(np.unique(self.pairs.vehicle))


def predicted(pairs: Pairs | Places, length_m: F64, pose: RadarPose, value: F64) -> tuple[F64, F64, F64]:
    """Return slant range [m], azimuth [rad] and range rate [m/s] of the places under the errors `value`."""
    forward, left, rotation, late_s, d_range, share = value
    c, s = math.cos(pose.boresight_rad), math.sin(pose.boresight_rad)
    speed = np.maximum(np.hypot(pairs.v_east_mps, pairs.v_north_mps), 0.1)
    cos, sin = pairs.v_east_mps / speed, pairs.v_north_mps / speed
    east = pairs.east_m - late_s * pairs.v_east_mps - pose.east_m - forward * c + left * s
    north = pairs.north_m - late_s * pairs.v_north_mps - pose.north_m - forward * s - left * c
    along = (east * cos + north * sin) / np.maximum(np.hypot(east, north), 1.0)
    facing = along / np.sqrt(along**2 + AXIS_RATIO**2 * (1.0 - along**2))
    east, north = east - share * length_m * facing * cos, north - share * length_m * facing * sin
    flat = np.maximum(np.hypot(east, north), 1.0)
    slant = np.hypot(flat, pose.height_m - TARGET_HEIGHT_M)
    azimuth = np.arctan2(north, east) - pose.boresight_rad - rotation
    rate = (east * pairs.v_east_mps + north * pairs.v_north_mps) / slant
    return slant + d_range, np.arctan2(np.sin(azimuth), np.cos(azimuth)), rate


def paired(passes: Passes, pose: RadarPose, value: F64, gate_m: float) -> Pairs:
    """Return for each vehicle and scan the nearest detection within the gate, and with its range rate."""
    found: list[tuple[int, int, int, int]] = []  # vehicle, scan, detection, place
    dets = passes.detections
    for v, (terminal, places) in enumerate(passes.places.items()):
        length = _length(passes, terminal)
        slant, azimuth, rate = predicted(places, np.full(len(places.scan), length), pose, value)
        for i, scan in enumerate(places.scan.tolist()):
            rows = slice(int(dets.first[scan]), int(dets.first[scan + 1]))
            turned = dets.azimuth_rad[rows] - azimuth[i]
            across = slant[i] * np.arctan2(np.sin(turned), np.cos(turned))
            off = np.hypot(dets.range_m[rows] - slant[i], across)
            strange = np.abs(dets.rate_mps[rows] - rate[i]) > RATE_MPS_MAX  # NaN is not
            off = np.where(strange, np.inf, off)
            if len(off) and (k := int(off.argmin())) >= 0 and off[k] < gate_m:
                found.append((v, scan, rows.start + k, i))
    return _pairs(passes, found)


def _length(passes: Passes, terminal: str) -> float:
    length = passes.length_m[terminal]
    return LENGTH_M if math.isnan(length) else length


def _pairs(passes: Passes, found: list[tuple[int, int, int, int]]) -> Pairs:
    names, places = list(passes.places), list(passes.places.values())
    table = np.array(found, dtype=np.int64).reshape(-1, 4)

    def column(of: Callable[[Places], F64]) -> F64:
        return np.array([of(places[v])[i] for v, _, _, i in found], dtype=np.float64)

    return Pairs(
        vehicle=table[:, 0],
        scan=table[:, 1],
        detection=table[:, 2],
        east_m=column(lambda places: places.east_m),
        north_m=column(lambda places: places.north_m),
        v_east_mps=column(lambda places: places.v_east_mps),
        v_north_mps=column(lambda places: places.v_north_mps),
        length_m=np.array([_length(passes, names[v]) for v, _, _, _ in found], dtype=np.float64),
    )


def _thinned(pairs: Pairs, dets: Detections) -> Pairs:
    """Return at most one pair of a vehicle per SPACING_S."""
    slot = np.floor(dets.stamp_s[pairs.scan] / SPACING_S).astype(np.int64)
    _, first = np.unique(np.stack([pairs.vehicle, slot], axis=1), axis=0, return_index=True)
    return Pairs._make(column[np.sort(first)] for column in pairs)


def _of_ends(pairs: Pairs, pose: RadarPose) -> Pairs:
    """Return the pairs of vehicles that the radar does not look at so askew that it may see their flanks."""
    d_e, d_n = pairs.east_m - pose.east_m, pairs.north_m - pose.north_m
    across = d_e * pairs.v_north_mps - d_n * pairs.v_east_mps
    across2 = across**2 / np.maximum((d_e**2 + d_n**2) * (pairs.v_east_mps**2 + pairs.v_north_mps**2), 1e-9)
    seen = across2 < FLANK_CHANCE_MAX * (AXIS_RATIO * (1.0 - across2) + across2)
    return Pairs._make(column[seen] for column in pairs)


def registered(passes: Passes, pose: RadarPose, start: F64 | None = None) -> Registration:
    """Return the errors of the radar. Few pairs leave them at their priors, and sigma says so."""
    value = np.zeros(N) if start is None else start.copy()
    value[-1] = SHARE_AT
    covariance, pairs = np.diag(PRIOR**2), paired(passes, pose, value, 0.0)
    residual = np.zeros((0, 2))
    terminals = list(passes.places)
    for gate_m in GATES_M:
        pairs = _thinned(_of_ends(paired(passes, pose, value, gate_m), pose), passes.detections)
        if not len(pairs.vehicle):
            break
        value, covariance, residual = _fitted(passes, pairs, pose, value, terminals)
    return Registration(
        value=value, covariance=covariance, pairs=pairs, terminals=terminals, residual_m=residual
    )


def _residual(pairs: Pairs, dets: Detections, pose: RadarPose, value: F64) -> F64:
    """Return measured - predicted range and place across the beam (n, 2) [m]."""
    slant, azimuth, _ = predicted(pairs, pairs.length_m, pose, value)
    turned = dets.azimuth_rad[pairs.detection] - azimuth
    across = slant * np.arctan2(np.sin(turned), np.cos(turned))
    return np.stack([dets.range_m[pairs.detection] - slant, across], axis=1)


def _fitted(
    passes: Passes, pairs: Pairs, pose: RadarPose, value: F64, terminals: Sequence[str]
) -> tuple[F64, F64, F64]:
    """Return value, covariance and residual after some steps of Gauss-Newton over radar and vehicles.

    The vehicles' errors are eliminated from the normal equations, two by two (Schur complement).
    """
    dets, of = passes.detections, pairs.vehicle
    error = np.zeros((len(terminals), 2))  # of each vehicle's places, east and north
    stated_m2 = np.array([passes.sigma_m[terminal] for terminal in terminals]) ** 2
    mean = np.zeros(N)
    mean[-1] = SHARE_AT
    residual, covariance, share = np.zeros((0, 2)), np.diag(PRIOR**2), 1.0
    for _ in range(STEPS):
        moved = pairs._replace(east_m=pairs.east_m - error[of, 0], north_m=pairs.north_m - error[of, 1])
        residual = _residual(moved, dets, pose, value)
        weight = share * _weights(residual, dets.range_m[pairs.detection], pose)
        radar, place = _slopes(moved, dets, pose, value), _slopes_of_place(moved, dets, pose, value)
        normal = np.diag(1.0 / PRIOR**2) + np.einsum("nka,nk,nkb->ab", radar, weight, radar)
        right = (mean - value) / PRIOR**2 + np.einsum("nka,nk,nk->a", radar, weight, residual)
        cross, own = np.zeros((len(terminals), N, 2)), np.zeros((len(terminals), 2, 2))
        own[:] = np.eye(2) / stated_m2[:, None, None]
        pull = -error / stated_m2[:, None]
        np.add.at(cross, of, np.einsum("nka,nk,nkb->nab", radar, weight, place))
        np.add.at(own, of, np.einsum("nka,nk,nkb->nab", place, weight, place))
        np.add.at(pull, of, np.einsum("nka,nk,nk->na", place, weight, residual))
        gain = np.einsum("vab,vbc->vac", cross, np.linalg.inv(own))
        covariance = np.linalg.inv(normal - np.einsum("vab,vcb->ac", gain, cross))
        step = covariance @ (right - np.einsum("vab,vb->a", gain, pull))
        error += np.linalg.solve(own, (pull - np.einsum("vab,a->vb", cross, step))[:, :, None])[:, :, 0]
        value = value + step
        value[-1] = min(max(value[-1], 0.0), SHARE_MAX)
        freed = radar - np.einsum("nkb,nab->nka", place, gain[of])  # what the vehicle's error leaves
        share *= _independent_share(freed, weight, residual, of, len(terminals))
    return value, covariance, residual


def _independent_share(slopes: F64, weight: F64, residual: F64, vehicle: I64, n: int) -> float:
    """Return by what factor the pairs count for less, since the residuals of one vehicle are alike.

    The ratio of the information that the weights claim to the scatter of the vehicles' scores (the "sandwich"
    of a cluster-robust covariance: Liang, Zeger 1986), over all directions; at most 1.
    """
    scores = np.zeros((n, N))
    np.add.at(scores, vehicle, np.einsum("nka,nk,nk->na", slopes, weight, residual))
    claimed = np.einsum("nka,nk,nkb->ab", slopes, weight, slopes) + 1e-9 * np.diag(1.0 / PRIOR**2)
    excess = float(np.trace(np.linalg.solve(claimed, scores.T @ scores))) / N
    return 1.0 / max(excess, 1.0)


def _weights(residual: F64, slant_m: F64, pose: RadarPose) -> F64:
    """Return the weights (n, 2): the stated errors, widened to the spread found, with Huber's tails."""
    stated = np.stack([np.full(len(slant_m), pose.sigma_range_m), slant_m * pose.sigma_azimuth_rad], axis=1)
    spread = 1.4826 * np.median(np.abs(residual / stated), axis=0)  # sigma of a normal distribution
    sigma = stated * np.maximum(spread, 1.0)
    return np.asarray(np.minimum(1.0, HUBER * sigma / np.maximum(np.abs(residual), 1e-9)) / sigma**2)


def _slopes(pairs: Pairs, dets: Detections, pose: RadarPose, value: F64) -> F64:
    """Return the derivatives of the predictions by the radar's errors (n, 2, 6), by differences."""
    slopes = np.zeros((len(pairs.vehicle), 2, N))
    for a, step in enumerate((0.01, 0.01, 1e-4, 1e-3, 0.01, 1e-3)):
        up, down = value.copy(), value.copy()
        up[a] += step
        down[a] -= step
        slopes[:, :, a] = (_residual(pairs, dets, pose, down) - _residual(pairs, dets, pose, up)) / (
            2.0 * step
        )
    return slopes


def _slopes_of_place(pairs: Pairs, dets: Detections, pose: RadarPose, value: F64) -> F64:
    """Return the derivatives of the predictions by the error of the vehicle's place (n, 2, 2)."""
    slopes = np.zeros((len(pairs.vehicle), 2, 2))
    for a, name in enumerate(("east_m", "north_m")):
        column = getattr(pairs, name)
        up, down = (pairs._replace(**{name: column - step}) for step in (0.01, -0.01))
        slopes[:, :, a] = (_residual(down, dets, pose, value) - _residual(up, dets, pose, value)) / 0.02
    return slopes
