"""Makes the events of committed changes and sends them: at least once, and in order for each alarm."""

import asyncio
import contextlib
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from centre.database import Database
from centre.faults import NotWrittenError, UnreadableError
from centre.outreach import store
from centre.outreach.events import Moment
from centre.outreach.webhook import NotDeliveredError, send
from centre.writer import Writer
from core.times import NS
from edge.config import Site
from edge.log import Logger

LOOK_S = 0.5  # between looks for new changes and due events
AT_ONCE = 16  # events in one round
BACKOFF_S, BACKOFF_S_MAX = 1.0, 300.0  # of one event, doubled with each try
SILENT_S = 60.0  # without a delivery, though there was something: the banner says so
DEAD_S = 86_400.0  # an event that can't be delivered for so long is given up,
DEAD_TRIES = int(DEAD_S / BACKOFF_S_MAX / 2.0)  # and was tried so often: half the time at least
Deliver = Callable[[str, bytes], Awaitable[None]]  # id, body; raises NotDeliveredError


@dataclass(slots=True)
class Sender:
    """The events of one centre, on each configured way."""

    site: Site
    database: Database
    writer: Writer
    now_ns: Callable[[], int]
    log: Logger
    publish: Callable[[str, bytes], Awaitable[bool]]
    topic: str
    counts: Counter[str] = field(default_factory=Counter)
    seconds: Callable[[], float] = time.monotonic
    _failing: dict[str, tuple[float, str]] = field(default_factory=dict)  # by way: since when, and why now
    ways: dict[str, Deliver] = field(init=False)

    def __post_init__(self) -> None:
        centre = self.site.config.centre
        self.ways = {}
        if centre.webhook is not None:
            self.ways["webhook"] = self._to_webhook
        if centre.alarm_topic:
            self.ways["topic"] = self._to_topic

    async def begin(self) -> None:
        """Note from where on there are events, before anything new is committed."""
        if self.ways:
            with contextlib.suppress(NotWrittenError):
                await self.writer.run(lambda db, _found: store.begin(db), store.LOCK)

    async def run(self) -> None:
        """Make and send events until cancelled; without a way there are none."""
        if not self.ways:
            return
        await self._until_done(lambda db, _found: store.begin(db))  # a disk may have refused it at the start
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._collect(), name="centre.outreach.collect")
            for way in self.ways:
                tasks.create_task(self._send(way), name=f"centre.outreach.{way}")

    def silent(self) -> dict[str, str]:
        """Return the ways on which nothing is delivered for a minute, and why."""
        now_s = self.seconds()
        return {way: why for way, (since_s, why) in self._failing.items() if now_s - since_s >= SILENT_S}

    async def figures(self) -> dict[str, Any]:
        """Return `/api/outreach`: what waits, and what was given up, by way."""
        found = await self.database.read(self._read, store.figures)
        nothing = {"waiting": 0, "dead": 0, "oldest_ns": None, "fault": None}
        sent = {way: self.counts[f"outreach.{way}.sent"] for way in self.ways}
        return {way: {**nothing, **found.get(way, {}), "sent": sent[way]} for way in self.ways}

    def _read(self, query: Callable[..., Any], *args: object) -> Any:
        with self.database.engine.begin() as db:
            return query(db, *args)

    async def _until_done(self, work: Callable[..., Any]) -> Any:
        while True:
            try:
                return await self.writer.run(work, store.LOCK)
            except NotWrittenError:
                await asyncio.sleep(LOOK_S)

    async def _collect(self) -> None:
        seen = (-1, -1)
        while True:
            try:
                ends = await self.database.read(self._read, store.ends)
                while ends != seen:  # a transaction of the only writer, where there may be something
                    centre = self.site.config.centre.id
                    moment = Moment(self.now_ns(), self.site.config.site.name, centre)
                    work = partial(_collect, tuple(self.ways), moment)
                    n_rows, n_lost = await self._until_done(work)
                    self.counts["outreach.dropped"] += n_lost
                    seen = ends if n_rows < store.ROWS_AT_ONCE else seen
            except UnreadableError:
                pass
            await asyncio.sleep(LOOK_S)

    async def _send(self, way: str) -> None:
        while True:
            try:
                rows = await self.database.read(self._read, store.due, way, self.now_ns(), AT_ONCE)
            except UnreadableError:
                rows = []
            for row in rows:
                change = await self._tried(way, row)
                await self._until_done(lambda db, _found, n=row.n, change=change: store.settle(db, n, change))
            if not rows:
                await asyncio.sleep(LOOK_S)

    async def _tried(self, way: str, row: Any) -> Mapping[str, Any] | None:
        """Try to deliver an event; return what its row gets, None where it was delivered."""
        try:
            await self.ways[way](row.id, row.body)
        except NotDeliveredError as error:
            self.counts[f"outreach.{way}.failed"] += 1
            since_s, _ = self._failing.get(way, (self.seconds(), ""))
            self._failing[way] = since_s, str(error)[:200]
            now_ns = self.now_ns()
            wait_s = min(BACKOFF_S * 2.0 ** min(row.tries, 12), BACKOFF_S_MAX)
            # the clock alone says nothing: one that is set ahead must not give up what was hardly tried
            is_dead = now_ns - row.made_ns > DEAD_S * NS and row.tries >= DEAD_TRIES
            if is_dead:
                self.counts[f"outreach.{way}.dead"] += 1
                self.log.error("outreach.given_up", way=way, event_id=row.id, error=str(error))
            return {
                "tries": row.tries + 1, "next_ns": now_ns + round(wait_s * NS), "dead": is_dead,
                "fault": str(error)[:200],
            }  # fmt: skip
        self.counts[f"outreach.{way}.sent"] += 1
        self._failing.pop(way, None)
        return None

    async def _to_webhook(self, event_id: str, body: bytes) -> None:
        config = self.site.config.centre.webhook
        assert config is not None, "else it is no way"
        stamp_s = self.now_ns() // NS
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def settle(error: Exception | None) -> None:
            if done.done():
                return
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

        def work() -> None:
            error: Exception | None = None
            try:
                send(config, event_id, body, stamp_s)
            except Exception as found:  # our bug too: it must not end a thread unseen
                error = found
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle, error)

        # a daemon: the end of the process doesn't wait for a server that hangs
        threading.Thread(target=work, name="centre.webhook", daemon=True).start()
        await done

    async def _to_topic(self, _event_id: str, body: bytes) -> None:
        if not await self.publish(self.topic, body):
            raise NotDeliveredError("the broker has not confirmed it")


def _collect(ways: tuple[str, ...], moment: Moment, db: Any, _found: Any) -> tuple[int, int]:
    return store.collect(db, ways, moment)
