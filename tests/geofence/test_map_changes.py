"""What another map means for what is judged now, and what a change costs with 5 000 vehicles."""

import time
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from core.times import TICK_NS
from geofence.config import RulesConfig
from geofence.episodes import decoded, encoded
from geofence.map_changes import GONE, map_changes
from geofence.monitor import Monitor
from geofence.state import HINT
from tests.support.geofence_world import FRAME, T0_NS, World, batch, feature, lonlat, road

ZONE = [(300.0, -9.5), (420.0, -9.5), (420.0, -5.75), (300.0, -5.75)]


def with_lane(made, name, **changes):
    """Return a map with one lane otherwise."""
    lanes = tuple(replace(lane, **changes) if lane.lane == name else lane for lane in made.lanes)
    return replace(made, lanes=lanes)


def test_a_lane_that_changed_and_those_beside_it_are_others_and_names_carry_over():
    old = road()
    names = [lane.lane for lane in old.lanes]
    assert not map_changes(old, road()).changed.any()
    found = map_changes(old, with_lane(old, names[0], speed_limit_mps=10.0))
    beside = old.lanes[0].left or old.lanes[0].right
    assert {names[k] for k in np.flatnonzero(found.changed)} == {names[0], beside}
    reordered = replace(old, lanes=old.lanes[::-1])
    assert map_changes(old, reordered).lanes.tolist() == list(range(len(names)))[::-1]
    fewer = replace(old, lanes=old.lanes[1:])
    assert map_changes(old, fewer).lanes[0] == GONE
    assert map_changes(old, fewer).lane(-1) == GONE


@pytest.mark.parametrize(
    ("change", "gone"), [({}, set()), ({"role": "rest"}, {"Z"}), ({"speed_limit_mps": 9.0}, {"Z"})]
)
def test_a_zone_is_the_same_by_its_name_and_all_that_rules_read(change, gone):
    ring = [lonlat([*ZONE, ZONE[0]])]
    of = {"zone": "Z", "role": "no_entry"}
    old, new = (road(feature("zone", "Polygon", ring, **(of | more))) for more in ({}, change))
    assert map_changes(old, new).zones == gone
    assert map_changes(old, road()).zones == {"Z"}


def test_an_episode_about_a_zone_that_is_gone_closes_and_one_about_another_stays():
    ring = [lonlat([*ZONE, ZONE[0]])]
    zones = [feature("zone", "Polygon", ring, zone=name, role="no_entry") for name in ("gone", "stays")]
    world = World(road(*zones))
    for k in range(40):
        world.observe(k, {"east": 320.0 + 1.6 * k, "sigma": 0.1})
    assert {v.zone for v in world.out if v.rule == "zone_entry"} == {"gone", "stays"}
    new = road(zones[1])
    found = map_changes(world.road, new)
    closes = world.monitor.close_on_map(1, found)
    assert [(row.violation.zone, row.violation.reason) for row in closes] == [("gone", "map_changed")]


@pytest.mark.parametrize(
    ("lane", "changed", "closes"),
    [
        ("EH", "EH", True),
        ("EG", "EH", True),  # beside it: how far out its vehicle is may be another depth now
        (None, "EH", True),  # beside the road, and this lane is the nearest
        ("EH", "WH", False),
        (None, "WH", False),
        ("gone long ago", "EH", False),
    ],
)
def test_an_episode_that_waits_since_a_restart_closes_with_its_lane(lane, changed, closes):
    """The restart forgot which lane its vehicle held; the episode says where it was."""
    world = World()
    world.drive(8.0, lambda t: {"east": 100.0 + 16.0 * t, "north": -7.625 - min(max(t - 2.0, 0.0), 2.6)})
    (body,) = [body for body in world.episodes.values() if body is not None]
    episode = msgspec.structs.replace(decoded(body), lane=lane)
    assert (episode.rule, episode.grade) == ("lane_departure", "violation")
    started = World()
    started.monitor.start(T0_NS, [encoded(episode)])
    found = map_changes(started.road, with_lane(started.road, changed, speed_limit_mps=9.0))
    versions = started.monitor.close_on_map(T0_NS + 1, found)
    assert [row.violation.reason for row in versions] == (["map_changed"] if closes else [])
    assert len(started.monitor.waiting()) == (0 if closes else 1)


def test_with_5_000_vehicles_a_change_of_the_map_fits_into_a_tick_and_loses_nothing():
    """CPU time of this thread: what else the machine does is not the change's own."""
    old, new = road(), with_lane(road(), "none")
    east, north = np.tile(np.linspace(5.0, 900.0, 1_250), 4), np.repeat([-7.6, -3.9, 3.9, 7.6], 1_250)
    one = {"terminal": -1, "v_east": 16.0}
    rows = [
        one | {"east": e, "north": n, "v_east": -16.0 if n > 0 else 16.0}
        for e, n in zip(east, north, strict=True)
    ]
    monitors = [
        Monitor(RulesConfig(), made, FRAME, [], esn="R", stretch_m=None, radars=[]) for made in (old, new)
    ]
    tracks, owned = batch(10**18, *rows), np.ones(len(rows), dtype=np.bool_)
    monitors[0].observe(0, tracks, monitors[0].locate(tracks, []), owned)
    before = {
        name: array.copy()
        for name, array in vars(monitors[0]._state).items()
        if isinstance(array, np.ndarray)
    }
    begun = time.thread_time_ns()
    found = map_changes(old, new)
    closes = monitors[0].close_on_map(0, found)
    monitors[1].continue_on(monitors[0], found)
    assert time.thread_time_ns() - begun < TICK_NS / 2
    assert not closes
    assert (monitors[1]._state.flags[:5_000, HINT] > 0.0).all()
    for name, array in before.items():
        np.testing.assert_array_equal(getattr(monitors[1]._state, name), array)
