"""The log of acts on both databases, and that acts are announced as violations are."""

import asyncio
import csv
import io
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from centre.accounts.actor import Actor
from centre.audit import log as acts
from centre.audit import proofs, routes
from centre.audit.chain import digest_of
from centre.audit.log import START, Act, append, check, head, verify
from centre.audit.queries import EXPORTED, Wanted, exported, page
from centre.audit.tables import AUDIT
from centre.changes import Change
from centre.store import FEED
from centre.violation_writer import ViolationWriter
from centre.writer import Writer
from edge import log
from tests.support.ledger_databases import ledger_at
from tests.support.serving_centre import running

WANG = Actor("wang", "operator", "desk-1")


def filled(engine, n=5):
    with engine.begin() as db:
        fill(db, n)


def fill(db, n=5):
    for i in range(n):
        append(db, Act(10**18 + i, WANG, "note", f"v{i}", {"text": "已电话核实"}))
    append(db, Act(10**18 + n, None, "escalate", "v0"))


def test_a_whole_log_has_no_fault(engine):
    filled(engine)
    with engine.begin() as db:
        assert check(db) is None
        n, digest = head(db)
    assert n == 6
    assert len(digest) == 32


def test_an_empty_log_has_no_fault_and_no_head(engine):
    with engine.begin() as db:
        assert check(db) is None
        assert head(db) == (0, b"")


@pytest.mark.parametrize(
    ("change", "n"),
    [
        (lambda n: sa.update(AUDIT).where(AUDIT.c.n == n).values(user="li"), 3),
        (lambda n: sa.update(AUDIT).where(AUDIT.c.n == n).values(body=b"{}"), 3),
        (lambda n: sa.update(AUDIT).where(AUDIT.c.n == n).values(at_ns=1), 1),
        (lambda n: sa.delete(AUDIT).where(AUDIT.c.n == n), 4),
        (lambda n: sa.update(AUDIT).where(AUDIT.c.n == n).values(sha256=b"x" * 32), 5),
    ],
)
def test_a_row_that_was_changed_or_taken_out_is_named(engine, change, n):
    filled(engine)
    with engine.begin() as db:
        db.execute(change(n))
        fault = check(db)
    assert fault is not None
    assert fault.n == n


def seal_all(engine, at_ns=10**18):
    with engine.begin() as db:
        proofs.seal(db, at_ns, None, verify(db, START))


def state_of(engine, **how):
    with engine.begin() as db:
        return proofs.state(db, **how)


def test_after_a_look_through_all_only_what_came_since_is_read(engine, monkeypatch):
    filled(engine)
    assert state_of(engine)["full"] is None
    seal_all(engine)
    filled(engine, 3)
    read, every = [], acts.rows

    def noted(db, after=0):
        for row in every(db, after):
            read.append(row["n"])
            yield row

    monkeypatch.setattr(acts, "rows", noted)
    found = state_of(engine)
    assert (found["whole"], found["n"], found["full"]) == (True, 11, {"n": 6, "at_ns": str(10**18)})
    assert read == list(range(7, 12))
    assert state_of(engine, whole=True)["n"] == 11


def test_what_was_done_to_the_log_is_found_since_the_last_look_and_by_the_next_through_all(engine):
    filled(engine)
    seal_all(engine)
    filled(engine, 3)
    for change, n_now, n_full in (
        (sa.update(AUDIT).where(AUDIT.c.n == 9).values(user="li"), 9, 9),
        (sa.update(AUDIT).where(AUDIT.c.n == 6).values(sha256=b"x" * 32), 6, 6),  # the row that is sealed
        (sa.delete(AUDIT).where(AUDIT.c.n == 6), 6, 6),
        (sa.update(AUDIT).where(AUDIT.c.n == 3).values(user="li"), None, 3),  # an earlier row
        (sa.update(AUDIT).where(AUDIT.c.n == 7).values(body=b"{}"), 7, 7),  # the seal: nothing is proven then
    ):
        with engine.connect() as db, db.begin() as work:
            db.execute(change)
            now, full = proofs.state(db), proofs.state(db, whole=True)
            work.rollback()
        assert (now["fault"] or {}).get("n") == n_now, change
        assert (full["fault"] or {}).get("n") == n_full, change


def test_a_seal_that_names_itself_or_a_later_row_proves_nothing(engine):
    """Its own digest would never be looked at: one changed body would hide what was done to earlier rows."""
    filled(engine)
    seal_all(engine)
    filled(engine, 3)
    with engine.begin() as db:
        digests = {row.n: row.sha256.hex() for row in db.execute(sa.select(AUDIT.c.n, AUDIT.c.sha256))}
        db.execute(sa.update(AUDIT).where(AUDIT.c.n == 3).values(user="li"))
    for n in (7, 9):
        body = f'{{"n":{n},"sha256":"{digests[n]}"}}'.encode()
        with engine.begin() as db:
            db.execute(sa.update(AUDIT).where(AUDIT.c.n == 7).values(body=body))
        assert state_of(engine)["fault"] == {"n": 3, "reason": "was changed: its digest does not fit"}


