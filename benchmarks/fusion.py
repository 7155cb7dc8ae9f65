"""The tracker's cost: predict and update of one track against FilterPy's, and whole radar scans.

`python -m benchmarks.fusion [--quick]`; a scan is `Tracker.step` as the pipeline calls it: prediction, grid
gate, assignment, fusion with ring, life cycle and read-out, with the models that ship.
"""

import math

import numpy as np
from filterpy.kalman import ExtendedKalmanFilter

from benchmarks.harness import medians_s, print_line, rounds
from core.arrays import F2, F64
from core.kernel import kernel
from fusion import layout as at
from fusion.config import FusionConfig, RadarPose
from fusion.lanes import no_lanes
from fusion.layout import N_DIM, N_X, Settings, States
from fusion.measurement import fuse_polar
from fusion.models import SLOW_MPS, predict_to
from fusion.observations import RadarScan
from fusion.track_store import RING, poses_of, tuning_of
from fusion.tracker import Tracker

DT_S = 0.1
N_OURS, N_PEER = 1_000, 20
SPACING_M, LANE_M, LANES = 30.0, 3.75, 3
DETECTED, CLUTTER = 0.9, 0.2  # share of the vehicles in a scan, and of false detections beside
WARM_SCANS = RING + 8  # rings are full and their memory is touched: the steady state
SEED = 13

N_PEER_DIM = at.BEND + 1  # a body that is a point: no extent, no wander


class Peer:
    """FilterPy's extended Kalman filter of our model, in the form that is quickest for it.

    The state is position, velocity and bend; the measurement azimuth, slant range and range rate. One call of
    `update` fuses all three, ours fuses one after another. Both compute F, Q and H from the state.
    """

    def __init__(self, x: F64, P: F64, tuning: F64, pose: F64) -> None:
        self.x0, self.P0, self.tuning, self.pose = x, P, tuning, pose
        self.filter = ExtendedKalmanFilter(dim_x=N_PEER_DIM, dim_z=3)
        self.filter.R = np.diag(pose[[at.R_S_AZIMUTH, at.R_S_RANGE, at.R_S_RATE]] ** 2)

    def step(self, z: F64) -> None:
        """Predict by DT_S from the first state and fuse z: azimuth, slant range, range rate."""
        self.filter.x, self.filter.P = self.x0, self.P0
        self._set_model()
        self.filter.predict()
        self.filter.update(z, self._jacobian, self._measured)

    def _set_model(self) -> None:
        tuning, v_e, v_n = self.tuning, self.x0[2], self.x0[3]
        speed = math.hypot(v_e, v_n)
        c, s = v_e / speed, v_n / speed
        gain, keep = min(1.0, (speed - SLOW_MPS) / SLOW_MPS), math.exp(-DT_S / tuning[at.BEND_TAU])
        w_e, w_n = -s * gain * DT_S, c * gain * DT_S
        F = np.eye(N_PEER_DIM)
        F[0, 2] = F[1, 3] = DT_S
        F[:, 4] = 0.5 * DT_S * w_e, 0.5 * DT_S * w_n, w_e, w_n, keep
        q_al, q_cr = tuning[at.Q_ALONG], tuning[at.Q_CROSS]
        cross = (q_al - q_cr) * s * c
        q = np.array([[q_al * c * c + q_cr * s * s, cross], [cross, q_al * s * s + q_cr * c * c]])
        Q = np.zeros((N_PEER_DIM, N_PEER_DIM))
        Q[:2, :2], Q[2:4, 2:4] = DT_S**3 / 3.0 * q, DT_S * q
        Q[:2, 2:4] = Q[2:4, :2] = DT_S**2 / 2.0 * q
        Q[4, 4] = (1.0 - keep * keep) * tuning[at.BEND_SIGMA] ** 2
        self.filter.F, self.filter.Q = F, Q

    def _measured(self, x: F64) -> F64:
        slant = math.sqrt(x[0] ** 2 + x[1] ** 2 + self.pose[at.R_DROP] ** 2)
        return np.array([math.atan2(x[1], x[0]), slant, (x[0] * x[2] + x[1] * x[3]) / slant])

    def _jacobian(self, x: F64) -> F64:
        d_e, d_n, v_e, v_n = x[0], x[1], x[2], x[3]
        d2 = d_e * d_e + d_n * d_n
        slant = math.sqrt(d2 + self.pose[at.R_DROP] ** 2)
        u_e, u_n = d_e / slant, d_n / slant
        rate = u_e * v_e + u_n * v_n
        return np.array([
            [-d_n / d2, d_e / d2, 0.0, 0.0, 0.0],
            [u_e, u_n, 0.0, 0.0, 0.0],
            [(v_e - rate * u_e) / slant, (v_n - rate * u_n) / slant, u_e, u_n, 0.0],
        ])  # fmt: skip


