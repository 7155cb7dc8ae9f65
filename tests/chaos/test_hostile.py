"""The hostile client waits for a broker that is just away; one that never got a word out fails its run."""

import time

import numpy as np
import pytest

from edge.link import Link, LinkSettings
from petroroad.chaos import hostile
from petroroad.chaos.hostile import Hostile, burst
from petroroad.processes.children import NotReadyError

pytestmark = pytest.mark.anyio
ESNS = ("RSU-A", "RSU-B")


def chance():
    return np.random.Generator(np.random.Philox(key=7))


@pytest.fixture
def client(monkeypatch):
    """A client whose broker is away until `client.up_s`, and what it published."""
    monkeypatch.setattr(hostile, "CONNECT_S", 0.5)
    monkeypatch.setattr(hostile, "BURST_S", 0.1)
    it = Hostile(LinkSettings(addresses=(("127.0.0.1", 1),), client_id="chaos-hostile"), ESNS, "GW")
    it.up_s = float("inf")

    def is_up(*_):
        return time.monotonic() >= it.up_s

    monkeypatch.setattr(Link, "connected", property(is_up))
    monkeypatch.setattr(it.link, "publish", is_up)
    return it


async def test_a_burst_waits_for_a_broker_that_comes_back(client):
    client.up_s = time.monotonic() + 0.2
    await client.say(chance())
    assert client.n_said == len(list(burst(chance(), ESNS, "GW")))


async def test_a_plan_whose_bursts_met_no_broker_gets_one_more(client):
    await client.say(chance())
    assert client.n_said == 0
    client.up_s = 0.0
    await client.must_say(chance())
    n_said = client.n_said
    assert n_said > 0
    await client.must_say(chance())
    assert client.n_said == n_said, "one that got out need not speak again"


async def test_one_that_never_got_out_fails_its_run_by_name(client):
    with pytest.raises(NotReadyError, match="hostile client never got out"):
        await client.must_say(chance())
