"""The exact axis against Shapely and its own inverse."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from sim.alignment import alignment_of
from sim.road import road_of
from tests.support.sim_world import panjin

CORNERS = [(0.0, 0.0), (1_000.0, 0.0), (1_000.0, 1_000.0), (2_500.0, 1_200.0)]
AXIS = alignment_of(CORNERS, [0.0, 300.0, 500.0, 0.0])


def test_arc_touches_both_tangents_where_geometry_says() -> None:
    # a right angle with radius 300: from 300 before the corner to 300 beyond it, a quarter of a circle
    east, north, heading = AXIS.at(np.array([700.0, 700.0 + 300.0 * np.pi / 2]), np.zeros(2))
    np.testing.assert_allclose([east, north], [[700.0, 1_000.0], [0.0, 300.0]], atol=1e-9)
    np.testing.assert_allclose(heading, [0.0, np.pi / 2], atol=1e-12)


def test_length_is_that_of_a_dense_line() -> None:
    east, north, _ = AXIS.at(np.linspace(0.0, AXIS.length_m, 200_001), np.zeros(200_001))
    assert shapely.LineString(np.column_stack([east, north])).length == pytest.approx(AXIS.length_m, abs=1e-5)
    assert (east[-1], north[-1]) == pytest.approx(CORNERS[-1], abs=1e-9)


@given(s=st.floats(0.0, AXIS.length_m), d=st.floats(-60.0, 60.0), off_m=st.floats(-20.0, 20.0))
def test_station_and_offset_come_back(s: float, d: float, off_m: float) -> None:
    east, north, _ = AXIS.at(np.array([s]), np.array([d]))
    back_s, back_d = AXIS.of(east, north, np.array([s + off_m]))
    assert abs(back_s[0] - s) < 1e-6
    assert abs(back_d[0] - d) < 1e-6


def test_an_arc_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        alignment_of(CORNERS, [0.0, 1_200.0, 500.0, 0.0])


def test_the_panjin_axis_is_the_waypoints_one() -> None:
    axis = road_of(panjin()).axis
    assert axis.length_m == pytest.approx(40_053.2, abs=1.0)  # what the waypoints file states
    assert 1 / np.abs(axis.curvature_pm).max() == pytest.approx(800.0)
    for s in axis.start_m[1:]:  # no kink between pieces
        _, _, heading = axis.at(np.array([s - 1e-7, s]), np.zeros(2))
        assert abs(heading[0] - heading[1]) < 1e-6, s
