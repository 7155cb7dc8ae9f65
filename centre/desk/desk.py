"""The desk as it runs: it takes alarms in, lets time act, and carries out what people do."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa

from centre import postgresql
from centre.accounts.actor import Actor
from centre.beside import OnBug, uncared
from centre.changes import Change
from centre.costly import Costly, timed
from centre.database import Database
from centre.desk import board, exercise, keeping, loss_rows, relief, rows, shelving, shifts, timing
from centre.desk.acts import Acts, Wanted
from centre.desk.figures import DeskFigures
from centre.desk.intake import Intake
from centre.desk.mirror import DeskMirror
from centre.desk.policy import Policy
from centre.desk.rows import handlings
from centre.desk.view import View
from centre.desk.watching import Watching
from centre.faults import NotWrittenError, UnreadableError
from centre.feed_events import Present, one_by_one
from centre.writer import Writer

LOOK_S = 1.0  # between two looks at units, broker and database
REST = 4.0  # times as long as a transaction took, where the ledger has work
REST_S_MAX = 1.0
TRIM_S = 3_600.0
TURN_S = 0.05  # after what was taken in: what is committed meanwhile is taken in together
TICK_S = 0.5  # between two looks at what time has done
RELIEF_S = 2.0  # between two looks at who may no longer handle alarms
LOCK = "desk"  # of whatever reads and changes rows of the desk, where several processes write
Result = TypeVar("Result")


class Desk:
    """The desk of one centre; `works` are done while the centre serves."""

    def __init__(
        self,
        *,
        database: Database,
        writer: Writer,
        policy: Policy,
        now_ns: Callable[[], int],
        is_dead: Callable[[str], bool],
        view: View,
        publish: Callable[[str, bytes], None],
        kept_days: float,
        is_clock_right: Callable[[int], bool],
        on_bug: OnBug = uncared,
        is_busy: Callable[[], bool] = lambda: False,
        aged_ns: Callable[[sa.Connection, int], int] = lambda db, now_ns: now_ns,
    ) -> None:
        """`is_dead(esn)`: whether an RSU is off or silent; `publish(kind, data)`: to all pages, unwritten;
        `kept_days`: how long what has ended is kept; `is_clock_right(now_ns)`: whether our clock is believed;
        `is_busy()`: whether messages wait for a commit;
        `on_bug(work, error)`: an error that nobody expected in one alarm; the others are taken in;
        `aged_ns(db, now_ns)`: the time by which rows grow old, of `Ages`."""
        self.policy, self.database, self.now_ns = policy, database, now_ns
        self._engine = postgresql.snapshots(database.engine)
        self._writer, self._kept_days, self._is_busy = writer, kept_days, is_busy
        self._aged_ns, self._is_clock_right = aged_ns, is_clock_right
        self.counts: Counter[str] = Counter()
        self._intake = Intake(policy, self.counts, on_bug)
        self._acts = Acts(self._intake, policy, is_dead)
        self.mirror: DeskMirror | None = None  # where the site has a second centre
        self._awake = asyncio.Event()
        self._awake.set()
        self._figures, self._figures_read = DeskFigures(), dict[str, Any]()
        self._counted = Costly(lambda: self.ask(timed(self._figures.read), self.now_ns()))
        self.watching = Watching(
            view,
            policy,
            self.write,
            lambda loss: publish(loss_rows.KIND, msgspec.json.encode(loss)),
            self.counts,
        )

    def wake(self) -> None:
        """Take in what is committed now; called in the event loop after each commit."""
        self._awake.set()

    @property
    def works(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """What the desk does while the centre serves, by name; each goes its own way."""
        works: dict[str, Callable[[], Awaitable[None]]] = {
            "desk.intake": self._take_in, "desk.watch": self._watch, "desk.view": self._watch_view,
            "desk.people": self._watch_people, "desk.trim": self._trim,
        }  # fmt: skip
        if self.mirror is not None:
            works["desk.mirror"] = self.mirror.run
        return works

    async def act(self, alarm_id: str, wanted: Wanted, actor: Actor) -> list[dict[str, Any]]:
        """Carry out an act; return the Handling of each alarm that it changed. Raises RefusedError."""

        def work(db: sa.Connection, found: list[Change]) -> list[dict[str, Any]]:
            changed = self._acts.perform(db, found, alarm_id, wanted, actor, self.now_ns())
            return handlings(db, changed)

        return await self.write(work)

    async def write(self, work: Callable[[sa.Connection, list[Change]], Result]) -> Result:
        """Run a transaction of the desk on the writer's thread."""
        return await self._writer.run(work, LOCK)

    async def ask(self, query: Callable[..., Result], *args: object) -> Result:
        """Run a query `query(db, *args)` on one moment of the database, in a reader's thread."""
        return await self.database.read(self._on_connection, query, args)

    def _on_connection(self, query: Callable[..., Result], args: Sequence[object]) -> Result:
        with self._engine.begin() as db:
            return query(db, *args)

    @property
    def presents(self) -> Present:
        """Return what the feed's events of each of the desk's kinds carry, by their keys."""

        async def of_shift(_key: str) -> dict[str, Any]:
            return await self.ask(shifts.shift)

        return {
            board.KIND: lambda keys: self.ask(rows.by_id, keys),
            loss_rows.KIND: one_by_one(lambda key: self.ask(loss_rows.loss, key)),
            timing.SHELF_KIND: one_by_one(lambda key: self.ask(shelving.shelf, key)),
            shifts.KIND: one_by_one(of_shift),
            exercise.KIND: one_by_one(lambda key: self.ask(exercise.present, key, self.now_ns())),
        }

    async def summary(self) -> dict[str, Any]:
        """Return `desk` of the summary; where the database can't be read, as it was last read."""
        with contextlib.suppress(UnreadableError):
            self._figures_read = await self._counted.newest()
        unwritten = len(self.watching.unwritten())
        if not unwritten or not self._figures_read:
            return self._figures_read
        fresh = self._figures_read["new"]
        return self._figures_read | {"new": fresh | {"loss": fresh["loss"] + unwritten}}

    async def _take_in(self) -> None:
        """Take in what the feed announces; first whatever has no row yet."""
        self._intake.begin_anew()
        work = self._intake.catch_up
        while True:
            if work == self._intake.read_feed:
                await self._awake.wait()
                self._awake.clear()
            try:
                if work == self._intake.catch_up or await self.ask(self._intake.waits):
                    await self._until_done(work)
                work = self._intake.read_feed
                await asyncio.sleep(TURN_S)
            except (NotWrittenError, UnreadableError):
                self.counts["desk.intake_failed"] += 1
                self._intake.begin_anew()
                self._awake.set()
                await asyncio.sleep(1.0)

    async def _watch(self) -> None:
        """Let time act: a look in a reader's thread, and a transaction only where something is due."""
        while True:
            try:
                await self._let_time_act()
            except (NotWrittenError, UnreadableError):
                self.counts["desk.watch_failed"] += 1
            await asyncio.sleep(TICK_S)

    async def _let_time_act(self) -> None:
        now_ns = self.now_ns()
        due_ns = await self.ask(timing.next_due_ns, now_ns, self._far_ns(now_ns))
        if due_ns is None or due_ns > self.now_ns():
            return

        def work(db: sa.Connection, found: list[Change], now_ns: int) -> bool:
            beyond_ns = self._far_ns(now_ns)
            exercise.play(db, found, self.policy, now_ns)
            timing.expire_shelves(db, found, self.policy, now_ns, beyond_ns)
            return timing.escalate(db, found, self.policy, now_ns, beyond_ns)

        await self._until_done(work)

    def _far_ns(self, now_ns: int) -> int:
        return timing.far_ns(now_ns, is_clock_right=self._is_clock_right(now_ns))

    async def _until_done(self, work: Callable[[sa.Connection, list[Change], int], bool]) -> None:
        """Run transactions until one has left nothing.

        While messages wait for a commit, the ledger's get most of the writer's time: an alarm that has no row
        here yet is on the pages already, as one that nobody has acknowledged.
        """
        is_more = True
        while is_more:
            begun_s = time.monotonic()
            is_more = await self.write(lambda db, found: work(db, found, self.now_ns()))
            if self._is_busy():
                await asyncio.sleep(min(REST_S_MAX, REST * (time.monotonic() - begun_s)))

    async def _trim(self) -> None:
        """Delete what is kept no longer, each hour of real time."""
        while True:
            with contextlib.suppress(NotWrittenError, UnreadableError):
                await self._until_done(
                    lambda db, _found, now_ns: keeping.trim(
                        db, self.counts, self._kept_days, self._aged_ns(db, now_ns)
                    )
                )
                await self._drop_orphans()
            await asyncio.sleep(TRIM_S)

    async def _drop_orphans(self) -> None:
        """Delete alarms whose episodes are gone: looks in a reader's thread, with rests between them."""
        after: str | None = ""
        while after is not None:
            ids, after = await self.ask(keeping.orphans, after)
            if ids:
                await self.write(partial(keeping.drop_orphans, counts=self.counts, ids=ids))
            await asyncio.sleep(TURN_S)

    async def _watch_people(self) -> None:
        """Take off duty whoever may no longer handle alarms."""
        while True:
            with contextlib.suppress(NotWrittenError, UnreadableError):
                if await self.ask(relief.is_due):
                    await self._until_done(
                        lambda db, found, now_ns: relief.relieve(db, found, self.policy, now_ns)
                    )
            await asyncio.sleep(RELIEF_S)

    async def _watch_view(self) -> None:
        """Look each second for what the road can't be watched by."""
        while True:
            with contextlib.suppress(UnreadableError):
                if not self.watching.is_begun:
                    self.watching.begin(await self.ask(self.watching.restore))
                await self.watching.look(self.now_ns())
            await asyncio.sleep(LOOK_S)


def seconds_by_priority(policy: Policy) -> dict[str, float]:
    """Return `deadlines_s` of `/api/desk`."""
    seconds: Sequence[float] = policy.deadlines_s
    return {str(priority): found for priority, found in enumerate(seconds, 1)}
