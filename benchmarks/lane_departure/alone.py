"""GNSS without any radar, through the whole tracker and monitor: departures found, undecidable, false alarms.

Trucks on a straight lane, each with its own AR(1) error; what a fix states of its error may be wrong. A
course is the direction of a truck's way, so that its wander within the lane is a smooth one.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from benchmarks.false_alarms import FRAME, LANE_M, WIDTH_M, Drift, road_text
from benchmarks.lane_departure.lines import show
from core.arrays import F64, Bools
from fusion.config import FusionConfig, Terminal
from fusion.observations import GnssFixes
from fusion.tracker import Tracker
from geofence.config import RulesConfig, VehicleConfig
from geofence.map.roadmap import load_map
from geofence.monitor import Monitor

T0_NS, STEP_NS = 1_790_000_000_000_000_000, 100_000_000
WAY_NS = 50_000_000  # from the fix to us
TRUCKS, APART_M, SPEED_MPS, SEED = 60, 600.0, 16.0, 23
SETTLE_S, V_MPS = 25.0, 0.8  # the departures begin after, at this speed across the lane
WANDER_M, WANDER_TAU_S, WANDER_MAX_M, WANDER_STEPS = 0.2, 4.0, 0.45, 2
SIGMA_SPEED_MPS, SIGMA_HEADING_RAD = 0.1, 0.003
MOVED_S = (30.0, 45.0)  # the seconds of the ride between which an error that moves puts the places aside
MARGIN_M = (LANE_M - WIDTH_M) / 2.0


class Plan(NamedTuple):
    """One case: the true and the stated error, and how deep for how long the trucks leave their lane."""

    sigma_m: float
    tau_s: float
    told_sigma_m: float
    told_tau_s: float
    depth_m: float  # 0: they keep it
    lasts_s: float
    hz: int
    in_degrees: bool = False  # courses are rounded, as JT/T 808 has them
    moved_m: float = 0.0  # how far aside the error moves all places, and
    within_s: float = 0.0  # in what time


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the trucks of one case."""

    found: Bools  # (n,) an alarm while the truck was outside, or a second later
    undecidable: Bools  # (n,) most of the time while it was outside
    n_false: int  # alarms of trucks that were inside
    hours: float


def way_out_m(plan: Plan, t_s: F64) -> F64:
    """Return how far (n,) each truck has left the middle of its lane, to the right."""
    reach_m = MARGIN_M + plan.depth_m
    ramp_s = reach_m / V_MPS
    rise, fall = t_s - SETTLE_S, SETTLE_S + 2.0 * ramp_s + plan.lasts_s - t_s
    way: F64 = np.clip(V_MPS * np.minimum(rise, fall), 0.0, reach_m) if plan.depth_m > 0.0 else 0.0 * t_s
    return way


def seconds_of(plan: Plan) -> float:
    """Return how long a case lasts."""
    return SETTLE_S + 2.0 * (MARGIN_M + plan.depth_m) / V_MPS + plan.lasts_s + 2.0


def moved_m(plan: Plan, t_s: F64) -> F64:
    """Return how far (n,) an error that moves puts each place aside, to the right."""
    share = np.clip((t_s - MOVED_S[0]) / max(plan.within_s, 1e-6), 0.0, 1.0)
    way: F64 = plan.moved_m * share * (t_s < MOVED_S[1])
    return way


class Wander:
    """Ways of n drivers within their lane: critically damped oscillators that noise drives."""

    def __init__(self, rng: np.random.Generator, n: int) -> None:
        self._rng, self._speed_mps = rng, np.zeros(n)
        self._at_m: F64 = WANDER_M * rng.normal(size=n)

    def step(self) -> F64:
        """Advance by STEP_NS; return the offsets (n,) from the middle of the lane."""
        dt_s, t_s = STEP_NS * 1e-9 / WANDER_STEPS, WANDER_TAU_S / 2.0
        for _ in range(WANDER_STEPS):
            push = 2.0 * WANDER_M * math.sqrt(dt_s / t_s) / t_s * self._rng.normal(size=len(self._at_m))
            self._speed_mps = self._speed_mps - dt_s * (2.0 * self._speed_mps + self._at_m / t_s) / t_s + push
            self._at_m = self._at_m + dt_s * self._speed_mps
        offset: F64 = WANDER_MAX_M * np.tanh(self._at_m / WANDER_MAX_M)
        return offset


