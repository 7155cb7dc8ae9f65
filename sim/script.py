"""Starts the scenario's manoeuvres on the traffic, at their times, where a radar sees them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from core.classes import HAZMAT
from sim.chance import uniform
from sim.cover import Cover
from sim.manoeuvre import Manoeuvre, crossing_s, sideways_s
from sim.scenario import Departures, NearMisses, Scenario, Scripted
from sim.site import section as sec
from sim.traffic import BRAKE_MPS2, Traffic

REST_S = 12.0  # between two manoeuvres of one vehicle: their episodes must not become one
SIDEWAYS_S_MAX = 7.0  # of one swing; a slow one is a shallow one
BACK_MPS = 0.9
GAP_BEHIND_M, GAP_AHEAD_M = 25.0, 30.0  # in the lane that a truck drifts into, beside the closing speed
BOUNDARY_AFTER_S = 1.0  # a departure that crosses a boundary is over the line this long before and after


@dataclass(frozen=True, slots=True)
class DeparturePlan:
    """A departure before it has a truck: sideways numbers only."""

    number: int
    depth_m: float
    out_s: float
    hold_s: float
    back_s: float
    crossing_s: float  # after the start
    offset_m: float
    left_first: bool
    boundary: bool

    @property
    def lasts_s(self) -> float:
        return self.out_s + self.hold_s + self.back_s


@dataclass(slots=True)
class Script:
    """Starts manoeuvres on `traffic`; `boundaries_m` lie between the driven RSUs."""

    scenario: Scenario
    traffic: Traffic
    cover: Cover
    boundaries_m: Sequence[float]
    seed: int
    started: list[Manoeuvre] = field(default_factory=list)  # since asked
    _departures: int = 0
    _misses: int = 0
    _owed: bool = False  # a boundary departure that found no truck yet
    _rested_s: dict[int, float] = field(default_factory=dict)  # when a vehicle may do something again
    _events: dict[int, int] = field(default_factory=dict)  # by row of the scenario: how many were begun

    def begin_due(self) -> None:
        """Begin the events that are due; called once a tick, after the traffic's step."""
        if self.scenario.departures is not None:
            self._depart(self.scenario.departures)
        if self.scenario.near_misses is not None:
            self._miss(self.scenario.near_misses)
        for row, event in enumerate(self.scenario.event):
            self._event(row, event)

    def _depart(self, wanted: Departures) -> None:
        t_s, k = self.traffic.t_s, self._departures
        if t_s < wanted.first_s + k * wanted.period_s - wanted.jitter_s - SIDEWAYS_S_MAX:
            return  # long before any plan
        plan = self._plan(wanted, k)
        jitter_s = (2 * uniform(self.seed, "departure.when", k) - 1) * wanted.jitter_s
        if t_s < wanted.first_s + k * wanted.period_s + jitter_s - plan.crossing_s:
            return
        chosen = self._boundary_truck(plan) if plan.boundary else None
        if chosen is None:
            self._owed = plan.boundary  # the next one tries again
            chosen = self._any_truck(plan)
        else:
            self._owed = False
        if chosen is None:
            return  # nobody can: again in the next tick
        truck, side = chosen
        self._departures += 1
        self._begin(
            Manoeuvre(
                kind="departure", vehicle=truck, start_s=t_s, out_s=plan.out_s, hold_s=plan.hold_s,
                back_s=plan.back_s, offset_m=side * plan.offset_m,
            )
        )  # fmt: skip

    def _plan(self, wanted: Departures, k: int) -> DeparturePlan:
        draw = [uniform(self.seed, "departure", k, 0, i) for i in range(4)]
        margin_m = _margin_m(2.5)
        rate_mps = _between(wanted.rate_mps, draw[0])
        deepest_m = max(
            wanted.depth_m[0], min(wanted.depth_m[1], SIDEWAYS_S_MAX * rate_mps / 1.875 - margin_m)
        )
        depth_m = _between((wanted.depth_m[0], deepest_m), draw[1])
        offset_m = margin_m + depth_m
        out_s = sideways_s(offset_m, rate_mps)
        boundary = bool(self.boundaries_m) and (k % wanted.boundary_every == 0 or self._owed)
        hold_s = wanted.hold_s[1] if boundary else _between(wanted.hold_s, draw[2])
        return DeparturePlan(
            k, depth_m, out_s, hold_s, max(2.5, sideways_s(offset_m, BACK_MPS)),
            crossing_s(margin_m, offset_m, out_s), offset_m, draw[3] < wanted.left_share, boundary,
        )  # fmt: skip

    def _boundary_truck(self, plan: DeparturePlan) -> tuple[int, int] | None:
        """Return a truck that is over the line when it passes from one driven RSU's stretch to the next's."""
        early_s = plan.crossing_s + BOUNDARY_AFTER_S
        late_s = plan.out_s + plan.hold_s - BOUNDARY_AFTER_S
        return self._choose(plan, [i for i in self._free() if self._passes(i, early_s, late_s)])

    def _passes(self, i: int, early_s: float, late_s: float) -> bool:
        state = self.traffic.state
        s, rate = state.way[i] * state.along_m[i], state.way[i] * state.speed_mps[i]
        low, high = sorted((s + rate * early_s, s + rate * late_s))
        return any(low < b < high for b in self.boundaries_m)

    def _any_truck(self, plan: DeparturePlan) -> tuple[int, int] | None:
        return self._choose(plan, self._free())

    def _choose(self, plan: DeparturePlan, trucks: list[int]) -> tuple[int, int] | None:
        """Return (truck, side) at random among those that can do it; the wanted side if anyone can."""
        sides = (1, -1) if plan.left_first else (-1, 1)
        for side in sides:
            able = [i for i in trucks if self._can(i, plan.lasts_s, plan.crossing_s, side)]
            if able:
                return able[int(uniform(self.seed, "departure.who", plan.number) * len(able))], side
        return None

    def _free(self) -> list[int]:
        """Return the tank trucks in their lane that are doing nothing and have rested."""
        traffic, t_s = self.traffic, self.traffic.t_s
        rows = traffic.active_rows()
        rows = rows[(traffic.fleet.kind[rows] == HAZMAT) & (traffic.state.speed_mps[rows] > 10.0)]
        rows = rows[~traffic.state.silent[rows]]
        return [i for i in rows.tolist() if i not in traffic.manoeuvres and self._rested_s.get(i, 0.0) <= t_s]

    def _can(self, i: int, lasts_s: float, crossing_after_s: float, side: int) -> bool:
        """Say whether a truck has cover for all of it, and room on that side."""
        if not self._covered(i, lasts_s, crossing_after_s):
            return False
        return self._room_left(i) if side > 0 else self._room_right(i, lasts_s)

    def _covered(self, i: int, lasts_s: float, crossing_after_s: float) -> bool:
        state = self.traffic.state
        way = int(state.way[i])
        s, rate = way * float(state.along_m[i]), way * float(state.speed_mps[i])
        held = self.cover.throughout(way, s, s + rate * (lasts_s + 1.0))
        return held and self.cover.sees(way, s + rate * crossing_after_s)

    def _room_right(self, i: int, lasts_s: float) -> bool:
        """Say whether there is plain shoulder all the way."""
        state = self.traffic.state
        way = int(state.way[i])
        s, rate = way * float(state.along_m[i]), way * float(state.speed_mps[i])
        return not self.traffic.road.near_ramp(way, s, s + rate * (lasts_s + 1.0))

    def _room_left(self, i: int) -> bool:
        """Say whether the lane to the left is free beside, behind and ahead, closing speeds considered."""
        state, length_m = self.traffic.state, self.traffic.fleet.length_m
        beside = np.flatnonzero(
            state.active & (state.way == state.way[i]) & (state.lane == state.lane[i] + 1)
        )
        away = state.along_m[beside] - state.along_m[i]
        bumpers = np.abs(away) - (length_m[beside] + length_m[i]) / 2
        closing = np.maximum(
            np.where(away < 0, 1.0, -1.0) * (state.speed_mps[beside] - state.speed_mps[i]), 0.0
        )
        needed = np.where(away < 0, GAP_BEHIND_M, GAP_AHEAD_M) + 1.5 * closing + closing**2 / 2.0
        return bool((bumpers > needed).all())

    def _miss(self, wanted: NearMisses) -> None:
        t_s, k = self.traffic.t_s, self._misses
        if t_s < wanted.first_s + (k - 0.2) * wanted.period_s:
            return
        draw = [uniform(self.seed, "near_miss", k, 0, i) for i in range(5)]
        if t_s < wanted.first_s + (k + 0.4 * draw[0] - 0.2) * wanted.period_s:
            return
        out_s, hold_s = 4.0 + 2.0 * draw[1], _between(wanted.hold_s, draw[2])
        able = [i for i in self._free() if self._covered(i, 2 * out_s + hold_s, out_s)]
        if not able:
            return
        truck = able[int(uniform(self.seed, "near_miss.who", k) * len(able))]
        offset_m = _margin_m(float(self.traffic.fleet.width_m[truck])) - _between(wanted.gap_m, draw[4])
        self._misses += 1
        self._begin(
            Manoeuvre(
                kind="near_miss", vehicle=truck, start_s=t_s, out_s=out_s, hold_s=hold_s, back_s=out_s,
                offset_m=offset_m if draw[3] >= 0.5 else -offset_m,
            )
        )  # fmt: skip

    def _event(self, row: int, event: Scripted) -> None:
        t_s, k = self.traffic.t_s, self._events.get(row, 0)
        if (k > 0 and event.every_s is None) or t_s < event.first_s + k * (event.every_s or 0.0):
            return
        done = self._darken(row, k) if event.kind == "dark_vehicle" else self._disturb(row, k, event)
        self._events[row] = k + done

    def _darken(self, row: int, k: int) -> bool:
        """Silence a truck that has just come: its whole trip goes without a report."""
        traffic = self.traffic
        rows = traffic.active_rows()
        new = rows[(traffic.fleet.kind[rows] == HAZMAT) & (traffic.state.entered_s[rows] == traffic.t_s)]
        new = new[traffic.state.entered_s[new] > 0.0]
        if not len(new):
            return False
        traffic.state.silent[new[int(uniform(self.seed, "dark", row, k) * len(new))]] = True
        return True

    def _disturb(self, row: int, k: int, event: Scripted) -> bool:
        make = _MAKERS[event.kind]
        able = [i for i in self._free() if self._has_cover(i, event) and self._has_gap(i, event)]
        if not able:
            return False
        truck = able[int(uniform(self.seed, "event.who", row, k) * len(able))]
        self._begin(make(truck, self.traffic.t_s, event))
        return True

    def _has_cover(self, i: int, event: Scripted) -> bool:
        state = self.traffic.state
        way, s = int(state.way[i]), float(state.way[i] * state.along_m[i])
        doing = _MAKERS[event.kind](i, 0.0, event)
        reach_m = {"illegal_stop": 150.0, "wrong_way": 150.0}.get(
            event.kind, doing.end_s * max(float(state.speed_mps[i]), doing.speed_mps or 0.0)
        )
        if event.kind == "off_road" and self.traffic.road.near_ramp(way, s, s + way * reach_m):
            return False
        if event.kind in ("illegal_stop", "wrong_way"):  # a truck that stops beneath a pole stays unseen
            stop_m = s + way * (float(state.speed_mps[i]) ** 2 / (2 * BRAKE_MPS2))
            if not all(self.cover.sees(way, stop_m + off_m) for off_m in (-20.0, 0.0, 20.0)):
                return False
        return self.cover.throughout(way, s, s + way * reach_m)

    def _has_gap(self, i: int, event: Scripted) -> bool:
        """Overspeed needs a free road ahead; driving backwards, one behind."""
        state = self.traffic.state
        mine = np.flatnonzero(state.active & (state.way == state.way[i]) & (state.lane == state.lane[i]))
        away = state.along_m[mine] - state.along_m[i]
        ahead, behind = away[away > 0].min(initial=1e6), -away[away < 0].max(initial=-1e6)
        if event.kind == "overspeed":
            return bool(ahead > 50.0 + 1.2 * event.hold_s * (event.speed_mps - state.speed_mps[i]))
        return event.kind != "wrong_way" or bool(behind > 110.0)

    def _begin(self, manoeuvre: Manoeuvre) -> None:
        self.traffic.begin(manoeuvre)
        self._rested_s[manoeuvre.vehicle] = manoeuvre.end_s + REST_S
        self.started.append(manoeuvre)


