"""The rivals' scenes and their score, against brute force."""

import itertools
import math

import numpy as np
import pytest

from benchmarks.fusion import filterpy_gnn, late, ours
from benchmarks.fusion.scenes import CUTOFF_M, FIRST_SCORED, Tracked, score
from benchmarks.fusion.traffic import KINDS, N_LANES, N_VEHICLES, scene_of


@pytest.mark.parametrize("kind", KINDS)
def test_vehicles_of_a_lane_keep_their_order_and_a_distance(kind):
    scene = scene_of(KINDS[kind], 3, KINDS[kind].n_scans)
    along = scene.truth_m[:, :, 0].reshape(-1, N_LANES, N_VEHICLES // N_LANES)
    assert np.diff(along, axis=2).min() > 4.0


def test_equal_seeds_give_equal_scenes_and_others_do_not():
    one, same, other = (scene_of(KINDS["easy"], seed, 12) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one.range_m, same.range_m, strict=True))
    assert not np.array_equal(one.truth_m, other.truth_m)


def gospa_by_brute_force(truth, places):
    """The definition with alpha 2: over all partial matchings."""
    best = math.inf
    for n in range(min(len(truth), len(places)) + 1):
        for rows in itertools.combinations(range(len(truth)), n):
            for columns in itertools.permutations(range(len(places)), n):
                squares = sum(
                    min(np.linalg.norm(truth[i] - places[j]), CUTOFF_M) ** 2
                    for i, j in zip(rows, columns, strict=True)
                )
                best = min(best, squares + CUTOFF_M**2 / 2.0 * (len(truth) + len(places) - 2 * n))
    return math.sqrt(best)


@pytest.mark.parametrize("seed", range(20))
def test_gospa_is_the_least_over_all_matchings(seed):
    rng = np.random.default_rng(seed)
    scene = scene_of(KINDS["easy"], 1, FIRST_SCORED + 1)
    scene.truth_m.resize((FIRST_SCORED + 1, 4, 2), refcheck=False)
    scene.truth_m[:] = rng.uniform(0.0, 12.0, (4, 2))
    n = int(rng.integers(0, 5))
    places = rng.uniform(0.0, 12.0, (n, 2))
    steps = FIRST_SCORED + 1
    made = Tracked([list(range(n))] * steps, [places] * steps, [1.0] * steps)
    assert score(scene, made).gospa_m == pytest.approx(gospa_by_brute_force(scene.truth_m[0], places))


def test_a_new_id_is_a_switch_and_a_vehicle_that_is_lost_for_a_while_is_none():
    scene = scene_of(KINDS["easy"], 1, FIRST_SCORED + 6)
    ids = [list(range(N_VEHICLES)) for _ in scene.truth_m]
    places = [place.copy() for place in scene.truth_m]
    ids[FIRST_SCORED + 2][4] = 99  # and back: two switches
    places[FIRST_SCORED + 4][7] += 100.0
    found = score(scene, Tracked(ids, places, [1.0] * len(ids)))
    assert found.switches == 2
    assert found.missed == pytest.approx(1 / 6)


@pytest.mark.parametrize("run", [ours.track, filterpy_gnn.track], ids=["ours", "filterpy"])
def test_every_tracker_finds_all_vehicles_of_easy_traffic(run):
    found = score(scene := scene_of(KINDS["easy"], 5, 40), run(scene))
    assert found.missed < 0.1
    assert found.false < 0.1
    assert found.located_m < 0.5


def test_late_scans_leave_the_error_as_it_is_to_the_last_bit():
    exact, dropped = late.lines(4)
    assert exact.ratio == 1.0
    assert dropped.value > exact.value
