"""Faults of terminals against the radar's track of their own vehicle: what is found, and what is not."""

import numpy as np
import pytest

from fusion.config import FusionConfig, Terminal
from fusion.doubt_table import ASTRAY, DRAGGED, FROZEN, GHOST, OVERCONFIDENT
from fusion.tracker import Tracker
from tests.support.fusion_world import PERIOD_S, T0_NS, fix, pose, scan

SPEED_MPS, STATED_M, TAU_S = 10.0, 0.7, 25.0


def errors(seed: int, n: int, sigma_m: float, dt_s: float, tau_s: float = TAU_S) -> np.ndarray:
    """Gauss-Markov errors (n, 2)."""
    rng = np.random.Generator(np.random.Philox(seed))
    keep = np.exp(-dt_s / tau_s)
    out = sigma_m * rng.normal(size=(1, 2)).repeat(n, axis=0)
    for k in range(1, n):
        out[k] = keep * out[k - 1] + sigma_m * np.sqrt(1.0 - keep**2) * rng.normal(size=2)
    return out


def drive(
    fault,
    *,
    seconds=50.0,
    sigma_m=0.7,
    seed=1,
    tau_s=TAU_S,
    stated_m=STATED_M,
    course_rad=0.0,
    true_tau_s=None,
):
    """Drive a truck past two radars; fault(t_s, place) changes what its terminal reports, None: nothing.

    Return by kind when (s) it was found first, and the track's error at the end [m] with its terminal.
    """
    radars = [pose("R", 0.0, -10.0, 0.0), pose("S", 250.0, -10.0, 0.0), pose("U", 500.0, -10.0, 0.0)]
    truck = Terminal(terminal="T", length_m=8.0)
    tracker = Tracker(FusionConfig(), radars, [truck], id_base=7 << 32)
    rng = np.random.Generator(np.random.Philox(seed + 1_000))
    n = round(seconds / PERIOD_S)
    wander = errors(seed, n, sigma_m, PERIOD_S, true_tau_s or tau_s)
    found: dict[int, float] = {}
    for k in range(1, n):
        t_s = k * PERIOD_S
        now_ns = T0_NS + round(t_s * 1e9)
        at = np.array([[40.0 + SPEED_MPS * t_s, 0.0, SPEED_MPS, 0.0]])
        for radar in radars:
            if 10.0 < at[0, 0] - radar.east_m < 280.0:
                tracker.step(now_ns, scan(radar, now_ns, at, rng.normal(size=(1, 3))))
        reported = fault(t_s, at[0, :2] + wander[k]) if k % 10 == 0 else None
        if reported is not None:
            east, north = reported
            message = fix(
                "T", now_ns, float(east), float(north), speed_mps=SPEED_MPS,
                heading_rad=course_rad if t_s > 12.0 else 0.0, sigma_m=stated_m, tau_s=tau_s,
            )  # fmt: skip
            tracker.step(now_ns, message)
        if k % 2 == 0:
            tracker.tick(now_ns)
            kinds = int(tracker.doubts.rows.ints[0, 0])
            for kind in (GHOST, DRAGGED, FROZEN, OVERCONFIDENT, ASTRAY):
                if kinds & kind:
                    found.setdefault(kind, t_s)
    batch = tracker.at(now_ns)
    named = batch.x[(batch.terminal == 0) & (batch.radar_ns > now_ns - 1_000_000_000), :2]
    return found, np.hypot(*(named - at[0, :2]).T).tolist()


def slide(way_rad, from_s=12.0, mps=0.35):
    towards = np.array([np.cos(way_rad), np.sin(way_rad)])
    return lambda t_s, place: place + mps * max(t_s - from_s, 0.0) * towards


