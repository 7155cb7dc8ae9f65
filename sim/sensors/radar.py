"""The poles' radars: all of a tick's scans at once. Field of view, misses, occlusion, noise, clutter.

Errors are drawn from what the site's file states of each radar and what a scenario's `[radar]` adds to it;
detections come back as the frame on the wire carries them (float32). A radar sees one level: the road's.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from core.arrays import F64, I64, Bools
from core.classes import CAR, HAZMAT, TRUCK
from fusion.config import RadarPose
from fusion.observations import TARGET_HEIGHT_M
from roadside.inputs import DetectionColumns, RadarPayload
from sim.chance import chosen, normals, uniforms
from sim.fleet import Fleet
from sim.road import Poses
from sim.sensors.reflection import Bodies, behind_bodies, body_points
from sim.settings import RADAR, RadarSettings
from sim.traffic import SIM_TICK_NS

POINT_ALONG_M, POINT_ACROSS_M = 0.1, 0.05  # how the reflecting point moves about the vehicle's centre
RADAR_MS = (3.0, 8.0)  # from the middle of the scan to the datagram over its cable; assumed
OCCLUSION_RAD = 0.012  # half width of its shadow: the antenna looks over most of it
OCCLUSION_M = 8.0
CLUTTER_DRAWS, CLUTTER_SHARE = 3, 0.15  # chances per scan for a false detection
CHANCES = 10  # for each one due at a stated density: nearly a Poisson number
RCS_SIGMA_DB = 2.5
_PAIR = 1_000_003  # spreads (radar, vehicle) over one key


class Moving(Protocol):
    """The vehicles that the radars observe: the simulator's traffic, or a recorded one."""

    tick: int

    def active_rows(self) -> I64:
        """Return the vehicles that are present in this tick."""

    def poses(self, rows: I64, after_s: F64 | float = 0.0) -> Poses:
        """Return where they are up to a tick later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedScan:
    """One radar's scan and when its datagram leaves."""

    radar: int  # row of the radars
    due_ns: int
    payload: RadarPayload


@dataclass(frozen=True, slots=True)
class _Seen:
    """n detections of one tick, by radar and then range."""

    radar: I64
    columns: tuple[F64, F64, F64, F64]  # range, azimuth, range rate, cross-section


@dataclass(frozen=True, slots=True)
class _Sight:
    """The n vehicles as seen from each radar, without noise; arrays (radars, n)."""

    pose: Poses
    east_m: F64  # of the reflecting point, from the radar
    north_m: F64
    polar: F64  # (3, radars, n): range, azimuth, range rate


