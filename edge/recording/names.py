"""The names of an RSU's recordings, by which they are found and ordered."""

import re
from pathlib import Path
from typing import NamedTuple

_NUMBERS = re.compile(r"-(\d{1,20})(?:-(\d{1,9}))?\.mcap")  # earlier versions: one file, without a part


class FileName(NamedTuple):
    """The place of a file in its RSU's recordings: compares as they were made."""

    epoch: int  # of the outbox: a new one at each start
    part: int  # 0, 1, … within it


def name_of(esn: str, epoch: int, part: int) -> str:
    """Return a file's name; sorted as text, the files of one RSU are in order."""
    return f"{esn}-{epoch}-{part:05d}.mcap"


def parsed_name(name: str, esn: str) -> FileName | None:
    """Return the place of a file; None for a name that this RSU never gives."""
    found = _NUMBERS.fullmatch(name, len(esn)) if name.startswith(esn) else None
    return None if found is None else FileName(int(found[1]), int(found[2] or 0))


def files_of(directory: Path, esn: str) -> list[Path]:
    """Return the files that one RSU's names say are its own, oldest first; OSError."""
    named = ((parsed_name(path.name, esn), path) for path in directory.iterdir())
    own = [(name, path) for name, path in named if name is not None and not path.is_symlink()]
    return [path for _, path in sorted(own) if path.is_file()]


def newest_epoch(directory: Path, esn: str) -> int:
    """Return the highest epoch that one RSU recorded; 0 where there is none, or none can be seen."""
    try:
        names = (parsed_name(path.name, esn) for path in directory.iterdir())
        return max((name.epoch for name in names if name is not None), default=0)
    except OSError:
        return 0
