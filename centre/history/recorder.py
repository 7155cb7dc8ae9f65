"""Keeps the history: gathers snapshots into blocks, writes the hour's file, cuts clips from the ring.

Blocking, for one thread; `memory` and `wish` may be called by another one. Time comes in with each call.
"""

import sqlite3
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import zstandard

from centre.history.clips import Wish, Wishes
from centre.history.codec import Shot, encode, joined
from centre.history.file import FileError, HistoryFile, NameRow, Spell, delete
from centre.history.folder import Folder, Policy
from centre.history.gather import BLOCK_NS, NAMED_NS, Gathering, Sealed, each_second, owned
from centre.history.ring import Held, Ring
from core.times import NS
from edge import wire
from edge.log import Logger
from edge.sections import RSUS_MAX
from edge.stations import stations_m

RING_BYTES_MAX = 16 * 2**20
PENDING_BYTES_MAX = 8 * 2**20  # that wait for a disk that refuses
FAR_NS = 600 * NS  # a stamp further from our clock is of a wrong clock: its file would outlive the others
UNITS_WAITING_MAX = 1_000  # states that wait for such a disk; the oldest go
PURGE_NS, UNITS_NS = 60 * NS, 60 * NS
RETRY_NS = 2 * NS
OPEN_FILES = 2  # an hour's last blocks come when the next one has begun
UNIT_FIELDS = ("esn", "state", "stale", "unjudged", "degraded", "sensors")  # a change of one is kept at once
Units = tuple[int, bytes]


class Pending(NamedTuple):
    """A block that is not in its file yet."""

    block: Held
    names: list[NameRow]
    tracks: list[int]  # the named ones


class Memory(NamedTuple):
    """What the files lack: sealed blocks, snapshots of open ones, and names of all RSUs."""

    blocks: list[Held]
    shots: list[tuple[str, tuple[str, ...], list[Shot]]]
    names: list[NameRow]
    units: list[Units]


