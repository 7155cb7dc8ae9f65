"""By fixes alone, a place on the other carriageway is no wrong way unless a course led there."""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pytest

from core.times import NS
from geofence.rules import doubt
from tests.support.geofence_world import T0_NS, World, batch

V, OWN_M, OTHER_M = 16.0, -7.625, 7.625  # the middles of the hazmat lanes of either way
PERIOD_S, CROSSES_S = 0.5, 15.0  # the truck, or its error, begins to go across


def north_m(kind: str, t_s: float) -> float:
    """Where the terminal says that it is."""
    pace_mps = {"jumps": 1e3, "slides": 0.5, "crosses": 1.5}[kind]
    return min(OWN_M + pace_mps * max(t_s - CROSSES_S, 0.0), OTHER_M)


@lru_cache
def turning() -> list[tuple[float, float, float, float]]:
    """Return where a vehicle is that brakes, turns within its carriageway, and drives back there, each 10 ms.

    East, north, and its velocity.
    """
    east, north, heading, speed, out = 10.0, OWN_M, 0.0, V, []
    for k in range(6_000):
        is_turning = k * 0.01 >= CROSSES_S and heading < math.pi
        aim_mps = (3.5 if k * 0.01 > CROSSES_S - 8.0 else V) if heading < math.pi else 10.0
        speed += min(max(aim_mps - speed, -0.02), 0.02)  # by 2 m/s2
        heading = min(heading + (0.01 * speed / 2.5 if is_turning else 0.0), math.pi)
        v_east, v_north = speed * math.cos(heading), speed * math.sin(heading)
        out.append((east, north, v_east, v_north))
        east, north = east + 0.01 * v_east, north + 0.01 * v_north
    return out


def turn(t_s: float) -> tuple[float, float, float, float]:
    return turning()[round(t_s * 100)]


def stop_and_turn(t_s: float) -> tuple[float, float, float, float]:
    """Where a lorry is that stands for 5 s, and then drives back in its lane, turned where nobody saw it."""
    brakes_s = min(max(t_s - CROSSES_S, 0.0), V / 2.0)  # by 2 m/s2
    east = 10.0 + V * min(t_s, CROSSES_S) + V * brakes_s - brakes_s**2
    back_s = max(t_s - CROSSES_S - V / 2.0 - 5.0, 0.0)
    return east - back_s**2 / 2.0, OWN_M, -back_s if back_s else V - 2.0 * brakes_s, 0.0


def raised(
    way: Callable[[float], tuple[float, float, float, float]], *, course: bool, period_s: float
) -> set[tuple[str, str]]:
    """Return rules and grades of a truck that only its fixes measure."""
    world = World()
    for k in range(round(50.0 / period_s)):
        stamp_ns = T0_NS + round(k * period_s * NS)
        east, north, v_east, v_north = way(k * period_s)
        vehicle = {
            "east": east, "north": north, "v_east": v_east, "v_north": v_north, "radar_age_s": math.inf,
            "enforcing_age_s": math.inf, "gnss_age_s": 0.0, "fix": True, "off": 0.0, "off_sigma": 0.1,
            "said_mps": math.hypot(v_east, v_north) if course else np.nan,
            "said_rad": math.atan2(v_north, v_east) if course else np.nan,
        }  # fmt: skip
        world.tick(stamp_ns, vehicle)
        world.observe(stamp_ns, vehicle)
    return {(violation.rule, violation.grade) for violation in world.out}


@pytest.mark.parametrize("period_s", [0.1, 1.0])
@pytest.mark.parametrize("course", [True, False])
def test_who_drives_back_after_a_stop_is_on_the_wrong_way(course, period_s):
    """No fix shows the turn; without a course the places show that it drives back."""
    assert ("wrong_way", "violation") in raised(stop_and_turn, course=course, period_s=period_s)


@pytest.mark.parametrize("period_s", [0.1, 1.0])
@pytest.mark.parametrize("course", [True, False])
def test_who_turns_in_a_tight_circle_is_undecidable_at_least(course, period_s):
    """Each fix shows a part of the turn only. What its places do meanwhile disproves what it claims."""
    found = raised(turn, course=course, period_s=period_s)
    assert found & {("wrong_way", "violation"), ("lane_departure", "undecidable")}


@pytest.mark.parametrize("kind", ["jumps", "slides", "crosses"])
@pytest.mark.parametrize("course", [True, False])
def test_a_place_against_its_lane_that_nobody_can_judge_is_undecidable(kind, course):
    def way(t_s: float) -> tuple[float, float, float, float]:
        return 10.0 + V * t_s, north_m(kind, t_s), V, 0.0  # whatever the place did, the course was ahead

    found = raised(way, course=course, period_s=0.5)
    assert ("lane_departure", "undecidable") in found
    assert "wrong_way" not in {rule for rule, _ in found}


def wrong_ways(kind: str, *, course: bool = True, bits: int = 0, turns: bool = False) -> list[str]:
    """Return the grades of `wrong_way` of a truck that only its fixes measure, 2 a second."""
    world, was = World(), OWN_M
    for k in range(round(60.0 / PERIOD_S)):
        t_s = k * PERIOD_S
        stamp_ns = T0_NS + round(t_s * NS)
        north, said_rad = north_m(kind, t_s), 0.0
        if kind == "crosses" and abs(north - was) > 1e-9:
            said_rad = math.atan2((north - was) / PERIOD_S, V)
        was, v_east, v_north, east = north, V, 0.0, 10.0 + V * t_s
        if turns and t_s >= CROSSES_S:  # on the spot, back in its own lane
            north, said_rad, v_east = OWN_M, math.pi, -V
            east = 10.0 + V * (2.0 * CROSSES_S - t_s)
        vehicle = {
            "east": east, "north": north, "v_east": v_east, "v_north": v_north, "sigma": 0.3, "tau": 1.0,
            "radar_age_s": math.inf, "enforcing_age_s": math.inf, "gnss_age_s": 0.0, "fix": True, "off": 0.0,
            "off_sigma": 0.1, "said_mps": V if course else np.nan, "said_rad": said_rad if course else np.nan,
        }  # fmt: skip
        tracks = batch(stamp_ns, vehicle)
        located = world.monitor.locate(tracks, world.terminals)
        doubts = np.array([bits], dtype=np.uint8)
        world._keep(world.monitor.tick(stamp_ns, tracks, located, np.array([True]), doubt=doubts))
        world.observe(stamp_ns, vehicle)
    return [violation.grade for violation in world.of("wrong_way")]


@pytest.mark.parametrize("kind", ["jumps", "slides"])
@pytest.mark.parametrize("course", [True, False])
def test_an_error_that_moves_to_the_other_carriageway_is_no_wrong_way(kind, course):
    assert wrong_ways(kind, course=course) == []


def test_who_crosses_by_his_course_is_on_the_wrong_way():
    assert "violation" in wrong_ways("crosses")


def test_who_turns_is_on_the_wrong_way():
    assert "violation" in wrong_ways("jumps", turns=True)


@pytest.mark.parametrize("bit", [doubt.GHOST, 2, doubt.FROZEN, doubt.JAMMED, doubt.IN_JAM, doubt.ASTRAY])
def test_a_terminal_in_doubt_is_on_no_wrong_way(bit):
    assert "violation" in wrong_ways("crosses", bits=8)  # overconfident: its place is its vehicle's
    assert wrong_ways("crosses", bits=bit) == []
