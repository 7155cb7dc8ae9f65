"""The keeper's part in repairs: what is altered or lacking, and what files and recordings give back.

Owned by the keeper's thread, as the database is; the recordings are read by `edge.outbox.mender`.
"""

import queue
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from edge.ask import LOST, ViolationAsk
from edge.outbox.changes import Changes, Key, Row
from edge.outbox.jobs import Done, Failed, Found, Job
from edge.outbox.mark import Mark
from edge.outbox.mender import Mender
from edge.outbox.mending import Altered, AskedKeys, AskedSince, Mended, Rebuild, void_of
from edge.outbox.salvage import Salvaged, salvage
from edge.outbox.store import Store

DAMAGED, ALTERED = "outbox_damaged", "outbox_altered"  # degraded, until the next start
FOREIGN = "outbox_foreign"  # the file was another RSU's
ASKS_MAX = 16  # requests that wait for the reader of recordings
RESTORED_MAX = 10_000  # rows of recordings in memory, while the disk refuses


class Repair:
    """What one outbox has lost, and how it comes back.

    mender : None: there are no recordings.  degraded : the keeper's reasons
    """

    def __init__(
        self,
        mender: Mender | None,
        jobs: queue.SimpleQueue[Job],
        opened_ns: int,
        count: Callable[[str], None],
        degraded: set[str],
    ) -> None:
        self._mender, self._jobs, self._opened_ns = mender, jobs, opened_ns
        self._count, self._degraded = count, degraded
        self._salvaged: Salvaged | None = None
        self._rebuilding: Mark | None = None  # its `oldest_ns` is where that begins
        self._is_explained = False  # why something is lacking is counted already
        self.altered: set[Key] = set()  # rows that are being looked for in the recordings
        self._met: set[str] = set()  # episodes of this run, while the recordings are read
        self._own: frozenset[str] = frozenset()  # open ones of this run, which only the file lacks
        if mender is not None:
            mender.attach(
                give=lambda mended: jobs.put(Found(mended)),
                is_busy=lambda: not jobs.empty(),
                fail=lambda error: jobs.put(Failed(error)),
            )

    @property
    def counts(self) -> dict[str, int]:
        """Counters of the reader of recordings."""
        return {} if self._mender is None else self._mender.counts

    @property
    def has_salvaged(self) -> bool:
        """Whether a damaged file was read, and its rows are not put yet."""
        return self._salvaged is not None

    @property
    def is_rebuilding(self) -> bool:
        """Whether the recordings are being read, as far back as anything may wait."""
        return self._rebuilding is not None

    def meet(self, episode_id: str) -> None:
        """Note an episode that this run has, or had: the last run's state of it is of no use any more."""
        if self._rebuilding is not None:
            self._met.add(episode_id)

    def end(self) -> None:
        """End the reader of recordings."""
        if self._mender is not None:
            self._mender.end()

    def marked(self, mark: Mark) -> Mark:
        """Return the mark with what a kill in the middle of a rebuilding must leave behind."""
        if self._rebuilding is None:
            return mark
        return msgspec.structs.replace(mark, rebuilding=True, oldest_ns=self._rebuilding.oldest_ns)

    # ---- a damaged file, and one that lacks what the mark knows

    def salvage(self, path: Path, esn: str = "") -> None:
        """Read what a damaged file still gives; nothing of another RSU's file, which has its own copy."""
        found = salvage(path, esn)
        self._count("outbox.foreign" if found.is_foreign else "outbox.damaged")
        self._degraded.add(FOREIGN if found.is_foreign else DAMAGED)
        self._is_explained = True
        if self._salvaged is not None:  # a second try: the disk refused to move it
            found.rows = self._salvaged.rows | found.rows
            found.last_seqs = self._salvaged.last_seqs | found.last_seqs
            found.episodes = self._salvaged.episodes | found.episodes
            found.journeys = self._salvaged.journeys | found.journeys
        self._salvaged = found

    def begin(
        self,
        store: Store,
        mark: Mark | None,
        unsaved: Changes,
        own: frozenset[str] = frozenset(),
    ) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        """Let come back what a damaged file gave; return the open episodes' and journeys' states.

        own : episodes that are open in this run: their states go into the new file only
        """
        self.altered, self._own = set(), own
        episodes, journeys = store.episodes(), store.journeys()
        salvaged, self._salvaged = self._salvaged, None
        if salvaged is None:
            self.look_for_losses(store, mark)
            return episodes, journeys
        for name, state in salvaged.episodes.items():
            unsaved.episodes.setdefault(name, state)
        for name, state in salvaged.journeys.items():
            unsaved.journeys.setdefault(name, state)
        for epoch, last_seq in salvaged.last_seqs.items():
            store.last_seqs[epoch] = max(last_seq, store.last_seqs.get(epoch, 0))
        self._jobs.put(Found(Mended(rows=list(salvaged.rows.values()))))
        self._rebuild(store, mark)
        for name in salvaged.episodes:
            self.meet(name)
        return (*episodes, *salvaged.episodes.values()), (*journeys, *salvaged.journeys.values())

    def look_for_losses(self, store: Store, mark: Mark | None) -> None:
        """Rebuild a sound file from the recordings where it lacks what the mark of the last run knows.

        SQLite silently drops a WAL from its first bad frame on; a file that was deleted is a new one. A file
        without a mark is a first start, or a copy that somebody put here: the recordings say which.
        """
        if not store.is_read:  # nothing is known of it yet
            return
        newest = max(store.stored, default=0)
        if mark is None:
            self._rebuild(store, None)
            return
        if mark.rebuilding:
            self._is_explained = True
            self._rebuild(store, mark)
            return
        lacks = mark.epoch > newest or (
            mark.epoch == newest and mark.last_seq > store.stored.get(mark.epoch, 0)
        )
        if not lacks:
            return
        if mark.unsaved:  # it ended while the disk refused: nothing is damaged
            self._count("outbox.ended_unsaved")
        else:
            self._count("outbox.damaged")
            self._degraded.add(DAMAGED)
        self._is_explained = True
        store.last_seqs[mark.epoch] = max(mark.last_seq, store.last_seqs.get(mark.epoch, 0))
        self._rebuild(store, mark)

    def _rebuild(self, store: Store, mark: Mark | None) -> None:
        if self._mender is not None:
            self._met |= store.episode_ids
            self._rebuilding = mark or Mark(epoch=0, last_seq=0)
            oldest_ns = self._rebuilding.oldest_ns
            self._mender.ask(Rebuild(store.epoch, self._opened_ns, oldest_ns, set(store.episode_ids)))

    # ---- altered rows

    def only_sound(self, rows: Sequence[Row]) -> list[Row]:
        """Return the sound ones; the others are looked for in the recordings, and never sent as they are."""
        sound = [row for row in rows if row.is_sound]
        altered = {row.key: row for row in rows if not row.is_sound}
        if altered:
            self._alter(altered)
        return sound

    def look_at(self, row: Row, store: Store, changes: Changes, news: Done) -> None:
        """Replace a row of the memory that is altered, by the disk's or by a recording's."""
        on_disk = None if row.key in changes.rows else store.get(row.key)
        if on_disk is not None and on_disk.is_sound:
            self._count("outbox.altered")
            self._degraded.add(ALTERED)
            news.restored.append((on_disk, False))
        elif row.key not in self.altered:
            self._alter({row.key: row})

    def _alter(self, rows: dict[Key, Row]) -> None:
        for _ in rows:
            self._count("outbox.altered")
        self._degraded.add(ALTERED)
        self.altered |= rows.keys()
        if self._mender is not None:
            self._mender.ask(Altered(rows))
        else:
            lost = [void_of(key, f"{LOST}altered on the disk") for key in rows]
            self._jobs.put(Found(Mended(rows=lost)))

    # ---- the centre's ask

    def answer(self, ask: ViolationAsk, store: Store, changes: Changes, news: Done) -> None:
        """Send again what the outbox has, and look for the rest in the recordings."""
        if ask.epoch is not None:
            keys = [Key(ask.epoch, seq) for seq in dict.fromkeys(ask.seqs)]
            if ask.epoch > store.epoch:
                self._count("outbox.ask_unknown")
                keys = []
            missing: set[Key] = set()
            for key in keys:
                if changes.rows.get(key) is not None or (key not in changes.rows and store.has(key)):
                    news.due.append(key)
                elif key.epoch in store.last_seqs and key.seq > store.last_seqs[key.epoch]:
                    self._count("outbox.ask_unknown")
                else:
                    missing.add(key)
            if missing:
                self._ask(AskedKeys(missing, self._opened_ns))
        if ask.since_ns is not None:
            self._ask(AskedSince(ask.since_ns, self._opened_ns))

    def _ask(self, request: AskedKeys | AskedSince) -> None:
        if self._mender is None:
            if isinstance(request, AskedKeys):
                lost = [void_of(key, f"{LOST}and there is no recording") for key in sorted(request.keys)]
                self._jobs.put(Found(Mended(rows=lost, is_asked=True)))
        elif self._mender.n_waiting >= ASKS_MAX:
            self._count("outbox.ask_full")
        else:
            self._mender.ask(request)

    # ---- what comes back

    def put(self, mended: Mended, store: Store, changes: Changes, news: Done) -> None:
        """Plan what was found; a row that waits is not put twice, and a void replaces none."""
        n_restored, n_episodes = len(news.restored), len(news.episodes) + len(news.ended)
        for key in mended.gone:
            self.altered.discard(key)
            changes.rows[key] = None
            news.gone.append(key)
        for row in mended.rows:
            if changes.n_rows() >= RESTORED_MAX:
                self._count("outbox.restore_dropped")
            else:
                self._put_row(row, mended, store, changes, news)
        for detected_ns, violation in mended.unkeyed:
            row = store.put(changes, detected_ns, violation, None)
            news.restored.append((row, True))
            self._count("outbox.recovered")
        for name, state in mended.episodes.items():
            if name in self._met or name in store.episode_ids or name in changes.episodes:
                continue
            changes.episodes[name] = state
            if name not in self._own:
                news.episodes.append(state)
        # whoever waits for their vehicles decides, and has the file forget them
        news.ended |= {name: at_ns for name, at_ns in mended.ended.items() if name in store.episode_ids}
        for name, body in mended.journeys.items():
            if name not in changes.journeys:
                changes.journeys[name] = body
                news.journeys.append(body)
        is_lacking = len(news.restored) > n_restored or len(news.episodes) + len(news.ended) > n_episodes
        if mended.is_rebuild and is_lacking and not self._is_explained:
            self._is_explained = True  # file and mark were deleted: the recordings alone know of them
            self._count("outbox.damaged")
            self._degraded.add(DAMAGED)
        if mended.is_last:
            self._rebuilding = None
            self._met.clear()

    def _put_row(self, row: Row, mended: Mended, store: Store, changes: Changes, news: Done) -> None:
        was_altered = row.key in self.altered
        is_planned = changes.rows.get(row.key) is not None
        is_stored = row.key not in changes.rows and store.has(row.key)
        if (is_planned or is_stored) and not was_altered:
            if mended.is_asked:
                news.due.append(row.key)
            return
        self.altered.discard(row.key)
        changes.keep(row, is_stored=is_stored)
        last_seq = max(row.key.seq, store.last_seqs.get(row.key.epoch, 0))
        store.last_seqs[row.key.epoch] = changes.last_seqs[row.key.epoch] = last_seq
        news.restored.append((row, not (is_planned or is_stored)))
        is_lost = row.void is not None and row.void.startswith(LOST)
        self._count("outbox.lost" if is_lost else "outbox.recovered")
