"""Least squares of a radar's errors over vehicles that report, whose own errors are unknown as well."""

from typing import NamedTuple

import numpy as np

from core.arrays import F64, I64
from fusion.config import RadarPose
from fusion.observations import TARGET_HEIGHT_M
from petroroad.commissioning.faces import by_lambert, end_chance
from petroroad.commissioning.pairs import Errors, Pairs, rays_to, residual_of
from petroroad.commissioning.passes import Detections, Passes

N = 6  # errors of a radar, in the order of registration.NAMES
STEPS = 4  # of Gauss-Newton in a round
HUBER = 2.0
FLANK_CHANCE_MAX = 0.3  # of Lambert's law; beyond, what remains of flanks among the ends displaces them
SHARE_MAX = 0.5  # of the length, from the centre towards the radar: the bumper
# Of a vehicle whose length nobody states: 1 sigma of where a truck's end is (share 0.42; 9 to 17 m long)
END_M = 1.0
KNOTS, KNOT_S = (
    8,
    5.0,
)  # of a vehicle's error along its passage: it wanders less than 0.1 of itself in between
OWN = 2 * KNOTS  # numbers of a vehicle: knot by knot, east and north


class Prior(NamedTuple):
    """What is known of a radar before its trial."""

    mean: F64  # (N,)
    sigma: F64  # (N,)


class Fit(NamedTuple):
    """What least squares found."""

    value: F64  # (N,)
    covariance: F64  # (N, N)
    residual_m: F64  # (n, 2) along and across the beam
    errors: Errors  # of the vehicles


def unknown(n: int) -> Errors:
    """Return no errors of n vehicles."""
    return Errors(np.zeros((n, KNOTS, 2)), np.zeros(n), np.full(n, KNOT_S))


def _passages(pairs: Pairs, dets: Detections, errors: Errors) -> Errors:
    """Return the same errors at knots that span the passages as they are now known."""
    n, stamp_s = len(errors.begin_s), dets.stamp_s[pairs.scan]
    first, last = np.full(n, np.inf), np.full(n, -np.inf)
    np.minimum.at(first, pairs.vehicle, stamp_s)
    np.maximum.at(last, pairs.vehicle, stamp_s)
    seen = last >= first
    first, last = np.where(seen, first, errors.begin_s), np.where(seen, last, errors.begin_s)
    step = np.maximum((last - first) / (KNOTS - 1), KNOT_S)
    at = first[:, None] + step[:, None] * np.arange(KNOTS)
    off = errors.at(np.repeat(np.arange(n), KNOTS), at.reshape(-1))
    return Errors(off.reshape(n, KNOTS, 2), first, step)


def _own_information(passes: Passes, errors: Errors) -> F64:
    """Return what is known of the vehicles' errors beforehand, (n, OWN, OWN) by knot and axis [1/m^2].

    Errors of fixes last: sigma^2 exp(-lag / tau) (Gauss-Markov).
    """
    length_m = np.array([passes.length_m[terminal] for terminal in passes.places], dtype=np.float64)
    stated_m = np.array([passes.sigma_m[terminal] for terminal in passes.places], dtype=np.float64)
    var_m2 = stated_m**2 + np.where(np.isnan(length_m), END_M**2, 0.0)
    lag = errors.step_s[:, None, None] * np.abs(np.subtract.outer(np.arange(KNOTS), np.arange(KNOTS)))
    one = np.linalg.inv(var_m2[:, None, None] * np.exp(-lag / passes.tau_s))
    own = np.zeros((len(stated_m), KNOTS, 2, KNOTS, 2))
    own[:, :, 0, :, 0] = own[:, :, 1, :, 1] = one
    return own.reshape(-1, OWN, OWN)


def _scale2(stated: F64, errors: Errors, own_cov: F64) -> float:
    """Return by how much the squares of the vehicles' errors exceed the stated ones, at least 1.

    Receivers that claim half their errors would make everything look twice as sure. One step of expectation
    and maximisation (Dempster, Laird, Rubin 1977); what no detection shows counts as stated.
    """
    off = errors.off_m.reshape(-1, OWN)
    squares = np.einsum("va,vab,vb->", off, stated, off) + np.einsum("vab,vba->", stated, own_cov)
    return max(float(squares) / max(off.size, 1), 1.0)


