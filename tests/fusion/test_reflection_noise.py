"""What a radar's reflecting points scatter by is learnt from innovations: against simulated scatter."""

import math

import numpy as np
import pytest

from fusion import layout as at
from fusion.config import FusionConfig
from fusion.reflection_noise import ACROSS_MIN
from fusion.tracker import Tracker
from tests.support.fusion_world import T0_NS, pose, scan

RADAR = pose(
    "R", 0.0, -40.0, 0.0, range_m_max=500.0, fov_rad=3.1, sigma_azimuth_rad=0.0035, sigma_range_m=0.1,
    reflects="bodies",
)  # fmt: skip
PERIOD_S, SPEED_MPS, N = 0.05, 4.0, 8


def learnt(white_m: float, slow_m: float, seed: int, seconds: float = 45.0) -> np.ndarray:
    """Return the radar's columns after vehicles whose points move across their axes by so much."""
    rng = np.random.default_rng(seed)
    tracker = Tracker(FusionConfig(), [RADAR], [], id_base=0)
    radars = tracker.store.settings.radars
    radars[:, at.R_SHARE], radars[:, at.R_SHARE_VAR] = 0.01, 1e-6  # points: what moves along is nought
    keep, slow = math.exp(-PERIOD_S / 1.0), slow_m * rng.normal(size=N)
    for k in range(round(seconds / PERIOD_S)):
        now_ns = T0_NS + round(k * PERIOD_S * 1e9)
        slow = keep * slow + math.sqrt(1.0 - keep**2) * slow_m * rng.normal(size=N)
        x = np.zeros((N, 4))
        x[:, 0] = 40.0 + SPEED_MPS * PERIOD_S * k + 60.0 * np.arange(N) / 3.0
        x[:, 1] = 12.0 * (np.arange(N) % 3) + slow + white_m * rng.normal(size=N)
        x[:, 2] = SPEED_MPS
        tracker.step(now_ns, scan(RADAR, now_ns, x, rng.normal(size=(N, 3))))
        tracker.tick(now_ns)
    assert tracker.n_ids == N
    return radars[0].copy()


@pytest.mark.parametrize(
    ("white_m", "slow_m"), [(0.3, 0.0), (0.0, 0.3), (0.25, 0.25), (0.0, 0.5)],
)  # fmt: skip
def test_both_parts_across_are_learnt(white_m, slow_m):
    """Of a slow part a precise radar's filter follows most, since a vehicle may move so as well."""
    radars = learnt(white_m, slow_m, 4)
    white, slow = radars[at.R_ACROSS_WHITE], radars[at.R_ACROSS_SLOW]
    assert 0.03 * slow_m**2 < slow < 1.4 * slow_m**2 + 0.01
    assert white == pytest.approx(white_m**2, abs=0.5 * white_m**2 + 0.02)


def test_a_radar_whose_points_do_not_move_is_learnt_to_be_one():
    radars = learnt(0.0, 0.0, 5)
    assert radars[at.R_ACROSS_WHITE] + radars[at.R_ACROSS_SLOW] < 4.0 * ACROSS_MIN


def test_two_radars_that_disagree_teach_no_scatter():
    """One is turned by half a degree, 1.3 m at 150 m; taken for scatter it would hide who is right."""
    rng, other = np.random.default_rng(5), pose("S", 300.0, -40.0, math.pi, range_m_max=500.0, fov_rad=3.1)
    radars = [RADAR, other]
    tracker = Tracker(FusionConfig(self_calibration="off"), radars, [], id_base=0)
    for k in range(800):
        now_ns = T0_NS + round(k * PERIOD_S * 1e9)
        x = np.array([[60.0 + 4.0 * PERIOD_S * k + 40.0 * w, 0.0, 4.0, 0.0] for w in range(3)])
        for q, radar in enumerate(radars):
            stamp_ns = now_ns + q * 25_000_000
            seen = x + np.array([4.0 * 0.025 * q, 0.0, 0.0, 0.0])
            if q == 1:  # as a radar sees it that is turned by so much
                turn, off = 0.009, seen[:, :2] - [other.east_m, other.north_m]
                seen[:, :2] += turn * np.stack([-off[:, 1], off[:, 0]], axis=1)
            tracker.step(stamp_ns, scan(radar, stamp_ns, seen, rng.normal(size=(3, 3))))
        tracker.tick(now_ns)
    found = tracker.store.settings.radars
    for q in range(2):
        assert found[q, at.R_ACROSS_WHITE] + found[q, at.R_ACROSS_SLOW] < 0.3**2
