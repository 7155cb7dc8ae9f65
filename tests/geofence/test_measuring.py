"""Measuring an observation in one compiled step, against the same quantities in plain NumPy."""

import numpy as np
import pytest

from core.classes import HAZMAT, TRUCK
from geofence.batch import Batch, Site, sigma_place_m
from geofence.detectors import FREE_M, N_ACROSS, OFFSET_M, SPAN_M
from geofence.located import (
    ACROSS,
    ACROSS_ANY,
    ALONG,
    FOUND,
    LEFT,
    NO_LANE,
    OUT_ANY,
    OUT_PERMITTED,
    OUT_SAME_WAY,
    P_LANE,
    RIGHT,
    SIGMA,
    U_EAST,
    U_NORTH,
    UNJUDGED,
    S,
)  # fmt: skip
from geofence.measuring import COMPILED, Measures, measure
from geofence.presumable import are_presumable
from geofence.rules import MEASURED
from geofence.state import (
    CLAIM_USED,
    EXCUSED,
    MISPLACED,
    MOVED,
    N_DRIFT,
    N_FLAGS,
    N_STAMPS,
    OWN_WAY,
    PRESUMED,
    R_D,
    R_S,
    R_SPEED,
    R_VALUE,
    STANDING,
)

N, T0 = 400, 1_700_000_000_000_000_000
SITE = Site(1.6, 2.3, 2.1, 0.8, 4.0)


@pytest.fixture
def batch():
    rng = np.random.default_rng(5)
    root = rng.normal(size=(N, 4, 4))
    found = rng.normal(2.0, 3.0, (N, FOUND))
    turn = rng.uniform(0.0, 2 * np.pi, N)
    found[:, U_EAST], found[:, U_NORTH] = np.cos(turn), np.sin(turn)
    found[:, SIGMA], found[:, P_LANE] = rng.uniform(0.1, 2.0, N), rng.uniform(0.0, 1.0, N)
    found[:, UNJUDGED] = rng.random(N) < 0.3
    for column in (OUT_PERMITTED, OUT_ANY, OUT_SAME_WAY, ALONG, LEFT):
        found[rng.random(N) < 0.2, column] = np.nan
    return Batch(
        x=rng.normal(0.0, 8.0, (N, 4)) * rng.choice([0.02, 1.0], (N, 1)),
        P=root @ root.transpose(0, 2, 1) * 0.1,
        bias_m=rng.uniform(0.0, 1.0, N),
        tau_s=rng.uniform(0.0, 30.0, N),
        length_m=rng.choice([np.nan, 12.0, 4.5], N),
        width_m=rng.choice([np.nan, 2.5], N),
        coasting=rng.random(N) < 0.3,
        stamp_ns=T0 + rng.integers(0, 10**9, N),
        found=found,
        lane=rng.choice([0, 1, NO_LANE], N).astype(np.int32),
        kind=rng.choice([0, 2, HAZMAT], N).astype(np.uint8),
        vehicle=rng.choice([-1, 3], N).astype(np.int32),
        off_road_m=rng.choice([np.nan, 0.0, 40.0], N),
        limit_mps=rng.choice([np.nan, 10.0, 20.0, 33.0], N),
    )


def quadratic(P, e, n):
    return e**2 * P[:, 0, 0] + 2 * e * n * P[:, 0, 1] + n**2 * P[:, 1, 1]


