"""What terminals report: places with a constant, a slow and a white error, outliers, drags; late ones too.

What is wrong with single terminals, and jamming, is added by `faults`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tests.support.foreign.chance import random_of, wander
from tests.support.foreign.faults import (
    Fault,
    faults_of,
    jammed,
    past_of,
    standing_held,
    with_fault,
)
from tests.support.foreign.fleet import Flags
from tests.support.foreign.frame import course_of, lonlat_of
from tests.support.foreign.geometry import F64, ground_speed
from tests.support.foreign.motion import Motion
from tests.support.foreign.road import HAZMAT
from tests.support.foreign.scenario import GnssPlan

DRAG_M_MAX = 40.0
GHOST_MPS = 14.5
SHADOWING_LEAST_S = 40.0  # the truck that a ghost follows is on the road for longer
USUAL_DELAY_S = (0.02, 0.06)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """All reports of one terminal, in the order of their stamps; columns (k,), site metres."""

    terminal: str
    row: int  # of the fleet; -1: a ghost
    stamp_s: F64
    arrival_s: F64
    east_m: F64  # of the antenna as reported
    north_m: F64
    error_m: F64  # (k, 2) what of it is error
    speed_mps: F64
    course_deg: F64
    drag_from_s: float  # inf: it is not dragged
    clock_s: F64  # (k,) how far its clock is ahead: added to the stamps
    jammed: Flags  # (k,)
    lost: Flags  # (k,) it states that it has no position
    told_share: float  # what it states is this share of its sigma
    fault: Fault | None = None


def ghost_name(number: int) -> str:
    return f"16{number:09d}"


def all_reports(motion: Motion, seed: int) -> Iterator[Reports]:
    """Yield each reporting vehicle's, then each ghost's."""
    rng, plan = random_of(seed, "receivers"), motion.road.scenario
    fleet, end_s = motion.fleet, plan.duration_s
    faults = faults_of(motion, seed)
    for row in np.flatnonzero(fleet.reports).tolist():
        one = random_of(seed, f"receiver.{row}")
        dragged = bool(one.random() < plan.traffic.dragged_share) and bool(fleet.is_hazmat[row])
        stamps = _stamps(plan.gnss, one, float(motion.from_s[row]), min(end_s, float(motion.until_s[row])))
        if not len(stamps):
            continue
        fault = faults.get(row)
        moment = motion.at(np.full(len(stamps), row), past_of(motion, row, stamps, fault))
        arm = fleet.antenna_m[row] + plan.gnss.offset_sigma_m * one.normal(size=2)
        cos, sin = np.cos(moment.heading_rad), np.sin(moment.heading_rad)
        place = np.stack(
            [
                moment.east_m + arm[0] * cos - arm[1] * sin,
                moment.north_m + arm[0] * sin + arm[1] * cos,
                moment.v_east_mps, moment.v_north_mps,
            ],
            axis=1,
        )  # fmt: skip
        drag_from_s = float(one.uniform(15.0, 40.0)) if dragged else np.inf
        made = _measured(plan.gnss, one, str(fleet.terminal(row)), row, stamps, place,
                         drag_from_s, plan.traffic.drag_mps)  # fmt: skip
        later = random_of(seed, f"fault.{row}")  # what follows changes nothing of what is drawn above
        if later.random() < plan.gnss.holds_share:
            made = standing_held(made, np.hypot(moment.v_east_mps, moment.v_north_mps))
        made = with_fault(made, fault, later)
        yield jammed(made, moment.s_m, plan.jams, later) if plan.jams else made
    for number in range(plan.traffic.n_ghosts):
        ghost = _ghost(motion, number, rng)
        if len(ghost.stamp_s):
            yield ghost


def _ghost(motion: Motion, number: int, rng: np.random.Generator) -> Reports:
    """A terminal that claims to drive on the hazmat lane, where nobody is."""
    plan, line = motion.road.scenario, motion.road.lane(HAZMAT)
    if plan.traffic.ghosts_behind_m is not None:
        return _shadowing(motion, number, rng, plan.traffic.ghosts_behind_m)
    s0 = rng.uniform(-200.0, 0.4 * line.path.length_m)
    from_s = max(0.0, -s0 / GHOST_MPS)
    until_s = min(plan.duration_s, (line.path.length_m - s0) / GHOST_MPS)
    stamps = _stamps(plan.gnss, rng, from_s, until_s)
    s = s0 + GHOST_MPS * stamps
    east, north = line.path.place(s, 0.0)
    v_east, v_north = ground_speed(line.path, s, 0.0, GHOST_MPS, 0.0)
    place = np.stack([east, north, v_east, v_north], axis=1)
    return _measured(plan.gnss, rng, ghost_name(number), -1, stamps, place, np.inf, 0.0)


def _shadowing(motion: Motion, number: int, rng: np.random.Generator, behind_m: float) -> Reports:
    """A terminal that claims to drive close behind a truck that reports, for the truck's whole way."""
    plan, fleet = motion.road.scenario, motion.fleet
    stays = np.minimum(motion.until_s, plan.duration_s) - motion.from_s
    row = int(rng.choice(np.flatnonzero(fleet.is_hazmat & fleet.reports & (stays > SHADOWING_LEAST_S))))
    stamps = _stamps(
        plan.gnss, rng, float(motion.from_s[row]), min(plan.duration_s, float(motion.until_s[row]))
    )
    moment = motion.at(np.full(len(stamps), row), stamps)
    east = moment.east_m - behind_m * np.cos(moment.heading_rad)
    north = moment.north_m - behind_m * np.sin(moment.heading_rad)
    place = np.stack([east, north, moment.v_east_mps, moment.v_north_mps], axis=1)
    return _measured(plan.gnss, rng, ghost_name(number), -1, stamps, place, np.inf, 0.0)