@kernel
def step(states: States, predicted: States, out: States, M: F2, dt_s: float, settings: Settings) -> None:
    """Predict each track by dt_s and fuse its detection, with the kernels that a scan runs for each track."""
    for i in range(states.X.shape[0]):
        predict_to(states, i, predicted, i, dt_s, settings.tuning)
        fuse_polar(predicted, i, out, i, M, i, settings.radars)


def measure_model() -> None:
    """Print the time of one track's predict and update, ours and FilterPy's in the same rounds."""
    rng = np.random.Generator(np.random.Philox(SEED))
    pose = Road(N_PEER).radar
    settings = Settings(poses_of([pose]), tuning_of(FusionConfig(), [pose]), no_lanes())
    states, predicted, out = [
        States(np.zeros((N_OURS, N_X)), np.zeros((N_OURS, N_DIM, N_DIM))) for _ in range(3)
    ]
    states.X[:, :4] = rng.normal([100.0, 20.0, 20.0, 1.0], 1.0, size=(N_OURS, 4))
    states.P[:, :N_PEER_DIM, :N_PEER_DIM] = np.diag([0.1, 0.1, 0.04, 0.04, 0.01])
    M = np.zeros((N_OURS, at.N_MEAS))
    place = states.X[:, :2] + DT_S * states.X[:, 2:4] + 0.2 * rng.normal(size=(N_OURS, 2))
    flat, azimuth = np.hypot(*place.T), np.arctan2(place[:, 1], place[:, 0])
    slant = np.hypot(flat, settings.radars[0, at.R_DROP])
    M[:, at.WHAT], M[:, at.Z_AZIMUTH], M[:, at.Z_RANGE] = at.POLAR, azimuth, slant
    M[:, at.Z_RATE] = np.sum(place * states.X[:, 2:4], axis=1) / slant
    M[:, at.Z_COS], M[:, at.Z_SIN] = np.cos(azimuth), np.sin(azimuth)
    first = [
        (states.X[i, :N_PEER_DIM].copy(), states.P[i, :N_PEER_DIM, :N_PEER_DIM].copy()) for i in range(N_PEER)
    ]
    peers = [Peer(x, P, settings.tuning, settings.radars[0]) for x, P in first]
    z = M[:, [at.Z_AZIMUTH, at.Z_RANGE, at.Z_RATE]]

    def theirs() -> None:
        for i, peer in enumerate(peers):
            peer.step(z[i])

    taken = medians_s(
        {"ours": lambda: step(states, predicted, out, M, DT_S, settings), "theirs": theirs}, 3 * rounds()
    )
    for i, peer in enumerate(peers):  # the work is the same: only the linearisation points differ
        sigma = np.sqrt(np.diag(peer.filter.P))
        assert np.all(np.abs(peer.filter.x - out.X[i, :N_PEER_DIM]) < 0.02 * sigma), "another model"
        np.testing.assert_allclose(np.diag(out.P[i])[:N_PEER_DIM], sigma**2, rtol=0.02)
    ours_s, theirs_s = taken["ours"] / N_OURS, taken["theirs"] / N_PEER
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
        """Advance all vehicles by one scan; return the detections of the radar."""
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
    print_line(f"fusion.scan.n{n_vehicles}", taken["scan"] * 1e3, "ms")


def main() -> None:
    """Measure everything."""
    measure_model()
    for n_vehicles in (100, 1_000, 5_000):
        measure_scan(n_vehicles)


if __name__ == "__main__":
    main()
