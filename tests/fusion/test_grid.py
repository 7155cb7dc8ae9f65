"""Near pairs on the hashed grid are those that SciPy's tree finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from fusion.grid import grid_for, near_pairs


def scratch(n):
    return grid_for(n)


@given(st.integers(0, 2**32 - 1), st.integers(0, 120), st.floats(0.5, 60.0), st.floats(1.0, 5_000.0))
def test_pairs_agree_with_scipy(seed, n, reach_m, spread_m):
    at = np.random.default_rng(seed).uniform(-spread_m, spread_m, (n, 4))
    want = cKDTree(at[:, :2]).query_pairs(reach_m, output_type="ndarray") if n else np.zeros((0, 2))
    got = near_pairs(at, reach_m, scratch(n))
    assert got.tolist() == sorted(np.sort(want, axis=1).tolist())


@pytest.mark.parametrize("n", [2, 300])  # all in one place: far more pairs than places
def test_a_crowd_in_one_place_is_found_whole(n):
    at = np.full((n, 2), 7.0)
    assert near_pairs(at, 1.0, scratch(n)).tolist() == [[a, b] for a in range(n) for b in range(a + 1, n)]
