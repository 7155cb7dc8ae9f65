"""Radars that track by themselves: what they send is smoothed, and must not be believed twice."""

import math

import numpy as np
from filterpy.kalman import KalmanFilter

from fusion.config import FusionConfig
from fusion.observations import ObjectScan
from fusion.tracker import Tracker
from tests.support.fusion_world import NAN, T0_NS, pose

DT_S, SCANS, VEHICLES, JERKY = 1.0 / 14.0, 84, 8, 1.0
RADAR = pose("R", 0.0, 0.0, 0.0, height_m=1.0, range_m_max=400.0, sigma_place_m=0.0, sigma_boresight_rad=0.0)


def radar_tracker(place: np.ndarray) -> KalmanFilter:
    """Return a tracker of the kind that radars have: constant velocity, unknown at first."""
    kalman = KalmanFilter(dim_x=4, dim_z=3)
    kalman.x = np.array([*place, 0.0, 0.0])
    kalman.P = np.diag([9.0, 9.0, 100.0, 100.0])
    kalman.F = np.eye(4)
    kalman.F[0, 2] = kalman.F[1, 3] = DT_S
    block = JERKY * np.array([[DT_S**3 / 3, DT_S**2 / 2], [DT_S**2 / 2, DT_S]])
    kalman.Q = np.kron(block, np.eye(2))
    return kalman


def sent(kalman: KalmanFilter, truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the radar's own track after one detection of a vehicle in its field."""
    flat, bearing = math.hypot(truth[0], truth[1]), math.atan2(truth[1], truth[0])
    s_across = flat * RADAR.sigma_azimuth_rad
    c, s = math.cos(bearing), math.sin(bearing)
    turn = np.array([[c, -s], [s, c]])
    noise = turn @ np.diag([RADAR.sigma_range_m**2, s_across**2]) @ turn.T
    place = truth[:2] + rng.multivariate_normal([0.0, 0.0], noise)
    rate = c * truth[2] + s * truth[3] + RADAR.sigma_range_rate_mps * rng.normal()
    kalman.predict()
    model = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, c, s]])
    covariance = np.zeros((3, 3))
    covariance[:2, :2], covariance[2, 2] = noise, RADAR.sigma_range_rate_mps**2
    kalman.update(np.array([*place, rate]), R=covariance, H=model)
    return np.asarray(kalman.x)


def objects(stamp_ns: int, k: int, x: np.ndarray) -> ObjectScan:
    """Return the message k of a radar that sends states x (n, 4)."""
    nothing = np.full(len(x), NAN)
    return ObjectScan(
        sensor="R", stamp_ns=stamp_ns, arrived_ns=stamp_ns, scan=k, object_id=np.arange(len(x)),
        x_m=x[:, 0].copy(), y_m=x[:, 1].copy(), vx_mps=x[:, 2].copy(), vy_mps=x[:, 3].copy(),
        length_m=nothing, width_m=nothing, kind=np.zeros(len(x), dtype=np.int64),
    )  # fmt: skip


def squares_of_one_run(seed: int) -> np.ndarray:
    """Return the normalised squared errors of place and speed across the road, (vehicles, 2)."""
    rng = np.random.default_rng(seed)
    truth = np.column_stack(
        [
            np.linspace(330.0, 120.0, VEHICLES),
            np.full(VEHICLES, 9.0),
            np.full(VEHICLES, -16.0),
            np.zeros(VEHICLES),
        ]
    )
    own = [radar_tracker(x[:2] + rng.normal(size=2)) for x in truth]
    tracker = Tracker(FusionConfig(), [RADAR], [], id_base=0)
    for k in range(SCANS):
        truth[:, 3] = 0.4 * np.sin(0.7 * k * DT_S + np.arange(VEHICLES))  # they swing by half a metre
        truth[:, :2] += DT_S * truth[:, 2:]
        x = np.array([sent(kalman, one, rng) for kalman, one in zip(own, truth, strict=True)])
        stamp_ns = T0_NS + round(k * DT_S * 1e9)
        tracker.step(stamp_ns, objects(stamp_ns, k, x))
    found = tracker.at(stamp_ns)
    rows = [int(np.argmin(np.hypot(*(found.x[:, :2] - one[:2]).T))) for one in truth]
    assert len(set(rows)) == VEHICLES
    error = found.x[rows] - truth
    return np.stack([error[:, a] ** 2 / found.P[rows, a, a] for a in (1, 3)], axis=1)


def test_what_a_radar_tracked_itself_is_as_uncertain_as_its_detections():
    squares = np.concatenate([squares_of_one_run(seed) for seed in range(12)]).mean(axis=0)
    assert 0.3 < squares[0] < 1.1
    assert 0.2 < squares[1] < 1.1


def test_the_speed_across_the_beam_is_believed_once():
    """The radar has it from the places that it sends as well: fused with each, it counted them twice."""
    found = []
    for off_mps in (0.0, 1.0):
        tracker = Tracker(FusionConfig(), [RADAR], [], id_base=0)
        x = np.array([[200.0, 9.0, -16.0, 0.0]])
        for k in range(20):
            stamp_ns = T0_NS + round(k * DT_S * 1e9)
            beam = x[0, :2] / np.hypot(*x[0, :2])
            aside = np.array([0.0, 0.0, -beam[1], beam[0]]) * off_mps * (k > 0)
            tracker.step(stamp_ns, objects(stamp_ns, k, x + aside))
            x[:, 0] -= 16.0 * DT_S
        found.append(tracker.at(stamp_ns))
    # what it says of the beam's turn, and with it of the tracker's lag, differs by a thousandth
    assert np.allclose(found[0].x, found[1].x, atol=1e-4)
    assert np.allclose(found[0].P, found[1].P, rtol=1e-3, atol=1e-4)
