"""The simulated world: traffic, script, sensors, network, truth, one step a tick. No I/O, no clock.

The items of a step are due a little later than they were measured; recording and driving differ only in
their use of them.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, pairwise
from typing import Any

import msgspec
import numpy as np
import shapely

from core.arrays import I64
from core.classes import HAZMAT
from core.errors import ConfigError
from core.times import NS
from edge.config import Site
from edge.site_map import features_of
from edge.wire import GnssFix
from geofence.map.reading import Features
from roadside.inputs import RadarPayload
from sim.chance import chosen
from sim.cover import cover_of
from sim.fleet import Fleet, fleet_of
from sim.ghosts import Ghosts, ghost_rows
from sim.road import Poses, Road, road_of
from sim.scenario import Scenario
from sim.script import Script
from sim.sensors.gnss import Receivers, terminal_delay_ns
from sim.sensors.radar import Radars
from sim.site import section as sec
from sim.traffic import LANES, SIM_TICK_NS, Traffic
from sim.truth import TrueViolation, TruthKeeper

TICKS_PER_S = NS // SIM_TICK_NS
TRUTH_EVERY = 2  # ticks: 10 Hz
HAZMAT_SHARE_MAX = 0.75  # of the registered trucks on the road at a time, the rest is on its way back


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a run; equal ones give equal bytes."""

    scenario: Scenario
    seed: int = 0
    noise: float = 1.0
    vehicles: int | None = None  # None: the scenario's own
    esns: tuple[str, ...] = ()  # RSUs with simulated sensors; none: the scenario's own number of them


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthFrame:
    """Where every vehicle is, as the `/truth` payload has it."""

    stamp_ns: int
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FixSent:
    """A terminal's report that reaches the gateway when it is due."""

    vehicle: int
    fix: GnssFix


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanSent:
    """A radar's datagram."""

    radar: int
    payload: RadarPayload


Item = TruthFrame | TrueViolation | FixSent | ScanSent


@dataclass(order=True, slots=True)
class Due:
    """Something that happens at a time; equal times in the order of making."""

    due_ns: int
    number: int
    item: Item = field(compare=False)


