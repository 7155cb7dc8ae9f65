"""Traffic for the latency benchmark: 1 000 vehicles, a tenth speeds now and then; its radar scans."""

import math

import numpy as np

from benchmarks.latency_site import HALF_M, LANES, LIMIT_MPS, POLE_HEIGHT_M, POLE_NORTH_M, lane_north_m
from fusion.kernel import F64
from roadside.inputs import Detections, RadarPayload

VEHICLES = 1_000
SLOW_MPS, FAST_MPS = 0.9 * LIMIT_MPS, 1.25 * LIMIT_MPS
SLOW_S, FAST_S = 7.0, 5.0
TARGET_HEIGHT_M = 1.0
SIGMA = (0.1, math.radians(0.01), 0.1)  # as the site states: range [m], azimuth [rad], range rate [m/s]


class Load:
    """Where every vehicle is at any time, and what a radar sees of it. Lane 0 speeds, in turn."""

    def __init__(self) -> None:
        index = np.arange(VEHICLES)
        self._lane = index % LANES
        self._north_m = np.array([lane_north_m(lane) for lane in self._lane.tolist()])
        self._start_m = (index // LANES) * (2.0 * HALF_M * LANES / VEHICLES)
        self._phase_s = np.where(self._lane == 0, (index // LANES) * 0.618 % 1.0 * (SLOW_S + FAST_S), 0.0)

    def states(self, t_s: float) -> tuple[F64, F64]:
        """Return (east_m, speed_mps), shape (VEHICLES,); who leaves the road comes in again at its start."""
        fast_share = np.where(self._lane == 0, 1.0, 0.0)
        cycle_s = SLOW_S + FAST_S
        now, begin = t_s + self._phase_s, self._phase_s
        extra_s = _fast_time(now, cycle_s) - _fast_time(begin, cycle_s)
        gone_m = SLOW_MPS * t_s + fast_share * (FAST_MPS - SLOW_MPS) * extra_s
        speed = np.where((fast_share > 0.0) & (now % cycle_s > SLOW_S), FAST_MPS, SLOW_MPS)
        return (self._start_m + gone_m) % (2.0 * HALF_M) - HALF_M, speed

    def scan(self, sensor: str, number: int, t_s: float, stamp_ns: int) -> RadarPayload:
        """Return what radar W or E measures at t_s, noise included (a stream of its own per scan)."""
        east_m, speed_mps = self.states(t_s)
        seen = east_m < 0.0 if sensor == "W" else east_m >= 0.0
        east, north = east_m[seen], self._north_m[seen] - POLE_NORTH_M
        up = TARGET_HEIGHT_M - POLE_HEIGHT_M
        range_m = np.sqrt(east**2 + north**2 + up**2)
        boresight_rad = math.pi if sensor == "W" else 0.0
        azimuth_rad = (np.arctan2(north, east) - boresight_rad + math.pi) % (2.0 * math.pi) - math.pi
        rate_mps = speed_mps[seen] * east / range_m
        noise = np.random.Generator(np.random.Philox(key=number * 2 + (sensor == "W")))
        columns = (range_m, azimuth_rad, rate_mps)
        noisy = [c + noise.normal(0.0, s, len(c)) for c, s in zip(columns, SIGMA, strict=True)]
        return RadarPayload(
            sensor=sensor,
            stamp_ns=stamp_ns,
            scan=number,
            detections=Detections(
                range_m=tuple(noisy[0].tolist()),
                azimuth_rad=tuple(noisy[1].tolist()),
                range_rate_mps=tuple(noisy[2].tolist()),
                rcs_dbsm=(20.0,) * len(east),
            ),
        )


def _fast_time(t_s: F64, cycle_s: float) -> F64:
    """Return how much of [0, t_s] was driven fast."""
    return np.floor(t_s / cycle_s) * FAST_S + np.maximum(0.0, t_s % cycle_s - SLOW_S)
