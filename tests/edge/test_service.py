"""The shell of a process: dispatch by topic, heartbeat, and the order of the end."""

import asyncio
import sys
from contextlib import suppress

import pytest

from core.times import NS
from edge import log, service, topics, wire
from edge.clock import Clock
from edge.config import parse_site
from edge.link import Outgoing
from edge.metrics import Health
from edge.service import Reporting, Service, Shell
from edge.status_order import SET_BACK_NS, Stamps
from edge.subscriptions import MAIN, Subscription, Subscriptions
from tests.support.site_text import ONE_RSU

pytestmark = pytest.mark.anyio
NOW_NS = 1_790_000_000 * 10**9
SITE = (
    ONE_RSU
    + """\
[mqtt]
brokers = ["127.0.0.1:1"]
"""
)


class Unit(Service):
    """A service that writes down what happens to it."""

    def __init__(self):
        self.events, self.epoch = [], 7
        self.presences = []
        self.counted = {}
        self.subscriptions = Subscriptions([], lambda: self.count("unexpected"))
        self.health = Health(lambda: (True, {}))
        self.drains_s = 0.0

    @property
    def health_at(self):
        return None, "health"

    @property
    def reporting(self):
        return Reporting(
            status=self.status,
            epoch=lambda: self.epoch,
            clock_req=topics.clock_req("R1"),
            clock_rsp=topics.clock_rsp("R1"),
        )

    def status(self, presence):
        self.presences.append(presence)
        return Outgoing(topics.status("R1"), b"status", 1, True)

    def count(self, reason):
        self.counted[reason] = self.counted.get(reason, 0) + 1

    def counts(self):
        return self.counted

    def background(self):
        return {"outbox": self.serve("outbox")}

    async def serve(self, name):
        self.events.append(f"{name} begins")
        try:
            await asyncio.Event().wait()
        finally:
            self.events.append(f"{name} ends")

    async def work(self):
        await self.serve("work")

    async def drain(self):
        self.events.append("drain")
        await asyncio.sleep(self.drains_s)
        self.events.append("drained")


class Broker:
    """Stands for the main connection: remembers what is published."""

    def __init__(self, link):
        self.sent, self.n_reconnects = [], 0
        self.news = asyncio.Event()
        link.publish, link.reconnect = self.publish, self.reconnect

    def publish(self, topic, payload, *, qos=1, retain=False):
        self.sent.append((topic, payload, qos, retain))
        self.news.set()
        return True

    def reconnect(self):
        self.n_reconnects += 1


@pytest.fixture
def shell():
    site = parse_site(SITE, "{}", None, "site.toml", {})
    clients = {MAIN: "rsu-R1", "tracks": "rsu-R1-t"}
    return Shell("rsu", site, Clock.paced(NOW_NS), log.setup(part="rsu"), clients)


async def ended(shell, unit):
    """Run the unit until its tasks have begun, then cancel it."""
    running = asyncio.create_task(shell.run(unit))
    while len(unit.events) < 2:
        await asyncio.sleep(0)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    return unit.events[2:]


async def test_at_the_end_the_work_stops_then_it_drains_then_the_rest_stops(shell):
    assert await ended(shell, Unit()) == ["work ends", "drain", "drained", "outbox ends"]


async def test_a_drain_that_lasts_too_long_is_cut_off(shell, monkeypatch):
    monkeypatch.setattr(service, "DRAIN_S", 0.01)
    unit = Unit()
    unit.drains_s = 60.0
    assert await ended(shell, unit) == ["work ends", "drain", "outbox ends"]


async def test_work_that_ends_by_itself_ends_the_process(shell):
    class Short(Unit):
        async def work(self):
            self.events.append("work")

    unit = Short()
    await asyncio.wait_for(shell.run(unit), 5.0)
    assert [event for event in unit.events if "outbox" not in event] == ["work", "drain", "drained"]


async def test_a_failure_of_one_task_ends_all_and_drains(shell):
    class Broken(Unit):
        def background(self):
            return {"outbox": self.fail()}

        async def fail(self):
            raise ZeroDivisionError

    unit = Broken()
    with pytest.RaisesGroup(ZeroDivisionError):
        await asyncio.wait_for(shell.run(unit), 5.0)
    assert unit.events == ["work begins", "work ends", "drain", "drained"]


@pytest.mark.parametrize("ends", [True, False])
async def test_a_bug_in_a_callback_ends_the_process_where_it_is_asked_to(shell, ends):
    unit = Unit()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)
    running = asyncio.create_task(shell.run(unit, ends_on_bug=ends))
    while len(unit.events) < 2:
        await asyncio.sleep(0)
    loop.call_soon(lambda: 1 / 0)
    for _ in range(10):
        await asyncio.sleep(0)
    assert ("work ends" in unit.events) == ends
    running.cancel()
    await asyncio.wait([running])
    assert (not running.cancelled()) == ends
    loop.set_exception_handler(None)


