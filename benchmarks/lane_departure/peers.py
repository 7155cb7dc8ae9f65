"""Our test beside the rules of other systems, on the very same fixes: false alarms, delays.

For each of them: `first`, what one begins with; `best`, of the settings that raised no more false alarms than
ours for any driver of the family the one that finds a departure of 0.5 m/s soonest; `one`, the same with a
single setting for all errors, as ours has. They are chosen on the fixes that are shown, in their favour.
"""

import math
from typing import NamedTuple

import numpy as np

from benchmarks.lane_departure.delays import SEED, SETTLE_STEPS, STEPS
from benchmarks.lane_departure.drivers import (
    FAMILY,
    N_DRIVER,
    TYPICAL,
    Driver,
    Error,
    begin,
    departing_m,
    honest,
    next_error_m,
    place_m,
    seed_noise,
)
from benchmarks.lane_departure.false_alarms import DT_NS, DT_S, HOUR_STEPS
from benchmarks.lane_departure.fences import (
    Fences,
    Setting,
    fences_of,
    forget_vehicle,
    judge_fences,
    settings,
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
)
from benchmarks.lane_departure.lines import show
from core.arrays import F1, F2, F64, I1
from core.kernel import kernel

ERRORS = {"white.s05": honest(0.5, 0.0), "tau4.s03": honest(0.3, 4.0), "tau10.s05": honest(0.5, 10.0)}
SPEEDS_MPS = (0.5, 1.0)
OURS = 0  # the first column; each setting has one of the next


@kernel
def keep_lane(
    seed: int, hours: int, driver: Driver, error: Error, judge: Judge, fences: Fences, own: F1, counts: I1
) -> None:  # fmt: skip
    """Count the alarms of all rules in counts (1 + n,), ours first; each hour is another vehicle."""
    seed_noise(seed)
    raised = fences.raised
    for _ in range(hours):
        clear_all(judge)
        forget_vehicle(fences)
        begin(driver, own)
        e, is_open = error.sigma_m * np.random.standard_normal(), False
        for k in range(HOUR_STEPS):
            place = place_m(driver, own, DT_S)
            e = next_error_m(e, error, DT_S)
            grade = grade_of(place + e, error.told_sigma_m, error.told_tau_s, T0_NS + k * DT_NS, judge)
            if grade > 0 and not is_open:
                is_open = True
                counts[0] += 1
            if is_open and is_closed(judge):
                is_open = False
                clear_episode(judge)
            judge_fences(place + e, k * DT_S, fences)
            for j in range(raised.shape[0]):
                counts[j + 1] += raised[j]


@kernel
def leave_lane(
    seed: int, driver: Driver, error: Error, v_mps: float, judge: Judge, fences: Fences, own: F1,
    delays_s: F2,
) -> None:  # fmt: skip
    """Fill delays_s (n, 1 + m): from the true crossing to the first alarm of each rule; NaN: none."""
    seed_noise(seed)
    for episode in range(delays_s.shape[0]):
        clear_all(judge)
        forget_vehicle(fences)
        begin(driver, own)
        e, crossed_s = error.sigma_m * np.random.standard_normal(), math.nan
        delays_s[episode] = math.nan
        for k in range(STEPS):
            place = departing_m(driver, own, v_mps if k >= SETTLE_STEPS else 0.0, DT_S)
            if math.isnan(crossed_s) and place > 0.0:
                crossed_s = k * DT_S
            e = next_error_m(e, error, DT_S)
            grade = grade_of(place + e, error.told_sigma_m, error.told_tau_s, T0_NS + k * DT_NS, judge)
            judge_fences(place + e, k * DT_S, fences)
            if math.isnan(crossed_s):
                continue
            # one that was raised before and still stands is one, too: the supervisor sees it
            if grade > 0 and math.isnan(delays_s[episode, 0]):
                delays_s[episode, 0] = k * DT_S - crossed_s
            for j in range(fences.is_raised.shape[0]):
                if fences.is_raised[j] and math.isnan(delays_s[episode, j + 1]):
                    delays_s[episode, j + 1] = k * DT_S - crossed_s


class Found(NamedTuple):
    """What all rules did with one error; columns: ours, then each setting."""

    per_hour: dict[str, F64]  # by driver
    delays_s: dict[float, F64]  # by speed, medians; infinite where fewer than half were found
    found: F64  # share of the departures at the lower speed


def run(error: Error, hours: int, n_episodes: int, rows: list[Setting]) -> Found:
    """Drive the family, and departures."""
    judge, own, fences = judge_of(SHIPPED), np.zeros(N_DRIVER), fences_of(rows)
    per_hour = {}
    for i, (name, driver) in enumerate(FAMILY.items()):
        counts = np.zeros(1 + len(rows), dtype=np.int64)
        keep_lane(SEED + i, hours, driver, error, judge, fences, own, counts)
        per_hour[name] = counts / hours
    each_s = {v_mps: np.zeros((n_episodes, 1 + len(rows))) for v_mps in SPEEDS_MPS}
    for v_mps, of_speed in each_s.items():
        leave_lane(SEED, TYPICAL, error, v_mps, judge, fences, own, of_speed)
        of_speed[np.isnan(of_speed)] = np.inf
    delays = {v_mps: np.median(of_speed, axis=0) for v_mps, of_speed in each_s.items()}
    return Found(per_hour, delays, np.isfinite(each_s[SPEEDS_MPS[0]]).mean(axis=0))


def best_of(mine: list[int], delay_s: F64, worst: F64) -> int:
    """Return the column of a rule's best setting; where none is as quiet as ours, the quietest."""
    quiet = [j for j in mine if worst[j] <= worst[OURS]]
    if not quiet:
        return min(mine, key=lambda j: (worst[j], delay_s[j]))
    return min(quiet, key=lambda j: (delay_s[j], worst[j]))


def lines(hours: int, n_episodes: int) -> None:
    """Print ours, and of each other rule what one begins with and its best settings."""
    rows = settings()
    got = {name: run(error, hours, n_episodes, rows) for name, error in ERRORS.items()}
    slow, fast = SPEEDS_MPS
    worst = {name: np.max(list(one.per_hour.values()), axis=0) for name, one in got.items()}
    all_worst = np.max(list(worst.values()), axis=0)
    all_delays_s = np.sum([one.delays_s[slow] for one in got.values()], axis=0)
    for name, one in got.items():
        columns = {"ours": OURS}
        for rule in dict.fromkeys(row.rule for row in rows):
            mine = [j + 1 for j, row in enumerate(rows) if row.rule == rule]
            columns[f"{rule}.first"] = mine[0]
            columns[f"{rule}.best"] = best_of(mine, one.delays_s[slow], worst[name])
            columns[f"{rule}.one"] = best_of(mine, all_delays_s, all_worst)
        for rule, j in columns.items():
            setting = None if j == OURS else rows[j - 1]
            show(
                f"peers.{name}.{rule}", one.delays_s[slow][j], "s", v10=one.delays_s[fast][j],
                found=one.found[j], typical_per_hour=one.per_hour["typical"][j],
                worst_per_hour=worst[name][j], hours=float(hours),
                buffer_m=None if setting is None else setting.buffer_m,
                for_s=None if setting is None else setting.for_s,
            )  # fmt: skip
