"""The trucks' satellite receivers: an error that stays for a while, noise, an antenna off the centre.

A JT/T 808 report carries 1e-6 degrees, whole seconds, 0.1 km/h, whole degrees; `as_reported` leaves that.
What a scenario's `[terminals]` lets terminals tell beyond it arrives as it is: another protocol carried it.
"""

import math
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
import numpy as np
import shapely

from core.arrays import F64, I64, Bools
from core.times import NS
from edge.wire import GnssFix
from geofence.map.frames import SiteFrame
from roadside.devices.jt808.fix import fix_of, location_of
from sim.chance import chosen, normals, uniforms
from sim.fleet import Fleet
from sim.road import Poses
from sim.settings import TERMINALS, TerminalSettings

# delays, assumed, not measured
BASE_MS = 10.0  # median of the air interface
TAIL_SIGMA = 0.6  # of the logarithm: 1 in 100 lasts 40 ms
RECEIVER_MS = (40.0, 120.0)  # from the GNSS second to the terminal's report, each terminal its own
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
    """One receiver per vehicle; `observe` is called `rate_hz` times a second, on the second."""

    fleet: Fleet
    road: Placed
    seed: int
    noise: float
    weak: tuple[shapely.Geometry, ...]  # areas, site metres
    settings: TerminalSettings = TERMINALS
    _bias: F64 = field(init=False)  # (vehicles, 2) east, north [m]

    def __post_init__(self) -> None:
        rows = np.arange(len(self.fleet))
        self._bias = np.column_stack([normals(self.seed, f"gnss.bias.{axis}", rows, -1) for axis in "en"])

    def observe(self, stamp_ns: int, number: int, rows: I64, poses: Poses) -> list[GnssFix]:
        """Return the fixes of the vehicles in `rows` whose terminals report; not yet rounded.

        number : of the fixes since the run's begin, what chance is keyed by
        """
        self._drift(number)
        antenna_e, antenna_n = self._antennas(rows, poses)
        weak = np.zeros(len(rows), dtype=np.bool_)
        for area in self.weak:
            weak |= shapely.contains_xy(area, antenna_e, antenna_n)
        error = self._errors(number, rows, weak) + self._dragged(number, rows, poses.heading_rad)
        lon, lat = self.road.frame.lonlat_from_site(antenna_e + error[:, 0], antenna_n + error[:, 1])
        speed = np.abs(poses.speed_mps) + self.noise * SPEED_MPS * normals(
            self.seed, "gnss.speed", rows, number
        )
        course = self._courses(number, rows, poses)
        lost = weak & chosen(self.seed, "gnss.lost", rows, number, WEAK_LOSS)
        told = self._told(rows)
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
                sigma_m=None if told is None else float(told[k]),
            )
            for k, i in enumerate(rows.tolist())
            if self.fleet.reports[i] and not lost[k]
        ]

    def drag_m(self, number: int, rows: I64) -> F64:
        """Return how far each terminal's place has been dragged to its left by now, (n,) [m]."""
        s = self.settings
        if not s.dragged_share:
            return np.zeros(len(rows))
        dragged = chosen(self.seed, "gnss.dragged", rows, 0, s.dragged_share)
        side = np.where(uniforms(self.seed, "gnss.dragged.side", rows, 0) < 0.5, 1.0, -1.0)
        away_m = min(max(number / s.rate_hz - s.drag_from_s, 0.0) * s.drag_mps, s.drag_m_max)
        return np.asarray(np.where(dragged, side * away_m, 0.0))

    def _dragged(self, number: int, rows: I64, heading_rad: F64) -> F64:
        """Return the drag as errors east and north, (n, 2)."""
        left = np.column_stack([-np.sin(heading_rad), np.cos(heading_rad)])
        return np.asarray(self.drag_m(number, rows)[:, None] * left)

    def _sigma(self, rows: I64) -> F64:
        """Return the receivers' 1 sigma of the lasting error, (n,)."""
        return _spread(self.settings.sigma_m, uniforms(self.seed, "gnss.sigma", rows, 0))

    def _told(self, rows: I64) -> F64 | None:
        """Return the sigma that each terminal states, weak zones and drag left out: it knows of neither."""
        s = self.settings
        if s.told_factor is None:
            return None
        true_m = np.sqrt(self._sigma(rows) ** 2 + s.white_m**2 + s.constant_m**2)
        return np.asarray(s.told_factor * self.noise * true_m)

    def _drift(self, number: int) -> None:
        """Let every receiver's bias move on: first-order Gauss-Markov, unit variance."""
        rows = np.arange(len(self.fleet))
        tau_s = _spread(self.settings.tau_s, uniforms(self.seed, "gnss.tau", rows, 0))
        keep = np.exp(-1.0 / self.settings.rate_hz / tau_s)
        for column, axis in enumerate("en"):
            kick = normals(self.seed, f"gnss.bias.{axis}", rows, number)
            self._bias[:, column] = keep * self._bias[:, column] + np.sqrt(1 - keep**2) * kick

    def _antennas(self, rows: I64, poses: Poses) -> tuple[F64, F64]:
        forward, left = self.fleet.antenna_forward_m[rows], self.fleet.antenna_left_m[rows]
        cos, sin = np.cos(poses.heading_rad), np.sin(poses.heading_rad)
        return poses.east_m + forward * cos - left * sin, poses.north_m + forward * sin + left * cos

    def _errors(self, number: int, rows: I64, weak: Bools) -> F64:
        s, sigma = self.settings, self._sigma(rows)
        white = np.column_stack([normals(self.seed, f"gnss.white.{axis}", rows, number) for axis in "en"])
        factor = self.noise * np.where(weak, WEAK_FACTOR, 1.0)
        error = sigma[:, None] * self._bias[rows] + s.white_m * white
        if s.constant_m:
            stays = [normals(self.seed, f"gnss.constant.{axis}", rows, 0) for axis in "en"]
            error += s.constant_m * np.column_stack(stays)
        return np.asarray(factor[:, None] * error)

    def _courses(self, number: int, rows: I64, poses: Poses) -> F64:
        moving = np.where(poses.speed_mps < 0.0, poses.heading_rad + math.pi, poses.heading_rad)
        course = self.road.frame.course_from_heading(moving, poses.east_m, poses.north_m)
        return (course + self.noise * COURSE_DEG * normals(self.seed, "gnss.course", rows, number)) % 360.0


