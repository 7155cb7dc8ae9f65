"""Departures from the hazmat lane: who swings out, when and how far; and the true events."""

import itertools
from dataclasses import dataclass

import numpy as np

from tests.support.foreign.chance import random_of
from tests.support.foreign.fleet import Fleet
from tests.support.foreign.geometry import F64
from tests.support.foreign.road import LANE_M, Road
from tests.support.foreign.traffic import TICK_S, Runs

OVER_TO_RIGHT_M = (0.6, 1.6)  # over the line; the shoulder is free
OVER_TO_LEFT_M = (0.38, 0.48)  # the next lane is not
TRIES = 8  # starts that are drawn for one truck


@dataclass(frozen=True, slots=True)
class Departure:
    """One swing: out, hold, back; `to_m` is the offset of the truck's centre, left positive."""

    row: int
    start_s: float
    out_s: float
    hold_s: float
    to_m: float

    @property
    def end_s(self) -> float:
        return self.start_s + 2.0 * self.out_s + self.hold_s

    def share(self, t_s: F64) -> F64:
        """Return how far it is out, 0 to 1 (raised cosine)."""
        out = np.clip((t_s - self.start_s) / self.out_s, 0.0, 1.0)
        back = np.clip((self.end_s - t_s) / self.out_s, 0.0, 1.0)
        return 0.25 * (1.0 - np.cos(np.pi * out)) * (1.0 - np.cos(np.pi * back))


def departures_of(road: Road, fleet: Fleet, runs: Runs, seed: int) -> list[Departure]:
    """Draw departures, one for a truck; they begin and end well inside the road and before the run ends."""
    rng, plan = random_of(seed, "departures"), road.scenario.traffic
    rows = rng.permutation(np.flatnonzero(fleet.is_hazmat & fleet.reports & ~fleet.exits)).tolist()
    drawn: list[Departure] = []
    for row in rows:
        if len(drawn) == plan.n_departures:
            break
        to_left = bool(rng.random() < plan.departure_left_share)
        over = rng.uniform(*(OVER_TO_LEFT_M if to_left else OVER_TO_RIGHT_M))
        offset = over + LANE_M / 2.0 - float(fleet.width_m[row]) / 2.0
        out_s, hold_s = rng.uniform(2.0, 3.0), rng.uniform(3.5, 6.0)
        starts = rng.uniform(3.0, max(4.0, road.scenario.duration_s - 24.0), TRIES).tolist()
        tried = (Departure(row, start_s, out_s, hold_s, offset if to_left else -offset) for start_s in starts)
        drawn.extend(itertools.islice((one for one in tried if _is_inside(road, fleet, runs, one)), 1))
    return sorted(drawn, key=lambda one: one.start_s)


def _is_inside(road: Road, fleet: Fleet, runs: Runs, one: Departure) -> bool:
    ticks = [round(t / TICK_S) for t in (one.start_s, one.end_s)]
    if ticks[1] >= len(runs.u_m) or one.end_s + 1.0 > fleet.vanish_s[one.row]:
        return False
    u = runs.u_m[ticks, one.row]
    mouth = road.plan.ramp and u[0] - 30.0 < road.ramp_from_m + 120.0 and u[1] + 30.0 > road.ramp_from_m
    return bool(u[0] > 60.0 and u[1] < road.plan.length_m - 120.0 and not mouth)
