"""The recordings that a command line names: which files are meant, and which of them continue each other."""

import sys
from collections.abc import Sequence
from pathlib import Path

from core.errors import UsageError
from edge.recording.chain import Part, chains, files_in
from petroroad.replay.run import part_to_replay


def files_of(recordings: Sequence[Path]) -> list[Path]:
    """Return the files that are meant, also of directories; UsageError: one is missing or named twice."""
    missing = [str(path) for path in recordings if not path.exists()]
    if missing:
        raise UsageError(f"no such recording: {', '.join(missing)}")
    files = files_in(recordings)
    if not files:
        raise UsageError(f"no recording in {', '.join(str(path) for path in recordings)}")
    if len(files) < len(recordings) or len({path.resolve() for path in files}) < len(files):
        raise UsageError("a recording is named twice")
    return files


def chains_of(files: Sequence[Path]) -> list[list[Part]]:
    """Return the files in runs that continue each other; UsageError where one is no recording."""
    return chains(_not_void([part_to_replay(path) for path in files]))


def _not_void(parts: list[Part]) -> list[Part]:
    """Leave out files without a message, which a crash leaves behind; one that is named alone stays."""
    held = [part for part in parts if not part.is_void]
    if not held:
        return parts
    for part in parts:
        if part.is_void:
            sys.stderr.write(f"petroroad: {part.path}: holds nothing: cut before its first whole chunk\n")
    return held
