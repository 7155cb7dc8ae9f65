"""Stations on an axis: the search with NumPy finds what the compiled one does, to the bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geofence.map import axis as axes
from geofence.map.axis import compile_axis
from geofence.map.axis_kernels import compiled
from geofence.map.cells import cell_of
from geofence.map.grid import cells_of


def winding(rng, n, turn):
    """An axis of n points that turns by up to `turn` at each, and may come near itself."""
    heading, step_m = np.cumsum(rng.uniform(-turn, turn, n)), rng.uniform(1.0, 120.0, n)
    return compile_axis(
        "r", 500.0, np.cumsum(np.c_[step_m * np.cos(heading), step_m * np.sin(heading)], axis=0)
    )


@given(
    n=st.integers(2, 300), turn=st.floats(0.0, 1.5), reach_m=st.sampled_from([3.0, 40.0, 300.0, 3e4, 1e6]),
    seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_both_searches_find_the_same_stations_at_any_distance(n, turn, reach_m, seed):
    rng = np.random.default_rng(seed)
    axis = winding(rng, n, turn)
    places = axis.points[rng.integers(0, len(axis.points), 60)] + rng.normal(0.0, reach_m, (60, 2))
    places[7], places[8, 0], places[9, 1] = np.nan, np.inf, -np.inf
    plain, fast = axis.station_of(*places.T), compiled(axis).station_of(*places.T)
    np.testing.assert_array_equal(plain, fast)


def test_one_place_has_the_station_that_it_has_among_others():
    axis = winding(np.random.default_rng(3), 50, 0.4)
    places = axis.points[::5] + np.array([7.0, -11.0])
    together = np.column_stack(axis.station_of(*places.T)).tolist()
    assert [list(axis.station_at(*place)) for place in places.tolist()] == together
    assert [list(compiled(axis).station_at(*place)) for place in places.tolist()] == together


def test_no_places_have_no_stations():
    s, offset = winding(np.random.default_rng(3), 50, 0.4).station_of(np.zeros(0), np.zeros(0))
    assert (len(s), len(offset)) == (0, 0)


def test_more_places_than_memory_is_given_for_are_searched_in_parts(monkeypatch: pytest.MonkeyPatch):
    axis = winding(np.random.default_rng(4), 200, 0.4)
    places = axis.points + np.array([5_000.0, 9_000.0])
    want = axis.station_of(*places.T)
    monkeypatch.setattr(axes, "PAIRS_MAX", 3 * int(axis.segments.tree.first[1]))
    np.testing.assert_array_equal(axis.station_of(*places.T), want)


def test_many_places_are_in_the_cells_that_one_place_is_in():
    rng = np.random.default_rng(5)
    grid = winding(rng, 100, 0.4).segments.grid
    places = rng.uniform(-3_000.0, 8_000.0, (5_000, 2))
    places[0], places[1] = np.nan, np.inf
    cells = cells_of(*places.T, grid)
    assert (cells >= 0).any()
    assert cells.tolist() == [cell_of.py_func(*place, grid) for place in places]