def _overspeed(i: int, t_s: float, event: Scripted) -> Manoeuvre:
    accelerating_s = 8.0
    return Manoeuvre(
        kind="overspeed", vehicle=i, start_s=t_s, out_s=accelerating_s, hold_s=event.hold_s, back_s=0.0,
        speed_mps=1.15 * event.speed_mps,  # the driver model approaches the wanted speed only slowly
    )  # fmt: skip


def _illegal_stop(i: int, t_s: float, event: Scripted) -> Manoeuvre:
    braking_s = 15.0
    return Manoeuvre(
        kind="illegal_stop",
        vehicle=i,
        start_s=t_s,
        out_s=braking_s,
        hold_s=event.hold_s,
        back_s=0.0,
        speed_mps=0.0,
    )


def _wrong_way(i: int, t_s: float, event: Scripted) -> Manoeuvre:
    turning_s = 13.0  # 10 s to stop, 3 s to accelerate backwards
    return Manoeuvre(
        kind="wrong_way", vehicle=i, start_s=t_s, out_s=turning_s, hold_s=event.hold_s, back_s=0.0,
        speed_mps=-event.speed_mps,
    )  # fmt: skip


def _off_road(i: int, t_s: float, event: Scripted) -> Manoeuvre:
    swing_s = sideways_s(event.offset_m, 4.5)
    return Manoeuvre(
        kind="off_road", vehicle=i, start_s=t_s, out_s=swing_s, hold_s=event.hold_s, back_s=swing_s,
        offset_m=-event.offset_m,
    )  # fmt: skip


_MAKERS = {
    "overspeed": _overspeed,
    "illegal_stop": _illegal_stop,
    "wrong_way": _wrong_way,
    "off_road": _off_road,
}


def _margin_m(width_m: float) -> float:
    return (sec.LANE_M - width_m) / 2


def _between(bounds: tuple[float, float], share: float) -> float:
    return bounds[0] + (bounds[1] - bounds[0]) * share
