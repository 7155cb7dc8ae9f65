"""The only writer of the database: it runs the commands of every part of the centre, one transaction each."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy.exc import SQLAlchemyError
from structlog.typing import FilteringBoundLogger as Logger

from centre.batch_decoder import ANYWHERE, Batch, UnreadableBatch, decode_batch
from centre.commands import (
    Command,
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
from centre.faults import NotWrittenError
from centre.inbox import QueuedBatch
from centre.storage import MovedError, Storage
from centre.violation_writer import ViolationWriter
from geofence.plausible import Bounds

QUARANTINE_ITEMS = 4  # keeping unreadable bytes costs as much as so many items


def ignore(_fault: str) -> None:
    """Where nobody mends a damaged database."""


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
    ) -> None:
        """`on_commit()` is called after each transaction; `bounds`: the area of the site.

        storage : secured after each transaction.  `on_damage(fault)`: the bytes of the database are wrong
        """
        self._violation_writer, self._log, self._on_commit, self._bounds = (
            violation_writer, log, on_commit, bounds,
        )  # fmt: skip
        self._storage, self._on_damage = storage, on_damage
        self._size, self._n_items = CommitSize(), 0  # of the transaction that is being made
        self._thread = ThreadPoolExecutor(1, "centre.writer")
        self.counts: Counter[str] = Counter()
        self.fault: str | None = None  # why the last transaction failed
        self.storage_fault: str | None = None  # what is wrong with the file, though transactions may succeed

    async def execute(self, *commands: Command) -> WriterResult:
        """Run the commands in one transaction.

        Raises NotWrittenError where the storage fails: nothing is stored, and a later try may succeed.
        Raises SchemaError where the tables don't fit: every later try fails too.
        """
        try:
            outcome = await asyncio.get_running_loop().run_in_executor(self._thread, self._write, commands)
        except (SQLAlchemyError, MovedError) as error:
            self.counts["commit.failed"] += 1
            self.fault = str(getattr(error, "orig", error))
            self._log.error("commit.failed", error=self.fault)
            if is_damage(error):
                self._on_damage(self.fault)
            raise NotWrittenError(self.fault) from error
        self.fault = None
        self.counts.update(outcome.committed.counts)
        if outcome.committed.counts["quarantine.kept"]:
            self._log.warning("quarantined", n=outcome.committed.counts["quarantine.kept"])
        self._on_commit()
        return outcome

    async def tend(self) -> None:
        """Each second: announce what is left of commits, and look after the database's file."""
        run = asyncio.get_running_loop().run_in_executor
        if await run(self._thread, self._violation_writer.tend):
            self._on_commit()
        self.counts.update(self._violation_writer.counts)
        self._violation_writer.counts.clear()
        if self._storage is None:
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
        for command in commands:
            match command:
                case StoreBatches(messages):
                    decoded = self._decode(messages)
                    batches += decoded
                    remaining += messages[len(decoded) :]
                case StoreStatuses(changes):
                    statuses += changes
                case StoreJourneys(versions):
                    journeys += versions
                case StoreAsk():
                    asks.append(command)
        committed = self._violation_writer.commit(batches, statuses, journeys, asks)
        if self._storage is not None:
            self._storage.secure()  # before anything of it is acknowledged
        self._size.measure(self._n_items, time.perf_counter() - begun_s)
        return WriterResult(committed, remaining)

    def _decode(self, messages: Sequence[QueuedBatch]) -> list[Batch | UnreadableBatch]:
        """Return the batches of the first messages, up to the limit of items for one transaction."""
        batches: list[Batch | UnreadableBatch] = []
        self._n_items = n_items = 0
        for message in messages:
            if n_items >= self._size.n_items:
                break
            batch = decode_batch(
                message.topic, message.esn, message.payload, message.received_ns, self._bounds
            )
            batches.append(batch)
            if isinstance(batch, Batch):
                n_items += len(batch.items) + QUARANTINE_ITEMS * len(batch.strays)
            else:
                n_items += QUARANTINE_ITEMS
        self._n_items = n_items
        return batches
