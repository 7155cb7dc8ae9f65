"""The share of a wrong pose in the told error: true on each axis over random poses, and it lasts."""

import math

import msgspec
import numpy as np
import pytest

from fusion.config import FusionConfig
from fusion.handover import is_sound
from fusion.tracker import Tracker
from tests.support.fusion_world import T0_NS, pose, scan

PLACE_M, TURN_RAD = 0.2, 0.002  # a gate between two radars does not allow for more


def worlds(n: int, *names: str):
    """Yield tracks and true state at the end of straight drives, seen by radars with wrong poses."""
    for tracker, t_ns, x in drives(n, *names):
        yield tracker.at(t_ns), x


def drives(n: int, *names: str):
    """Yield tracker, time and true state at the end of each drive."""
    for seed in range(n):
        rng = np.random.default_rng(seed)
        told = [
            pose(name, 0.0 if k == 0 else 300.0, -10.0, 0.0 if k == 0 else math.pi)
            for k, name in enumerate(names)
        ]
        told = [
            msgspec.structs.replace(radar, sigma_place_m=PLACE_M, sigma_boresight_rad=TURN_RAD)
            for radar in told
        ]
        true = [
            msgspec.structs.replace(
                radar,
                east_m=radar.east_m + PLACE_M * rng.normal(),
                north_m=radar.north_m + PLACE_M * rng.normal(),
                boresight_rad=radar.boresight_rad + TURN_RAD * rng.normal(),
            )
            for radar in told
        ]
        tracker = Tracker(FusionConfig(), told, [], id_base=0)
        for k in range(100):
            t_ns = T0_NS + k * 50_000_000
            x = np.array([[80.0 + k * 0.75, 0.0, 15.0, 0.0]])
            q = k % len(names)
            tracker.step(t_ns, scan(true[q], t_ns, x, rng.normal(size=(1, 3))))
        yield tracker, t_ns, x[0]


def squares(n: int, *names: str) -> np.ndarray:
    """Return the normalised squares of the errors along and across the road (n, 2): beams look along it."""
    found = []
    for tracks, x in worlds(n, *names):
        assert len(tracks) == 1
        variance = np.diag(tracks.P[0])[:2] + tracks.bias_m[0] ** 2
        found.append((tracks.x[0, :2] - x[:2]) ** 2 / variance)
    return np.array(found)


def test_one_radars_pose_is_in_the_told_error():
    nees = squares(60, "R").mean(axis=0)
    assert np.all((nees > 0.65) & (nees < 1.45)), nees


def test_two_radars_that_take_turns_share_it():
    nees = squares(60, "R", "S").mean(axis=0)
    assert np.all((nees > 0.6) & (nees < 1.5)), nees


def test_a_turn_displaces_across_the_beam_only():
    ((tracks, _),) = worlds(1, "R")
    across = tracks.P[0, 1, 1] + tracks.bias_m[0] ** 2
    along = tracks.P[0, 0, 0] + tracks.bias_m[0] ** 2
    assert across > PLACE_M**2 + (TURN_RAD * 150.0) ** 2
    assert along < PLACE_M**2 + (TURN_RAD * 15.0) ** 2 + 0.1**2, "the radar stands 10 m beside the road"


def test_it_lasts():
    """It is no part of the filter's own error, which an average makes smaller."""
    ((one, _),) = worlds(1, "R")
    ((other, _),) = worlds(1, "R", "S")
    assert one.bias_m[0] >= PLACE_M
    assert other.bias_m[0] < one.bias_m[0]
    assert one.tau_s[0] < 1.0, "as the map's sigma it is in no tau"


def whole(tracks) -> np.ndarray:
    """Return the covariance of the first track's place, its lasting part included."""
    return tracks.P[0, :2, :2] + tracks.bias_m[0] ** 2 * np.eye(2)


def test_a_neighbour_and_a_restored_tracker_state_the_same():
    ((tracker, t_ns, _),) = drives(1, "R", "S")
    want = whole(tracker.at(t_ns))
    restored = Tracker(FusionConfig(), tracker._radars, [], id_base=0)
    restored.restore(tracker.state())
    np.testing.assert_array_equal(whole(restored.at(t_ns)), want)
    (carried,) = tracker.carry(tracker.at(t_ns).track.tolist())
    taker = Tracker(FusionConfig(), [], [], id_base=9 << 32)
    taker.adopt(t_ns, [carried])
    np.testing.assert_allclose(whole(taker.at(t_ns)), want, rtol=1e-12)


def test_a_neighbour_of_another_version_states_one_variance():
    ((tracker, t_ns, _),) = drives(1, "R")
    (carried,) = tracker.carry(tracker.at(t_ns).track.tolist())
    older = msgspec.structs.replace(carried, pose_spread_m2=())
    taker = Tracker(FusionConfig(), [], [], id_base=9 << 32)
    taker.adopt(t_ns, [older])
    want = whole(tracker.at(t_ns))
    got = whole(taker.at(t_ns))
    assert np.trace(got) == pytest.approx(np.trace(want), rel=1e-9)
    assert taker.at(t_ns).bias_m[0] ** 2 >= older.pose_m2


@pytest.mark.parametrize(
    "spread",
    [
        (0.1, 0.0),  # no covariance
        (-0.1, 0.0, 0.1),
        (0.1, 0.2, 0.1),  # not positive
        (math.nan, 0.0, 0.1),
        (0.1, 0.0, 1e30),
    ],
)
def test_what_can_be_no_covariance_is_not_adopted(spread):
    ((tracker, t_ns, _),) = drives(1, "R")
    (carried,) = tracker.carry(tracker.at(t_ns).track.tolist())
    forged = msgspec.structs.replace(carried, pose_spread_m2=spread)
    assert is_sound(carried, t_ns)
    assert not is_sound(forged, t_ns)


def test_spreads_of_the_readout_are_covariances():
    """Whatever the poses: the split into a lasting part of both axes and the rest leaves a covariance."""
    for tracker, t_ns, _ in drives(5, "R", "S"):
        assert np.linalg.eigvalsh(tracker.at(t_ns).P[0]).min() > 0.0
