"""Ten trucks that radar and terminals see, three that only radar sees: all of them, in every frame.

A fusion that matches by distance and drops what it cannot match kept half of the three.
"""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from tests.support.fusion_world import Vehicle, World, pose

RADARS = [pose("R", 0.0, -20.0, 0.0, range_m_max=700.0), pose("S", 600.0, 30.0, np.pi, range_m_max=700.0)]
CONFIRMED_STEPS, STEPS = 50, 120  # of 50 ms
NEAR_M = 5.0


def vehicles(rng):
    """Thirteen vehicles in three lanes, at least 30 m apart; ten have terminals of random names."""
    order = rng.permutation(13)
    names = rng.choice(10**9, size=10, replace=False)
    found = [
        Vehicle(
            s_m=60.0 + 40.0 * slot + rng.uniform(0.0, 10.0),
            d_m=3.75 * (slot % 3),
            speed_mps=rng.uniform(14.0, 15.0),
            terminal=f"13{names[i]:09d}" if i < 10 else None,
        )
        for i, slot in enumerate(order.tolist())
    ]
    return [found[i] for i in rng.permutation(13).tolist()]


def missed(world):
    """How many vehicles have no track of their own, by SciPy's assignment of all to all."""
    places = world.tracker.at(world.now_ns).x[:, :2]
    distance = np.linalg.norm(world.truth[:, None, :2] - places[None], axis=2)
    row, column = linear_sum_assignment(np.minimum(distance, 10.0 * NEAR_M))
    return len(distance) - int((distance[row, column] < NEAR_M).sum())


SEEDS = [*range(10), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(10, 200))]


@pytest.mark.parametrize("seed", SEEDS)
def test_ten_reporting_and_three_silent_trucks_are_in_every_frame(seed):
    world = World(vehicles(np.random.Generator(np.random.Philox(seed))), RADARS, seed)
    for step in range(STEPS):
        world.step()
        if step >= CONFIRMED_STEPS:
            assert missed(world) == 0, f"after {step} steps"
