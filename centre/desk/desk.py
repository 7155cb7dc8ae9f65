"""The desk as it runs: it takes alarms in, lets time act, and carries out what people do."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from structlog.typing import FilteringBoundLogger as Logger

from centre.accounts.actor import Actor
from centre.changes import Change
from centre.database import Database
from centre.desk import timing
from centre.desk.acts import Acts, Wanted
from centre.desk.intake import Intake, feed_waits
from centre.desk.policy import Policy
from centre.desk.rows import DeskReader, handlings
from centre.faults import NotWrittenError, UnreadableError
from centre.writer import Writer

TICK_S = 0.5  # between two looks at what time has done
LOCK = "desk"  # of whatever reads and changes rows of the desk, where several processes write
Result = TypeVar("Result")


class Desk:
    """The desk of one centre: `run` it while the centre serves."""

    def __init__(
        self,
        *,
        database: Database,
        writer: Writer,
        intake: Intake,
        policy: Policy,
        now_ns: Callable[[], int],
        is_dead: Callable[[str], bool],
        log: Logger,
    ) -> None:
        """`is_dead(esn)`: whether an RSU is off or silent."""
        self.policy, self.database, self.now_ns = policy, database, now_ns
        self.reader = DeskReader(database.engine)
        self._writer, self._log = writer, log
        self._intake = intake
        self._acts = Acts(intake, policy, is_dead)
        self._awake = asyncio.Event()
        self._awake.set()
        self.counts: Counter[str] = intake.counts

    def wake(self) -> None:
        """Take in what is committed now; called in the event loop after each commit."""
        self._awake.set()

    async def run(self) -> None:
        """Take alarms in and watch the time, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._take_in(), name="desk.intake")
            tasks.create_task(self._watch(), name="desk.watch")

    async def act(self, alarm_id: str, wanted: Wanted, actor: Actor) -> list[dict[str, Any]]:
        """Carry out an act; return the Handling of each alarm that it changed. Raises RefusedError."""

        def work(db: sa.Connection, found: list[Change]) -> list[dict[str, Any]]:
            changed = self._acts.perform(db, found, alarm_id, wanted, actor, self.now_ns())
            return handlings(db, changed)

        return await self.write(work)

    async def write(self, work: Callable[[sa.Connection, list[Change]], Result]) -> Result:
        """Run a transaction of the desk on the writer's thread."""
        return await self._writer.run(work, LOCK)

    async def read(self, query: Callable[..., Result], *args: object) -> Result:
        return await self.database.read(query, *args)

    async def present(self, alarm_id: str) -> dict[str, Any] | None:
        """Return what the feed's event `handling` carries."""
        return await self.read(self.reader.handling, alarm_id)

    async def _take_in(self) -> None:
        """Take in what the feed announces; first whatever has no row yet."""
        work = self._intake.catch_up
        while True:
            if work == self._intake.read_feed:
                await self._awake.wait()
                self._awake.clear()
            try:
                if work == self._intake.catch_up or await self.read(self._has_work):
                    await self._until_done(work)
                work = self._intake.read_feed
            except (NotWrittenError, UnreadableError):
                self.counts["desk.intake_failed"] += 1
                self._awake.set()
                await asyncio.sleep(1.0)

    def _has_work(self) -> bool:
        with self.reader.engine.begin() as db:
            return feed_waits(db)

    async def _watch(self) -> None:
        """Let time act: a look in a reader's thread, and a transaction only where something is due."""
        while True:
            try:
                await self._let_time_act()
            except (NotWrittenError, UnreadableError):
                self.counts["desk.watch_failed"] += 1
            await asyncio.sleep(TICK_S)

    async def _let_time_act(self) -> None:
        due_ns = await self.read(self._next_due_ns)
        if due_ns is None or due_ns > self.now_ns():
            return

        def work(db: sa.Connection, found: list[Change], now_ns: int) -> bool:
            timing.expire_shelves(db, found, self.policy, now_ns)
            return timing.escalate(db, found, self.policy, now_ns)

        await self._until_done(work)

    async def _until_done(self, work: Callable[[sa.Connection, list[Change], int], bool]) -> None:
        """Run transactions until one has left nothing; the ledger's get their turn in between."""
        is_more = True
        while is_more:
            is_more = await self.write(lambda db, found: work(db, found, self.now_ns()))

    def _next_due_ns(self) -> int | None:
        with self.reader.engine.begin() as db:
            return timing.next_due_ns(db)


def seconds_by_priority(policy: Policy) -> dict[str, float]:
    """Return `deadlines_s` of `/api/desk`."""
    seconds: Sequence[float] = policy.deadlines_s
    return {str(priority): found for priority, found in enumerate(seconds, 1)}
