"""From the true crossing of the line to `notice` and `warning`, of typical drivers who drift out of it."""

import math

import numpy as np

from benchmarks.lane_departure.drivers import (
    MARGIN_M,
    N_DRIVER,
    TYPICAL,
    Driver,
    Error,
    begin,
    departing_m,
    honest,
    next_error_m,
    seed_noise,
)
from benchmarks.lane_departure.judged import SHIPPED, T0_NS, Judge, clear_all, grade_of, judge_of, note_grade
from benchmarks.lane_departure.lines import show_delays
from core.arrays import F1, F2
from core.kernel import kernel

DT_S, DT_NS = 0.1, 100_000_000
SETTLE_STEPS, STEPS = 200, 1_100  # the drift begins after the first ones
TAUS_S = {"white": 0.0, "tau4": 4.0, "tau10": 10.0}
SIGMAS_M, SPEEDS_MPS = (0.3, 0.5, 1.0), (0.3, 0.5, 1.0)
SEED = 3
NOTICE, WARNING = range(2)


@kernel
def drift_out(
    seed: int, driver: Driver, error: Error, v_mps: float, judge: Judge, own: F1, delays_s: F2
) -> None:  # fmt: skip
    """Fill delays_s (n, 2): from the true crossing to the first notice and warning; NaN: none."""
    seed_noise(seed)
    for episode in range(delays_s.shape[0]):
        clear_all(judge)
        begin(driver, own)
        e, crossed_s = error.sigma_m * np.random.standard_normal(), math.nan
        delays_s[episode] = math.nan
        for k in range(STEPS):
            place = departing_m(driver, own, v_mps if k >= SETTLE_STEPS else 0.0, DT_S)
            if math.isnan(crossed_s) and place > 0.0:
                crossed_s = k * DT_S
            e = next_error_m(e, error, DT_S)
            grade = grade_of(place + e, error.told_sigma_m, error.told_tau_s, T0_NS + k * DT_NS, judge)
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
    for name, tau_s in TAUS_S.items():
        for sigma_m in SIGMAS_M:
            for v_mps in SPEEDS_MPS:
                drift_out(SEED, TYPICAL, honest(sigma_m, tau_s), v_mps, judge, own, delays_s)
                show_delays(
                    f"delay.{name}.s{sigma_m * 10:02.0f}.v{v_mps * 10:02.0f}",
                    delays_s,
                    rule=0.3 / v_mps + 0.5,
                    margin_m=MARGIN_M,
                )