class Fleet:
    """Trucks on their way, and what their terminals send."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.rng = plan, np.random.Generator(np.random.Philox(SEED))
        self.terminals = tuple(f"T{i}" for i in range(TRUCKS))
        n, same = TRUCKS, np.full(TRUCKS, plan.tau_s)
        self._east = APART_M * np.arange(n) + 200.0
        self._error = [Drift(self.rng, np.full(n, plan.sigma_m), same) for _ in range(2)]
        self._wander = Wander(self.rng, n)
        self._late_s = self.rng.uniform(0.0, 1.0, n)  # no two depart at once
        self.outside_m: F64 = np.full(n, -MARGIN_M)
        self._out_m: F64 | None = None

    def step(self, k: int) -> GnssFixes:
        """Drive for one step; return all terminals' fixes."""
        n, plan, rng = TRUCKS, self.plan, self.rng
        stamps = np.full(n, T0_NS + k * STEP_NS)
        t_s = k * STEP_NS * 1e-9 - self._late_s
        out = way_out_m(plan, t_s) + self._wander.step()
        before = out if self._out_m is None else self._out_m
        self.outside_m, self._out_m = out - MARGIN_M, out
        self._east = self._east + SPEED_MPS * STEP_NS * 1e-9
        across, along = (error.step() for error in self._error)
        course = -(out - before) / (STEP_NS * 1e-9) / SPEED_MPS + SIGMA_HEADING_RAD * rng.normal(size=n)
        if plan.in_degrees:
            course = np.radians(np.round(np.degrees(course)))
        return GnssFixes(
            terminal=self.terminals, stamp_ns=stamps, arrived_ns=stamps + WAY_NS, source_seq=np.full(n, k),
            east_m=self._east + along, north_m=LANE_M / 2.0 - out + across - moved_m(plan, t_s),
            speed_mps=SPEED_MPS + SIGMA_SPEED_MPS * rng.normal(size=n),
            heading_rad=course,
            sigma_m=np.full(n, plan.told_sigma_m), tau_s=np.full(n, plan.told_tau_s), usable=np.ones(n),
        )  # fmt: skip


def run(plan: Plan) -> Outcome:
    """Drive one case."""
    fleet, n = Fleet(plan), TRUCKS
    names = fleet.terminals
    vehicles = [VehicleConfig(terminal=name, length_m=14.0, width_m=WIDTH_M) for name in names]
    terminals = [Terminal(terminal=name, length_m=14.0, width_m=WIDTH_M) for name in names]
    tracker = Tracker(FusionConfig(), [], terminals, id_base=7 << 32)
    monitor = Monitor(
        RulesConfig(), load_map(road_text(), FRAME), FRAME, vehicles, esn="bench", stretch_m=None, radars=[]
    )
    every, last_out = 10 // plan.hz, np.full(n, -1_000)
    found, n_false, blind, outside = np.zeros(n, np.bool_), 0, np.zeros(n), np.zeros(n)
    steps = round(seconds_of(plan) * 1e9 / STEP_NS)
    for k in range(steps):
        fixes = fleet.step(k)
        last_out[fleet.outside_m > 0.0] = k
        if k % every:
            continue
        now_ns = T0_NS + k * STEP_NS + WAY_NS
        touched = tracker.step(now_ns, fixes).touched
        tracker.tick(now_ns)
        located = monitor.locate(touched, tracker.terminal_ids)
        truck = touched.terminal
        out = fleet.outside_m[truck] > 0.0
        blind[truck[out & located.undecidable]] += 1
        outside[truck[out]] += 1
        for violation, _ in monitor.observe(now_ns, touched, located, np.ones(len(touched), np.bool_)):
            if violation.rule != "lane_departure" or violation.phase != "open":
                continue
            i = int(truck[np.flatnonzero(touched.track == violation.track)[0]])
            if k - last_out[i] <= 1.0 / (STEP_NS * 1e-9):
                found[i] = True
            else:
                n_false += 1
    return Outcome(found, blind > outside / 2.0, n_false, steps * STEP_NS * 1e-9 * n / 3600.0)


def cases() -> dict[str, Plan]:
    """Return the cases that depart, and those that do not."""
    found = {}
    for hz in (1, 10):
        for sigma_m in (0.2, 0.3):
            for depth_m, lasts_s in ((1.0, 3.0), (1.5, 10.0)):
                name = f"s{sigma_m * 10:02.0f}_tau4_{depth_m:.1f}m_{lasts_s:.0f}s_{hz}hz"
                found[name] = Plan(sigma_m, 4.0, sigma_m, 4.0, depth_m, lasts_s, hz)
        found[f"s04_tau20_1.5m_10s_{hz}hz"] = Plan(0.4, 20.0, 0.4, 20.0, 1.5, 10.0, hz)
        found[f"s04_tau20_1.5m_10s_degrees_{hz}hz"] = Plan(0.4, 20.0, 0.4, 20.0, 1.5, 10.0, hz, True)
        found[f"s15_told_s02_{hz}hz"] = Plan(1.5, 4.0, 0.2, 4.0, 0.0, 60.0, hz)
        found[f"s04_told_s02_{hz}hz"] = Plan(0.4, 4.0, 0.2, 4.0, 0.0, 60.0, hz)
        for sigma_m, tau_s in ((0.2, 4.0), (0.3, 4.0), (0.4, 20.0)):
            for within_s in (0.0, 3.0):
                name = f"s{sigma_m * 10:02.0f}_tau{tau_s:.0f}_moved_1.8m_{within_s:.0f}s_{hz}hz"
                found[name] = Plan(sigma_m, tau_s, sigma_m, tau_s, 0.0, 60.0, hz, False, 1.8, within_s)
    return found


def lines(quick: bool) -> None:
    """Print all cases; quick : those with a fix each second only."""
    for name, plan in cases().items():
        if quick and plan.hz > 1:
            continue
        got = run(plan)
        if plan.depth_m > 0.0:
            either = got.found | got.undecidable
            show(f"gnss.{name}.found", got.found.mean(), "", either=either.mean(), n=float(TRUCKS))
            show(f"gnss.{name}.undecidable", got.undecidable.mean(), "")
        if plan.moved_m > 0.0:
            show(f"gnss.{name}.accused", float(got.n_false), "", n=float(TRUCKS))
            continue
        show(f"gnss.{name}.false_per_hour", got.n_false / got.hours, "1/h", hours=got.hours)
