"""A terminal's error that moves is no departure: against a sum by hand, by trucks, carried and over again."""

import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from benchmarks.lane_departure import shifts as trucks
from benchmarks.lane_departure.crossing import COURSES
from benchmarks.lane_departure.drivers import honest
from core.arrays import F1
from core.kernel import kernel
from geofence.carry import CarriedDrift, _carried_drift, _drift_row
from geofence.crossing import (
    BASE_RAD,
    COPIED_M,
    COPIED_P,
    COPIED_SHARE,
    COURSE_S,
    DRIVEN,
    JERK_MPS3,
    LOOK_S,
    SCALE_P,
    WAY,
    WILD_P,
    WILD_RAD,
)
from geofence.map_changes import MapChanges
from geofence.rules import GRADED, MEASURED, REGISTRY
from geofence.scales import STEP_P
from geofence.shifts import (
    CALM_FOR_S,
    LEAVES_MPS,
    OF_CLAIM,
    OF_COURSE,
    OF_VAR,
    P_SHIFT,
    SHIFT_M,
    shift_odds,
    weigh_fix,
)
from geofence.state import (
    CALM_S,
    CLAIM_USED,
    CLEAR_S,
    COURSE_OFF,
    COURSE_SCALES,
    DOUBTED,
    EVIDENCE,
    HINT,
    MOVED_M,
    MOVED_S,
    N_DRIFT,
    ONSET,
    SCALES,
    STEP_M,
    State,
)
from tests.geofence.test_crossing import NS, T0_NS, drives
from tests.support.geofence_world import World, batch

FREE_M, SPAN_M, SPEED_MPS = 0.625, 1.875, 16.0


@kernel
def weigh_all(
    offsets_m: F1, slips_mps: F1, speeds_mps: F1, steps_s: F1, row: F1, evidence: F1, moved_s: F1
) -> None:
    """Weigh fixes (n,) with an error of 0.2 m that lasts 4 s; fill moved_s (n,) with MOVED_S of each."""
    for k in range(offsets_m.shape[0]):
        across = offsets_m[k], SPAN_M, FREE_M
        weigh_fix(across, (0.2, 4.0), (speeds_mps[k], slips_mps[k]), steps_s[k], row, evidence)
        moved_s[k] = row[MOVED_S]


def moved(offsets_m, slips_mps=None, dt_s=1.0, row=None, speeds_mps=None):
    """Return MOVED_S after each fix, and the row."""
    row = np.zeros(N_DRIFT) if row is None else row
    row[CLAIM_USED] = 1.0
    offsets_m = np.asarray(offsets_m, dtype=np.float64)
    n = len(offsets_m)
    slips_mps = np.zeros(n) if slips_mps is None else slips_mps
    speeds_mps, seen = np.full(n, SPEED_MPS) if speeds_mps is None else speeds_mps, np.zeros(n)
    weigh_all(offsets_m, slips_mps, speeds_mps, np.full(n, dt_s), row, np.ones(EVIDENCE), seen)
    return seen, row


def by_hand(moved_m, way_m, age_s, error, dt_s, row):
    """Oracle: SciPy's densities of what the places and the course show, summed over all scales."""
    sigma_m, tau_s = error
    motion, fresh = (LEAVES_MPS * age_s) ** 2, 2.0 * (1.0 - math.exp(-age_s / tau_s))
    look = 2.0 * (1.0 - math.exp(-LOOK_S / tau_s))
    rest = row[OF_VAR] * (SPEED_MPS * age_s) ** 2 + (JERK_MPS3 * dt_s**3 / 12.0) ** 2 * age_s / dt_s
    totals = []
    for by_m in (0.0, SHIFT_M):
        total = 0.0
        for m in range(SCALES):
            p, sigma2 = STEP_P**m * math.exp(row[OF_CLAIM + m]), sigma_m**2 * 2.0**m
            places = fresh * sigma2 + by_m**2
            for k in range(COURSE_SCALES - 1):
                course = (BASE_RAD * SPEED_MPS) ** 2 * 2.0**k * age_s * max(dt_s, COURSE_S) + rest
                of_k = SCALE_P**k * math.exp(row[OF_COURSE + k])
                cov = [[motion + places, motion], [motion, motion + course]]
                total += p * of_k * multivariate_normal.pdf([moved_m, way_m], cov=cov)
            copied_m = math.sqrt(COPIED_M**2 + rest + COPIED_SHARE * look * sigma2)
            own = COPIED_P * math.exp(row[OF_COURSE + COURSE_SCALES - 1])
            own *= norm.pdf(way_m - moved_m, scale=copied_m)
            own += WILD_P * norm.pdf(way_m, scale=WILD_RAD * SPEED_MPS * age_s)
            total += p * own * norm.pdf(moved_m, scale=math.sqrt(motion + places))
        totals.append(total)
    return math.log(P_SHIFT * totals[1] / totals[0])


