"""Stone Soup's trackers on a scene: global nearest neighbour with a kd-tree, and JPDA by EHM2.

Settings, the best of those that were tried on seed 7: constant velocity with a PSD of 0.5 and 0.05 m^2/s^3,
the state starts from its first detection and the prior of the speed across, Mahalanobis gate 3.5, five
neighbours of the tree, tracks count from their fourth detection (held ones end after two scans) and end after
six scans without one. JPDA is told P_D, the clutter per m^2 and m/s, and a gate of 0.997.
"""

import datetime
import time
import warnings

import numpy as np
from stonesoup.dataassociator.probability import JPDAwithEHM2
from stonesoup.dataassociator.tree import DetectionKDTreeGNN2D
from stonesoup.deleter.time import UpdateTimeStepsDeleter
from stonesoup.hypothesiser.distance import DistanceHypothesiser
from stonesoup.hypothesiser.probability import PDAHypothesiser
from stonesoup.initiator.simple import MultiMeasurementInitiator
from stonesoup.measures import Mahalanobis
from stonesoup.models.measurement.linear import LinearGaussian
from stonesoup.models.transition.linear import CombinedLinearGaussianTransitionModel, ConstantVelocity
from stonesoup.predictor.kalman import KalmanPredictor
from stonesoup.tracker.simple import MultiTargetMixtureTracker, MultiTargetTracker
from stonesoup.types.array import StateVector
from stonesoup.types.detection import Detection
from stonesoup.types.state import GaussianState
from stonesoup.updater.kalman import KalmanUpdater

from benchmarks.fusion.filterpy_gnn import PSD_ACROSS, PSD_ALONG, noise_of, plane_of
from benchmarks.fusion.scenes import Tracked
from benchmarks.fusion.traffic import CLUTTER_MPS, DT_S, Scene

T0 = datetime.datetime(2026, 1, 1)  # noqa: DTZ001  Stone Soup's stamps have no zone
GATE, NEIGHBOURS, HITS, HELD, MISSES = 3.5, 5, 4, 2, 6


def gnn(scene: Scene) -> Tracked:
    """Run global nearest neighbour over a scene."""
    return _track(scene, joint=False)


def jpda(scene: Scene) -> Tracked:
    """Run joint probabilistic data association over a scene."""
    return _track(scene, joint=True)


def _track(scene: Scene, *, joint: bool) -> Tracked:
    kind = scene.kind
    moving = CombinedLinearGaussianTransitionModel(
        [ConstantVelocity(PSD_ALONG), ConstantVelocity(PSD_ACROSS)]
    )
    model = LinearGaussian(4, (0, 1, 2), noise_of(scene))
    predictor, updater = KalmanPredictor(moving), KalmanUpdater(model)
    nearest = DistanceHypothesiser(predictor, updater, Mahalanobis(), missed_distance=GATE)
    tree = DetectionKDTreeGNN2D(
        nearest, predictor, updater, number_of_neighbours=NEIGHBOURS, max_distance_covariance_multiplier=GATE
    )
    mean, sigma = kind.prior_mps
    prior = GaussianState([0.0, mean, 0.0, 0.0], np.diag([0.0, sigma**2, 0.0, 0.5]), T0)
    initiator = MultiMeasurementInitiator(
        prior, deleter=UpdateTimeStepsDeleter(HELD), data_associator=tree, updater=updater,
        measurement_model=model, min_points=HITS,
    )  # fmt: skip
    scans = _detections(scene, model)
    deleter = UpdateTimeStepsDeleter(MISSES)
    if joint:
        weighed = PDAHypothesiser(
            predictor, updater, clutter_spatial_density=kind.clutter_per_m2 / (2.0 * CLUTTER_MPS),
            prob_detect=kind.detection_p, prob_gate=0.997,
        )  # fmt: skip
        tracker = MultiTargetMixtureTracker(initiator, deleter, scans, JPDAwithEHM2(weighed), updater)
    else:
        tracker = MultiTargetTracker(initiator, deleter, scans, tree, updater)
    return _run(tracker, len(scans))


def _detections(scene: Scene, model: LinearGaussian) -> list[tuple[datetime.datetime, set[Detection]]]:
    """Return all scans, made before the clock starts."""
    scans = []
    for k in range(len(scene.range_m)):
        at = T0 + datetime.timedelta(seconds=DT_S * k)
        rows = plane_of(scene, k)
        scans.append((at, {Detection(StateVector(z), timestamp=at, measurement_model=model) for z in rows}))
    return scans


def _run(tracker: MultiTargetTracker, n_scans: int) -> Tracked:
    made, keys = Tracked([], [], []), dict[str, int]()
    steps = iter(tracker)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(n_scans):
            begun_s = time.perf_counter()
            _, tracks = next(steps)
            made.seconds.append(time.perf_counter() - begun_s)
            made.ids.append([keys.setdefault(track.id, len(keys)) for track in tracks])
            places = [np.asarray(track.state_vector, dtype=np.float64).ravel()[[0, 2]] for track in tracks]
            made.places_m.append(np.array(places).reshape(-1, 2))
    return made
