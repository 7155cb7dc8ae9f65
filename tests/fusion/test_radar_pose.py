"""The share of a wrong pose in the told error: true over random poses, and no filter averages it."""

import math

import msgspec
import numpy as np

from fusion.config import FusionConfig
from fusion.tracker import Tracker
from tests.support.fusion_world import T0_NS, pose, scan

PLACE_M, TURN_RAD = 0.2, 0.002  # a gate between two radars does not allow for more


def worlds(n: int, *names: str):
    """Yield the last tracks of a straight drive, seen by radars whose poses are wrong by chance."""
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
        yield tracker.at(t_ns), x[0]


def squares(n: int, *names: str) -> np.ndarray:
    found = []
    for tracks, x in worlds(n, *names):
        assert len(tracks) == 1
        variance = np.diag(tracks.P[0])[:2] + tracks.bias_m[0] ** 2
        found.append((tracks.x[0, :2] - x[:2]) ** 2 / variance)
    return np.array(found)


def test_one_radars_pose_is_in_the_told_error():
    nees = squares(60, "R").mean(axis=0)
    assert 0.7 < nees.mean() < 1.4, "over both axes: the turn is across, and the told error is one for both"
    assert np.all(nees < 2.0), nees


def test_two_radars_that_take_turns_share_it():
    nees = squares(60, "R", "S").mean(axis=0)
    assert 0.6 < nees.mean() < 1.5, nees
    assert np.all(nees < 2.0), nees


def test_it_lasts():
    ((one, _),) = worlds(1, "R")
    ((other, _),) = worlds(1, "R", "S")
    assert one.bias_m[0] > PLACE_M
    assert other.bias_m[0] < one.bias_m[0]
    assert one.tau_s[0] > 10.0, "the sequential tests must not average it"
