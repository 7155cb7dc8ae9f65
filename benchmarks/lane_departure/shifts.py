"""Trucks whose terminal's error moves while they keep their lane, and is back 15 s later: who is accused.

The product's own tests on single fixes, without a tracker. Each truck leaves its lane for true in the end.
"""

import math
from typing import NamedTuple

import numpy as np

from benchmarks.lane_departure.crossing import (
    COURSES,
    DT_S,
    N_OWN,
    SLOW_AT,
    SPEED_MPS,
    Course,
    begin,
    check_step,
    left_m,
    move,
    reported_mps,
)
from benchmarks.lane_departure.drivers import MARGIN_M, TYPICAL, Error, honest, next_error_m, seed_noise
from benchmarks.lane_departure.judged import SHIPPED, Judge, clear_all, grade_of, is_closed, judge_of
from benchmarks.lane_departure.levels import LANE_M
from benchmarks.lane_departure.lines import show
from core.arrays import F1, F64
from core.kernel import kernel
from geofence.claim import claimed_scale
from geofence.levels import sigma_max_m
from geofence.scales import DISPROVED
from geofence.shifts import weigh_fix
from geofence.state import CLAIM_USED, MOVED_S

MOVES_S, BACK_S, LEAVES_S, END_S = 30.0, 15.0, 75.0, 95.0  # when it moves, for how long; when he leaves
NONE = 99  # a kind of course: the terminal sends none
SHIFTED = {name: COURSES[name] for name in ("good", "degrees", "copied")} | {"none": Course(NONE, 0.0, 0.0)}
ERRORS = {
    "s01_tau4": honest(0.1, 4.0),
    "s02_tau4": honest(0.2, 4.0),
    "s03_tau4": honest(0.3, 4.0),
    "s04_tau20": honest(0.4, 20.0),
}
JUMPS_M, RAMPS_S = (1.0, 1.8, 3.0), (0.0, 1.0, 3.0, 6.0)
# What `ride` fills in: alarms of who keeps the lane before the error moves, while it is another and after;
# whether one is raised while he is outside; the shares of fixes of these times that are undecidable
BEFORE, WHILE, AFTER, FOUND = range(4)
BLIND, N_FIXES, N_OUT = 4, 8, 12


@kernel(inner=True)
def _moved_m(t_s: float, by_m: float, in_s: float) -> float:
    """Return by how much the error is another at t_s after it began to move."""
    in_s = max(in_s, 1e-9)
    forth = min(max(t_s / in_s, 0.0), 1.0)
    return by_m * (forth - min(max((t_s - BACK_S) / in_s, 0.0), 1.0))


