"""Alarms per vehicle-hour of drivers who keep their lane, each with the vehicle-hours and a 95 % interval.

Warnings are counted where more are asked than ship, since 1e-4 an hour needs 1e5 hours to show. `sigma_half`
and `tau_quarter` are at the shipped rate: what is stated of the error is wrong.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import chi2

from benchmarks.lane_departure.drivers import (
    FAMILY,
    N_DRIVER,
    TYPICAL,
    Driver,
    Error,
    begin,
    honest,
    next_error_m,
    place_m,
    seed_noise,
)
from benchmarks.lane_departure.judged import (
    SHIPPED,
    T0_NS,
    Judge,
    clear_all,
    clear_episode,
    grade_of,
    is_closed,
    judge_of,
    rate_of,
)
from benchmarks.lane_departure.lines import show
from core.arrays import F1, I1
from core.kernel import kernel

DT_S, DT_NS, HOUR_STEPS = 0.1, 100_000_000, 36_000
SEED = 7
NOTICES, WARNINGS, VIOLATIONS = range(3)
ASKED, LONG = 1e-2, 1e-4  # of all measured rules together, per vehicle-hour
# what the members are measured with: a radar's track, a far one, good and poor GNSS
ERRORS = (honest(0.3, 0.0), honest(0.3, 0.2), honest(1.0, 0.0), honest(0.3, 4.0), honest(0.5, 10.0))
SIGMA_HALF = (Error(0.4, 4.0, 0.2, 4.0), Error(0.3, 4.0, 0.15, 4.0), Error(0.4, 0.2, 0.2, 0.2))
TAU_QUARTER = (Error(0.3, 16.0, 0.3, 4.0), Error(0.3, 0.8, 0.3, 0.2), Error(0.5, 4.0, 0.5, 1.0))


class Count(NamedTuple):
    """Episodes that reached each grade, in so many vehicle-hours."""

    alarms: tuple[int, ...]
    hours: float


@kernel
def drive(
    seed: int, hours: int, driver: Driver, error: Error, judge: Judge, own: F1, counts: I1
) -> None:  # fmt: skip
    """Count in counts (3,) the episodes of at least each grade; each hour is another vehicle."""
    seed_noise(seed)
    for _ in range(hours):
        clear_all(judge)
        begin(driver, own)
        e, top = error.sigma_m * np.random.standard_normal(), 0
        for k in range(HOUR_STEPS):
            e = next_error_m(e, error, DT_S)
            value = place_m(driver, own, DT_S) + e
            grade = grade_of(value, error.told_sigma_m, error.told_tau_s, T0_NS + k * DT_NS, judge)
            for g in range(top, grade):
                counts[g] += 1
            top = max(top, grade)
            if top > 0 and is_closed(judge):
                top = 0
                clear_episode(judge)


def counted(driver: Driver, errors: tuple[Error, ...], hours: float, rate: float) -> Count:
    """Drive a share of the hours with each error."""
    judge = judge_of(rate)
    own, counts = np.zeros(N_DRIVER), np.zeros(3, dtype=np.int64)
    each = max(1, round(hours / len(errors)))
    for i, error in enumerate(errors):
        drive(SEED + i, each, driver, error, judge, own, counts)
    return Count(tuple(counts.tolist()), float(each * len(errors)))


def interval(count: int, hours: float) -> tuple[float, float]:
    """Return the exact 95 % interval of a Poisson rate."""
    low = 0.0 if count == 0 else chi2.ppf(0.025, 2 * count) / 2.0
    return float(low / hours), float(chi2.ppf(0.975, 2 * count + 2) / 2.0 / hours)


def report(name: str, found: Count, asked: float) -> None:
    """Print the warnings, and beside them the notices."""
    alarms = found.alarms[WARNINGS]
    low, high = interval(alarms, found.hours)
    show(
        f"false_per_hour.{name}", alarms / found.hours, "1/h", hours=found.hours, alarms=float(alarms),
        ci95_low=low, ci95=high, asked=asked, notices_per_hour=found.alarms[NOTICES] / found.hours,
    )  # fmt: skip


def lines(hours: float, asked: float) -> None:
    """Print each member of the family, then the cases whose stated sigma or tau is wrong."""
    for name, driver in FAMILY.items():
        report(name, counted(driver, ERRORS, hours, rate_of(asked)), asked)
    shipped = SHIPPED / rate_of(1.0)
    report("sigma_half", counted(TYPICAL, SIGMA_HALF, hours, SHIPPED), shipped)
    report("tau_quarter", counted(TYPICAL, TAU_QUARTER, hours, SHIPPED), shipped)
