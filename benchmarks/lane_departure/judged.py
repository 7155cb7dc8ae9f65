"""The product's test of a lane departure on one sample: its own kernels and shipped settings."""

import math

import numpy as np

from core.arrays import F1, F2, F64, I1, I64
from core.kernel import kernel
from geofence.config import RulesConfig, section_of
from geofence.continuity import FIX_STEP_S
from geofence.detectors import HOLD_STEP_S, add_sample, advance_timers, limits_of
from geofence.rules import MEASURED, REGISTRY
from geofence.state import CLEAR_S, EVIDENCE, EVIDENCE_NS

T0_NS = 1_790_000_000_000_000_000
RULES = RulesConfig()
LIMITS = limits_of(section_of(RULES, "lane_departure"))
CLEARED_S = RULES.clear_s
WEIGHING = sum(rule.kind == "measured" for rule in REGISTRY if rule.name in MEASURED)


def rate_of(asked_per_hour: float) -> float:
    """Return the share of a rate of false alarms that this one rule has."""
    return asked_per_hour / WEIGHING


SHIPPED = rate_of(RULES.false_alarms_per_vehicle_hour)


def fresh() -> tuple[F64, I64]:
    """Return a track's row of evidence, and its stamps."""
    return np.zeros(EVIDENCE), np.zeros(EVIDENCE_NS, dtype=np.int64)


@kernel(inner=True)
def judge(
    value_m: float, sigma_m: float, tau_s: float, dt_s: float, stamp_ns: int, rate: float, limits: F2,
    row: F1, row_ns: I1,
) -> int:  # fmt: skip
    """Weigh one sample of the edge's place; return the grade that holds."""
    add_sample(value_m, sigma_m, tau_s, dt_s, rate, stamp_ns, row, row_ns)
    step_s = HOLD_STEP_S if dt_s <= HOLD_STEP_S else FIX_STEP_S  # slower are terminals alone
    return int(advance_timers(value_m, dt_s, step_s, (0.0, CLEARED_S), stamp_ns, limits, row, row_ns))


@kernel(inner=True)
def clear(row: F1, row_ns: I1) -> None:
    """Start a track's evidence anew, as after its episode closed."""
    for c in range(row.shape[0]):
        row[c] = 0.0
    for c in range(row_ns.shape[0]):
        row_ns[c] = 0


@kernel(inner=True)
def note_grade(grade: int, t_s: float, first_s: F1) -> None:
    """Keep in first_s (2,) the first time of notice and warning; NaN: none yet."""
    for g in range(2):
        if grade > g and math.isnan(first_s[g]):
            first_s[g] = t_s


@kernel(inner=True)
def is_closed(row: F1) -> bool:
    """Return whether an open episode closes now."""
    return bool(row[CLEAR_S] >= CLEARED_S)
