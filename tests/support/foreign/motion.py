"""Where vehicles are at any instant: places, velocities over ground, headings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.support.foreign.departures import Departure, departures_of
from tests.support.foreign.fleet import I64, Flags, Fleet, fleet_of
from tests.support.foreign.geometry import F64, ground_speed
from tests.support.foreign.road import HAZMAT, RAMP, Road
from tests.support.foreign.traffic import TICK_S, Runs, drive

WANDER_M = (0.10, 0.06)  # amplitudes of the two waves of a vehicle in its lane
WANDER_RAD_PER_S = (0.45, 0.93)
STEP_S = 0.01  # of the differences that give lateral rates


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """k vehicles, each at its own instant; centres, site metres."""

    row: I64
    lane: I64
    s_m: F64  # station along the lane's path
    left_m: F64  # offset from the path
    east_m: F64
    north_m: F64
    v_east_mps: F64
    v_north_mps: F64
    heading_rad: F64  # of the body and of travel
    yaw_rate: F64  # [rad/s]


@dataclass(frozen=True, slots=True)
class Motion:
    """All that drives in one run."""

    road: Road
    fleet: Fleet
    runs: Runs
    departures: Sequence[Departure]
    from_s: F64  # (n,) when each is on the road
    until_s: F64

    def active(self, t_s: float) -> I64:
        return np.flatnonzero((self.from_s <= t_s) & (t_s < self.until_s))

    def at(self, rows: Any, t_s: Any) -> Moment:
        """Return the moment of vehicles `rows` at instants `t_s` (both (k,), or one instant)."""
        rows = np.asarray(rows, dtype=np.int64)
        t = np.broadcast_to(np.asarray(t_s, dtype=np.float64), rows.shape)
        u, rate = self._along(rows, t)
        lane = self._lane(rows, u)
        s, s_rate = u.copy(), rate.copy()
        before, now, after = (self._wander(rows, t + dt) for dt in (-STEP_S, 0.0, STEP_S))
        left_rate, left_rate2 = (after - before) / (2 * STEP_S), (after - 2 * now + before) / STEP_S**2
        left = now.copy()
        out: dict[str, F64] = {name: np.zeros(len(rows)) for name in ("e", "n", "ve", "vn", "h", "yaw")}
        for i in np.unique(lane).tolist():
            line, k = self.road.lanes[i], np.flatnonzero(lane == i)
            if line.name == RAMP:
                s[k] -= self.road.ramp_from_m
            if line.forward < 0:
                s[k], s_rate[k] = line.path.length_m - s[k], -s_rate[k]
            left[k] += line.left_m
            out["e"][k], out["n"][k] = line.path.place(s[k], left[k])
            ve, vn = ground_speed(line.path, s[k], left[k], s_rate[k], left_rate[k])
            out["ve"][k], out["vn"][k] = ve, vn
            tangent = line.path.heading_at(s[k]) + (0.0 if line.forward > 0 else np.pi)
            along = np.maximum(np.hypot(ve, vn), 1.0)
            out["h"][k] = tangent + line.forward * np.arcsin(np.clip(left_rate[k] / along, -0.5, 0.5))
            out["yaw"][k] = line.path.curvature_at(s[k]) * s_rate[k] + line.forward * left_rate2[k] / along
        return Moment(
            row=rows, lane=lane, s_m=s, left_m=left, east_m=out["e"], north_m=out["n"], v_east_mps=out["ve"],
            v_north_mps=out["vn"], heading_rad=out["h"], yaw_rate=out["yaw"],
        )  # fmt: skip

    def _along(self, rows: I64, t: F64) -> tuple[F64, F64]:
        tick = np.clip(np.floor(t / TICK_S + 1e-9).astype(np.int64), 0, len(self.runs.u_m) - 2)
        u, rate, then = (
            self.runs.u_m[tick, rows],
            self.runs.rate_mps[tick, rows],
            self.runs.rate_mps[tick + 1, rows],
        )
        passed = t - tick * TICK_S
        gain = (then - rate) / TICK_S
        return u + rate * passed + gain * passed**2 / 2.0, rate + gain * passed

    def _lane(self, rows: I64, u: F64) -> I64:
        lane = self.fleet.lane[rows].copy()
        if self.road.plan.ramp:
            ramp = next(i for i, line in enumerate(self.road.lanes) if line.name == RAMP)
            lane[self.fleet.exits[rows] & (u >= self.road.ramp_from_m)] = ramp
        return lane

    def _wander(self, rows: I64, t: F64) -> F64:
        """Return offsets from the middle of the lane [m], left of the path positive; smooth in time."""
        phases = self.fleet.phases[rows]
        offset = sum(
            amplitude * np.sin(rate * t + phases[:, i])
            for i, (amplitude, rate) in enumerate(zip(WANDER_M, WANDER_RAD_PER_S, strict=True))
        )
        offset = np.asarray(offset, dtype=np.float64)
        for one in self.departures:
            k = np.flatnonzero((rows == one.row) & (t > one.start_s - 1.0) & (t < one.end_s + 1.0))
            if len(k):
                share = one.share(t[k])
                offset[k] = (1.0 - share) * offset[k] + share * one.to_m
        return offset


def motion_of(road: Road, seed: int) -> Motion:
    """Draw the vehicles and drive them."""
    fleet = fleet_of(road, seed)
    runs = drive(road, fleet)
    ends = np.array([road.lanes[i].path.length_m for i in fleet.lane.tolist()])
    if road.plan.ramp:
        ends[fleet.exits] = road.ramp_from_m + road.ramp.length_m
    from_s, until_s = _first_over(runs, np.zeros(len(fleet))), _first_over(runs, ends)
    departures = departures_of(road, fleet, runs, seed)
    return Motion(road, fleet, runs, departures, from_s, np.minimum(until_s, fleet.vanish_s))


def _first_over(runs: Runs, u_m: F64) -> F64:
    """Return when each vehicle is first at or beyond u_m, to the tick; inf: not in this run."""
    over = runs.u_m >= u_m
    return np.where(over.any(axis=0), over.argmax(axis=0) * TICK_S, np.inf)


def over_line_m(motion: Motion, moment: Moment) -> F64:
    """Return how far the outermost point of the outline is outside the hazmat lane, negative inside, (k,).

    A point ahead of the centre by a on the tangent lies k a^2 / 2 to the right of the curve, where the
    curve bends left by curvature k (exact to 1 mm for a radius above 200 m).
    """
    fleet, axis = motion.fleet, motion.road.lane(HAZMAT).path
    half, width = fleet.length_m[moment.row] / 2.0, fleet.width_m[moment.row] / 2.0
    slip = moment.heading_rad - axis.heading_at(moment.s_m)
    turn = axis.curvature_at(moment.s_m)
    outmost = np.full(len(moment.row), -np.inf)
    for ahead in (half, 0.0 * half, -half):  # in a bend the middle of a side may be outmost
        for left in (width, -width):
            forward = ahead * np.cos(slip) - left * np.sin(slip)
            across = moment.left_m + ahead * np.sin(slip) + left * np.cos(slip)
            across = across - turn * forward**2 / 2.0
            outmost = np.maximum(outmost, np.abs(across) - 3.75 / 2.0)
    return outmost


def on_road(motion: Motion, moment: Moment) -> Flags:
    """Return which are on the hazmat lane's path, so that `over_line_m` holds."""
    names = [line.name for line in motion.road.lanes]
    return np.asarray(moment.lane == names.index(HAZMAT))
