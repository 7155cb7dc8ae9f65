"""Traffic for the latency benchmark: vehicles of which a tenth strays off the road in turn; radar scans."""

import math

import numpy as np

from benchmarks.latency_site import ESN, HALF_M, LANES, LIMIT_MPS, POLE_HEIGHT_M, POLE_NORTH_M, lane_north_m
from core.arrays import F64
from fusion.observations import TARGET_HEIGHT_M
from roadside.inputs import DetectionColumns, RadarPayload

VEHICLES = 1_000  # of all RSUs together
SPEED_MPS = 0.9 * LIMIT_MPS
CYCLE_S, IN_LANE_S, ASIDE_S = 12.0, 6.0, 1.5  # in its lane, over the edge, outside, back
ASIDE_M = 3.0  # how far south a straying vehicle goes: 2 m of it over the road's edge
SIGMA = (0.1, math.radians(0.01), 0.1)  # as the site states: range [m], azimuth [rad], range rate [m/s]


class Load:
    """The positions of an RSU's vehicles at any time and their detections; lane 0 strays in turn."""

    def __init__(self, esn: str = ESN, n: int = VEHICLES, phase_s: float = 0.0) -> None:
        """n : vehicles.  phase_s : by which they stray later than another RSU's"""
        self._esn = esn
        index = np.arange(n)
        lane = index % LANES
        self._north_m: F64 = np.array([lane_north_m(row) for row in lane.tolist()])
        self._start_m = (index // LANES).astype(np.float64) * (2.0 * HALF_M * LANES / n)
        self._strays = lane == 0
        self._phase_s = (index // LANES) * 0.618 * CYCLE_S  # the golden ratio spreads the phases evenly
        self._phase_s += phase_s

    def states(self, t_s: float) -> tuple[F64, F64, F64]:
        """Return (east_m, north_m, north_mps), shape (n,); at its end the road begins again."""
        east_m = (self._start_m + SPEED_MPS * t_s) % (2.0 * HALF_M) - HALF_M
        now_s = (t_s + self._phase_s) % CYCLE_S
        share: F64 = np.clip(np.minimum(now_s - IN_LANE_S, CYCLE_S - now_s) / ASIDE_S, 0.0, 1.0)
        moving = np.where((share > 0.0) & (share < 1.0), np.where(now_s < CYCLE_S - ASIDE_S, -1.0, 1.0), 0.0)
        aside: F64 = np.where(self._strays, ASIDE_M, 0.0)
        return east_m, self._north_m - aside * share, aside * moving / ASIDE_S

    def scan(self, sensor: str, number: int, t_s: float, stamp_ns: int) -> RadarPayload:
        """Return the detections of radar W or E at t_s, with noise (a random stream per scan)."""
        east_m, north_m, north_mps = self.states(t_s)
        seen = east_m < 0.0 if sensor == "W" else east_m >= 0.0
        east, north = east_m[seen], north_m[seen] - POLE_NORTH_M
        up = TARGET_HEIGHT_M - POLE_HEIGHT_M
        range_m = np.sqrt(east**2 + north**2 + up**2)
        boresight_rad = math.pi if sensor == "W" else 0.0
        azimuth_rad = (np.arctan2(north, east) - boresight_rad + math.pi) % (2.0 * math.pi) - math.pi
        rate_mps = (SPEED_MPS * east + north_mps[seen] * north) / range_m
        noise = np.random.Generator(np.random.Philox(key=number * 2 + (sensor == "W")))
        columns = (range_m, azimuth_rad, rate_mps)
        noisy = [c + noise.normal(0.0, s, len(c)) for c, s in zip(columns, SIGMA, strict=True)]
        return RadarPayload(
            sensor=f"{self._esn}-{sensor}",
            stamp_ns=stamp_ns,
            scan=number,
            detections=DetectionColumns(
                range_m=tuple(noisy[0].tolist()),
                azimuth_rad=tuple(noisy[1].tolist()),
                range_rate_mps=tuple(noisy[2].tolist()),
                rcs_dbsm=(20.0,) * len(east),
            ),
        )
