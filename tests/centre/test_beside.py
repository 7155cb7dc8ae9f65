"""Work beside delivery fails in every way: violations are stored and acknowledged, the desk catches up."""

import asyncio
import contextlib
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from threading import Thread
from typing import Any

import pytest
import sqlalchemy as sa

from centre import beside
from centre.beside import Beside, Bugs
from centre.desk import keeping, timing
from centre.desk.figures import DeskFigures
from centre.desk.intake import Intake
from centre.desk.policy import Policy
from centre.desk.reading import Facts
from centre.desk.watching import Watching
from centre.desk_tables import HANDLING
from centre.evidence import store as evidence_store
from centre.faults import NotWrittenError
from centre.statistics.sampler import Sampler
from centre.store import open_database
from centre.views import violations
from centre.violation_writer import ViolationWriter
from centre.writer import Writer
from edge import log
from edge.figures import merged
from tests.support.centre_samples import episode_id, violation
from tests.support.ledger_databases import started
from tests.support.serving_centre import Events, Running, running

pytestmark = pytest.mark.anyio
TEST_S = 8.0
N = 6
PLATE = "SECRET1"


def broken(*_args: object, **_more: object) -> Any:
    raise TypeError("nobody expected this")


BROKEN: dict[str, tuple[object, str]] = {  # by the work that it breaks
    "desk.intake": (Intake, "_take_what_can_be"),
    "desk.view": (Watching, "look"),
    "desk.watch": (timing, "next_due_ns"),
    "desk.trim": (keeping, "trim"),
    "desk.figures": (DeskFigures, "read"),
    "evidence": (evidence_store, "waiting"),
    "statistics": (Sampler, "begin"),
}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "AGAIN_S", 0.05)
    monkeypatch.setattr(beside, "AGAIN_S_MAX", 0.1)


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(TEST_S):
        while not holds():
            await asyncio.sleep(0.02)


def rows_of(centre: Running) -> list[str]:
    with centre.app.database.engine.begin() as db:
        return sorted(db.scalars(sa.select(HANDLING.c.id)))


async def rows_shown(stream: Events, n: int) -> list[tuple[str, str]]:
    """Return the kind and the id of the next rows of the feed; states have no number, and are none."""
    found: list[tuple[str, str]] = []
    async with asyncio.timeout(TEST_S):
        while len(found) < n:
            number, name, data = await anext(stream)
            if number is not None:
                found.append((name, data["id"]))
    return found