class World:
    """Steps everything. `t0_ns` is a whole second: receivers sample on it."""

    def __init__(self, site: Site, setting: Setting, t0_ns: int) -> None:
        self.site, self.setting = site, setting
        self.begin(t0_ns)
        self.esns = driven_esns(site, setting)
        drawn = features_of(site)
        self.road = road_of(site, drawn)
        self.radars = [pose for esn in self.esns for pose in site.radar_poses(esn)]
        self.traffic = _traffic_of(site, setting, self.road, self.esns)
        fleet, seed = self.traffic.fleet, setting.seed
        self._script = Script(
            scenario=setting.scenario,
            traffic=self.traffic,
            cover=cover_of(self.road, self.radars),
            boundaries_m=boundaries_m(site, self.esns),
            seed=seed,
        )
        self._truth = TruthKeeper(self.traffic, site.config.rules, drawn.zones)
        self._receivers = Receivers(
            fleet, self.road, seed, setting.noise, weak_areas(drawn), setting.scenario.terminals
        )
        traffic = self.traffic
        self._ghosts = Ghosts(
            self.road,
            fleet,
            seed,
            traffic.from_m,
            traffic.to_m,
            np.array(sorted(traffic.absent), dtype=np.int64),
        )
        self._clock_ns = clocks_of(setting, len(fleet))
        self._radars = Radars(self.radars, fleet, seed, setting.noise, setting.scenario.radar)
        self._pending: list[Due] = []
        self._number = count()
        self.n_violations = 0  # true ones that have ended

    def begin(self, t0_ns: int) -> None:
        """Set the time of the first tick; before any `step`."""
        assert t0_ns % NS == 0, "the first simulated moment is a whole second"
        self.now_ns = t0_ns

    def reporting(self) -> list[int]:
        """Return the vehicles whose terminals report now."""
        state = self.traffic.state
        real = np.flatnonzero(state.active & self.traffic.fleet.reports & ~state.silent)
        return [int(i) for i in (*real, *self._ghosts.present(self.traffic.t_s))]

    def step(self) -> None:
        """Observe the tick that begins at `now_ns`, then move on by one tick."""
        tick = self.traffic.tick
        for ended in self._truth.follow(self.now_ns):
            self.n_violations += 1
            self._push(self.now_ns, ended)
        if tick % TRUTH_EVERY == 0:
            self._push(self.now_ns, self._frame())
        every = TICKS_PER_S // self.setting.scenario.terminals.rate_hz
        if tick % every == 0:
            self._report(tick // every)
        for scan in self._radars.observe(self.traffic, self.now_ns):
            self._push(scan.due_ns, ScanSent(radar=scan.radar, payload=scan.payload))
        self.traffic.step()
        self._script.begin_due()
        self.now_ns += SIM_TICK_NS

    def finish(self) -> None:
        """End the run at `now_ns`: open events end here; messages under way still arrive."""
        for ended in self._truth.finish(self.now_ns):
            self.n_violations += 1
            self._push(self.now_ns, ended)

    def next_due_ns(self) -> int | None:
        """Return when the next thing happens, None while nothing is pending."""
        return self._pending[0].due_ns if self._pending else None

    def pop_due(self, until_ns: int) -> Iterator[Due]:
        """Yield and remove the items due before until_ns, in order; complete once `now_ns` >= until_ns."""
        while self._pending and self._pending[0].due_ns < until_ns:
            yield heapq.heappop(self._pending)

    def _push(self, due_ns: int, item: Item) -> None:
        heapq.heappush(self._pending, Due(due_ns, next(self._number), item))

    def _report(self, number: int) -> None:
        rows = np.array(self.reporting(), dtype=np.int64)
        delay_ns = terminal_delay_ns(self.setting.seed, rows, number, self.setting.scenario.terminals)
        of_terminal = {self.traffic.fleet.terminal[i]: k for k, i in enumerate(rows.tolist())}
        for fix in self._receivers.observe(self.now_ns, number, rows, self._poses(rows)):
            k = of_terminal[fix.terminal]
            ahead_ns = int(self._clock_ns[rows[k]])
            sent = msgspec.structs.replace(fix, stamp_ns=fix.stamp_ns + ahead_ns) if ahead_ns else fix
            self._push(fix.stamp_ns + int(delay_ns[k]), FixSent(vehicle=int(rows[k]), fix=sent))

    def _poses(self, rows: I64) -> Poses:
        """Return where the terminals of these rows are, or say so; ghosts come last."""
        n = int(self.traffic.state.active[rows].sum())
        real = self.traffic.poses(rows[:n])
        if n == len(rows):
            return real
        ghosts = self._ghosts.poses(rows[n:], self.traffic.t_s)
        return Poses(**{
            name: np.concatenate([getattr(real, name), getattr(ghosts, name)])
            for name in Poses.__slots__
        })  # fmt: skip

    def _frame(self) -> TruthFrame:
        traffic, fleet = self.traffic, self.traffic.fleet
        rows = traffic.active_rows()
        pose = traffic.poses(rows)
        lon, lat = self.road.frame.lonlat_from_site(pose.east_m, pose.north_m)
        moving = np.where(pose.speed_mps < 0.0, pose.heading_rad + np.pi, pose.heading_rad)
        course = self.road.frame.course_from_heading(moving, pose.east_m, pose.north_m)
        places = zip(traffic.state.way[rows].tolist(), pose.s_m.tolist(), pose.left_m.tolist(), strict=True)
        payload = {
            "stamp_ns": self.now_ns,
            "id": (rows + 1).tolist(),
            "terminal": [fleet.terminal[i] for i in rows.tolist()],
            "lon_deg": np.round(lon, 9).tolist(),
            "lat_deg": np.round(lat, 9).tolist(),
            "speed_mps": np.round(np.abs(pose.speed_mps), 4).tolist(),
            "course_deg": np.round(course, 4).tolist(),
            "length_m": fleet.length_m[rows].tolist(),
            "width_m": fleet.width_m[rows].tolist(),
            "lane": [self.road.lane_of(way, s, left) for way, s, left in places],
            "hazmat": (fleet.kind[rows] == HAZMAT).tolist(),
        }
        if self.setting.scenario.terminals.dragged_share:
            number = traffic.tick * self.setting.scenario.terminals.rate_hz // TICKS_PER_S
            payload["dragged_m"] = np.round(self._receivers.drag_m(number, rows), 3).tolist()
        if self._clock_ns.any():
            payload["clock_offset_s"] = (self._clock_ns[rows] / NS).tolist()
        return TruthFrame(stamp_ns=self.now_ns, payload=payload)


def clocks_of(setting: Setting, n_vehicles: int) -> I64:
    """Return how far ahead each vehicle's terminal clock is [ns], (n,)."""
    rows = np.arange(n_vehicles)
    offset_ns = np.zeros(n_vehicles, dtype=np.int64)
    left = np.ones(n_vehicles, dtype=np.bool_)
    for i, wrong in enumerate(setting.scenario.clock):
        drawn = left & chosen(setting.seed, f"clock.{i}", rows, 0, wrong.share)
        offset_ns[drawn] = round(wrong.offset_s * NS)
        left &= ~drawn
    return offset_ns


def driven_esns(site: Site, setting: Setting) -> tuple[str, ...]:
    """Return the RSUs with simulated sensors, along the road; raises ConfigError for an unknown one."""
    if setting.esns:
        return tuple(sorted(setting.esns, key=lambda esn: site.rsu(esn).stretch_m))
    along = sorted(site.config.rsu, key=lambda rsu: (rsu.stretch_m, rsu.esn))
    traffic = setting.scenario.traffic
    n = min(traffic.rsus, len(along))
    middles = [sum(rsu.stretch_m) / 2 for rsu in along]

    def off_middle(first: int) -> float:
        return abs(sum(middles[first : first + n]) / n - traffic.middle_m)

    first = min(range(len(along) - n + 1), key=off_middle)
    return tuple(rsu.esn for rsu in along[first : first + n])


def boundaries_m(site: Site, esns: Sequence[str]) -> list[float]:
    """Return the stations where one driven RSU's stretch meets the next one's."""
    stretches = sorted(site.rsu(esn).stretch_m for esn in esns)
    return [a[1] for a, b in pairwise(stretches) if abs(a[1] - b[0]) < 1.0]


def weak_areas(drawn: Features) -> tuple[shapely.Geometry, ...]:
    """Return the map's areas of weak satellite reception as shapes in site metres."""
    return tuple(zone.polygon for zone in drawn.zones if zone.role == "weak_gnss")


def _traffic_of(site: Site, setting: Setting, road: Road, esns: Sequence[str]) -> Traffic:
    asked = setting.scenario.traffic
    n = asked.vehicles if setting.vehicles is None else setting.vehicles
    n_registered = sum(v.kind == HAZMAT for v in site.vehicles)
    if n_registered == 0:
        raise ConfigError(site.where, "vehicle", "the registry has no vehicle of class hazmat to drive")
    n_driving = n_registered - setting.scenario.terminals.ghosts
    if n_driving < 1:
        raise ConfigError(site.where, "vehicle", "no more registered vehicles than the scenario's ghosts")
    n_hazmat = min(round(n * asked.hazmat_share), int(n_driving * HAZMAT_SHARE_MAX))
    per_lane = {
        sec.HAZMAT_LANE: n_hazmat / 2,
        sec.MIXED_LANE: (n - n_hazmat) / 4,
        sec.CARS_LANE: (n - n_hazmat) / 4,
    }
    wanted = {(way, lane): round(per_lane[lane] + (0.25 if way > 0 else -0.25)) for way, lane in LANES}
    stretches = [site.rsu(esn).stretch_m for esn in esns]
    fleet = fleet_of(site.vehicles, n_trucks=n, n_cars=2 * n, seed=setting.seed)
    terminals = setting.scenario.terminals
    return Traffic(
        road=road,
        fleet=fleet,
        seed=setting.seed,
        asked=asked,
        mute=_mute(fleet, setting),
        absent=frozenset(ghost_rows(fleet, terminals.ghosts).tolist()),
        from_m=max(min(a for a, _ in stretches) - asked.margin_m, 0.0),
        to_m=min(max(b for _, b in stretches) + asked.margin_m, road.axis.length_m),
        wanted=wanted,
    )


def _mute(fleet: Fleet, setting: Setting) -> frozenset[int]:
    """Return the registered vehicles whose terminals never report."""
    rows = np.flatnonzero(fleet.reports)
    share = setting.scenario.terminals.silent_share
    return frozenset(rows[chosen(setting.seed, "silent", rows, 0, share)].tolist())
