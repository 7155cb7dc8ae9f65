"""The centre over real sockets: what a page gets, once and in order, and how it ends."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import websockets.asyncio.client as ws

from centre.security import loopback
from core.errors import ConfigError
from edge import topics, wire
from edge.clock import Clock
from edge.clock_probe import clock_offset_ns
from tests.support.centre_road import MAP
from tests.support.centre_samples import episode_id, status, violation
from tests.support.serving_centre import TEST_S, FakeBroker, Running, follow_with_breaks, running, snapshot

pytestmark = pytest.mark.anyio


async def test_a_violation_is_committed_before_it_is_acknowledged(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        centre.send(1, violation())
        await centre.until_sent(1)
        topic, body = centre.sent[0]
        assert topic == "v2x/v1/rsu/RSU001/violation/ack"
        ack = wire.decode_ack(body)
        assert (ack.epoch, ack.stored, ack.conflict) == (10, (1,), ())
        page = await centre.get("/api/violations")
        assert [row["id"] for row in page["items"]] == [episode_id(1)]
        assert page["cursor"] in (1, 2)  # the desk's row follows, with an event of its own
        whole = await centre.get(f"/api/violations/{episode_id(1)}")
        assert len(whole["versions"]) == 1
        assert (await centre.http.get("/api/violations/none")).status_code == 404


async def test_events_resume_exactly_once_in_order(tmp_path: Path) -> None:
    async with running(tmp_path) as centre, asyncio.timeout(TEST_S):
        await follow_with_breaks(centre, lambda _, after: centre.events(after))


async def test_events_after_a_restart_continue_from_the_cursor(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        for n in (1, 2):
            centre.send(n, violation(n))
        await centre.until_sent(2)
    async with running(tmp_path) as centre:
        centre.send(3, violation(3))
        async with centre.events(after=1) as stream:
            found = [data["id"] async for _, _, data in _first(stream, "violation", 2)]
        assert found == [episode_id(2), episode_id(3)]


async def test_an_unknown_cursor_is_reset(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        centre.send(1, violation())
        await centre.until_sent(1)
        async with centre.events(after=99) as stream:
            ((number, kind, data),) = [found async for found in _first(stream, "reset", 1)]
            assert (kind, data) == ("reset", {"cursor": number}), "the desk's row may have followed"
        assert (await centre.http.get("/api/events?after=x")).status_code == 400


async def _first(stream: AsyncIterator[tuple[int | None, str, Any]], name: str, n: int) -> AsyncIterator[Any]:
    async for found in stream:
        if found[1] == name:
            yield found
            n -= 1
            if n == 0:
                return


async def test_snapshots_are_forwarded_untouched_names_first(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        frames = [snapshot(1, names=True), snapshot(2), snapshot(3)]
        for frame in frames:
            centre.app.ingest.subscriptions.receive(topics.track_up("RSU001"), frame)
            centre.app.tracks.take_turn()
        async with ws.connect(f"ws://127.0.0.1:{centre.port}/api/tracks") as socket:
            assert [await socket.recv(), await socket.recv()] == [frames[0], frames[2]]
            centre.app.ingest.subscriptions.receive(
                topics.track_up("RSU001"), snapshot(4)[:-1]
            )  # unreadable: counted, not passed on
            centre.app.tracks.take_turn()
            centre.app.ingest.subscriptions.receive(
                topics.track_up("RSU002"), snapshot(4, esn="RSU001")
            )  # another's name
            centre.app.tracks.take_turn()
            centre.app.ingest.subscriptions.receive(
                topics.track_up("RSU002"), last := snapshot(5, esn="RSU002")
            )
            assert await socket.recv() == last
        assert centre.app.tracks.counts["track.unreadable"] == 1
        assert centre.app.tracks.counts["track.refused"] == 1
        summary = await centre.get("/api/summary")
        assert (summary["vehicles"], summary["hazmat"]) == (2, 2)


async def test_a_page_that_says_where_it_looks_receives_less(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        tracks = centre.app.tracks
        async with ws.connect(f"ws://127.0.0.1:{centre.port}/api/tracks") as socket:
            await socket.send("no view")
            await socket.send('{"view": [[5000, 6000]]}')
            while not any(viewer.view for viewer in tracks._viewers):
                await asyncio.sleep(0.01)
            assert tracks.counts["track.view_refused"] == 1
            tracks.receive_snapshot("RSU001", snapshot(1))  # at station 0, one of two is owned
            far = await socket.recv()
        assert isinstance(far, bytes)
        assert (wire.decode_snapshot(far).n, b"every_ms" in far) == (1, True)


async def test_a_clock_probe_is_answered(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        asked = wire.ClockReq(seq=7, sent_ns=Clock.wall().now_ns() + 10**9)  # its clock is a second ahead
        centre.app.ingest.subscriptions.receive(topics.clock_req("RSU001"), wire.encode(asked))
        ((topic, body),) = centre.sent
        assert topic == topics.clock_rsp("RSU001")
        answer = wire.decode_clock_rsp(body)
        ahead_ns, trip_ns = clock_offset_ns(answer, Clock.wall().now_ns() + 10**9)
        assert (answer.seq, ahead_ns) == (7, pytest.approx(-(10**9), abs=0.2e9))
        assert 0 <= trip_ns < 10**9
        centre.app.ingest.subscriptions.receive(topics.clock_req("RSU001"), b"x")
        assert len(centre.sent) == 1


async def test_a_gateways_clock_probe_is_answered(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        asked = wire.ClockReq(seq=3, sent_ns=1)
        centre.app.ingest.subscriptions.receive(topics.gateway_clock_req("GW1"), wire.encode(asked))
        ((topic, body),) = centre.sent
    assert topic == topics.gateway_clock_rsp("GW1")
    assert wire.decode_clock_rsp(body).seq == 3


async def test_the_links_counts_are_the_centres(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        centre.app.broker.link_counts = lambda: {"link.down": 2}
        assert (await centre.get("/api/counts"))["centre"]["link.down"] == 2


async def test_our_own_failure_is_logged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with running(tmp_path) as centre:
        del centre.app.site
        assert (await centre.http.get("/api/site")).status_code == 500
    assert "request.failed" in capsys.readouterr().err


async def test_the_built_page_is_served(tmp_path: Path) -> None:
    (tmp_path / "static" / "assets").mkdir(parents=True)
    (tmp_path / "static" / "index.html").write_text("<!doctype html>the page", encoding="utf-8")
    (tmp_path / "static" / "assets" / "main.js").write_text("1", encoding="utf-8")
    async with running(tmp_path) as centre:
        answer = await centre.http.get("/")
        assert (answer.status_code, answer.text) == (200, "<!doctype html>the page")
        assert answer.headers["cache-control"] == "no-cache"
        script = await centre.http.get("/assets/main.js")
        assert (script.status_code, script.headers["content-type"].partition(";")[0]) == (
            200,
            "text/javascript",
        )
        assert (await centre.http.get("/assets/none.js")).status_code == 404
        assert (await centre.http.get("/..%2fcentre.sqlite")).status_code == 404
        assert (await centre.get("/api/summary"))["total"] == 0


async def test_a_slow_viewer_gets_the_newest(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        viewer = centre.app.tracks.join()
        assert viewer is not None
        frames = [snapshot(seq, names=seq == 3) for seq in range(6)]
        for frame in frames:
            centre.app.ingest.subscriptions.receive(topics.track_up("RSU001"), frame)
            centre.app.tracks.take_turn()
        assert [await viewer.next_frame(), await viewer.next_frame()] == [frames[3], frames[5]]
        assert viewer.skipped == 4


async def test_rsus_have_three_states(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:

        def hear(changed: wire.Status) -> None:
            centre.app.ingest.subscriptions.receive(topics.status("RSU001"), wire.encode(changed))

        async def state() -> tuple[Any, ...]:
            table = await centre.get("/api/rsus")
            return tuple((row["esn"], row["state"], row["last_seq"]) for row in table["rsus"])

        assert await state() == (("RSU001", "never", None), ("RSU002", "never", None))
        async with centre.events(after=0) as stream:  # "from now on" may begin behind the changes
            hear(status(connection=2, last_seq=3))
            hear(status(state="offline", connection=1))  # the will of an older connection says nothing
            assert (await state())[0] == ("RSU001", "online", 3)
            hear(status(state="offline", connection=2, last_seq=99))  # a will's last_seq was never true
            assert (await state())[0] == ("RSU001", "offline", 3)
            found = [data["state"] async for _, _, data in _first(stream, "rsu", 1)]
        assert found[0] in ("online", "offline")  # both changes may be in one commit
        counts = await centre.get("/api/counts")
        assert counts["centre"]["status.outdated"] == 1
    async with running(tmp_path) as centre:  # remembered, with what is missing
        summary = await centre.get("/api/summary")
        assert summary["rsus"] == {"online": 0, "offline": 1, "never": 1, "stale": 0}
        assert summary["missing"] == 3


async def test_the_site_is_described_along_its_axis(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        site = await centre.get("/api/site")
        assert site["synthetic"] is True
        assert site["axis"]["s_m"][0] == 100.0
        assert site["axis"]["s_m"][-1] == pytest.approx(941.2, abs=0.5)
        assert [(lane["lane"], lane["direction"], lane["row"]) for lane in site["lanes"]] == [
            ("south", 1, 1),
            ("north", -1, 0),
        ]
        assert site["lanes"][0]["offset_m"] == pytest.approx([-4.44, 0.0], abs=0.02)
        assert [row["hazmat"] for row in site["rows"]] == [False, True]
        assert site["places"][0]["s_m"] == pytest.approx(100 + 841.2 / 2, abs=1.0)
        answer = await centre.http.get("/api/map")
        assert answer.text == MAP
        again = await centre.http.get("/api/map", headers={"if-none-match": answer.headers["etag"]})
        assert again.status_code == 304


async def test_every_answer_carries_the_security_headers(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        for path in ("/", "/api/site", "/api/nothing", "/healthz", "/metrics"):
            answer = await centre.http.get(path)
            assert "script-src 'self';" in answer.headers["content-security-policy"]
            assert answer.headers["x-content-type-options"] == "nosniff"
        assert (await centre.http.get("/")).text.count("make page") == 2
        assert (await centre.http.get("/readyz")).status_code == 503
        centre.app.broker.connect(FakeBroker(connected=True))
        assert (await centre.http.get("/readyz")).status_code == 200
        centre.app.writer.fault = "database or disk is full"
        answer = await centre.http.get("/readyz")
        assert (answer.status_code, answer.json()["database"]) == (503, "database or disk is full")


async def test_it_ends_in_time_with_clients_connected(tmp_path: Path) -> None:
    async with (
        running(tmp_path) as centre,
        centre.events() as stream,
        ws.connect(f"ws://127.0.0.1:{centre.port}/api/tracks") as socket,
    ):
        await anext(stream)
        centre.app.stop.set()
        async with asyncio.timeout(2.0):
            await centre.serving
        await socket.wait_closed()
        assert socket.close_code in (1001, 1012)


@pytest.mark.parametrize("address", ["0.0.0.0:8080", "192.168.0.7:80", "example.org:80", "[::]:80"])
async def test_it_listens_on_loopback_only(address: str) -> None:
    with pytest.raises(ConfigError, match=r"centre\.http.*loopback"):
        loopback(address, "site.toml")


@pytest.mark.parametrize(
    "path",
    [
        "/api/violations?limit=0",
        "/api/violations?limit=501",
        "/api/violations?state=x",
        "/api/violations?grade=x",
    ],
)
async def test_wrong_questions_are_answered_400(idle_centre: Running, path: str) -> None:
    assert (await idle_centre.http.get(path)).status_code == 400


async def test_filters_choose_episodes(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        centre.send(1, violation(1))
        centre.send(2, violation(2, grade="notice"))
        centre.send(3, violation(3, rule="overspeed", phase="close", end_ns=violation().start_ns))
        await centre.until_sent(3)
        for query, want in (
            ("state=open", [2, 1]), ("state=closed", [3]), ("rule=overspeed", [3]),
            ("grade=notice&grade=warning", [3, 2, 1]),
            ("esn=RSU002", []), ("before=3&limit=1", [2]),
        ):  # fmt: skip
            page = await centre.get(f"/api/violations?{query}")
            assert [row["id"] for row in page["items"]] == [episode_id(n) for n in want], query
