"""Physical traffic for rival trackers: vehicles of a lane keep their order, and one radar sees all of them.

The radar stands far away in line with the road, at the height of its targets: range is the place along the
road, range rate the speed along it and the error across the same everywhere. So peers with one linear model
for all detections, which Stone Soup's kd-tree demands, lose nothing.
"""

from dataclasses import dataclass

import numpy as np

from core.arrays import F64, Bools

DT_S = 0.1
N_LANES, LANE_M, N_VEHICLES = 3, 3.75, 30
FIRST_M = 5_000.0  # from the radar to the last vehicle at the start
SIGMA_RATE_MPS = 0.1
CLUTTER_MPS = 30.0  # a false detection has any range rate up to this size
MARGIN_M, WIDTH_M = 20.0, 30.0  # false detections lie up to so far before and behind the traffic, and across


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneKind:
    """What a scene is made of; the trackers are told all of it but the traffic itself."""

    name: str
    n_scans: int
    spacing_m: float  # between the vehicles of a lane
    detection_p: float
    n_clutter: float  # false detections in a scan, on average
    sigma_range_m: float
    speed_mps: tuple[float, float]  # of the lanes
    wave_mps: float  # how much the speed swings
    prior_mps: tuple[float, float]  # mean and sigma of the speeds, as the peers are told

    @property
    def sigma_across_m(self) -> float:
        return 0.5 * self.sigma_range_m

    @property
    def sigma_azimuth_rad(self) -> float:
        return self.sigma_across_m / (FIRST_M + 250.0)  # in the middle of the scene

    @property
    def clutter_per_m2(self) -> float:
        length_m = N_VEHICLES // N_LANES * self.spacing_m + 2.0 * MARGIN_M
        return self.n_clutter / (length_m * WIDTH_M)


KINDS = {
    kind.name: kind
    for kind in (
        SceneKind(
            name="easy", n_scans=80, spacing_m=30.0, detection_p=0.9, n_clutter=6.0, sigma_range_m=1.0,
            speed_mps=(15.0, 24.0), wave_mps=0.4, prior_mps=(18.0, 6.0),
        ),
        SceneKind(
            name="hard", n_scans=60, spacing_m=15.0, detection_p=0.8, n_clutter=15.0, sigma_range_m=1.5,
            speed_mps=(15.0, 24.0), wave_mps=0.4, prior_mps=(18.0, 6.0),
        ),
        SceneKind(
            name="jam", n_scans=80, spacing_m=8.0, detection_p=0.8, n_clutter=6.0, sigma_range_m=1.0,
            speed_mps=(0.5, 3.0), wave_mps=1.5, prior_mps=(1.5, 1.5),
        ),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A scene: truth and detections of each scan."""

    kind: SceneKind
    truth_m: F64  # (n_scans, N_VEHICLES, 2) along and across, the radar is the origin
    range_m: list[F64]  # of each scan's detections, in no order
    azimuth_rad: list[F64]
    rate_mps: list[F64]


def scene_of(kind: SceneKind, seed: int, n_scans: int) -> Scene:
    """Return a scene; equal arguments give equal scenes."""
    rng = np.random.Generator(np.random.Philox(seed))
    east, north, speed = _drive(kind, n_scans, rng)
    scans = [_scan(kind, east[k], north, speed[k], rng) for k in range(n_scans)]
    return Scene(
        kind=kind,
        truth_m=np.stack([east, np.broadcast_to(north, east.shape)], axis=2),
        range_m=[scan[0] for scan in scans],
        azimuth_rad=[scan[1] for scan in scans],
        rate_mps=[scan[2] for scan in scans],
    )


def _drive(kind: SceneKind, n_scans: int, rng: np.random.Generator) -> tuple[F64, F64, F64]:
    """Return places along (n_scans, n), across (n,), and speeds (n_scans, n); a lane keeps its order.

    Speeds differ between lanes only, but for a wave: of all vehicles of a lane alike in a jam, else of each
    by itself, which moves it by less than a metre.
    """
    n = N_VEHICLES // N_LANES
    lane = np.repeat(np.arange(N_LANES), n)
    free_m = min(0.25 * kind.spacing_m, 7.5)
    start = FIRST_M + kind.spacing_m * np.tile(np.arange(n), N_LANES)
    start = start + rng.uniform(-free_m, free_m, N_VEHICLES) / (8.0 if kind.name == "jam" else 1.0)
    start += rng.uniform(0.0, 8.0, N_LANES)[lane]
    base = rng.uniform(*kind.speed_mps, N_LANES)[lane]
    if kind.name == "jam":
        period_s, phase = 20.0, rng.uniform(0.0, 2.0 * np.pi, N_LANES)[lane]
    else:
        period_s, phase = 15.0, rng.uniform(0.0, 2.0 * np.pi, N_VEHICLES)
    t_s = DT_S * np.arange(n_scans)[:, None]
    speed = np.maximum(0.0, base + kind.wave_mps * np.sin(2.0 * np.pi * t_s / period_s + phase))
    east: F64 = start + DT_S * np.cumsum(speed, axis=0)
    north: F64 = np.asarray(LANE_M * (lane - 1.0), dtype=np.float64)
    return east, north, np.asarray(speed, dtype=np.float64)


def _scan(
    kind: SceneKind, east: F64, north: F64, speed: F64, rng: np.random.Generator
) -> tuple[F64, F64, F64]:
    seen: Bools = rng.random(N_VEHICLES) < kind.detection_p
    n_false = int(rng.poisson(kind.n_clutter))
    x = np.concatenate([east[seen], rng.uniform(east.min() - MARGIN_M, east.max() + MARGIN_M, n_false)])
    y = np.concatenate([north[seen], rng.uniform(-WIDTH_M / 2.0, WIDTH_M / 2.0, n_false)])
    range_m = np.hypot(x, y)
    rate = np.concatenate(
        [(speed * east / np.hypot(east, north))[seen], rng.uniform(-1.0, 1.0, n_false) * CLUTTER_MPS]
    )
    noise = rng.normal(size=(3, len(x)))
    noise[:, int(seen.sum()) :] = 0.0  # a false detection has no true place
    order = rng.permutation(len(x))
    return (
        (range_m + kind.sigma_range_m * noise[0])[order],
        (np.arctan2(y, x) + kind.sigma_azimuth_rad * noise[1])[order],
        (rate + SIGMA_RATE_MPS * noise[2])[order],
    )
