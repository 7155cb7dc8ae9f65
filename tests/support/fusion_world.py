"""Vehicles on a straight road or a bend, two radars and terminals: small worlds for the tracker's tests."""

import math
from dataclasses import dataclass, field

import numpy as np

from core.arrays import F64
from fusion.config import FusionConfig, RadarPose, Terminal
from fusion.observations import GnssFixes, RadarScan
from fusion.tracker import Tracker, TrackerUpdate

T0_NS = 1_000_000_000_000_000_000
PERIOD_S = 0.05
NAN = math.nan


def pose(sensor: str, east_m: float, north_m: float, boresight_rad: float, **changes: object) -> RadarPose:
    """Return a radar of the usual kind, exactly where it is told; it reports centres: vehicles are points."""
    values: dict[str, object] = {
        "height_m": 6.0, "range_m_max": 300.0, "fov_rad": 2.1, "sigma_range_m": 0.25,
        "sigma_azimuth_rad": 0.0035, "sigma_range_rate_mps": 0.1, "accepted": True, "reflects": "centres",
        "sigma_place_m": 0.0, "sigma_boresight_rad": 0.0,
    }  # fmt: skip
    return RadarPose(
        sensor=sensor, east_m=east_m, north_m=north_m, boresight_rad=boresight_rad, **(values | changes)
    )


def fix(terminal: str, stamp_ns: int, east_m: float, north_m: float, **changes: float) -> GnssFixes:
    """Return a message of one fix."""
    columns = {"speed_mps": NAN, "heading_rad": NAN, "sigma_m": NAN, "tau_s": NAN, "usable": 1.0} | changes
    return GnssFixes(
        terminal=(terminal,),
        stamp_ns=np.array([stamp_ns]),
        arrived_ns=np.array([stamp_ns + 100_000_000]),
        source_seq=np.array([int(columns.pop("source_seq", -1))]),
        east_m=np.array([east_m]),
        north_m=np.array([north_m]),
        **{name: np.array([value]) for name, value in columns.items()},
    )


def scan(
    radar: RadarPose, stamp_ns: int, targets: F64, noise: F64 | None = None, clutter: F64 | None = None
) -> RadarScan:
    """Return what a radar sees of targets (n, 4); noise (n, 3) in sigmas, clutter (m, 3) polar."""
    d_e, d_n = targets[:, 0] - radar.east_m, targets[:, 1] - radar.north_m
    slant = np.sqrt(d_e**2 + d_n**2 + (radar.height_m - 1.0) ** 2)
    polar = np.stack(
        [
            slant,
            np.arctan2(d_n, d_e) - radar.boresight_rad,
            (d_e * targets[:, 2] + d_n * targets[:, 3]) / slant,
        ],
        axis=1,
    )
    if noise is not None:
        polar += noise * [radar.sigma_range_m, radar.sigma_azimuth_rad, radar.sigma_range_rate_mps]
    polar[:, 1] = np.remainder(polar[:, 1] + math.pi, 2.0 * math.pi) - math.pi
    if clutter is not None:
        polar = np.concatenate([polar, clutter])
    return RadarScan(
        sensor=radar.sensor, stamp_ns=stamp_ns, arrived_ns=stamp_ns + 5_000_000, scan=0,
        range_m=polar[:, 0].copy(), azimuth_rad=polar[:, 1].copy(), range_rate_mps=polar[:, 2].copy(),
        rcs_dbsm=np.full(len(polar), NAN),
    )  # fmt: skip


@dataclass
class Vehicle:
    """A vehicle at path station s_m, left of the path's centre by d_m."""

    s_m: float
    d_m: float
    speed_mps: float
    terminal: str | None = None
    bias_m: F64 = field(default_factory=lambda: np.zeros(2))


def place(vehicle: Vehicle, radius_m: float) -> tuple[F64, float]:
    """Return state (4,) and heading on a road that bends left from its station 300 on."""
    turn = max(vehicle.s_m - 300.0, 0.0) / radius_m
    straight = min(vehicle.s_m, 300.0)
    east = straight + radius_m * math.sin(turn) - vehicle.d_m * math.sin(turn)
    north = radius_m * (1.0 - math.cos(turn)) + vehicle.d_m * math.cos(turn)
    speed = vehicle.speed_mps
    return np.array([east, north, speed * math.cos(turn), speed * math.sin(turn)]), turn


