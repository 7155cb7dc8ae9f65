"""The writer's commands from HTTP handlers and from ingest: one transaction each, through the real app."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from litestar import post
from litestar.params import FromPath

from centre.api import routes
from centre.commands import CommitResult, StatusChange, StoreStatuses
from centre.security import Door, Guard
from centre.server import bind, serve
from tests.support.centre_samples import T0_NS, violation
from tests.support.serving_centre import TEST_S, Running, running

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def posting(centre: Running, directory: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the centre's own app with one more route, whose handler gives the writer a command."""

    @post("/test/units/{name:str}", status_code=200)
    async def store(name: FromPath[str]) -> dict[str, int]:
        change = StatusChange(
            kind="rsu", id=name, epoch=10, connection=1, since_ns=T0_NS, body=b"", announce=True
        )  # fmt: skip
        outcome = await centre.app.writer.execute(StoreStatuses([change]))
        return {"unsettled_n": outcome.committed.unsettled_n}

    app = routes(centre.app, directory)
    app.register(store)
    listener, stop = bind("127.0.0.1", 0), asyncio.Event()
    serving = asyncio.create_task(serve(Guard(app, centre.app.access, Door()), listener, stop))
    base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with httpx.AsyncClient(base_url=base_url, timeout=TEST_S, verify=False) as http:
        yield http
    stop.set()
    await serving


async def test_commands_of_a_handler_and_of_ingest_are_stored_by_one_writer(tmp_path: Path) -> None:
    async with running(tmp_path) as centre, posting(centre, tmp_path) as http, asyncio.timeout(TEST_S):
        for n in range(1, 11):
            centre.send(n, violation(n))
        answers = await asyncio.gather(*(http.post(f"/test/units/RSU{n}") for n in range(10)))
        await centre.until_sent(10)
        assert [answer.status_code for answer in answers] == [200] * 10
        changes = await centre.app.database.read(centre.app.database.reader.changes, 0)
        kinds = sorted(change.kind for change in changes if change.kind != "handling")  # the desk follows
        assert kinds == ["rsu"] * 10 + ["violation"] * 10
        assert [change.n for change in changes] == list(range(1, len(changes) + 1))
        assert len({answer.json()["unsettled_n"] for answer in answers}) == 10


async def test_a_command_on_a_full_disk_is_answered_503_and_works_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> CommitResult:
        raise sa.exc.OperationalError("INSERT", {}, Exception("database or disk is full"))

    async with running(tmp_path) as centre, posting(centre, tmp_path) as http, asyncio.timeout(TEST_S):
        with monkeypatch.context() as failing:
            failing.setattr("centre.violation_writer.ViolationWriter.commit", full)
            answer = await http.post("/test/units/RSU1")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["detail"] == "the database can't be written: database or disk is full"
        assert (await http.post("/test/units/RSU1")).status_code == 200


async def test_a_command_from_another_origin_is_refused_before_the_handler(tmp_path: Path) -> None:
    async with running(tmp_path) as centre, posting(centre, tmp_path) as http:
        answer = await http.post("/test/units/RSU1", headers={"origin": "http://evil.example"})
        assert answer.status_code == 403
        assert await centre.app.database.read(centre.app.database.reader.changes, 0) == []
