"""A radar's objects state bodies too short: by how much is learnt of identified vehicles."""

import numpy as np
import pytest

from fusion import layout as at
from fusion.stated_size import FACTOR_MAX, FACTOR_MIN, SURE, learn_size, length_of
from fusion.track_store import poses_of
from tests.support.fusion_world import pose

OFTEN = 28.0  # scans for which one place counts, at 14 Hz


def learnt(shares: np.ndarray, length_m: float = 14.0) -> np.ndarray:
    """Return what the radar has learnt from vehicles that it saw for ten seconds each.

    shares : of each vehicle, the length that the radar states over the true one
    """
    radars = poses_of([pose("R", 0.0, 0.0, 0.0)])
    radars[0, at.R_OFTEN] = OFTEN
    for share in shares.tolist():
        for _ in range(140):
            learn_size.py_func(radars, 0, share * length_m, length_m)
    return radars


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_lengths_are_right_in_the_mean_after_a_minute_of_traffic(seed):
    shares = np.random.default_rng(seed).uniform(0.55, 0.95, 12)
    radars = learnt(shares)
    assert length_of.py_func(radars, 0, 0.75 * 14.0) == pytest.approx(14.0, rel=0.12)


def test_a_new_radar_is_believed_and_an_absurd_size_bounds_nothing_else():
    radars = learnt(np.zeros(0))
    assert length_of.py_func(radars, 0, 12.0) == 12.0
    radars = learnt(np.full(40, 1e-3))
    assert FACTOR_MIN <= radars[0, at.R_SIZE] <= FACTOR_MAX
    assert radars[0, at.R_SIZE_N] == SURE
