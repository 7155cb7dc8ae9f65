"""False alarms of the whole monitor: trucks that break no rule, measured with the errors that tracks state.

`python -m benchmarks.false_alarms [--quick]`; JSON lines of alarms per vehicle-hour over all rules, each with
its 95 % upper bound (Poisson) and the vehicle-hours. `lane`: alarms of grade `warning` or above, of trucks
that wander in their lane, at the shipped rate. `line.asked_R`: violations of any grade, of trucks whose edge
stays exactly on the line (the null hypothesis of the tests), at a configured rate of R per vehicle-hour.
Errors are AR(1) with the sigma and tau that the tracks state, independent for each truck.
"""

import json
import math
import sys

import numpy as np

from benchmarks.harness import help_or_exit, is_quick
from core.arrays import F64
from fusion.lateral import no_lateral
from fusion.tracks import TrackBatch
from geofence.config import RulesConfig, VehicleConfig
from geofence.map.frames import SiteFrame
from geofence.map.roadmap import load_map
from geofence.monitor import Monitor

FRAME = SiteFrame(122.0, 41.0)
T0_NS, STEP_NS = 1_790_000_000_000_000_000, 100_000_000
TRUCKS, SEED = 1_000, 17
LENGTH_M, SPEED_MPS, LANE_M, WIDTH_M = 40_000.0, 15.0, 3.75, 2.5
WANDER_M, WANDER_TAU_S, WANDER_MAX_M = 0.2, 4.0, 0.45  # of the true offset
SIGMA_M, TAU_S = (0.1, 0.8), (0.2, 0.8)  # a radar's tracks from near to far
SIGMA_SPEED_MPS = 0.25
SILENT_S = 10.0  # the start of the detectors is not counted
BOUND = 0.95
ALARMS = ("warning", "violation")


def road_text() -> str:
    """Return a straight road: a lane for hazardous goods, and one for all others on its left."""
    features = []
    for name, allowed, right_m in (("H", "hazmat", 0.0), ("G", "car", LANE_M)):
        lines = []
        for side_m in (right_m + LANE_M, right_m):
            lon, lat = FRAME.lonlat_from_site(np.array([0.0, LENGTH_M]), np.array([side_m, side_m]))
            lines.append(np.column_stack([lon, lat]).tolist())
        properties = {
            "kind": "lane", "lane": name, "road": "main", "index": 0 if name == "H" else 1,
            "allowed": [allowed], "speed_limit_mps": 60 / 3.6,
        }  # fmt: skip
        geometry = {"type": "MultiLineString", "coordinates": lines}
        features.append({"type": "Feature", "properties": properties, "geometry": geometry})
    return json.dumps({"type": "FeatureCollection", "version": "1", "features": features})


class Drift:
    """n numbers of mean zero with an exponential correlation in time."""

    def __init__(self, rng: np.random.Generator, sigma: F64, tau_s: F64) -> None:
        self._rng, self._sigma = rng, sigma
        self._keep = np.exp(-STEP_NS * 1e-9 / tau_s)
        self.value: F64 = sigma * rng.normal(size=len(sigma))

    def step(self) -> F64:
        """Advance by STEP_NS; return the numbers (n,)."""
        fresh = self._sigma * np.sqrt(1.0 - self._keep**2) * self._rng.normal(size=len(self._sigma))
        self.value = self._keep * self.value + fresh
        return self.value


