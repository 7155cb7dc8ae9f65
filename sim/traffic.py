"""Traffic on both carriageways: car following, lane wander, coming and going at the region's ends.

Own small engine: the intelligent driver model (Treiber 2000) on sorted columns; lateral motion is lane wander
plus what a manoeuvre adds. Counter-based chance only, so equal seeds give equal bytes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from core.arrays import F64, I64, Bools
from core.classes import BUS, CAR, HAZMAT, TRUCK
from sim.chance import normals, uniform, uniforms
from sim.fleet import Fleet
from sim.manoeuvre import Manoeuvre
from sim.road import Poses, Road
from sim.settings import TRAFFIC, TrafficConfig
from sim.site import section as sec

DT_S = 0.05
SIM_TICK_NS = 50_000_000
AWAY_S = 45.0  # before a vehicle that left may return: its trips must not look like one
WANDER_M, WANDER_TAU_S, WANDER_SMOOTH_S = 0.2, 4.0, 0.6
WANDER_FULL_MPS = 5.0  # below, a wheel steers less far to the side
WANDER_MAX_M = 0.45  # a 2.5 m truck in 3.75 m has 0.625 m each side
ACCEL_MPS2, BRAKE_MPS2, BRAKE_MAX_MPS2 = 0.9, 1.6, 6.0
HEADWAY_S, STANDSTILL_M = 1.3, 3.0
ROOM_M = 25.0  # behind the last one, bumper to bumper, before the next comes
FOLLOWERS_WISH = 1.3  # a platoon's follower wants to be so much faster, as long as it is close
CLOSE_M = 40.0
PLATOON_MPS = 15.4  # of tank trucks
REVERSE_ROOM_M = 60.0  # followers keep off one that may come backwards
LANES = tuple((way, index) for way in (1, -1) for index in range(sec.N_LANES))


@dataclass(slots=True)
class TrafficState:
    """Columns over the fleet, changed in place; meaningless where not active."""

    active: Bools
    way: I64  # +1 along the axis
    lane: I64  # home lane's index
    along_m: F64  # way * station: grows in travel
    speed_mps: F64
    side_m: F64  # left of the home lane's centre
    side_mps: F64
    raw_wander: F64  # before smoothing
    wander_m: F64
    silent: Bools  # this trip without reports
    entered_s: F64
    free_s: F64  # when it may come again
    follows: Bools  # in a platoon, not its first
    ends_m: F64  # along_m where this trip ends, infinite where it does not


@dataclass(slots=True)
class Traffic:
    """The vehicles within [from_m, to_m]."""

    road: Road
    fleet: Fleet
    seed: int
    from_m: float
    to_m: float
    wanted: dict[tuple[int, int], int]  # by (way, lane)
    asked: TrafficConfig = TRAFFIC
    mute: frozenset[int] = frozenset()  # vehicles whose terminals never report
    absent: frozenset[int] = frozenset()  # vehicles that never drive
    tick: int = 0
    manoeuvres: dict[int, Manoeuvre] = field(default_factory=dict)  # running ones, by vehicle
    state: TrafficState = field(init=False)
    _entries: dict[tuple[int, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.fleet)
        zeros, never = np.zeros(n), np.zeros(n, dtype=np.bool_)
        whole = np.zeros(n, dtype=np.int64)
        self.state = TrafficState(
            never.copy(), whole.copy(), whole.copy(), zeros.copy(), zeros.copy(), zeros.copy(), zeros.copy(),
            normals(self.seed, "wander", np.arange(n), -1) * WANDER_M, zeros.copy(), never.copy(),
            zeros.copy(), zeros.copy(), never.copy(), np.full(n, np.inf),
        )  # fmt: skip
        self.state.free_s[sorted(self.absent)] = np.inf
        for way, lane in LANES:
            self._fill(way, lane)

    @property
    def t_s(self) -> float:
        return self.tick * DT_S

    def active_rows(self) -> I64:
        """Return the active vehicles."""
        return np.flatnonzero(self.state.active)

    def left_m(self, rows: I64) -> F64:
        """Return where vehicles' centres are, left of the axis in their direction."""
        return _centres(self.state.lane[rows]) + self.state.side_m[rows]

    def poses(self, rows: I64, after_s: F64 | float = 0.0) -> Poses:
        """Return where vehicles are up to a tick later, shape of rows broadcast with after_s."""
        state = self.state
        way = state.way[rows]
        speed, sideways = state.speed_mps[rows], state.side_mps[rows]
        left = self.left_m(rows) + sideways * after_s
        s = way * state.along_m[rows]
        rate = self._station_rate(s, way, self.left_m(rows), speed, sideways)
        shape = np.broadcast(left, s).shape
        return self.road.poses(
            np.broadcast_to(way, shape), s + way * rate * after_s, left,
            np.broadcast_to(speed, shape), np.broadcast_to(sideways, shape),
        )  # fmt: skip

    def begin(self, manoeuvre: Manoeuvre) -> None:
        """Start a manoeuvre; a vehicle does one at a time."""
        assert manoeuvre.vehicle not in self.manoeuvres, "one at a time"
        self.manoeuvres[manoeuvre.vehicle] = manoeuvre

    def step(self) -> None:
        """Advance by DT_S."""
        state, rows = self.state, self.active_rows()
        if len(rows):
            accel = self._following(rows)
            self._yield(rows, accel)
            speed = state.speed_mps[rows] + np.maximum(accel, -BRAKE_MAX_MPS2) * DT_S
            state.speed_mps[rows] = np.where(np.isin(rows, self._reversing()), speed, np.maximum(speed, 0.0))
            self._wander(rows)
            s, way = state.way[rows] * state.along_m[rows], state.way[rows]
            rate = self._station_rate(s, way, self.left_m(rows), state.speed_mps[rows], state.side_mps[rows])
            state.along_m[rows] += rate * DT_S
        self.tick += 1
        self._finish_manoeuvres()
        self._leave(rows)
        for lane in LANES:
            self._enter(*lane)

    def _station_rate(self, s: F64, way: I64, left: F64, speed: F64, sideways: F64) -> F64:
        """Return the speed of the station, in travel: faster on the inside of a bend."""
        along = np.copysign(np.sqrt(np.maximum(speed**2 - sideways**2, 0.0)), speed)
        return along / (1.0 - self.road.axis.curvature_at(s) * way * left)

    def _following(self, rows: I64) -> F64:
        """Return accelerations (n,) by the driver model towards the next one ahead in the home lane."""
        state = self.state
        order = np.lexsort((state.along_m[rows], state.lane[rows], state.way[rows]))
        ahead = np.full(len(rows), -1)
        same = (state.lane[rows[order[1:]]] == state.lane[rows[order[:-1]]]) & (
            state.way[rows[order[1:]]] == state.way[rows[order[:-1]]]
        )
        ahead[order[:-1][same]] = order[1:][same]
        leader = rows[np.maximum(ahead, 0)]
        gap = np.where(ahead >= 0, self._gap(rows, leader), 1e6)
        close = state.follows[rows] & (gap < CLOSE_M)
        wanted = self._wanted()[rows]
        wanted[close] *= FOLLOWERS_WISH
        headway_s = np.where(close, self._follower_headway_s(), HEADWAY_S)
        return driver_model(state.speed_mps[rows], wanted, gap, state.speed_mps[leader], headway_s)

    def _follower_headway_s(self) -> float:
        """Return the headway with which a platoon of tank trucks keeps its gap (Treiber 2000, eq. 7)."""
        kept_m = self.asked.platoon_gap_m * math.sqrt(1.0 - FOLLOWERS_WISH**-4)
        return max(kept_m - STANDSTILL_M, 0.0) / PLATOON_MPS

    def _gap(self, rows: I64, leaders: I64) -> F64:
        """Return the bumper to bumper distances, less the distance kept to a reversing vehicle."""
        gap = self.state.along_m[leaders] - self.state.along_m[rows]
        gap -= (self.fleet.length_m[rows] + self.fleet.length_m[leaders]) / 2
        for vehicle in self._reversing():
            gap[leaders == vehicle] -= REVERSE_ROOM_M
        return gap

    def _wanted(self) -> F64:
        """Return everyone's wanted speed now."""
        wanted = self.fleet.wanted_mps.copy()
        for vehicle, doing in self.manoeuvres.items():
            if doing.speed_mps is not None:
                wanted[vehicle] = doing.speed_mps
        return wanted

    def _reversing(self) -> list[int]:
        return [vehicle for vehicle, doing in self.manoeuvres.items() if doing.kind == "wrong_way"]

    def _yield(self, rows: I64, accel: F64) -> None:
        """The lane to the left of an intruding truck makes room, and the truck follows who is ahead there."""
        state = self.state
        for truck, doing in self.manoeuvres.items():
            if not doing.intrudes_left or not state.active[truck]:
                continue
            beside = (state.way[rows] == state.way[truck]) & (state.lane[rows] == state.lane[truck] + 1)
            behind = np.flatnonzero(beside & (state.along_m[rows] < state.along_m[truck]))
            one = np.full(len(behind), truck)
            follow = driver_model(
                state.speed_mps[rows[behind]],
                self._wanted()[rows[behind]],
                self._gap(rows[behind], one),
                state.speed_mps[one],
            )
            accel[behind] = np.minimum(accel[behind], follow)
            before = np.flatnonzero(beside & (state.along_m[rows] >= state.along_m[truck]))
            me = np.full(len(before), truck)
            own = driver_model(
                state.speed_mps[me], self.fleet.wanted_mps[me], self._gap(me, rows[before]),
                state.speed_mps[rows[before]],
            )  # fmt: skip
            at = np.flatnonzero(rows == truck)
            accel[at] = np.minimum(accel[at], own.min(initial=ACCEL_MPS2))

    def _wander(self, rows: I64) -> None:
        """An Ornstein-Uhlenbeck process, smoothed so that wheels could follow it, bounded within the lane."""
        state = self.state
        rolled_s = DT_S * np.minimum(
            np.abs(state.speed_mps[rows]) / WANDER_FULL_MPS, 1.0
        )  # none at a standstill
        keep = np.exp(-rolled_s / WANDER_TAU_S)
        kick = WANDER_M * np.sqrt(1 - keep**2) * normals(self.seed, "wander", rows, self.tick)
        state.raw_wander[rows] = keep * state.raw_wander[rows] + kick
        state.wander_m[rows] += (state.raw_wander[rows] - state.wander_m[rows]) * rolled_s / WANDER_SMOOTH_S
        # 1.1: smoothing and bounding reduce the standard deviation by this factor
        side = WANDER_MAX_M * np.tanh(1.1 * state.wander_m[rows] / WANDER_MAX_M)
        t_s = self.t_s + DT_S
        for vehicle, doing in self.manoeuvres.items():
            k = np.searchsorted(rows, vehicle)  # active, as all that manoeuvre are
            side[k] = side[k] * doing.wander_share(t_s) + doing.offset_m * doing.share(t_s)
        state.side_mps[rows] = (side - state.side_m[rows]) / DT_S
        state.side_m[rows] = side

    def _finish_manoeuvres(self) -> None:
        for i in [i for i, m in self.manoeuvres.items() if m.end_s <= self.t_s]:
            del self.manoeuvres[i]

    def _leave(self, rows: I64) -> None:
        state = self.state
        ends = np.where(state.way[rows] > 0, self.to_m, -self.from_m)
        for vehicle in rows[state.along_m[rows] > np.minimum(ends, state.ends_m[rows])].tolist():
            state.active[vehicle] = False
            state.silent[vehicle] = False
            state.free_s[vehicle] = self.t_s + AWAY_S
            self.manoeuvres.pop(vehicle, None)

    def _fill(self, way: int, lane: int) -> None:
        """Put the first vehicles on a lane, evenly with some jitter, everyone at their own speed."""
        n = self.wanted[way, lane]
        platoon, length_m = self.asked.platoon, 5.0 if lane == sec.CARS_LANE else 18.0
        room_m = length_m + (ROOM_M if platoon == 1 else self.asked.platoon_gap_m)
        n = min(n, int((self.to_m - self.from_m) / room_m))
        key = LANES.index((way, lane))
        begin_m = self._begin_m(way)
        for k in range(n):
            spacing_m = (self.to_m - self.from_m) / n
            jitter_m = (uniform(self.seed, "fill", key, k) - 0.5) * max(spacing_m - room_m, 0.0)
            vehicle = self._next_vehicle(lane, key, k)
            if vehicle is None:
                continue
            if platoon == 1:
                at_m = (k + 0.5) * spacing_m + jitter_m
            else:
                at_m = min((k // platoon + 1) * platoon, n) * spacing_m - (k % platoon + 0.5) * room_m
            self._place(vehicle, way, lane, begin_m + at_m, follows=k % platoon > 0)

    def _begin_m(self, way: int) -> float:
        return self.from_m if way > 0 else -self.to_m

    def _enter(self, way: int, lane: int) -> None:
        """Let the next vehicle in when the last one has gone far enough."""
        state = self.state
        n = self.wanted[way, lane]
        if n == 0:
            return
        key, count = LANES.index((way, lane)), self._entries.get((way, lane), 0)
        mine = np.flatnonzero(state.active & (state.way == way) & (state.lane == lane))
        begin_m = self._begin_m(way)
        spacing_m = (self.to_m - self.from_m) / n * (0.6 + 0.8 * uniform(self.seed, "entry", key, count))
        length_m, platoon = 5.0 if lane == sec.CARS_LANE else 18.0, self.asked.platoon
        follows = count % platoon > 0 and len(mine) > 0
        if len(mine):
            last = mine[np.argmin(state.along_m[mine])]
            room_m = ROOM_M + length_m + self.fleet.length_m[last] / 2
            close_m = self.asked.platoon_gap_m + (length_m + self.fleet.length_m[last]) / 2
            if platoon > 1:
                spacing_m = platoon * spacing_m - (platoon - 1) * (self.asked.platoon_gap_m + length_m)
            far_m = state.along_m[last] - begin_m
            if far_m < (close_m if follows else max(spacing_m, room_m)):
                return
        vehicle = self._next_vehicle(lane, key, 1_000_000 + count)
        if vehicle is not None:
            self._entries[way, lane] = count + 1
            self._place(vehicle, way, lane, begin_m, follows=follows)
            if len(mine):
                state.speed_mps[vehicle] = min(state.speed_mps[vehicle], state.speed_mps[last])

    def _next_vehicle(self, lane: int, key: int, draw: int) -> int | None:
        """Return a vehicle that may come, of a kind that the lane permits; who is longest away goes first."""
        fits = np.isin(self.fleet.kind, _kinds(lane, uniform(self.seed, "kind", key, draw)))
        waiting = np.flatnonzero(fits & ~self.state.active & (self.state.free_s <= self.t_s))
        if not len(waiting):
            return None
        # in a shuffled order among those that have been away equally long (all, at first)
        order = np.lexsort((uniforms(self.seed, "turn", waiting, 0), self.state.free_s[waiting]))
        return int(waiting[order[0]])

    def _place(self, i: int, way: int, lane: int, along_m: float, *, follows: bool) -> None:
        state = self.state
        state.active[i], state.way[i], state.lane[i] = True, way, lane
        state.along_m[i], state.speed_mps[i] = along_m, self.fleet.wanted_mps[i]
        state.wander_m[i] = state.raw_wander[i]
        state.side_m[i] = WANDER_MAX_M * math.tanh(1.1 * float(state.wander_m[i]) / WANDER_MAX_M)
        state.side_mps[i], state.entered_s[i] = 0.0, self.t_s
        state.silent[i], state.follows[i], state.ends_m[i] = i in self.mute, follows, np.inf
        if self.asked.ends_share and uniform(self.seed, "ends", i, self.tick) < self.asked.ends_share:
            left_m = (self.to_m if way > 0 else -self.from_m) - along_m
            state.ends_m[i] = along_m + left_m * uniform(self.seed, "ends.where", i, self.tick)


def driver_model(
    speed: F64, wanted: F64, gap: F64, leader_speed: F64, headway_s: F64 | float = HEADWAY_S
) -> F64:
    """Return accelerations (n,) of the intelligent driver model; `wanted` 0 or below brakes to it evenly."""
    free = 1.0 - (np.maximum(speed, 0.0) / np.where(wanted > 0.0, wanted, 1.0)) ** 4
    closing = speed * (speed - leader_speed) / (2.0 * math.sqrt(ACCEL_MPS2 * BRAKE_MPS2))
    kept = STANDSTILL_M + np.maximum(speed * headway_s + closing, 0.0)
    accel = ACCEL_MPS2 * (free - (kept / np.maximum(gap, 0.1)) ** 2)
    # too fast for the wanted speed (or backwards): no harder than comfortable braking
    easy = np.where(
        wanted > 0.0, np.maximum(accel, -BRAKE_MPS2), np.clip(wanted - speed, -BRAKE_MPS2, ACCEL_MPS2)
    )
    return np.where((kept < gap) | (wanted <= 0.0), easy, accel)


def _centres(lanes: I64) -> F64:
    return np.array([sec.lane_centre_m(index) for index in range(sec.N_LANES)])[lanes]


def _kinds(lane: int, draw: float) -> Sequence[int]:
    if lane == sec.HAZMAT_LANE:
        return (HAZMAT,)
    if lane == sec.MIXED_LANE and draw < 0.5:
        return (TRUCK, BUS)
    return (CAR,)
