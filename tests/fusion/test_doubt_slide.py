"""A steady slide of a terminal's error: against generalised least squares, and by how soon it is found."""

import numpy as np
import pytest

from fusion.config import WHITE_SHARE
from fusion.doubt_slide import SLID_M, weigh_slide
from fusion.doubt_table import N_FLOAT

LIMIT = 30.0  # as fusion.doubt_source asks
SIGMA_M, TAU_S, RADAR_M2 = 0.7, 25.0, (1.0, 0.02)  # along, a point of a body that nobody knows


def weigh(errors, *, tau_s=TAU_S, dt_s=1.0, turn_rad_per_s=0.0, others_m2=RADAR_M2, half_m=0.0):
    """Return the statistic after each look.  errors : (n, 2) east, north; the vehicle drives east at first"""
    row, out = np.zeros(N_FLOAT), []
    for k, (east, north) in enumerate(errors.tolist()):
        c, s = np.cos(turn_rad_per_s * k * dt_s), np.sin(turn_rad_per_s * k * dt_s)
        seen = c * east + s * north, c * north - s * east
        since_s = dt_s if k else 0.0
        out.append(weigh_slide(row, seen, (c, s), SIGMA_M**2, tau_s, others_m2, half_m, since_s))
    return np.array(out)


def receiver(rng, n, sigma_m=SIGMA_M):
    """Errors (n, 2) at 1 Hz: three tenths of the variance stay, the rest lasts for TAU_S, some is white."""
    keep, slow = np.exp(-1.0 / TAU_S), rng.normal(size=(1, 2)).repeat(n, axis=0)
    for k in range(1, n):
        slow[k] = keep * slow[k - 1] + np.sqrt(1.0 - keep**2) * rng.normal(size=2)
    parts = rng.normal(size=(1, 2)), slow, rng.normal(size=(n, 2))
    return sigma_m * sum(np.sqrt(share) * part for share, part in zip((0.3, 0.6, 0.1), parts, strict=True))


@pytest.mark.parametrize(("dt_s", "tau_s"), [(1.0, 25.0), (0.7, 4.0), (0.3, 60.0)])
def test_of_one_onset_it_is_generalised_least_squares(dt_s, tau_s):
    """The first three seconds have one onset; the filter's innovations weigh as the whole covariance does."""
    n, others_m2 = int(3.0 / dt_s) + 1, (4.0, 3.0)
    trace_s = np.arange(n) * dt_s
    errors = np.random.default_rng(3).normal(0.0, 0.1, (n, 2)) + trace_s[:, None] * [1.0, -0.7]
    lasting = SIGMA_M**2 * np.exp(-np.abs(np.subtract.outer(trace_s, trace_s)) / tau_s)
    want, slope = np.zeros(n), np.zeros((n, 2))
    for a in range(2):
        whole = lasting + (WHITE_SHARE**2 * SIGMA_M**2 + others_m2[a]) * np.eye(n)
        for m in range(2, n + 1):
            x, y = np.linalg.solve(whole[:m, :m], np.stack([errors[:m, a], trace_s[:m]], axis=1)).T
            want[m - 1] += (trace_s[:m] @ x) ** 2 / (trace_s[:m] @ y)
            slope[m - 1, a] = (trace_s[:m] @ x) / (trace_s[:m] @ y)
    slid_far = np.hypot(*slope.T) * trace_s >= SLID_M
    assert 0 < slid_far.sum() < n
    found = weigh(errors, tau_s=tau_s, dt_s=dt_s, others_m2=others_m2)
    np.testing.assert_allclose(found, np.where(slid_far, want, 0.0), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("mps", "way_rad", "within_s"),
    [
        (0.35, 1.57, 13),  # across the road
        (0.35, 0.0, 22),  # along it, where radar may see any point of a body
        (0.1, 1.57, 60),  # no mean over 20 s would show it
    ],
)
def test_a_slide_is_found_soon(mps, way_rad, within_s):
    rng, way = np.random.default_rng(5), np.array([np.cos(way_rad), np.sin(way_rad)])
    slid = mps * np.maximum(np.arange(100) - 30.0, 0.0)[:, None] * way
    found = [np.argmax(weigh(receiver(rng, 100) + slid) > LIMIT) - 30 for _ in range(40)]
    assert np.quantile(found, 0.9) <= within_s
    assert min(found) > 0


@pytest.mark.parametrize("turn_rad_per_s", [0.0, 0.05])
def test_an_honest_error_does_not_slide_nor_does_a_wild_fix_or_a_bend(turn_rad_per_s):
    rng = np.random.default_rng(6)
    for _ in range(40):
        errors = receiver(rng, 200)
        errors[120] += 12.0
        assert weigh(errors, turn_rad_per_s=turn_rad_per_s).max() < LIMIT


def test_a_track_that_moves_to_the_middle_of_its_body_is_no_drag():
    """It slides by half a truck while radar learns which end it sees: along only, and no further."""
    rng = np.random.default_rng(7)
    learns = np.column_stack([np.clip(np.arange(60) - 5.0, 0.0, 12.0) * 0.5, np.zeros(60)])
    errors = [receiver(rng, 60, sigma_m=0.2) + learns for _ in range(20)]
    assert min(weigh(error).max() for error in errors) > LIMIT
    assert max(weigh(error, half_m=6.5).max() for error in errors) < LIMIT
    assert weigh(errors[0][:, ::-1], half_m=6.5).max() > LIMIT, "aside it is one"
