"""The look-up of strips by their grid, against a search over all of them."""

import numpy as np
import pytest

from geofence.map.cells import cell_of
from geofence.map.frames import SiteFrame
from geofence.map.grid import one_cell
from geofence.map.roadmap import load_map
from geofence.map.ruling import pair
from geofence.near import NEAR_MAX, find_near
from tests.support.geofence_world import lane, map_text

FRAME = SiteFrame(122.0, 41.0)
LANE_M = 3.75


def arc(radius_m, step_m, offset_m):
    """A left turn of half a circle, as seen in driving direction `offset_m` to the right of the axis."""
    angle = np.linspace(0.0, np.pi, max(3, int(np.pi * radius_m / step_m)))
    out_m = radius_m + offset_m
    return np.column_stack([out_m * np.sin(angle), radius_m - out_m * np.cos(angle)])


@pytest.mark.parametrize(("radius_m", "step_m"), [(40.0, 2.0), (40.0, 9.0), (400.0, 3.0), (3_000.0, 200.0)])
def test_the_grid_names_every_quad_that_a_place_lies_between_the_rails_of(radius_m, step_m):
    lanes = [
        lane(f"l{i}", arc(radius_m, step_m, LANE_M * (i - 1)), arc(radius_m, step_m, LANE_M * i))
        for i in range(3)
    ]
    strips = load_map(map_text(lanes), FRAME).strips
    n = len(strips.quads)
    everything = strips._replace(grid=one_cell(-1e5, 2e5, n))
    rng, near = np.random.default_rng(3), np.zeros((2, NEAR_MAX, 4))
    start, hits = strips.grid.start, 0
    turns, aways_m = rng.uniform(-0.05, np.pi + 0.05, 3_000), rng.uniform(-24.0, 24.0, 3_000)
    for turn, away_m in zip(turns, aways_m, strict=True):
        out_m = radius_m + away_m
        place = out_m * np.sin(turn), radius_m - out_m * np.cos(turn)
        cell = cell_of.py_func(*place, strips.grid)
        items = (start[cell], start[cell + 1]) if cell >= 0 else (0, 0)
        found, wanted = (
            find_near(*place, *items, strips, near[0]),
            find_near(*place, 0, n, everything, near[1]),
        )
        assert found == wanted
        order = [np.lexsort(rows[:found, ::-1].T) for rows in near]
        np.testing.assert_array_equal(near[0][order[0]], near[1][order[1]])
        hits += found
    assert hits > 3_000


def test_vertices_across_from_each_other_but_for_rounding_make_one_rail():
    """Feet of vertices lie beside vertices of the other side: rails a micrometre apart have no way."""
    at = np.arange(0.0, 101.0, 10.0)
    left = np.vstack([np.column_stack([at, np.full(11, 4.0)]), [[130.0, 9.0], [135.0, 11.0]]])
    right = np.vstack([np.column_stack([at + 1.1e-6, np.zeros(11)]), [[136.0, 6.0]]])
    for first, second in ((left, right), (left * [1, -1], right * [1, -1])):
        both = pair(first, second)
        assert np.hypot(*np.diff((both[0] + both[1]) / 2, axis=0).T).min() > 1e-3
        for whole, side in zip((first, second), both, strict=True):
            assert all(np.hypot(*(side - vertex).T).min() < 1e-5 for vertex in whole)