def as_reported(fix: GnssFix, arrived_ns: int, source_seq: int) -> GnssFix:
    """Return the fix as the gateway has it: after the codec of JT/T 808 where that can carry it."""
    if fix.sigma_m is not None or fix.stamp_ns % NS:
        return msgspec.structs.replace(fix, arrived_ns=arrived_ns, source_seq=source_seq, quality="single")
    return fix_of(location_of(fix), fix.terminal, fix.plate, arrived_ns, source_seq)


def _spread(bounds: tuple[float, float], share: F64) -> F64:
    return bounds[0] + (bounds[1] - bounds[0]) * share


def terminal_delay_ns(seed: int, vehicle: I64, number: int, settings: TerminalSettings = TERMINALS) -> I64:
    """Return how long after their stamp the reports of one moment reach the gateway over 5G, (n,)."""
    low, high = RECEIVER_MS
    receiver_ms = low + (high - low) * uniforms(seed, "receiver", vehicle, 0)
    air_ms = BASE_MS * np.exp(TAIL_SIGMA * normals(seed, "air", vehicle, number))
    if settings.late_share:
        late = chosen(seed, "air.late", vehicle, number, settings.late_share)
        late_s = _spread(settings.late_s, uniforms(seed, "air.late.by", vehicle, number))
        air_ms = np.where(late, air_ms + 1e3 * late_s, air_ms)
    return np.asarray((receiver_ms + air_ms) * 1e6, dtype=np.int64)