class Recorder:
    """The history of one centre."""

    def __init__(self, folder: Folder, policy: Policy, counts: Counter[str], log: Logger) -> None:
        self.folder, self.policy, self.counts, self._log = folder, policy, counts, log
        # whether the RSUs' clocks agree with ours, which shows that time
        self.is_clock_shown_right: Callable[[int], bool] = lambda now_ns: False
        self._lock = threading.Lock()  # of what `memory` reads
        self._gatherings: dict[str, Gathering] = {}
        self._ring = Ring(RING_BYTES_MAX)
        self._pending: deque[Pending] = deque()
        self._pending_bytes = 0
        self._units: deque[Units] = deque()  # of the last minutes
        self._units_unwritten: deque[Units] = deque(maxlen=UNITS_WAITING_MAX)
        self._units_key: Any = None
        self._wishes = Wishes()
        self._lost: dict[str, Spell] = {}  # by reason, not written yet
        self._files: dict[Path, HistoryFile] = {}
        self._beat_ns: int | None = None
        self._next_try_ns = self._purge_ns = 0
        self._is_short = False
        self.fault: str | None = None  # why nothing is kept now

    # --- what comes in

    def receive(self, snapshot: wire.TrackSnapshot, now_ns: int) -> None:
        """Keep a screened snapshot."""
        if abs(snapshot.stamp_ns - now_ns) > FAR_NS:
            self.counts["history.far_stamp"] += 1
            return
        with self._lock:
            gathering = self._gatherings.get(snapshot.esn)
            if gathering is None:
                if len(self._gatherings) >= RSUS_MAX:
                    self.counts["history.refused"] += 1
                    return
                gathering = self._gatherings[snapshot.esn] = Gathering(snapshot.esn)
            sealed = gathering.add(snapshot, now_ns)
        if sealed is not None:
            self._seal(sealed, now_ns)

    def units(self, rows: Sequence[dict[str, Any]], now_ns: int) -> None:
        """Keep the RSUs' states, where one has changed and each minute."""
        key = [[row.get(name) for name in UNIT_FIELDS] for row in rows]
        if key == self._units_key and self._units and now_ns - self._units[-1][0] < UNITS_NS:
            return
        self._units_key = key
        states = (now_ns, zstandard.compress(msgspec.json.encode(rows)))
        with self._lock:
            self._units.append(states)
            while now_ns - self._units[0][0] > NAMED_NS + UNITS_NS:
                self._units.popleft()
        self._units_unwritten.append(states)

    def wish(self, wish: Wish) -> None:
        """Keep what is around a violation."""
        with self._lock:
            self._wishes.add(wish)
            self.counts["history.clip_refused"] = self._wishes.n_refused

    def wished(self, violation: str) -> Wish | None:
        """Return the wish of a clip that is not written yet."""
        with self._lock:
            return self._wishes.find(violation)

    def lose(self, from_ns: int, to_ns: int, reason: str) -> None:
        """Note that the history lacks something."""
        before = self._lost.get(reason, Spell(from_ns, to_ns, reason))
        self._lost[reason] = Spell(min(before.from_ns, from_ns), max(before.to_ns, to_ns), reason)

    def _seal(self, sealed: Sealed, now_ns: int) -> None:
        fine = _held(sealed, sealed.shots)
        coarse = _held(sealed, each_second(sealed.shots))
        with self._lock:
            names = [NameRow(track, at_ns, name) for track, (at_ns, name) in sealed.names.items()]
            names += [NameRow(track, fine.from_ns, name) for track, name in sealed.known.items()]
            self._ring.add(fine, now_ns)
            self.counts["history.ring_full"] = self._ring.n_early
            self._pending.append(Pending(coarse, names, list(sealed.known)))
            self._pending_bytes += len(coarse.data)
            while self._pending_bytes > PENDING_BYTES_MAX:
                self._drop_pending("disk_full")

    def _drop_pending(self, reason: str) -> None:
        block = self._pending.popleft().block
        self._pending_bytes -= len(block.data)
        self.counts["history.block_dropped"] += 1
        self.lose(block.from_ns, block.to_ns, reason)

    # --- what is written

    def work(self, now_ns: int) -> None:
        """Write what has come, cut the clips that are due, delete what is too old. Call it twice a second."""
        self._seal_idle(now_ns, BLOCK_NS)
        if now_ns - self._purge_ns >= PURGE_NS or now_ns < self._purge_ns:
            self._purge_ns = now_ns
            self._purge(now_ns)
        if self._is_short:
            with self._lock:
                while self._pending:
                    self._drop_pending("disk_space")
            return
        if self.fault is not None and 0 < self._next_try_ns - now_ns <= RETRY_NS:
            return
        with self._lock:
            due = list(self._wishes.due(now_ns))
        self._tried(now_ns, due)

    def _tried(self, now_ns: int, due: Sequence[Wish]) -> None:
        try:
            self.folder.make()
            self._write(now_ns)
            for wish in due:
                self._cut(wish)
        except (sqlite3.Error, OSError) as error:
            self._next_try_ns = now_ns + RETRY_NS
            self._close_files()
            self.counts["history.write_failed"] += 1
            if self.fault is None:
                self._log.error("history.failed", error=str(error))
            self.fault = str(error)
        else:
            if self.fault is not None:
                self._log.info("history.healed")
            self.fault = None

    def _seal_idle(self, now_ns: int, idle_ns: int) -> None:
        with self._lock:
            found = [
                sealed
                for gathering in self._gatherings.values()
                if now_ns - gathering.arrived_ns >= idle_ns and (sealed := gathering.seal()) is not None
            ]
        for sealed in found:
            self._seal(sealed, now_ns)

    def _write(self, now_ns: int) -> None:
        """Commit all that waits, one transaction a file."""
        present = self.folder.hour(now_ns)
        by_file: dict[Path, list[Pending]] = {present: []}
        with self._lock:
            waiting = list(self._pending)
        for each in waiting:
            by_file.setdefault(self.folder.hour(each.block.from_ns), []).append(each)
        for path, pending in by_file.items():
            file = self._file(path)
            with file.transaction():
                for each in pending:
                    file.add(each.block)
                    self.counts["history.name_full"] += file.add_names(each.names)
                    file.add_presence(each.block.esn, each.tracks, each.block.from_ns, each.block.to_ns)
                if path == present:
                    self._write_rest(
                        file, now_ns, min((each.block.from_ns for each in waiting), default=now_ns)
                    )
        self._units_unwritten.clear()
        self._lost.clear()
        self._beat_ns = now_ns
        with self._lock:
            for _ in waiting:
                self._pending_bytes -= len(self._pending.popleft().block.data)
        self.counts["history.blocks"] += len(waiting)

    def _write_rest(self, file: HistoryFile, now_ns: int, first_ns: int) -> None:
        for stamp_ns, body in self._units_unwritten:
            file.add_units(stamp_ns, body)
        if not self._units_unwritten and self._units and not file.units(now_ns, now_ns):
            file.add_units(*self._units[-1])  # each file shows its own beginning
        for spell in self._lost.values():
            file.add_lost(spell)
        since_ns = self._beat_ns
        if since_ns is None or not 0 <= now_ns - since_ns < FAR_NS:
            since_ns = now_ns
        file.beat(min(first_ns, since_ns), now_ns)

    def _file(self, path: Path) -> HistoryFile:
        if path not in self._files:
            try:
                self._files[path] = HistoryFile.create(path)
            except FileError as error:
                self._set_aside(path, error)
                self._files[path] = HistoryFile.create(path)
        while len(self._files) > OPEN_FILES:
            oldest = min(self._files)
            self._files.pop(oldest).close()
            if oldest == path:
                break
        return self._files[path] if path in self._files else self._file(path)

    def _set_aside(self, path: Path, error: FileError) -> None:
        """Move a file that can't be used out of the way; the purge deletes it with the hours of its time."""
        self.counts["history.set_aside"] += 1
        self._log.error("history.set_aside", error=str(error))
        path.replace(path.with_name(f"{path.stem}.damaged{path.suffix}"))
        delete(path)  # its logs

    def _cut(self, wish: Wish) -> None:
        """Write a violation's clip, whole or not at all."""
        with self._lock:
            blocks = [each for each in self._ring.between(wish.from_ns, wish.to_ns) if each.esn in wish.esns]
            names = self._names(wish.esns)
            units = [each for each in self._units if each[0] <= wish.to_ns]
        if not blocks:
            self.counts["history.clip_empty"] += 1
            return
        path = self.folder.clip(wish.violation, wish.start_ns)
        draft = self.folder.draft(path)
        delete(draft)
        file = HistoryFile.create(draft, journal="MEMORY")
        try:
            with file.transaction():
                for each in blocks:
                    file.add(each)
                file.add_names(names)
                for states in units:
                    file.add_units(*states)
                file.tell(violation=wish.violation, start_ns=str(wish.start_ns), s_m=str(wish.s_m))
        finally:
            file.close()
        draft.replace(path)
        self.counts["history.clips"] += 1

    def _names(self, esns: Iterable[str]) -> list[NameRow]:
        """Return the known names of some RSUs' tracks, as if they had been known all along."""
        found: list[NameRow] = []
        for esn in esns:
            gathering = self._gatherings.get(esn)
            if gathering is not None:
                found += [NameRow(track, 0, name) for track, (_, name) in gathering.names.items()]
        return found

    def _purge(self, now_ns: int) -> None:
        try:
            self.folder.make()
            self.folder.delete_drafts()  # one is written by this thread only, and not now
            deleted, self._is_short = self.folder.purge(
                self.policy, now_ns, is_shown_right=self.is_clock_shown_right(now_ns)
            )
        except OSError:  # the disk is gone: the next write reports it
            return
        for path in deleted:
            file = self._files.pop(path, None)
            if file is not None:
                file.close()
        self.counts["history.deleted"] += len(deleted)
        if self._is_short:
            self.fault = "the disk has less free room than [retention] free_mib"

    def _close_files(self) -> None:
        for file in self._files.values():
            file.close()
        self._files = {}

    def close(self, now_ns: int) -> None:
        """Write all that has come, and the clips as far as they go."""
        self._seal_idle(now_ns, 0)
        self._next_try_ns = now_ns
        if not self._is_short:
            with self._lock:
                due = list(self._wishes.all())
            self._tried(now_ns, due)
        self._close_files()

    # --- what is read meanwhile

    def memory(self, from_ns: int, to_ns: int, *, fine: bool = False) -> Memory:
        """Return what a time has in memory; `fine`: at the full rate, whether the files have it or not."""
        with self._lock:
            blocks = self._ring.between(from_ns, to_ns) if fine else [each.block for each in self._pending]
            shots = [
                (each.esn, each.lanes, owned([one for one in each.shots if from_ns <= one.stamp_ns <= to_ns]))
                for each in self._gatherings.values()
            ]
            return Memory(blocks, shots, self._names(list(self._gatherings)), list(self._units))


def _held(sealed: Sealed, shots: list[Shot]) -> Held:
    stations = stations_m(joined(shots))
    stations = stations[np.isfinite(stations)]
    span = (float(stations.min()), float(stations.max())) if len(stations) else None
    n_rows = sum(len(shot.rows) for shot in shots)
    return Held(sealed.esn, shots[0].stamp_ns, shots[-1].stamp_ns, sealed.lanes, span, n_rows, encode(shots))