def _stamps(plan: GnssPlan, rng: np.random.Generator, from_s: float, until_s: float) -> F64:
    """Return when a receiver measures: slow ones on the whole second, fast ones at a phase of their own."""
    period = 1.0 / plan.rate_hz[int(rng.random() < 0.5)]
    phase = float(rng.integers(0, max(1, round(period)))) if period >= 1.0 else rng.uniform(0.0, period)
    if not from_s < until_s:
        return np.zeros(0)
    first = np.ceil((from_s - phase) / period)
    stamps = phase + period * np.arange(first, np.ceil((until_s - phase) / period))
    return np.asarray(stamps[(stamps >= from_s) & (stamps < until_s)], dtype=np.float64)


def gnss_errors(plan: GnssPlan, rng: np.random.Generator, stamps: F64) -> F64:
    """Return errors (k, 2) [m] of one receiver, without outliers."""
    slow_share = 1.0 - plan.constant_share - plan.white_share
    constant = rng.normal(size=2) * np.sqrt(plan.constant_share)
    slow = wander(rng, (len(stamps), 2), np.diff(stamps), plan.tau_s) * np.sqrt(slow_share)
    white = rng.normal(size=(len(stamps), 2)) * np.sqrt(plan.white_share)
    return np.asarray(plan.sigma_m * (constant + slow + white))


def _measured(
    plan: GnssPlan,
    rng: np.random.Generator,
    terminal: str,
    row: int,
    stamps: F64,
    place: F64,
    drag_from_s: float,
    drag_mps: float,
) -> Reports:
    """Add errors and delays to true antenna places and velocities, (k, 4)."""
    k = len(stamps)
    error = gnss_errors(plan, rng, stamps)
    outlier = rng.random(k) < plan.outlier_p
    error[outlier] += plan.outlier_m * rng.normal(size=(int(outlier.sum()), 2))
    way = rng.uniform(0.0, 2.0 * np.pi)
    dragged_m = np.minimum(drag_mps * np.maximum(stamps - drag_from_s, 0.0), DRAG_M_MAX)
    error += dragged_m[:, None] * np.array([np.cos(way), np.sin(way)])
    speed = np.hypot(place[:, 2], place[:, 3])
    heading = np.arctan2(place[:, 3], place[:, 2])
    heading = heading + rng.normal(size=k) * plan.speed_sigma_mps / np.maximum(speed, 1.0)
    late = rng.random(k) < plan.late_share
    delay = np.where(late, rng.uniform(*plan.late_s, k), rng.uniform(*USUAL_DELAY_S, k))
    return Reports(
        terminal=terminal,
        row=row,
        stamp_s=stamps,
        arrival_s=stamps + delay,
        east_m=place[:, 0] + error[:, 0],
        north_m=place[:, 1] + error[:, 1],
        error_m=error,
        speed_mps=np.maximum(speed + plan.speed_sigma_mps * rng.normal(size=k), 0.0),
        course_deg=course_of(heading, place[:, 0], place[:, 1]),
        drag_from_s=drag_from_s,
        clock_s=np.zeros(k),
        jammed=np.zeros(k, dtype=np.bool_),
        lost=np.zeros(k, dtype=np.bool_),
        told_share=plan.told_share,
    )


def lonlat_of_reports(reports: Reports) -> tuple[list[float], list[float]]:
    lon, lat = lonlat_of(reports.east_m, reports.north_m)
    return lon.round(9).tolist(), lat.round(9).tolist()
