"""Levels of the tests of geofence.drift: which rate of false alarms asks for which, and what they can prove.

The numbers are data (geofence.level_table), made by Monte Carlo; between them they are interpolated.
"""

import math
from typing import NamedTuple

import numpy as np

from core.arrays import F1, F2, F3
from core.kernel import kernel
from geofence import level_table

NEVER = 1e9  # the level of a test that does not run
# A settled filter's variance has two parts: errors of its measurements, and what the driver may do between
# them. Levels rest on the former, since a driver on the line for ever does nothing. Its share, in a steady
# filter of constant velocity, is 3 / (2 sqrt(2)) of sqrt(2)
ERROR_SHARE = 0.75
SETTLED = 1.1  # so many times a settled filter's variance still counts as settled: the table is interpolated
DEPTH_M, WITHIN_S = 1.0, 5.0  # departures so deep are found within this long up to `sigma_m_max`


class Levels(NamedTuple):
    """Levels over sigma, the error's lasting tau (geofence.drift.lasting_tau_s) and the rate of false alarms.

    Beyond the table's ends sigma and tau count as the last, but for the place, which grows with sigma.
    """

    log_sigma: F1  # (a,) of sigma [m], ascending
    log_tau: F1  # (b,) of tau [s]
    log_rate: F1  # (c,) of alarms per hour of either test, descending
    place_m: F3  # (a, b, c)
    spread_m: F2  # (a, b) 1 sigma of that place once its filter has settled (geofence.drift.place_spread_m)
    ramp: F3  # (a, b, c) [nats]
    sigma_m_max: F1  # (b,) with more, a departure is found too seldom


def shipped() -> Levels:
    """Return the table."""
    return Levels(
        log_sigma=np.log(np.array(level_table.SIGMA_M)),
        log_tau=np.log(np.array(level_table.TAU_S)),
        log_rate=np.log(np.array(level_table.RATE_PER_HOUR)),
        place_m=np.array(level_table.PLACE_M),
        spread_m=np.array(level_table.SPREAD_M),
        ramp=np.array(level_table.RAMP_NATS),
        sigma_m_max=np.array(level_table.SIGMA_M_MAX),
    )


@kernel(inner=True)
def _between(value: float, axis: F1) -> tuple[int, float]:
    """Return the index below `value` on an axis, ascending or descending, and the share of the next one."""
    n = axis.shape[0]
    sign = 1.0 if axis[n - 1] > axis[0] else -1.0
    i = 0
    while i < n - 2 and sign * axis[i + 1] <= sign * value:
        i += 1
    share = (value - axis[i]) / (axis[i + 1] - axis[i])
    return i, min(max(share, 0.0), 1.0)


@kernel
def level_at(table: F3, levels: Levels, sigma_m: float, tau_s: float, rate: float) -> float:
    """Return a table's value: linear in the logarithms."""
    i, a = _between(math.log(max(sigma_m, 1e-6)), levels.log_sigma)
    j, b = _between(math.log(max(tau_s, 1e-6)), levels.log_tau)
    k, c = _between(math.log(rate), levels.log_rate)
    found = 0.0
    for di in range(2):
        for dj in range(2):
            share = (a if di else 1.0 - a) * (b if dj else 1.0 - b)
            low, high = table[i + di, j + dj, k], table[i + di, j + dj, k + 1]
            found += share * (low + c * (high - low))
    return found


@kernel(inner=True)
def _beyond(levels: Levels, sigma_m: float) -> float:
    """Return how many times the table's largest sigma it is, 1 at least."""
    return float(max(sigma_m / math.exp(levels.log_sigma[levels.log_sigma.shape[0] - 1]), 1.0))


@kernel
def place_level_m(levels: Levels, sigma_m: float, tau_s: float, rate: float) -> float:
    """Return how far over the line a place must be [m]; beyond the table it grows with sigma."""
    return _beyond(levels, sigma_m) * level_at(levels.place_m, levels, sigma_m, tau_s, rate)


@kernel
def unsettled_factor(levels: Levels, sigma_m: float, tau_s: float, spread_m: float) -> float:
    """Return by what factor a place's error is larger than that of a settled filter, 1 at least.

    spread_m : 1 sigma of the place, geofence.drift.place_spread_m
    Levels are those of drivers whose filter has settled. It starts from one measurement, with its whole
    error, and settles in seconds; until then its level is larger by this factor.
    """
    i, a = _between(math.log(max(sigma_m, 1e-6)), levels.log_sigma)
    j, b = _between(math.log(max(tau_s, 1e-6)), levels.log_tau)
    low = (1.0 - b) * levels.spread_m[i, j] + b * levels.spread_m[i, j + 1]
    high = (1.0 - b) * levels.spread_m[i + 1, j] + b * levels.spread_m[i + 1, j + 1]
    settled_m = _beyond(levels, sigma_m) * ((1.0 - a) * low + a * high)
    return math.sqrt(1.0 + max((spread_m / settled_m) ** 2 - SETTLED, 0.0) / ERROR_SHARE)


@kernel
def sigma_max_m(levels: Levels, tau_s: float) -> float:
    """Return the largest sigma with which a departure is still found often enough (level_table)."""
    j, b = _between(math.log(max(tau_s, 1e-6)), levels.log_tau)
    return float((1.0 - b) * levels.sigma_m_max[j] + b * levels.sigma_m_max[j + 1])
