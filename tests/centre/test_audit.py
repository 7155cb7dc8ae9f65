"""The log of acts on both databases, and that acts are announced as violations are."""

import asyncio
import csv
import io
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from centre.accounts.actor import Actor
from centre.audit import log as acts
from centre.audit.chain import digest_of
from centre.audit.log import Act, append, check, head
from centre.audit.queries import EXPORTED
from centre.audit.tables import AUDIT
from centre.changes import Change
from centre.store import FEED
from centre.violation_writer import ViolationWriter
from centre.writer import Writer
from edge import log
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


async def until_begun(engine: sa.Engine) -> None:
    """Wait for the desk's own first row: it would be put between others."""
    async with asyncio.timeout(8.0):
        while True:
            with engine.begin() as db:
                if db.scalar(sa.select(sa.func.count()).select_from(AUDIT)):
                    return
            await asyncio.sleep(0.02)
