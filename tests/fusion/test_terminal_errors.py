"""What a terminal keeps of its errors: a new track has the lasting one, a neighbour gets the scale."""

import math

import msgspec
import numpy as np
import pytest

from fusion import layout as at
from fusion.config import FusionConfig, Terminal
from fusion.tracker import Tracker
from tests.support.fusion_world import T0_NS, fix, pose, scan

ERROR_M = np.array([0.0, 0.9])
# its survey leaves 0.1 m and 0.05 degrees
RADAR = msgspec.structs.replace(
    pose("R", 0.0, -10.0, 0.0), sigma_place_m=0.1, sigma_boresight_rad=math.radians(0.05)
)


def learnt(sigma_m: float = 0.8) -> Tracker:
    """A truck whose terminal is off by ERROR_M, bound and seen by radar for 12 s."""
    tracker = Tracker(FusionConfig(), [RADAR], [Terminal(terminal="A", length_m=4.0)], id_base=7 << 32)
    rng = np.random.default_rng(3)
    for k in range(240):
        t_ns = T0_NS + k * 50_000_000
        x = np.array([[40.0 + 0.75 * k, 0.0, 15.0, 0.0]])
        tracker.step(t_ns, scan(RADAR, t_ns, x, rng.normal(size=(1, 3))))
        if k % 10 == 0:
            east, north = x[0, :2] + ERROR_M
            tracker.step(t_ns, fix("A", t_ns, east, north, speed_mps=15.0, heading_rad=0.0, sigma_m=sigma_m))
        tracker.tick(t_ns)
    assert tracker.counts["identity.bound"] == 1
    return tracker


def test_a_new_track_begins_with_the_error_that_radar_showed():
    tracker = learnt()
    end_ns = T0_NS + 12_000_000_000
    tracker.end(tracker.at(end_ns).track.tolist())
    later_ns = end_ns + 10_000_000_000
    tracker.step(later_ns, fix("A", later_ns, 900.0, 0.9, speed_mps=15.0, heading_rad=0.0, sigma_m=0.8))
    (north,), keep = (
        tracker.at(later_ns).x[:, 1],
        math.exp(-10.5 / 30.0),
    )  # of gnss_tau_s; 0.5 s: between fixes
    assert north == pytest.approx(0.9 - keep * 0.9, abs=0.1)
    sigma = math.sqrt(tracker.at(later_ns).P[0, 1, 1] + tracker.at(later_ns).bias_m[0] ** 2)
    assert 0.8 * math.sqrt(1.0 - keep**2) < sigma < 0.8 * math.sqrt(1.0 + 0.25**2)


def test_a_stranger_begins_at_its_fix():
    tracker = learnt()
    later_ns = T0_NS + 12_000_000_000
    tracker.step(later_ns, fix("B", later_ns, 900.0, 0.9, speed_mps=15.0, heading_rad=0.0, sigma_m=0.8))
    tracks = tracker.at(later_ns)
    assert tracks.x[np.argmax(tracks.x[:, 0]), 1] == pytest.approx(0.9, abs=0.02)


def test_a_neighbour_gets_the_scale_with_the_track():
    tracker, taker = learnt(sigma_m=0.2), Tracker(FusionConfig(), [], [], id_base=8 << 32)
    end_ns = T0_NS + 11_950_000_000
    tracks = tracker.carry(tracker.at(end_ns).track.tolist())
    (carried,) = [track for track in tracks if track.terminal == "A"]
    taker.adopt(end_ns, [carried])
    w = taker.terminals.row["A"]
    mine = tracker.terminals.rows.errors[tracker.terminals.row["A"]]
    np.testing.assert_array_equal(taker.terminals.rows.errors[w, : at.E_WEIGHT + 1], mine[: at.E_WEIGHT + 1])
