"""The history over HTTP: what a running centre keeps of its snapshots, and how it answers."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from centre.faults import UnreadableError
from core.times import NS
from edge import wire
from geofence.violation import Stamps
from tests.support.centre_samples import violation
from tests.support.history_made import snapshot
from tests.support.serving_centre import TEST_S, Running, running

pytestmark = pytest.mark.anyio


async def _driven(centre: Running, seconds: float = 12.0) -> int:
    """Send ten snapshots a second that end now, all at once; return the first one's stamp."""
    assert centre.app.history is not None
    t0_ns = (centre.app.history.now_ns() // NS - round(seconds)) * NS
    for turn in range(round(seconds * 10)):
        message = snapshot(turn / 10, "RSU001", names=turn % 50 == 0, t0_ns=t0_ns)
        now_ns = centre.app.history.now_ns()  # not over the link: its gate admits no 120 at once
        centre.app.tracks.receive_snapshot("RSU001", wire.encode(message), now_ns)
    async with asyncio.timeout(TEST_S):
        while centre.app.history._queue or not centre.app.history.counts["history.blocks"]:
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.1)  # the last one is being kept
    return t0_ns


async def test_a_page_reads_what_was_live(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        t0_ns = await _driven(centre)
        answer = await centre.http.get(
            f"/api/history?from_ns={t0_ns}&to_ns={t0_ns + 11 * NS}", headers={"accept-encoding": "identity"}
        )
        assert answer.headers["content-type"] == "application/vnd.msgpack"
        assert answer.headers["cache-control"] == "no-store"  # it is too young to be settled
        body = msgspec.msgpack.decode(answer.content)
        frames = [wire.decode_snapshot(frame) for frame in body["frames"]]
        assert [(frame.stamp_ns - t0_ns) // NS for frame in frames] == list(range(12))
        packed = await centre.http.get(
            f"/api/history?from_ns={t0_ns}&to_ns={t0_ns + 11 * NS}", headers={"accept-encoding": "gzip"}
        )
        assert packed.headers["content-encoding"] == "gzip"  # the client has unpacked it
        assert msgspec.msgpack.decode(packed.content)["frames"] == body["frames"]
        bounds = await centre.get("/api/history/bounds")
        assert bounds["fault"] is None
        assert int(bounds["from_ns"]) <= t0_ns + NS
        way = await centre.get(f"/api/history/vehicle/13900000002?from={t0_ns}&to={t0_ns + 60 * NS}")
        assert len(way["stamp_ns"]) == 12
        assert way["lane"][0] == "south"
    assert (tmp_path / "centre-history" / "hours").is_dir()


async def test_what_is_settled_may_be_kept_by_the_browser(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        t0_ns = await _driven(centre)
        path = f"/api/history?from_ns={t0_ns - 120 * NS}&to_ns={t0_ns - 60 * NS}"
        first = await centre.http.get(path)
        assert "immutable" in first.headers["cache-control"]
        again = await centre.http.get(path, headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("query", [
    "", "from_ns=1", "from_ns=5&to_ns=4", "from_ns=-1&to_ns=4", "from_ns=x&to_ns=4",
    "from_ns=1&to_ns=2&from_m=1", "from_ns=1&to_ns=99999999999999999999999",
])  # fmt: skip
async def test_a_wrong_question_is_refused(idle_centre: Running, query: str) -> None:
    assert (await idle_centre.http.get(f"/api/history?{query}")).status_code == 400


@pytest.mark.parametrize(
    "query", ["from=5&to=4", f"from=0&to={24 * 3_600 * NS + 1}", "from=1", "from=x&to=2"]
)
async def test_a_vehicles_way_is_asked_for_a_day_at_most(idle_centre: Running, query: str) -> None:
    answer = await idle_centre.http.get(f"/api/history/vehicle/1?{query}")
    assert answer.status_code == 400
    assert (await idle_centre.get(f"/api/history/vehicle/1?from=0&to={24 * 3_600 * NS}"))["stamp_ns"] == []


async def test_a_violation_gets_a_clip(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        history = centre.app.history
        assert history is not None
        assert (await centre.http.get("/api/violations/none/clip")).status_code == 404
        await _driven(centre)
        at_ns = history.now_ns() - 2 * NS
        stamps = Stamps(measured_ns=at_ns + NS, arrived_ns=at_ns + NS)
        found = violation(1, start_ns=at_ns, confirmed_ns=at_ns + NS, stamps=stamps, evidence={})
        await asyncio.sleep(0.1)  # the follower has read where the database ends
        centre.send(1, found)
        address = f"/api/violations/{found.id}/clip"
        async with asyncio.timeout(TEST_S):
            while (answer := await centre.http.get(address)).status_code != 200:
                await asyncio.sleep(0.1)
        body: dict[str, Any] = msgspec.msgpack.decode(answer.content)
        assert len(body["frames"]) > 50
    assert [path for path in (tmp_path / "centre-history" / "clips").iterdir() if found.id in path.name]


async def test_the_history_is_read_while_the_database_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise UnreadableError("the disk is gone")

    async with running(tmp_path) as centre:
        t0_ns = await _driven(centre)
        monkeypatch.setattr(centre.app.database, "read", fail)
        assert (await centre.http.get("/api/violations")).status_code == 503
        answer = await centre.http.get(f"/api/history?from_ns={t0_ns}&to_ns={t0_ns + 5 * NS}")
        assert answer.status_code == 200
