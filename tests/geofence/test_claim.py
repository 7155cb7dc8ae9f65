"""What a terminal states of its error, checked by its own fixes: posterior, prior, and who may be accused."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from core.times import NS
from geofence.carry import _carried_drift, _drift_row
from geofence.claim import (
    BEYOND_P,
    CHECKS_MIN,
    NEVER_TRUSTED,
    add_increment,
)
from geofence.scales import DISPROVED, ODD_SIGMAS, P_ODD, STEP_P
from geofence.state import CLAIM_FIX, CLAIM_SCORE, CLAIM_TRUST, N_DRIFT, SCALES, SCORE_MAX
from tests.support.geofence_world import T0_NS, World, batch

SIGMA_M, TAU_S, CLAIM_M = 0.2, 4.0, 0.08
ERROR_M2 = 2.0 * SIGMA_M**2 * (1.0 - math.exp(-1.0 / TAU_S))  # of an increment in 1 s
MOTION_M2 = 0.05**2


def increments(n, scale, seed):
    """What AR(1) errors `scale` times as large as stated leave in n seconds."""
    rng, keep, error = np.random.default_rng(seed), math.exp(-1.0 / TAU_S), []
    for _ in range(n + 1):
        fresh = rng.normal() * (math.sqrt(1.0 - keep**2) if error else 1.0)
        error.append(keep * (error[-1] if error else 0.0) + scale * SIGMA_M * fresh)
    return np.diff(error) + rng.normal(0.0, math.sqrt(MOTION_M2), n)


def trusted(residuals, row=None):
    """Return what is trusted after each increment."""
    row = np.zeros(N_DRIFT) if row is None else row
    found = []
    for residual_m in residuals:
        add_increment(float(residual_m), ERROR_M2, MOTION_M2, row)
        found.append(row[CLAIM_TRUST])
    return np.array(found)


def test_what_is_trusted_is_a_quantile_of_the_posterior_over_scales():
    residuals, row = increments(14, 1.3, 3), np.zeros(N_DRIFT)
    got = trusted(residuals, row)[-1]
    scales = math.sqrt(2.0) ** np.arange(SCALES)
    sigma = np.sqrt(scales**2 * ERROR_M2 + MOTION_M2)
    odd = np.maximum(sigma, math.sqrt(ODD_SIGMAS**2 * ERROR_M2 + MOTION_M2))
    z = residuals[:, None]
    density = (1.0 - P_ODD) * norm.pdf(z, scale=sigma) + P_ODD * norm.pdf(z, scale=odd)
    posterior = STEP_P ** np.arange(SCALES) * density.prod(axis=0)
    posterior /= posterior.sum()
    beyond = 1.0 - np.cumsum(posterior)
    assert got == pytest.approx(scales[np.flatnonzero(beyond <= BEYOND_P)[0]])
    want = np.log(density / density[:, :1]).sum(axis=0)
    scores = row[CLAIM_SCORE : CLAIM_SCORE + SCALES]
    np.testing.assert_allclose(scores[want > -SCORE_MAX], want[want > -SCORE_MAX], atol=1e-9)


def test_nobody_is_accused_by_a_claim_that_was_not_checked():
    found = trusted(np.zeros(20))
    assert (found[: int(CHECKS_MIN) - 1] == NEVER_TRUSTED).all()
    assert (found[int(CHECKS_MIN) :] < DISPROVED).all()


def test_an_honest_claim_is_trusted_within_half_a_minute_and_stays_so():
    found = np.array([trusted(increments(120, 1.0, seed)) for seed in range(60)])
    assert np.mean(found[:, 25] < DISPROVED) >= 0.9
    assert np.mean(found[:, 25:] < DISPROVED) >= 0.97
    assert np.median(found[:, 119]) == 1.0


@pytest.mark.parametrize("scale", [3.0, 7.5, 30.0])
def test_a_claim_that_is_too_small_by_a_factor_is_never_trusted(scale):
    found = np.array([trusted(increments(60, scale, seed)) for seed in range(60)])
    assert (found >= DISPROVED).all()


def test_a_receiver_that_drives_into_a_cutting_is_disproved_after_a_few_fixes():
    row = np.zeros(N_DRIFT)
    assert trusted(increments(300, 1.0, 5), row)[-1] < DISPROVED
    late = [int(np.argmax(trusted(increments(30, 7.5, seed), row.copy()) >= DISPROVED)) for seed in range(30)]
    assert max(late) <= 10
    assert np.median(late) <= 4


def test_one_wrong_fix_disproves_nothing():
    residuals = increments(200, 1.0, 8)
    residuals[100:102] = 3.0, -3.0
    assert (trusted(residuals)[60:] < DISPROVED).all()


def fixes(k, error_m, north=-7.625, **changes):
    """A truck with fixes alone, one a second; its track follows them."""
    return {
        "east": 50.0 + 16.0 * k, "north": north + error_m, "fix": True, "radar_age_s": np.inf,
        "enforcing_age_s": np.inf, "gnss_age_s": 0.0, "sigma": 0.02, "bias": CLAIM_M, "tau": TAU_S,
        "sigma_v": 0.03, "gnss_bias": CLAIM_M, "gnss_tau": TAU_S, "off": 0.0, "off_sigma": 0.02,
    } | changes  # fmt: skip


def driven(scale, seconds, leaves_s, **changes):
    """A world after a truck with such errors, which leaves its lane by 2.4 m at a time."""
    world, rng, error_m, seen = World(), np.random.default_rng(2), 0.0, []
    keep = math.exp(-1.0 / TAU_S)
    for k in range(seconds):
        error_m = keep * error_m + CLAIM_M * scale * math.sqrt(1.0 - keep**2) * rng.normal()
        out_m = min(max(k - leaves_s, 0.0), 3.0) * 0.8
        v_north = -0.8 if 0.0 < k - leaves_s <= 3.0 else 0.0
        vehicle = fixes(k, error_m, -7.625 - out_m, v_north=v_north, **changes)
        world.observe(T0_NS + k * NS, vehicle)
        located = world.monitor.locate(batch(T0_NS + k * NS, vehicle), world.terminals)
        seen.append(bool(located.undecidable[0]))
    return world, seen


def test_a_terminal_accuses_once_its_fixes_showed_what_it_claims():
    world, undecidable = driven(1.0, 50, 40.0)
    assert all(undecidable[:9])
    assert not any(undecidable[35:])
    assert [v.phase for v in world.of("lane_departure")][:1] == ["open"]


def test_who_leaves_before_that_is_undecidable():
    world, undecidable = driven(1.0, 12, 3.0)
    assert all(undecidable[:9])
    assert world.of("lane_departure") == [] or not undecidable[-1]


def test_a_terminal_whose_fixes_contradict_its_claim_accuses_nobody():
    world, undecidable = driven(8.0, 50, 99.0)
    assert all(undecidable)
    assert world.of("lane_departure") == []


def test_another_terminal_has_to_show_its_own_claim():
    world, _ = driven(1.0, 40, 99.0)
    row = world.monitor._state.find(1)
    assert world.monitor._state.drift[row, CLAIM_TRUST] < DISPROVED
    world.observe(T0_NS + 40 * NS, fixes(40, 0.0, terminal=1))
    assert world.monitor._state.drift[row, CLAIM_TRUST] == 0.0


def test_what_a_terminal_showed_is_handed_over():
    world, _ = driven(1.0, 40, 99.0)
    (carried,) = world.monitor.carry([1])
    other = World(esn="RSU-2")
    other.monitor.adopt([carried])
    assert other.monitor.carry([1]) == [carried]
    both = [w.observe(T0_NS + 41 * NS, fixes(41, 0.0)) and w.monitor.carry([1]) for w in (world, other)]
    assert both[0] == both[1]
    numbers = world.monitor._state.drift[world.monitor._state.find(1)].tolist()
    damaged = _carried_drift(numbers).__class__(claim=(math.inf,) * 22)
    assert _drift_row(damaged)[CLAIM_FIX:] == [0.0] * (N_DRIFT - CLAIM_FIX)
