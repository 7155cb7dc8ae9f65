"""The history as a part of the running centre: its thread, its queue, and what the event loop calls.

Nothing else waits for it: what finds no room in its queue, and what its disk refuses, is counted and lost.
"""

import asyncio
import contextlib
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa

from centre.database import Database
from centre.faults import UnreadableError
from centre.history.clips import AROUND_NS, Wish, near
from centre.history.folder import DAY_S, Folder, Policy
from centre.history.reader import HistoryReader
from centre.history.recorder import Recorder
from centre.store import EPISODE, FEED, VERSION
from centre.unset_clocks import moved_ns, shift_of_ns
from edge import wire
from edge.config import Site
from edge.log import Logger
from edge.recording.retention import Limits
from edge.sections import RetentionConfig

QUEUE_BYTES_MAX = 32_000_000
QUEUE_MAX = 100_000  # items: empty snapshots and states have no bytes that count
TURN_S = 0.5
FOLLOW_S = 2.0  # between two looks for new violations
FOLLOWED_MAX = 200  # rows of the feed of one look
# the first versions of episodes among the announced ones: what came later asks for no clip
_FIRST = (
    sa.select(FEED.c.esn, VERSION.c.body, VERSION.c.detected_ns, VERSION.c.received_ns, VERSION.c.decided_ns)
    .select_from(
        FEED.join(
            VERSION,
            (VERSION.c.id == FEED.c.key)
            & (VERSION.c.version == FEED.c.version)
            & (VERSION.c.esn == FEED.c.esn),
        ).join(EPISODE, EPISODE.c.id == FEED.c.key)
    )
    .where(FEED.c.kind == "violation", VERSION.c.received_ns == EPISODE.c.first_received_ns)
)


