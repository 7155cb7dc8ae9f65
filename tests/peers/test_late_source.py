"""One truck at 22 m/s, one of its two sources late: one track, not two that are a lateness apart."""

import math

import numpy as np
import pytest

from fusion.config import FusionConfig, Terminal
from fusion.tracker import Tracker
from tests.support.fusion_world import T0_NS, fix, pose, scan

MS = 1_000_000
SPEED_MPS = 22.0
PERIOD_MS = 100
RADARS = [
    pose("R", 0.0, -20.0, 0.0, range_m_max=400.0),
    pose("S", 380.0, 15.0, math.pi, range_m_max=400.0),
]
LATE_MS = [0, 50, 100, 150, 300]
CONFIRMED_MS, BOUND_MS, END_MS = 1_500, 4_000, 9_000


def state(t_ms):
    return np.array([[60.0 + SPEED_MPS * t_ms / 1e3, 2.0, SPEED_MPS, 0.0]])


def tracks_over_time(arrivals):
    """Fuse (arrival ms, observation) in order; return (ms, number of tracks shown) at each tick."""
    tracker = Tracker(FusionConfig(), RADARS, [Terminal(terminal="T", length_m=14.0)], id_base=0)
    waiting, shown, ids = sorted(arrivals, key=lambda row: row[0]), [], set()
    for t_ms in range(0, END_MS, PERIOD_MS):
        while waiting and waiting[0][0] <= t_ms:
            at_ms, seen = waiting.pop(0)
            tracker.step(T0_NS + at_ms * MS, seen)
        tracker.tick(T0_NS + t_ms * MS)
        tracks = tracker.at(T0_NS + t_ms * MS)
        shown.append((t_ms, len(tracks)))
        if t_ms >= BOUND_MS:
            ids.update(tracks.track.tolist())
    return shown, ids


def scans(radar, late_ms, rng, phase_ms):
    return [
        (t_ms + late_ms + 5, scan(radar, T0_NS + t_ms * MS, state(t_ms), rng.normal(size=(1, 3))))
        for t_ms in range(phase_ms, END_MS, PERIOD_MS)
    ]


@pytest.mark.parametrize("late_ms", LATE_MS)
def test_a_late_radar_beside_one_in_time_is_one_track(late_ms):
    rng = np.random.Generator(np.random.Philox(late_ms))
    shown, ids = tracks_over_time(scans(RADARS[0], 0, rng, 10) + scans(RADARS[1], late_ms, rng, 35))
    assert {n for t_ms, n in shown if t_ms >= CONFIRMED_MS} == {1}
    assert len(ids) == 1


@pytest.mark.parametrize("late_ms", LATE_MS)
@pytest.mark.parametrize("late_source", ["radar", "terminal"])
def test_a_late_radar_or_terminal_beside_the_other_is_one_track(late_source, late_ms):
    rng = np.random.Generator(np.random.Philox(late_ms))
    of_radar, of_terminal = (late_ms, 0) if late_source == "radar" else (0, late_ms)
    fixes = []
    for t_ms in range(20, END_MS, 2 * PERIOD_MS):
        east, north = state(t_ms)[0, :2] + 0.3 * rng.normal(size=2)
        message = fix("T", T0_NS + t_ms * MS, east, north, speed_mps=SPEED_MPS, heading_rad=0.0, sigma_m=0.5)
        fixes.append((t_ms + of_terminal + 5, message))
    shown, ids = tracks_over_time(scans(RADARS[0], of_radar, rng, 10) + fixes)
    assert {n for t_ms, n in shown if t_ms >= BOUND_MS} == {1}
    assert len(ids) == 1