def alarms(hours: float, rate: float, *, on_line: bool) -> tuple[int, float]:
    """Return the count of alarms (on the line: of violations) in `hours` vehicle-hours, and the hours."""
    rng, n = np.random.Generator(np.random.Philox(SEED)), TRUCKS
    vehicles = [
        VehicleConfig(terminal=f"T{i}", class_="hazmat", length_m=16.0, width_m=WIDTH_M) for i in range(n)
    ]
    terminal_ids = [vehicle.terminal for vehicle in vehicles]
    rules = RulesConfig(false_alarms_per_vehicle_hour=rate)
    monitor = Monitor(
        rules, load_map(road_text(), FRAME), FRAME, vehicles, esn="bench", stretch_m=None, radars=[]
    )
    sigma, tau_s = rng.uniform(*SIGMA_M, n), rng.uniform(*TAU_S, n)
    across, along = Drift(rng, sigma, tau_s), Drift(rng, np.full(n, 0.3), tau_s)
    speeds = [Drift(rng, np.full(n, SIGMA_SPEED_MPS), tau_s) for _ in range(2)]
    wander = Drift(rng, np.full(n, WANDER_M), np.full(n, WANDER_TAU_S))
    cov = np.zeros((n, 4, 4))
    cov[:, 0, 0], cov[:, 1, 1] = 0.3**2, sigma**2
    cov[:, 2, 2] = cov[:, 3, 3] = SIGMA_SPEED_MPS**2
    east = rng.uniform(0.0, LENGTH_M, n)
    edge_m = (LANE_M - WIDTH_M) / 2.0
    owned, raised, steps = np.ones(n, np.bool_), set[str](), math.ceil(hours * 3600e9 / STEP_NS / n)
    for k in range(steps):
        stamps = np.full(n, T0_NS + k * STEP_NS)
        east = (east + SPEED_MPS * STEP_NS * 1e-9) % LENGTH_M
        side = WANDER_MAX_M * np.tanh(wander.step() / WANDER_MAX_M)
        x = np.column_stack(
            [
                east + along.step(),
                LANE_M / 2.0 + (edge_m if on_line else side) + across.step(),
                SPEED_MPS + speeds[0].step(),
                speeds[1].step(),
            ]
        )
        tracks = TrackBatch(
            track=np.arange(1, n + 1).astype(np.uint64), stamp_ns=stamps, arrived_ns=stamps, x=x, P=cov,
            bias_m=np.zeros(n), tau_s=tau_s, terminal=np.arange(n, dtype=np.int32), identity_p=np.ones(n),
            length_m=np.full(n, 16.0), width_m=np.full(n, WIDTH_M), kind=np.full(n, 4, np.uint8),
            confirmed=owned, coasting=~owned, integrity=~owned, presumed=~owned, radar_ns=stamps,
            enforcing_ns=stamps,
            gnss_ns=stamps, gnss_bias_m=np.full(n, np.nan), gnss_tau_s=np.full(n, np.nan),
            lateral=no_lateral(n),
        )  # fmt: skip
        found = monitor.observe(stamps[0], tracks, monitor.locate(tracks, terminal_ids), owned)
        if k * STEP_NS >= SILENT_S * 1e9:
            raised.update(v.id for v, _ in found if on_line or v.grade in ALARMS)
    return len(raised), (steps * STEP_NS * 1e-9 - SILENT_S) * n / 3600.0


def poisson_bound(count: int) -> float:
    """Return the mean with which `count` or fewer events have a probability of 5 % (bisection)."""
    low, high = float(count), count + 10.0 + 6.0 * math.sqrt(count + 1.0)
    for _ in range(60):
        mean = (low + high) / 2.0
        terms = [math.exp(k * math.log(mean) - mean - math.lgamma(k + 1.0)) for k in range(count + 1)]
        low, high = (mean, high) if sum(terms) > 1.0 - BOUND else (low, mean)
    return high


def report(name: str, hours: float, rate: float, *, on_line: bool) -> None:
    """Print one line."""
    count, counted_h = alarms(hours, rate, on_line=on_line)
    line = {
        "name": f"geofence.false_alarms.{name}", "value": round(count / counted_h, 6), "unit": "1/h",
        "at_most": round(poisson_bound(count) / counted_h, 6), "vehicle_hours": round(counted_h, 1),
        "asked": rate,
    }  # fmt: skip
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Print all lines."""
    help_or_exit()
    hours = 30.0 if is_quick() else 1_000.0
    report("lane", hours, 1e-4, on_line=False)
    for rate in (0.9, 0.1):
        report(f"line.asked_{rate}", hours / 3.0, rate, on_line=True)


if __name__ == "__main__":
    main()
