"""Writes violation batches and statuses into the database, once each, and returns what it then holds.

Blocking: `writer.Writer` runs it in a thread of its own. What is given to one `commit` is one transaction.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

import sqlalchemy as sa

from centre import statements as sql
from centre.attempts import Attempt, alone, together
from centre.batch_decoder import Batch, UnreadableBatch
from centre.commands import CommitResult, ReceivedJourney, StatusChange, StoreAsk
from centre.faults import as_schema_error, cause_of
from centre.journey_rows import store_journey
from centre.quarantine import quarantine_message, trim_tables
from centre.row_limits import RowLimits
from centre.status_rows import store_ask, store_status
from centre.store import FEED
from centre.violation_rows import announce, store_alone, store_together

UNSTAMPED_MAX = 100  # commits that wait for their time to be written; beyond, the oldest keep none


class ViolationWriter:
    """Commits batches and statuses, one transaction for each call; not thread-safe."""

    def __init__(self, engine: sa.Engine, now_ns: Callable[[], int]) -> None:
        self._engine = engine
        self._now_ns = now_ns
        self.limits = RowLimits()
        self._unstamped: deque[CommitResult] = deque(maxlen=UNSTAMPED_MAX)
        # Feed rows up to here are final: their episodes carry the time of the commit, or writing it failed.
        # A page's cursor never passes this number, so that the page also receives the commit times.
        self.settled_n = _newest_change(engine)

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
        try:
            result = self._commit_in_parts(batches, statuses, journeys, asks)
        except Exception as error:
            raise as_schema_error(error) from error
        result.committed_ns = self._now_ns()
        if result.keys:
            self._unstamped.append(result)
        self.settled_n = self._stamp(result)
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
            trim_tables(db, result)
            result.feed_n = db.scalar(sql.NEWEST_NUMBER[FEED.name]) or 0
        return result

    def _stamp(self, newest: CommitResult) -> int:
        """Write the time of each commit that has none yet, and return the newest row of the feed.

        Where that fails, the next commit tries again and announces the episodes again, since pages already
        have them without the time. A crash in between loses this time only, never the violation.
        """
        if not self._unstamped:
            return newest.feed_n
        try:
            with self._engine.begin() as db:
                for result in self._unstamped:
                    ids = _write_stamps(db, result)
                    for violation_id in ids if result is not newest else ():
                        announce(db, violation_id)
                feed_n: int = db.scalar(sql.NEWEST_NUMBER[FEED.name]) or 0
        except Exception as error:  # the violations are committed, so they are acknowledged all the same
            newest.counts["stamp.failed"] += 1
            if cause_of(error) == "item":  # a retry would fail again: these times stay unknown
                self._unstamped.clear()
            return newest.feed_n
        self._unstamped.clear()
        return feed_n


def _newest_change(engine: sa.Engine) -> int:
    try:
        with engine.begin() as db:
            return db.scalar(sql.NEWEST_NUMBER[FEED.name]) or 0
    except Exception as error:
        raise as_schema_error(error) from error


def _write_stamps(db: sa.Connection, result: CommitResult) -> list[str]:
    """Write the time of one commit to its versions and episodes; return the ids of the episodes."""
    at_ns = result.committed_ns
    stamps = [{"k_id": k[0], "k_version": k[1], "k_esn": k[2], "at_ns": at_ns} for k in result.keys]
    db.execute(sql.STAMP_VERSION, stamps)
    ids = list(dict.fromkeys(key[0] for key in result.keys))
    db.execute(sql.STAMP_EPISODE, [{"k_id": each, "at_ns": at_ns} for each in ids])
    return ids
