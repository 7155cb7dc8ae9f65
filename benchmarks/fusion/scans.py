"""Whole radar scans: the time of `Tracker.step` as the pipeline calls it, and how it grows.

A step is prediction, grid gate, assignment, fusion with ring, life cycle and read-out, with the models that
ship.
"""

import gc
import math
import time
from collections.abc import Iterator

import numpy as np

from benchmarks.harness import Line, is_quick
from core.arrays import F64
from fusion.config import FusionConfig, RadarPose
from fusion.observations import RadarScan
from fusion.track_store import RING
from fusion.tracker import Tracker

DT_S = 0.1
SPACING_M, LANE_M, LANES = 25.0, 3.75, 3
DETECTED, CLUTTER = 0.9, 0.2  # share of the vehicles in a scan, and of false detections beside
WARM_SCANS = RING + 8  # rings are full and their memory is touched: the steady state
SEED = 13
SIZES = (300, 1_000, 5_000, 20_000)
N_P99 = 5_000  # tracks: with so many the 99th percentile is reported as well


class Road:
    """A long straight road and one radar beside it that sees all vehicles; they drive away from it both ways.

    Both ways, since a scan's targets lie within 100 km (`fusion.observations.RANGE_M_MAX`).
    """

    def __init__(self, n_vehicles: int) -> None:
        self.rng = np.random.Generator(np.random.Philox(SEED + n_vehicles))
        slot = np.arange(n_vehicles)
        self.way = np.where(slot % 2 == 0, 1.0, -1.0)
        self.east_m = self.way * (50.0 + SPACING_M * (slot // (2 * LANES)))
        self.north_m = 20.0 + LANE_M * (slot // 2 % LANES)
        self.speed_mps = self.way * (20.0 + self.rng.normal(size=n_vehicles))
        far_m = float(self.east_m.max()) + 2_000.0
        self.radar = RadarPose(
            sensor="R", east_m=0.0, north_m=0.0, height_m=6.0, boresight_rad=0.0, range_m_max=far_m,
            fov_rad=2.0 * math.pi, sigma_range_m=0.25, sigma_azimuth_rad=0.5 / far_m,
            sigma_range_rate_mps=0.1, accepted=True,
        reflects="centres",
        )  # fmt: skip
        # the false-alarm density of this long and narrow picture, as a site file would state it
        config = FusionConfig(tracks_max=n_vehicles + n_vehicles // 2, clutter_per_m2=1e-4)
        self.tracker = Tracker(config, [self.radar], [], id_base=0)
        self.stamp_ns = 1_000_000_000_000

    def scan(self) -> RadarScan:
        """Advance all vehicles by one scan; return the detections of the radar."""
        self.stamp_ns += int(DT_S * 1e9)
        self.east_m += DT_S * self.speed_mps
        seen = self.rng.random(len(self.east_m)) < DETECTED
        n_false = int(CLUTTER * len(self.east_m))
        along, across = self.rng.random((2, n_false))
        east_m = np.concatenate([self.east_m[seen], (2.0 * along - 1.0) * self.east_m.max()])
        north_m = np.concatenate([self.north_m[seen], 15.0 + 25.0 * across])
        rate = np.concatenate([self.speed_mps[seen], 15.0 * self.rng.normal(size=n_false)])
        noise: F64 = self.rng.normal(size=(3, len(east_m)))
        flat_m, pose = np.hypot(east_m, north_m), self.radar
        return RadarScan(
            sensor="R",
            stamp_ns=self.stamp_ns,
            arrived_ns=self.stamp_ns,
            scan=0,
            range_m=np.hypot(flat_m, pose.height_m - 1.0) + pose.sigma_range_m * noise[0],
            azimuth_rad=np.arctan2(north_m, east_m) + pose.sigma_azimuth_rad * noise[1],
            range_rate_mps=rate * east_m / flat_m + pose.sigma_range_rate_mps * noise[2],
            rcs_dbsm=np.full(len(east_m), math.nan),
        )


def advance(tracker: Tracker, seen: RadarScan) -> None:
    """Fuse one scan as it arrives."""
    tracker.step(seen.stamp_ns, seen)


def times_s(n_vehicles: int, n_rounds: int) -> list[float]:
    """Return the times of so many scans, all made before the clock starts; without garbage collection."""
    road = Road(n_vehicles)
    for _ in range(WARM_SCANS):
        advance(road.tracker, road.scan())
    scans, taken = [road.scan() for _ in range(n_rounds)], list[float]()
    gc.collect()
    gc.disable()
    try:
        for scan in scans:
            begun_s = time.perf_counter()
            advance(road.tracker, scan)
            taken.append(time.perf_counter() - begun_s)
    finally:
        gc.enable()
    n_tracks = len(road.tracker.at(road.stamp_ns))
    assert n_tracks > 0.9 * n_vehicles, (
        f"only {n_tracks} of {n_vehicles} are tracked: the scan is no real one"
    )
    return taken


def lines() -> Iterator[Line]:
    """Yield the median scan of each size, the 99th percentile of one, and the growth per track."""
    per_track_s = {}
    for n in SIZES:
        taken = times_s(n, 20 if n > N_P99 else 60 if is_quick() else 300)
        median_s = float(np.median(taken))
        per_track_s[n] = median_s / n
        yield Line(f"fusion.scan.n{n}", median_s * 1e3, "ms")
        if n == N_P99:
            yield Line(f"fusion.scan.p99.n{n}", float(np.quantile(taken, 0.99)) * 1e3, "ms")
    growth = per_track_s[SIZES[-1]] / per_track_s[SIZES[0]]
    yield Line("fusion.scan.growth", growth, f"x per track from {SIZES[0]} to {SIZES[-1]}")
