"""Our tracker on a scene, as the pipeline calls it: each scan fused, then the tick, then the read-out."""

import math
import time

import numpy as np

from benchmarks.fusion.scenes import Tracked
from benchmarks.fusion.traffic import DT_S, FIRST_M, SIGMA_RATE_MPS, WIDTH_M, Scene
from fusion.config import FusionConfig, RadarPose
from fusion.observations import TARGET_HEIGHT_M, RadarScan
from fusion.tracker import Tracker

T0_NS = 1_000_000_000_000
FAR_M = FIRST_M + 600.0


def settings_of(scene: Scene) -> FusionConfig:
    """Return what a site file would state of the scene: what the peers get, no more.

    The peers' process noise is a PSD of 0.5 along and 0.05 m^2/s^3 across the road; ours is 2 sigma^2 tau.
    They know that the road is straight, and the speed across it to 0.7 m/s. They confirm after four
    detections; ours keeps the rate of false tracks that it ships with: at 100 an hour clutter became tracks.
    """
    kind = scene.kind
    return FusionConfig(
        detection_probability=kind.detection_p,
        clutter_per_m2=kind.clutter_per_m2,
        accel_along_mps2=0.5,
        accel_cross_mps2=math.sqrt(0.05 / 2.0),
        accel_calm_along_mps2=0.5,  # one noise for all, as theirs
        accel_calm_cross_mps2=math.sqrt(0.05 / 2.0),
        accel_tau_s=1.0,
        accel_bend_mps2=0.05,
        speed_unseen_mps=math.sqrt(0.5),
    )


def track(scene: Scene) -> Tracked:
    """Run the tracker over a scene with the same settings as the peers."""
    return _track(scene, settings_of(scene))


def track_as_shipped(scene: Scene) -> Tracked:
    """Run the tracker over a scene as it ships: with the errors of its radar, no more."""
    return _track(scene, FusionConfig())


def _track(scene: Scene, config: FusionConfig) -> Tracked:
    radar = RadarPose(
        sensor="R", east_m=0.0, north_m=0.0, height_m=TARGET_HEIGHT_M, boresight_rad=0.0, range_m_max=FAR_M,
        fov_rad=1.3 * WIDTH_M / FIRST_M, sigma_range_m=scene.kind.sigma_range_m,
        sigma_azimuth_rad=scene.kind.sigma_azimuth_rad, sigma_range_rate_mps=SIGMA_RATE_MPS, accepted=True,
        reflects="centres",
    )  # fmt: skip
    tracker = Tracker(config, [radar], [], id_base=0)
    made = Tracked([], [], [])
    for scan in [_scan_of(scene, k) for k in range(len(scene.range_m))]:
        begun_s = time.perf_counter()
        tracker.step(scan.stamp_ns, scan)
        tracker.tick(scan.stamp_ns)
        shown = tracker.at(scan.stamp_ns)
        made.seconds.append(time.perf_counter() - begun_s)
        made.ids.append(shown.track.tolist())
        made.places_m.append(shown.x[:, :2].copy())
    return made


def _scan_of(scene: Scene, k: int) -> RadarScan:
    stamp_ns = T0_NS + round(k * DT_S * 1e9)
    return RadarScan(
        sensor="R", stamp_ns=stamp_ns, arrived_ns=stamp_ns, scan=k, range_m=scene.range_m[k],
        azimuth_rad=scene.azimuth_rad[k], range_rate_mps=scene.rate_mps[k],
        rcs_dbsm=np.full(len(scene.range_m[k]), math.nan),
    )  # fmt: skip
