"""State and open episodes of other versions: unknown fields are ignored, missing ones start fresh."""

import math

import msgpack
import msgspec
import pytest

from geofence.carry import MonitorState
from geofence.violation import encode
from tests.support.geofence_world import T0_NS, World, drift

NS = 1_000_000_000
AT = drift(2.0, 1.0, 2.0, 20.0)


def driven():
    """A monitor with an open departure, and the bytes of its episode."""
    world = World()
    opened = world.drive(7.0, AT)
    return world, world.episodes[opened[0].id]


def with_more(state):
    """Add what a later version may keep."""
    state |= {"convoys": [[1, 2]]}
    judgement = state["judgements"][0]
    judgement |= {"route": "north"}
    judgement["stamps_ns"] |= {"off_route_since_ns": 5}
    judgement["rules"] |= {"a_later_rule": {"cusum": [1.0]}}
    judgement["episodes"][0] |= {"severity": 3}


def with_less(state):
    """Remove what an earlier version may lack."""
    for name in ("waiting", "to_close", "unjudged_since", "counts"):
        del state[name]
    judgement = state["judgements"][0]
    for name in ("stamps_ns", "rules", "history", "moved", "lane_held"):
        del judgement[name]


@pytest.mark.parametrize("change", [with_more, with_less])
def test_a_state_of_another_version_continues_the_open_episode(change):
    whole, _ = driven()
    state = msgpack.unpackb(msgspec.msgpack.encode(whole.monitor.state()), strict_map_key=False)
    change(state)
    again = World()
    again.monitor.restore(msgspec.msgpack.decode(msgpack.packb(state), type=MonitorState))
    rest, same = whole.drive(14.0, AT, from_s=7.0), again.drive(14.0, AT, from_s=7.0)
    assert {v.id for v in same} == {v.id for v in rest}
    if change is with_more:
        assert [encode(v) for v in same] == [encode(v) for v in rest]


def test_a_restart_reads_an_episode_with_more_and_with_fewer_fields():
    _, body = driven()
    optional = ("undecidable", "scope", "seen_ns", "told_ns", "hop", "limit_mps", "identity_p", "zone")
    episode = msgpack.unpackb(body)
    others = (
        episode | {"severity": 3, "photos": ["a"]},
        {name: value for name, value in episode.items() if name not in optional},
    )
    for other in others:
        again = World()
        again.monitor.start(T0_NS + 8 * NS, [msgpack.packb(other)])
        assert again.monitor.counts == {}
        resumed = again.drive(1.0, AT, from_s=8.0)
        assert (resumed[0].id, resumed[0].version) == (episode["id"], episode["version"] + 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rule", "no_such_rule"),
        ("scope", "Z1"),  # of a rule of whole tracks
        ("lon_deg", math.nan),
        ("lat_deg", -41.0),  # on the other side of the earth
        ("version", 2**62),
        ("start_ns", "yesterday"),
        ("p_violation", 2.0),
        ("speed_mps", math.inf),
        ("speed_mps", 201.0),
        ("limit_mps", -1.0),
        ("s_m", 2e7),
        ("road_s_m", -1e8),  # no road of that length has stakes
        ("d_m", 2e5),
        ("sigma_d_m", -0.1),
        ("lane", "\u202eEH"),
        ("id", [[[]]]),
        ("vehicle", {"plate": "x" * 5_000}),
    ],
)
def test_an_episode_that_can_not_be_true_is_counted_and_not_continued(name, value):
    _, body = driven()
    again = World()
    again.monitor.start(T0_NS + 8 * NS, [msgpack.packb(msgpack.unpackb(body) | {name: value})])
    assert again.monitor.counts == {"start.episode": 1}
    assert again.monitor.state().waiting == ()
