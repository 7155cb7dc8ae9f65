"""The same delays behind a track filter, from a radar's detections at 60, 120 and 250 m.

The filter is a steady one across the course with the tracker's own motion model (FusionConfig), which allows
for lane changes and bends; what it says of its error is what a track says. One truck costs 0.1 us, so that
thousands of departures can be drawn; recordings with the whole tracker are in `calibration`.
"""

import math
from typing import NamedTuple

import numpy as np

from benchmarks.lane_departure.drivers import (
    MARGIN_M,
    N_DRIVER,
    TYPICAL,
    Driver,
    begin,
    departing_m,
    seed_noise,
)
from benchmarks.lane_departure.judged import (
    RULES,
    SHIPPED,
    T0_NS,
    Judge,
    clear_all,
    grade_of,
    judge_of,
    note_grade,
)
from benchmarks.lane_departure.lines import show_delays
from core.arrays import F1, F2, F64
from core.kernel import kernel
from fusion.config import FusionConfig

DT_S, DT_NS = 0.05, 50_000_000
SETTLE_STEPS, STEPS = 400, 1_600
SIGMA_AZIMUTH_RAD, P_DETECTION = math.radians(0.2), 0.95
RANGES_M, SPEEDS_MPS = (60.0, 120.0, 250.0), (0.3, 0.5, 1.0)
SEED = 2
NOTICE, WARNING = range(2)


class Chain(NamedTuple):
    """A steady filter of place, speed and acceleration across the course, and what it states of its error."""

    sigma_m: float  # of a detection
    keep: float  # of the acceleration in one period
    gain_place: float
    gain_speed: float
    gain_accel: float
    told_sigma_m: float
    told_tau_s: float


def chain_at(range_m: float) -> Chain:
    """Return the filter of a truck at a range; a missed detection counts as a larger error of all."""
    config = FusionConfig()
    sigma_m = range_m * SIGMA_AZIMUTH_RAD / math.sqrt(P_DETECTION)
    q = 2.0 * config.accel_cross_mps2**2 * config.accel_tau_s
    keep = math.exp(-DT_S / config.bend_tau_s)
    F = np.array([[1.0, DT_S, DT_S**2 / 2.0], [0.0, 1.0, DT_S], [0.0, 0.0, keep]])
    Q = np.zeros((3, 3))
    Q[:2, :2] = q * np.array([[DT_S**3 / 3.0, DT_S**2 / 2.0], [DT_S**2 / 2.0, DT_S]])
    Q[2, 2] = config.accel_bend_mps2**2 * (1.0 - keep**2)
    P: F64 = np.diag([sigma_m**2, 1.0, config.accel_bend_mps2**2])
    K = np.zeros(3)
    for _ in range(4_000):
        P = F @ P @ F.T + Q
        s = P[0, 0] + sigma_m**2
        K = P[:, 0] / s
        P = P - np.outer(K, K) * s
    told_sigma_m = math.hypot(math.sqrt(P[0, 0]), RULES.map_sigma_m)
    tau_s = math.sqrt(P[0, 0] / P[1, 1] / 8.0)  # see fusion.tracks
    return Chain(sigma_m, keep, K[0], K[1], K[2], told_sigma_m, min(max(tau_s, 0.05), 10.0))


@kernel
def drift_out(
    seed: int, driver: Driver, chain: Chain, v_mps: float, judge: Judge, own: F1, delays_s: F2
) -> None:  # fmt: skip
    """Fill delays_s (n, 2): from the true crossing to the first notice and warning; NaN: none."""
    seed_noise(seed)
    for episode in range(delays_s.shape[0]):
        clear_all(judge)
        begin(driver, own)
        x, v, a, crossed_s = driver.centre_m, 0.0, 0.0, math.nan
        delays_s[episode] = math.nan
        for k in range(STEPS):
            place = departing_m(driver, own, v_mps if k >= SETTLE_STEPS else 0.0, DT_S)
            if math.isnan(crossed_s) and place > 0.0:
                crossed_s = k * DT_S
            x, v, a = x + DT_S * v + DT_S**2 / 2.0 * a, v + DT_S * a, chain.keep * a
            residual = place + chain.sigma_m * np.random.standard_normal() - x
            x += chain.gain_place * residual
            v += chain.gain_speed * residual
            a += chain.gain_accel * residual
            grade = grade_of(x, chain.told_sigma_m, chain.told_tau_s, T0_NS + k * DT_NS, judge)
            if k >= SETTLE_STEPS:
                note_grade(grade, k * DT_S, delays_s[episode])
            if not math.isnan(delays_s[episode, WARNING] + crossed_s):
                break
        delays_s[episode, NOTICE] -= crossed_s
        delays_s[episode, WARNING] -= crossed_s


def lines(n_episodes: int) -> None:
    """Print all delays."""
    judge = judge_of(SHIPPED)
    own, delays_s = np.zeros(N_DRIVER), np.zeros((n_episodes, 2))
    for range_m in RANGES_M:
        chain = chain_at(range_m)
        for v_mps in SPEEDS_MPS:
            drift_out(SEED, TYPICAL, chain, v_mps, judge, own, delays_s)
            show_delays(
                f"chain.r{range_m:.0f}.v{v_mps * 10:02.0f}",
                delays_s,
                sigma_m=chain.told_sigma_m,
                tau_s=chain.told_tau_s,
                margin_m=MARGIN_M,
            )
