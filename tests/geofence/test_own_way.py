"""By fixes alone, a place on the other carriageway is no wrong way unless a course led there."""

import math

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
