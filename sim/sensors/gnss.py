"""The trucks' satellite receivers: an error that stays for a while, noise, an antenna off the centre.

A JT/T 808 report carries 1e-6 degrees, whole seconds, 0.1 km/h, whole degrees; `as_reported` leaves that.
"""

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import shapely

from core.arrays import F64, I64, Bools
from edge.wire import GnssFix
from geofence.map.frames import SiteFrame
from roadside.devices.jt808.fix import fix_of, location_of
from sim.chance import chosen, normals, uniforms
from sim.fleet import Fleet
from sim.road import Poses

# delays, assumed, not measured
BASE_MS = 10.0  # median of the air interface
TAIL_SIGMA = 0.6  # of the logarithm: 1 in 100 lasts 40 ms
RECEIVER_MS = (40.0, 120.0)  # from the GNSS second to the terminal's report, each terminal its own
BIAS_M = (1.0, 1.5)  # 1 sigma per axis, each receiver its own
BIAS_TAU_S = (30.0, 60.0)
WHITE_M = 0.25
SPEED_MPS = 0.1
COURSE_DEG = 0.7
WEAK_FACTOR = 2.5  # beneath pipe racks and trees
WEAK_LOSS = 0.25  # share of seconds without a fix there


class Placed(Protocol):
    """What has a place on earth: a road, a site."""

    @property
    def frame(self) -> SiteFrame:
        """The site frame."""


@dataclass(slots=True)
class Receivers:
    """One receiver per vehicle; `observe` is called once each whole second."""

    fleet: Fleet
    road: Placed
    seed: int
    noise: float
    weak: tuple[shapely.Geometry, ...]  # areas, site metres
    _bias: F64 = field(init=False)  # (vehicles, 2) east, north [m]

    def __post_init__(self) -> None:
        rows = np.arange(len(self.fleet))
        self._bias = np.column_stack([normals(self.seed, f"gnss.bias.{axis}", rows, -1) for axis in "en"])

    def observe(self, stamp_ns: int, second: int, rows: I64, poses: Poses) -> list[GnssFix]:
        """Return the fixes of the vehicles in `rows` whose terminals report; not yet rounded.

        second : of the run, what chance is keyed by
        """
        self._drift(second)
        antenna_e, antenna_n = self._antennas(rows, poses)
        weak = np.zeros(len(rows), dtype=np.bool_)
        for area in self.weak:
            weak |= shapely.contains_xy(area, antenna_e, antenna_n)
        error = self._errors(second, rows, weak)
        lon, lat = self.road.frame.lonlat_from_site(antenna_e + error[:, 0], antenna_n + error[:, 1])
        speed = np.abs(poses.speed_mps) + self.noise * SPEED_MPS * normals(
            self.seed, "gnss.speed", rows, second
        )
        course = self._courses(second, rows, poses)
        lost = weak & chosen(self.seed, "gnss.lost", rows, second, WEAK_LOSS)
        return [
            GnssFix(
                terminal=self.fleet.terminal[i] or "",
                plate=self.fleet.plate[i],
                stamp_ns=stamp_ns,
                lon_deg=float(lon[k]),
                lat_deg=float(lat[k]),
                alt_m=5.0,
                speed_mps=max(float(speed[k]), 0.0),
                course_deg=float(course[k]),
                satellites=8 if weak[k] else 19,
            )
            for k, i in enumerate(rows.tolist())
            if self.fleet.reports[i] and not lost[k]
        ]

    def _drift(self, second: int) -> None:
        """Let every receiver's bias move on: first-order Gauss-Markov, unit variance."""
        rows = np.arange(len(self.fleet))
        keep = np.exp(-1.0 / _spread(BIAS_TAU_S, uniforms(self.seed, "gnss.tau", rows, 0)))
        for column, axis in enumerate("en"):
            kick = normals(self.seed, f"gnss.bias.{axis}", rows, second)
            self._bias[:, column] = keep * self._bias[:, column] + np.sqrt(1 - keep**2) * kick

    def _antennas(self, rows: I64, poses: Poses) -> tuple[F64, F64]:
        forward, left = self.fleet.antenna_forward_m[rows], self.fleet.antenna_left_m[rows]
        cos, sin = np.cos(poses.heading_rad), np.sin(poses.heading_rad)
        return poses.east_m + forward * cos - left * sin, poses.north_m + forward * sin + left * cos

    def _errors(self, second: int, rows: I64, weak: Bools) -> F64:
        sigma = _spread(BIAS_M, uniforms(self.seed, "gnss.sigma", rows, 0))
        white = np.column_stack([normals(self.seed, f"gnss.white.{axis}", rows, second) for axis in "en"])
        factor = self.noise * np.where(weak, WEAK_FACTOR, 1.0)
        return np.asarray(factor[:, None] * (sigma[:, None] * self._bias[rows] + WHITE_M * white))

    def _courses(self, second: int, rows: I64, poses: Poses) -> F64:
        moving = np.where(poses.speed_mps < 0.0, poses.heading_rad + math.pi, poses.heading_rad)
        course = self.road.frame.course_from_heading(moving, poses.east_m, poses.north_m)
        return (course + self.noise * COURSE_DEG * normals(self.seed, "gnss.course", rows, second)) % 360.0


def as_reported(fix: GnssFix, arrived_ns: int, source_seq: int) -> GnssFix:
    """Return the fix as the gateway has it after the terminal's codec."""
    return fix_of(location_of(fix), fix.terminal, fix.plate, arrived_ns, source_seq)


def _spread(bounds: tuple[float, float], share: F64) -> F64:
    return bounds[0] + (bounds[1] - bounds[0]) * share


def terminal_delay_ns(seed: int, vehicle: I64, second: int) -> I64:
    """Return how long after their stamp the reports of one second reach the gateway over 5G, (n,)."""
    low, high = RECEIVER_MS
    receiver_ms = low + (high - low) * uniforms(seed, "receiver", vehicle, 0)
    air_ms = BASE_MS * np.exp(TAIL_SIGMA * normals(seed, "air", vehicle, second))
    return np.asarray((receiver_ms + air_ms) * 1e6, dtype=np.int64)
