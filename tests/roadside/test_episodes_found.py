"""Open episodes that a damaged outbox lost come back in mid-run; the centre's ask reaches the outbox."""

import msgpack

from edge import topics
from edge.ask import ViolationAsk
from edge.wire import encode
from roadside.inputs import ENCODER, EpisodesFound, Start, decode
from roadside.outputs import Raised, Released
from roadside.pipeline import Pipeline
from tests.roadside.test_agent import made
from tests.support.roadside_drive import NS, T0_NS, drive, leave, run


def test_an_episode_that_the_recordings_had_open_is_closed_where_its_vehicle_is_gone(setup):
    """Else it would stay open on the supervisor's page for ever."""
    outputs = run(Pipeline(setup), drive(setup, leave, seconds=9.0))
    episode = next(o.episode for o in reversed(outputs) if isinstance(o, Raised) and o.episode)
    found = EpisodesFound(episodes=(episode, b"no episode"))
    assert decode("/input", ENCODER.encode(found), T0_NS, setup.frame) == found, "a replay reads it"
    pipeline = Pipeline(setup)
    outputs = pipeline.step(T0_NS, Start(epoch=2))
    outputs += pipeline.step(T0_NS + 10 * NS, found)
    outputs += pipeline.step(T0_NS + 45 * NS, None)
    closed = [msgpack.unpackb(o.body) for o in outputs if isinstance(o, Raised)]
    before = msgpack.unpackb(episode)
    assert [(v["id"], v["phase"], v["reason"]) for v in closed] == [(before["id"], "close", "lost")]
    assert closed[0]["version"] == before["version"] + 1
    assert pipeline.all_counts()["start.episode"] == 1


def test_an_episode_that_had_ended_waits_no_longer_once_the_recordings_say_so(setup):
    """An older outbox was put back. What was seen after the mark, or is not of this name, goes on."""
    outputs = run(Pipeline(setup), drive(setup, leave, seconds=9.0))
    episode = next(o.episode for o in reversed(outputs) if isinstance(o, Raised) and o.episode)
    state = msgpack.unpackb(episode)
    for ended_ns, names in ((state["seen_ns"], []), (state["seen_ns"] - 1, [state["id"]])):
        found = EpisodesFound(episodes=(), ended={state["id"]: ended_ns, "another": T0_NS})
        assert decode("/input", ENCODER.encode(found), T0_NS, setup.frame) == found, "a replay reads it"
        pipeline = Pipeline(setup)
        pipeline.step(T0_NS, Start(epoch=2, episodes=(episode,)))
        outputs = pipeline.step(T0_NS + 10 * NS, found)
        assert [o.episode_id for o in outputs if isinstance(o, Released)] == ([] if names else [state["id"]])
        outputs = pipeline.step(T0_NS + 45 * NS, None)
        assert [msgpack.unpackb(o.body)["id"] for o in outputs if isinstance(o, Raised)] == names


def test_an_ask_reaches_the_outbox_and_one_that_means_nothing_is_counted(setup):
    agent, asks = made(setup), []
    agent.outbox.answer = asks.append
    receive = agent.subscriptions(()).receive
    ask = ViolationAsk(centre="c", epoch=3, seqs=(1, 2))
    receive(topics.violation_ask("RSU001"), encode(ask), False)
    assert asks == [ask]
    for body in (b"", b"\xc1", msgpack.packb({"centre": "c"}), b"\x91" * 100_000 + b"\xc0"):
        receive(topics.violation_ask("RSU001"), body, False)
    assert len(asks) == 1
    assert agent.counts() == {"mqtt.undecodable.violation/ask": 4}
