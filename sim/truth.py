"""What truly happened: which events meet a rule's grade `warning`, on the simulator's own geometry.

An event begins with the footprint's first crossing of the line (of a dark vehicle: its first metre here) and
ends when nothing is over it any more; shorter pauses than the rules' `clear_s` do not end it.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.classes import HAZMAT
from core.kernel import F64, I64
from geofence.config import Grading, RulesConfig
from sim.road import Poses
from sim.site import section as sec
from sim.traffic import SIM_TICK_NS, Traffic

LIMIT_MPS = 60 / 3.6  # of the hazmat lane
NEAR_M = 0.25  # to a line: corners are looked at; nobody comes nearer by more in a tick
NS = 1_000_000_000


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
    warned: bool = False


@dataclass(slots=True)
class TruthKeeper:
    """Follows every tank truck through the ticks."""

    traffic: Traffic
    rules: RulesConfig
    _open: dict[tuple[str, int], _Episode] = field(default_factory=dict)
    _last: dict[str, F64] = field(default_factory=dict)  # by rule: levels (fleet,) of the last tick

    def step(self, now_ns: int) -> list[TrueViolation]:
        """Look at the tick's state; returns the events that have come to their end."""
        traffic = self.traffic
        rows = traffic.rows()
        rows = rows[traffic.fleet.kind[rows] == HAZMAT]
        for rule, levels in self._levels(rows):
            last = self._last.setdefault(rule, np.full(len(traffic.fleet), np.nan))
            before = last[rows]
            for k in np.flatnonzero((levels > 0.0) | (before > 0.0)).tolist():
                self._follow((rule, int(rows[k])), float(before[k]), float(levels[k]), now_ns)
            last.fill(np.nan)  # who is away now comes on another trip
            last[rows] = levels
        return list(self._ended(now_ns))

    def finish(self, now_ns: int) -> list[TrueViolation]:
        """Return what is still going on at the end of the run."""
        return list(self._ended(now_ns + 1_000 * NS))

    def _levels(self, rows: I64) -> Iterator[tuple[str, F64]]:
        """Yield each rule with how far over its line the trucks are, in the rule's unit, negative inside."""
        traffic = self.traffic
        poses = traffic.poses(rows)
        yield "lane_departure", footprint_beyond_m(traffic, rows, poses)
        yield "overspeed", np.abs(poses.speed_mps) / LIMIT_MPS - 1.0
        yield "wrong_way", -poses.speed_mps
        yield "off_dedicated_road", np.abs(poses.left_m - sec.lane_centre_m(sec.HAZMAT_LANE)) - sec.LANE_M / 2
        scripted = np.array(
            [m is not None and m.kind == "illegal_stop" for m in map(traffic.manoeuvres.get, rows.tolist())],
            dtype=np.bool_,
        )
        # who queues behind it is none; level 0.8 at a standstill
        slow = self.rules.stop_speed_mps - np.abs(poses.speed_mps)
        yield "illegal_stop", np.where(scripted, slow, -1.0)
        yield "dark_vehicle", np.where(traffic.state.silent[rows], 1.0, -1.0)

    def _follow(self, key: tuple[str, int], before: float, level: float, now_ns: int) -> None:
        """Take one truck's level of now and of the tick before (NaN: it was not here)."""
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
        grading: Grading = getattr(self.rules, rule)
        by_duration = rule in ("illegal_stop", "dark_vehicle")  # their `over` counts seconds
        for hold in grading.warning:
            least = 0.0 if by_duration else hold.over
            needed_s = hold.over if by_duration else hold.for_s
            if level <= least:
                episode.over_ns.pop(least, None)
                continue
            since_ns = episode.over_ns.setdefault(least, now_ns)
            episode.warned |= now_ns - since_ns >= needed_s * NS

    def _ended(self, now_ns: int) -> Iterator[TrueViolation]:
        clear_ns = self.rules.clear_s * NS
        for key in [k for k, e in self._open.items() if now_ns - e.last_ns >= clear_ns]:
            episode = self._open.pop(key)
            if episode.warned:
                yield TrueViolation(
                    rule=key[0],
                    vehicle=key[1] + 1,
                    terminal=self.traffic.fleet.terminal[key[1]],
                    start_ns=round(episode.start_ns),
                    end_ns=round(episode.last_ns),
                    detail={"deepest": round(episode.deepest, 4)},
                )


def _crossed(before: float, level: float, now_ns: int) -> float:
    """Return when the level passed zero since the tick before, linearly; now where there was none."""
    if math.isnan(before):
        return now_ns
    return now_ns - SIM_TICK_NS * level / (level - before)


def footprint_beyond_m(traffic: Traffic, rows: I64, poses: Poses) -> F64:
    """Return how far the outermost corner is outside the hazmat lane (with ramps), negative inside, (n,).

    Exact near a line and beyond it; well inside the lane an upper bound is told instead.
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
