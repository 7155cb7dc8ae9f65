"""Late data stays exact: the error with late scans, in order, and with the late ones thrown away."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from benchmarks.harness import Line
from core.arrays import F64
from fusion.config import FusionConfig, RadarPose
from fusion.observations import TARGET_HEIGHT_M, RadarScan
from fusion.tracker import Tracker

T0_NS = 1_000_000_000_000
PERIOD_NS, CHECK_NS, WAY_NS = 50_000_000, 2_000_000_000, 1_000_000
LATE_SHARE, LATE_S = 0.5, (0.2, 0.9)
EAST_M = np.array([80.0, 160.0, 240.0, 110.0, 200.0, 280.0])
NORTH_M = np.array([0.0, 0.0, 0.0, 3.75, 3.75, 3.75])
SPEED_MPS = np.array([0.0, 1.0, 3.0, 0.5, 2.0, 5.0])
SEED = 21

RADAR = RadarPose(
    sensor="R", east_m=0.0, north_m=-8.0, height_m=TARGET_HEIGHT_M + 5.0, boresight_rad=0.0,
    range_m_max=600.0, fov_rad=math.pi / 2.0, sigma_range_m=0.25, sigma_azimuth_rad=0.0035,
    sigma_range_rate_mps=0.1, accepted=True,
        reflects="centres",
)  # fmt: skip


def truth_m(stamp_ns: int) -> F64:
    """Return the vehicles' places (n, 2): each swings along its lane, so that old data would mislead."""
    t_s = (stamp_ns - T0_NS) / 1e9
    return np.stack([EAST_M + SPEED_MPS * t_s + 8.0 * np.sin(0.4 * t_s), NORTH_M], axis=1)


def scans(n_checks: int) -> list[RadarScan]:
    """Return the scans by stamp; whatever was measured before a check has arrived by then."""
    rng, made = np.random.Generator(np.random.Philox(SEED)), []
    for k in range(n_checks * CHECK_NS // PERIOD_NS + 1):
        stamp_ns = T0_NS + k * PERIOD_NS
        place = truth_m(stamp_ns)
        rate = (truth_m(stamp_ns + 1_000_000) - truth_m(stamp_ns - 1_000_000))[:, 0] / 2e-3
        east, north = place[:, 0] - RADAR.east_m, place[:, 1] - RADAR.north_m
        slant = np.sqrt(east**2 + north**2 + (RADAR.height_m - TARGET_HEIGHT_M) ** 2)
        noise = rng.normal(size=(3, len(east)))
        late_ns = round(rng.uniform(*LATE_S) * 1e9) if rng.random() < LATE_SHARE else WAY_NS
        until_check_ns = -k * PERIOD_NS % CHECK_NS
        arrived_ns = stamp_ns + (late_ns if late_ns < until_check_ns else WAY_NS)
        made.append(
            RadarScan(
                sensor="R", stamp_ns=stamp_ns, arrived_ns=arrived_ns, scan=k,
                range_m=slant + RADAR.sigma_range_m * noise[0],
                azimuth_rad=np.arctan2(north, east) + RADAR.sigma_azimuth_rad * noise[1],
                range_rate_mps=rate * east / slant + RADAR.sigma_range_rate_mps * noise[2],
                rcs_dbsm=np.full(len(east), math.nan),
            )
        )  # fmt: skip
    return made


def rmse_m(arrivals: list[RadarScan]) -> float:
    """Return the error of all tracks at the checks, when nothing is on its way; scans come as they arrive."""
    tracker, squares = Tracker(FusionConfig(), [RADAR], [], id_base=0), list[float]()
    for scan in sorted(arrivals, key=lambda scan: (scan.arrived_ns, scan.stamp_ns)):
        tracker.step(scan.arrived_ns, scan)
        tracker.tick(scan.arrived_ns)
        if (scan.stamp_ns - T0_NS) % CHECK_NS == 0 and scan.stamp_ns > T0_NS:
            x, true = tracker.at(scan.stamp_ns).x[:, :2], truth_m(scan.stamp_ns)
            assert len(x) == len(true), f"{len(x)} tracks of {len(true)} vehicles"
            squares += np.min(np.sum((true[:, None] - x[None]) ** 2, axis=2), axis=1).tolist()
    return math.sqrt(float(np.mean(squares)))


def lines(n_checks: int = 20) -> Iterator[Line]:
    """Yield the error with late scans against the same in order, and without the late ones."""
    made = scans(n_checks)
    in_order = [replace(scan, arrived_ns=scan.stamp_ns + WAY_NS) for scan in made]
    dropped = [scan for scan in made if scan.arrived_ns - scan.stamp_ns == WAY_NS]
    late_m, in_order_m, dropped_m = rmse_m(made), rmse_m(in_order), rmse_m(dropped)
    yield Line("fusion.late.rmse", late_m, "m", "the same scans in order", in_order_m / late_m)
    yield Line("fusion.late.rmse_without", dropped_m, "m", "late scans dropped", dropped_m / late_m)
