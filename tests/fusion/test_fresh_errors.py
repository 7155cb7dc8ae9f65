"""What is new in each fix is learnt of each terminal: it neither drags a track nor lies outside its gate."""

import math

import numpy as np
import pytest

from fusion.config import WHITE_SHARE, FusionConfig, Terminal
from fusion.fresh_errors import fresh_m
from fusion.tracker import Tracker
from tests.support.fusion_world import T0_NS, fix, pose, scan

SIGMA_M, SPEED_MPS, TERMINALS = 0.5, 16.0, 3
RADAR = pose("R", 0.0, -8.0, 0.0, range_m_max=400.0, fov_rad=2.6, sigma_azimuth_rad=0.003)


def driven(white_m: float, seconds: float, seed: int = 3) -> tuple[Tracker, float]:
    """Return the tracker after trucks that report twice a second, and how far the first was off across."""
    rng = np.random.default_rng(seed)
    tracker = Tracker(FusionConfig(), [RADAR], [Terminal(terminal=f"T{w}") for w in range(9)], id_base=0)
    lasting, worst_m = 0.35 * rng.normal(size=(TERMINALS, 2)), 0.0
    for k in range(round(seconds / 0.05)):
        now_ns, east_m = T0_NS + round(k * 5e7), 20.0 + SPEED_MPS * 0.05 * k
        x = np.array([[east_m + 40.0 * w, 4.0 * w, SPEED_MPS, 0.0] for w in range(TERMINALS)])
        tracker.step(now_ns, scan(RADAR, now_ns, x, rng.normal(size=(TERMINALS, 3))))
        if k % 10 == 0:
            for w in range(TERMINALS):
                at_m = x[w, :2] + lasting[w] + white_m * rng.normal(size=2)
                tracker.step(
                    now_ns + 20_000_000,
                    fix(f"T{w}", now_ns, *at_m, speed_mps=SPEED_MPS, heading_rad=0.0, sigma_m=SIGMA_M),
                )
        tracker.tick(now_ns)
        if x[0, 0] > 60.0:
            batch = tracker.at(now_ns)
            seen = batch.x[batch.radar_ns > now_ns - 10**8, :2] - x[0, :2]
            worst_m = max(worst_m, abs(seen[np.argmin(np.hypot(*seen.T)), 1]))
    return tracker, worst_m


def learnt_m(tracker: Tracker, w: int) -> float:
    return float(fresh_m(tracker.terminals.rows, w, SIGMA_M))


@pytest.mark.parametrize(
    ("white_m", "low", "high"), [(0.125, 0.12, 0.17), (0.3, 0.16, 0.4), (0.5, 0.3, 0.62)]
)
def test_it_is_found_within_twenty_seconds(white_m, low, high):
    tracker, _ = driven(white_m, 20.0)
    for w in range(TERMINALS):
        assert low < learnt_m(tracker, w) < high


def test_a_track_under_radar_does_not_follow_it():
    """Sigma of radar's place is 0.1 m there; taken for motion, errors of 0.5 m move a track by a metre."""
    _, worst_m = driven(0.5, 20.0)
    assert worst_m < 0.7


def test_the_next_terminal_of_the_fleet_is_known_before_radar_sees_it():
    tracker, _ = driven(0.5, 20.0)
    assert learnt_m(tracker, 8) > 2.0 * WHITE_SHARE * SIGMA_M


def test_without_radar_nothing_is_learnt():
    tracker = Tracker(FusionConfig(), [], [Terminal(terminal="T0")], id_base=0)
    rng = np.random.default_rng(1)
    for k in range(60):
        at_m = 16.0 * k, 0.8 * rng.normal()
        tracker.step(T0_NS + k * 10**9, fix("T0", T0_NS + k * 10**9, *at_m, speed_mps=16.0, sigma_m=SIGMA_M))
    assert math.isclose(learnt_m(tracker, 0), WHITE_SHARE * SIGMA_M)


def test_a_restart_keeps_it():
    tracker, _ = driven(0.5, 15.0)
    fresh = Tracker(FusionConfig(), [RADAR], [Terminal(terminal=f"T{w}") for w in range(9)], id_base=0)
    fresh.restore(tracker.state())
    assert [learnt_m(fresh, w) for w in range(9)] == [learnt_m(tracker, w) for w in range(9)]
