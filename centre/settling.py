"""Settles what is committed: gives it the time of its commit, and announces it in the feed.

A transaction with changes leaves a row that notes them (`changes`). Settling is a second, short transaction:
it takes such rows, of any process, writes the times, adds the feed's rows and deletes the notes. Since only
one process settles at a time, and holds the feed's lock until its commit, the numbers of the feed become
visible in their order: a page's cursor skips none. A process that is killed in between leaves its notes to
the next one that settles. Each version is announced, as the version that the episode's row showed after it:
rows that note one episode are settled in their order, so never an older one after a newer. Blocking.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from centre import changes, feed_numbers, postgresql
from centre import statements as sql
from centre.beside import OnBug
from centre.changes import Change
from centre.faults import as_schema_error, cause_of
from centre.lock_names import episode_name
from centre.quarantine import trim_table
from centre.store import FEED, UNSETTLED

ROWS_MAX = 64  # transactions that are settled at once
OWN_TIMES_MAX = 1_000  # of our own commits; one beyond gets the time at which it is settled
# SQLite commits a settling without a wait for the disk (`_Unsynchronised`). After a loss of power its rows of
# the feed may be gone, though pages have their numbers as cursors. A new row under such a number would be
# hidden from those pages: so many numbers are left out instead, and at most so many are given at risk.
NUMBERS_LEFT_OUT = 10_000
_oldest = sa.select(UNSETTLED.c.n, UNSETTLED.c.changes).order_by(UNSETTLED.c.n)
_delete = sa.delete(UNSETTLED).where(UNSETTLED.c.n == sa.bindparam("k_n"))


Noted = tuple[int, list[Change]]  # a row's number, and what it notes


class Turn(NamedTuple):
    """What one transaction settled; deferred are rows whose episodes another process changes just now.

    at_risk : numbers that a loss of power would take with those given before; None: too many, none is given
    """

    n_settled: int
    n_deferred: int = 0
    is_last: bool = True
    at_risk: int | None = 0


class Settler:
    """Settles the commits of one database; not thread-safe."""

    def __init__(self, engine: sa.Engine, now_ns: Callable[[], int], on_bug: OnBug) -> None:
        self._engine, self._now_ns, self._on_bug = engine, now_ns, on_bug
        self._sql = sql.statements_of(engine.dialect.name)
        self._shared = postgresql.is_postgresql(engine)
        self._committed_ns: dict[int, int] = {}  # of our own commits, by the number of their row
        self._behind = True  # there may be rows
        self._is_first = True  # no turn of this process has begun
        self._at_risk = 0  # numbers given since the last commit that waited for the disk
        self.newest_n = 0  # number of the feed that is known here

    def begin(self, counts: Counter[str]) -> None:
        """Settle what an earlier process left. Raises SchemaError where the tables don't fit."""
        self.settle(counts)

    def note(self, n: int, committed_ns: int) -> None:
        """Note when we committed the transaction of this row; that commit waited for the disk."""
        self._behind, self._at_risk = True, 0
        self._committed_ns[n] = committed_ns
        while len(self._committed_ns) > OWN_TIMES_MAX:
            del self._committed_ns[next(iter(self._committed_ns))]

    def tend(self, counts: Counter[str]) -> bool:
        """Settle what is left, ours or another process's; return whether there was something."""
        return (self._behind or self._shared) and self.settle(counts)

    def settle(self, counts: Counter[str]) -> bool:
        """Settle all rows; return whether there was one. What fails is counted, and tried again next time."""
        n_settled, n_apart = 0, 1
        self._behind = True
        while n_apart:
            try:
                n_settled += self._settle_together(counts)
                break
            except Exception as error:
                counts["settle.failed"] += 1
                n_apart = 0
                match cause_of(error):
                    case "schema":
                        raise as_schema_error(error) from error
                    case "item":
                        self._on_bug("settle", error)
                        n_apart = self._settle_apart(counts)
                n_settled += n_apart
        return n_settled > 0

    def _settle_together(self, counts: Counter[str]) -> int:
        """Settle all rows, many at a time; return how many."""
        self._leave_out_numbers()
        n_settled, turn = 0, Turn(0, is_last=False)
        while not turn.is_last:
            turn = self._turn(counts)
            n_settled += turn.n_settled
        self._behind = turn.n_deferred > 0
        return n_settled

    def _leave_out_numbers(self) -> None:
        """Before the first turn: give no number again that a loss of power may have taken from the feed.

        Synchronised, unlike the turn: else the next loss of power would take this, too.
        """
        if not self._is_first:
            return
        if not self._shared:
            with self._engine.begin() as db:
                if db.scalar(sa.select(UNSETTLED.c.n).limit(1)) is not None:
                    feed_numbers.continue_after(db, feed_numbers.newest_given(db) + NUMBERS_LEFT_OUT)
        self._is_first = False

    def _settle_apart(self, counts: Counter[str]) -> int:
        """Settle row by row, since one of them can't be: that one without its times, or not at all."""
        n_settled = 0
        ways = (self._turn, partial(self._turn, has_times=False), self._drop)
        try:
            with self._engine.begin() as db:
                numbers = db.scalars(sa.select(UNSETTLED.c.n).order_by(UNSETTLED.c.n).limit(ROWS_MAX)).all()
            for number in numbers:
                turn = self._first_that_works(ways, counts, number)
                n_settled += turn.n_settled
                if turn.n_deferred:  # a later row may note the same episode, and must not come before it
                    break
        except SQLAlchemyError:  # the storage: the next turn tries again
            counts["settle.failed"] += 1
        return n_settled

    def _first_that_works(
        self, ways: Sequence[Callable[..., Turn]], counts: Counter[str], number: int
    ) -> Turn:
        """Settle a row in the first way that its own fault does not prevent; raises what storage causes."""
        for way in ways[:-1]:
            try:
                return way(counts, number)
            except Exception as error:
                if cause_of(error) != "item":
                    raise
                self._on_bug("settle", error)
        return ways[-1](counts, number)

    def _drop(self, counts: Counter[str], n: int) -> Turn:
        """Delete a row that can't be settled: what it notes is in the list, and not in the feed."""
        with self._engine.begin() as db:
            db.execute(_delete, {"k_n": n})
        counts["settle.refused"] += 1
        return Turn(1)

    def _turn(self, counts: Counter[str], only: int | None = None, *, has_times: bool = True) -> Turn:
        """Settle the oldest rows, or one, in one transaction, which waits for the disk where it has to."""
        turn = self._tried(counts, only, has_times=has_times, waits=False)
        if turn.at_risk is None:
            turn = self._tried(counts, only, has_times=has_times, waits=True)
        self._at_risk = turn.at_risk or 0
        return turn

    def _tried(self, counts: Counter[str], only: int | None, *, has_times: bool, waits: bool) -> Turn:
        tally: Counter[str] = Counter()
        query = _oldest.limit(ROWS_MAX) if only is None else _oldest.where(UNSETTLED.c.n == only)
        with self._engine.connect() as db, _Unsynchronised(db, waits=waits), db.begin():
            if self._shared:
                postgresql.lock_feed(db)
            noted = [(n, changes.decode(body)) for n, body in db.execute(query).all()]
            n_found = len(noted)
            if self._shared:
                noted = _not_held(db, noted)
            if not noted:
                return Turn(0, n_found, at_risk=self._at_risk)
            n_given = sum(change.n_rows for _, found in noted for change in found)
            at_risk = 0 if waits or self._shared else self._at_risk + n_given
            if at_risk > NUMBERS_LEFT_OUT:
                return Turn(0, at_risk=None)
            now_ns = self._now_ns() if any(n not in self._committed_ns for n, _ in noted) else 0
            if has_times:
                self._write_times(db, [(self._committed_ns.get(n, now_ns), found) for n, found in noted])
            self._announce(db, changes.joined(change for _, found in noted for change in found))
            db.execute(_delete, [{"k_n": n} for n, _ in noted])
            newest_n = trim_table(db, tally, FEED)
            if self._shared:
                postgresql.notify(db, newest_n)
        self.newest_n = newest_n
        for n, _ in noted:
            self._committed_ns.pop(n, None)
        n_deferred = n_found - len(noted)  # whoever holds their episodes settles them, or the next turn
        if n_deferred:
            tally["settle.deferred"] += n_deferred
        counts.update(tally)
        is_last = n_deferred > 0 or n_found < ROWS_MAX
        return Turn(len(noted), n_deferred, is_last=is_last, at_risk=at_risk)

    def _write_times(self, db: sa.Connection, noted: Sequence[tuple[int, Sequence[Change]]]) -> None:
        """Write the time of each commit to its versions and episodes; then the latencies that follow."""
        versions = [
            (at_ns, change.key, version, esn)
            for at_ns, found in noted for change in found for version, esn in change.versions
        ]  # fmt: skip
        begun = [
            (at_ns, *_latency(change, at_ns), change.key)
            for at_ns, found in noted for change in found if change.is_new
        ]  # fmt: skip
        samples = {change.key: None for _, found in noted for change in found if change.has_sample}
        for statement, rows in (
            (self._sql.stamp_version, versions),
            (self._sql.begin_episode, begun),
            (self._sql.sample_episode, [(key, key) for key in samples]),
        ):
            if rows:
                db.exec_driver_sql(statement, rows)

    def _announce(self, db: sa.Connection, found: Sequence[Change]) -> None:
        """Add a row of the feed for each, in their order."""
        episodes = [("violation", change.key, *at) for change in found for at in change.shown]
        units = [(change.kind, change.key) for change in found if change.kind != "violation"]
        for statement, rows in ((self._sql.announce_episode, episodes), (self._sql.add_feed, units)):
            if rows:
                db.exec_driver_sql(statement, rows)


