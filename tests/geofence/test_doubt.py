"""`ghost_report` and `gnss_integrity`: doubt in a terminal opens a notice for each fault."""

import numpy as np
import pytest

from fusion import doubt_table
from geofence.rules import doubt
from tests.support.geofence_world import World, batch

T0_NS, TICK_NS = 1_800_000_000_000_000_000, 100_000_000


def drive(*bits: int):
    """Return the versions of a truck whose terminal is in doubt as `bits` say, for one second each."""
    world, out = World(), []
    for k in range(10 * len(bits)):
        t_ns = T0_NS + k * TICK_NS
        tracks = batch(t_ns, {"east": 100.0 + 1.6 * k})
        located = world.monitor.locate(tracks, world.terminals)
        kinds = np.array([bits[k // 10]], dtype=np.uint8)
        judged = world.monitor.tick(t_ns, tracks, located, np.array([True]), doubt=kinds)
        out += [(found.violation.rule, found.violation.phase, found.violation.reason) for found in judged]
    return out


def test_the_bits_are_those_of_fusion():
    assert doubt.GHOST == doubt_table.GHOST
    assert doubt.FAULTS == doubt_table.NAMES
    names = ("FROZEN", "JAMMED", "IN_JAM", "ASTRAY")
    assert [getattr(doubt, name) for name in names] == [getattr(doubt_table, name) for name in names]


@pytest.mark.parametrize(
    ("bits", "want"),
    [
        ((0, 0), []),
        ((1, 1), [("ghost_report", "open", None)]),
        ((1, 0, 1, 0), [("ghost_report", "open", None)]),  # a pause shorter than clear_s
        ((1, 0, 0, 0, 0, 0), [("ghost_report", "open", None), ("ghost_report", "close", None)]),
        ((2, 2), [("gnss_integrity", "open", "dragged")]),
        ((4, 0, 0, 0, 0, 4), [
            ("gnss_integrity", "open", "frozen"), ("gnss_integrity", "close", "frozen"),
            ("gnss_integrity", "open", "frozen"),
        ]),
        ((2, 2 | 8, 8, 8, 8, 8), [  # each fault has its own episode
            ("gnss_integrity", "open", "dragged"), ("gnss_integrity", "open", "overconfident"),
            ("gnss_integrity", "close", "dragged"),
        ]),
    ],
)  # fmt: skip
def test_one_episode_for_each_fault(bits, want):
    assert drive(*bits) == want


def test_doubt_is_a_notice_about_a_source_and_closes_no_other_episode():
    world = World()
    tracks = batch(T0_NS, {})
    located = world.monitor.locate(tracks, world.terminals)
    judged = world.monitor.tick(T0_NS, tracks, located, np.array([True]), doubt=np.array([1], dtype=np.uint8))
    (found,) = judged
    assert (found.violation.grade, found.violation.confirmed_ns) == ("notice", None)
