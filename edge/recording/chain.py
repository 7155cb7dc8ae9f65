"""Files of one or several series read as one: which belong together, and their messages one after another."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import RecordingError
from edge.recording.damage import Reading
from edge.recording.file import END, SERIES
from edge.recording.reader import Recorded, read_messages

SUFFIX = ".mcap"
LAST = (1 << 63, 0)  # after any epoch


@dataclass(frozen=True, slots=True)
class Part:
    """One file, by what it begins with."""

    path: Path
    esn: str | None = None  # whose series; None: a recording by itself
    epoch: int = 0
    part: int = 0
    continues: bool = False  # it begins with the state after which it continues
    is_void: bool = False  # it ends before its first message, as after a crash

    def precedes(self, other: "Part") -> bool:
        """Say whether `other` continues this one."""
        same = self.esn is not None and (self.esn, self.epoch) == (other.esn, other.epoch)
        return same and other.part == self.part + 1 and other.continues


def part_of(path: Path) -> Part:
    """Return what a file begins with; OSError, and RecordingError where it is none."""
    if path.stat().st_size == 0:
        return Part(path, is_void=True)
    reading = Reading()
    first: Recorded | None = None
    for first in read_messages(path, reading):
        if first.topic != "/site":
            break
    series = reading.metadata.get(SERIES, {})
    part = _number(series.get("part"))
    continues = part > 0 or (first is not None and first.topic.startswith("/state/"))
    is_void = first is None and reading.cut
    return Part(path, series.get("esn"), _number(series.get("epoch")), part, continues, is_void)


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isdecimal() else 0


def chains(parts: Iterable[Part]) -> list[list[Part]]:
    """Return the files in runs that continue each other; those of one series by number, else as given."""
    groups: dict[object, list[Part]] = {}
    for part in parts:
        key: object = part.path if part.esn is None else (part.esn, part.epoch)
        groups.setdefault(key, []).append(part)
    found: list[list[Part]] = []
    for group in groups.values():
        last: Part | None = None
        for part in sorted(group, key=lambda part: part.part):
            if last is not None and last.precedes(part):
                found[-1].append(part)
            else:
                found.append([part])
            last = part
    return found


def files_in(paths: Iterable[Path]) -> list[Path]:
    """Return the files named and those of the directories named, in the order of ESN, epoch and part."""
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        parts = [_part_or_none(file) for file in sorted(path.glob(f"*{SUFFIX}"))]
        parts.sort(key=lambda part: (part.esn or "", (part.epoch, part.part) if part.esn else LAST))
        found += [part.path for part in parts]
    return list(dict.fromkeys(found))


def _part_or_none(path: Path) -> Part:
    try:
        return part_of(path)
    except RecordingError:  # whoever reads it says what it is
        return Part(path)


@dataclass(slots=True)
class Readings:
    """What was found in each of several files, by file; as `Reading` has it for one."""

    parts: dict[Path, Reading] = field(default_factory=dict)

    @property
    def damaged(self) -> bool:
        return any(part.damaged for part in self.parts.values())

    @property
    def cut(self) -> bool:
        return any(part.cut for part in self.parts.values())

    @property
    def lost(self) -> int:
        return sum(part.lost for part in self.parts.values())

    @property
    def foreign(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for part in self.parts.values():
            for name, n in part.foreign.items():
                found[name] = found.get(name, 0) + n
        return found

    @property
    def seam_ns(self) -> int | None:
        """Return the tick after which another file continues the last one; None: none does, or it was cut."""
        last = next(reversed(self.parts.values()), None)
        number = None if last is None else last.metadata.get(END, {}).get("seam_ns")
        return None if number is None or not number.isdecimal() else int(number)

    @property
    def dropped(self) -> int:
        """Return how many messages a full disk had refused while the files were written, as they say."""
        return sum(_number(part.metadata.get(END, {}).get("dropped")) for part in self.parts.values())

    def facts(self) -> dict[str, Any]:
        """Return the losses as JSON values."""
        each = [(path, part.facts()) for path, part in self.parts.items()]
        if len(each) == 1:
            return each[0][1]
        damages = [{"file": str(path), **one} for path, facts in each for one in _rows(facts["damages"])]
        return {
            "cut": self.cut,
            "damaged_chunks": sum(part.damaged_chunks for part in self.parts.values()),
            "messages_lost": self.lost,
            "messages_lost_is_least": any(part.lost_is_least for part in self.parts.values()),
            "unknown_channel": sum(part.unknown_channel for part in self.parts.values()),
            "foreign": dict(sorted(self.foreign.items())),
            "damages": damages,
        }

    def text(self) -> str:
        """Return the state of the files in a line."""
        said = {path.name: part.text() for path, part in self.parts.items()}
        if len(said) == 1:
            return next(iter(said.values()))
        return "; ".join(f"{name}: {text}" for name, text in said.items() if text != "whole") or "whole"


def _rows(damages: object) -> list[dict[str, Any]]:
    assert isinstance(damages, list)
    return damages


def read_chain(
    paths: Sequence[Path], readings: Readings | None = None, *, foreign: bool = False
) -> Iterator[Recorded]:
    """Yield the messages of the files, one file after another, as `read_messages` does."""
    for path in paths:
        reading = Reading()
        if readings is not None:
            readings.parts[path] = reading
        yield from read_messages(path, reading, foreign=foreign)
