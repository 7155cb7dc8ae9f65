"""The desk over HTTP: acts, their answers, and what other pages receive of them."""

import asyncio
import time

from centre.desk.reasons import reasons
from edge import topics, wire
from tests.support.centre_samples import episode_id, status, violation
from tests.support.serving_centre import FakeBroker, running, streaming

SEEN_S = 0.2  # from the commit of an act to the other desk's page
STEPS = (("acknowledge", "acknowledged"), ("handle", "handled"))


async def next_handling(stream, alarm, state):
    async for n, name, data in stream:
        if name == "handling" and data["id"] == alarm and data["state"] == state:
            assert n is not None
            return data
    raise AssertionError("the stream ended")


async def act(centre, alarm, **body):
    return await centre.http.post(f"/api/alarms/{alarm}/acts", json=body)


def problem(answer):
    """Return the members of a problem, whether they lie in `extra` or beside it."""
    body = answer.json()
    return body | (body.get("extra") or {})


def test_two_desks_see_each_others_acts(tmp_path):
    async def play():
        async with running(tmp_path) as centre, streaming(centre) as one, streaming(centre) as two:
            centre.send(1, violation(1))
            alarm = episode_id(1)
            assert (await next_handling(one, alarm, "new"))["version"] == 0
            delays_s = []
            for version, (name, state) in enumerate(STEPS):
                answer = await act(centre, alarm, act=name, version=version)
                answered_s = time.monotonic()
                assert answer.status_code == 200, answer.text
                seen = await asyncio.gather(
                    next_handling(one, alarm, state), next_handling(two, alarm, state)
                )
                delays_s.append(time.monotonic() - answered_s)
                assert seen[0] == seen[1] == answer.json()["items"][0]
            assert min(delays_s) < SEEN_S, "others may have had the processor in one, not in all"
            listed = await centre.get("/api/handling")
            assert listed == {"items": [seen[0]], "more": False}
            acts = await centre.get(f"/api/alarms/{alarm}/acts")
            assert [each["act"] for each in acts["items"]] == [name for name, _ in STEPS]

    asyncio.run(play())


def test_what_does_not_fit_is_refused_with_what_the_page_needs(tmp_path):
    async def play():
        async with running(tmp_path) as centre:
            centre.send(1, violation(1))
            await centre.until_sent(1)
            alarm = episode_id(1)
            assert (await act(centre, alarm, act="handle", version=0)).status_code == 200
            second = await act(centre, alarm, act="reopen", version=0)
            assert second.status_code == 409
            found = problem(second)
            assert found["by"] == "local"
            assert found["handling"]["state"] == "handled"
            assert found["at_ns"] == found["handling"]["since_ns"]
            assert (await act(centre, "nothing", act="note", text="x")).status_code == 404
            for body in ({}, {"act": "shout"}, {"act": "note", "text": "x" * 501}, {"act": "note", "of": 1}):
                assert (await act(centre, alarm, **body)).status_code == 400, body
            assert (await centre.http.post(f"/api/alarms/{alarm}/acts", content=b"\xff")).status_code == 400

    asyncio.run(play())


def test_the_description_has_all_words_in_both_languages(tmp_path):
    async def play():
        async with running(tmp_path) as centre:
            found = await centre.get("/api/desk")
        assert [each["code"] for each in found["reasons"]] == list(reasons())
        assert all(each["zh"] and each["en"] for each in [*found["reasons"], *found["why"]])
        assert found["deadlines_s"] == {"1": 30.0, "2": 60.0, "3": 180.0, "4": 600.0}

    asyncio.run(play())


