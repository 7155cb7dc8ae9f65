"""A notice about a terminal does not close because its vehicle went to the next RSU."""

from dataclasses import replace

import msgpack
import msgspec
import pytest

from edge.wire import decode_handover
from geofence.violation import decode
from roadside.inputs import HandedOver, Start
from roadside.outputs import HandoverOffer, Raised
from roadside.pipeline import Pipeline
from tests.support.roadside_drive import NS, T0_NS, between, drive, fix, leave, place, run

AT_NS = T0_NS + 9 * NS


@pytest.fixture(scope="module")
def handed(setup):
    giver, _ = between(setup, 420.0)
    outputs = run(giver, drive(setup, leave, seconds=9.0))
    body = next(o.body for o in outputs if isinstance(o, HandoverOffer))
    return msgpack.unpackb(body, strict_map_key=False)


def adopted(setup, message):
    """Return a taker whose radar sees nothing for 6 s, and what it raises; `clear_s` is 3 s."""
    taker = Pipeline(replace(setup, esn="B", place=1))
    taker.step(AT_NS - 1, Start(epoch=1))
    taker.step(AT_NS, HandedOver("A", decode_handover(msgpack.packb(message))))
    assert taker.counts == {}
    later = []
    for k in range(1, 7):
        stamp_ns = AT_NS + (k - 1) * NS
        later += taker.step(stamp_ns + NS // 10, fix(stamp_ns, *place((stamp_ns - T0_NS) / 1e9, leave)))
        later += taker.step(AT_NS + k * NS, None)
    return taker, [decode(o.body) for o in later if isinstance(o, Raised)]


def noticed(handed, rule, scope):
    """Return the handover with its open episode as one of this rule."""
    message = msgspec.msgpack.decode(msgspec.msgpack.encode(handed))
    judgement = message["tracks"][0]["judgement"]
    episode = judgement["episodes"][0] | {
        "rule": rule,
        "scope": scope,
        "undecidable": False,
        "grade": "notice",
    }
    judgement["episodes"] = [episode]
    return message, episode["id"]


NOTICES = [("ghost_report", "")] + [
    ("gnss_integrity", fault) for fault in ("dragged", "frozen", "overconfident", "jammed")
]


# of one that was frozen the first fix from elsewhere says that it is not
@pytest.mark.parametrize(("rule", "scope"), [row for row in NOTICES if row[1] != "frozen"])
def test_of_an_older_neighbour_that_says_nothing_of_doubt_the_notice_stays_open(setup, handed, rule, scope):
    message, key = noticed(handed, rule, scope)
    del message["tracks"][0]["track"]["doubt"]
    taker, raised = adopted(setup, message)
    assert [v for v in raised if v.id == key and v.phase == "close"] == []
    assert key in episodes_of_monitor(taker)


@pytest.mark.parametrize(("rule", "scope"), NOTICES)
def test_what_the_giver_does_not_doubt_any_more_closes(setup, handed, rule, scope):
    message, key = noticed(handed, rule, scope)
    message["tracks"][0]["track"]["doubt"] = {}
    taker, raised = adopted(setup, message)
    assert [v.phase for v in raised if v.id == key] == ["close"]
    assert key not in episodes_of_monitor(taker)


def test_a_ghost_is_shown_at_the_next_rsu_neither_as_confirmed_nor_as_owned(setup, handed):
    message, key = noticed(handed, "ghost_report", "")
    message["tracks"][0]["track"]["doubt"] = {"kinds": 1, "unseen": -13.8}
    taker, raised = adopted(setup, message)
    assert [v for v in raised if v.id == key] == []
    tracks = taker.tracker.at(AT_NS + 6 * NS)
    assert taker.tracker.doubt(tracks).tolist() == [1]


def episodes_of_monitor(pipeline):
    return [episode.id for judgement in pipeline.monitor.carry(None) for episode in judgement.episodes]
