"""Standing for long: the longest stay of a zone, rows of parked trucks against jams, reversing for long."""

import msgspec
import pytest

from core.errors import MapError
from geofence.config import Grading, Hold, RulesConfig
from geofence.map.roadmap import load_map
from tests.support.geofence_world import (
    CAR,
    FRAME,
    GENERAL,
    HAZMAT,
    World,
    faults,
    feature,
    lane,
    lonlat,
    map_text,
    road,
)  # fmt: skip

STAYS = RulesConfig(
    parking_timeout=Grading(notice=(Hold(over=0.0),), warning=(Hold(over=5.0),), violation=(Hold(over=99.0),))
)
SHORT_STOPS = RulesConfig(
    illegal_stop=Grading(notice=(Hold(over=3.0),), warning=(Hold(over=5.0),), violation=(Hold(over=99.0),)),
    stop_jam_s=20.0,
)


def parking(low_m=400.0, high_m=500.0, **properties):
    ring = [[low_m, -60.0], [high_m, -60.0], [high_m, 0.0], [low_m, 0.0], [low_m, -60.0]]
    return feature("zone", "Polygon", [lonlat(ring)], **({"zone": "P", "role": "parking"} | properties))


def stopping(t, at_m=450.0, **more):
    """It comes and stands from 2 s on."""
    return {"east": at_m - max(0.0, 16.0 * (2.0 - t)), "v_east": 16.0 if t < 2.0 else 0.0} | more


def moving_up(t):
    return stopping(t) | ({"v_east": 2.0} if 10.0 < t < 14.0 else {})


@pytest.mark.parametrize(
    ("zone", "at", "want"),
    [
        (parking(stay_max_s=20), stopping, ["open", "update"]),
        (parking(stay_max_s=40), stopping, []),
        (parking(), stopping, []),  # none says how long
        (parking(stay_max_s=20), lambda t: stopping(t, north=-30.0), ["open", "update"]),  # off the lanes
        (parking(stay_max_s=20), lambda t: stopping(t, at_m=380.0), []),  # before the zone
        (parking(stay_max_s=20), lambda t: stopping(t, terminal=1, kind=1), []),  # a car
        (parking(stay_max_s=20), lambda t: {"east": 405.0 + 3.0 * t, "v_east": 3.0}, []),  # it never stands
        # moving up within the zone ends no stay, but is no standing either
        (parking(stay_max_s=20), moving_up, ["open"]),
        # it left and came back: a stay of its own
        (parking(stay_max_s=20), lambda t: stopping(t, at_m=450.0 if not 10.0 < t < 14.0 else 600.0), []),
    ],
)  # fmt: skip
def test_a_stay_of_a_zone_has_an_end(zone, at, want):
    world = World(road(zone), STAYS)
    world.drive(28.5, at)
    raised = world.of("parking_timeout")
    assert [v.phase for v in raised][: len(want) or None] == want
    assert not [fault for v in raised for fault in faults(v)]


def test_the_stay_goes_with_the_vehicle_and_ends_where_it_leaves():
    there, here = World(road(parking(stay_max_s=20)), STAYS), World(road(parking(stay_max_s=20)), STAYS)
    there.drive(15.0, stopping)
    here.monitor.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(there.monitor.state()),
                                                type=type(there.monitor.state())))  # fmt: skip
    here.drive(10.0, stopping, from_s=15.0)
    (opened,) = here.of("parking_timeout")
    assert (opened.stamps.measured_ns - opened.start_ns) * 1e-9 == pytest.approx(20.2, abs=0.5)
    here.drive(8.0, lambda t: {"east": 510.0 + 16.0 * (t - 25.0)}, from_s=25.0)
    assert here.of("parking_timeout")[-1].phase == "close"


@pytest.mark.parametrize("stay", [0, -5, 1e9, "a day"])
def test_a_stay_that_makes_no_sense_is_refused(stay):
    with pytest.raises(MapError, match="stay_max_s"):
        road(parking(stay_max_s=stay))


def changing_road(change):
    """A hazmat lane beside a general one, into which it may change or not."""
    features = [
        lane("H", [[0, 0], [1000, 0]], [[0, -4], [1000, -4]], allowed=HAZMAT, left="G", change_left=change),
        lane("G", [[0, 4], [1000, 4]], [[0, 0], [1000, 0]], allowed=[*GENERAL, *HAZMAT], index=1, right="H"),
        feature("axis", "LineString", lonlat([[0, 0], [1000, 0]]), road="main", k0_m=0.0),
    ]
    return load_map(map_text(features), FRAME)


@pytest.mark.parametrize(
    ("change", "passes", "row_s", "want"),
    [
        (True, True, 600.0, {1, 2, 3}),  # parked: each is a case
        (True, False, 600.0, {1}),  # a jam in which all lanes stand; its first one has a free lane before it
        (False, True, 600.0, {1, 2, 3}),  # nobody may leave the lane: parked, or stuck behind the first
        (False, False, 600.0, {1}),
        (True, False, 25.0, {1, 2, 3}),  # for so long nothing has moved
        (False, False, 25.0, {1, 2, 3}),
    ],
)
def test_a_row_of_parked_trucks_is_no_jam_for_ever(change, passes, row_s, want):
    def at(t):
        row = [stopping(t, at_m=600.0 - 21.0 * k, track=k + 1, terminal=-1, north=-2.0) for k in range(3)]
        east = 500.0 + (16.0 * t) % 400.0
        speed = 16.0 if passes else 0.0
        other = {"track": 9, "terminal": 1, "kind": 1, "north": 2.0, "v_east": speed, "length": 4.5}
        return [*row, other | {"east": east if passes else 560.0}]

    rules = msgspec.structs.replace(SHORT_STOPS, stop_row_s=row_s)
    world = World(changing_road(change), rules, vehicles=(CAR,))
    world.drive(40.0, at)
    raised = [v for v in world.of("illegal_stop") if v.track != 9]
    assert {v.track for v in raised} == want
    stuck = {v.grade for v in raised if v.track > 1}
    assert stuck == (set() if len(want) == 1 else {"notice", "warning"} if change and passes else {"notice"})


@pytest.mark.parametrize(
    ("speed_mps", "seconds", "grade"),
    [
        (1.5, 70.0, "warning"),
        (1.5, 50.0, None),
        (0.7, 90.0, None),
        (2.5, 20.0, "notice"),
        (4.0, 5.0, "violation"),
    ],
)  # fmt: skip
def test_reversing_is_the_wrong_way_after_a_minute(speed_mps, seconds, grade):
    def at(t):
        forward = {"east": 500.0 + 16.0 * t, "v_east": 16.0}
        return forward if t < 2.0 else {"east": 532.0 - speed_mps * (t - 2.0), "v_east": -speed_mps}

    world = World()
    world.drive(2.0 + seconds, at)
    order = ("notice", "warning", "violation")
    got = max((v.grade for v in world.of("wrong_way")), key=order.index, default=None)
    assert got == grade or (grade is None and got == "notice")
