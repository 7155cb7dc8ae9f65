"""The product's test of a lane departure on one sample: its own kernels and shipped settings."""

import math
from typing import NamedTuple

import numpy as np

from benchmarks.lane_departure.drivers import MARGIN_M
from core.arrays import F1, F2, I1
from core.kernel import kernel
from geofence.config import RulesConfig, section_of
from geofence.detectors import HOLD_STEP_S, Departures, add_departure, advance_timers, limits_of
from geofence.drift import FIX_STEP_S
from geofence.evidence import DEPARTURE_SHARE
from geofence.levels import shipped
from geofence.state import CLAIM_USED, CLEAR_S, EVIDENCE, EVIDENCE_NS, JUDGED, N_DRIFT

T0_NS = 1_790_000_000_000_000_000
RULES = RulesConfig()
CLEARED_S = RULES.clear_s
HALF_LANE_M = 3.75 / 2.0


class Judge(NamedTuple):
    """The memory of one track, and what it is judged by."""

    row: F1  # (EVIDENCE,)
    row_ns: I1  # (EVIDENCE_NS,)
    drift: F1  # (N_DRIFT,)
    limits: F2
    departures: Departures


def rate_of(asked_per_hour: float) -> float:
    """Return the share of a rate of false alarms that this one rule has."""
    return DEPARTURE_SHARE * asked_per_hour


SHIPPED = rate_of(RULES.false_alarms_per_vehicle_hour)


def judge_of(rate: float) -> Judge:
    """Return a fresh judge with the shipped limits, of a vehicle that only fixes measure."""
    drift = np.zeros(N_DRIFT)
    drift[CLAIM_USED] = 1.0
    return Judge(
        row=np.zeros(EVIDENCE), row_ns=np.zeros(EVIDENCE_NS, dtype=np.int64), drift=drift,
        limits=limits_of(section_of(RULES, "lane_departure")), departures=Departures(0, rate, shipped()),
    )  # fmt: skip


@kernel(inner=True)
def grade_of(value_m: float, sigma_m: float, tau_s: float, stamp_ns: int, judge: Judge) -> int:
    """Weigh one sample of the left edge's place over the left line; return the grade that holds.

    Both sides are judged, as in the product: the vehicle may seem to be over the right one.
    """
    row, row_ns, offset_m = judge.row, judge.row_ns, value_m + MARGIN_M
    over_m = abs(offset_m) - MARGIN_M
    dt_s = (stamp_ns - row_ns[JUDGED]) * 1e-9 if row_ns[JUDGED] > 0 else 0.0
    add_departure(
        (over_m, sigma_m, tau_s), (offset_m, HALF_LANE_M, MARGIN_M), dt_s, stamp_ns, judge.departures,
        judge.drift, row, row_ns,
    )  # fmt: skip
    step_s = HOLD_STEP_S if dt_s <= HOLD_STEP_S else FIX_STEP_S  # slower are terminals alone
    clear = (0.0, CLEARED_S)
    return int(advance_timers(over_m, dt_s, step_s, clear, stamp_ns, judge.limits, row, row_ns))


@kernel(inner=True)
def clear_episode(judge: Judge) -> None:
    """Start the evidence anew, as after an episode closed; what is known of the place stays."""
    for c in range(CLEAR_S + 1):
        judge.row[c] = 0.0


@kernel(inner=True)
def note_grade(grade: int, t_s: float, first_s: F1) -> None:
    """Keep in first_s (2,) the first time of notice and warning; NaN: none yet."""
    for g in range(2):
        if grade > g and math.isnan(first_s[g]):
            first_s[g] = t_s


@kernel(inner=True)
def clear_all(judge: Judge) -> None:
    """Start with another vehicle."""
    clear_episode(judge)
    for c in range(judge.row.shape[0]):
        judge.row[c] = 0.0
    for c in range(judge.row_ns.shape[0]):
        judge.row_ns[c] = 0
    for c in range(judge.drift.shape[0]):
        judge.drift[c] = 1.0 if c == CLAIM_USED else 0.0  # only fixes measure it


@kernel(inner=True)
def is_closed(judge: Judge) -> bool:
    """Return whether an open episode closes now."""
    return bool(judge.row[CLEAR_S] >= CLEARED_S)
