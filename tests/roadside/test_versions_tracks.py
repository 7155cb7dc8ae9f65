"""Neighbours and stored states of other versions: fields more are ignored, fields fewer start fresh."""

import msgpack
import numpy as np
import pytest

from edge.wire import decode_handover
from roadside.inputs import HandedOver, Start
from roadside.outputs import HandoverOffer, OfferAck
from roadside.pipeline import Pipeline
from roadside.pipeline_state import StateUnreadableError
from roadside.pipeline_state import decode as decode_state
from roadside.pipeline_state import encode as encode_state
from tests.support.roadside_drive import NS, T0_NS, between, drive, leave, run

AT_NS = T0_NS + 9 * NS


@pytest.fixture(scope="module")
def given(setup):
    """The handover of one truck that is over the line, as bytes."""
    giver, _ = between(setup, 420.0)
    return next(o.body for o in run(giver, drive(setup, leave, seconds=9.0)) if isinstance(o, HandoverOffer))


def adopted(setup, body):
    """Return a receiver after the handover, and whether it answered."""
    receiver = between(setup, 420.0)[1]
    receiver.step(AT_NS - 1, Start(epoch=1))
    outputs = receiver.step(AT_NS, HandedOver("A", decode_handover(body)))
    return receiver, any(isinstance(o, OfferAck) for o in outputs)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("modes",), [0.5, 0.5]),
        (("state", "turn_rate_radps"), 0.1),
        (("state", "covariance", "turn_rate"), [0.1]),
        (("state", "bias", "datum"), "WGS84"),
    ],
)
def test_a_neighbour_whose_version_sends_more_is_adopted_and_answered(setup, given, path, value):
    message = msgpack.unpackb(given, strict_map_key=False)
    inner = message["tracks"][0]["track"]
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    (as_sent, _), (receiver, answered) = adopted(setup, given), adopted(setup, msgpack.packb(message))
    assert answered
    np.testing.assert_array_equal(receiver.tracker.at(AT_NS).P, as_sent.tracker.at(AT_NS).P)


@pytest.mark.parametrize(
    "missing",
    [
        ("state", "covariance"),
        ("state", "covariance", "position"),
        ("state", "covariance", "velocity_bend"),
        ("state", "covariance", "bias"),
        ("state", "heading_rad"),
        ("state", "bend_mps2"),
        ("state", "manoeuvre"),
        ("state", "manoeuvre", "kept"),
        ("state", "bias"),
        ("state", "bias", "delay_s"),
        ("identity_p",),
        ("born_ns",),
        ("gnss_ns",),
        ("length_m",),
    ],
)
def test_a_neighbour_whose_version_sends_less_is_adopted_and_answered(setup, given, missing):
    """What it does not send starts fresh; the vehicle keeps its id."""
    message = msgpack.unpackb(given, strict_map_key=False)
    inner = message["tracks"][0]["track"]
    for key in missing[:-1]:
        inner = inner[key]
    del inner[missing[-1]]
    receiver, answered = adopted(setup, msgpack.packb(message))
    assert answered
    tracks = receiver.tracker.at(AT_NS)
    assert tracks.track.tolist() == [message["tracks"][0]["track"]["track"]]
    assert np.isfinite(tracks.x).all()
    assert np.isfinite(tracks.P).all()
    assert (np.linalg.eigvalsh(tracks.P[0])[0]) > 0.0


def test_a_state_of_a_version_before_named_fields_is_refused_by_name(setup):
    pipeline = Pipeline(setup)
    run(pipeline, drive(setup, leave, seconds=2.0))
    old = msgpack.unpackb(encode_state(pipeline.state(T0_NS + 2 * NS)), strict_map_key=False)
    for stored in old["tracker"]["tracks"]:  # rows by position
        stored["track"] = {
            "track": stored["track"]["track"],
            "terminal": None,
            "x": [0.0] * 11,
            "p": [0.0] * 28,
        }
    with pytest.raises(StateUnreadableError, match=r"another version.*replay from the start"):
        decode_state(msgpack.packb(old))


def test_a_state_with_fields_more_and_fewer_is_read(setup):
    pipeline = Pipeline(setup)
    run(pipeline, drive(setup, leave, seconds=2.0))
    other = msgpack.unpackb(encode_state(pipeline.state(T0_NS + 2 * NS)), strict_map_key=False)
    tracker = other["tracker"]
    tracker["modes"] = [1, 2]
    for name in ("keys", "pairs", "pair_ints", "clocks", "scans", "duplicates", "newest_ns", "counts"):
        del tracker[name]
    for stored in tracker["tracks"]:
        del stored["ring"]
        stored["track"]["new"] = "field"
    again = Pipeline(setup)
    again.restore(decode_state(msgpack.packb(other)))
    at_ns = T0_NS + 2 * NS
    assert again.tracker.at(at_ns).track.tolist() == pipeline.tracker.at(at_ns).track.tolist()
    np.testing.assert_array_equal(again.tracker.at(at_ns).x, pipeline.tracker.at(at_ns).x)
    run(again, [(at_ns + later_ns, item) for later_ns, item in ((NS, None), (3 * NS, None))])