def test_an_rsu_that_falls_silent_is_a_loss_on_every_page(tmp_path):
    """The broker comes, an RSU lives, goes off by its will: a loss and its handling reach an open page."""

    async def play():
        async with running(tmp_path) as centre, streaming(centre) as page:
            broker = FakeBroker(connected=True)
            centre.app.broker.connect(broker)
            centre.app.desk.watching._view._back_ns = 1  # it has been there for long
            topic = topics.status("RSU001")
            centre.app.ingest.subscriptions.receive(topic, wire.encode(status()))
            gone = wire.encode(status(state="offline"))
            centre.app.ingest.subscriptions.receive(topic, gone)
            data = await anext(data async for _, name, data in page if name == "loss")
            assert (data["kind"], data["part"], data["detail"]) == ("rsu", "RSU001", "off")
            assert (await centre.get("/api/losses"))["items"] == [data]
            (handling,) = (await centre.get("/api/handling"))["items"]
            assert (handling["id"], handling["kind"], handling["priority"]) == (data["id"], "loss", 2)
            assert (await centre.get("/api/summary"))["desk"]["new"]["loss"] == 1

    asyncio.run(play())


def test_shelves_shifts_and_reports_over_http(tmp_path):
    async def play():
        async with running(tmp_path) as centre:
            centre.send(1, violation(1))
            await centre.until_sent(1)
            until_ns = centre.app.desk.now_ns() + 3_600 * 10**9
            wanted = {"plate": "辽L·A0001", "until_ns": str(until_ns), "reason": "weighed by hand"}
            made = await centre.http.post("/api/shelves", json=wanted)
            assert made.status_code == 201, made.text
            n = made.json()["n"]
            assert (
                await centre.http.post("/api/shelves", json=wanted | {"until_ns": "1"})
            ).status_code == 400
            assert (await centre.get("/api/shelves"))["items"][0]["n"] == n
            ended = await centre.http.delete(f"/api/shelves/{n}")
            assert ended.json()["ended_ns"] is not None
            assert (await centre.http.delete("/api/shelves/99")).status_code == 404
            begun = await centre.http.post("/api/shift", json={"act": "begin", "desk": "north"})
            assert begun.json()["on_duty"][0]["desk"] == "north"
            assert [each["name"] for each in (await centre.get("/api/desk"))["users"]] == ["local"]
            given = {"act": "hand_over", "to": "li", "text": "quiet"}
            assert (await centre.http.post("/api/shift", json=given)).json()["last"]["to"] == "li"
            assert (await centre.http.post("/api/shift", json=given)).status_code == 200, "sent again"
            other = given | {"text": "loud"}
            assert (await centre.http.post("/api/shift", json=other)).status_code == 409
            assert (await centre.http.delete(f"/api/shelves/{10**20}")).status_code == 404
            assert (await centre.get(f"/api/away?since_ns={10**19 - 1}"))["raised"] == 0
            sheet = await centre.get("/api/shift/sheet?since_ns=0")
            assert [each["id"] for each in sheet["new"]] == [episode_id(1)]
            assert (await centre.get("/api/away?since_ns=0"))["unacknowledged"] == [episode_id(1)]
            assert (await centre.get("/api/desk/groups"))["by_rule"][0]["key"] == "lane_departure"
            assert (await centre.get("/api/desk/false?days=1"))["raised"] == 1
            for path in ("/api/away?since_ns=x", "/api/desk/false?days=0", "/api/losses?limit=501"):
                assert (await centre.http.get(path)).status_code == 400, path

    asyncio.run(play())


def test_the_desk_rests_while_messages_wait_for_a_commit(tmp_path, monkeypatch):
    """An alarm without a row at the desk is on the pages already; one that is not committed is nowhere."""

    async def play():
        async with running(tmp_path) as centre:
            rests, sleep = [], asyncio.sleep

            async def noted(seconds, *rest):
                if 0.0 < seconds <= 1.0 and centre.app.desk._is_busy():
                    rests.append(seconds)
                await sleep(0.0)

            monkeypatch.setattr(centre.app.desk, "_is_busy", lambda: True)
            monkeypatch.setattr("centre.desk.desk.asyncio.sleep", noted)
            centre.send(1, violation(1))
            await centre.until_sent(1)
            async with asyncio.timeout(20.0):
                while not (await centre.get("/api/handling"))["items"]:
                    await sleep(0.02)
            assert rests

    asyncio.run(play())
