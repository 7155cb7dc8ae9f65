"""The poles' radars: all of a tick's scans at once. Field of view, misses, occlusion, noise, clutter.

Errors are drawn from what the site's file states of each radar; detections come back as the frame on the wire
carries them (float32).
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from core.arrays import F64, I64, Bools
from core.classes import CAR
from fusion.config import RadarPose
from fusion.observations import TARGET_HEIGHT_M
from roadside.inputs import DetectionColumns, RadarPayload
from sim.chance import chosen, normals, uniforms
from sim.fleet import Fleet
from sim.road import Poses
from sim.traffic import SIM_TICK_NS

POINT_ALONG_M, POINT_ACROSS_M = 0.1, 0.05  # how the reflecting point moves about the vehicle's centre
DETECTION_NEAR, DETECTION_FAR = 0.98, 0.90  # share of scans; falls with the range squared
RADAR_MS = (3.0, 8.0)  # from the middle of the scan to the datagram over its cable; assumed
OCCLUDED = 0.5  # of its detections remain behind a tall vehicle
OCCLUSION_RAD = 0.012  # half width of its shadow: the antenna looks over most of it
OCCLUSION_M = 8.0
CLUTTER_DRAWS, CLUTTER_SHARE = 3, 0.15  # chances per scan for a false detection
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


class Radars:
    """Every simulated radar, each at its own phase of the tick."""

    def __init__(self, poses: Sequence[RadarPose], fleet: Fleet, seed: int, noise: float) -> None:
        self.poses = tuple(poses)
        self._fleet = fleet
        self._seed = seed
        self._noise = noise
        self._key = np.array([zlib.crc32(pose.sensor.encode()) for pose in poses], dtype=np.int64)
        self._phase_ns = (SIM_TICK_NS * uniforms(seed, "radar.phase", self._key, 0)).astype(np.int64)
        self._column = {
            name: np.array([getattr(pose, name) for pose in poses], dtype=np.float64)
            for name in RadarPose.__struct_fields__
            if name not in ("sensor", "accepted")
        }

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

    def _look(self, traffic: Moving, scan: int) -> _Seen:
        """Return what all radars detect, noise and clutter included."""
        rows = traffic.active_rows()
        keys = self._key[:, None] * _PAIR + rows[None, :]
        polar = self._polar(traffic, rows, keys, scan)
        radar, at = np.nonzero(self._detected(polar, rows, keys, scan))
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

    def _polar(self, traffic: Moving, rows: I64, keys: I64, scan: int) -> F64:
        """Return (3, radars, n): range, azimuth and range rate of every vehicle, without noise."""
        c = {name: column[:, None] for name, column in self._column.items()}
        pose = traffic.poses(rows, (self._phase_ns / 1e9)[:, None])
        along = POINT_ALONG_M * normals(self._seed, "radar.along", keys, scan)
        across = POINT_ACROSS_M * normals(self._seed, "radar.across", keys, scan)
        cos, sin = np.cos(pose.heading_rad), np.sin(pose.heading_rad)
        dx = pose.east_m + along * cos - across * sin - c["east_m"]
        dy = pose.north_m + along * sin + across * cos - c["north_m"]
        reach = np.sqrt(dx**2 + dy**2 + (c["height_m"] - TARGET_HEIGHT_M) ** 2)
        azimuth = np.arctan2(dy, dx) - c["boresight_rad"]
        azimuth = np.arctan2(np.sin(azimuth), np.cos(azimuth))
        return np.stack([reach, azimuth, (dx * cos + dy * sin) * pose.speed_mps / reach])

    def _detected(self, polar: F64, rows: I64, keys: I64, scan: int) -> Bools:
        """Return (radars, n): in the field of view, and not missed."""
        reach, azimuth, _ = polar
        farthest = self._column["range_m_max"][:, None]
        seen = (reach <= farthest) & (np.abs(azimuth) <= self._column["fov_rad"][:, None] / 2)
        share = DETECTION_NEAR - (DETECTION_NEAR - DETECTION_FAR) * (reach / farthest) ** 2
        share = np.where(self._occluded(seen, reach, azimuth, rows), OCCLUDED * share, share)
        return np.asarray(seen & chosen(self._seed, "radar.detect", keys, scan, share))

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
        draws = np.arange(CLUTTER_DRAWS)
        is_there = (
            uniforms(self._seed, "clutter.is", self._key[:, None], scan, draws[None, :]) < CLUTTER_SHARE
        )
        radar, draw = np.nonzero(is_there)
        u = [uniforms(self._seed, "clutter", self._key[radar], scan, 8 * draw + k) for k in range(5)]
        reach = self._column["range_m_max"][radar] * np.sqrt(u[0])
        azimuth = (u[1] - 0.5) * self._column["fov_rad"][radar]
        moving = np.where(u[2] < 0.2, 40.0 * (u[3] - 0.5), 0.2 * (u[3] - 0.5))
        return radar, [reach, azimuth, moving, -5.0 + 10.0 * u[4]]


def _float32(column: F64) -> tuple[float, ...]:
    return tuple(column.astype(np.float32).astype(np.float64).tolist())


def radar_delay_ns(seed: int, radar_key: I64, scan: int) -> I64:
    """Return how long after their stamp radars send a scan, (n,)."""
    low, high = RADAR_MS
    delay_ms = low + (high - low) * uniforms(seed, "radar.delay", radar_key, scan)
    return np.asarray(delay_ms * 1e6, dtype=np.int64)
