"""The tests of a departure: place and ramp against plain matrices, the check of sigma, gaps and new lanes."""

import math

import numpy as np
import pytest

from core.arrays import F1, F2, I1
from core.kernel import kernel
from geofence.carry import CarriedDrift, _carried_drift, _drift_row
from geofence.detectors import Departures, add_departure
from geofence.drift import (
    GAP_S,
    LINE_M,
    LINE_S,
    LINE_SHARE,
    LOOK_S,
    OUT_M,
    Q_M2PS3,
    SPEED_FIRST_MPS,
    WANDER_M,
    WANDER_S,
    lasting_tau_s,
    trusted_sigma_m,
    weigh_drift,
)
from geofence.drift import (
    place_spread_m as spread_of,
)
from geofence.levels import NEVER, level_at, place_level_m, shipped, sigma_max_m, unsettled_factor
from geofence.state import (
    CLAIM_FIX,
    CLAIM_USED,
    ENOUGH,
    EVIDENCE,
    EVIDENCE_NS,
    N_DRIFT,
    NIS,
    PLACE,
    PLACE_COV,
    RAMP,
)  # fmt: skip

SPAN_M, FREE_M, SIGMA_M, TAU_S = 1.875, 0.625, 0.3, 4.0


@kernel
def weigh_all(
    offsets_m: F1, dts_s: F1, span_m: float, sigma_m: float, tau_s: float, row: F1, out: F2
) -> None:
    """Weigh samples (n,); fill out (n, 3): place, ramp, trusted sigma."""
    for k in range(offsets_m.shape[0]):
        place_m, ramp = weigh_drift(offsets_m[k], span_m, FREE_M, sigma_m, tau_s, dts_s[k], row)
        out[k, 0], out[k, 1], out[k, 2] = place_m, ramp, trusted_sigma_m(sigma_m, row)


def weighed(offsets_m, dts_s, sigma_m=SIGMA_M, tau_s=TAU_S, row=None, span_m=SPAN_M):
    """Return what each sample gives, and the row afterwards."""
    row = np.zeros(N_DRIFT) if row is None else row
    out = np.zeros((len(offsets_m), 3))
    weigh_all(np.asarray(offsets_m, float), np.asarray(dts_s, float), span_m, sigma_m, tau_s, row, out)
    return out, row


def error_of(n, sigma_m, tau_s, dt_s, seed):
    """An AR(1) error."""
    rng, keep = np.random.default_rng(seed), math.exp(-dt_s / tau_s)
    values = [sigma_m * rng.normal()]
    for _ in range(n - 1):
        values.append(keep * values[-1] + sigma_m * math.sqrt(1 - keep**2) * rng.normal())
    return np.array(values)


def samples(seed=1, n=60):
    """A drift to the left from the middle of the lane, with uneven steps."""
    rng = np.random.default_rng(seed)
    dts_s = rng.uniform(0.05, 0.3, n)
    t_s = np.cumsum(dts_s)
    return np.maximum(t_s - t_s[-1] / 2, 0.0) * 0.5 + error_of(n, SIGMA_M, TAU_S, 0.15, seed), dts_s


def test_the_place_is_that_of_a_kalman_filter_in_matrices():
    offsets_m, dts_s = samples()
    _, row = weighed(offsets_m, dts_s)
    x = np.array([offsets_m[0], 0.0, 0.0])
    P = np.diag([SIGMA_M**2, SPEED_FIRST_MPS**2, SIGMA_M**2])
    P[0, 2] = P[2, 0] = -(SIGMA_M**2)
    H = np.array([1.0, 0.0, 1.0])
    for z, dt in zip(offsets_m[1:], dts_s[1:], strict=True):
        keep = math.exp(-dt / TAU_S)
        F = np.array([[1.0, dt, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, keep]])
        Q = np.zeros((3, 3))
        Q[:2, :2] = Q_M2PS3 * np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
        Q[2, 2] = SIGMA_M**2 * (1 - keep**2)
        x, P = F @ x, F @ P @ F.T + Q
        S = H @ P @ H + 1e-4 * SIGMA_M**2
        K = P @ H / S
        x, P = x + K * (z - H @ x), P - np.outer(K, K) * S
    np.testing.assert_allclose(row[PLACE : PLACE + 3], x, rtol=1e-9)
    np.testing.assert_allclose(row[PLACE_COV : PLACE_COV + 6], P[np.triu_indices(3)], rtol=1e-7, atol=1e-12)