class Radars:
    """Every simulated radar, each at its own phase of the tick."""

    def __init__(
        self,
        poses: Sequence[RadarPose],
        fleet: Fleet,
        seed: int,
        noise: float,
        settings: RadarSettings = RADAR,
    ) -> None:
        self.poses = tuple(poses)
        self._fleet = fleet
        self._seed = seed
        self._noise = noise
        self._settings = settings
        self._key = np.array([zlib.crc32(pose.sensor.encode()) for pose in poses], dtype=np.int64)
        self._phase_ns = (SIM_TICK_NS * uniforms(seed, "radar.phase", self._key, 0)).astype(np.int64)
        self._trailer_m = _trailers_m(fleet, seed, settings)
        self._column = {
            name: np.array([getattr(pose, name) for pose in poses], dtype=np.float64)
            for name in RadarPose.__struct_fields__
            if name not in ("sensor", "accepted", "reflects")
        }
        self._displace()

    def observe(self, traffic: Moving, now_ns: int) -> list[SimulatedScan]:
        """Return each radar's scan of the tick that begins at now_ns."""
        if not self.poses:
            return []
        scan = traffic.tick  # counts from the run's begin: equal seeds draw alike at any hour
        seen = self._look(traffic, scan)
        bounds = np.searchsorted(seen.radar, np.arange(len(self.poses) + 1)).tolist()
        columns = [_float32(column) for column in seen.columns]
        delay_ns = radar_delay_ns(self._seed, self._key, scan)
        return [
            SimulatedScan(
                radar=r,
                due_ns=int(now_ns + self._phase_ns[r] + delay_ns[r]),
                payload=RadarPayload(
                    sensor=pose.sensor,
                    stamp_ns=int(now_ns + self._phase_ns[r]),
                    scan=scan,
                    detections=DetectionColumns(
                        range_m=columns[0][a:b],
                        azimuth_rad=columns[1][a:b],
                        range_rate_mps=columns[2][a:b],
                        rcs_dbsm=columns[3][a:b],
                    ),
                ),
            )
            for r, (pose, a, b) in enumerate(zip(self.poses, bounds[:-1], bounds[1:], strict=True))
        ]

    def _displace(self) -> None:
        """Move the radars from where they were surveyed to where they stand, and draw what each is like."""
        s, key, column = self._settings, self._key, self._column
        for name in ("east", "north") if s.pose_offset_m else ():
            column[f"{name}_m"] += s.pose_offset_m * normals(self._seed, f"radar.pose.{name}", key, 0)
        if s.pose_rotation_deg:
            turned = normals(self._seed, "radar.pose.turn", key, 0)
            column["boresight_rad"] += np.radians(s.pose_rotation_deg) * turned
        column["range_offset_m"] = s.range_offset_m * normals(self._seed, "radar.range", key, 0)
        column["near"] = self._own("radar.detect.near", s.detection_near)
        column["far"] = self._own("radar.detect.far", s.detection_far)
        draws, mean = np.full(len(key), CLUTTER_DRAWS), np.full(len(key), CLUTTER_DRAWS * CLUTTER_SHARE)
        if s.clutter_per_m2 is not None:
            area_m2 = column["fov_rad"] / 2 * column["range_m_max"] ** 2
            mean = area_m2 * self._own("clutter.density", s.clutter_per_m2)
            draws = np.ceil(CHANCES * mean).astype(np.int64)
        # each radar its own number of chances: a further one changes nothing that the others see
        self._draws, self._clutter_share = draws, mean / np.maximum(draws, 1)

    def _own(self, component: str, bounds: tuple[float, float]) -> F64:
        """Return each radar's own value between two bounds, (radars,)."""
        low, high = bounds
        return low + (high - low) * uniforms(self._seed, component, self._key, 0)

    def _look(self, traffic: Moving, scan: int) -> _Seen:
        """Return what all radars detect, noise and clutter included."""
        rows = traffic.active_rows()
        keys = self._key[:, None] * _PAIR + rows[None, :]
        sight = self._sight(traffic, rows, keys, scan)
        polar = sight.polar
        radar, at = np.nonzero(self._detected(sight, rows, keys, scan))
        key = keys[radar, at]
        sigmas = [
            self._column[f"sigma_{name}"][radar] for name in ("range_m", "azimuth_rad", "range_rate_mps")
        ]
        found = [
            values[radar, at] + self._noise * sigma * normals(self._seed, "radar.noise", key, scan, k)
            for k, (values, sigma) in enumerate(zip(polar, sigmas, strict=True))
        ]
        found.append(
            self._fleet.rcs_dbsm[rows[at]] + RCS_SIGMA_DB * normals(self._seed, "radar.rcs", key, scan)
        )
        false_radar, false = self._clutter(scan)
        all_radars = np.concatenate([radar, false_radar])
        columns = [np.concatenate(pair) for pair in zip(found, false, strict=True)]
        columns[0] = np.maximum(columns[0], 0.1)
        order = np.lexsort((columns[0], all_radars))
        reach, azimuth, rate, rcs = (column[order] for column in columns)
        return _Seen(all_radars[order], (reach, azimuth, rate, rcs))

    def _sight(self, traffic: Moving, rows: I64, keys: I64, scan: int) -> _Sight:
        """Return every vehicle as each radar would measure it without noise."""
        c = {name: column[:, None] for name, column in self._column.items()}
        pose = traffic.poses(rows, (self._phase_ns / 1e9)[:, None])
        cos, sin = np.cos(pose.heading_rad), np.sin(pose.heading_rad)
        if self._settings.reflection == "body":
            back_m = self._trailer_m[rows] / 2  # so far behind a truck's middle is that of truck and trailer
            size = self._fleet.length_m[rows] + self._trailer_m[rows], self._fleet.width_m[rows]
            dx, dy = c["east_m"] - pose.east_m, c["north_m"] - pose.north_m
            sight = dx * cos + dy * sin + back_m, dy * cos - dx * sin
            along, across = body_points(self._settings, self._seed, keys, scan, sight, size)
            along -= back_m
        else:
            along = POINT_ALONG_M * normals(self._seed, "radar.along", keys, scan)
            across = POINT_ACROSS_M * normals(self._seed, "radar.across", keys, scan)
        dx = pose.east_m + along * cos - across * sin - c["east_m"]
        dy = pose.north_m + along * sin + across * cos - c["north_m"]
        reach = np.sqrt(dx**2 + dy**2 + (c["height_m"] - TARGET_HEIGHT_M) ** 2)
        azimuth = np.arctan2(dy, dx) - c["boresight_rad"]
        azimuth = np.arctan2(np.sin(azimuth), np.cos(azimuth))
        rate = (dx * cos + dy * sin) * pose.speed_mps / reach
        return _Sight(pose, dx, dy, np.stack([reach + c["range_offset_m"], azimuth, rate]))

    def _detected(self, sight: _Sight, rows: I64, keys: I64, scan: int) -> Bools:
        """Return (radars, n): in the field of view, and not missed."""
        reach, azimuth, _ = sight.polar
        c = {name: column[:, None] for name, column in self._column.items()}
        seen = (reach <= c["range_m_max"]) & (np.abs(azimuth) <= c["fov_rad"] / 2)
        share = c["near"] - (c["near"] - c["far"]) * (reach / c["range_m_max"]) ** 2
        if self._settings.shadow == "body":
            hidden = self._shadowed(seen, sight, rows)
        else:
            hidden = self._occluded(seen, reach, azimuth, rows)
        share = np.where(hidden, self._settings.hidden_detection * share, share)
        return np.asarray(seen & chosen(self._seed, "radar.detect", keys, scan, share))

    def _shadowed(self, seen: Bools, sight: _Sight, rows: I64) -> Bools:
        """Return the mask of targets behind the body of a tall vehicle that the radar has in its field."""
        hidden, pose = np.zeros_like(seen), sight.pose
        for r in range(len(seen)):
            at = np.flatnonzero(seen[r])
            heading, trailer_m = pose.heading_rad[r, at], self._trailer_m[rows[at]]
            bodies = Bodies(
                east_m=pose.east_m[r, at] - trailer_m / 2 * np.cos(heading) - self._column["east_m"][r],
                north_m=pose.north_m[r, at] - trailer_m / 2 * np.sin(heading) - self._column["north_m"][r],
                heading_rad=heading,
                length_m=self._fleet.length_m[rows[at]] + trailer_m,
                width_m=self._fleet.width_m[rows[at]],
                tall=self._fleet.kind[rows[at]] != CAR,
            )
            hidden[r, at] = behind_bodies(sight.east_m[r, at], sight.north_m[r, at], bodies)
        return hidden

    def _occluded(self, seen: Bools, reach: F64, azimuth: F64, rows: I64) -> Bools:
        """Return the mask of targets behind a tall vehicle."""
        tall = self._fleet.kind[rows] != CAR
        hidden = np.zeros_like(seen)
        for r in range(len(seen)):
            at = np.flatnonzero(seen[r])
            off = np.abs(azimuth[r, at][:, None] - azimuth[r, at][None, :]) < OCCLUSION_RAD
            nearer = reach[r, at][None, :] < reach[r, at][:, None] - OCCLUSION_M
            hidden[r, at] = (off & nearer & tall[at][None, :]).any(axis=1)
        return hidden

    def _clutter(self, scan: int) -> tuple[I64, list[F64]]:
        """Return false detections: anywhere in the sector, mostly of standing objects."""
        draws = np.arange(self._draws.max(initial=1))
        chance = uniforms(self._seed, "clutter.is", self._key[:, None], scan, draws[None, :])
        is_there = (chance < self._clutter_share[:, None]) & (draws < self._draws[:, None])
        radar, draw = np.nonzero(is_there)
        u = [uniforms(self._seed, "clutter", self._key[radar], scan, 8 * draw + k) for k in range(5)]
        reach = self._column["range_m_max"][radar] * np.sqrt(u[0])
        azimuth = (u[1] - 0.5) * self._column["fov_rad"][radar]
        moving = np.where(u[2] < 0.2, 40.0 * (u[3] - 0.5), 0.2 * (u[3] - 0.5))
        return radar, [reach, azimuth, moving, -5.0 + 10.0 * u[4]]


def _trailers_m(fleet: Fleet, seed: int, settings: RadarSettings) -> F64:
    """Return how far what a vehicle tows reaches behind it, (vehicles,)."""
    share = settings.trailer_share if settings.reflection == "body" else 0.0
    towing = np.isin(fleet.kind, (TRUCK, HAZMAT)) & chosen(seed, "trailer", np.arange(len(fleet)), 0, share)
    return np.where(towing, settings.trailer_m, 0.0)


def _float32(column: F64) -> tuple[float, ...]:
    return tuple(column.astype(np.float32).astype(np.float64).tolist())


def radar_delay_ns(seed: int, radar_key: I64, scan: int) -> I64:
    """Return how long after their stamp radars send a scan, (n,)."""
    low, high = RADAR_MS
    delay_ms = low + (high - low) * uniforms(seed, "radar.delay", radar_key, scan)
    return np.asarray(delay_ms * 1e6, dtype=np.int64)
