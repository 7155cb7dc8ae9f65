"""The tracker's cost: one constant-velocity predict and update against FilterPy's, and whole radar scans.

`python -m benchmarks.fusion [--quick]`; a scan is `Tracker.step` as the pipeline calls it: prediction, grid
gate, assignment, fusion with ring, life cycle and read-out, with the models that ship.
"""

import math

import numpy as np
from filterpy.kalman import KalmanFilter

from benchmarks.harness import medians_s, print_line, rounds
from core.arrays import F1, F2, F64
from core.kernel import kernel
from fusion.config import FusionConfig, RadarPose
from fusion.layout import BEND_SIGMA, BEND_TAU, N_DIM, N_TUNING, N_X, Q_ALONG, Q_CROSS, States
from fusion.models import predict_to, update
from fusion.observations import RadarScan
from fusion.track_store import RING
from fusion.tracker import Tracker

DT_S, Q = 0.1, 0.5
N_CV, N_PEER = 1_000, 20
SPACING_M, LANE_M, LANES = 30.0, 3.75, 3
DETECTED, CLUTTER = 0.9, 0.2  # share of the vehicles in a scan, and of false detections beside
WARM_SCANS = RING + 8  # rings are full and their memory is touched: the steady state
SEED = 13


def filterpy_cv() -> KalmanFilter:
    """Return FilterPy's filter of constant velocity; ours estimates the bend too."""
    peer = KalmanFilter(dim_x=4, dim_z=2)
    peer.F = np.eye(4)
    peer.F[0, 2] = peer.F[1, 3] = DT_S
    block = Q * np.array([[DT_S**3 / 3.0, DT_S**2 / 2.0], [DT_S**2 / 2.0, DT_S]])
    peer.Q = np.kron(block, np.eye(2))
    peer.H, peer.R, peer.P = np.eye(2, 4), 0.25 * np.eye(2), 10.0 * np.eye(4)
    return peer


@kernel
def step(states: States, z: F2, sigma: F2, dt_s: float, tuning: F1, work: F1) -> None:
    """Predict each track and fuse a position into it with the motion model that the tracker runs.

    z, sigma : (n, 2) east and north [m], 1 sigma of each, independent
    """
    for i in range(states.X.shape[0]):
        predict_to(states, i, states, i, dt_s, tuning)
        update(states, i, (1.0, 0.0, 0.0, 0.0, 0.0), z[i, 0] - states.X[i, 0], sigma[i, 0] ** 2, work)
        update(states, i, (0.0, 1.0, 0.0, 0.0, 0.0), z[i, 1] - states.X[i, 1], sigma[i, 1] ** 2, work)


def measure_cv() -> None:
    """Print the time of one track's predict and update, ours and FilterPy's in the same rounds."""
    rng = np.random.Generator(np.random.Philox(SEED))
    states = States(np.zeros((N_CV, N_X)), np.tile(np.diag([10.0] * 4 + [0.0] * (N_DIM - 4)), (N_CV, 1, 1)))
    tuning, work = np.zeros(N_TUNING), np.zeros(N_DIM)
    tuning[Q_ALONG], tuning[Q_CROSS], tuning[BEND_SIGMA], tuning[BEND_TAU] = Q, Q, 0.5, 20.0
    z, sigma = rng.normal(size=(N_CV, 2)), np.full((N_CV, 2), 0.5)
    peers = [filterpy_cv() for _ in range(N_PEER)]

    def theirs() -> None:
        for i, peer in enumerate(peers):
            peer.predict()
            peer.update(z[i])

    taken = medians_s(
        {"ours": lambda: step(states, z, sigma, DT_S, tuning, work), "theirs": theirs}, 3 * rounds()
    )
    ours_s, theirs_s = taken["ours"] / N_CV, taken["theirs"] / N_PEER
    print_line("fusion.cv", ours_s * 1e9, "ns/track", "FilterPy", theirs_s / ours_s)


class Road:
    """A long straight road of vehicles and one radar above it that sees them all."""

    def __init__(self, n_vehicles: int) -> None:
        self.rng = np.random.Generator(np.random.Philox(SEED + n_vehicles))
        slot = np.arange(n_vehicles)
        self.east_m = 50.0 + SPACING_M * (slot // LANES)
        self.north_m = 20.0 + LANE_M * (slot % LANES)
        self.speed_mps = 20.0 + self.rng.normal(size=n_vehicles)
        far_m = float(self.east_m.max()) + 2_000.0
        self.radar = RadarPose(
            sensor="R", east_m=0.0, north_m=0.0, height_m=6.0, boresight_rad=0.0, range_m_max=far_m,
            fov_rad=math.pi, sigma_range_m=0.25, sigma_azimuth_rad=0.5 / far_m, sigma_range_rate_mps=0.1,
            accepted=True,
        )  # fmt: skip
        # the false-alarm density of this long and narrow picture, as a site file would state it
        config = FusionConfig(tracks_max=2 * n_vehicles, clutter_per_m2=1e-4)
        self.tracker = Tracker(config, [self.radar], [], id_base=0)
        self.stamp_ns = 1_000_000_000_000

    def scan(self) -> RadarScan:
        """Move everything on by one scan and return what the radar sees."""
        self.stamp_ns += int(DT_S * 1e9)
        self.east_m += DT_S * self.speed_mps
        seen = self.rng.random(len(self.east_m)) < DETECTED
        n_false = int(CLUTTER * len(self.east_m))
        along, across = self.rng.random((2, n_false))
        east_m = np.concatenate([self.east_m[seen], along * self.east_m.max()])
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


def measure_scan(n_vehicles: int) -> None:
    """Print the median time of a scan of so many vehicles, all made before the clock starts."""
    road = Road(n_vehicles)
    n_rounds = rounds()
    scans = iter([road.scan() for _ in range(WARM_SCANS + n_rounds + 1)])
    for _ in range(WARM_SCANS):
        advance(road.tracker, next(scans))

    def step() -> None:
        advance(road.tracker, next(scans))

    taken = medians_s({"scan": step}, n_rounds)
    n_tracks = len(road.tracker.at(road.stamp_ns))
    assert n_tracks > 0.9 * n_vehicles, (
        f"only {n_tracks} of {n_vehicles} are tracked: the scan is no real one"
    )
    print_line(f"fusion.radar_update.n{n_vehicles}", taken["scan"] * 1e3, "ms")


def main() -> None:
    """Measure everything."""
    measure_cv()
    for n_vehicles in (100, 1_000, 5_000):
        measure_scan(n_vehicles)


if __name__ == "__main__":
    main()
