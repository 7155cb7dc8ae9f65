"""The only writer of the database: it runs the commands of every part of the centre, one transaction each."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from centre import postgresql
from centre.batch_decoder import ANYWHERE, Batch, UnreadableBatch, decode_batch
from centre.changes import Change
from centre.commands import (
    Command,
    CommitResult,
    ReceivedJourney,
    StatusChange,
    StoreAsk,
    StoreBatches,
    StoreJourneys,
    StoreStatuses,
    WriterResult,
)
from centre.commit_size import CommitSize
from centre.database_file import is_damage
from centre.faults import NotWrittenError, cause_of, reason_of
from centre.inbox import QueuedBatch
from centre.storage import MovedError, Storage
from centre.violation_writer import ViolationWriter
from edge.log import Logger
from geofence.plausible import Bounds

Result = TypeVar("Result")
QUARANTINE_ITEMS = 4  # keeping unreadable bytes costs as much as so many items
IDLE_S = 0.5  # without a commit: the database's file is tended


def ignore(_fault: str) -> None:
    """Where nobody mends a damaged database."""


class _RefusedError(Exception):
    """The database refuses one transaction, not others."""


class Writer:
    """Runs commands in its own thread, in the order in which they come.

    Each caller awaits its own transaction, so another waits for at most one transaction of each caller.
    """

    def __init__(
        self,
        violation_writer: ViolationWriter,
        log: Logger,
        on_commit: Callable[[], None],
        bounds: Bounds = ANYWHERE,
        storage: Storage | None = None,
        on_damage: Callable[[str], None] = ignore,
        on_stored: Callable[[CommitResult, float], None] = lambda result, took_s: None,
    ) -> None:
        """`on_commit()` is called after each transaction; `bounds`: the area of the site.

        storage : secured after each transaction.  `on_damage(fault)`: the bytes of the database are wrong
        `on_stored(result, took_s)` gets what each transaction stored, and its time
        """
        self._violation_writer, self._log, self._on_commit, self._bounds = (
            violation_writer, log, on_commit, bounds,
        )  # fmt: skip
        self._storage, self._on_damage, self._on_stored = storage, on_damage, on_stored
        self._size, self._n_items = CommitSize(), 0  # of the transaction that is being made
        self._thread = ThreadPoolExecutor(1, "centre.writer")
        self.counts: Counter[str] = Counter()
        self._committed_s = float("-inf")
        self.fault: str | None = None  # why the last transaction failed
        # what is wrong with the file, though transactions may succeed
        self.storage_fault: str | None = None if storage is None else storage.refused

    async def execute(self, *commands: Command) -> WriterResult:
        """Run the commands in one transaction.

        Raises NotWrittenError where the storage fails: nothing is stored, and a later try may succeed.
        Raises SchemaError where the tables don't fit: every later try fails too.
        """
        begun_s = time.perf_counter()
        outcome = await self._in_thread(partial(self._write, commands))
        self.counts.update(outcome.committed.counts)
        if outcome.committed.counts["quarantine.kept"]:
            self._log.warning("quarantined", n=outcome.committed.counts["quarantine.kept"])
        self._on_stored(outcome.committed, time.perf_counter() - begun_s)
        self._on_commit()
        return outcome

    async def run(self, work: Callable[[sa.Connection, list[Change]], Result], *names: str) -> Result:
        """Run `ViolationWriter.run` of this work: a transaction of its own, announced in the feed.

        Raises what `work` raises, and what `execute` does; NotWrittenError also where the database refuses
        this work alone, or another process holds its rows: the database works all the same.
        """

        def write() -> Result:
            if self._storage is not None:
                self._storage.admit_writes()
            try:
                result = self._violation_writer.run(work, names)
            except SQLAlchemyError as error:
                if cause_of(error) == "storage" and not postgresql.is_held(error):
                    raise
                raise _RefusedError(reason_of(error)) from error
            if self._storage is not None:
                self._storage.secure()
                self._storage.mark(self._violation_writer.feed_n)
            return result

        result = await self._in_thread(write)
        self._on_commit()
        return result

    async def _in_thread(self, write: Callable[[], Result]) -> Result:
        try:
            result = await asyncio.get_running_loop().run_in_executor(self._thread, write)
        except (SQLAlchemyError, MovedError) as error:
            self.counts["commit.failed"] += 1
            self.fault = str(getattr(error, "orig", error))
            self._log.error("commit.failed", error=self.fault)
            if is_damage(error):
                self._on_damage(self.fault)
            raise NotWrittenError(self.fault) from error
        except _RefusedError as error:
            self.counts["commit.refused"] += 1
            self._log.error("commit.refused", error=str(error))
            raise NotWrittenError(str(error)) from error
        self.fault, self._committed_s = None, time.monotonic()
        return result

    async def tend(self) -> None:
        """Each second: announce what is left of commits, and look after the database's file.

        Thoroughly where nothing was committed for a while: while there is work, each commit looks where the
        file lies, and nothing may hold up the next one.
        """
        run = asyncio.get_running_loop().run_in_executor
        if await run(self._thread, self._violation_writer.tend):
            self._on_commit()
        self.counts.update(await run(self._thread, self._violation_writer.taken_counts))
        if self._storage is None:
            return
        if time.monotonic() - self._committed_s < IDLE_S:
            await asyncio.to_thread(self._storage.copy_log)
            self.storage_fault = self._storage.log_fault
            return
        try:
            await run(self._thread, self._storage.tend)
        except MovedError as error:
            self.storage_fault = str(error)
        else:
            self.storage_fault = self._storage.log_fault

    def close(self) -> None:
        """End the thread after the commands that it has accepted."""
        self._thread.shutdown()

    def _write(self, commands: Sequence[Command]) -> WriterResult:
        begun_s, self._n_items = time.perf_counter(), 0
        batches: list[Batch | UnreadableBatch] = []
        statuses: list[StatusChange] = []
        journeys: list[ReceivedJourney] = []
        asks: list[StoreAsk] = []
        remaining: list[QueuedBatch] = []
        n_useless = 0
        for command in commands:
            match command:
                case StoreBatches(messages):
                    decoded, n_done = self._decode(messages)
                    batches += decoded
                    n_useless += n_done - len(decoded)
                    remaining += messages[n_done:]
                case StoreStatuses(changes):
                    statuses += changes
                case StoreJourneys(versions):
                    journeys += versions
                case StoreAsk():
                    asks.append(command)
        if self._storage is not None:
            self._storage.admit_writes()
        committed = self._violation_writer.commit(batches, statuses, journeys, asks)
        if n_useless:
            committed.counts.update({"batch.unreadable": n_useless, "quarantine.full": n_useless})
        if self._storage is not None:
            self._storage.secure()  # before anything of it is acknowledged
            self._storage.mark(self._violation_writer.feed_n)
        self._size.measure(self._n_items, time.perf_counter() - begun_s)
        return WriterResult(committed, remaining)

    def _decode(self, messages: Sequence[QueuedBatch]) -> tuple[list[Batch | UnreadableBatch], int]:
        """Return the batches of the first messages, up to the limit of items, and how many messages that is.

        Bytes that are no batch and find no room in the quarantine cost this look only: nothing of them is
        written, and they take no place from others in the transaction.
        """
        limits = self._violation_writer.limits
        batches: list[Batch | UnreadableBatch] = []
        n_items = n_done = 0
        for message in messages:
            if n_items >= self._size.n_items:
                break
            batch = decode_batch(
                message.topic, message.esn, message.payload, message.received_ns, self._bounds,
                judged_ns=self._violation_writer.judged_ns(message.received_ns),
            )  # fmt: skip
            n_done += 1
            if isinstance(batch, Batch):
                self._violation_writer.note_clock(batch)
                n_items += len(batch.items) + QUARANTINE_ITEMS * len(batch.strays)
            elif limits.has_quarantine_room(batch.esn, batch.received_ns):
                n_items += QUARANTINE_ITEMS
            else:
                continue
            batches.append(batch)
        self._n_items = n_items
        return batches, n_done
