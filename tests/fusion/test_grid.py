"""Near pairs on the hashed grid are those that SciPy's tree finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from fusion.grid import grid_for, near_pairs


def found(places, reach_m):
    """The pairs that the kernel finds, each once, in order."""
    n = len(places)
    pairs = np.zeros((max(n * n, 1), 2), dtype=np.int64)
    room = pairs[: max(n, 1)].copy()
    n_pairs = near_pairs(places, n, reach_m, grid_for(n), room)
    assert near_pairs(places, n, reach_m, grid_for(n), pairs) == n_pairs, "whatever the room"
    return np.unique(pairs[:n_pairs], axis=0).tolist()


@given(st.integers(0, 2**32 - 1), st.integers(0, 120), st.floats(0.5, 60.0), st.floats(1.0, 5_000.0))
def test_pairs_agree_with_scipy(seed, n, reach_m, spread_m):
    at = np.random.default_rng(seed).uniform(-spread_m, spread_m, (n, 4))
    want = cKDTree(at[:, :2]).query_pairs(reach_m, output_type="ndarray") if n else np.zeros((0, 2))
    assert found(at, reach_m) == sorted(np.sort(want, axis=1).tolist())


@pytest.mark.parametrize("n", [2, 300])  # all in one place: far more pairs than places
def test_a_crowd_in_one_place_is_found_whole(n):
    at = np.full((n, 2), 7.0)
    assert found(at, 1.0) == [[a, b] for a in range(n) for b in range(a + 1, n)]
