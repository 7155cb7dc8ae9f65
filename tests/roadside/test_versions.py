"""RSUs of different versions side by side: what one adds the other ignores, what one lacks starts fresh."""

import shutil
from dataclasses import replace
from pathlib import Path

import msgpack
import pytest

from edge.outbox.store import Store
from edge.wire import decode_handover, decode_handover_ack
from geofence.violation import decode
from roadside.inputs import HandedOver, Start
from roadside.outputs import HandoverOffer, OfferAck, Raised
from roadside.pipeline import Pipeline
from tests.support.geofence_world import T0_NS as WORLD_NS
from tests.support.geofence_world import World, drift
from tests.support.roadside_drive import NS, T0_NS, between, drive, leave, run

OUTBOX = Path(__file__).parents[1] / "data" / "outbox" / "before_named_state.sqlite"
AT_NS = T0_NS + 9 * NS


@pytest.fixture(scope="module")
def handed(setup):
    """A handover with an open episode."""
    giver, _ = between(setup, 420.0)
    outputs = run(giver, drive(setup, leave, seconds=9.0))
    return next(o.body for o in outputs if isinstance(o, HandoverOffer))


def newer(judgement):
    """What a later version may have added."""
    judgement |= {"speed_profile": [1.0, 2.0], "swerves": True}
    judgement["stamps_ns"] |= {"off_route_since_ns": 1}
    judgement["rules"] |= {"time_window": {"cusum": [1.0], "held_s": [2.0]}}
    judgement["rules"]["lane_departure"] |= {"likelihood": [0.1] * 7}
    judgement["history"] |= {"heading_rad": b"\x00" * 8}
    judgement["history"]["columns"] |= {"height_m": b"\x00" * 8}
    judgement["episodes"][0] |= {"severity": 3}


def older(judgement):
    """What an earlier version may have lacked."""
    del judgement["rules"]["lane_departure"]["judged_ns"], judgement["rules"]["lane_departure"]["clear_s"]
    del judgement["history"]["columns"]["sigma_d_m"], judgement["history"]["value"]["wrong_way"]
    del judgement["moved"], judgement["lane_held"], judgement["stamps_ns"]["elsewhere_since_ns"]
    for name in ("undecidable", "scope", "seen_ns", "told_ns", "hop", "limit_mps", "identity_p"):
        del judgement["episodes"][0][name]


def before_names(judgement):
    """Rows of arrays, as they were sent before they had names."""
    episodes, track = judgement["episodes"], judgement["track"]
    judgement.clear()
    judgement |= {"track": track, "state": b"\x00" * 656, "stamps": [0] * 39, "ring": b"", "ring_ns": []}
    judgement["episodes"] = episodes


@pytest.mark.parametrize("change", [newer, older, before_names, lambda judgement: None])
def test_a_neighbour_of_another_version_is_adopted_and_answered(setup, handed, change):
    message = msgpack.unpackb(handed, strict_map_key=False)
    judgement = message["tracks"][0]["judgement"]
    episode = dict(judgement["episodes"][0])
    change(judgement)
    taker = Pipeline(replace(setup, esn="B", place=1))
    taker.step(AT_NS - 1, Start(epoch=1))
    outputs = taker.step(AT_NS, HandedOver("A", decode_handover(msgpack.packb(message))))
    assert [decode_handover_ack(o.body).refused for o in outputs if isinstance(o, OfferAck)] == [()]
    assert taker.counts == taker.monitor.counts == {}, "nothing refused, nothing restarted"
    (carried,) = taker.monitor.carry(None)
    version = episode["version"] + 1  # stated at once under the new owner
    proved = [e for e in carried.episodes if not e.undecidable]  # from afar it was undecidable as well
    assert [(e.id, e.version, e.hop) for e in proved] == [(episode["id"], version, 1)]
    later = [o for k in range(400) for o in taker.step(AT_NS + (k + 1) * NS // 10, None)]
    mine = [v for v in (decode(o.body) for o in later if isinstance(o, Raised)) if v.id == episode["id"]]
    assert [(v.version, v.phase) for v in mine] == [(version + 1, "close")]


@pytest.mark.parametrize("change", [newer, older])
def test_evidence_that_both_versions_know_continues(setup, handed, change):
    message = msgpack.unpackb(handed, strict_map_key=False)
    judgement = message["tracks"][0]["judgement"]
    held_s = judgement["rules"]["lane_departure"]["held_s"]
    stamps = judgement["history"]["stamp_ns"]
    change(judgement)
    taker = Pipeline(replace(setup, esn="B", place=1))
    taker.step(AT_NS - 1, Start(epoch=1))
    taker.step(AT_NS, HandedOver("A", decode_handover(msgpack.packb(message))))
    (carried,) = taker.monitor.carry(None)
    assert max(held_s) > 0.0
    assert list(carried.rules["lane_departure"].held_s) == held_s
    assert list(carried.history.stamp_ns) == stamps


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({"reasons": ["full"], "load": 0.5}, ()),  # of a later version
        ({"refused": None}, ()),  # of an earlier version: it lacks the field
        ({"refused": [0]}, (0,)),
    ],
)
def test_an_acknowledgement_of_another_version_is_read(change, refused):
    payload = {"epoch": 1, "seq": 7, "refused": []} | change
    answer = {name: value for name, value in payload.items() if value is not None}
    assert decode_handover_ack(msgpack.packb(answer)).refused == refused


def test_the_open_episodes_of_an_outbox_before_named_state_continue(tmp_path):
    """The database was written when handovers carried rows of arrays and an episode had no scope."""
    path = tmp_path / "outbox.sqlite"
    shutil.copy(OUTBOX, path)
    store = Store(path, 1_790_000_100)
    bodies = store.episodes()
    store.close()
    before = {body["id"]: body for body in map(msgpack.unpackb, bodies)}
    assert {(b["rule"], b["undecidable"]) for b in before.values()} == {
        ("lane_departure", False),
        ("lane_departure", True),
        ("dark_vehicle", False),
    }
    world, at = World(), drift(2.0, 1.0, 2.0, 20.0)
    world.monitor.start(WORLD_NS + 16 * NS, bodies)
    assert world.monitor.counts == {}
    resumed = world.drive(1.0, lambda t: at(t) | {"track": 501}, from_s=16.0)
    mine = before[resumed[0].id]
    assert (resumed[0].version, resumed[0].track) == (mine["version"] + 1, 501)
    assert (resumed[0].start_ns, resumed[0].phase) == (mine["start_ns"], "update")
    closed = world.tick(WORLD_NS + 46 * NS, at(46.0) | {"track": 501})
    assert {v.id for v in closed if v.reason == "lost"} == before.keys() - {mine["id"]}