def expected(b, stamps, flags, drift):
    """Return the values, sigmas, tau and judged (n,) of the rules, in their order."""
    found, speed, fast = b.found, np.hypot(*b.x[:, 2:].T), np.maximum(np.hypot(*b.x[:, 2:].T), 3.0)
    e, n, P = found[:, U_EAST], found[:, U_NORTH], b.P[:, 2:, 2:]
    along = b.x[:, 2:] / np.maximum(speed, 1e-9)[:, None]
    sigma_speed = np.sqrt(np.maximum(quadratic(P, *along.T), 1e-6))
    across = (e * b.x[:, 3] - n * b.x[:, 2]) / fast
    aside = np.maximum(quadratic(P, -n, e), 0.0)
    gain = 0.5**2 / (0.5**2 + aside)
    yaw = np.minimum(gain * np.abs(across), 0.5)
    length = np.where(np.isnan(b.length_m), 4.0, b.length_m)
    yaw_m = np.where(speed > 3.0, length / 2 * np.sqrt(gain * aside) / fast, 0.0)
    edge = np.hypot(found[:, SIGMA], yaw_m)
    presumed = (flags[:, PRESUMED] > 0) & ((b.kind == 0) | ((b.kind == TRUCK) & (b.vehicle < 0)))
    unknown = np.where(presumed | (b.kind == HAZMAT), 2.3, np.where(b.kind == TRUCK, 2.1, 1.6))
    half = np.where(np.isnan(b.width_m), unknown, b.width_m) / 2 + np.where(
        speed > 3.0, length / 2 * yaw, 0.0
    )
    place = np.sqrt((b.P[:, 0, 0] + b.P[:, 1, 1]) / 2 + b.bias_m**2)
    known = (b.kind == HAZMAT) | ((b.vehicle >= 0) & (found[:, P_LANE] > 0.9))
    surely = np.where(stamps[:, STANDING] > 0, speed - 2.0 * np.sqrt((P[:, 0, 0] + P[:, 1, 1]) / 2), speed)
    stands = (surely < 0.8) & ((flags[:, MOVED] > 0) | (speed > 3.0))
    since = np.where(stands, np.where(stamps[:, STANDING] == 0, b.stamp_ns, stamps[:, STANDING]), 0)
    held = np.where((since > 0) & (flags[:, EXCUSED] == 0), np.maximum(b.stamp_ns - since, 0) * 1e-9, 0.0)
    true, speed_tau = np.ones(N, dtype=bool), np.minimum(b.tau_s, 1.0)
    near_m = 4.0 * found[:, SIGMA] * np.maximum(drift[:, CLAIM_USED], 1.0)
    other_way = ~(found[:, OUT_SAME_WAY] <= near_m) & (-found[:, ALONG] > 0.5 * speed)
    misplaced = (flags[:, MISPLACED] > 0) | (drift[:, OWN_WAY] > 0)
    other_way &= ~(misplaced & (drift[:, CLAIM_USED] > 0))  # by fixes alone
    ordinary = (b.kind != 0) & (b.kind != HAZMAT) & ~presumed
    out = np.where(ordinary, found[:, OUT_ANY], found[:, OUT_PERMITTED])
    over = np.where(np.isnan(found[:, OUT_PERMITTED]), -found[:, OUT_ANY], found[:, OUT_PERMITTED])
    deep = np.where(found[:, OUT_ANY] <= 0.0, over + half, -half)
    return place, since, [
        (out + half, edge, b.tau_s, b.found[:, UNJUDGED] == 0.0),
        (b.off_road_m, place, b.tau_s, true),
        (-found[:, ALONG], sigma_speed, speed_tau, (found[:, ALONG] > 0.0) | other_way),
        (speed / b.limit_mps - 1.0, sigma_speed / b.limit_mps, speed_tau, known & (b.lane != NO_LANE)),
        (np.where(found[:, OUT_ANY] <= 4.0, held, np.nan), np.zeros(N), b.tau_s, true),
        (deep, edge, b.tau_s, ordinary & (b.vehicle >= 0) & (b.found[:, UNJUDGED] == 0.0)),
    ]  # fmt: skip


def test_measure_agrees_with_numpy_and_leaves_other_tracks_alone(batch):
    rng, n_rules = np.random.default_rng(6), len(MEASURED)
    rows, mine = rng.permutation(N), np.flatnonzero(rng.random(N) < 0.8)
    flags = (rng.random((N, N_FLAGS)) < 0.5).astype(np.float64)
    stamps = np.where(rng.random((N, N_STAMPS)) < 0.5, T0 - 5 * 10**9, 0)
    drift = np.where(rng.random((N, N_DRIFT)) < 0.5, rng.random((N, N_DRIFT)) * 3.0, 0.0)
    place, since, rules = expected(batch, stamps[rows], flags[rows], drift[rows])
    out = Measures(
        np.full((N, n_rules, 3), 77.0),
        np.full((N, R_VALUE + 2 * n_rules), 77.0),
        np.full((N, N_ACROSS), 77.0),
    )
    before = stamps.copy()
    measure(mine, rows, batch, SITE, stamps, flags, drift, out)
    for r, (value, sigma, tau_s, judged) in enumerate(rules):
        seen = np.where(judged & ~batch.coasting, value, np.nan)
        want = np.column_stack([seen, sigma, tau_s, value, sigma])[mine]
        columns = out.columns[:, [R_VALUE + r, R_VALUE + n_rules + r]]
        got = np.column_stack([out.samples[:, r], columns])[mine]
        np.testing.assert_allclose(got, want, rtol=1e-12, err_msg=MEASURED[r])
    np.testing.assert_array_equal(out.columns[mine, R_S], batch.found[mine, S])
    presumed = (flags[rows, PRESUMED] > 0) & are_presumable(batch.kind, batch.vehicle)
    ordinary = (batch.kind != 0) & (batch.kind != HAZMAT) & ~presumed
    offset = np.where(ordinary, batch.found[:, ACROSS_ANY], batch.found[:, ACROSS])
    np.testing.assert_array_equal(out.across[mine, OFFSET_M], offset[mine])
    half = out.across[mine, SPAN_M] - out.across[mine, FREE_M]  # the footprint's
    known = np.isfinite(rules[0][0][mine])
    out_m = np.where(ordinary, batch.found[:, OUT_ANY], batch.found[:, OUT_PERMITTED])
    want = rules[0][0][mine] - out_m[mine]
    np.testing.assert_allclose(half[known], want[known], atol=1e-12)
    middle = (batch.found[:, RIGHT] - batch.found[:, LEFT]) / 2
    np.testing.assert_array_equal(out.columns[mine, R_D], middle[mine])
    np.testing.assert_array_equal(out.columns[mine, R_SPEED], np.hypot(*batch.x[:, 2:].T)[mine])
    np.testing.assert_array_equal(stamps[rows[mine], STANDING], since[mine])
    others = np.setdiff1d(np.arange(N), mine)
    assert (out.samples[others] == 77.0).all()
    np.testing.assert_array_equal(stamps[rows[others]], before[rows[others]])
    assert [sigma_place_m(batch, i) for i in range(N)] == place.tolist()


def test_the_compiled_rules_are_the_measured_ones_in_their_order():
    assert tuple(rule.name for rule in COMPILED) == MEASURED
