"""The errors of a radar's pose, range and clock, by least squares over vehicles that report their places.

Unknown are six numbers of the radar (`NAMES`) and of each vehicle the error of its places along its way,
which has the prior that its terminal states. Residuals are slant range and place across the beam.
First a search over turn and way along the beam, then Gauss-Newton with Huber's weights; detections are
assigned anew in each round, around where the vehicles are by what is known of their errors.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.arrays import F64
from fusion.config import RadarPose
from petroroad.commissioning.fit import N, Prior, fitted, unknown
from petroroad.commissioning.pairs import SPACING_S, Errors, Pairs, paired, thinned
from petroroad.commissioning.passes import Passes, Places

# Place of the antenna along the surveyed boresight and to its left, turn to the left, age of the stamps,
# offset of the ranges, and the reflecting point: share of the length from the centre towards the radar
NAMES = ("forward_m", "left_m", "rotation_deg", "time_s", "range_m", "share")
# What an installed radar may be off by before anything is measured: 1 sigma
PRIOR = np.array([1.0, 1.0, math.radians(2.0), 0.05, 0.3, 0.15])
SHARE_AT = 0.25  # its prior mean; the centre is 0
CENTRES = 1e-3  # 1 sigma of the share of a radar that states centres
# Of the rounds: from what a new radar may be off by, to what bodies and fixes scatter by about what is known
GATES_M = (12.0, 6.0, 3.0, 3.0, 3.0)
# The search: two sigmas of the turn, and of what displaces along the beam
TURNS_RAD = np.radians(np.arange(-4.0, 4.1, 1.0))
AHEAD_M = (-4.0, -2.0, 0.0, 2.0, 4.0)
SEARCH_M = 4.0  # a vehicle counts the more, the nearer its detection within this
BETTER = 1.1  # than the survey, so many times: else the search proves nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What was found, in the order of NAMES; angles in radians."""

    value: F64  # (6,)
    covariance: F64  # (6, 6)
    pairs: Pairs
    terminals: Sequence[str]  # of pairs.vehicle
    residual_m: F64  # (n, 2) of range and across the beam, after the fit
    errors: Errors  # of the vehicles' places

    @property
    def sigma(self) -> F64:
        """1 sigma of each (6,)."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))

    @property
    def n_vehicles(self) -> int:
        """Vehicles that were seen."""
        return len(np.unique(self.pairs.vehicle))


def prior_of(pose: RadarPose) -> Prior:
    """Return what is known of a radar before its trial: what the site states of where bodies reflect."""
    mean, sigma = np.zeros(N), PRIOR.copy()
    mean[-1] = SHARE_AT
    if pose.reflects == "centres":
        mean[-1], sigma[-1] = 0.0, CENTRES
    elif pose.reflection_share is not None and pose.sigma_reflection_share is not None:
        mean[-1], sigma[-1] = pose.reflection_share, pose.sigma_reflection_share
    return Prior(mean, sigma)


def registered(passes: Passes, pose: RadarPose) -> Registration:
    """Return the errors of the radar. Few pairs leave them at their priors, and sigma says so."""
    prior = prior_of(pose)
    value = _searched(passes, pose, prior.mean)
    covariance, residual = np.diag(prior.sigma**2), np.zeros((0, 2))
    terminals = list(passes.places)
    pairs, errors = paired(passes, pose, value, 0.0), unknown(len(terminals))
    for gate_m in GATES_M:
        pairs = thinned(paired(passes, pose, value, gate_m, errors), passes.detections)
        if not len(pairs.vehicle):
            return _without(prior, pairs, terminals)
        value, covariance, residual, errors = fitted(passes, pairs, pose, value, prior, errors)
    return Registration(
        value=value, covariance=covariance, pairs=pairs, terminals=terminals, residual_m=residual,
        errors=errors,
    )  # fmt: skip


def _without(prior: Prior, pairs: Pairs, terminals: Sequence[str]) -> Registration:
    """Return what is known without any vehicle."""
    return Registration(
        value=prior.mean, covariance=np.diag(prior.sigma**2), pairs=pairs, terminals=terminals,
        residual_m=np.zeros((0, 2)), errors=unknown(len(terminals)),
    )  # fmt: skip


def _searched(passes: Passes, pose: RadarPose, start: F64) -> F64:
    """Return from where to begin: how far the radar is turned, and displaced along its beam.

    A radar that is turned by two degrees displaces vehicles by two lanes at 200 m, where the nearest
    detection is another vehicle's: least squares from the survey then agrees with the wrong ones.
    """
    few = _few_scans(passes)
    best, value = BETTER * _fit_of(few, pose, start), start
    for turn in TURNS_RAD.tolist():
        for ahead in AHEAD_M:
            tried = start.copy()
            tried[0], tried[2] = ahead, turn
            fit = _fit_of(few, pose, tried)
            if fit > best:
                best, value = fit, tried
    return value


def _few_scans(passes: Passes) -> Passes:
    """Return the places of one scan in SPACING_S."""
    slot = np.floor(passes.detections.stamp_s / SPACING_S)
    first = np.concatenate([[True], np.diff(slot) > 0.0])[: len(slot)]
    few: dict[str, Places] = {}
    for terminal, places in passes.places.items():
        kept = first[places.scan]
        few[terminal] = Places(*(column[kept] for column in places))
    return replace(passes, places=few)


def _fit_of(passes: Passes, pose: RadarPose, value: F64) -> float:
    """Return how well vehicles fit detections: each by how near its nearest one is."""
    off_m = paired(passes, pose, value, SEARCH_M).apart_m
    return float(np.sum(1.0 - (off_m / SEARCH_M) ** 2))
