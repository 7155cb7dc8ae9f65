"""What radar's misses mean: a vehicle in its sight is gone, one in a shadow is followed."""

import numpy as np
import pytest

from fusion import layout as at_column
from fusion.config import FusionConfig
from fusion.tracker import Tracker
from fusion.visibility import is_in_sight
from tests.support.fusion_world import T0_NS, pose, scan

RADAR = pose("R", 0.0, 0.0, 0.0)  # 6 m above the road
FRONT = np.array([100.0, 5.0, 20.0, 0.0])
BEHIND = np.array([130.0, 6.5, 20.0, 0.0])  # on the ray from the radar over the first one, 30 m further
FIRST_ID = 7 << 32


def at(seconds: float) -> int:
    return T0_NS + round(seconds * 1e9)


def drive(tracker: Tracker, begin_s: float, end_s: float, *vehicles: np.ndarray) -> None:
    """Show the vehicles to the radar from begin_s on, before end_s."""
    for k in range(round(begin_s * 20), round(end_s * 20)):
        t = 0.05 * k
        moved = np.array([v + t * np.array([v[2], v[3], 0.0, 0.0]) for v in vehicles]).reshape(-1, 4)
        tracker.step(at(t), scan(RADAR, at(t), moved))
        tracker.tick(at(t))


def two_tracks(front_length_m: float) -> Tracker:
    tracker = Tracker(FusionConfig(), [RADAR], [], id_base=FIRST_ID)
    drive(tracker, 0.0, 1.0, FRONT, BEHIND)
    tracks = tracker.at(at(1.0))
    assert len(tracks) == 2
    (front,) = np.flatnonzero(tracker.store.track == tracks.track[np.argmin(tracks.x[:, 0])])
    tracker.store.floats[front, at_column.LENGTH] = front_length_m
    return tracker


@pytest.mark.parametrize(
    ("front_length_m", "seen", "gap_s", "lives"),
    [
        (16.0, [FRONT], 0.6, True),
        (16.0, [FRONT], 2.5, True),  # hidden behind a lorry
        (16.0, [FRONT], 5.0, False),  # for too long: its place is no longer known
        (np.nan, [FRONT], 2.5, True),  # it may be a lorry: a miss is no evidence
        (4.5, [FRONT], 0.6, True),  # radar looks over a car: misses, but few yet
        (4.5, [FRONT], 0.9, False),  # it is in radar's sight and not there: sooner than the time-out
        (16.0, [], 0.9, False),  # a lorry that radar does not see, on a bridge, hides nobody from it
        (16.0, [FRONT - np.array([0.0, 8.0, 0.0, 0.0])], 0.9, False),  # beside the ray
    ],
)
def test_a_track_that_radar_misses_lives_while_it_is_hidden(front_length_m, seen, gap_s, lives):
    tracker = two_tracks(front_length_m)
    before = tracker.at(at(1.0))
    (behind,) = before.track[before.x[:, 0] > before.x[:, 0].mean()]
    drive(tracker, 1.0, 1.0 + gap_s, *seen)
    assert (behind in tracker.at(at(1.0 + gap_s)).track) == lives
    if lives:  # and it is the same one when it is seen again
        drive(tracker, 1.0 + gap_s, 1.5 + gap_s, FRONT, BEHIND)
        assert tracker.at(at(1.5 + gap_s)).track.tolist() == before.track.tolist()


def test_a_hidden_track_is_the_same_after_a_restart_and_a_handover():
    tracker = two_tracks(16.0)
    drive(tracker, 1.0, 2.5, FRONT)
    before = tracker.at(at(2.5)).track.tolist()
    restarted = Tracker(FusionConfig(), [RADAR], [], id_base=FIRST_ID)
    restarted.restore(tracker.state())
    taker = Tracker(FusionConfig(), [RADAR], [], id_base=FIRST_ID)
    taker.adopt(at(2.5), tracker.carry(before))
    for other in (restarted, taker):
        drive(other, 2.5, 3.0, FRONT)
        assert other.at(at(3.0)).track.tolist() == before