@kernel
def ride(
    seed: int, error: Error, course: Course, hz: int, shift: tuple[float, float], depth_m: float, own: F1,
    judge: Judge, out: F1,
) -> None:  # fmt: skip
    """Drive one truck; fill out (N_OUT,).

    shift : by how much the error moves, and in what time [m, s].  depth_m : by which he leaves.  own : memory
    """
    seed_noise(seed)
    clear_all(judge)
    slow, every, dt_s, row = own[SLOW_AT:], 10 // hz, 1.0 / hz, judge.drift
    for c in range(N_OUT):
        out[c] = 0.0
    begin(TYPICAL, own)
    late_s = np.random.random()
    e, out_s, is_open = error.sigma_m * np.random.standard_normal(), -1e9, False
    last_m, last_slip = 0.0, 0.0
    row[CLAIM_USED] = claimed_scale(row)
    for k in range(round(END_S / DT_S)):
        t_s = k * DT_S
        place_m, slip_mps = move(TYPICAL, course, left_m(t_s, LEAVES_S + late_s, depth_m), k == 0, own)
        e = next_error_m(e, error, DT_S)
        out_s = t_s if place_m > MARGIN_M else out_s
        if k % every:
            continue
        moved_m = _moved_m(t_s - MOVES_S - late_s, shift[0], shift[1])
        offset_m = place_m + e + moved_m
        said = reported_mps(course, slip_mps, offset_m, last_m if k > 0 else offset_m, dt_s, slow)
        motion = 0.5 * dt_s * (said + last_slip) if course.kind != NONE else dt_s * slip_mps
        if k > 0 and row[MOVED_S] == 0.0:
            check_step(offset_m - last_m - motion, error, dt_s, row)
        last_m, last_slip = offset_m, said
        row[CLAIM_USED] = claimed_scale(row)
        is_judged = row[CLAIM_USED] < DISPROVED  # as where it is located, before the fix is weighed
        weigh_fix(
            (offset_m, LANE_M / 2.0, MARGIN_M), (error.told_sigma_m, error.told_tau_s),
            (SPEED_MPS, math.nan if course.kind == NONE else said), dt_s if k > 0 else 0.0, row, judge.row,
        )  # fmt: skip
        if is_judged and claimed_scale(row) < DISPROVED:
            stamp_ns, over_m = 1_000_000_000 + k * 100_000_000, offset_m - MARGIN_M
            grade = grade_of(over_m, error.told_sigma_m, error.told_tau_s, stamp_ns, judge)
            if grade > 0 and not is_open:
                is_open = True
                if t_s - out_s <= 1.0:
                    out[FOUND] = 1.0
                elif t_s < LEAVES_S:
                    out[BEFORE if t_s < MOVES_S else WHILE if moved_m != 0.0 else AFTER] += 1.0
            elif grade == 0 and is_closed(judge):
                is_open = False
        most_m = sigma_max_m(judge.departures.levels, error.told_tau_s)
        at = FOUND if place_m > MARGIN_M else BEFORE if t_s < MOVES_S else WHILE if moved_m != 0.0 else AFTER
        if t_s > 20.0:
            out[N_FIXES + at] += 1.0
            out[BLIND + at] += 1.0 if claimed_scale(row) * error.told_sigma_m > most_m else 0.0


def trucks(error: Error, course: Course, hz: int, shift: tuple[float, float], n: int) -> F64:
    """Return what `ride` says (n, N_OUT) of n trucks, whose errors move to either side by turns."""
    found, judge, own = np.zeros((n, N_OUT)), judge_of(SHIPPED), np.zeros(N_OWN)
    for i in range(n):
        by_m = shift[0] if i % 2 else -shift[0]
        ride(1_000 + i, error, course, hz, (by_m, shift[1]), 1.5, own, judge, found[i])
    return found


class Summary(NamedTuple):
    """Of the trucks of one case."""

    accused: int  # of who kept the lane
    found: float  # share of those who left it
    either: float  # or most of the time undecidable
    undecidable: float  # share of the time in which the error was another


def summary(found: F64) -> Summary:
    """Sum up what `ride` says (n, N_OUT)."""
    blind = found[:, BLIND:N_FIXES] / np.maximum(found[:, N_FIXES:], 1.0)
    hit = found[:, FOUND] > 0.0
    return Summary(
        int((found[:, BEFORE : AFTER + 1] > 0.0).any(axis=1).sum()), float(hit.mean()),
        float((hit | (blind[:, FOUND] > 0.5)).mean()), float(blind[:, WHILE].mean()),
    )  # fmt: skip


def lines(n: int) -> None:
    """Print of each course, rate, error and shift how many are accused."""
    for course, about in SHIFTED.items():
        for hz in (1, 5, 10):
            for name, error in ERRORS.items():
                for by_m in JUMPS_M:
                    for in_s in RAMPS_S:
                        got = summary(trucks(error, about, hz, (by_m, in_s), n))
                        show(
                            f"shift.{course}.{hz}hz.{name}.{by_m:.1f}m_{in_s:.0f}s", float(got.accused), "",
                            n=float(n), found=got.found, either=got.either, undecidable=got.undecidable,
                        )  # fmt: skip