def test_the_odds_are_those_of_a_sum_by_hand():
    rng = np.random.default_rng(3)
    for _ in range(30):
        row = np.zeros(N_DRIFT)
        row[OF_VAR] = rng.uniform(0.0, 1e-5)
        row[OF_CLAIM + 1 : OF_CLAIM + SCALES] = -rng.uniform(0.0, 6.0, SCALES - 1)
        row[OF_COURSE : OF_COURSE + COURSE_SCALES] = -rng.uniform(0.0, 6.0, COURSE_SCALES)
        moved_m, way_m, age_s, dt_s = *rng.normal(0.0, 1.2, 2), rng.uniform(0.5, 9.0), rng.choice([0.1, 1.0])
        got = shift_odds(moved_m, way_m, age_s, (0.3, 4.0), SPEED_MPS, dt_s, row)
        assert got == pytest.approx(by_hand(moved_m, way_m, age_s, (0.3, 4.0), dt_s, row), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("course", ["good", "degrees"])
@pytest.mark.parametrize("hz", [1, 10])
def test_where_the_course_is_a_second_witness_hardly_anybody_is_accused_of_an_error_that_moves(course, hz):
    for sigma_m, tau_s in ((0.1, 4.0), (0.3, 4.0), (0.4, 20.0)):
        for shift in ((1.0, 3.0), (1.8, 0.0), (1.8, 3.0), (3.0, 6.0)):
            got = trucks.summary(trucks.trucks(honest(sigma_m, tau_s), COURSES[course], hz, shift, 30))
            assert got.accused <= 1, (sigma_m, shift)
            if sigma_m == 0.1 and shift[0] > 1.0:
                assert got.undecidable > 0.9


def test_without_a_course_a_jump_that_no_vehicle_can_make_accuses_nobody():
    for by_m in (1.0, 1.8, 3.0):
        found = trucks.trucks(honest(0.3, 4.0), trucks.SHIFTED["none"], 10, (by_m, 0.0), 30)
        assert trucks.summary(found).accused == 0, by_m


@pytest.mark.parametrize("course", ["good", "degrees"])
def test_who_leaves_his_lane_is_found_as_before(course):
    for hz, sigma_m, tau_s in ((1, 0.2, 4.0), (10, 0.4, 20.0), (10, 0.1, 4.0)):
        still = trucks.summary(trucks.trucks(honest(sigma_m, tau_s), COURSES[course], hz, (0.0, 1.0), 40))
        assert still.found >= 0.95
        assert still.accused == 0


def test_an_error_that_is_back_is_over_at_once_and_one_that_stays_when_the_place_is_in_the_lane_for_long():
    out = [0.0] * 30 + [1.8] * 15
    seen, row = moved([*out, 0.0, 0.0])
    assert (seen[30:45] > 0.0).all()
    assert seen[45] == row[MOVED_M] == 0.0
    for k in (0, 1):  # a place inside that is not where it was: only the time says so
        seen, _ = moved([*[0.0] * 30, *[1.8] * 15, *[0.6 - 1e-3 * k] * 30])
        assert (seen[45 : 45 + int(CALM_FOR_S) - 1] > 0.0).all()
        assert seen[45 + int(CALM_FOR_S)] == 0.0


def test_one_wild_fix_is_undecidable_and_no_more():
    seen, _ = moved([*[0.0] * 30, 4.0, *[0.0] * 5])
    assert seen[30] > 0.0
    assert not seen[31:].any()


def test_an_error_that_moved_is_handed_over_and_outlives_other_lanes():
    _, row = moved([0.0] * 30 + [1.8] * 5)
    carried = _carried_drift(row.tolist())
    assert _drift_row(carried)[STEP_M:] == row[STEP_M:].tolist()
    assert row[MOVED_S] > 0.0
    n = len(carried.shift)
    for damaged in ((math.nan,) * n, carried.shift[1:], (-1.0,) * n, (1e9,) * n):
        assert not any(_drift_row(CarriedDrift(shift=damaged))[STEP_M:])
    state = State([rule.name for rule in REGISTRY], MEASURED, GRADED)
    of_state = state.row(1)
    state.flags[of_state, HINT], state.drift[of_state] = 1.0, row
    state.change_lanes(MapChanges(np.array([0], dtype=np.int32), np.array([True]), frozenset()))
    assert (
        state.drift[of_state, [MOVED_S, MOVED_M, CALM_S]].tolist() == row[[MOVED_S, MOVED_M, CALM_S]].tolist()
    )


def test_a_truck_whose_error_moved_is_undecidable_here_and_at_the_neighbour():
    """It keeps its lane; from the 40th fix on its place is 1.8 m beside, as its course does not say."""
    world, rng, error_m, keep = World(), np.random.default_rng(6), 0.0, math.exp(-1.0 / 20.0)
    other, seen = World(esn="RSU-2"), []
    changes = {"bias": 0.1, "gnss_bias": 0.1}
    for k in range(60):
        if k == 50:
            other.monitor.adopt(world.monitor.carry([1]))
            world = other
        error_m = keep * error_m + 0.1 * math.sqrt(1.0 - keep * keep) * rng.normal()
        at_m = error_m - (1.8 if k >= 40 else 0.0)
        drives(world, k, 0.0, at_m, 0.0, **changes)
        vehicle = {
            "east": 50.0 + 12.0 * k, "north": -7.625 + at_m, "fix": True, "radar_age_s": np.inf,
            "enforcing_age_s": np.inf, "gnss_age_s": 0.0, "sigma": 0.02, "tau": 20.0,
        } | changes  # fmt: skip
        seen.append(
            bool(world.monitor.locate(batch(T0_NS + k * NS, vehicle), world.terminals).undecidable[0])
        )
    assert not any(seen[35:40])
    assert all(seen[40:])
    assert world.of("lane_departure") == []


def steady(n, sigma_m, seed):
    """Return an AR(1) error (n,) that lasts 4 s, seen each second."""
    rng, keep = np.random.default_rng(seed), math.exp(-1.0 / 4.0)
    errors_m = [sigma_m * rng.normal()]
    while len(errors_m) < n:
        errors_m.append(keep * errors_m[-1] + sigma_m * math.sqrt(1.0 - keep * keep) * rng.normal())
    return np.array(errors_m)


def test_a_course_that_comes_late_is_not_taken_to_be_mounted_straight():
    """For 20 s it is too slow for a course; then its antenna turns out to be half a degree off."""
    for seed in range(5):
        speeds_mps = np.where(np.arange(50) < 20, 4.0, SPEED_MPS)
        slips_mps = speeds_mps * (math.radians(0.5) + 0.003 * np.random.default_rng(seed).normal(size=50))
        seen, _ = moved(steady(50, 0.2, seed), slips_mps, speeds_mps=speeds_mps)
        assert not seen.any(), seed


def test_one_course_that_is_missing_does_not_say_that_who_leaves_stays():
    for slip_mps in (0.4, math.nan):
        slips_mps = np.array([0.0] * 30 + [slip_mps, 0.8])
        _, row = moved([0.0] * 30 + [0.4, 1.2], slips_mps)
        assert row[DOUBTED] == 0.0


def test_who_brakes_takes_off_what_lasts_of_his_course_by_the_way_he_drove():
    speeds_mps = np.concatenate([np.full(45, 20.0), 20.0 - 1.5 * np.arange(1, 8)])
    _, row = moved(np.zeros(52), speeds_mps * 0.0087, speeds_mps=speeds_mps)
    assert row[ONSET + WAY] - row[ONSET + DRIVEN] * row[COURSE_OFF] == pytest.approx(0.0, abs=0.1)


def test_one_place_in_the_lane_after_a_gap_is_not_ten_seconds_of_it():
    seen, row = moved([0.0] * 30 + [1.8] * 6)
    assert seen[-1] > 0.0
    seen, _ = moved([0.5], dt_s=12.0, row=row)
    assert seen[-1] > 0.0


def test_a_hold_and_a_proof_of_the_place_before_it_moved_are_dropped():
    evidence, row = np.ones(EVIDENCE), np.zeros(N_DRIFT)
    row[CLAIM_USED] = 1.0
    offsets_m = np.array([0.0] * 30 + [1.8])
    n = len(offsets_m)
    weigh_all(offsets_m, np.zeros(n), np.full(n, SPEED_MPS), np.ones(n), row, evidence, np.zeros(n))
    assert not evidence[:CLEAR_S].any()
