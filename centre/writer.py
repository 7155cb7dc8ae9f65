"""The one writer of the database: commands of any part of the centre, one transaction at a time, in turn."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy.exc import SQLAlchemyError
from structlog.typing import FilteringBoundLogger as Logger

from centre.batch_decoder import ANYWHERE, Batch, Refused, admit
from centre.commands import Command, CommitBatches, KeepStatuses, Outcome, StatusChange
from centre.inbox import Message
from centre.violation_writer import Ledger
from geofence.plausible import Bounds

COMMIT_ITEMS_MAX = 96  # each costs a few statements however small it is; a commit takes some 50 ms


class NotWrittenError(Exception):
    """The storage refused (a full or locked disk): nothing is stored; the same commands may work later."""


class Writer:
    """Runs commands in its own thread, in the order in which they come.

    A caller waits for at most one transaction of each other caller, since each awaits its own.
    """

    def __init__(
        self, ledger: Ledger, log: Logger, committed: Callable[[], None], bounds: Bounds = ANYWHERE
    ) -> None:
        """`committed()` is called after each transaction; `bounds`: where the site's violations can be."""
        self._ledger, self._log, self._committed, self._bounds = ledger, log, committed, bounds
        self._thread = ThreadPoolExecutor(1, "centre.writer")
        self.counts: Counter[str] = Counter()
        self.fault: str | None = None  # why the last transaction failed

    async def execute(self, *commands: Command) -> Outcome:
        """Do all of it in one transaction; raises NotWrittenError, or SchemaError for good."""
        try:
            outcome = await asyncio.get_running_loop().run_in_executor(self._thread, self._write, commands)
        except SQLAlchemyError as error:
            self.counts["commit.failed"] += 1
            self.fault = str(getattr(error, "orig", error))
            self._log.error("commit.failed", error=self.fault)
            raise NotWrittenError(self.fault) from error
        self.fault = None
        self.counts.update(outcome.done.counts)
        if outcome.done.counts["quarantine.kept"]:
            self._log.warning("quarantined", n=outcome.done.counts["quarantine.kept"])
        self._committed()
        return outcome

    def close(self) -> None:
        """End the thread, after what it has begun."""
        self._thread.shutdown()

    def _write(self, commands: Sequence[Command]) -> Outcome:
        batches: list[Batch | Refused] = []
        statuses: list[StatusChange] = []
        left: list[Message] = []
        for command in commands:
            match command:
                case CommitBatches(messages):
                    found = self._decode(messages)
                    batches += found
                    left += messages[len(found) :]
                case KeepStatuses(changes):
                    statuses += changes
        return Outcome(self._ledger.commit(batches, statuses), left)

    def _decode(self, messages: Sequence[Message]) -> list[Batch | Refused]:
        """Return the batches of the first messages, until they have enough items for one transaction."""
        batches: list[Batch | Refused] = []
        n_items = 0
        for message in messages:
            if n_items >= COMMIT_ITEMS_MAX:
                break
            batch = admit(*message, self._bounds)
            batches.append(batch)
            n_items += len(batch.items) + len(batch.strays) if isinstance(batch, Batch) else 1
        return batches
