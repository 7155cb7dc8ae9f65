"""Areas by cells and edges against GEOS."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geofence.map.areas import compile_areas


def star(seed, vertices, centre=(0.0, 0.0)):
    """A simple polygon of random radii."""
    rng = np.random.default_rng(seed)
    turn = np.sort(rng.uniform(0, 2 * np.pi, vertices))
    radius = rng.uniform(20.0, 200.0, vertices)
    return shapely.Polygon(np.column_stack([np.cos(turn), np.sin(turn)]) * radius[:, None] + centre)


@given(seed=st.integers(0, 2**32 - 1), vertices=st.integers(3, 60))
@settings(max_examples=25)
def test_areas_agree_with_shapely(seed, vertices):
    shapes = [star(seed, vertices), star(seed + 1, vertices, (60.0, 30.0))]
    shapes = [shape for shape in shapes if shape.is_valid]
    shapes.append(shapely.box(-300, -300, 300, 300) - shapely.box(-100, -100, 100, 100))  # a hole
    shapes.append(shapely.MultiPolygon([shapely.box(-50, -50, 0, 0), shapely.box(10, 10, 60, 60)]))
    east, north = np.random.default_rng(seed).uniform(-320, 320, (2, 500))
    hits = compile_areas(shapes).find(east, north)
    for number, shape in enumerate(shapes):
        np.testing.assert_array_equal((hits == number).any(axis=1), shapely.contains_xy(shape, east, north))


def test_no_areas_hold_nothing():
    assert not compile_areas([]).any(np.zeros(3), np.zeros(3)).any()


@pytest.mark.parametrize(
    ("east", "inside"), [(-1e-6, False), (1e-6, True), (99.999999, True), (100.000001, False)]
)
def test_edges_of_a_square(east, inside):
    square = compile_areas([shapely.box(0, 0, 100, 100)])
    assert square.any(np.array([east]), np.array([50.0]))[0] == inside


def test_places_far_away_and_no_numbers_are_in_nothing():
    square = compile_areas([shapely.box(0, 0, 100, 100)])
    assert not square.any(np.array([1e7, np.nan, -1e7]), np.array([5.0, 5.0, np.nan])).any()