def test_the_ramp_is_the_likelihood_ratio_over_whole_covariances():
    """No filter: the joint normal of all samples of a driver who keeps the lane, with and without a ramp."""
    offsets_m, dts_s = samples(seed=4)
    out, row = weighed(offsets_m, dts_s)
    line_m = LINE_SHARE * FREE_M + LINE_M
    parts = ((WANDER_M, WANDER_S), (SIGMA_M, TAU_S), (line_m, LINE_S))
    P0 = np.diag([WANDER_M**2, SIGMA_M**2, WANDER_M**2 + SIGMA_M**2])
    P0[0, 2] = P0[2, 0] = -(WANDER_M**2)
    P0[1, 2] = P0[2, 1] = -(SIGMA_M**2)
    t_s = np.cumsum(dts_s)[1:] - dts_s[0]  # since the first sample, which starts the tests
    keeps = np.array([[math.exp(-t / tau) for _, tau in parts] for t in t_s])
    mean = keeps @ np.array([0.0, 0.0, offsets_m[0]])
    C = keeps @ P0 @ keeps.T + 1e-4 * SIGMA_M**2 * np.eye(len(t_s))
    for p, (sigma, tau) in enumerate(parts):
        gap = np.abs(t_s[:, None] - t_s[None])
        C += sigma**2 * (np.exp(-gap / tau) - np.outer(keeps[:, p], keeps[:, p]))
    ages = row[RAMP:CLAIM_FIX:6]
    best = 0.0
    for age in ages:
        shape = np.maximum(t_s - (t_s[-1] - age), 0.0)
        shape[shape < 1e-9] = 0.0
        score, power = shape @ np.linalg.solve(C, offsets_m[1:] - mean), shape @ np.linalg.solve(C, shape)
        slope = max(abs(score) / power, (FREE_M + OUT_M) / age)  # a departure leads over the line
        best = max(best, slope * (abs(score) - slope * power / 2))
    side = np.sign(offsets_m[-1])
    assert out[-1, 1] in (pytest.approx(best, rel=1e-6), 0.0)
    assert (out[-1, 1] > 0) == (side > 0)


def test_a_steady_drift_is_seen_through_an_error_that_lasts():
    n = 300
    t_s = 0.1 * np.arange(n)
    error = error_of(n, 0.4, 20.0, 0.1, seed=3)
    out, _ = weighed(np.maximum(t_s - 25.0, 0.0) * 0.8 + error, np.full(n, 0.1), 0.4, 20.0)
    calm, _ = weighed(error, np.full(n, 0.1), 0.4, 20.0)
    assert out[-20:, 1].max() > 20.0  # nats, two and a half seconds after it began
    assert calm[:, 1].max() < 8.0


def test_both_sides_are_judged_alike():
    offsets_m, dts_s = samples(seed=5)
    left, right = weighed(offsets_m, dts_s)[0], weighed(-offsets_m, dts_s)[0]
    np.testing.assert_allclose(left, right, rtol=1e-12)


def test_errors_that_average_out_need_no_ramp():
    offsets_m, dts_s = samples()
    assert weighed(offsets_m, dts_s, tau_s=0.2)[0][:, 1].max() == 0.0


