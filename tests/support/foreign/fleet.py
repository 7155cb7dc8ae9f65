"""The vehicles of a scenario, as columns; who they are, not where."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.support.foreign.chance import random_of
from tests.support.foreign.geometry import F64
from tests.support.foreign.road import HAZMAT, Road

I64 = NDArray[np.int64]
Flags = NDArray[np.bool_]
SLOWS_S = 6.0  # until a truck that halts stands
HIGH_M = 3.2  # a truck: it hides others; a car is 1.5 m high and hides nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """n vehicles, those of a lane in a row from the first to the last; `u_m` counts in driving direction."""

    lane: I64  # index into the road's lanes
    u_m: F64  # at the start; below 0: not yet there
    wanted_mps: F64
    length_m: F64
    width_m: F64
    antenna_m: F64  # (n, 2) forward, left of the centre
    is_truck: Flags
    is_hazmat: Flags
    exits: Flags  # takes the ramp
    reports: Flags  # has a terminal that speaks
    silent: Flags  # should report, does not
    vanish_s: F64  # when it ends in the middle of the road; inf: never
    phases: F64  # (n, 4) of its wander in the lane
    halt_s: F64  # (n, 2) from when it slows down to a stand, until it goes again; inf: never

    def __len__(self) -> int:
        return len(self.lane)

    def terminal(self, row: int) -> str | None:
        return f"15{row:09d}" if self.reports[row] else None


def fleet_of(road: Road, seed: int) -> Fleet:
    """Draw the vehicles of all lanes."""
    rng = random_of(seed, "fleet")
    parts = [_of_lane(road, i, rng) for i in range(len(road.lanes))]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Fleet(**columns, halt_s=_halts(road, columns["is_hazmat"], columns["u_m"], seed))


def _halts(road: Road, is_hazmat: Flags, u_m: F64, seed: int) -> F64:
    """Draw who halts, one after another: trucks that are well on the road by then."""
    rng, plan = random_of(seed, "halts"), road.scenario.traffic
    halt = np.full((len(u_m), 2), np.inf)
    for k in range(plan.n_halts):
        from_s = 20.0 + 18.0 * k + float(rng.uniform(0.0, 5.0))
        then_m = u_m + plan.truck_mps * from_s
        on_road = (then_m > 0.2 * road.plan.length_m) & (then_m < 0.7 * road.plan.length_m)
        row = int(rng.choice(np.flatnonzero(is_hazmat & on_road)))
        halt[row] = (from_s, from_s + SLOWS_S + float(rng.uniform(7.0, 10.0)))
    return halt


def _of_lane(road: Road, index: int, rng: np.random.Generator) -> dict[str, NDArray]:  # type: ignore[type-arg]
    plan, lane, duration = road.scenario.traffic, road.lanes[index], road.scenario.duration_s
    is_hazmat_lane = lane.name == HAZMAT
    over = lane.level > 0
    speed = plan.truck_mps if is_hazmat_lane or over else plan.other_mps + 1.5 * (lane.index == 2)
    gap = plan.truck_gap_m if is_hazmat_lane else 150.0 if over else plan.other_gap_m
    n = 0 if lane.name == "R0" else int((lane.path.length_m + speed * duration) / (gap + 7.0)) + 2
    truck_share = 1.0 if is_hazmat_lane or over else 0.35 if lane.index == 1 else 0.15
    is_truck = rng.random(n) < truck_share
    length = np.where(is_truck, rng.uniform(11.0, 17.8, n), rng.uniform(4.2, 5.1, n)).round(1)
    width = np.where(is_truck, 2.5, rng.uniform(1.75, 1.95, n)).round(2)
    gaps = gap * rng.uniform(0.7, 1.3, n)
    before = np.concatenate([[0.0], (length[:-1] + length[1:]) / 2.0])[:n]
    u = lane.path.length_m - np.cumsum(gaps + before)
    hazmat = np.full(n, is_hazmat_lane)
    silent = hazmat & (rng.random(n) < plan.silent_share)
    exits = hazmat & ~silent & (rng.random(n) < plan.exits_share) & road.plan.ramp
    if is_hazmat_lane:
        exits &= u < road.ramp_from_m  # the others are past it
    reports = (hazmat & ~silent) | over | (~hazmat & (rng.random(n) < plan.reporting_others_share))
    vanish = np.where(rng.random(n) < plan.vanish_share, rng.uniform(0.1, 0.9, n) * duration, np.inf)
    return {
        "lane": np.full(n, index),
        "u_m": u,
        "wanted_mps": rng.normal(speed, 0.025 * speed, n).clip(0.93 * speed, 1.06 * speed),
        "length_m": length,
        "width_m": width,
        "antenna_m": np.stack([0.3 * length, rng.uniform(-0.4, 0.4, n)], axis=1).round(1),
        "is_truck": is_truck,
        "is_hazmat": hazmat,
        "exits": exits,
        "reports": reports,
        "silent": silent,
        "vanish_s": vanish,
        "phases": rng.uniform(0.0, 2.0 * np.pi, (n, 4)),
    }
