"""The true events: those that meet a rule's grade `warning` on the simulator's own geometry.

An event begins with the footprint's first crossing of the line (of a dark vehicle: its first metre here) and
ends when no part is over it any more; shorter pauses than the rules' `clear_s` do not end it.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely

from core.arrays import F64, I64
from core.classes import HAZMAT
from core.times import NS
from geofence.config import RulesConfig, section_of
from geofence.map.reading import Zone
from geofence.rules import BY_NAME
from sim.road import Poses
from sim.site import section as sec
from sim.traffic import SIM_TICK_NS, Traffic

LIMIT_MPS = 60 / 3.6  # of the hazmat lane
NEAR_M = 0.25  # to a line: corners are looked at; nobody comes nearer by more in a tick


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueViolation:
    """One `/truth/violation`."""

    rule: str
    vehicle: int  # the truth's id
    terminal: str | None
    start_ns: int
    end_ns: int
    detail: Mapping[str, Any]

    def payload(self) -> dict[str, Any]:
        """Return the map that is recorded."""
        return {
            "id": f"{self.rule}-{self.vehicle}-{self.start_ns}",
            "rule": self.rule,
            "vehicle": self.vehicle,
            "terminal": self.terminal,
            "start_ns": self.start_ns,
            "end_ns": self.end_ns,
            "detail": dict(self.detail),
        }


@dataclass(slots=True)
class _Episode:
    start_ns: float
    last_ns: float  # when it was over the line last
    deepest: float
    over_ns: dict[float, float]  # by the warning's threshold: since when it has been exceeded
    due_ns: int | None = None  # when it met the grade `warning`


@dataclass(slots=True)
class TruthKeeper:
    """Follows every tank truck through the ticks."""

    traffic: Traffic
    rules: RulesConfig
    zones: Sequence[Zone] = ()  # of the map
    _open: dict[tuple[str, int], _Episode] = field(default_factory=dict)
    _last: dict[str, F64] = field(default_factory=dict)  # by rule: levels (fleet,) of the last tick
    _been_in: set[tuple[str, int]] = field(default_factory=set)  # zones in which a vehicle was on this trip

    def follow(self, now_ns: int) -> list[TrueViolation]:
        """Follow the state of this tick; return the events that have ended."""
        traffic = self.traffic
        rows = traffic.active_rows()
        rows = rows[traffic.fleet.kind[rows] == HAZMAT]
        poses = traffic.poses(rows)
        for rule, level_of in LEVELS.items():
            levels = level_of(self, rows, poses)
            last = self._last.setdefault(rule, np.full(len(traffic.fleet), np.nan))
            before = last[rows]
            for k in np.flatnonzero((levels > 0.0) | (before > 0.0)).tolist():
                self._follow((rule, int(rows[k])), float(before[k]), float(levels[k]), now_ns)
            last.fill(np.nan)  # a vehicle that is away now returns on another trip
            last[rows] = levels
        return list(self._ended(now_ns))

    def finish(self, now_ns: int) -> list[TrueViolation]:
        """Return the events that have not ended by the end of the run."""
        return list(self._ended(now_ns + 1_000 * NS))

    def in_zones_m(self, rows: I64, poses: Poses) -> F64:
        """Return how deep the trucks' centres are in the deepest zone that they must not enter, (n,)."""
        depth = np.full(len(rows), -np.inf)
        for zone in self._zones_of("zone_entry"):
            depth = np.maximum(depth, _depth_m(zone, poses))
        return depth

    def left_zones_m(self, rows: I64, poses: Poses) -> F64:
        """Return how far the trucks' centres are from the farthest zone that they left on this trip, (n,)."""
        away = np.full(len(rows), -np.inf)
        for zone in self._zones_of("zone_exit"):
            depth = _depth_m(zone, poses)
            self._been_in |= {(zone.zone, row) for row in rows[depth > 0.0].tolist()}
            been = np.array([(zone.zone, row) in self._been_in for row in rows.tolist()], dtype=np.bool_)
            away = np.where(been, np.maximum(away, -depth), away)
        self._been_in = {(name, row) for name, row in self._been_in if self.traffic.state.active[row]}
        return away

    def _zones_of(self, rule: str) -> list[Zone]:
        return [zone for zone in self.zones if zone.role in section_of(self.rules, rule).roles]

    def _follow(self, key: tuple[str, int], before: float, level: float, now_ns: int) -> None:
        """Follow one truck by its level now and at the tick before (NaN: it was not here)."""
        episode = self._open.get(key)
        if level > 0.0:
            if episode is None:
                episode = self._open[key] = _Episode(_crossed(before, level, now_ns), now_ns, level, {})
            episode.last_ns, episode.deepest = now_ns, max(episode.deepest, level)
            self._grade(key[0], episode, level, now_ns)
        elif episode is not None:
            episode.last_ns = _crossed(before, level, now_ns)
            episode.over_ns.clear()

    def _grade(self, rule: str, episode: _Episode, level: float, now_ns: int) -> None:
        grading, kind = section_of(self.rules, rule), BY_NAME[rule].kind
        if kind == "event":
            if grading.grade != "notice" and episode.due_ns is None:
                episode.due_ns = now_ns
            return
        by_duration = kind == "timed"  # its `over` counts seconds
        for hold in grading.warning:
            least = 0.0 if by_duration else hold.over
            needed_s = hold.over if by_duration else hold.for_s
            if level <= least:
                episode.over_ns.pop(least, None)
                continue
            since_ns = episode.over_ns.setdefault(least, now_ns)
            if now_ns - since_ns >= needed_s * NS and episode.due_ns is None:
                episode.due_ns = now_ns

    def _ended(self, now_ns: int) -> Iterator[TrueViolation]:
        clear_ns = self.rules.clear_s * NS
        for key in [k for k, e in self._open.items() if now_ns - e.last_ns >= clear_ns]:
            episode = self._open.pop(key)
            if episode.due_ns is not None:
                yield TrueViolation(
                    rule=key[0],
                    vehicle=key[1] + 1,
                    terminal=self.traffic.fleet.terminal[key[1]],
                    start_ns=round(episode.start_ns),
                    end_ns=round(episode.last_ns),
                    detail={"deepest": round(episode.deepest, 4), "due_ns": episode.due_ns},
                )


