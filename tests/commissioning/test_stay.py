"""How long a reflecting point stays is found among white noise and the drift of fixes: simulated ones."""

import math

import numpy as np
import pytest
from scipy.optimize import nnls

from petroroad.commissioning.stay import not_negative, stay_of

PERIOD_S, N = 0.05, 400


def places(stay_s: float, seed: int, staying_m: float = 0.35) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places of 40 vehicles: points that stay, white noise, fixes that drift; a tenth of the scans missed."""
    rng = np.random.default_rng(seed)
    keep = math.exp(-PERIOD_S / stay_s)
    vehicle, stamp_s, across_m = [], [], []
    for v in range(40):
        point, drift = staying_m * rng.normal(), rng.normal()
        for k in range(N):
            point = keep * point + math.sqrt(1.0 - keep * keep) * staying_m * rng.normal()
            drift += 0.2 * math.sqrt(PERIOD_S) * rng.normal()
            if rng.uniform() < 0.9:
                vehicle.append(v)
                stamp_s.append(100.0 * v + k * PERIOD_S)
                across_m.append(point + drift + 0.3 * rng.normal())
    return np.array(vehicle), np.array(stamp_s), np.array(across_m)


@pytest.mark.parametrize("stay_s", [0.2, 0.5, 1.0])
def test_the_time_that_a_point_stays_is_found(stay_s):
    found = stay_of(*places(stay_s, 3), PERIOD_S)
    assert found is not None
    assert found.stay_s == pytest.approx(stay_s, rel=0.35)
    assert found.staying_m == pytest.approx(0.35, rel=0.25)
    assert found.fresh_m == pytest.approx(0.3, rel=0.1)


def test_without_points_that_stay_or_with_few_places_no_time_is_stated():
    assert stay_of(*places(0.5, 4, staying_m=0.0), PERIOD_S) is None
    assert stay_of(*(column[:100] for column in places(0.5, 4)), PERIOD_S) is None


def test_least_squares_without_negative_parts_are_those_of_scipy():
    rng = np.random.default_rng(5)
    for _ in range(200):
        A, b = rng.normal(size=(12, 3)), rng.normal(size=12)
        x, misfit = not_negative(A, b)
        wanted, wanted_misfit = nnls(A, b)
        np.testing.assert_allclose(x, wanted, atol=1e-9)
        assert misfit == pytest.approx(wanted_misfit, abs=1e-9)
