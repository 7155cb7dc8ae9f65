"""Writes violation batches and statuses into the database, once each, and returns what it then holds.

Blocking: `writer.Writer` runs it in a thread of its own. What is given to one `commit` is one transaction.
Several processes may write one PostgreSQL database.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from centre import changes, postgresql
from centre import statements as sql
from centre.ages import known_ns
from centre.attempts import Attempt, alone, together
from centre.batch_decoder import Batch, UnreadableBatch
from centre.beside import OnBug, uncared
from centre.changes import Change
from centre.commands import CommitResult, ReceivedJourney, StatusChange, StoreAsk
from centre.faults import as_schema_error, cause_of
from centre.journey_rows import store_journey
from centre.lock_names import names_of
from centre.own_clock import OwnClock
from centre.quarantine import quarantine_message, trim_table
from centre.row_limits import RowLimits
from centre.settling import Settler
from centre.status_rows import store_ask, store_status
from centre.store import QUARANTINE
from centre.violation_rows import store_alone, store_together

Result = TypeVar("Result")
TRIES = 5  # of a transaction that PostgreSQL ends for the sake of another one
TRY_AGAIN_S = 0.02  # after the first failed try; twice as long after the second, and so on


class ViolationWriter:
    """Commits batches and statuses, one transaction for each call; not thread-safe."""

    def __init__(
        self, engine: sa.Engine, now_ns: Callable[[], int], on_bug: OnBug = uncared,
        own_clock: OwnClock | None = None,
    ) -> None:  # fmt: skip
        """`on_bug(work, error)`: an error that nobody expected; the rest goes its way.

        own_clock : that others follow too; None: one of its own
        """
        # SQLite locks at the begin: a command (`centre user`) may write the file too, and a transaction that
        # has read before that one's commit could never write any more
        self._engine = engine.execution_options(exclusive=True)
        self._now_ns = now_ns
        self.limits = RowLimits()
        self._settler = Settler(self._engine, now_ns, on_bug)
        self.counts: Counter[str] = Counter()  # of what no commit returns; see `taken_counts`
        self._settler.begin(self.counts)
        self._own_clock = own_clock or own_clock_of(self._engine)
        self._n_doubts = self._own_clock.n_doubts  # that are counted

    def judged_ns(self, received_ns: int) -> int:
        """Return the time that the stamps of a message are held against: see `OwnClock`."""
        believed_ns = self._own_clock.believed(received_ns)
        n_doubts = self._own_clock.n_doubts
        if n_doubts > self._n_doubts:
            self.counts["clock.doubted"] += n_doubts - self._n_doubts
            self._n_doubts = n_doubts
        return believed_ns

    def note_clock(self, batch: Batch) -> None:
        """Note what an RSU's clock showed as it sent a batch: it bears witness of ours.

        An item that was detected by a clock ahead claims to be sent at that time, if not later: none is sent
        before its detection.
        """
        sent_ns = max((item.sent_ns for item in batch.items if item.sent_ns > item.detected_ns), default=0)
        if sent_ns:
            self._own_clock.note(batch.esn, sent_ns)

    @property
    def feed_n(self) -> int:
        """The newest number of the feed that was announced from here; 0: none yet."""
        return self._settler.newest_n

    def commit(
        self,
        batches: Sequence[Batch | UnreadableBatch],
        statuses: Sequence[StatusChange],
        journeys: Sequence[ReceivedJourney] = (),
        asks: Sequence[StoreAsk] = (),
    ) -> CommitResult:
        """Commit everything in one transaction and return what the database then holds.

        An item or batch that the database refuses is quarantined alone, a status left out; the rest is
        stored. Raises SQLAlchemyError where the storage fails (then nothing is stored), and SchemaError where
        the tables don't fit this version.
        """
        result = self._committed(batches, statuses, journeys, asks)
        result.committed_ns = self._now_ns()
        if result.unsettled_n is not None:
            self._settler.note(result.unsettled_n, result.committed_ns)
            self._settler.settle(result.counts)
        return result

    def run(
        self, work: Callable[[sa.Connection, list[Change]], Result], names: Collection[str] = ()
    ) -> Result:
        """Run `work(db, found)` in one transaction and return its result; an exception undoes all of it.

        It adds to `found` what the feed has to announce. `names`: of what it reads and changes, for the locks
        between several processes. It runs again where PostgreSQL ended the transaction for another's sake.
        """

        def once() -> tuple[Result, int | None]:
            found: list[Change] = []
            with self._engine.begin() as db:
                if postgresql.is_postgresql(db):
                    postgresql.wait_little(db)  # the ledger's next transaction waits behind this one
                    postgresql.lock(db, names)
                result = work(db, found)
                return result, _note(db, found)

        result, unsettled_n = self._tried(once, self.counts)
        if unsettled_n is not None:
            self._settler.note(unsettled_n, self._now_ns())
            self._settler.settle(self.counts)
        return result

    def tend(self) -> bool:
        """Announce what is committed and not yet announced; return whether there was something.

        Call it each second without work: a commit may have left something, and so may a process that was
        killed.
        """
        return self._settler.tend(self.counts)

    def taken_counts(self) -> Counter[str]:
        """Return what was counted since the last call; in the thread that counts, so that nothing is lost."""
        found, self.counts = self.counts, Counter()
        return found

    def _committed(
        self,
        batches: Sequence[Batch | UnreadableBatch],
        statuses: Sequence[StatusChange],
        journeys: Sequence[ReceivedJourney],
        asks: Sequence[StoreAsk],
    ) -> CommitResult:
        retried: Counter[str] = Counter()
        result = self._tried(partial(self._commit_in_parts, batches, statuses, journeys, asks), retried)
        result.counts.update(retried)
        return result

    def _tried(self, transaction: Callable[[], Result], counts: Counter[str]) -> Result:
        """Run a transaction; again after a while where PostgreSQL ended it for another one's sake."""
        n_failed = 0
        while True:
            try:
                result = transaction()
            except Exception as error:
                n_failed += 1
                if n_failed == TRIES or postgresql.sqlstate_of(error) not in postgresql.TRANSIENT:
                    raise as_schema_error(error) from error
                time.sleep(n_failed * TRY_AGAIN_S)
                continue
            if n_failed:
                counts["commit.retried"] += n_failed
            return result

    def _commit_in_parts(
        self,
        batches: Sequence[Batch | UnreadableBatch],
        statuses: Sequence[StatusChange],
        journeys: Sequence[ReceivedJourney],
        asks: Sequence[StoreAsk],
    ) -> CommitResult:
        """Commit all steps together; where one item makes that fail, commit again, each step alone."""
        try:
            return self._commit(batches, statuses, journeys, asks, together)
        except Exception as error:
            if cause_of(error) != "item":
                raise
        return self._commit(batches, statuses, journeys, asks, alone)

    def _commit(
        self,
        batches: Sequence[Batch | UnreadableBatch],
        statuses: Sequence[StatusChange],
        journeys: Sequence[ReceivedJourney],
        asks: Sequence[StoreAsk],
        attempt: Attempt,
    ) -> CommitResult:
        result = CommitResult(limits=self.limits)
        with self._engine.begin() as db:
            readable = [batch for batch in batches if isinstance(batch, Batch)]
            if postgresql.is_postgresql(db):
                postgresql.lock(db, names_of(readable, statuses, journeys, asks))
            for batch in batches:
                if isinstance(batch, UnreadableBatch):
                    attempt(db, result, partial(quarantine_message, batch=batch))
            if attempt is together:
                result.acknowledgements += store_together(db, result, readable)
            else:
                result.acknowledgements += [store_alone(db, result, each, attempt) for each in readable]
            for change in statuses:
                if attempt(db, result, partial(store_status, change=change)) is not None:
                    result.counts["status.unstorable"] += 1
            for received in journeys:
                if attempt(db, result, partial(store_journey, received=received)) is not None:
                    result.counts["journey.unstorable"] += 1
            for ask in asks:
                attempt(db, result, partial(store_ask, ask=ask))
            if result.counts["quarantine.kept"]:
                trim_table(db, result.counts, QUARANTINE)
            result.unsettled_n = _note(db, result.changes)
        return result


def _note(db: sa.Connection, found: Sequence[Change]) -> int | None:
    """Note what a transaction changed, in it; return the number of that row."""
    if not found:
        return None
    body = changes.encode(changes.joined(found))
    added = db.execute(sql.ADD_UNSETTLED, {"changes": body}).inserted_primary_key
    assert added is not None, "the row has a number"
    n: int = added[0]
    return n


def own_clock_of(engine: sa.Engine) -> OwnClock:
    """Return what our clock is worth at the start, by what the database knows, if it can be read."""
    with contextlib.suppress(SQLAlchemyError), engine.connect() as db:
        return OwnClock(known_ns(db) or None)
    return OwnClock()
