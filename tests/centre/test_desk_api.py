"""The desk over HTTP: acts, their answers, and what other pages receive of them."""

import asyncio
import time

from centre.desk.reasons import reasons
from tests.support.centre_samples import episode_id, violation
from tests.support.serving_centre import running, streaming

SEEN_S = 0.2  # from the commit of an act to the other desk's page


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
            before_s = time.monotonic()
            answer = await act(centre, alarm, act="acknowledge", version=0)
            answered_s = time.monotonic()
            assert answer.status_code == 200, answer.text
            seen = await asyncio.gather(
                next_handling(one, alarm, "acknowledged"), next_handling(two, alarm, "acknowledged")
            )
            assert time.monotonic() - answered_s < SEEN_S
            assert answered_s - before_s < 5.0
            assert seen[0] == seen[1] == answer.json()["items"][0]
            listed = await centre.get("/api/handling")
            assert listed == {"items": [seen[0]], "more": False}
            acts = await centre.get(f"/api/alarms/{alarm}/acts")
            assert [each["act"] for each in acts["items"]] == ["acknowledge"]

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