def _off_road_m(truth: TruthKeeper, rows: I64, poses: Poses) -> F64:
    return np.abs(poses.left_m - sec.lane_centre_m(sec.HAZMAT_LANE)) - sec.LANE_M / 2


def _standing_mps(truth: TruthKeeper, rows: I64, poses: Poses) -> F64:
    """How far below the speed of a stop, for scripted stops alone: a queue behind one is no violation."""
    doing = map(truth.traffic.manoeuvres.get, rows.tolist())
    scripted = np.array([m is not None and m.kind == "illegal_stop" for m in doing], dtype=np.bool_)
    return np.where(scripted, truth.rules.stop_speed_mps - np.abs(poses.speed_mps), -1.0)


def _depth_m(zone: Zone, poses: Poses) -> F64:
    """Return how deep places are in a zone (n,), negative outside."""
    points = shapely.points(poses.east_m, poses.north_m)
    away: F64 = np.asarray(shapely.distance(shapely.boundary(zone.polygon), points))
    return np.where(shapely.covers(zone.polygon, points), away, -away)


# by rule: how far over its line the trucks are (n,), in the rule's unit, negative inside
LEVELS: dict[str, Callable[[TruthKeeper, I64, Poses], F64]] = {
    "lane_departure": lambda truth, rows, poses: footprint_beyond_m(truth.traffic, rows, poses),
    "overspeed": lambda truth, rows, poses: np.abs(poses.speed_mps) / LIMIT_MPS - 1.0,
    "wrong_way": lambda truth, rows, poses: -poses.speed_mps,
    "off_dedicated_road": _off_road_m,
    "illegal_stop": _standing_mps,
    "dark_vehicle": lambda truth, rows, poses: np.where(truth.traffic.state.silent[rows], 1.0, -1.0),
    "zone_entry": TruthKeeper.in_zones_m,
    "zone_exit": TruthKeeper.left_zones_m,
}
NONE = {
    "time_window": "no zone of the simulator's site has times",
    "unauthorised_vehicle": "ordinary vehicles of the simulator keep to their lanes, and none is registered",
    "undecidable": "a record of what an RSU could not judge, of nothing that a vehicle did",
    "ghost_report": "a ghost is nowhere in the truth's traffic; the simulator states it with its terminal",
    "too_slow": "no lane of the simulator's site has a lowest speed",
    "following_distance": "no road of the simulator's site is an expressway",
    "closed_road": "nothing of the simulator's site is closed",
    "parking_timeout": "no zone of the simulator's site has a longest stay",
    "convoy": "the simulator's rules state no number of vehicles",
    "gnss_integrity": "a fault of a terminal, not of what its vehicle did; stated with the terminal",
    "permit": "the simulator's site has no permits",
    "route_deviation": "the simulator's site has no permits",
    "missed_exit": "the simulator's site has no permits",
    "driving_time": "no scenario lasts for hours",
}


def _crossed(before: float, level: float, now_ns: int) -> float:
    """Return when the level passed zero since the tick before, linearly; now where there was none."""
    if math.isnan(before):
        return now_ns
    return now_ns - SIM_TICK_NS * level / (level - before)


def footprint_beyond_m(traffic: Traffic, rows: I64, poses: Poses) -> F64:
    """Return how far the outermost corner is outside the hazmat lane (with ramps), negative inside, (n,).

    Exact near a line and beyond it; well inside the lane the answer is an upper bound.
    """
    state, fleet = traffic.state, traffic.fleet
    half_m, slip = fleet.length_m[rows] / 2, np.abs(state.side_mps[rows])
    slip = slip / np.maximum(np.abs(poses.speed_mps), 1.0)
    beyond = np.abs(state.side_m[rows]) + fleet.width_m[rows] / 2 + half_m * slip - sec.LANE_M / 2
    beyond += half_m**2 * np.abs(traffic.road.axis.curvature_at(poses.s_m))  # twice the bulge in a bend
    near = np.flatnonzero(beyond > -NEAR_M)
    beyond[near] = _corners_beyond_m(traffic, rows[near], poses, near)
    return beyond


def _corners_beyond_m(traffic: Traffic, rows: I64, poses: Poses, at: I64) -> F64:
    """Return the exact distances of the vehicles `rows`, which are the entries `at` of the poses."""
    road, fleet = traffic.road, traffic.fleet
    way, s_m = traffic.state.way[rows], poses.s_m[at]
    cos, sin = np.cos(poses.heading_rad[at]), np.sin(poses.heading_rad[at])
    edge = np.array([road.right_edge_m(int(w), float(s)) for w, s in zip(way, s_m, strict=True)])
    corners = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]]) / 2  # forward, left
    a, b = corners[:, :1] * fleet.length_m[rows], corners[:, 1:] * fleet.width_m[rows]  # (4, n)
    east, north = poses.east_m[at] + a * cos - b * sin, poses.north_m[at] + a * sin + b * cos
    _, d = road.axis.of(east, north, s_m)
    corner_m = way * d  # left of travel from the axis
    outside = np.maximum(corner_m - (-sec.EDGE_M + sec.LANE_M), edge - corner_m)
    return np.asarray(outside.max(axis=0, initial=-np.inf))