@pytest.mark.parametrize("change", ["body = 'x'", "body = CAST(x'ff' AS TEXT)", "at_ns = 'today'"])
def test_a_seal_that_is_no_row_any_more_costs_no_look(tmp_path, change):
    engine = ledger_at(tmp_path / "centre.sqlite")
    filled(engine)
    seal_all(engine)
    with engine.begin() as db:  # as another program writes it
        db.exec_driver_sql(f"UPDATE audit SET {change} WHERE n = 7")
    assert (state_of(engine)["fault"] or {}).get("n") == 7
    seal_all(engine)  # the next look through all can be written
    assert state_of(engine)["fault"]["n"] == 7
    engine.dispose()


def test_an_act_follows_a_row_whose_digest_is_none_any_more(tmp_path):
    engine = ledger_at(tmp_path / "centre.sqlite")
    filled(engine)
    with engine.begin() as db:
        db.exec_driver_sql("UPDATE audit SET sha256 = 'x' WHERE n = 6")
    with engine.begin() as db:
        assert head(db) == (6, b"")
    filled(engine, 1)
    with engine.begin() as db:
        assert (head(db)[0], check(db).n) == (8, 6)
    engine.dispose()


@pytest.mark.parametrize(
    ("sealed_days_ago", "is_due"), [(None, True), (0.5, False), (1.5, True), (-1.5, True)]
)
def test_all_is_looked_through_once_a_day_also_after_a_clock_was_ahead(
    engine, monkeypatch, sealed_days_ago, is_due
):
    monkeypatch.setattr(proofs, "FIRST_S", 0.0)
    monkeypatch.setattr(proofs, "LOOK_S", 0.0)
    monkeypatch.setattr(proofs, "REST_S", 0.0)
    now_ns, n_looks = 10**18, 0
    filled(engine)
    if sealed_days_ago is not None:
        seal_all(engine, now_ns - round(sealed_days_ago * proofs.DAY_NS))

    async def read(query):
        nonlocal n_looks
        n_looks += 1
        return query()

    async def write(work, *_names):
        with engine.begin() as db:
            return work(db, [])

    async def play():
        work = asyncio.create_task(proofs.LogChecks(engine, read, write, lambda: now_ns).run())
        async with asyncio.timeout(8.0):
            while n_looks < 12:
                await asyncio.sleep(0)
        work.cancel()

    asyncio.run(play())
    with engine.begin() as db:
        seals = db.scalars(sa.select(AUDIT.c.at_ns).where(AUDIT.c.act == proofs.SEALED)).all()
    assert len(seals) == is_due + (sealed_days_ago is not None), "and no more often"


def test_no_look_outlives_the_centre(engine, monkeypatch):
    monkeypatch.setattr(proofs, "FIRST_S", 0.0)
    filled(engine)

    async def play():
        looks = asyncio.Event()

        async def read(query):
            if looks.is_set():
                await asyncio.Event().wait()
            looks.set()
            return query()

        checks = proofs.LogChecks(engine, read, read, lambda: 10**18)
        work = asyncio.create_task(checks.run())
        await looks.wait()
        while len(asyncio.all_tasks()) < 3:
            await asyncio.sleep(0)
        work.cancel()
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()}, timeout=8.0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(play())


def test_a_fault_that_was_found_stays_the_answer_until_a_look_through_all_finds_none(engine):
    filled(engine)
    with engine.begin() as db:
        db.execute(sa.update(AUDIT).where(AUDIT.c.n == 3).values(user="li"))
    seal_all(engine)
    assert state_of(engine)["fault"] == {"n": 3, "reason": "was changed: its digest does not fit"}
    with engine.begin() as db:
        db.execute(sa.update(AUDIT).where(AUDIT.c.n == 3).values(user="wang"))
    assert not state_of(engine)["whole"]
    seal_all(engine)
    assert state_of(engine)["whole"]


def test_a_row_that_is_no_row_any_more_is_named_and_hides_no_other(tmp_path):
    engine = ledger_at(tmp_path / "centre.sqlite")
    filled(engine)
    with engine.begin() as db:  # as another program writes it
        db.exec_driver_sql("UPDATE audit SET body = 'x' WHERE n = 3")
        db.exec_driver_sql("UPDATE audit SET user = CAST(x'ff' AS TEXT) WHERE n = 5")
    with engine.begin() as db:
        assert check(db).n == 3
        rows = exported(db, Wanted(), 0, 99)
        assert [(n, cells is None) for n, cells in rows] == [(n, n in (3, 5)) for n in range(1, 7)]
        shown = page(db, Wanted())["items"]
        assert [each["n"] for each in shown] == [6, 5, 4, 3, 2, 1]
        assert [each["n"] for each in shown if each["body"] == {"unreadable": True}] == [5, 3]
    engine.dispose()


