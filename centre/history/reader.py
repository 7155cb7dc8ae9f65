"""Reads the history: blocking, for a thread. Each answer opens the files; what they lack is in memory."""

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from centre.history.clips import AROUND_NS, Wish
from centre.history.codec import BlockError, Shot, decode
from centre.history.file import FileError, HistoryFile, NameRow, Spell
from centre.history.folder import Folder
from centre.history.frames import BYTES_MAX, NameBook, Piece, columns_of, frames_of
from centre.history.gaps import Gap, losses, pauses, silences
from centre.history.gather import BLOCK_NS, each_second
from centre.history.recorder import Memory, Recorder, Units
from centre.history.ring import Held
from core.times import NS

RANGE_NS_MAX = 60 * NS  # of one answer
VEHICLE_ROWS_MAX = 20_000  # of one answer: a drive of five hours
CLIP_BYTES_MAX = 24_000_000  # of one answer, before it is compressed
VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What of the history is asked for."""

    from_ns: int
    to_ns: int
    esn: str | None = None
    stations: tuple[float, float] | None = None


@dataclass(slots=True)
class _Found:
    """What the files and the memory have of a time."""

    blocks: dict[tuple[str, int], Held] = field(default_factory=dict)
    names: list[NameRow] = field(default_factory=list)
    units: list[Units] = field(default_factory=list)
    kept: list[Spell] = field(default_factory=list)
    lost: list[Spell] = field(default_factory=list)


class HistoryReader:
    """Queries of one centre's history."""

    def __init__(self, folder: Folder, recorder: Recorder, counts: Counter[str]) -> None:
        self._folder, self._recorder, self._counts = folder, recorder, counts

    def page(self, wanted: Wanted) -> bytes:
        """Return the answer to `GET /api/history`, MessagePack, from the files at one snapshot a second."""
        to_ns = min(wanted.to_ns, wanted.from_ns + RANGE_NS_MAX)
        memory = self._recorder.memory(wanted.from_ns, to_ns)  # first: what it has may be written meanwhile
        found = self._found(self._folder.hours_between(wanted.from_ns - BLOCK_NS, to_ns), wanted, to_ns)
        _add_memory(found, memory)
        pieces = self._pieces(found.blocks.values(), wanted)
        pieces += [
            Piece(esn, lanes, each_second(shots))
            for esn, lanes, shots in memory.shots
            if wanted.esn in (None, esn)
        ]
        return self._answer(pieces, found, wanted, to_ns)

    def clip(self, violation: str) -> bytes | None:
        """Return the answer to `GET /api/violations/{id}/clip`; None: there is none.

        A clip that is not written yet is what the memory has so far.
        """
        wish = self._recorder.wished(violation)
        path = None if wish is not None else self._folder.clip_of(violation)
        if wish is not None:
            return self._unwritten(wish)
        if path is None:
            return None
        about: dict[str, str] = {}
        with self._opened(path) as file:
            about |= {} if file is None else file.about()
        if "start_ns" not in about:  # torn where it says of what it is
            return None
        start_ns = int(about["start_ns"])
        wanted = Wanted(from_ns=start_ns - AROUND_NS, to_ns=start_ns + AROUND_NS)
        found = self._found([path], wanted, wanted.to_ns)
        return self._answer(
            self._pieces(found.blocks.values(), wanted), found, wanted, wanted.to_ns, whole=True
        )

    def _unwritten(self, wish: Wish) -> bytes:
        memory = self._recorder.memory(wish.from_ns, wish.to_ns, fine=True)
        found, wanted = _Found(), Wanted(from_ns=wish.from_ns, to_ns=wish.to_ns)
        _add_memory(found, memory)
        blocks = [each for each in found.blocks.values() if each.esn in wish.esns]
        pieces = self._pieces(blocks, wanted)
        pieces += [Piece(esn, lanes, shots) for esn, lanes, shots in memory.shots if esn in wish.esns]
        newest = max((shot.stamp_ns for piece in pieces for shot in piece.shots), default=wish.from_ns)
        return self._answer(pieces, found, wanted, min(wish.to_ns, newest), whole=True)

    def bounds(self, now_ns: int) -> dict[str, Any]:
        """Return `GET /api/history/bounds`."""
        span = self._folder.hour_span()
        n_bytes, n_clips, clip_bytes = self._folder.usage()
        from_ns, gaps = now_ns, list[Gap]()
        if span is not None:
            oldest_ns = span[0] * NS
            found = _Found()
            for path in self._folder.hours_between(oldest_ns, now_ns):
                with self._opened(path) as file:
                    if file is not None:
                        found.kept += file.kept()
                        found.lost += file.lost()
            from_ns = min((each.from_ns for each in found.kept), default=now_ns)
            gaps = sorted(pauses(found.kept, from_ns, now_ns) + losses(found.lost, from_ns, now_ns))
        return {
            "from_ns": str(from_ns), "to_ns": str(now_ns), "keep_s": self._recorder.policy.hours.age_s,
            "gaps": [_gap(each) for each in gaps],
            "bytes": n_bytes, "clips": {"n": n_clips, "bytes": clip_bytes}, "fault": self._recorder.fault,
        }  # fmt: skip

    def vehicle(self, terminal: str, from_ns: int, to_ns: int) -> dict[str, Any]:
        """Return `GET /api/history/vehicle/{terminal}`: where one vehicle was, one place a second."""
        memory = self._recorder.memory(from_ns, to_ns)
        seen: dict[int, tuple[str, tuple[str, ...], Shot, int]] = {}
        for path in self._folder.hours_between(from_ns - BLOCK_NS, to_ns):
            with self._opened(path) as file:
                for track, since_ns in () if file is None else file.tracks_of(terminal):
                    assert file is not None, "it has tracks"
                    book = NameBook(each for each in file.names(to_ns) if each.track == track)
                    for esn, first_ns, last_ns in file.presence(track):
                        first, last = max(first_ns, from_ns, since_ns), min(last_ns, to_ns)
                        for block in file.blocks(first, last, BLOCK_NS, esn):
                            self._follow(seen, block, track, book, terminal)
                if len(seen) > VEHICLE_ROWS_MAX:
                    break
        tracks = {row.track for row in memory.names if row.name.terminal == terminal}
        for esn, lanes, shots in memory.shots:
            seen |= {
                shot.stamp_ns: (esn, lanes, shot, track) for shot in each_second(shots) for track in tracks
            }
        kept = {ns: one for ns, one in sorted(seen.items()) if from_ns <= ns <= to_ns}
        columns = columns_of(list(kept.values())[:VEHICLE_ROWS_MAX])
        cut = len(kept) > VEHICLE_ROWS_MAX
        return {"terminal": terminal, "next": str(list(kept)[VEHICLE_ROWS_MAX]) if cut else None} | columns

    def _follow(
        self,
        seen: dict[int, tuple[str, tuple[str, ...], Shot, int]],
        block: Held,
        track: int,
        book: NameBook,
        terminal: str,
    ) -> None:
        """Add the snapshots of a block in which a track is there and is this terminal's."""
        for shot in self._decoded(block):
            name = book.at(track, shot.stamp_ns)
            if name is not None and name.terminal == terminal and track in shot.rows["track"]:
                seen[shot.stamp_ns // NS * NS] = (block.esn, block.lanes, shot, track)

    # --- parts of the answers

    def _found(self, paths: Iterable[Path], wanted: Wanted, to_ns: int) -> _Found:
        found = _Found()
        for path in paths:
            with self._opened(path) as file:
                if file is not None:
                    _read(file, found, wanted, to_ns)
        return found

    @contextlib.contextmanager
    def _opened(self, path: Path) -> Iterator[HistoryFile | None]:
        """Open a file; None where it can't be read, or was deleted meanwhile. A torn page ends the block."""
        try:
            file = HistoryFile.read(path)
        except (FileError, sqlite3.Error):
            self._counts["history.unreadable"] += 1
            yield None
            return
        try:
            yield file
        except sqlite3.DatabaseError:  # a torn page costs what it held
            self._counts["history.torn"] += 1
        finally:
            file.close()

    def _decoded(self, block: Held) -> list[Shot]:
        try:
            return decode(block.data)
        except BlockError:
            self._counts["history.torn"] += 1
            return []

    def _pieces(self, blocks: Iterable[Held], wanted: Wanted) -> list[Piece]:
        return [
            Piece(each.esn, each.lanes, self._decoded(each))
            for each in blocks
            if wanted.stations is None or _overlaps(each.stations_m, wanted.stations)
        ]

    def _answer(
        self, pieces: list[Piece], found: _Found, wanted: Wanted, to_ns: int, *, whole: bool = False
    ) -> bytes:
        """`whole`: a clip, which lacks nothing that its ring had: its gaps are its RSUs' own."""
        from_ns = wanted.from_ns
        frames = frames_of(
            pieces, NameBook(found.names), from_ns, to_ns, wanted.stations,
            CLIP_BYTES_MAX if whole else BYTES_MAX,
        )  # fmt: skip
        upto_ns = to_ns if frames.next_ns is None else frames.next_ns
        states = _states(found.units, from_ns, upto_ns)
        of_all = [] if whole else pauses(found.kept, from_ns, upto_ns) + losses(found.lost, from_ns, upto_ns)
        stamps: dict[str, list[int]] = {}
        for piece in pieces:
            its = stamps.setdefault(piece.esn, [])
            its += [shot.stamp_ns for shot in piece.shots if from_ns <= shot.stamp_ns <= upto_ns]
        states_of = _StatesOf(states)
        for esn in () if whole else states_of.esns:
            if wanted.esn in (None, esn):
                stamps.setdefault(esn, [])
        ascending = {esn: sorted(each) for esn, each in stamps.items()}
        gaps = of_all + silences(ascending, states_of.is_offline, of_all, from_ns, upto_ns)
        return msgspec.msgpack.encode({
            "v": VERSION, "from_ns": from_ns, "to_ns": upto_ns, "next": frames.next_ns,
            "frames": frames.messages, "gaps": [_gap(each) for each in gaps],
            "rsus": [{"stamp_ns": stamp_ns, "rows": body.decode()} for stamp_ns, body in states],
        })  # fmt: skip


def _read(file: HistoryFile, found: _Found, wanted: Wanted, to_ns: int) -> None:
    blocks = file.blocks(wanted.from_ns, to_ns, BLOCK_NS, wanted.esn)
    found.blocks |= {(each.esn, each.from_ns): each for each in blocks}
    found.names += file.names(to_ns)
    found.units += file.units(wanted.from_ns, to_ns)
    found.kept += file.kept()
    found.lost += file.lost()


def _add_memory(found: _Found, memory: Memory) -> None:
    for each in memory.blocks:
        found.blocks.setdefault((each.esn, each.from_ns), each)
    known = {row.track for row in found.names}
    found.names += [row for row in memory.names if row.track not in known]
    if not found.units:
        found.units = list(memory.units)


def _overlaps(span: tuple[float, float] | None, wanted: tuple[float, float]) -> bool:
    return span is None or (span[0] <= wanted[1] and span[1] >= wanted[0])


def _states(units: Iterable[Units], from_ns: int, to_ns: int) -> list[tuple[int, bytes]]:
    """Return the RSUs' states that held at the beginning, and those that followed, as JSON."""
    rows = sorted(each for each in units if each[0] <= to_ns)
    held = [each for each in rows if each[0] <= from_ns][-1:]
    return [
        (ns, zstandard.decompress(body)) for ns, body in held + [each for each in rows if each[0] > from_ns]
    ]


class _StatesOf:
    """When the connection of each RSU that was ever online was down, by the kept states."""

    def __init__(self, states: list[tuple[int, bytes]]) -> None:
        self._tables = [(ns, msgspec.json.decode(body)) for ns, body in states]
        rows = [row for _, table in self._tables for row in table if row["state"] != "never"]
        self.esns = tuple(dict.fromkeys(row["esn"] for row in rows))

    def is_offline(self, esn: str, from_ns: int, to_ns: int) -> bool:
        """Say whether an RSU was off at the beginning of a time or later in it."""
        held = [table for ns, table in self._tables if ns <= from_ns][-1:]
        tables = held + [table for ns, table in self._tables if from_ns < ns <= to_ns]
        return any(
            row["state"] == "offline" or row["stale"]
            for table in tables
            for row in table
            if row["esn"] == esn
        )


def _gap(gap: Gap) -> dict[str, Any]:
    return {"from_ns": str(gap.from_ns), "to_ns": str(gap.to_ns), "reason": gap.reason, "esn": gap.esn}
