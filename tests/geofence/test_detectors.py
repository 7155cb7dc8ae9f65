"""The sequential tests: levels against SciPy, false alarms and delays against simulated correlated errors."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from core.times import NS
from geofence.config import RulesConfig
from geofence.detectors import (
    N_ACROSS,
    OFFSET_M,
    S_SIGMA,
    S_TAU,
    S_VALUE,
    SPAN_M,
    Departures,
    Thresholds,
    Tracks,
    advance_timers,
    level_sigmas,
    limits_of,
    step,
    windows_of,
)
from geofence.kernels import normal_cdf
from geofence.levels import shipped
from geofence.rules import GRADED, MEASURED, REGISTRY
from geofence.state import CLEAR_S, ENOUGH, EVIDENCE, EVIDENCE_NS, KEPT_S, State

N_RULES, LANE_DEPARTURE = len(MEASURED), MEASURED.index("lane_departure")
LIMITS = np.stack([limits_of(getattr(RulesConfig(), name)) for name in GRADED])
DT_NS = 100_000_000
T0_NS = 1_790_000_000_000_000_000
MARGIN_M = 0.625


@given(z=st.floats(-8.0, 8.0))
def test_normal_cdf_agrees_with_scipy(z):
    assert normal_cdf(z) == pytest.approx(norm.cdf(z), rel=1e-12)


def test_level_is_crossed_as_seldom_as_asked():
    k = level_sigmas(0.5, 0.0, 0.36)
    assert k * norm.pdf(k) / 0.5 * 3600.0 == pytest.approx(0.36, rel=1e-6)


def departures(rate):
    """What departures are judged by, at a rate of false alarms."""
    return Departures(LANE_DEPARTURE, rate, shipped())


def beside(values_m):
    """Where trucks are across a lane of 3.75 m whose left edges are so far over the left line."""
    across = np.full((len(values_m), N_ACROSS), MARGIN_M)
    across[:, OFFSET_M], across[:, SPAN_M] = values_m + MARGIN_M, 3.75 / 2.0
    return across


def simulate(truth, *, n, seconds, sigma, tau_s, rate, seed):
    """Return when each of n vehicles first reached each grade [s], with AR(1) errors at 10 Hz."""
    state, rng = State([rule.name for rule in REGISTRY], MEASURED, GRADED), np.random.default_rng(seed)
    rows = state.rows(np.arange(1, n + 1).astype(np.uint64))
    thresholds = Thresholds(LIMITS, np.zeros(N_RULES), 3.0, rate, np.zeros(N_RULES), departures(rate))
    windows = windows_of(state)
    phi = math.exp(-0.1 / tau_s)
    error = sigma * rng.standard_normal(n)
    first = np.full((n, 4), np.inf)
    samples = np.empty((n, N_RULES, 3))
    samples[:, :, S_VALUE], samples[:, :, S_SIGMA], samples[:, :, S_TAU] = np.nan, sigma, tau_s
    columns, active = np.zeros((n, state.ring.shape[2])), np.empty(n, dtype=np.bool_)
    named = np.ones(n, dtype=np.bool_)
    grade = np.empty((n, N_RULES), np.int64)
    for k in range(round(seconds * 10)):
        samples[:, LANE_DEPARTURE, S_VALUE] = truth(k * 0.1) + error
        stamps = np.full(n, T0_NS + k * DT_NS)
        across = beside(samples[:, LANE_DEPARTURE, S_VALUE])
        tracks = Tracks(np.arange(n), rows, stamps, samples, columns, across, np.full(n, 0.2), named, named)
        step(tracks, n, thresholds, windows, grade, active)
        enough = state.evidence[rows, LANE_DEPARTURE, ENOUGH] > 0
        first[:, 0] = np.where(enough & np.isinf(first[:, 0]), k * 0.1, first[:, 0])
        for g in (1, 2, 3):
            reached = (grade[:, LANE_DEPARTURE] >= g) & np.isinf(first[:, g])
            first[reached, g] = k * 0.1
        error = phi * error + math.sqrt(1 - phi**2) * sigma * rng.standard_normal(n)
    return first


@pytest.mark.parametrize(("sigma", "tau_s"), [(0.2, 0.25), (0.3, 1.0), (0.3, 5.0)])
def test_false_alarms_on_the_line_stay_below_the_wanted_rate(sigma, tau_s):
    """Vehicles that ride exactly on the line; 20 alarms an hour asked, 400 vehicles for 90 s: 10 hours."""
    first = simulate(lambda t: 0.0, n=400, seconds=90.0, sigma=sigma, tau_s=tau_s, rate=20.0, seed=3)
    alarms = np.isfinite(first[:, 0]).sum()
    assert alarms <= 20 * 10.0 * 1.3
    assert alarms >= 5  # it is not silent for another reason


def test_false_alarms_on_the_line_stay_below_a_low_rate_too():
    """0.2 an hour asked, 2000 vehicles for 180 s: 100 hours. Clumps of a high level are rare and long."""
    first = simulate(lambda t: 0.0, n=2_000, seconds=180.0, sigma=0.3, tau_s=0.5, rate=0.2, seed=6)
    assert np.isfinite(first[:, 0]).sum() <= 20


def test_vehicles_that_keep_their_lane_raise_nothing():
    """Centred with a margin of 0.625 m and 0.2 m of wander in tau 4 s, errors as of a fused track."""
    first = simulate(
        lambda t: -0.625 + 0.2 * math.sqrt(2) * math.sin(t / 4.0), n=500, seconds=60.0, sigma=0.25, tau_s=0.3,
        rate=1e-4, seed=4,
    )  # fmt: skip
    assert not np.isfinite(first).any()


@pytest.mark.parametrize(
    ("v_mps", "depth_m", "sigma", "tau_s", "p50_s", "p95_s"),
    [
        (0.5, 1.2, 0.2, 0.25, 2.4, 2.9),  # under radar, near
        (1.0, 1.2, 0.2, 0.25, 1.4, 2.0),
        (0.5, 1.2, 0.31, 0.23, 3.4, 4.3),  # under radar, at 270 m
        (1.0, 0.8, 0.31, 0.23, 4.0, 5.7),
        (1.0, 2.0, 0.3, 5.0, 2.0, 7.0),  # correlated: averaging gains nothing, and a bad error stays a while
    ],
)
def test_departures_reach_warning_in_time(v_mps, depth_m, sigma, tau_s, p50_s, p95_s):
    first = simulate(
        lambda t: min(-0.6 + v_mps * t, depth_m),
        n=300,
        seconds=9.0,
        sigma=sigma,
        tau_s=tau_s,
        rate=2.5e-5,
        seed=5,
    )
    delay = np.sort(first[:, 2]) - 0.6 / v_mps
    assert delay[150] <= p50_s
    assert delay[285] <= p95_s


def row():
    """A fresh row of evidence that suffices."""
    evidence, evidence_ns = np.zeros(EVIDENCE), np.zeros(EVIDENCE_NS, np.int64)
    evidence[ENOUGH] = 1.0
    return evidence, evidence_ns


@pytest.mark.parametrize(
    ("depth_m", "steps", "want"),
    [
        (0.00, 99, 0),  # on the line is not over it
        (0.01, 1, 1),
        (0.30, 99, 1),  # the threshold itself is not over it
        (0.31, 5, 1),  # 0.4 s from the first to the last
        (0.31, 6, 2),  # 0.5 s
        (0.31, 30, 2),
        (0.31, 31, 3),  # 3 s
        (1.01, 10, 2),
        (1.01, 11, 3),  # 1 s
    ],
)
def test_timers_grade_depth_and_duration(depth_m, steps, want):
    evidence, evidence_ns = row()
    limits = LIMITS[LANE_DEPARTURE]
    grades = [
        advance_timers(depth_m, 0.1, 0.2, (0.0, 3.0), T0_NS + k * (DT_NS + 1), limits, evidence, evidence_ns)
        for k in range(steps)
    ]
    assert max(grades) == want


def test_timers_need_evidence():
    evidence, evidence_ns = row()
    evidence[ENOUGH] = 0.0
    limits = LIMITS[LANE_DEPARTURE]
    grades = [
        advance_timers(2.0, 0.1, 0.2, (0.0, 3.0), T0_NS + k * DT_NS, limits, evidence, evidence_ns)
        for k in range(40)
    ]
    assert grades == [0] * 40


@pytest.mark.parametrize(
    ("dt_s", "step_s", "depths_m", "want"),
    [
        # a terminal that reports each second
        (1.0, 1.2, (-1, 2, -1), 1),
        (1.0, 1.2, (-1, 2, 2), 1),  # two fixes may share an error
        (1.0, 1.2, (-1, 2, 2, 2), 3),  # 1 m for 1.2 s
        (1.0, 1.2, (-1, 0.5, 0.5, 0.5), 2),
        (1.0, 1.2, (-1, 0.5, 0.5, 0.5, 0.5, 0.5), 3),  # 0.3 m for 3.2 s
        (1.0, 1.2, (2, -1, 2), 1),
        (10.0, 1.2, (2, 2, 2), 3),  # each 10 s: what it did in between is not known but for a second
        # under radar
        (0.8, 0.2, (-1, 2), 1),  # one sample after a gap
        (0.8, 0.2, (2, 2, 2), 1),  # both ends over, 0.2 s of each
        (0.1, 0.2, (-1, 2, 0.2, 2, 0.2, 2, 0.2, 2), 1),  # no two in a row
    ],
)
def test_an_interval_is_held_if_both_ends_are_over_and_no_longer_than_is_known(dt_s, step_s, depths_m, want):
    evidence, evidence_ns = row()
    limits = LIMITS[LANE_DEPARTURE]
    grades = [
        advance_timers(
            depth_m, dt_s, step_s, (0.0, 9.0), T0_NS + round(k * dt_s * NS), limits, evidence, evidence_ns
        )
        for k, depth_m in enumerate(depths_m)
    ]
    assert max(grades) == want


def test_timers_survive_one_noisy_sample_and_clear_after_the_time_without():
    evidence, evidence_ns = row()
    limits = LIMITS[LANE_DEPARTURE]
    for k, depth_m in enumerate([0.5] * 5 + [0.2] + [0.5] * 5):
        grade = advance_timers(
            depth_m, 0.1, 0.2, (0.0, 3.0), T0_NS + k * DT_NS, limits, evidence, evidence_ns
        )
    assert grade == 2
    for k in range(11, 42):
        advance_timers(-0.5, 0.1, 0.2, (0.0, 3.0), T0_NS + k * DT_NS, limits, evidence, evidence_ns)
    assert evidence[CLEAR_S] >= 3.0
    assert evidence[ENOUGH] == 0.0


def test_step_finds_the_tracks_with_a_grade_or_an_open_episode():
    state = State([rule.name for rule in REGISTRY], MEASURED, GRADED)
    rows = state.rows(np.arange(1, 6).astype(np.uint64))
    windows = windows_of(state)
    n_rules = len(MEASURED)
    state.open[rows[1], n_rules - 1] = True
    state.open[rows[2], n_rules] = True  # of a rule that is not measured
    samples = np.full((5, n_rules, 3), 1.0)
    samples[:, :, S_VALUE] = np.nan
    samples[3, 0, S_VALUE] = 1e3
    columns, mine = np.arange(5.0 * state.ring.shape[2]).reshape(5, -1), np.array([3, 2, 1])
    named = np.ones(5, dtype=np.bool_)
    tracks = Tracks(
        mine,
        rows,
        np.full(5, T0_NS),
        samples,
        columns,
        beside(np.full(5, 1e3)),
        np.full(5, 0.2),
        named,
        named,
    )
    grade, active = np.zeros((3, n_rules), np.int64), np.zeros(3, dtype=np.bool_)
    none = np.zeros(n_rules)
    thresholds = Thresholds(np.stack([LIMITS[0]] * n_rules), none, 3.0, 1e-4, none, departures(1e-4))
    assert step(tracks, 3, thresholds, windows, grade, active)
    assert active.tolist() == [grade[0, 0] > 0, False, True]
    np.testing.assert_array_equal(state.ring[rows[3], 0], columns[3])
    assert state.stamps[rows[[0, 4]]].max() == 0  # not mine


@pytest.mark.parametrize(
    ("vouched", "lived", "kept_s", "is_open", "want"),
    [
        (True, False, 0.0, False, 1),  # a name is enough
        (False, True, 1.0, False, 1),
        (False, True, 0.9, False, 0),  # it was never in the lanes
        (False, False, 9.0, False, 0),  # it has just begun
        (False, False, 0.0, True, 1),  # an episode goes on
    ],
)
def test_what_may_be_no_vehicle_breaks_no_rule(vouched, lived, kept_s, is_open, want):
    state = State([rule.name for rule in REGISTRY], MEASURED, GRADED)
    rows = state.rows(np.ones(1, dtype=np.uint64))
    state.evidence[rows[0], 0, KEPT_S], state.open[rows[0], 0] = kept_s, is_open
    windows = windows_of(state)
    samples = np.full((1, N_RULES, 3), 1.0)
    samples[0, :, S_VALUE] = np.nan
    samples[0, 0, S_VALUE] = 1e3
    columns = np.zeros((1, state.ring.shape[2]))
    tracks = Tracks(
        np.zeros(1, np.int64), rows, np.full(1, T0_NS), samples, columns, beside(np.full(1, 1e3)),
        np.full(1, 0.2), np.array([vouched]), np.array([lived]),
    )  # fmt: skip
    thresholds = Thresholds(
        LIMITS[:N_RULES], np.zeros(N_RULES), 3.0, 1e-4, np.ones(N_RULES), departures(1e-4)
    )
    grade = np.zeros((1, N_RULES), np.int64)
    step(tracks, 1, thresholds, windows, grade, np.zeros(1, dtype=np.bool_))
    assert grade[0, 0] == want