@pytest.mark.parametrize(
    ("way_rad", "within_s", "pulled_m"), [(1.6, 28.0, 0.6), (-2.2, 37.0, 0.8), (0.0, 38.0, 2.5)]
)
def test_a_dragged_terminal_is_found_and_does_not_pull_its_truck(way_rad, within_s, pulled_m):
    """Along the road it pulls as far as the end that radar sees may lie from where it was thought."""
    found, errors_m = drive(slide(way_rad))
    assert list(found) == [DRAGGED]
    assert found[DRAGGED] - 12.0 <= within_s
    assert len(errors_m) == 1, "it is still the truck's terminal"
    assert errors_m[0] < pulled_m


@pytest.mark.parametrize("course_rad", [0.15, -0.15])
def test_a_terminal_that_repeats_the_way_of_earlier_does_not_turn_its_truck(course_rad):
    """The course of 80 m ago, in a bend, turned the truck as soon as the place was in the gate."""
    found, errors_m = drive(
        lambda t_s, place: place - [80.0 * (t_s > 12.0), 0.0], seconds=40.0, course_rad=course_rad
    )
    assert list(found) == [DRAGGED]
    assert max(errors_m) < 0.6


def test_equal_fixes_of_a_driving_truck_are_frozen_and_no_fault_of_a_standing_one():
    stuck = {}
    found, errors_m = drive(lambda t_s, place: stuck.setdefault("at", place) if t_s > 15.0 else place)
    assert 15.0 < found[FROZEN] < 18.5
    assert DRAGGED not in found
    assert max(errors_m, default=0.0) < 0.6


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("sigma_m", [0.7, 1.4])  # as stated, and twice that
def test_an_honest_terminal_and_one_that_states_half_its_error_are_not_called_dragged(seed, sigma_m):
    found, _ = drive(lambda t_s, place: place, sigma_m=sigma_m, seed=seed)
    assert found == {}


def test_a_source_that_states_a_third_of_its_errors_is_overconfident():
    found, _ = drive(lambda t_s, place: place, sigma_m=1.2, stated_m=0.4, tau_s=2.0)
    assert list(found) == [OVERCONFIDENT]


def test_a_source_whose_errors_step_beyond_what_it_states_is_overconfident_within_seconds():
    """Nobody knows that its errors last 4 s; their steps are too large for any time."""
    found, _ = drive(lambda t_s, place: place, sigma_m=1.5, stated_m=0.25, true_tau_s=4.0)
    assert list(found) == [OVERCONFIDENT]
    assert found[OVERCONFIDENT] < 35.0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("stated_m", "true_tau_s"), [(0.7, 0.5), (0.7, 4.0), (0.05, 0.5)])
def test_errors_that_last_less_than_is_thought_are_not_overconfident(seed, stated_m, true_tau_s):
    found, _ = drive(
        lambda t_s, place: place, sigma_m=stated_m, stated_m=stated_m, true_tau_s=true_tau_s, seed=seed
    )
    assert found == {}


def test_a_slide_is_no_step():
    found, _ = drive(slide(1.6, mps=0.8), sigma_m=0.3, stated_m=0.3)
    assert list(found) == [DRAGGED]


def test_who_is_dragged_off_quickly_is_no_ghost():
    """Identity lets it go at once; its truck is there, and radar sees nobody where it says that it is."""
    found, _ = drive(slide(1.6, mps=0.8), sigma_m=0.1, stated_m=0.1)
    assert list(found) == [ASTRAY]


@pytest.mark.parametrize("silent_s", [0.0, 3.0, 8.0])
@pytest.mark.parametrize("off_m", [(0.0, 9.0), (-15.0, -25.0)])
def test_one_wild_fix_is_no_drag_not_even_after_a_silence(silent_s, off_m):
    """A look after a gap stands for the gap, but alone it is no mean: it was after 3 s."""

    def fault(t_s, place):
        if 22.0 - silent_s < t_s < 21.9:
            return None
        return place + off_m if 21.9 < t_s < 22.1 else place

    found, _ = drive(fault)
    assert found == {}