def test_the_place_is_the_one_half_a_second_ahead():
    n = 400
    out, _ = weighed(0.4 * 0.1 * np.arange(n), np.full(n, 0.1), 0.05, 0.1)
    assert out[-1, 0] == pytest.approx(0.4 * 0.1 * (n - 1) + LOOK_S * 0.4 - FREE_M, abs=0.02)


@pytest.mark.parametrize(
    ("dt_s", "span_m", "starts"), [(0.1, SPAN_M, False), (GAP_S + 0.1, SPAN_M, True), (0.1, 3.75, True)]
)
def test_a_gap_or_other_lanes_start_both_tests_anew(dt_s, span_m, starts):
    offsets_m, dts_s = samples()
    _, row = weighed(offsets_m, dts_s)
    weighed([9.0], [dt_s], row=row, span_m=span_m)
    assert (row[PLACE] == 9.0) == starts


@pytest.mark.parametrize(("true_m", "told_m", "tau_s", "low_m", "high_m"), [
    (0.3, 0.3, 4.0, 0.3, 0.3),  # right: as it is
    (0.2, 0.3, 0.2, 0.3, 0.3),  # too large: it is no harm
    (0.4, 0.2, 4.0, 0.33, 0.5),  # half of it
    (1.5, 0.2, 4.0, 0.8, 1.8),
])  # fmt: skip
def test_a_sigma_that_is_too_small_is_found_out(true_m, told_m, tau_s, low_m, high_m):
    n = 600
    out, _ = weighed(error_of(n, true_m, tau_s, 0.1, seed=2), np.full(n, 0.1), told_m, tau_s)
    assert low_m <= out[-1, 2] <= high_m


def test_one_wild_sample_says_little_of_sigma():
    offsets_m = error_of(300, 0.3, 4.0, 0.1, seed=2)
    offsets_m[200] += 30.0
    out, row = weighed(offsets_m, np.full(300, 0.1), 0.3, 4.0)
    assert row[NIS] < 2.0
    assert out[-1, 2] == 0.3


@pytest.mark.parametrize(("tau_s", "dt_s"), [(4.0, 0.1), (0.2, 0.05), (0.05, 0.1), (0.05, 1.0)])
def test_lasting_tau_is_that_of_a_long_mean(tau_s, dt_s):
    """The variance of a mean over T is 2 tau sigma^2 / T."""
    keep, n = math.exp(-dt_s / tau_s), 100_000
    lags = np.arange(1, n)
    factor = 1.0 + 2.0 * np.sum((1 - lags / n) * keep**lags)  # of the sum of n samples
    assert lasting_tau_s(tau_s, dt_s) == pytest.approx(factor * dt_s / 2.0, rel=1e-3)


def test_levels_are_the_tables_at_its_nodes_and_rise_as_less_is_asked():
    levels = shipped()
    for i, j, k in ((0, 0, 0), (3, 6, 4), (7, 8, 5), (2, 5, 2)):
        sigma_m, tau_s = math.exp(levels.log_sigma[i]), math.exp(levels.log_tau[j])
        rate = math.exp(levels.log_rate[k])
        assert place_level_m(levels, sigma_m, tau_s, rate) == pytest.approx(levels.place_m[i, j, k])
        assert level_at(levels.ramp, levels, sigma_m, tau_s, rate) == pytest.approx(levels.ramp[i, j, k])
    asked = [place_level_m(levels, 0.25, 3.0, rate) for rate in (1.0, 0.3, 1e-2, 2e-4, 1e-5)]
    assert asked == sorted(asked)
    assert place_level_m(levels, 4.0, 4.0, 1e-4) == pytest.approx(2 * place_level_m(levels, 2.0, 4.0, 1e-4))
    assert (levels.ramp[:, levels.log_tau >= 0.0] < NEVER).all()


def test_what_is_decidable_follows_sigma_and_tau():
    levels = shipped()
    limit_m = [sigma_max_m(levels, tau_s) for tau_s in (0.2, 4.0, 30.0)]
    assert limit_m[0] > 0.3  # a radar's track, even far away
    assert limit_m[2] > 0.9 * limit_m[1]  # a drift shows through an error that lasts
    assert sigma_max_m(levels, 100.0) == pytest.approx(levels.sigma_m_max[-1])