def _latency(change: Change, committed_ns: int) -> tuple[int | None, str | None]:
    """Return the latency of a new episode, and the RSU of its sample; it may still have none."""
    if change.sample is None:
        return None, None
    decided_ns, esn = change.sample
    return committed_ns - decided_ns, esn


class _Unsynchronised:
    """Lets SQLite commit one transaction without waiting for the disk; nothing else changes.

    What a loss of power takes of it is settled again, and its numbers are left out (`_leave_out_numbers`).
    PostgreSQL waits: its sequence may give the numbers again while pages are open.
    """

    def __init__(self, db: sa.Connection, *, waits: bool) -> None:
        self._db = db if db.dialect.name == "sqlite" and not waits else None

    def __enter__(self) -> None:
        self._set("NORMAL")

    def __exit__(self, *_: object) -> None:
        self._set("FULL")

    def _set(self, level: str) -> None:
        if self._db is None:
            return
        driver = self._db.connection.driver_connection
        assert driver is not None, "it is connected"
        statement = f"PRAGMA synchronous={level}"
        try:
            driver.execute(statement)  # by the driver: SQLAlchemy would begin a transaction, which refuses it
        except sqlite3.Error as error:
            self._db.invalidate()  # never to be used again: its commits would not wait for the disk
            raise OperationalError(statement, None, error) from error  # as `cause_of` knows it: no item's


def _not_held(db: sa.Connection, noted: Sequence[Noted]) -> list[Noted]:
    """Lock the episodes of each row where no transaction changes them just now; return these rows.

    A row waits, too, where an earlier one of the same episode does.
    """
    free: list[Noted] = []
    held: set[str] = set()
    for n, found in noted:
        names = [episode_name(change.key) for change in found if change.kind == "violation"]
        if held.isdisjoint(names) and postgresql.try_lock(db, names):
            free.append((n, found))
        else:
            held.update(names)
    return free
