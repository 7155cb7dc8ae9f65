"""One object is shown for a terminal and a track that most likely are one vehicle; its id goes on."""

import dataclasses

import numpy as np
import pytest

from fusion.config import FusionConfig, Terminal
from fusion.tracker import Tracker
from tests.support.fusion_world import T0_NS, fix, pose, scan

RADAR = pose("R", 0.0, -8.0, 0.0, range_m_max=900.0, sigma_azimuth_rad=0.001)
FIRST_ID = 7 << 32


def step(tracker: Tracker, k: int, *, radar: bool = True, report: bool = False, north_m: float = 0.3) -> int:
    """Drive a truck at 20 m/s for one radar period k, with or without a scan and a report of its terminal."""
    now, east = T0_NS + k * 50_000_000, 50.0 + k
    if radar:
        tracker.step(now, scan(RADAR, now, np.array([[east, 0.0, 20.0, 0.0]])))
    if report:
        tracker.step(now, fix("A", now, east, north_m, speed_mps=20.0, heading_rad=0.0))
    tracker.tick(now)
    return now


def tracker_of() -> Tracker:
    return Tracker(FusionConfig(), [RADAR], [Terminal(terminal="A", length_m=14.0)], id_base=FIRST_ID)


def test_a_truck_is_shown_once_and_named_from_its_first_report_on():
    tracker = tracker_of()
    for k in range(40):
        now = step(tracker, k, report=k == 20)
        tracks = tracker.at(now)
        if k == 19:
            lasting_m = tracks.bias_m[0]  # of the radar's pose
        if k >= 10:
            assert tracks.track.tolist() == [FIRST_ID + 1]
            assert tracks.terminal.tolist() == ([0] if k >= 20 else [-1])
    assert "identity.bound" not in tracker.counts, "one report binds nothing"
    assert 0.5 < tracks.identity_p[0] < 1.0
    assert tracks.gnss_ns[0] == T0_NS + 20 * 50_000_000, "its report counts as the vehicle's"
    assert tracks.bias_m[0] == pytest.approx(lasting_m, abs=0.02), "nothing of the report is fused"
    for k in range(40, 60):
        now = step(tracker, k, report=k == 40)
    assert tracker.counts["identity.bound"] == 1
    assert tracker.at(now).track.tolist() == [FIRST_ID + 1]
    assert tracker.at(now).length_m.tolist() == [14.0]


def test_a_truck_that_its_terminal_showed_first_keeps_that_id_when_radar_finds_it():
    tracker = tracker_of()
    seen: set[int] = set()
    for k in range(120):
        now = step(tracker, k, radar=k >= 60, report=k % 20 == 0)
        tracks = tracker.at(now)
        seen.update(tracks.track.tolist())
        assert len(tracks) <= 1
    assert len(seen) == 1
    assert tracks.radar_ns.tolist() == [now]
    assert tracks.terminal.tolist() == [0]


def test_the_terminal_s_track_goes_on_under_the_id_when_radar_loses_the_vehicle():
    tracker = tracker_of()
    for k in range(80):
        now = step(tracker, k, radar=k < 24, report=k in (20, 60))
        if k >= 20:
            assert tracker.at(now).track.tolist() == [FIRST_ID + 1]
    assert "identity.bound" not in tracker.counts
    assert tracker.at(now).terminal.tolist() == [0]


def test_a_name_is_presumed_until_it_is_bound():
    tracker = tracker_of()
    for k in range(45):
        now = step(tracker, k, report=k in (20, 40))
        if k >= 5:
            tracks = tracker.at(now)
            assert tracks.presumed.tolist() == [20 <= k < 40], k
            assert not tracks.presumed[0] or tracks.identity_p[0] <= 0.98, "one fix, and one in fifty is wild"
    assert tracks.identity_p[0] >= 0.999


def test_two_objects_are_shown_again_when_the_reports_leave_the_track():
    tracker = tracker_of()
    for k in range(200):
        now = step(tracker, k, report=k >= 20 and k % 20 == 0, north_m=0.3 if k < 40 else 12.0 + 0.1 * k)
        if k == 22:
            assert len(tracker.at(now)) == 1
    tracks = tracker.at(now)
    assert sorted(tracks.terminal.tolist()) == [-1, 0]
    radar = tracks.terminal < 0
    assert tracks.track[radar].tolist() == [FIRST_ID + 1]
    assert tracks.identity_p[radar].tolist() == [0.0]
    assert tracks.gnss_ns[radar].tolist() == [0]


@pytest.mark.parametrize("steps", [21, 45, 130])
def test_a_restored_tracker_goes_on_to_the_byte(steps):
    def go_on(tracker: Tracker, begin: int, end: int) -> None:
        for k in range(begin, end):
            step(tracker, k, radar=k % 100 < 70, report=k % 20 == 0, north_m=0.3 + 0.02 * k)

    whole, first = tracker_of(), tracker_of()
    go_on(whole, 0, 200)
    go_on(first, 0, steps)
    restored = tracker_of()
    restored.restore(first.state())
    go_on(restored, steps, 200)
    now = T0_NS + 200 * 50_000_000
    for one, other in zip(
        dataclasses.astuple(whole.at(now)), dataclasses.astuple(restored.at(now)), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(whole.store.ints, restored.store.ints)
    assert whole.counts == restored.counts