class World:
    """Steps vehicles, shows them to the radars and lets terminals report each second with a lasting error."""

    def __init__(
        self,
        vehicles: list[Vehicle],
        radars: list[RadarPose],
        seed: int,
        *,
        bias_m: float = 1.5,
        radius_m: float = 800.0,
    ) -> None:
        self.rng = np.random.Generator(np.random.Philox(seed))
        self.vehicles, self.radars, self.radius_m, self.sigma_bias_m = vehicles, radars, radius_m, bias_m
        for vehicle in vehicles:
            vehicle.bias_m = bias_m * self.rng.normal(size=2)
        terminals = [
            Terminal(terminal=v.terminal, length_m=14.0, width_m=2.5) for v in vehicles if v.terminal
        ]
        self.tracker = Tracker(FusionConfig(), radars, terminals, id_base=7 << 32)
        self.now_ns, self.n_steps = T0_NS, 0
        self.late: list[tuple[int, GnssFixes]] = []
        self.merged: list[tuple[int, int]] = []  # ids (gone, survivor), in order
        self.truth = np.zeros((len(vehicles), 4))

    def step(self) -> None:
        """Go on by one radar period."""
        self.now_ns += int(PERIOD_S * 1e9)
        self.n_steps += 1
        for i, vehicle in enumerate(self.vehicles):
            vehicle.s_m += PERIOD_S * vehicle.speed_mps
            self.truth[i], _ = place(vehicle, self.radius_m)
        for radar in self.radars:
            d = self.truth[:, :2] - [radar.east_m, radar.north_m]
            off = (
                np.remainder(np.arctan2(d[:, 1], d[:, 0]) - radar.boresight_rad + math.pi, 2.0 * math.pi)
                - math.pi
            )
            seen = (np.hypot(*d.T) < radar.range_m_max) & (np.abs(off) < radar.fov_rad / 2.0)
            seen &= self.rng.random(len(seen)) < 0.9
            n_false = self.rng.poisson(0.6)
            clutter = np.stack(
                [
                    radar.range_m_max * np.sqrt(self.rng.random(n_false)),
                    radar.fov_rad * (self.rng.random(n_false) - 0.5),
                    15.0 * self.rng.normal(size=n_false),
                ],
                axis=1,
            )
            targets = self.truth[seen]
            noise = self.rng.normal(size=(len(targets), 3))
            self._follow(self.tracker.step(self.now_ns, scan(radar, self.now_ns, targets, noise, clutter)))
        if self.n_steps % 20 == 0:
            self._report()
        while self.late and self.late[0][0] <= self.now_ns:
            self._follow(self.tracker.step(self.now_ns, self.late.pop(0)[1]))
        if self.n_steps % 2 == 0:
            self._follow(self.tracker.tick(self.now_ns))

    def _follow(self, update: TrackerUpdate) -> None:
        self.merged += update.merged

    def _report(self) -> None:
        keep = math.exp(-1.0 / 30.0)
        for i, vehicle in enumerate(self.vehicles):
            if vehicle.terminal is None:
                continue
            fresh = math.sqrt(1.0 - keep * keep) * self.sigma_bias_m
            vehicle.bias_m = keep * vehicle.bias_m + fresh * self.rng.normal(size=2)
            at = self.truth[i, :2] + vehicle.bias_m + 0.2 * self.rng.normal(size=2)
            heading = math.atan2(self.truth[i, 3], self.truth[i, 2])
            due_ns = self.now_ns + int(1e9 * (0.05 + 0.25 * self.rng.random()))
            message = fix(
                vehicle.terminal, self.now_ns, at[0], at[1], speed_mps=vehicle.speed_mps, heading_rad=heading
            )
            self.late.append((due_ns, message))
        self.late.sort(key=lambda pair: pair[0])

    def error_of(self, terminal: str) -> tuple[F64, F64, int] | None:
        """Return (state error, whole covariance, row in the read-out) of the terminal's track."""
        tracks = self.tracker.at(self.now_ns)
        w = self.tracker.terminal_ids.index(terminal)
        rows = np.flatnonzero(tracks.terminal == w)
        if not len(rows):
            return None
        k = int(rows[0])
        covariance = tracks.P[k].copy()
        covariance[0, 0] += tracks.bias_m[k] ** 2
        covariance[1, 1] += tracks.bias_m[k] ** 2
        i = [vehicle.terminal for vehicle in self.vehicles].index(terminal)
        return tracks.x[k] - self.truth[i], covariance, k
