"""Ghosts: terminals that say they drive where radar sees that nothing drives; and vehicles that are none."""

import numpy as np
import pytest

from fusion.config import FusionConfig, Terminal
from fusion.doubt_table import ASTRAY, DRAGGED, GHOST
from fusion.tracker import Tracker
from tests.support.fusion_world import PERIOD_S, T0_NS, fix, pose, scan

RADAR = pose("R", 0.0, -10.0, 0.0)
AHEAD = pose("R", 330.0, -10.0, np.pi)  # what comes up from behind throws its shadow back
CARS_MPS, CAR_GAP_M, CAR_NORTH_M = 20.0, 60.0, 4.0


def cars(t_s: float, blind: bool) -> np.ndarray:
    """Cars (n, 4) that pass all the time, in the lane beside."""
    if blind:
        return np.zeros((0, 4))
    east = np.arange(20.0 + CARS_MPS * t_s % CAR_GAP_M, 290.0, CAR_GAP_M)
    rows = np.zeros((len(east), 4))
    rows[:, 0], rows[:, 1], rows[:, 2] = east, CAR_NORTH_M, CARS_MPS
    return rows


def drive(
    *,
    north_m: float = 0.0,
    across: bool = False,
    speed_mps: float = 14.0,
    detected_p: float = 0.0,
    detected_until_s: float = 99.0,
    kind: int = GHOST,
    blind: bool = False,
    silent_from_s: float = 99.0,
    seconds: float = 16.0,
    restart_s: float | None = None,
) -> list[float]:
    """Return when (s) the terminal T is taken for a ghost, or shows all bits of another kind.

    detected_p : chance of each scan to see T's vehicle, until detected_until_s
    blind : no cars show how far radar sees.  silent_from_s : the radar's end
    """
    tracker = Tracker(FusionConfig(), [RADAR], [Terminal(terminal="T", length_m=12.0)], id_base=7 << 32)
    rng = np.random.Generator(np.random.Philox(5))
    doubtful = []
    for k in range(1, round(seconds / PERIOD_S)):
        t_s = k * PERIOD_S
        now_ns = T0_NS + round(t_s * 1e9)
        at = np.array([40.0 + speed_mps * t_s, north_m, speed_mps, 0.0])
        if across:
            at = np.array([150.0, -110.0 + speed_mps * t_s, 0.0, speed_mps])
        targets = cars(t_s, blind)
        if t_s < detected_until_s and rng.random() < detected_p:
            targets = np.vstack([targets, at])
        if t_s < silent_from_s:
            noise = rng.normal(size=(len(targets), 3))
            tracker.step(now_ns, scan(RADAR, now_ns, targets, noise))
        if k % 10 == 0:
            heading = float(np.arctan2(at[3], at[2]))
            message = fix(
                "T", now_ns, at[0], at[1], speed_mps=speed_mps, heading_rad=heading, sigma_m=0.5, tau_s=30.0
            )
            tracker.step(now_ns, message)
        if k % 2 == 0:
            tracker.tick(now_ns)
            batch = tracker.at(now_ns)
            if restart_s is not None and abs(t_s - restart_s) < 1e-6:
                again = Tracker(FusionConfig(), [RADAR], [], id_base=7 << 32)
                again.restore(tracker.state())
                assert again.state() == tracker.state()
                tracker = again
            if (tracker.doubt(batch)[batch.terminal >= 0] & kind == kind).any():
                doubtful.append(t_s)
    return doubtful


def test_a_terminal_that_radar_never_sees_in_plain_sight_is_a_ghost():
    doubtful = drive()
    assert 3.0 <= doubtful[0] <= 9.0, "three looks of a second; cars of its pace beside it wait"
    assert len(doubtful) > 0.9 * (16.0 - doubtful[0]) * 10, "and stays one"


@pytest.mark.parametrize(
    "case",
    [
        {"detected_p": 0.9},  # a vehicle as any
        {"detected_p": 0.3},  # one that radar sees badly
        {"blind": True},  # nobody has shown that radar sees there
        {"silent_from_s": 2.0},  # the radar has failed
        {"north_m": 60.0},  # where radar never saw anybody
        {"across": True, "speed_mps": 15.0},  # on a bridge over the road
        {"speed_mps": 0.5},  # a radar may not see what stands
    ],
)
def test_what_radar_may_miss_is_no_ghost(case):
    assert drive(**case) == []


def test_a_terminal_that_was_with_a_vehicle_is_astray_and_no_ghost():
    """Radar followed it for ten seconds: it has a vehicle, and where it says that it is there is none."""
    case = {"north_m": 1.5, "detected_p": 0.9, "detected_until_s": 13.0, "speed_mps": 10.0, "seconds": 22.0}
    assert drive(**case) == []
    assert 16.0 <= drive(**case, kind=ASTRAY | DRAGGED)[0] <= 22.0
    again = drive(**case | {"restart_s": 14.0}, kind=ASTRAY)
    assert again == drive(**case, kind=ASTRAY)


def test_a_terminal_that_was_with_a_vehicle_for_a_moment_is_a_ghost():
    assert drive(north_m=1.5, detected_p=0.9, detected_until_s=5.0, speed_mps=10.0, seconds=16.0)


def test_the_evidence_goes_on_after_a_restart():
    assert drive(restart_s=4.0) == drive()


