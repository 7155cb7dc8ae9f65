"""The way across that a course shows: against an optimiser, what it proves, and what it must not."""

import math

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from benchmarks.lane_departure.crossing import COURSES, leaving, passed
from benchmarks.lane_departure.drivers import FAMILY, honest
from core.arrays import F1
from core.kernel import kernel
from geofence.carry import CarriedDrift, _carried_drift, _drift_row
from geofence.crossing import LEVEL_NATS, crossing_level, misfits, weigh_crossing
from geofence.map_changes import MapChanges
from geofence.rules import GRADED, MEASURED, REGISTRY
from geofence.state import (
    CLAIM_USED,
    COURSE_OFF,
    COURSE_SCALES,
    COURSE_SCORE,
    CROSSED,
    CROSSES,
    HINT,
    LOOK,
    N_DRIFT,
    State,
)
from tests.support.geofence_world import T0_NS, World

NS, FREE_M, SPAN_M, SPEED_MPS = 1_000_000_000, 0.625, 1.875, 16.0
LASTING = honest(0.4, 20.0)


@kernel
def misfits_of(
    free_m: float, ends: tuple[float, float, float], ways: tuple[float, float, float], out: F1
) -> None:
    """Fill out (2,) with what `misfits` returns."""
    out[0], out[1] = misfits(free_m, ends, ways)


@kernel
def weigh_all(offsets_m: F1, slips_mps: F1, dt_s: float, span_m: float, row: F1) -> float:
    """Weigh fixes (n,) with an error of 0.4 m that lasts 20 s; return the largest statistic."""
    most = 0.0
    for k in range(offsets_m.shape[0]):
        across = offsets_m[k], span_m, FREE_M
        most = max(most, weigh_crossing(across, (0.4, 20.0), (SPEED_MPS, slips_mps[k]), dt_s, row))
    return most


@kernel
def level(rate: float) -> float:
    """Return the level."""
    return crossing_level(rate)


def sure_row():
    """The row of a terminal whose claim is trusted."""
    row = np.zeros(N_DRIFT)
    row[CLAIM_USED] = 1.0
    return row


def test_the_best_places_are_those_that_an_optimiser_finds():
    """Oracle: SciPy's bounded least squares, on the quadratic form as a matrix."""
    rng, got = np.random.default_rng(4), np.zeros(2)
    for _ in range(300):
        then_m, now_m, way_m = rng.normal(0.0, 1.2, 3)
        keep, fresh_m2, way_m2 = rng.uniform(0.1, 0.95), rng.uniform(0.01, 0.3), rng.uniform(0.005, 0.5)
        misfits_of(FREE_M, (then_m, now_m, keep), (way_m, fresh_m2, way_m2), got)
        root = np.linalg.cholesky(np.array([[1.0, -keep], [-keep, 1.0]]) / fresh_m2).T
        A = np.vstack([root, [[-1.0 / math.sqrt(way_m2), 1.0 / math.sqrt(way_m2)]]])
        c = np.concatenate([root @ [then_m, now_m], [way_m / math.sqrt(way_m2)]])
        bounds = [([-FREE_M, -now_m_max], [FREE_M, now_m_max]) for now_m_max in (FREE_M, 1e3)]
        want = [2.0 * lsq_linear(A, c, each, method="bvls", tol=1e-14).cost for each in bounds]
        assert got == pytest.approx(want, rel=1e-6, abs=1e-9)


def test_most_departures_are_proved_behind_an_error_that_hides_the_place():
    """1.5 m for 10 s at 0.8 m/s across, an error of 0.4 m that lasts 20 s: the ramp finds one in twenty."""
    for hz, least in ((1, 0.8), (10, 0.9)):
        for name in ("good", "degrees"):
            found = leaving(LASTING, COURSES[name], hz, 60.0, 60)
            assert np.mean(found > LEVEL_NATS) >= least, (hz, name)


@pytest.mark.parametrize("name", ["copied", "copied_slow", "held", "lasting", "poor", "stuck"])
def test_a_course_that_is_no_second_witness_proves_less(name):
    own, other = (leaving(LASTING, COURSES[n], 1, 60.0, 60) for n in ("good", name))
    assert np.median(other) < np.median(own)


@pytest.mark.parametrize("driver", FAMILY)
@pytest.mark.parametrize("name", ["good", "degrees", "copied_slow", "wild", "stuck"])
def test_nobody_who_keeps_the_lane_is_accused(driver, name):
    for error in (honest(0.3, 4.0), LASTING):
        assert passed(FAMILY[driver], error, COURSES[name], 1, 3).max() < LEVEL_NATS


def test_a_way_within_the_lane_proves_nothing_however_sure_it_is():
    """From one edge of the lane to the other and back, with a place that is 0.1 m over the line."""
    t_s = np.arange(0.0, 60.0, 0.1)
    places = FREE_M * np.sin(2.0 * np.pi * t_s / 8.0)
    row = sure_row()
    weigh_all(np.zeros(600), np.zeros(600), 0.1, SPAN_M, row)
    assert weigh_all(places * (0.725 / FREE_M), np.gradient(places, 0.1), 0.1, SPAN_M, row) < 8.0


def test_a_lasting_difference_of_course_and_lane_is_no_way():
    off = math.radians(1.0) * SPEED_MPS
    row = sure_row()
    weigh_all(np.zeros(120), np.full(120, off), 1.0, SPAN_M, row)
    assert row[COURSE_OFF] == pytest.approx(math.radians(1.0), rel=0.05)
    # now on the line, with the same course
    assert weigh_all(np.full(30, FREE_M + 0.05), np.full(30, off), 1.0, SPAN_M, row) < 3.0


