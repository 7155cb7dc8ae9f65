"""Trips drawn at random, each with its truth: permits, routes, tunnels, exits, driving time, contact."""

import numpy as np
import pytest

from tests.support.drawn.long_trips import LONG_TRIPS
from tests.support.drawn.short_runs import pairs
from tests.support.drawn.trip_world import WAYS_SEEN, complaint, run
from tests.support.drawn.trips import TRIPS

DRAWN = TRIPS | LONG_TRIPS
SHORT = {("steady", 0), ("gaps", 1), ("flicker", 2), ("seldom", 3)}


@pytest.mark.parametrize(("way_seen", "seed"), pairs(WAYS_SEEN, 12, SHORT))
@pytest.mark.parametrize("name", DRAWN)
def test_a_trip_is_summed_up_as_it_was_and_each_clear_breach_is_one_case(name, way_seen, seed):
    trip = DRAWN[name](np.random.default_rng([seed, 1]))
    seen = run(trip, np.random.default_rng([seed, 2]), way_seen)
    assert complaint(trip, seen, way_seen) == ""
