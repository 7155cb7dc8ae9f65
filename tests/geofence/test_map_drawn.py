"""Maps drawn at random, right ones and ones with a fault in them: what `map check` says of them."""

import numpy as np
import pytest

from geofence.map.roadmap import load_map
from tests.support.drawn.judging import complaint, faults_of
from tests.support.drawn.maps import right_map
from tests.support.drawn.wrong import Copy
from tests.support.drawn.wrong_lanes import SHAPES
from tests.support.drawn.wrong_places import PLACES
from tests.support.drawn.wrong_values import VALUES

ALL = SHAPES | VALUES | PLACES
SEEDS = 40  # of which each fault is tried on some
LONG_SEEDS = 400


@pytest.mark.parametrize(
    "seed", [*range(8), *(pytest.param(s, marks=pytest.mark.long) for s in range(8, 300))]
)
def test_a_right_map_has_no_fault_and_loads(seed):
    drawn = right_map(seed)
    assert [fault.text for fault in faults_of(drawn.text)] == []
    assert len(load_map(drawn.text, drawn.sheet.frame).lanes) == len(drawn.sheet.boundaries)


@pytest.mark.parametrize("name", ALL)
def test_a_fault_in_a_drawn_map_is_named_at_its_place_and_nothing_else(name):
    tried, seed = judge_some(name, range(SEEDS), wanted=1)
    assert tried, f"no map of {seed} seeds can have it"


@pytest.mark.long
@pytest.mark.parametrize("name", ALL)
def test_a_fault_is_named_in_many_drawn_maps(name):
    tried, _ = judge_some(name, range(SEEDS, LONG_SEEDS), wanted=60)
    assert tried >= 10


def judge_some(name, seeds, wanted):
    """Put a fault into maps until `wanted` can have it; return how many could, and how many were drawn."""
    tried = 0
    for seed in seeds:
        drawn = right_map(seed, small=True)
        wrong = ALL[name](np.random.default_rng([seed, len(name)]), Copy(drawn))
        if wrong is not None:
            tried += 1
            assert complaint(drawn, wrong) == "", f"seed {seed}"
        if tried == wanted:
            break
    return tried, len(seeds)