async def test_every_work_beside_fails_and_delivery_does_not(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as bugs:
        for owner, name in BROKEN.values():
            bugs.setattr(owner, name, broken)
        async with running(tmp_path) as centre:
            counts = centre.app.beside.bugs.counts
            for seq in range(1, N + 1):
                centre.send(seq, violation(seq))
            await centre.until_sent(N)
            await until(lambda: set(BROKEN) <= {name.removeprefix("bug.") for name in counts})
            assert rows_of(centre) == []
            shown = await centre.get("/api/violations")
            assert len(shown["items"]) == N, "the list shows them without the desk"
            summary = await centre.get("/api/summary")
            (line,) = (each for each in summary["warnings"] if each["kind"] == "work_fails")
            assert set(line["parts"]) == set(BROKEN)
            assert "nobody expected this" in line["detail"]
            assert summary["desk"] is None
            counted = (await centre.get("/api/counts"))["centre"]
            assert counted["bug.desk.intake"] >= 1
            bugs.undo()
            await until(lambda: len(rows_of(centre)) == N)
            centre.send(N + 1, violation(N + 1))
            await until(lambda: len(rows_of(centre)) == N + 1)
            assert rows_of(centre) == sorted(episode_id(n) for n in range(1, N + 2)), "each once"


async def test_a_row_that_can_not_be_shown_hides_no_other(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as centre:
        monkeypatch.setitem(centre.app.present, "handling", broken)
        async with centre.events() as stream:
            for seq in (1, 2):
                centre.send(seq, violation(seq))
            seen = await rows_shown(stream, 2)
            await until(lambda: centre.app.beside.bugs.counts["bug.event.handling"] >= 1)
        assert seen == [("violation", episode_id(1)), ("violation", episode_id(2))]


async def test_an_alarm_whose_latency_can_not_be_noted_is_shown(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as centre:
        monkeypatch.setattr(centre.app.shown, "announce", broken)
        async with centre.events() as stream:
            centre.send(1, violation(1))
            seen = await rows_shown(stream, 2)  # its row and its handling, in any order
        assert sorted(seen) == [("handling", episode_id(1)), ("violation", episode_id(1))]
        assert centre.app.beside.bugs.counts["bug.event.violation"] >= 1


async def test_an_alarm_or_a_row_that_fails_alone_is_logged_once_and_named(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others get their rows and are shown; the banner names the work, the log the line of code."""
    rank, episode = Policy.rank, violations.episode

    def rank_others(policy: Policy, facts: Facts) -> Any:
        return broken() if facts.id == episode_id(2) else rank(policy, facts)

    def show_others(row: Any, *more: Any) -> Any:
        return broken() if row.at_id == episode_id(3) else episode(row, *more)

    monkeypatch.setattr(Policy, "rank", rank_others)
    monkeypatch.setattr(violations, "episode", show_others)
    async with running(tmp_path) as centre:
        counts = centre.app.beside.bugs.counts
        for seq in (1, 2, 3, 4):
            centre.send(seq, violation(seq))
        await until(lambda: rows_of(centre) == sorted(episode_id(n) for n in (1, 3, 4)))
        await until(lambda: counts["bug.desk.intake"] >= 1)
        for _ in range(2):
            shown = (await centre.get("/api/violations"))["items"]
            assert {each["id"] for each in shown} == {episode_id(n) for n in (1, 2, 4)}
        assert counts["bug.list"] >= 2
        counted = (await centre.get("/api/counts"))["centre"]
        assert counted["desk.refused"] == counted["bug.desk.intake"]
        assert counted["row.unreadable"] == counted["bug.list"]
        summary = await centre.get("/api/summary")
        (line,) = (each for each in summary["warnings"] if each["kind"] == "work_fails")
        assert set(line["parts"]) == {"desk.intake", "list"}
    lines = bugs_in(capsys)
    assert sorted(line["reason"].split()[0] for line in lines) == ["desk.intake", "list"], "each once"
    assert all("in broken" in line["exception"] for line in lines)


def test_errors_are_counted_by_many_threads_and_read_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "PLACES_MAX", 0)  # the log is no part of it
    kept, n_threads, n_works = Beside(log.setup(part="test")), 4, 4_000

    def note() -> None:
        for n in range(n_works):
            kept.note(f"work{n}", ValueError(n))

    threads = [Thread(target=note) for _ in range(n_threads)]
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            assert len(kept.failing) <= n_works
            assert sum(merged(kept.bugs.counts).values()) <= n_threads * n_works
    finally:
        sys.setswitchinterval(interval_s)
        for thread in threads:
            thread.join()
    assert merged(kept.bugs.counts) == {f"bug.work{n}": n_threads for n in range(n_works)}


@contextlib.asynccontextmanager
async def writing(engine: sa.Engine) -> AsyncIterator[Writer]:
    writer = Writer(ViolationWriter(engine, lambda: 10**18), log.setup(part="test"), lambda: None)
    try:
        yield writer
    finally:
        writer.close()


async def test_a_transaction_that_is_refused_alone_is_no_fault_of_the_database(engine: sa.Engine) -> None:
    async with writing(engine) as writer:
        with pytest.raises(NotWrittenError, match="IntegrityError"):
            await writer.run(lambda db, _found: db.execute(sa.insert(HANDLING).values(id="x")))
        assert writer.fault is None
        assert writer.counts == {"commit.refused": 1}


async def test_a_locked_table_of_the_desk_holds_up_the_ledger_for_a_second(tmp_path: Any) -> None:
    server = started()
    if server is None:
        pytest.skip("postgresql is missing: sudo apt-get install postgresql")
    try:
        engine = open_database(server.empty())
        async with writing(engine) as writer:
            with engine.connect() as other, other.begin():
                other.exec_driver_sql("LOCK TABLE handling IN ACCESS EXCLUSIVE MODE")
                begun_s = asyncio.get_running_loop().time()
                desk = asyncio.create_task(
                    writer.run(lambda db, _found: db.execute(sa.select(HANDLING.c.id)).all())
                )
                await asyncio.sleep(0)
                assert (await writer.execute()).remaining == []
                assert asyncio.get_running_loop().time() - begun_s < 3.0
                with pytest.raises(NotWrittenError):
                    await desk
                assert writer.fault is None
            assert await writer.run(lambda db, _found: db.execute(sa.select(HANDLING.c.id)).all()) == []
        engine.dispose()
    finally:
        server.close()


async def test_work_that_fails_is_begun_again_and_logged_once(capsys: pytest.CaptureFixture[str]) -> None:
    kept, n = Beside(log.setup(part="test")), 0

    async def fail() -> None:
        raise ValueError(n)

    async def work() -> None:
        nonlocal n
        n += 1
        if n < 4:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(fail())

    await kept.keep("some", work)
    assert n == 4
    (line,) = bugs_in(capsys)
    assert "raise ValueError(n)" in line["exception"]
    assert line["reason"].startswith("some ValueError test_beside.py:")
    assert kept.bugs.counts == Counter({"bug.some": 3})
    assert kept.failing == {"some": "ValueError: 3"}


def test_neither_the_log_nor_a_page_shows_the_values_of_a_refused_statement(
    engine: sa.Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = Beside(log.setup(part="test"))
    try:
        with engine.begin() as db:
            db.execute(sa.insert(HANDLING).values(id="x", plate=PLATE))
    except sa.exc.IntegrityError as error:
        kept.note("some", error)
    (line,) = bugs_in(capsys)
    assert line["error"].startswith("IntegrityError: ")
    assert kept.failing == {"some": line["error"]}
    assert PLATE not in json.dumps([line, kept.failing])


def bugs_in(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    return [line for line in lines if line["event"] == "bug"]


def test_the_log_of_bugs_is_bounded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(beside, "PLACES_MAX", 3)
    bugs = Bugs(log.setup(part="test"))
    for n in range(10):
        bugs.note(f"work{n}", ValueError(n))
    assert len(bugs_in(capsys)) == 3
    assert sum(bugs.counts.values()) == 10