def test_a_course_that_is_stuck_or_wild_for_once_is_no_way():
    rng = np.random.default_rng(8)
    places = FREE_M + 0.05 * rng.normal(size=120)
    assert weigh_all(places, np.full(120, 12.0), 1.0, SPAN_M, sure_row()) < 3.0
    slips = 0.05 * rng.normal(size=120)
    for wild in (12.0, 2.0, 1.0):
        slips[[60, 61, 100]] = wild
        assert weigh_all(places, slips, 1.0, SPAN_M, sure_row()) < 6.0


def test_a_gap_other_lanes_and_a_fix_without_course_begin_anew_but_keep_what_is_known():
    for dt_s, slip, span_m in ((3.0, 0.0, SPAN_M), (1.0, math.nan, SPAN_M), (1.0, 0.0, 2.0 * SPAN_M)):
        row = sure_row()
        weigh_all(np.zeros(60), np.zeros(60), 1.0, SPAN_M, row)
        known = row[COURSE_OFF : COURSE_SCORE + COURSE_SCALES].copy()
        weigh_all(np.zeros(1), np.full(1, slip), dt_s, span_m, row)
        assert (row[COURSE_OFF : COURSE_SCORE + COURSE_SCALES] == known).all()
        assert row[CROSSES] == (0.0 if math.isnan(slip) else 1.0)
        if math.isnan(slip):
            weigh_all(np.zeros(1), np.zeros(1), dt_s, span_m, row)
        assert not row[LOOK + 3 : CROSSED : 3].any(), "ages"


def test_a_rarer_alarm_asks_for_more():
    assert level(1e-4) == LEVEL_NATS
    assert level(1e-6) > level(1e-5) > level(1e-4)


def test_what_is_carried_is_whole_or_starts_fresh():
    row = sure_row()
    weigh_all(0.3 * np.random.default_rng(1).normal(size=40), np.zeros(40), 1.0, SPAN_M, row)
    carried = _carried_drift(row.tolist())
    assert _drift_row(carried)[COURSE_OFF:] == row[COURSE_OFF:].tolist()
    n = len(carried.crossing)
    for damaged in ((math.nan,) * n, carried.crossing[1:], tuple(-v for v in carried.crossing), (1e9,) * n):
        assert _drift_row(CarriedDrift(crossing=damaged))[COURSE_OFF:] == [0.0] * (N_DRIFT - COURSE_OFF)


def test_a_course_that_stays_wrong_is_carried_as_any_other():
    """Its difference from the lane is never taken off: how well that is known must not leave its range."""
    for slip_mps in (12.0, 1.7):  # stuck; mounted 6 degrees off
        row = sure_row()
        weigh_all(np.zeros(60), np.full(60, slip_mps), 1.0, SPAN_M, row)
        assert _drift_row(_carried_drift(row.tolist()))[COURSE_OFF:] == row[COURSE_OFF:].tolist()


def test_on_a_lane_that_changed_the_onsets_begin_anew_but_what_a_course_is_worth_stays():
    state = State([rule.name for rule in REGISTRY], MEASURED, GRADED)
    rows = [state.row(1), state.row(2)]
    state.flags[rows, HINT], state.drift[rows] = [1.0, 2.0], 1.0
    state.change_lanes(MapChanges(np.array([0, 1], dtype=np.int32), np.array([True, False]), frozenset()))
    assert (state.drift[rows[0], COURSE_SCORE:CROSSES] == 1.0).all()
    assert not state.drift[rows[0], CROSSES : CROSSED + 1].any()
    assert not state.drift[rows[0], COURSE_OFF:COURSE_SCORE].any(), "it is of the lane, too"
    assert (state.drift[rows[1]] == 1.0).all()


def drives(world, k, out_m, error_m, slip_mps, **changes):
    """A truck of the eastern hazmat lane that only its fixes measure, one a second."""
    world.observe(T0_NS + k * NS, {
        "east": 50.0 + 12.0 * k, "north": -7.625 - out_m + error_m, "v_east": 12.0, "fix": True,
        "radar_age_s": np.inf, "enforcing_age_s": np.inf, "gnss_age_s": 0.0, "sigma": 0.02, "bias": 0.4,
        "tau": 20.0, "sigma_v": 0.1, "gnss_bias": 0.4, "gnss_tau": 20.0, "off": 0.0, "off_sigma": 0.1,
        "said_mps": 12.0, "said_rad": -slip_mps / 12.0,
    } | changes)  # fmt: skip


@pytest.mark.parametrize(("with_course", "found"), [(True, True), (False, False)])
def test_a_truck_that_only_fixes_measure_is_accused_by_its_course(with_course, found):
    """It drives 60 s in its lane, and leaves it within 3 s by 1.7 m, to the right."""
    world, rng, error_m, keep = World(), np.random.default_rng(6), 0.0, math.exp(-1.0 / 20.0)
    for k in range(70):
        out_m = min(max(k - 60.0, 0.0), 3.0) * 0.775
        slip = 0.775 if 60 < k < 63 else 0.3875 if k in (60, 63) else 0.0
        error_m = keep * error_m + 0.4 * math.sqrt(1.0 - keep * keep) * rng.normal()
        drives(world, k, out_m, error_m, slip, **({} if with_course else {"said_rad": math.nan}))
    assert bool(world.of("lane_departure")) is found
