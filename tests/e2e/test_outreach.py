"""A driver is warned through a real gateway; events of alarms reach a web server that fails and hangs."""

import asyncio
import contextlib
import json
import time

import pytest
import sqlalchemy as sa

from centre.accounts.actor import Actor
from centre.audit.log import Act, append, check
from centre.outreach import sender
from edge import topics
from edge.clock import Clock
from edge.config import load_site
from edge.subscriptions import Incoming
from edge.topics import parse
from roadside.devices.jt808 import messages
from roadside.devices.jt808.client import Client
from roadside.gateway import commands
from roadside.gateway.gateway import Gateway
from tests.support.evidence_stage import Wire, joined, serving
from tests.support.other_platform import Platform, signature_of

pytestmark = [pytest.mark.e2e, pytest.mark.anyio]
TERMINAL = "13900000001"
SECRET = "a secret of the platform"


class Truck:
    """A terminal on a socket: it answers texts with `result`, None: not at all."""

    def __init__(self, port):
        self.port, self.client, self.result = port, Client(TERMINAL, "辽L·A0001"), messages.Result.OK
        self.frames = []

    async def run(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(self.client.greeting())
            while data := await reader.read(4096):
                for frame in self.client._splitter.feed(data):
                    writer.write(self._answer(frame))
        finally:
            writer.close()

    def _answer(self, frame):
        answer = self.client._handle(frame)
        if frame.msg_id != messages.Id.TEXT:
            return answer
        self.frames.append(frame)
        if self.result == messages.Result.OK:
            return answer
        if self.result is None:
            return b""
        reply = messages.Reply(seq=frame.seq, msg_id=frame.msg_id, result=self.result)
        return self.client._frame(messages.Id.TERMINAL_REPLY, messages.encode_reply(reply))


async def ended(task):
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@contextlib.asynccontextmanager
async def with_gateway(it, folder):
    """Join a gateway that listens for terminals to a centre."""

    def publish(topic, payload, *, qos=1, retain=False):
        if topic == topics.gateway_command_up("GW1"):
            it.centre.ingest.subscriptions.receive(topic, payload)
        return True

    gateway = Gateway(load_site(folder / "centre" / "site.toml"), Clock.wall(), publish)
    down = topics.gateway_command_down("GW1")
    it.wire.on_gateway = lambda body: gateway.subscriptions.receive(down, body)
    server = await gateway.server.listen("127.0.0.1", 0)
    try:
        yield gateway, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for connection in list(gateway.server.connections):
            connection.abort()


async def outcome_of(it, beat=lambda: None):
    async with asyncio.timeout(10.0):
        while True:
            beat()
            items = (await it.http.get(f"/api/violations/{it.id}/warnings")).json()["items"]
            if items[0]["outcome"] not in ("sending", "sent"):
                return items[0]
            await asyncio.sleep(0.05)


async def test_a_driver_is_warned_once_and_the_terminals_answer_is_shown(tmp_path, monkeypatch):
    async with joined(tmp_path) as it, with_gateway(it, tmp_path) as (gateway, port):
        offered = (await it.http.get(f"/api/violations/{it.id}/warnings")).json()
        assert (offered["terminal"], offered["why_not"], offered["items"]) == (TERMINAL, None, [])
        for text in ("", "x" * 101, "a\nb", "\U0001f69a"):
            assert (await it.post(f"/api/violations/{it.id}/warn", {"text": text})).status_code == 422
        assert (await it.post(f"/api/violations/{it.id}/warn")).status_code == 202
        assert (await outcome_of(it))["outcome"] == "not_connected"  # so another one may be sent
        truck = Truck(port)
        driving = asyncio.create_task(truck.run())
        async with asyncio.timeout(10.0):
            while not gateway.server.n_terminals:
                await asyncio.sleep(0.01)
        sent = await it.post(f"/api/violations/{it.id}/warn", {"text": "您已偏离专用车道"})
        assert sent.status_code == 202, sent.text
        answered = await outcome_of(it)
        assert (answered["outcome"], truck.client.texts) == ("delivered", ["您已偏离专用车道"])
        assert truck.frames[0].body[:2] == b"\x0e\x01"  # urgent, shown and spoken: 2019
        again = await it.post(f"/api/violations/{it.id}/warn")
        assert (again.status_code, again.json()["warning"]["id"]) == (409, answered["id"])
        assert (await it.http.get(f"/api/violations/{it.id}/warnings")).json()["why_not"] == "warned"
        with it.centre.database.engine.begin() as db:
            assert check(db) is None
            query = sa.text("SELECT act, body FROM audit WHERE act LIKE 'warn%' ORDER BY n")
            acts = [(row.act, json.loads(row.body).get("outcome")) for row in db.execute(query)]
        assert acts == [
            ("warn_driver", None), ("warn_outcome", "not_connected"), ("warn_driver", None),
            ("warn_outcome", "delivered"),
        ]  # fmt: skip
        assert (await it.post("/api/violations/none/warn")).status_code == 404
        await ended(driving)


@pytest.mark.parametrize(("result", "outcome"), [(messages.Result.FAILED, "refused"), (None, "no_answer")])
async def test_a_terminal_that_refuses_or_is_silent_counts_as_warned(tmp_path, monkeypatch, result, outcome):
    monkeypatch.setattr(commands, "ANSWER_WITHIN_NS", 200_000_000)
    async with joined(tmp_path) as it, with_gateway(it, tmp_path) as (gateway, port):
        truck = Truck(port)
        truck.result = result
        driving = asyncio.create_task(truck.run())
        async with asyncio.timeout(10.0):
            while not gateway.server.n_terminals:
                await asyncio.sleep(0.01)
        assert (await it.post(f"/api/violations/{it.id}/warn")).status_code == 202
        assert (await outcome_of(it, gateway.beat))["outcome"] == outcome
        assert (await it.post(f"/api/violations/{it.id}/warn")).status_code == 409
        await ended(driving)


async def test_without_a_gateway_s_answer_a_warning_ends_unanswered(tmp_path, monkeypatch):
    monkeypatch.setattr("centre.outreach.drivers.ANSWER_NS", 100_000_000)
    async with joined(tmp_path) as it:
        assert (await it.post(f"/api/violations/{it.id}/warn")).json()["outcome"] == "sent"
        assert (await outcome_of(it))["outcome"] == "unanswered"
        up = topics.gateway_command_up("GW2")
        it.centre.outward.drivers.receive(Incoming(parse(up), b"\x80", False))
        assert it.centre.outward.drivers.counts["warning.unreadable"] == 1


async def test_events_reach_a_web_server_in_order_whatever_it_does(tmp_path, monkeypatch):
    monkeypatch.setenv("PLATFORM_SECRET", SECRET)
    monkeypatch.setattr(sender, "BACKOFF_S", 0.05)
    monkeypatch.setattr(sender, "BACKOFF_S_MAX", 0.1)
    monkeypatch.setattr(sender, "LOOK_S", 0.05)
    platform = Platform()
    platform.start()
    platform.mode = "fail"
    more = f'\n[centre.webhook]\nurl = "http://127.0.0.1:{platform.port}/hook"\n'
    more += 'secret = "${PLATFORM_SECRET}"\ntimeout_s = 0.2\n'

    async def until(condition):
        async with asyncio.timeout(10.0):
            while not condition():
                await asyncio.sleep(0.02)

    async with joined(tmp_path, with_rsu=False, more=more) as it:
        raised = it.raised
        for mode in ("fail", "hang", "elsewhere"):
            n = len(platform.seen)
            platform.mode = mode
            await until(lambda n=n, mode=mode: any(row[0] == mode for row in platform.seen[n:]))
        shown = (await it.http.get("/api/outreach")).json()
        assert shown["webhook"]["waiting"] > 0
        assert shown["webhook"]["fault"]
        sending = it.centre.outward.sender
        assert sending.silent() == {}  # it may be back in a moment
        sending.seconds = lambda: time.monotonic() + sender.SILENT_S
        (line,) = [each for each in sending_warnings(it) if each["kind"] == "platform_silent"]
        assert (line["parts"], bool(line["detail"])) == (["webhook"], True)
        platform.end()
        with it.centre.database.engine.begin() as db:
            append(db, Act(10**18, Actor("wang", "operator"), "handle", it.id, {"result": "called"}))
        await asyncio.sleep(0.2)
        wanted_topic = topics.alarm_up("centre")
        on_topic = [json.loads(body) for topic, body in it.wire.sent if topic == wanted_topic]
    platform.mode = "ok"
    platform.start()  # and the centre starts anew, too
    async with serving(tmp_path / "centre" / "site.toml", Wire(), raised) as later:
        await until(lambda: any(event["event"] == "handled" for event in platform.taken))
        await until(lambda: not any(row["waiting"] for row in later_figures(later)))
    numbers = [event["number"] for event in platform.taken]
    events = [event["event"] for event in platform.taken]
    assert numbers == sorted(numbers)
    assert sorted(set(numbers)) == list(range(1, len(set(numbers)) + 1))
    assert events[0] == "raised"
    assert {event["act"] for event in platform.taken if event["event"] == "handled"} == {"handle"}
    assert [event["id"] for event in on_topic] == list(dict.fromkeys(event["id"] for event in on_topic))
    assert on_topic[0]["event"] == "raised"
    for _, headers, body in platform.seen:
        assert headers["X-Petroroad-Signature"] == signature_of(SECRET, headers, body)
    platform.end()


def sending_warnings(it):
    return it.centre.overview._warnings()


def later_figures(it):
    from centre.outreach.store import figures

    with it.centre.database.engine.begin() as db:
        return figures(db).values()