def test_what_is_carried_is_whole_or_starts_fresh():
    _, row = weighed(*samples())
    carried = _carried_drift(row.tolist())
    assert _drift_row(carried) == row.tolist()
    assert _drift_row(CarriedDrift()) == [0.0] * N_DRIFT
    assert _drift_row(CarriedDrift(place=(1.0, 2.0))) == [0.0] * N_DRIFT
    row[PLACE] = math.nan
    assert _drift_row(_carried_drift(row.tolist())) == [0.0] * N_DRIFT


@pytest.mark.parametrize(("by_fixes", "found"), [(1.0, True), (0.0, False)])
def test_what_lasts_of_a_radars_error_is_no_drift(by_fixes, found):
    """The point of a body that it sees moves as the vehicle passes; five trucks in 90 s were accused."""
    row, row_ns, drift = np.zeros(EVIDENCE), np.zeros(EVIDENCE_NS, dtype=np.int64), np.zeros(N_DRIFT)
    drift[CLAIM_USED] = by_fixes
    departures = Departures(0, 1e-4, shipped())
    ramp_m = [0.0] * 40 + [0.08 * k for k in range(30)]
    for k, offset_m in enumerate(ramp_m):
        sample, across = (offset_m - FREE_M, 0.5, 20.0), (offset_m, SPAN_M, FREE_M)
        add_departure(sample, across, 0.1, k * 100_000_000, departures, drift, row, row_ns)
    assert bool(row[ENOUGH]) is found


@kernel
def accused_at_first(n: int, sigma_m: float, departures: Departures, drift: F1, row: F1, row_ns: I1) -> int:
    """Return how many of n vehicles that keep their edge on the line are accused by 60 samples."""
    np.random.seed(8)  # noqa: TID251
    found = 0
    for _ in range(n):
        drift[:] = 0.0
        row[:] = 0.0
        for k in range(60):
            offset_m = FREE_M + sigma_m * np.random.standard_normal()
            sample, across = (abs(offset_m) - FREE_M, sigma_m, 0.0), (offset_m, SPAN_M, FREE_M)
            add_departure(sample, across, 0.1, k * 100_000_000, departures, drift, row, row_ns)
        found += row[ENOUGH] > 0.0
    return found


@pytest.mark.parametrize("sigma_m", [0.3, 0.5, 1.0])
def test_a_first_sample_proves_no_more_than_its_error_allows(sigma_m):
    """The slow filter takes it for the place, whole error and all; levels are those of a settled one."""
    drift, row, row_ns = np.zeros(N_DRIFT), np.zeros(EVIDENCE), np.zeros(EVIDENCE_NS, dtype=np.int64)
    departures = Departures(0, 1e-4, shipped())
    assert accused_at_first(5_000, sigma_m, departures, drift, row, row_ns) == 0


def test_a_filter_settles_in_the_spread_of_the_table():
    levels = shipped()
    for sigma_m in (0.05, 0.3, 1.3):
        at_sigma = int(np.argmin(np.abs(np.exp(levels.log_sigma) - sigma_m)))
        for tau_s, at_tau in ((0.0, 0), (4.0, 6)):
            _, row = weighed([0.0] * 6_000, [0.1] * 6_000, sigma_m, tau_s)
            assert spread_of(row) == pytest.approx(levels.spread_m[at_sigma, at_tau], rel=0.02)
            lasting_s = math.exp(levels.log_tau[at_tau])
            assert unsettled_factor(levels, sigma_m, lasting_s, spread_of(row)) == 1.0
    _, row = weighed([0.0], [0.1], 1.0, 0.0)
    assert unsettled_factor(levels, 1.0, 0.05, spread_of(row)) == pytest.approx(3.4, abs=0.2)
