"""The chance that a detection shows the end, against simulated bodies of which it is known."""

import numpy as np
import pytest

from petroroad.commissioning.faces import by_lambert, end_chance


def test_lambert_is_the_share_of_the_faces_powers():
    along = np.array([1.0, np.cos(np.radians(45.0)), 0.0])
    assert by_lambert(along, np.full(3, 12.0)).tolist() == pytest.approx([0.0, 12.0 / 14.5, 1.0])


@pytest.mark.parametrize("shows", [0.0, 0.5, 1.0])  # of Lambert's flanks: smooth to rough bodies
def test_the_chance_is_calibrated(shows):
    rng, n = np.random.default_rng(5), 4_000
    length, angle = rng.uniform(9.0, 17.0, n), rng.uniform(0.0, 0.3, n)
    flank = by_lambert(np.cos(angle), length)
    is_flank = rng.random(n) < shows * flank
    end_m = -0.42 * length
    ahead = np.where(is_flank, rng.uniform(-0.5, 0.5, n) * length, end_m + 0.6 * rng.normal(size=n))
    left = np.where(is_flank, 1.25, 0.0) + 0.5 * rng.normal(size=n)
    chance = end_chance(ahead, left, end_m, np.ones(n), flank, length)
    for low, high in ((0.0, 0.1), (0.9, 1.0 + 1e-9)):
        of = (chance >= low) & (chance < high)
        if of.sum() > 50:
            assert abs(np.mean(~is_flank[of]) - np.mean(chance[of])) < 0.05
    assert np.mean(chance) == pytest.approx(np.mean(~is_flank), abs=0.03)