@pytest.mark.parametrize(("front_length_m", "found"), [(16.0, True), (4.5, False)])
def test_a_vehicle_that_is_seen_in_glimpses_is_found_behind_a_lorry(front_length_m, found):
    """One scan in four shows it. In its sight radar would see it in nearly every scan: that is clutter."""
    tracker = Tracker(FusionConfig(), [RADAR], [], id_base=FIRST_ID)
    drive(tracker, 0.0, 1.0, FRONT)
    tracker.store.floats[:, at_column.LENGTH] = front_length_m
    for k in range(20, 60):
        drive(tracker, 0.05 * k, 0.05 * (k + 1), *([FRONT, BEHIND] if k % 4 == 0 else [FRONT]))
    assert len(tracker.at(at(2.95))) == 1 + found


def test_a_glimpse_is_not_joined_with_the_next_lanes_vehicle_a_second_later():
    """It would drive aside at 8 m/s."""
    tracker = Tracker(FusionConfig(), [RADAR], [], id_base=FIRST_ID)
    drive(tracker, 0.0, 1.0, FRONT)
    tracker.store.floats[:, at_column.LENGTH] = 16.0
    drive(tracker, 1.0, 1.05, FRONT, BEHIND)
    drive(tracker, 1.05, 1.8, FRONT)
    drive(tracker, 1.8, 2.1, FRONT, BEHIND + np.array([0.0, -6.0, 0.0, 0.0]))
    found = tracker.at(at(2.05))
    assert len(found) == 2
    assert np.abs(found.x[:, 3]).max() < 4.0


def test_a_track_that_no_scan_looks_for_keeps_the_time_out():
    tracker = two_tracks(4.5)
    assert len(tracker.tick(at(1.9)).ended) == 0
    assert len(tracker.tick(at(2.0)).ended) == 2


PAIR = [pose("A", 0.0, -10.0, 3.14159, fov_rad=1.75), pose("B", 0.0, -10.0, 0.0, fov_rad=1.75)]


@pytest.mark.parametrize(
    ("speed_mps", "lives"),
    [
        (20.0, True),  # two dozen metres between the fields of the two radars take it 1.3 s
        (2.0, False),  # so long that its place is no longer known
    ],
)
def test_a_track_between_the_fields_of_a_pole_s_radars_is_the_same_beyond(speed_mps, lives):
    """Ten metres beside the pole the fields of 100 degrees leave 24 m that no radar sees."""
    tracker = Tracker(FusionConfig(), PAIR, [], id_base=FIRST_ID)
    rng = np.random.Generator(np.random.Philox(5))
    before = None
    for k in range(round((120.0 / speed_mps) * 20)):
        east_m = -60.0 + 0.05 * k * speed_mps
        truth = np.array([[east_m, 0.0, speed_mps, 0.0]])
        for radar in PAIR:
            seen = abs(np.arctan2(10.0, east_m * np.cos(radar.boresight_rad))) < radar.fov_rad / 2.0
            noise = 0.3 * rng.normal(size=(int(seen), 3))
            tracker.step(at(0.05 * k), scan(radar, at(0.05 * k), truth[: int(seen)], noise))
        tracker.tick(at(0.05 * k))
        if east_m < -20.0:
            before = tracker.at(at(0.05 * k)).track.tolist()
    after = tracker.at(at(0.05 * k)).track.tolist()
    assert len(before) == len(after) == 1
    assert (after == before) == lives


def test_a_place_is_in_sight_but_for_the_shadow_of_a_lorry_that_radar_detects():
    tracker = two_tracks(16.0)
    now, radars = at(1.0), tracker.store.settings.radars
    front, behind = np.add(FRONT, [20.0, 0.0, 0.0, 0.0]), np.add(BEHIND, [20.0, 0.0, 0.0, 0.0])
    assert not is_in_sight(tracker.store.tracks, now, radars, behind[0], behind[1])
    assert is_in_sight(tracker.store.tracks, now, radars, front[0], front[1])
    assert is_in_sight(tracker.store.tracks, now, radars, behind[0], behind[1] + 10.0)
    assert not is_in_sight(tracker.store.tracks, now, radars, -50.0, 0.0), "behind the radar"
    later = now + 500_000_000  # radar sees the lorry no more: it may have been on a bridge
    assert is_in_sight(tracker.store.tracks, later, radars, behind[0], behind[1])
