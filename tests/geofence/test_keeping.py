"""The probability of a departure: against Bayes on a grid, and against drivers who are drawn."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from core.arrays import F1
from core.kernel import kernel
from geofence.carry import _carried_drift, _drift_row
from geofence.keeping import BESIDE_M, KEEPING_M, LASTS_S, LEAVES_PER_S, p_over_line
from geofence.state import LEAVING, N_DRIFT

FREE_M = 0.625


@kernel
def fill(values_m: F1, sigma_m: float, tau_s: float, dt_s: float, keep: bool, row: F1, out: F1) -> None:
    """Fill out (n,) with the probabilities of samples (n,); keep: each begins with the row's memory."""
    leaving = row[LEAVING]
    for k in range(values_m.shape[0]):
        row[LEAVING] = leaving if keep else row[LEAVING]
        out[k] = p_over_line(values_m[k], sigma_m, tau_s, 0.625, dt_s, row)


def said_of(values_m, sigma_m, row, dt_s=0.0, tau_s=0.2, keep=True):
    out = np.zeros(len(values_m))
    fill(np.asarray(values_m, dtype=float), sigma_m, tau_s, dt_s, keep, row, out)
    return out


def row_of(leaving):
    row = np.zeros(N_DRIFT)
    row[LEAVING] = leaving
    return row


@pytest.mark.parametrize(
    ("value_m", "sigma_m"), [(-0.5, 0.1), (-0.2, 0.3), (0.0, 0.2), (0.4, 0.2), (0.3, 1.5)]
)
def test_one_sample_is_weighed_by_where_drivers_are(value_m, sigma_m):
    def likely(x, prior):
        return prior(x) * norm.pdf(value_m, x, sigma_m)

    def keeps(x):
        return norm.pdf(x, -FREE_M, KEEPING_M)

    reach = (-FREE_M - 6 * KEEPING_M, 6 * KEEPING_M)
    whole = quad(likely, *reach, args=(keeps,), points=(value_m,))[0]
    over = quad(likely, 0.0, reach[1], args=(keeps,), points=(max(value_m, 0.0),))[0]
    leaving = 0.3
    want = leaving * norm.cdf(value_m / sigma_m) + (1.0 - leaving) * over / whole
    assert said_of([value_m], sigma_m, row_of(leaving))[0] == pytest.approx(want, abs=2e-4)


def test_leaving_is_the_forward_recursion_of_two_states():
    rng, row = np.random.default_rng(3), np.zeros(N_DRIFT)
    rate = LEAVES_PER_S + 1.0 / LASTS_S
    usual = LEAVES_PER_S / rate
    share, dt_s, sigma_m, tau_s = usual, 0.1, 0.2, 0.25
    for value_m in np.concatenate([rng.normal(-0.6, 0.3, 40), np.linspace(-0.5, 1.0, 20)]):
        said_of([value_m], sigma_m, row, dt_s, tau_s)
        share = usual + (share - usual) * math.exp(-rate * dt_s)
        of_keeper = norm.logpdf(value_m, -FREE_M, math.hypot(sigma_m, KEEPING_M))
        weight = dt_s / (2.0 * tau_s)  # a repeated error is no new evidence
        odds = share / (1.0 - share) * math.exp(weight * (-math.log(BESIDE_M) - of_keeper))
        share = odds / (1.0 + odds)
        share = min(max(share, 1.0 / (1.0 + math.exp(9.0))), 1.0 / (1.0 + math.exp(-9.0)))
        assert row[LEAVING] == pytest.approx(share, rel=1e-6)
    assert row[LEAVING] > 0.9


def test_drivers_who_are_drawn_are_outside_as_often_as_said():
    """Flat, p says 0.11 in the mean of its unsure samples where 0.01 are outside: most are errors."""
    rng = np.random.default_rng(4)
    places_m = rng.normal(-FREE_M, KEEPING_M, 20_000)
    true, said = places_m > 0.0, said_of(places_m + rng.normal(0.0, 0.25, 20_000), 0.25, row_of(0.0))
    unsure = (said > 0.02) & (said < 0.98)
    at = (said[unsure] * 10).astype(int)
    gaps = [abs(np.sum(said[unsure][at == b] - true[unsure][at == b])) for b in range(10)]
    assert sum(gaps) / unsure.sum() < 0.03


def test_more_over_the_line_is_more_probable():
    p = said_of(np.linspace(-1.0, 1.5, 60), 0.2, row_of(0.01), dt_s=0.1)
    assert (np.diff(p) >= 0.0).all()
    assert p[0] < 1e-4
    assert p[-1] > 0.999


def test_leaving_is_carried_and_nonsense_starts_anew():
    row = row_of(0.4)
    assert _drift_row(_carried_drift(row.tolist()))[LEAVING] == 0.4
    row[LEAVING] = 1.5
    assert _drift_row(_carried_drift(row.tolist()))[LEAVING] == 0.0
