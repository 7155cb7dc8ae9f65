"""The agent's ears: whatever the broker delivers is counted or taken, and nothing escapes."""

import asyncio

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import topics
from edge.clock import Clock
from edge.clock_probe import ClockProbe
from edge.config_down import packed_map
from edge.figures import Counts
from roadside.agent import Agent
from roadside.outputs import Withheld
from roadside.pipeline import Pipeline
from roadside.pipeline_map import published
from tests.support.roadside_drive import EXAMPLE

T0_NS = 1_800_000_000 * 10**9
BOMB = b"\x91" * 100_000 + b"\xc0"
NOT_UTF8 = b"\x81\xa7gateway\xa2\xff\xfe"


class Outbox:
    """Remembers what it was shown."""

    def __init__(self):
        self.acks = []

    def acknowledge(self, ack):
        self.acks.append(ack)


class Recorder:
    """Remembers the channels that were written."""

    def __init__(self):
        self.topics = []

    def write(self, topic, body, log_ns, publish_ns=None):
        self.topics.append(topic)

    write_state = write


def made(setup):
    return Agent(
        pipeline=Pipeline(setup),
        clock=Clock.paced(T0_NS),
        outbox=Outbox(),
        recorder=Recorder(),
        counts=Counts(),
    )


def drain_inbox(agent):
    """Let the agent accept all that is in its inbox."""
    while not agent.inbox.empty():
        agent.accept(agent.inbox.get_nowait())


HEARD = ("gnss/down", "handover/RSU001", "handover/RSU002/ack", "violation/ack", "status", "nonsense")


@pytest.mark.parametrize("body", [BOMB, NOT_UTF8, b"\x81\xa5extra" + BOMB, b"", b"\x00" * 1_100_000])
@pytest.mark.parametrize("tail", HEARD)
def test_garbage_is_counted_and_not_recorded(setup, tail, body):
    agent = made(setup)
    agent.subscriptions(("RSU002",)).receive(topics.rsu("RSU002", tail), body, False)
    agent.subscriptions(("RSU002",)).receive(topics.rsu("RSU002", tail), body, True)
    drain_inbox(agent)
    assert sum(agent.counts().values()) == 2
    assert agent.recorder.topics == []


@given(tail=st.sampled_from(HEARD), body=st.binary(max_size=60))
def test_any_message_is_handled_without_raising(setup, tail, body):
    agent = made(setup)
    agent.subscriptions(("RSU002",)).receive(topics.rsu("RSU002", tail), body, False)
    drain_inbox(agent)


def test_a_row_that_bombs_in_a_handover_is_counted(setup):
    """Its shell is sound, so that it gets as far as the pipeline."""
    agent = made(setup)
    body = b"\x83\xa5epoch\x01\xa3seq\x01\xa6tracks\x91" + b"\x81\xa5extra" + BOMB
    agent.subscriptions(("RSU002",)).receive(topics.handover("RSU002", "RSU001"), body, False)
    drain_inbox(agent)
    assert sum(agent.counts().values()) + sum(agent.pipeline.all_counts().values()) == 1


@pytest.mark.parametrize("body", [BOMB, NOT_UTF8, b"\x81\xa5extra" + BOMB, msgpack.packb({"seq": 1})])
def test_the_clocks_probe_survives_garbage(body):
    counted = []
    ClockProbe(Clock.paced(T0_NS)).receive(body, counted.append)
    assert counted == ["clock.undecodable"]


def test_what_is_withheld_goes_out_as_a_void_and_is_recorded_as_no_violation(setup):
    agent = made(setup)
    voids = []
    agent.outbox.put_void = lambda *void: voids.append(void)
    agent._pass_on(Withheld("an id", "implausible overspeed: speed_mps: out of range", b"state"))
    ((reason, _, violation_id, episode),) = voids
    assert (reason, violation_id, episode) == (
        "implausible overspeed: speed_mps: out of range", "an id", b"state",
    )  # fmt: skip
    assert agent.recorder.topics == []


def test_a_publication_is_recorded_and_a_withdrawn_one_changes_nothing(setup):
    agent = made(setup)
    body = msgpack.packb({"seq": 3, "rules": "[rules]\nversion = '2'\n"})
    for payload in (body, b"", b"\x80"):
        agent.subscriptions(()).receive(topics.config_down(agent.esn), payload, True)
    kept = []
    agent.outbox.keep = lambda key, state: kept.append(key)
    drain_inbox(agent)
    assert agent.pipeline.setup.rules.version == "2"
    assert agent.recorder.topics.count("/config") == 1
    assert kept == ["config"]
    assert agent.counts() == {"mqtt.undecodable.config/down": 1}


@pytest.mark.anyio
async def test_a_published_map_is_compiled_beside_the_loop_and_what_comes_after_it_waits(setup):
    """The recording has the bytes as they came; a publication that is repeated is not compiled again."""
    agent, compiled = made(setup), []

    async def compile_map(down, given):
        compiled.append(down.seq)
        await asyncio.sleep(0)
        return published(down, given.frame, given.radars)

    agent.compile_map, agent.outbox.keep = compile_map, lambda key, state: None
    text = (
        (EXAMPLE.parent / "map.geojson")
        .read_text(encoding="utf-8")
        .replace('"version": "1"', '"version": "2"')
    )
    rules = "[rules]\nversion = '2'\n"
    first = msgpack.packb({"seq": 3, "rules": rules, "map": packed_map(text)})
    later = msgpack.packb({"seq": 4, "rules": rules.replace("2", "3")})
    task = asyncio.create_task(agent.run_publications())
    for payload in (first, later):
        agent.subscriptions(()).receive(topics.config_down(agent.esn), payload, True)
    assert agent.inbox.empty()
    while agent.n_compiling:
        await asyncio.sleep(0)
    drain_inbox(agent)
    assert (agent.pipeline.setup.road.version, agent.pipeline.setup.rules.version) == ("2", "3")
    agent.subscriptions(()).receive(topics.config_down(agent.esn), first, True)
    while agent.n_compiling:
        await asyncio.sleep(0)
    task.cancel()
    assert compiled == [3]
    assert agent.recorder.topics.count("/config") == 2
