"""Gives memory back to the system that the start needed and the service does not (Linux, glibc)."""

import contextlib
import ctypes
import gc
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

TRIM, MMAP, ARENAS = -1, -3, -8  # parameters of mallopt(3)
LARGE_BYTES = 1_048_576  # a block of this size has pages of its own, which go back when it is freed
ARENAS_MAX = 2  # each thread would get one that keeps what was freed in it
DONT_NEED = 4  # madvise(2): a clean page of a file is read again where it is needed
SMAPS = Path("/proc/self/smaps")
_HEAD = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \S+\s*(.*)$")


class Mapping(NamedTuple):
    """A piece of memory: its addresses, its rights, its file, and how much of it is no longer the file's."""

    begin: int
    end: int
    rights: str
    file: str
    own_kib: int


def bound_heap() -> None:
    """Let large blocks go back to the system whenever they are freed.

    glibc raises the size from which it does so to the largest block that was ever freed: one state of 26 MB,
    and its copies stay in the heap. Nothing is changed where the C library is another one.
    """
    libc = ctypes.CDLL(None)
    for parameter, value in ((MMAP, LARGE_BYTES), (TRIM, LARGE_BYTES), (ARENAS, ARENAS_MAX)):
        with contextlib.suppress(AttributeError):
            libc.mallopt(parameter, value)


def give_back(*libraries: str) -> None:
    """Collect garbage, return free memory, and forget the pages of libraries that have done their work.

    libraries : parts of their files' names. Only pages that are the file's own are forgotten; code that runs
    again reads them again.
    """
    gc.collect()
    libc: Any = ctypes.CDLL(None)
    with contextlib.suppress(AttributeError):
        libc.malloc_trim(0)
    with contextlib.suppress(OSError):
        for found in mappings(SMAPS.read_text(encoding="utf-8", errors="replace")):
            if is_clean(found) and any(name in Path(found.file).name for name in libraries):
                start, length = ctypes.c_void_p(found.begin), ctypes.c_size_t(found.end - found.begin)
                libc.madvise(start, length, DONT_NEED)


def is_clean(found: Mapping) -> bool:
    """Say whether a mapping is of a file, and each of its pages is the file's: nothing was written to it."""
    return found.file.startswith("/") and "w" not in found.rights and found.own_kib == 0


def mappings(smaps: str) -> Iterator[Mapping]:
    """Yield the mappings in the text of smaps (proc(5))."""
    head: re.Match[str] | None = None
    for line in smaps.splitlines():
        found = _HEAD.match(line)
        if found is not None:
            head = found
        elif line.startswith("Anonymous:") and head is not None:
            begin, end, rights, file = head.groups()
            yield Mapping(int(begin, 16), int(end, 16), rights, file, int(line.split()[1]))
            head = None
