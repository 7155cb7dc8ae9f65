"""A database that can't be read for a while ends nothing: the centre shows it, serves on and catches up."""

import asyncio
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from centre import app, database
from centre import event_stream as feed
from centre.faults import UnreadableError
from tests.support.centre_samples import episode_id, violation
from tests.support.serving_centre import TEST_S, Running, running, streaming

pytestmark = pytest.mark.anyio


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "SUMMARY_S", 0.02)
    monkeypatch.setattr(database, "FAULT_S", 0.06)
    monkeypatch.setattr(feed, "RETRY_S", 0.02)


class Fault:
    """While `on`, every statement of the threads that read fails as on a bad disk; the writer's do not."""

    def __init__(self, centre: Running) -> None:
        self.on = False
        sa.event.listen(centre.app.database.engine, "before_cursor_execute", self._refuse)

    def _refuse(self, *_: Any) -> None:
        if self.on and threading.current_thread().name.startswith("centre.reader"):
            raise OperationalError("SELECT", {}, sqlite3.OperationalError("disk I/O error"))


async def until_counted(centre: Running, reason: str, n: int = 1) -> None:
    while centre.app.overview.counts()["centre"].get(reason, 0) < n:
        await asyncio.sleep(0.005)


@pytest.mark.usefixtures("quick")
async def test_a_disk_that_can_t_be_read_ends_nothing_and_is_named(tmp_path: Path) -> None:
    async with running(tmp_path) as centre, asyncio.timeout(TEST_S):
        centre.app.broker._link.connected = True  # type: ignore[union-attr,misc]
        centre.send(1, violation(1))
        await centre.until_sent(1)
        fault = Fault(centre)
        async with streaming(centre, 0) as stream:
            assert [n async for n, name, _ in _first(stream, "violation", 1)] == [1]
            await _until(stream, total=1)
            fault.on = True
            centre.send(2, violation(2))
            await centre.until_sent(2)  # stored and acknowledged all the same
            await until_counted(centre, "read.failed", 5)
            said = [data async for _, _, data in _first(stream, "summary", 20)][-1]
            assert said["database"]["fault"] == "disk I/O error"
            assert said["total"] == 1  # as it was last known
            answer = await centre.http.get("/readyz")
            assert (answer.status_code, answer.json()["database"]) == (503, "disk I/O error")
            refused = await centre.http.get("/api/violations")
            assert (refused.status_code, "disk I/O error" in refused.text) == (503, True)
            fault.on = False
            assert [data["id"] async for _, _, data in _first(stream, "violation", 1)] == [episode_id(2)]
            await _until(stream, total=2, database=None)
        assert (await centre.http.get("/readyz")).status_code == 200


async def _until(stream: Any, **wanted: Any) -> None:
    """Read until a summary holds these values."""
    async for _, kind, data in stream:
        if kind == "summary" and wanted.items() <= data.items():
            return


async def _first(stream: Any, kind: str, n: int) -> Any:
    while n > 0:
        event = await anext(stream)
        if event[1] == kind:
            n -= 1
            yield event


@pytest.mark.usefixtures("quick")
async def test_a_page_that_loads_meanwhile_gets_503_and_later_its_data(tmp_path: Path) -> None:
    """Its stream opens, brings the moment's state, and resumes at its cursor as soon as the disk answers."""
    async with running(tmp_path) as centre, asyncio.timeout(TEST_S):
        centre.send(1, violation(1))
        await centre.until_sent(1)
        fault = Fault(centre)
        fault.on = True
        await until_counted(centre, "read.failed")
        async with streaming(centre, 0) as stream:
            said = [data async for _, _, data in _first(stream, "summary", 3)][-1]
            assert said["database"]["fault"] == "disk I/O error"
            fault.on = False
            assert [n async for n, _, _ in _first(stream, "violation", 1)] == [1]


async def test_a_start_that_can_t_read_raises(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        fault = Fault(centre)
        fault.on = True
        with pytest.raises(UnreadableError, match="disk I/O error"):
            await centre.app.start()
        fault.on = False


@pytest.mark.usefixtures("quick")
async def test_the_summary_shows_failing_commits_and_a_lost_broker(tmp_path: Path) -> None:
    async with running(tmp_path) as centre, asyncio.timeout(TEST_S):
        first = await centre.get("/api/summary")
        assert (first["database"], first["broker"]["connected"]) == (None, False)
        centre.app.broker._link.connected = True  # type: ignore[union-attr,misc]
        said: dict[str, Any] = {"database": None}
        while said["database"] is None:  # a commit that succeeds meanwhile clears the fault
            centre.app.writer.fault = "database or disk is full"
            said = await centre.get("/api/summary")
        assert said["broker"]["connected"] is True
        assert said["database"]["fault"] == "database or disk is full"
        assert int(said["database"]["since_ns"]) > 0