async def test_the_heartbeat_reports_probes_and_reconnects_for_a_new_epoch(shell, monkeypatch):
    monkeypatch.setattr(service, "STATUS_S", 0.001)
    unit, broker = Unit(), Broker(shell.main)
    running = asyncio.create_task(shell.run(unit))
    while len(broker.sent) < 2:
        broker.news.clear()
        await asyncio.wait_for(broker.news.wait(), 5.0)
    status, request = broker.sent[:2]
    assert status == (topics.status("R1"), b"status", 1, True)
    assert (request[0], request[2:]) == (topics.clock_req("R1"), (0, False))
    states = [presence.state for presence in unit.presences]
    assert states[:2] == ["offline", "online"], "the will of the first attempt to connect, then the heartbeat"
    asked = wire.decode_clock_req(request[1])
    answer = wire.ClockRsp(seq=asked.seq, sent_ns=asked.sent_ns, received_ns=NOW_NS, answered_ns=NOW_NS)
    unit.subscriptions.receive(topics.clock_rsp("R1"), wire.encode(answer))
    assert shell.probe.offset_ms is not None
    assert broker.n_reconnects == 0
    unit.epoch = 8
    while not broker.n_reconnects:
        broker.news.clear()
        await asyncio.wait_for(broker.news.wait(), 5.0)
    running.cancel()
    await asyncio.wait([running])
    assert broker.n_reconnects == 1


async def test_a_clock_that_is_set_back_makes_a_new_connection_in_place_of_a_heartbeat(shell, monkeypatch):
    monkeypatch.setattr(service, "STATUS_S", 0.001)
    unit, broker, now_ns = Unit(), Broker(shell.main), [NOW_NS]
    shell._stamps = Stamps(lambda: now_ns[0])
    running = asyncio.create_task(shell.run(unit))

    async def until(condition):
        async with asyncio.timeout(5.0):
            while not condition():
                broker.news.clear()
                await broker.news.wait()

    await until(lambda: len(broker.sent) >= 6)
    before = [presence.stamp_ns for presence in unit.presences]
    assert len(before) == len(set(before)), "no two are equal, though the clock stands"
    assert broker.n_reconnects == 0
    now_ns[0] -= SET_BACK_NS + NS
    await until(lambda: broker.n_reconnects)
    sent = [presence.stamp_ns for presence in unit.presences if presence.state == "online"]
    assert sent == sorted(sent), "none is lower than the one before"
    running.cancel()
    await asyncio.wait([running])


async def test_counters_of_a_second_connection_begin_with_its_name(shell):
    shell.main.counts["link.down"], shell.links["tracks"].counts["link.down"] = 1, 2
    assert shell.link_counts() == {"link.down": 1, "tracks.link.down": 2}


def test_a_message_goes_to_the_handler_of_its_topic_and_no_other():
    seen, unexpected = [], []

    def handler(name):
        return lambda message: seen.append((name, message))

    made = Subscriptions(
        [
            Subscription(topics.status("+"), 1, handler("status"), retained=True),
            Subscription(topics.handover("R2", "R1"), 1, handler("offer")),
            Subscription(topics.handover_ack("R2", "R1"), 1, handler("ack")),
            Subscription(topics.track_up("+"), 0, handler("track"), link="flow"),
        ],
        lambda: unexpected.append(1),
    )
    assert made.filters() == [
        ("v2x/v1/rsu/+/status", 1), ("v2x/v1/rsu/R2/handover/R1", 1), ("v2x/v1/rsu/R2/handover/R1/ack", 1),
    ]  # fmt: skip
    assert made.filters("flow") == [("v2x/v1/rsu/+/track/up", 0)]
    for topic in (topics.status("R1"), topics.handover("R2", "R1"), topics.handover_ack("R2", "R1")):
        made.receive(topic, b"x")
    assert [(name, message.topic.name, message.payload) for name, message in seen] == [
        ("status", "R1", b"x"), ("offer", "R2", b"x"), ("ack", "R2", b"x"),
    ]  # fmt: skip
    made.receive(topics.status("R1"), b"", True)
    assert (seen[-1][0], seen[-1][1].retained) == ("status", True)
    n_seen = len(seen)
    made.receive(topics.track_up("R1"), b"", True)  # retained: of another time
    made.receive(topics.gateway_status("GW1"), b"")  # the same tail, another realm
    made.receive("other/topic", b"")
    assert (len(seen), len(unexpected)) == (n_seen, 3)


async def test_a_thread_that_computes_gives_way_soon(shell):
    """Beside the centre's writer each read of a message waited for 5 ms, 16 ms for all of a message."""
    usual_s = sys.getswitchinterval()
    running = asyncio.create_task(shell.run(Unit()))
    try:
        await asyncio.sleep(0)
        assert sys.getswitchinterval() == pytest.approx(service.SWITCH_S)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        sys.setswitchinterval(usual_s)