class _Read(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a violation that a clip needs; its evidence is skipped."""

    id: str
    start_ns: int
    s_m: float | None


_decode = msgspec.msgpack.Decoder(_Read).decode
READS_MAX = 8  # that wait: pages ask again
Result = TypeVar("Result")
Item = tuple[int, wire.TrackSnapshot | list[dict[str, Any]] | Wish]


class BusyError(Exception):
    """Too many ask for the history at once; a later try may succeed."""


class History:
    """Keeps and reads the history of one centre; `close` ends its threads."""

    def __init__(
        self,
        folder: Path,
        retention: RetentionConfig,
        stretches: Mapping[str, tuple[float, float]],
        now_ns: Callable[[], int],
        log: Logger,
    ) -> None:
        """stretches : the stations [m] of each RSU"""
        self.counts: Counter[str] = Counter()
        self._stretches, self.now_ns, self._log = stretches, now_ns, log
        place = Folder(folder)
        self.recorder = Recorder(place, policy_of(retention), self.counts, log)
        self.reader = HistoryReader(place, self.recorder, self.counts)
        self._queue: deque[Item] = deque()
        self._bytes_in = self._bytes_out = 0  # of the queue; each is changed by one thread only
        self._dropped: tuple[int, int] | None = None  # since when, until when the queue was full
        self._followed_n: int | None = None  # the feed's number up to which `follow` has asked
        self._reads = 0
        self._readers = ThreadPoolExecutor(1, "centre.history-reader")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="centre.history", daemon=True)

    def start(self) -> None:
        """Begin to keep."""
        self._thread.start()

    # --- what the event loop calls

    def offer(self, snapshot: wire.TrackSnapshot, now_ns: int) -> None:
        """Keep a screened snapshot; where the history is behind, count it only."""
        if self._is_full:
            self.counts["history.overload"] += 1
            since_ns = now_ns if self._dropped is None else self._dropped[0]
            self._dropped = (since_ns, now_ns)
            return
        self._bytes_in += len(snapshot.data)
        self._queue.append((now_ns, snapshot))

    def units(self, rows: Sequence[dict[str, Any]]) -> None:
        """Keep the RSUs' states: rows of `/api/rsus`."""
        if self._is_full:
            self.counts["history.overload"] += 1
            return
        self._queue.append((self.now_ns(), list(rows)))

    @property
    def _is_full(self) -> bool:
        return self._bytes_in - self._bytes_out > QUEUE_BYTES_MAX or len(self._queue) >= QUEUE_MAX

    def notices(self) -> list[str]:
        """Return why the history is not kept now; empty while it is."""
        return [] if self.recorder.fault is None else [self.recorder.fault]

    async def follow(self, database: Database) -> None:
        """Ask for a clip of each new violation, until cancelled.

        Called again after an error, it begins with the first violation that it has not asked for.
        """
        while True:
            before = self._followed_n
            after = before
            with contextlib.suppress(UnreadableError):
                after = await database.read(partial(self._new_violations, database.engine), before)
            self._followed_n = after
            is_behind = before is not None and after is not None and after - before >= FOLLOWED_MAX
            await asyncio.sleep(0.0 if is_behind else FOLLOW_S)

    def _new_violations(self, engine: sa.Engine, after: int | None) -> int:
        """Ask for the clips of violations that the feed announced after a number; return the newest one.

        The feed's numbers become visible in their order, whoever writes; those of episodes need not.
        Blocking.
        """
        with engine.begin() as db:
            if after is None:
                return int(db.scalar(sa.select(sa.func.max(FEED.c.n))) or 0)
            numbers = sa.select(FEED.c.n).where(FEED.c.n > after).order_by(FEED.c.n).limit(FOLLOWED_MAX)
            newest = max(db.scalars(numbers).all(), default=after)
            rows = db.execute(_FIRST.where(FEED.c.n.between(after + 1, newest)).order_by(FEED.c.n)).all()
        now_ns = self.now_ns()
        for row in rows:
            try:
                found = _decode(row.body)
            except (msgspec.MsgspecError, ValueError):
                continue  # the reader reports it
            start_ns = moved_ns(found.start_ns, shift_of_ns(row))  # the time of its neighbours' snapshots
            if start_ns < now_ns - 2 * AROUND_NS:
                self.counts["history.clip_late"] += 1  # it waited in an outbox: the ring has gone on
                continue
            wish = Wish(found.id, start_ns, found.s_m, near(row.esn, found.s_m, self._stretches))
            self._queue.append((now_ns, wish))
        return newest

    async def read(self, query: Callable[..., Result], *args: object) -> Result:
        """Run a query of the reader in its thread; raises BusyError."""
        if self._reads >= READS_MAX:
            self.counts["history.busy"] += 1
            raise BusyError
        self._reads += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, query, *args)
        finally:
            self._reads -= 1

    def close(self) -> None:
        """Write what has come, and end the threads."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self._readers.shutdown()

    # --- the thread

    def _work(self) -> None:
        while not self._ended.wait(TURN_S):
            self._turn(self.recorder.work)
        self._turn(self.recorder.close)

    def _turn(self, end: Callable[[int], None]) -> None:
        """Receive what waits, then let the recorder write."""
        try:
            for _ in range(len(self._queue)):
                self._receive(*self._queue.popleft())
            if (dropped := self._dropped) is not None:
                self._dropped = None
                self.recorder.lose(*dropped, "overload")
            end(self.now_ns())
        except Exception as error:  # a bug costs the history alone, and is seen
            self.counts["history.failed"] += 1
            self._log.error("history.bug", exc_info=error)

    def _receive(self, now_ns: int, item: wire.TrackSnapshot | list[dict[str, Any]] | Wish) -> None:
        if isinstance(item, wire.TrackSnapshot):
            self._bytes_out += len(item.data)
            self.recorder.receive(item, now_ns)
        elif isinstance(item, Wish):
            self.recorder.wish(item)
        else:
            self.recorder.units(item, now_ns)


def open_history(
    site: Site, database: Path | None, now_ns: Callable[[], int], log: Logger,
    is_clock_shown_right: Callable[[int], bool],
) -> History | None:  # fmt: skip
    """Return the history of a site's centre, which `start` begins; None where it has no folder.

    database : the file of the centre's database; None: that is on a server
    is_clock_shown_right : `OwnClock.agrees`
    """
    named = site.config.centre.history
    folder = Path(named) if named is not None else None
    if folder is None and database is not None:
        folder = database.with_name(f"{database.stem}-history")
    if folder is None:
        log.warning("history.off", why="[centre] history names no folder")
        return None
    stretches = {rsu.esn: rsu.stretch_m for rsu in site.config.rsu}
    history = History(folder, site.config.retention, stretches, now_ns, log)
    history.recorder.is_clock_shown_right = is_clock_shown_right
    return history


def policy_of(retention: RetentionConfig) -> Policy:
    """Return how much `[retention]` lets the centre keep."""
    gib, free_bytes = 2**30, retention.free_mib * 2**20
    return Policy(
        hours=Limits(retention.tracks_days * DAY_S, int(retention.tracks_gib * gib), free_bytes),
        clips=Limits(retention.plates_days * DAY_S, int(retention.clips_gib * gib), free_bytes),
    )
