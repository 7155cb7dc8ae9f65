"""The road of a scenario: lanes along paths, and where its radars stand."""

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tests.support.foreign.geometry import Path, path_of
from tests.support.foreign.scenario import RoadPlan, Scenario

LANE_M = 3.75
BACK_M = 3 * LANE_M + 4.0  # from the axis to the centre of the first lane back; a median lies between
RAMP_FROM_M = 900.0
RAMP_LENGTH_M = 420.0
RAMP_FREE_M = 60.0  # along the ramp, until it is clear of the road
OVERPASS_LENGTH_M = 600.0
HAZMAT, RAMP = "L0", "R0"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLine:
    """A lane: a strip about `left_m` of a path; `forward` -1: it is driven against the stations."""

    name: str
    path: Path
    left_m: float
    forward: int
    road: str
    index: int  # 0 = rightmost
    level: int
    allowed: tuple[str, ...]
    limit_mps: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pole:
    """One radar's place as the site states it."""

    sensor: str
    rsu: int
    east_m: float
    north_m: float
    boresight_rad: float  # counter-clockwise from east


@dataclass(frozen=True)
class Road:
    """Everything that stays."""

    scenario: Scenario

    @property
    def plan(self) -> RoadPlan:
        return self.scenario.road

    @cached_property
    def axis(self) -> Path:
        """The centre of lane 0 at offset 0; stations from 0."""
        length, turn = self.plan.length_m, 1.0 / self.plan.bend_radius_m
        bends = [
            (0.25 * length, 0.25 * length + 340.0, turn, 70.0),
            (0.7 * length, 0.7 * length + 280.0, -turn / 1.6, 60.0),
        ]
        return path_of((-0.3 * length, -400.0, 0.35), length, bends)

    @cached_property
    def ramp(self) -> Path:
        """From the hazmat lane to the right."""
        s = RAMP_FROM_M * min(1.0, self.plan.length_m / 1600.0)
        east, north = self.axis.place(s, 0.0)
        start = (float(east), float(north), float(self.axis.heading_at(s)))
        return path_of(start, RAMP_LENGTH_M, [(0.0, 200.0, -1 / 150.0, 30.0)])

    @property
    def ramp_from_m(self) -> float:
        return RAMP_FROM_M * min(1.0, self.plan.length_m / 1600.0)

    @cached_property
    def overpass(self) -> Path:
        """Crosses the road in the middle, 70 degrees to the left of it."""
        s = 0.55 * self.plan.length_m
        east, north = self.axis.place(s, 4.0)
        heading = float(self.axis.heading_at(s)) + np.radians(70.0)
        half = OVERPASS_LENGTH_M / 2.0
        start = (float(east) - half * np.cos(heading), float(north) - half * np.sin(heading), float(heading))
        return path_of(start, OVERPASS_LENGTH_M, [])

    @cached_property
    def lanes(self) -> tuple[LaneLine, ...]:
        every, cars = ("car", "bus", "truck", "emergency"), ("car", "bus", "truck", "emergency")
        rows = [
            ("L0", self.axis, 0.0, 1, "main", 0, 0, ("hazmat", "emergency"), 16.7),
            ("L1", self.axis, LANE_M, 1, "main", 1, 0, every, 25.0),
            ("L2", self.axis, 2 * LANE_M, 1, "main", 2, 0, cars, 27.8),
            ("B1", self.axis, BACK_M, -1, "back", 1, 0, cars, 27.8),
            ("B0", self.axis, BACK_M + LANE_M, -1, "back", 0, 0, every, 25.0),
        ]
        if self.plan.ramp:
            rows.append(("R0", self.ramp, 0.0, 1, "ramp", 0, 0, ("hazmat", "car", "truck"), 16.7))
        if self.plan.overpass:
            rows.append(("X0", self.overpass, 0.0, 1, "over", 0, 1, (*every, "hazmat"), 16.7))
            rows.append(("X1", self.overpass, LANE_M, -1, "over_back", 0, 1, (*every, "hazmat"), 16.7))
        names = ("name", "path", "left_m", "forward", "road", "index", "level", "allowed", "limit_mps")
        return tuple(LaneLine(**dict(zip(names, row, strict=True))) for row in rows)  # type: ignore[arg-type]

    def lane(self, name: str) -> LaneLine:
        return next(lane for lane in self.lanes if lane.name == name)

    @cached_property
    def stretches_m(self) -> list[tuple[float, float]]:
        """Each RSU's stations; of the same number of poles each where borders lie between poles."""
        ends = np.linspace(0.0, self.plan.length_m, self.plan.n_rsus + 1)
        if self.plan.borders_between_poles:
            at = self.pole_stations_m
            for i in range(1, self.plan.n_rsus):
                first = round(i * len(at) / self.plan.n_rsus)
                ends[i] = (at[first - 1] + at[first]) / 2.0
        return list(itertools.pairwise(ends.tolist()))

    @cached_property
    def pole_stations_m(self) -> list[float]:
        """Where the poles stand: evenly, those nearest to the ends of the blind stretch at these."""
        n = max(1, self.plan.n_rsus, round(self.plan.length_m / self.scenario.radar.pole_m))
        stations = [(k + 0.5) * self.plan.length_m / n for k in range(n)]
        for end in self.plan.blind_m or ():
            stations[min(range(n), key=lambda k: abs(stations[k] - end))] = end
        return stations

    @cached_property
    def poles(self) -> list[Pole]:
        """Two radars at each pole, 8 m right of the hazmat lane, a little towards the road.

        No radar of a pole looks into the blind stretch.
        """
        poles: list[Pole] = []
        radar, blind = self.scenario.radar, self.plan.blind_m
        for k, s in enumerate(self.pole_stations_m):
            for way in (1, -1):
                seen = sorted((s, s + way * radar.range_m))
                if blind is not None and seen[0] < blind[1] and seen[1] > blind[0]:
                    continue
                east, north = self.axis.place(s, -8.0)
                inwards = np.radians(12.0) * way
                heading = float(self.axis.heading_at(s)) + (0.0 if way > 0 else np.pi) + inwards
                rsu = next(i for i, (a, b) in enumerate(self.stretches_m) if a <= s < b)
                name = f"F{k}{'D' if way > 0 else 'U'}"
                poles.append(
                    Pole(
                        sensor=name, rsu=rsu, east_m=float(east), north_m=float(north), boresight_rad=heading
                    )
                )
        return poles
