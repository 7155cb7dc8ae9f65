"""Trips drawn at random, each with its truth: permits, routes, tunnels, exits, driving time, contact."""

import numpy as np
import pytest

from tests.support.drawn.long_trips import LONG_TRIPS
from tests.support.drawn.trip_world import WAYS_SEEN, complaint, run
from tests.support.drawn.trips import TRIPS

DRAWN = TRIPS | LONG_TRIPS
SHORT = {("steady", 0), ("gaps", 1), ("flicker", 2), ("seldom", 3)}


def marked(way_seen, seed):
    """Return the pair; those that a short run leaves out are marked."""
    marks = () if (way_seen, seed) in SHORT else (pytest.mark.long,)
    return pytest.param(way_seen, seed, marks=marks)


@pytest.mark.parametrize(("way_seen", "seed"), [marked(w, n) for w in WAYS_SEEN for n in range(12)])
@pytest.mark.parametrize("name", DRAWN)
def test_a_trip_is_summed_up_as_it_was_and_each_clear_breach_is_one_case(name, way_seen, seed):
    trip = DRAWN[name](np.random.default_rng([seed, 1]))
    seen = run(trip, np.random.default_rng([seed, 2]), way_seen)
    assert complaint(trip, seen, way_seen) == ""
