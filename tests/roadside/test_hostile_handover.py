"""A neighbour that sends what can't be true: one vehicle costs itself alone, and no state is poisoned."""

import math
from dataclasses import replace

import msgpack
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.wire import decode_handover, decode_handover_ack, decode_snapshot, records_of
from fusion.layout import AXIS, HEADING
from geofence.rules import OWN_STAMPS
from geofence.state import SHARED_STAMPS
from geofence.violation import decode
from roadside.handover import COUNTER_BITS, PLACE_BITS
from roadside.inputs import HandedOver, HandoverAnswered, Start
from roadside.outputs import HandoverOffer, OfferAck, Raised, Released, Snapshot
from roadside.pipeline import Pipeline
from roadside.pipeline_state import decode as decode_state
from roadside.pipeline_state import encode as encode_state
from tests.support.examples import examples
from tests.support.hostile import POISON, changed, floats, places
from tests.support.roadside_drive import NS, T0_NS, between, drive, leave, raised, run

AT_NS = T0_NS + 9 * NS
SECOND_ID = (1_700_000_000 << PLACE_BITS | 7) << COUNTER_BITS | 1


@pytest.fixture(scope="module")
def handed(setup):
    """The bytes of a handover of two: the truck that is over the line, and one 60 m behind it."""
    giver, _ = between(setup, 420.0)
    outputs = run(giver, drive(setup, leave, seconds=9.0))
    message = msgpack.unpackb(
        next(o.body for o in outputs if isinstance(o, HandoverOffer)), strict_map_key=False
    )
    first = message["tracks"][0]
    assert first["judgement"]["episodes"], "with an open episode"
    second = msgpack.unpackb(msgpack.packb(first), strict_map_key=False)
    second["track"] |= {"track": SECOND_ID, "terminal": "13900000002"}
    second["track"]["state"]["position_m"][0] -= 60.0
    second["judgement"] |= {"track": SECOND_ID, "episodes": []}
    message["tracks"] = [first, second]
    return msgpack.packb(message)


def taker(setup):
    pipeline = between(setup, 420.0)[1]
    pipeline.step(AT_NS - 1, Start(epoch=1))
    return pipeline


