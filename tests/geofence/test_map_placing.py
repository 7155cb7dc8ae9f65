"""Strips in the order of their places: quicker, and every answer is the same to the bit."""

import numpy as np
import pytest

from geofence.kernels import Places, locate
from geofence.located import FOUND
from geofence.map.cells import cell_of
from geofence.map.placing import by_place
from geofence.map.strips import compile_strips
from geofence.near import scratch
from tests.support.geofence_world import bend, beside, lane, road


@pytest.fixture(scope="module")
def winding():
    over = lane("X", [(60.0, -80.0), (60.0, 80.0)], [(64.0, -80.0), (64.0, 80.0)], level=1, road="over")
    return road(over, axis=bend(90.0), length_m=240.0)


def test_the_order_of_quads_changes_no_answer(winding):
    lanes = winding.lanes
    plain = compile_strips(lanes)
    placed = by_place(plain)
    assert (placed.lane != plain.lane).any()
    rng, n = np.random.default_rng(2), 4_000
    places = beside(bend(90.0), rng.uniform(-20.0, 260.0, n), rng.uniform(-30.0, 30.0, n))
    places[: n // 4] = np.vstack([row.left_boundary for row in lanes])[rng.integers(0, 40, n // 4)]
    x = np.hstack([places, rng.normal(0.0, 8.0, (n, 2))])
    asked = Places(
        x=x, P=np.tile(0.04 * np.eye(4), (n, 1, 1)), bias_m=np.zeros(n),
        hint=rng.integers(-1, len(lanes), n).astype(np.int32), mask=np.full(n, 255, np.int32),
    )  # fmt: skip
    answers = []
    for strips in (plain, placed):
        found, lane_of = np.empty((n, FOUND)), np.empty(n, np.int32)
        locate(asked, strips, winding.axis.segments, 0.05, scratch(), found, lane_of)
        answers.append((found.tobytes(), lane_of.tobytes()))
    assert answers[0] == answers[1]


def test_quads_of_one_place_are_neighbours_in_memory(winding):
    strips, apart = winding.strips, []
    for east, north in beside(bend(90.0), np.linspace(5.0, 235.0, 50), np.zeros(50)):
        cell = cell_of.py_func(east, north, strips.grid)
        items = strips.grid.items[strips.grid.start[cell] : strips.grid.start[cell + 1]]
        apart.append(np.ptp(items))
    assert np.median(apart) < len(strips.quads) / 4


def test_cells_name_fewer_quads_than_by_their_boxes(winding):
    plain, placed = compile_strips(winding.lanes).grid, winding.strips.grid
    assert len(placed.items) < 0.9 * len(plain.items)
    assert len(placed.start) == len(plain.start)
