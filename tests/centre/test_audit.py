"""The log of acts on both databases, and that acts are announced as violations are."""

import asyncio
import time

import pytest
import sqlalchemy as sa

from centre.accounts.actor import Actor
from centre.audit.log import Act, append, check, head
from centre.audit.tables import AUDIT
from centre.changes import Change
from centre.store import FEED
from centre.violation_writer import ViolationWriter
from centre.writer import Writer
from edge import log

WANG = Actor("wang", "operator", "desk-1")


def filled(engine, n=5):
    with engine.begin() as db:
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