def live_on(pipeline, seconds=2.0):
    """Let the pipeline tick; return what it raises, all of it finite, and the first snapshot's tracks."""
    outputs = [
        o for k in range(int(seconds * 10)) for o in pipeline.step(AT_NS + (k + 1) * NS // 10 + 1, None)
    ]
    bodies = [o.body for o in outputs if isinstance(o, Raised)]
    assert all(math.isfinite(number) for body in bodies for number in floats(msgpack.unpackb(body)))
    first = next(o for o in outputs if isinstance(o, Snapshot))
    return [decode(body) for body in bodies], records_of(decode_snapshot(first.body))


def take(pipeline, body, at_ns=AT_NS):
    """Hand a message over; return the places that the answer refuses, None where there is none."""
    with np.errstate(all="raise"):
        outputs = pipeline.step(at_ns, HandedOver("A", decode_handover(body)))
    answers = [decode_handover_ack(o.body) for o in outputs if isinstance(o, OfferAck)]
    return answers[0].refused if answers else None


def test_both_are_adopted_as_they_are(setup, handed):
    pipeline = taker(setup)
    assert take(pipeline, handed) == ()
    _, records = live_on(pipeline, 0.2)
    assert len(records) == 2


FIRST = st.sampled_from(("track", "judgement"))


@settings(max_examples=examples(35))
@given(data=st.data())
def test_any_field_of_one_vehicle_costs_that_vehicle_alone(setup, handed, data):
    """The other is taken, or the message is not answered at all; then its giver judges both on."""
    message = msgpack.unpackb(handed, strict_map_key=False)
    path = data.draw(st.sampled_from([p for p in places(message["tracks"][0]) if len(p) < 6]))
    body = changed(handed, ("tracks", 0, *path), data.draw(st.sampled_from(POISON)))
    pipeline = taker(setup)
    refused = take(pipeline, body)
    assert refused in ((), (0,))
    if refused:
        assert sum(
            pipeline.counts[r] for r in ("handover.refused", "handover.undecodable") if r in pipeline.counts
        )
    _, records = live_on(pipeline, 0.2)
    assert SECOND_ID in records["track"].tolist()
    for array in (pipeline.tracker.store.X, pipeline.tracker.store.P):
        rows = pipeline.tracker.store.track > 0
        finite = np.delete(array[rows], [HEADING, AXIS], axis=1) if array.ndim == 2 else array[rows]
        assert np.isfinite(finite).all(), "no NaN enters the tracker"


@settings(max_examples=examples(12))
@given(data=st.data())
def test_evidence_that_no_observation_makes_accuses_nobody(setup, handed, data):
    """Where it can't be true it starts anew; its episodes continue."""
    message = msgpack.unpackb(handed, strict_map_key=False)
    judgement = message["tracks"][0]["judgement"]
    poison = data.draw(st.sampled_from((math.nan, math.inf, -math.inf, 1e308, -1.0, 1e12)))
    rule = judgement["rules"][data.draw(st.sampled_from(sorted(judgement["rules"])))]
    history = judgement["history"][data.draw(st.sampled_from(("columns", "value", "sigma")))]
    kind = data.draw(st.sampled_from(("cusum", "held_s", "clear_s", "history", "length")))
    if kind in ("cusum", "held_s"):
        rule[kind][data.draw(st.integers(0, len(rule[kind]) - 1))] = poison
    elif kind == "clear_s":
        rule[kind] = poison
    else:
        name = data.draw(st.sampled_from(sorted(history)))
        numbers = np.frombuffer(history[name]).copy()
        numbers[data.draw(st.integers(0, len(numbers) - 1))] = poison
        history[name] = numbers[kind == "length" :].tobytes()
    pipeline = taker(setup)
    assert take(pipeline, msgpack.packb(message)) == ()
    raised, _ = live_on(pipeline)
    assert {v.rule for v in raised} <= {"lane_departure"}


@pytest.mark.parametrize("name", [*SHARED_STAMPS, *OWN_STAMPS, "judged_ns", "last_over_ns", "cusum_since_ns"])
@pytest.mark.parametrize("stamp_ns", [1, 10**18, T0_NS + 86_400 * NS, 2**63 - 1, -5])
def test_a_judgements_stamp_far_from_now_neither_accuses_nor_blinds(setup, handed, name, stamp_ns):
    """Standing or silent since 1970 would be a violation at once; judged in a day's time, never one again."""
    message = msgpack.unpackb(handed, strict_map_key=False)
    judgement = message["tracks"][0]["judgement"]
    of_rule = judgement["rules"]["lane_departure"]
    carried = judgement["stamps_ns"] if name in judgement["stamps_ns"] else of_rule
    carried[name] = [stamp_ns] * 3 if name == "cusum_since_ns" else stamp_ns
    pipeline = taker(setup)
    assert take(pipeline, msgpack.packb(message)) == ()
    assert pipeline.all_counts()["handover.state"] == 1
    raised, _ = live_on(pipeline)
    assert {v.rule for v in raised} <= {"lane_departure"}


@pytest.mark.parametrize(
    ("second", "why"),
    [
        ({}, "the same vehicle twice"),
        (
            {("track", "track"): 1 << PLACE_BITS << COUNTER_BITS | 1 << COUNTER_BITS | 9},
            "an id that we would give",
        ),
        ({("track", "terminal"): "\u202e139"}, "a name that turns the line around"),
        ({("judgement", "track"): 77}, "another vehicle's judgement"),
    ],
)
def test_a_second_vehicle_that_claims_what_is_anothers_is_refused_alone(setup, handed, second, why):
    message = msgpack.unpackb(handed, strict_map_key=False)
    if not second:
        message["tracks"][1] = message["tracks"][0]
    for (part, name), value in second.items():
        message["tracks"][1][part][name] = value
    pipeline = taker(setup)
    assert take(pipeline, msgpack.packb(message)) == (1,), why
    assert pipeline.counts == {"handover.refused": 1}


def test_an_id_that_is_anothers_here_moves_nobody(setup, handed):
    """A forged id 3 km away would become the track that bears it here, with all its episodes."""
    pipeline = taker(setup)
    assert take(pipeline, handed) == ()
    before = pipeline.tracker.at(AT_NS + 1)
    message = msgpack.unpackb(handed, strict_map_key=False)
    message["seq"] += 1
    for vehicle in message["tracks"]:
        vehicle["track"]["state"]["position_m"][0] += 3_000.0
    assert take(pipeline, msgpack.packb(message), AT_NS + 1) is None
    np.testing.assert_array_equal(pipeline.tracker.at(AT_NS + 1).x, before.x)


def test_a_repeat_is_answered_as_the_first_was(setup, handed):
    """Through a restored state too: a second answer that takes all would leave the refused to nobody."""
    pipeline = taker(setup)
    body = changed(handed, ("tracks", 0, "track", "state", "position_m", 0), math.nan)
    assert take(pipeline, body) == (0,)
    again = taker(setup)
    again.restore(decode_state(encode_state(pipeline.state(AT_NS))))
    assert take(pipeline, body) == take(again, body) == (0,)
    assert pipeline.counts["handover.refused"] == 1


def test_a_giver_of_an_earlier_version_gets_no_answer_to_a_part(setup, handed):
    """It would leave all of them to us, and the refused one's episode would stay open for ever."""
    message = msgpack.unpackb(
        changed(handed, ("tracks", 0, "track", "state", "position_m", 0), math.nan), strict_map_key=False
    )
    del message["partial"]
    pipeline = taker(setup)
    assert take(pipeline, msgpack.packb(message)) is None
    assert len(pipeline.tracker.at(AT_NS)) == 0, "nothing is half taken"


def test_the_giver_judges_on_what_was_refused(setup):
    giver, _ = between(setup, 420.0)
    give = next(o for o in run(giver, drive(setup, leave, seconds=9.0)) if isinstance(o, HandoverOffer))
    (key,) = giver.tracker.at(AT_NS).track.tolist()
    refused = HandoverAnswered(by="B", epoch=1_800_000_000, seq=give.seq, refused=(0,))
    outputs = giver.step(AT_NS, refused)
    assert not any(isinstance(o, Released) for o in outputs)
    assert giver.ownership.phase(key) == "giving", "judged here still"
    later = [o for k in range(400) for o in giver.step(AT_NS + k * NS // 10, None)]
    assert not any(isinstance(o, HandoverOffer) for o in later), "answered: not repeated"
    closes = raised(later)
    assert [(v.phase, v.reason) for v in closes] == [("close", "handover_lost")]
    assert giver.counts["handover.not_taken"] == 1


@pytest.mark.parametrize("refused", [(511,), (0, 0, 1, 400)])
def test_an_answer_that_names_other_places_is_read_as_one_of_those_that_it_gave(setup, refused):
    giver, _ = between(setup, 420.0)
    give = next(o for o in run(giver, drive(setup, leave, seconds=9.0)) if isinstance(o, HandoverOffer))
    outputs = giver.step(AT_NS, HandoverAnswered(by="B", epoch=1_800_000_000, seq=give.seq, refused=refused))
    assert any(isinstance(o, Released) for o in outputs) == (0 not in refused)


def test_after_the_poison_it_judges_as_before(setup, handed):
    """The same drive through a taker that was poisoned by all that is refused gives the same violations."""
    bodies = [changed(handed, ("seq",), k + 100) for k in range(len(POISON))]
    message = msgpack.unpackb(handed, strict_map_key=False)
    state = ("track", "state")
    paths = [
        (*state, "position_m", 0),
        (*state, "covariance", "position", 0),
        ("track", "stamp_ns"),
        ("track", "track"),
    ]
    found = []
    for poisoned in (False, True):
        pipeline = Pipeline(replace(setup, esn="B", place=1))
        outputs = []
        for at_ns, item in drive(setup, leave, seconds=9.0):
            outputs += pipeline.step(at_ns, item)
            if poisoned and isinstance(item, Start):
                for path in paths:
                    for body, value in zip(bodies, POISON, strict=True):
                        alone = msgpack.unpackb(body, strict_map_key=False) | {
                            "tracks": [message["tracks"][1]]
                        }
                        bad = changed(msgpack.packb(alone), ("tracks", 0, *path), [value])
                        pipeline.step(at_ns, HandedOver("A", decode_handover(bad)))
        found.append([o.body for o in outputs if isinstance(o, Raised)])
    assert found[0]
    assert found[0] == found[1]


def test_a_whole_message_of_garbage_rows_is_not_answered(setup, handed):
    message = msgspec.msgpack.decode(handed) | {"tracks": [1, None, "x", {}, [[]]]}
    pipeline = taker(setup)
    assert take(pipeline, msgspec.msgpack.encode(message)) is None
    assert pipeline.counts == {"handover.undecodable": 5}