def beside_a_silent_truck(*, meets: bool) -> tuple[list[bool], list[bool]]:
    """Return, by tenth of a second, whether the terminal T is a ghost, and whether a vehicle bears its name.

    A silent truck catches up with T's place and keeps it; meets : it drives there from the first
    """
    tracker = Tracker(FusionConfig(), [AHEAD], [Terminal(terminal="T", length_m=12.0)], id_base=7 << 32)
    rng, is_ghost, is_named = np.random.Generator(np.random.Philox(5)), [], []
    for k in range(1, round(22.0 / PERIOD_S)):
        t_s, now_ns = k * PERIOD_S, T0_NS + round(k * PERIOD_S * 1e9)
        place_m, behind_m = 40.0 + 10.0 * t_s, 0.0 if meets else max(30.0 - 2.2 * t_s, 0.0)
        truck = [place_m - behind_m, 1.0, 12.2 if behind_m > 0.0 else 10.0, 0.0]
        targets = np.vstack([cars(t_s, blind=False), truck])
        tracker.step(now_ns, scan(AHEAD, now_ns, targets, rng.normal(size=(len(targets), 3))))
        if k % 10 == 0:
            message = fix("T", now_ns, place_m, 1.0, speed_mps=10.0, heading_rad=0.0, sigma_m=0.5, tau_s=30.0)
            tracker.step(now_ns, message)
        if k % 2 == 0:
            tracker.tick(now_ns)
            batch = tracker.at(now_ns)
            named = batch.terminal >= 0
            is_ghost.append(bool((tracker.doubt(batch)[named] & GHOST).any()))
            is_named.append(bool((named & (now_ns - batch.radar_ns < 200_000_000)).any()))
    return is_ghost, is_named


def test_a_ghost_is_not_the_vehicle_that_radar_followed_elsewhere():
    is_ghost, is_named = beside_a_silent_truck(meets=False)
    assert any(is_ghost[:110]), "radar sees that nobody is there before the truck comes near"
    assert all(is_ghost[140:]), "and still knows it when a truck drives where the ghost says it is"
    assert not any(is_named), "which does not become the ghost's"


def test_a_terminal_that_never_was_alone_has_the_vehicle_at_its_place():
    is_ghost, is_named = beside_a_silent_truck(meets=True)
    assert not any(is_ghost)
    assert is_named[-1]


def test_two_terminals_at_one_vehicle_are_no_ghosts():
    """Whichever of them it is bound to may have the name wrongly."""
    terminals = [Terminal(terminal=name, length_m=12.0) for name in "TU"]
    tracker, rng = Tracker(FusionConfig(), [AHEAD], terminals, id_base=7 << 32), np.random.default_rng(5)
    for k in range(1, round(16.0 / PERIOD_S)):
        t_s, now_ns = k * PERIOD_S, T0_NS + round(k * PERIOD_S * 1e9)
        east_m = 40.0 + 10.0 * t_s
        targets = np.vstack([cars(t_s, blind=False), [east_m, 1.0, 10.0, 0.0]])
        tracker.step(now_ns, scan(AHEAD, now_ns, targets, rng.normal(size=(len(targets), 3))))
        for name, off_m in (("T", 0.0), ("U", 1.5)) if k % 10 == 0 else ():
            said = {"speed_mps": 10.0, "heading_rad": 0.0, "sigma_m": 0.5, "tau_s": 30.0}
            tracker.step(now_ns, fix(name, now_ns, east_m + off_m, 1.0, **said))
        if k % 2 == 0:
            tracker.tick(now_ns)
            assert not (tracker.doubts.rows.ints[:2, 0] & GHOST).any(), t_s


def in_a_column(*, is_vehicle: bool) -> tuple[bool, bool]:
    """Return whether the second and the third of a column of lorries are ever taken for ghosts.

    Radar sees the first alone, which hides the second, and that the third; is_vehicle : the second is there
    """
    above = pose("R", 330.0, 1.0, np.pi)
    terminals = [Terminal(terminal=name, length_m=14.0) for name in "ABC"]
    tracker, rng = Tracker(FusionConfig(), [above], terminals, id_base=7 << 32), np.random.default_rng(5)
    ghosts = set()
    for k in range(1, round(12.0 / PERIOD_S)):
        t_s, now_ns = k * PERIOD_S, T0_NS + round(k * PERIOD_S * 1e9)
        first_m = 170.0 + 5.0 * t_s
        targets = np.vstack([cars(t_s, blind=False), [first_m, 0.0, 5.0, 0.0]])
        tracker.step(now_ns, scan(above, now_ns, targets, rng.normal(size=(len(targets), 3))))
        places = {"A": first_m, "B": first_m - 55.0, "C": first_m - 140.0}
        for name, east_m in places.items() if k % 10 == 0 else ():
            said = {"speed_mps": 5.0, "heading_rad": 0.0, "sigma_m": 0.5, "tau_s": 30.0}
            if name != "B" or is_vehicle:
                tracker.step(now_ns, fix(name, now_ns, east_m, 0.0, **said))
        if k % 2 == 0:
            tracker.tick(now_ns)
            batch = tracker.at(now_ns)
            ghosts |= set(batch.terminal[tracker.doubt(batch) & GHOST > 0].tolist())
    return 1 in ghosts, 2 in ghosts


def test_who_drives_behind_one_that_only_reports_is_no_ghost():
    assert in_a_column(is_vehicle=True) == (False, False)
    assert in_a_column(is_vehicle=False) == (False, True), "the first is too near to the radar to hide it"
