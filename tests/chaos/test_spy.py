"""The spy repeats each message once, in another order; neither noise nor its own repeats are news to it."""

import asyncio

import msgspec
import numpy as np
import pytest

from edge import topics
from edge.link import LinkSettings
from petroroad.chaos.spy import Spy

pytestmark = pytest.mark.anyio

UP = topics.violation_up("RSU-A")
NOW_NS = 1_790_000_000_000_000_000


def batch(seq, age_ns=0):
    return msgspec.msgpack.encode({"epoch": 1, "items": [{"seq": seq, "detected_ns": NOW_NS - age_ns}]})


BATCHES = [batch(seq) for seq in range(20)]
OLD = batch(1, age_ns=3_000_000_000)


def spying(monkeypatch):
    """A spy whose link takes everything, and what it published."""
    spy, said = Spy(LinkSettings(addresses=(("127.0.0.1", 1),), client_id="chaos-spy"), lambda: NOW_NS), []
    monkeypatch.setattr(spy.link, "publish", lambda topic, payload: said.append((topic, payload)) or True)
    return spy, said


async def test_each_message_is_repeated_once_in_another_order(monkeypatch):
    spy, said = spying(monkeypatch)
    for one in BATCHES:
        spy._hear(UP, one, False)
    chance = np.random.Generator(np.random.Philox(key=7))
    await spy.repeat(chance)
    assert sorted(said) == sorted((UP, one) for one in BATCHES)
    assert said != [(UP, one) for one in BATCHES]
    for topic, payload in list(said):  # they come back to who subscribed
        spy._hear(topic, payload, False)
    await spy.repeat(chance)
    assert len(said) == spy.n_repeated == len(BATCHES)


@pytest.mark.parametrize(
    "noise", [b"", b"\xc1", b"\x91" * 5_000, b"\x88\x91", msgspec.msgpack.encode([1]), OLD]
)
async def test_neither_noise_nor_a_backlog_is_news(monkeypatch, noise):
    spy, _ = spying(monkeypatch)
    waiting = asyncio.create_task(spy.until(UP, 5.0))
    await asyncio.sleep(0)
    spy._hear(UP, noise, False)
    await asyncio.sleep(0.05)
    assert not waiting.done()
    spy._hear(UP, BATCHES[0], False)
    await waiting
    assert spy.heard == [(UP, noise), (UP, BATCHES[0])]
