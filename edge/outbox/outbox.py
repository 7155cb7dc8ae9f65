"""The outbox: violations are committed to disk before they are sent, and kept until the centre holds them.

docs/design.md section 10. All methods belong to the event loop; the disk belongs to one thread
(`edge.outbox.keeper`).
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from core.times import NS
from edge.ask import ViolationAsk
from edge.clock import Clock
from edge.outbox.asks import Asks
from edge.outbox.batches import Waiting as _Waiting
from edge.outbox.batches import batches, payload
from edge.outbox.changes import Key, Row
from edge.outbox.destinations import Destinations
from edge.outbox.jobs import (
    Acked,
    Asked,
    Close,
    Conflict,
    Done,
    Episode,
    Job,
    JourneyKept,
    Load,
    Put,
    Raise,
    Restore,
    Suspect,
)
from edge.outbox.keeper import DISK_REFUSED, UNREAD, Keeper
from edge.outbox.opening import make_folder
from edge.outbox.window import Window
from edge.wire import ViolationAck, encode

LOADED_MAX = 1_400  # of a backlog in memory; half of them are more than may be on their way
WAITING_MAX = 10_000  # live items beyond stay on disk only
UNSAVED_MAX = 10_000  # items that the disk refuses: some 100 MB; beyond there is no room anywhere
NO_ROOM = "outbox_full"

Send = Callable[[bytes], bool]  # a batch's bytes; returns whether the link accepted it


class Outbox:
    """`open` it, `start` it, `run` it beside the link; `put` items into it, `acknowledge` answers."""

    def __init__(self, keeper: Keeper, clock: Clock) -> None:
        self._keeper, self._clock = keeper, clock
        self._loop = asyncio.get_running_loop()
        self.path = keeper.path
        self.destinations = Destinations()  # set it before `start`
        self.epoch = keeper.store.epoch
        self.episodes = keeper.episodes  # that were open when the process last ended
        self.journeys = keeper.journeys  # and journeys, with those that wait for the centre
        # by how many epochs the file is behind what earlier runs made; 0: it knows all of it
        self.epochs_behind = keeper.store.epoch - keeper.store.newest if keeper.repair.is_rebuilding else 0
        self._degraded: tuple[str, ...] = keeper.reasons()
        self._counts: dict[str, int] = {}
        self._last_seqs = dict(keeper.store.last_seqs)
        self._remaining = dict(keeper.store.remaining)
        self._waiting: dict[Key, _Waiting] = {}
        self._window = Window(self._waiting)
        self._n_putting = self._n_refused = 0
        self._is_full = self._loading = False
        self._gone: set[Key] = set()  # acknowledged while the keeper reads: not to be added again
        self._asks = Asks()
        # get what a file lacked, as the recordings are read: episodes, open or ended; journeys that ended
        self.on_episodes: Callable[[tuple[bytes, ...], dict[str, int]], None] = lambda states, ended: None
        self.on_journeys: Callable[[tuple[bytes, ...]], None] = lambda bodies: None
        self.on_first_sent: Callable[[int, int], None] = lambda detected_ns, sent_ns: None
        self._wake, self._drained = asyncio.Event(), asyncio.Event()
        self._failure: BaseException | None = None

    @staticmethod
    async def open(
        path: Path, *, clock: Clock, ballast_bytes: int = 0, recordings: Path | None = None, esn: str = ""
    ) -> "Outbox":
        """Open the database under a new epoch; its thread begins with `start`.

        recordings : directory of this RSU's recordings, the second copy of the outbox
        """
        make_folder(path.parent)
        wall_s = time.time_ns() // NS  # real, also under a simulated clock: epochs must grow
        make = partial(
            Keeper, path, wall_s=wall_s, ballast_bytes=ballast_bytes, recordings=recordings, esn=esn,
            opened_ns=clock.now_ns(),
        )  # fmt: skip
        return Outbox(await asyncio.to_thread(make), clock)  # it waits for the disk

    def start(
        self,
        before_commit: Callable[[], None] = lambda: None,
        *,
        record: Callable[[bytes], None] | None = None,
    ) -> None:
        """Start the keeper's thread, which calls `before_commit` before it commits violations.

        The recording closes its chunk there: the inputs must be on disk before the violations.

        record : writes the keys that items get to the recording (in the keeper's thread)
        """
        self._keeper.attach(before_commit=before_commit, done=self._round_done, record=record)
        self._keeper.start()
        self._load()

    def _round_done(self, news: Done) -> None:
        """Pass the keeper's news to the event loop (in the keeper's thread)."""
        self._loop.call_soon_threadsafe(self._update, news)

    @property
    def last_seq(self) -> int:
        return self._last_seqs.get(self.epoch, 0)

    @property
    def depth(self) -> int:
        """How many items the centre has not acknowledged; a file that can't be read counts as one."""
        return sum(self._remaining.values()) + self._n_putting + (UNREAD in self._degraded)

    @property
    def oldest_ns(self) -> int | None:
        """When the oldest item was detected that the centre lacks; None: it lacks none; 0: not known now."""
        if self._keeper.repair.is_rebuilding:
            return 0
        if not self.depth:
            return None
        if self._loading or not self._waiting:
            return 0
        return min(item.row.detected_ns or 0 for item in self._waiting.values())

    @property
    def pending(self) -> tuple[tuple[int, int], ...]:
        """(epoch, last_seq) of earlier epochs that are not yet acknowledged whole."""
        return tuple(
            (epoch, self._last_seqs.get(epoch, 0))
            for epoch, n_rows in sorted(self._remaining.items())
            if n_rows and epoch != self.epoch
        )

    @property
    def counts(self) -> dict[str, int]:
        return self._counts | self.destinations.counts | self._keeper.counts

    @property
    def degraded(self) -> tuple[str, ...]:
        """Reasons why the outbox is degraded."""
        full = self._is_full and self._n_unsaved() >= UNSAVED_MAX
        return tuple(sorted({*self._degraded, NO_ROOM})) if full else self._degraded

    def put(self, violation: bytes, detected_ns: int, episode_id: str, episode: bytes | None) -> None:
        """Keep a violation and the open state of its episode for a restart (None: it closed), then send it.

        Where neither disk nor memory has room, one void reports it to the centre, until there is room again.
        """
        self._put(Put(detected_ns, violation, None, episode_id, episode))

    def put_void(self, reason: str, detected_ns: int, episode_id: str, episode: bytes | None) -> None:
        """Keep and send a void in place of a violation that can't be published; else as `put`."""
        self._put(Put(detected_ns, None, reason, episode_id, episode))

    def _put(self, job: Put) -> None:
        was_full, self._is_full = self._is_full, self._n_unsaved() >= UNSAVED_MAX
        if self._is_full:
            self._count("outbox.dropped")
            if was_full:
                self._submit(Episode(str(job.episode_id), job.episode))
                return
            job = job._replace(violation=None, void="no room on disk or in memory")
        self._n_putting += 1
        self._submit(job)

    def release(self, episode_id: str) -> None:
        """Forget an open episode that a neighbour continues."""
        self._submit(Episode(episode_id, None))

    def keep(self, key: str, state: bytes | None) -> None:
        """Keep a state beside the episodes for a restart; None: forget it."""
        self._submit(Episode(key, state))

    def keep_journey(self, journey_id: str, state: bytes | None) -> None:
        """Keep the newest version of a journey for a restart; None: forget it."""
        self._submit(JourneyKept(journey_id, state))

    def acknowledge(self, ack: ViolationAck) -> None:
        """Delete exactly the items that the centre stored; move those in conflict to a new epoch."""
        centre = ack.by or ack.centre
        if self.destinations.changed_database(centre, ack.centre):
            self.forget_held(centre)
        stored = list(self._sent(ack.epoch, ack.stored))
        self._window.answered([self._waiting[key] for key in stored], self._loop.time())
        for key in stored:
            self._waiting[key].held_by.add(centre)
            self._window.free(key)
        self._delete_held(stored)
        conflicts = list(self._sent(ack.epoch, ack.conflict))
        if conflicts:
            self._count("outbox.conflict", len(conflicts))
            for key in conflicts:
                self._waiting[key].is_conflicted = True
                self._window.free(key)
            self._submit(Conflict(tuple(self._waiting[key].row for key in conflicts)))
        waits = any(not item.held_by for item in self._waiting.values())
        self.destinations.answered(centre, self._loop.time(), waits=waits)
        self._refill()
        self._wake.set()  # there is room for more on its way

    def raise_epoch(self, known: int) -> None:
        """Continue under a higher epoch than one that the centre knows; what has a key keeps it."""
        if known > self.epoch:
            self._submit(Raise(known + 1))

    def forget_held(self, centre: str) -> None:
        """Forget what a centre holds and send it again: its database is another one."""
        for item in self._waiting.values():
            item.held_by.discard(centre)
        self.resend()

    def _delete_held(self, keys: Iterable[Key]) -> None:
        """Delete those of the keys that enough centres hold."""
        now_s = self._loop.time()
        if held := [key for key in keys if self.destinations.suffices(self._waiting[key].held_by, now_s)]:
            for key in held:
                self._forget(key)
            self._submit(Acked(tuple(held)))

    def answer(self, ask: ViolationAsk) -> None:
        """Send again what the centre asks for, from the outbox or from the recordings."""
        ignored = self._asks.reason(encode(ask), self._loop.time())
        self._count(f"outbox.{ignored or 'asked'}")
        if ignored is None:
            self._submit(Asked(ask))

    def resend(self) -> None:
        """Send all waiting items again: the connection or the epoch is new."""
        self._window.make_all_due()
        self._wake.set()

    async def run(self, send: Send) -> None:
        """Send the items that are due until cancelled."""
        while True:
            if self._failure is not None:
                raise self._failure
            self._wake.clear()
            self._send_due(send)
            with contextlib.suppress(TimeoutError):  # an item is due
                async with asyncio.timeout(self._window.until_s(self._loop.time())):
                    await self._wake.wait()

    async def drained(self) -> None:
        """Return when the centre has acknowledged everything."""
        while self.depth:
            self._drained.clear()
            await self._drained.wait()

    async def close(self) -> None:
        """Commit the queued jobs and end the thread."""
        self._submit(Close())
        await asyncio.to_thread(self._keeper.join)
        await asyncio.sleep(0)  # its last news

    def _send_due(self, send: Send) -> None:
        """Send the items that are due, live ones first, until the link or what may be on its way is full."""
        now_s, now_ns = self._loop.time(), self._clock.now_ns()
        if self.destinations.away(now_s):
            held = [key for key, item in self._waiting.items() if item.held_by and not item.is_conflicted]
            self._delete_held(held)
        while items := self._window.next(now_s, now_ns, self.epoch):
            todo = list(batches([item for item in items if self._is_sound(item)]))
            for place, batch in enumerate(todo):
                if not send(payload(batch, now_ns)):
                    self._window.refused([item for rest in todo[place:] for item in rest])
                    return
                self.destinations.sent(now_s)
                for item in batch:
                    if item.n_sent:
                        self._count("outbox.resent")
                    elif item.row.detected_ns is not None:
                        self.on_first_sent(item.row.detected_ns, now_ns)
                self._window.sent(batch, now_s)

    def _is_sound(self, item: _Waiting) -> bool:
        """Say whether an item is what it was; an altered one is not sent, and looked for on the disk."""
        if item.row.is_sound:
            return True
        del self._waiting[item.row.key]
        self._window.free(item.row.key)
        self._submit(Suspect(item.row))
        return False

    def _sent(self, epoch: int, seqs: Iterable[int]) -> Iterable[Key]:
        """Yield the keys that wait for an answer; count the others, such as one that is moved already."""
        for key in dict.fromkeys(Key(epoch, seq) for seq in seqs):
            item = self._waiting.get(key)
            if item is not None and item.n_sent and not item.is_conflicted:
                yield key
            elif (item is None or item.n_sent) and 0 < key.seq <= self._last_seqs.get(epoch, 0):
                self._count("outbox.ack_repeated")
            else:
                self._count("outbox.ack_never_sent")

    def _forget(self, key: Key) -> None:
        del self._waiting[key]
        self._window.free(key)
        if self._loading:
            self._gone.add(key)
        self._remaining[key.epoch] = self._remaining.get(key.epoch, 1) - 1
        if not self.depth:
            self._drained.set()

    def _update(self, news: Done) -> None:
        """Update the memory by the keeper's news (in the loop)."""
        self._failure = self._keeper.failure
        self._last_seqs, self._degraded, self._n_refused = news.last_seqs, news.degraded, news.n_unsaved
        if news.lost:
            self._remaining.clear()
            for key in self._waiting:
                self._remain(key.epoch, 1)
            self._submit(Restore(tuple(item.row for item in self._waiting.values())))
        for epoch, n_rows in news.found.items():
            self._remain(epoch, n_rows)
        self._n_putting -= len(news.rows)
        for row in news.rows:
            if self._add(row):
                self._window.add(row.key)
            self._remain(row.key.epoch, 1)
        for old, row in news.moved:
            if old in self._waiting:
                self._forget(old)
            self._add(row)
            self._remain(row.key.epoch, 1)
        self._update_repaired(news)
        if news.loaded is not None:
            self._loading = False
            for row in news.loaded:
                if row.key not in self._gone:
                    self._add(row)
            self._gone.clear()
        if news.moved or news.restored or news.due or news.loaded:
            self._window.look_again()
        if news.epoch != self.epoch:
            self.epoch = news.epoch
            self.resend()
        if news.found or news.restored:
            self._refill()
        if news.episodes or news.ended:
            self.on_episodes(tuple(news.episodes), news.ended)
        if news.journeys:
            self.on_journeys(tuple(news.journeys))
        self._wake.set()

    def _update_repaired(self, news: Done) -> None:
        for row, is_new in news.restored:
            known = self._waiting.get(row.key)
            if known is not None:
                known.row, known.due_s = row, 0.0
                self._window.free(row.key)
                continue
            self._add(row)
            self._remain(row.key.epoch, int(is_new))
        for key in news.gone:
            self._waiting.pop(key, None)
            self._window.free(key)
            self._remain(key.epoch, -1)
        for key in news.due:
            item = self._waiting.get(key)
            if item is not None and not item.is_conflicted:
                item.make_due()

    def _remain(self, epoch: int, n_rows: int) -> None:
        self._remaining[epoch] = self._remaining.get(epoch, 0) + n_rows

    def _add(self, row: Row) -> bool:
        """Let an item wait in memory; return whether there is room: else it waits on the disk alone."""
        if len(self._waiting) < WAITING_MAX or DISK_REFUSED.intersection(self._degraded):
            self._waiting.setdefault(row.key, _Waiting(row))
            return True
        return False

    def _n_unsaved(self) -> int:
        """Return how many items memory alone has, and those on their way to the disk."""
        return self._n_refused + self._n_putting

    def _refill(self) -> None:
        if not self._loading and len(self._waiting) < LOADED_MAX // 2 and self.depth > len(self._waiting):
            self._load()

    def _load(self) -> None:
        self._loading = True
        self._submit(Load(LOADED_MAX, frozenset(self._waiting)))

    def _submit(self, job: Job) -> None:
        self._keeper.jobs.put(job)

    def _count(self, reason: str, n: int = 1) -> None:
        self._counts[reason] = self._counts.get(reason, 0) + n
