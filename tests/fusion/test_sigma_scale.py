"""The scale of a terminal's sigma: found from its errors, near 1 without evidence, shared by a fleet."""

import math

import numpy as np
import pytest

from fusion import layout as at
from fusion.config import FusionConfig, Terminal
from fusion.sigma_scale import add_error, fleet_scale2, scale_of
from fusion.track_store import TerminalTable
from tests.support.fusion_world import Vehicle, World, pose

WHITE = 1.0 + 0.25**2


def table_of(n: int) -> TerminalTable:
    return TerminalTable([Terminal(terminal=f"{w:03d}") for w in range(n)])


def test_nothing_known_is_nearly_the_stated_sigma():
    assert 1.0 <= scale_of(table_of(1).rows, 0) < 1.03


@pytest.mark.parametrize(
    ("true", "low", "high"),
    [
        (1.0, 0.9, 1.15),  # it tells the truth
        (2.0, 1.8, 2.3),  # it claims the half
        (4.0, 3.6, 4.6),
        (30.0, 7.0, 8.01),  # bounded
        (0.1, 1.0, 1.0),  # far too humble: that does no harm
    ],
)
def test_independent_errors_show_the_scale(true, low, high):
    rng, found = np.random.default_rng(4), []
    for _ in range(20):
        rows = table_of(1).rows
        for z in 0.75 * true * math.sqrt(WHITE) * rng.normal(size=60):
            add_error(rows, 0, z, 0.75, 0.01, 1.0)
        found.append(scale_of(rows, 0))
    assert low <= np.mean(found) <= high


def test_the_posterior_is_that_of_brute_force():
    rng, rows = np.random.default_rng(7), table_of(1).rows
    errors, var = rng.normal(0.0, 1.3, size=12), 0.04
    for z in errors:
        add_error(rows, 0, z, 0.8, var, 0.5)
    steps = 0.5 * 2.0 ** (0.5 * np.arange(9))
    log_p = np.abs(np.arange(9) - 2) * math.log(0.25)

    def density(scale: float) -> np.ndarray:
        usual, odd = scale**2 * 0.64 * WHITE + var, 64.0 + var
        return sum(p / np.sqrt(v) * np.exp(-0.5 * errors**2 / v) for p, v in ((0.98, usual), (0.02, odd)))

    for k, step in enumerate(steps):
        gain = 0.5 * np.sum(np.log(density(step) / density(1.0)))
        log_p[k] += gain * (0.25 if k < 2 else 1.0)
    p = np.exp(log_p - log_p.max())
    mean = float(np.exp(p @ np.log(steps) / p.sum()))
    assert scale_of(rows, 0) == pytest.approx(max(1.0, mean), rel=1e-9)


def test_one_outlier_changes_little():
    rows = table_of(1).rows
    for z in np.linspace(-1.2, 1.2, 12):
        add_error(rows, 0, z, 0.75, 0.01, 1.0)
    before = scale_of(rows, 0)
    add_error(rows, 0, 50.0, 0.75, 0.01, 1.0)
    assert scale_of(rows, 0) < 1.25 * before


def a_world(told: float, seed: int, n: int = 6) -> World:
    """Terminals that state `told` of their sigma of 1.5 m, in the field of two radars."""
    vehicles = [Vehicle(-40.0 * k, 0.0, 15.0, f"T{k}") for k in range(n)]
    world = World(
        vehicles, [pose("R", 100.0, -8.0, 0.0), pose("S", 500.0, -8.0, math.pi)], seed, radius_m=9e9
    )
    world.tracker.config = FusionConfig(gnss_sigma_m=1.5 * told)
    return world


def test_a_fleet_that_claims_the_half_is_found_out_and_a_newcomer_of_it_not_believed():
    found = {}
    for told in (1.0, 0.5):
        scales = []
        for seed in range(4):
            world = a_world(told, seed)
            for _ in range(20 * 30):
                world.step()
            terminals = world.tracker.terminals
            w = terminals.row_of("newcomer")
            terminals.rows.errors[w, at.E_GROUP] = 1.0
            scales.append(scale_of(terminals.rows, w))
        found[told] = np.mean(scales)
    assert 0.8 < found[1.0] < 1.2
    assert found[0.5] > 1.2 * found[1.0]


@pytest.mark.parametrize(
    ("logs", "want_place"),
    [
        (-20.0 * np.abs(np.arange(9) - 2), 2),  # honest, for certain
        (-20.0 * np.abs(np.arange(9) - 4), 4),  # half of it is claimed
        (
            -math.log(4.0) * np.abs(np.arange(9) - 2),
            5,
        ),  # little is known: .013 are from place 5 on
        (0.01 * np.arange(9), 8),
    ],
)
def test_the_fleet_bounds_how_far_a_claim_may_be_off(logs, want_place):
    rows = table_of(4).rows
    assert fleet_scale2(rows, 0) == math.inf, "nothing is known"
    rows.fleet[0, at.N_SCALES + 1 : at.F_FRESH] = logs + 3.0
    near = 0.25 ** np.abs(np.arange(9) - want_place)
    assert fleet_scale2(rows, 3) == pytest.approx((near * 2.0 ** (np.arange(9) - 2)).sum() / near.sum())