def fitted(passes: Passes, pairs: Pairs, pose: RadarPose, start: F64, prior: Prior, errors: Errors) -> Fit:
    """Return what some steps of Gauss-Newton over radar and vehicles find.

    The vehicles' errors are eliminated from the normal equations (Schur complement).
    """
    dets, of, value = passes.detections, pairs.vehicle, start
    errors = _passages(pairs, dets, errors)
    n_vehicles, stated = len(errors.begin_s), _own_information(passes, errors)
    known = stated
    knot, part = errors.between(of, dets.stamp_s[pairs.scan])
    row = np.arange(len(of))
    residual, covariance, share = np.zeros((0, 2)), np.diag(prior.sigma**2), 1.0
    for _ in range(STEPS):
        off = errors.at(of, dets.stamp_s[pairs.scan])
        moved = pairs._replace(east_m=pairs.east_m - off[:, 0], north_m=pairs.north_m - off[:, 1])
        residual = residual_of(moved, dets, pose, value)
        of_end = _of_end(moved, dets, pose, value)
        claimed = of_end[:, None] * _weights(residual, of_end, dets.range_m[pairs.detection], pose)
        weight = share * claimed
        radar, place = _slopes(moved, dets, pose, value), _slopes_of_place(moved, dets, pose, value)
        spread = np.zeros((len(of), 2, KNOTS, 2))
        spread[row, :, knot] = (1.0 - part)[:, None, None] * place
        spread[row, :, knot + 1] = part[:, None, None] * place
        place = spread.reshape(-1, 2, OWN)
        normal = np.diag(1.0 / prior.sigma**2) + np.einsum("nka,nk,nkb->ab", radar, weight, radar)
        right = (prior.mean - value) / prior.sigma**2 + np.einsum("nka,nk,nk->a", radar, weight, residual)
        cross, own = np.zeros((n_vehicles, N, OWN)), known.copy()
        pull = -np.einsum("vab,vb->va", known, errors.off_m.reshape(-1, OWN))
        np.add.at(cross, of, np.einsum("nka,nk,nkb->nab", radar, weight, place))
        np.add.at(own, of, np.einsum("nka,nk,nkb->nab", place, weight, place))
        np.add.at(pull, of, np.einsum("nka,nk,nk->na", place, weight, residual))
        own_cov = np.asarray(np.linalg.inv(own), dtype=np.float64)
        gain = np.einsum("vab,vbc->vac", cross, own_cov)
        covariance = np.linalg.inv(normal - np.einsum("vab,vcb->ac", gain, cross))
        step = covariance @ (right - np.einsum("vab,vb->a", gain, pull))
        of_own = np.linalg.solve(own, (pull - np.einsum("vab,a->vb", cross, step))[:, :, None])[:, :, 0]
        errors = errors._replace(off_m=errors.off_m + of_own.reshape(-1, KNOTS, 2))
        known = stated / _scale2(stated, errors, own_cov)
        value = value + step
        value[-1] = min(max(value[-1], 0.0), SHARE_MAX)
        freed = radar - np.einsum("nkb,nab->nka", place, gain[of])  # what the vehicle's error leaves
        share = _independent_share(freed, claimed, residual, of, n_vehicles)  # of the weights as claimed
    return Fit(value, covariance, residual, errors)


def _of_end(pairs: Pairs, dets: Detections, pose: RadarPose, value: F64) -> F64:
    """Return the chance (n,) that each detection shows the vehicle's end; 0 where flanks are likely."""
    d_e, d_n, cos, sin, along = rays_to(pairs, pose, value)
    bearing = dets.azimuth_rad[pairs.detection] + pose.boresight_rad + value[2]
    drop = pose.height_m - TARGET_HEIGHT_M
    ground = np.sqrt(np.maximum((dets.range_m[pairs.detection] - value[4]) ** 2 - drop**2, 1.0))
    side = np.sign(d_e * sin - d_n * cos)  # the radar is to the left of a vehicle that it has to its right
    o_e, o_n = ground * np.cos(bearing) - d_e, ground * np.sin(bearing) - d_n
    flank = by_lambert(along, pairs.length_m)
    chance = end_chance(
        o_e * cos + o_n * sin, o_n * cos - o_e * sin, -value[-1] * pairs.length_m * np.sign(along), side,
        flank, pairs.length_m,
    )  # fmt: skip
    return np.where(flank < FLANK_CHANCE_MAX, chance, 0.0)


def _independent_share(slopes: F64, weight: F64, residual: F64, vehicle: I64, n: int) -> float:
    """Return by what factor the pairs count for less, since the residuals of one vehicle are alike.

    The ratio of the information that the weights claim to the scatter of the vehicles' scores (the "sandwich"
    of a cluster-robust covariance: Liang, Zeger 1986), over all directions; at most 1.
    """
    scores = np.zeros((n, N))
    np.add.at(scores, vehicle, np.einsum("nka,nk,nk->na", slopes, weight, residual))
    claimed = np.einsum("nka,nk,nkb->ab", slopes, weight, slopes) + 1e-9 * np.eye(N)
    excess = float(np.trace(np.linalg.solve(claimed, scores.T @ scores))) / N
    return 1.0 / max(excess, 1.0)


def _weights(residual: F64, of_end: F64, slant_m: F64, pose: RadarPose) -> F64:
    """Return the weights (n, 2): the stated errors, widened to the spread found, with Huber's tails."""
    stated = np.stack([np.full(len(slant_m), pose.sigma_range_m), slant_m * pose.sigma_azimuth_rad], axis=1)
    ends = of_end > 0.5 if (of_end > 0.5).any() else np.ones(len(of_end), dtype=np.bool_)
    spread = 1.4826 * np.median(np.abs(residual / stated)[ends], axis=0)  # sigma of a normal distribution
    sigma = stated * np.maximum(spread, 1.0)
    return np.asarray(np.minimum(1.0, HUBER * sigma / np.maximum(np.abs(residual), 1e-9)) / sigma**2)


def _slopes(pairs: Pairs, dets: Detections, pose: RadarPose, value: F64) -> F64:
    """Return the derivatives of the predictions by the radar's errors (n, 2, 6), by differences."""
    slopes = np.zeros((len(pairs.vehicle), 2, N))
    for a, step in enumerate((0.01, 0.01, 1e-4, 1e-3, 0.01, 1e-3)):
        up, down = value.copy(), value.copy()
        up[a] += step
        down[a] -= step
        slopes[:, :, a] = (residual_of(pairs, dets, pose, down) - residual_of(pairs, dets, pose, up)) / (
            2.0 * step
        )
    return slopes


def _slopes_of_place(pairs: Pairs, dets: Detections, pose: RadarPose, value: F64) -> F64:
    """Return the derivatives of the predictions by the error of the vehicle's place (n, 2, 2)."""
    slopes = np.zeros((len(pairs.vehicle), 2, 2))
    for a, name in enumerate(("east_m", "north_m")):
        column = getattr(pairs, name)
        up, down = (pairs._replace(**{name: column - step}) for step in (0.01, -0.01))
        slopes[:, :, a] = (residual_of(down, dets, pose, value) - residual_of(up, dets, pose, value)) / 0.02
    return slopes