def test_work_is_one_transaction_that_the_feed_announces(engine):
    async def play():
        woken = []
        writer = Writer(
            ViolationWriter(engine, time.time_ns), log.setup(part="test"), lambda: woken.append(1)
        )

        def work(db, found):
            found.append(Change("handling", "v1"))
            return append(db, Act(10**18, WANG, "acknowledge", "v1"))

        def broken(db, found):
            work(db, found)
            raise KeyError("no such alarm")

        assert await writer.run(work, "episode v1") == 1
        with pytest.raises(KeyError):
            await writer.run(broken, "episode v1")
        writer.close()
        return woken

    assert asyncio.run(play()) == [1]
    with engine.begin() as db:
        assert [tuple(row) for row in db.execute(sa.select(FEED.c.kind, FEED.c.key))] == [("handling", "v1")]
        assert head(db)[0] == 1


@pytest.mark.anyio
async def test_an_export_is_the_log_with_all_that_its_digests_cover(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acts, "ROWS_AT_ONCE", 2)  # it comes in parts
    async with running(tmp_path) as centre:

        def work(db, _found):
            fill(db)
            odd = Actor("=1+1", "operator", "desk-1")
            append(db, Act(10**18 + 9, odd, "note", "v9", {"text": 'a "b", c'}))
            return head(db)

        await until_begun(centre.app.database.engine)
        newest, digest = await centre.app.writer.run(work)
        answer = await centre.http.get("/api/audit/export")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/csv")
        assert f"acts-to-{newest}.csv" in answer.headers["content-disposition"]
        assert answer.text.startswith("\ufeff")
        columns, *rows = csv.reader(io.StringIO(answer.text.removeprefix("\ufeff")))
        assert tuple(columns) == EXPORTED
        found = [dict(zip(columns, row, strict=True)) for row in rows]
        assert [int(row["n"]) for row in found] == list(range(1, newest + 1))
        assert found[-1]["sha256"] == digest.hex()
        assert found[-1]["user"] == "'=1+1", "no spreadsheet runs it"
        before = ""
        for row in found:
            assert row["sha256_before"] == before
            fields = [int(row["n"]), int(row["at_ns"]), row["user"].removeprefix("'"), row["role"]]
            fields += [row["act"], row["subject"]]
            again = digest_of(bytes.fromhex(before), fields, row["body"].encode())
            assert row["sha256"] == again.hex()
            before = row["sha256"]
        some = await centre.http.get("/api/audit/export?user=wang&act=note&from_ns=1000000000000000001")
        texts = [row[columns.index("subject")] for row in csv.reader(io.StringIO(some.text))]
        assert texts == ["subject", "v1", "v2", "v3", "v4"]
        assert (await centre.http.get("/api/audit/export?from_ns=x")).status_code == 400

        answer = await centre.http.post("/api/audit/check")
        assert (answer.status_code, answer.json()["whole"], answer.json()["full"]["n"]) == (200, True, newest)
        assert answer.json()["n"] == newest + 1, "the look is an act too"
        with centre.app.database.engine.begin() as db:
            db.exec_driver_sql("UPDATE audit SET body = 'x' WHERE n = 2")
        whole = (await centre.http.get("/api/audit/export")).text
        *found, last = list(csv.reader(io.StringIO(whole)))
        assert [int(row[0]) for row in found[1:]] == [1, *range(3, newest + 2)]
        assert (last[0], last[7]) == ("unreadable", "1 rows can't be read: 2")
        assert (await centre.http.get("/api/audit/check")).json()["whole"], "it came before the last look"
        again = (await centre.http.post("/api/audit/check")).json()
        assert again["fault"] == {"n": 2, "reason": "was changed: its digest does not fit"}


@pytest.mark.anyio
async def test_an_export_whose_database_fails_says_so_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acts, "ROWS_AT_ONCE", 2)
    async with running(tmp_path) as centre:
        await until_begun(centre.app.database.engine)
        await centre.app.writer.run(lambda db, _found: fill(db))
        parts = 0

        def exported_once(*arguments: Any, **more: Any) -> Any:
            nonlocal parts
            parts += 1
            if parts == 2:
                raise sa.exc.OperationalError("SELECT", {}, OSError("disk I/O error"))
            return exported(*arguments, **more)

        monkeypatch.setattr(routes, "exported", exported_once)
        *found, last = list(csv.reader(io.StringIO((await centre.http.get("/api/audit/export")).text)))
        assert [row[0] for row in found[1:]] == ["1", "2"]
        assert last[0] == "unreadable"
        assert "the rest is missing: after row 2 " in last[7]


async def until_begun(engine: sa.Engine) -> None:
    """Wait for the desk's own first row: it would be put between others."""
    async with asyncio.timeout(8.0):
        while True:
            with engine.begin() as db:
                if db.scalar(sa.select(sa.func.count()).select_from(AUDIT)):
                    return
            await asyncio.sleep(0.02)
