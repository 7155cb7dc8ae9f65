"""What is given back to the system: pages that are a file's own, and nothing else."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from edge.memory import Mapping, give_back, is_clean, mappings

ROOT = Path(__file__).parents[2]
SMAPS = """\
7f00-7fff r-xp 00000000 08:01 12 /usr/lib/libx y.so.1
Size:                 16 kB
Rss:                   8 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
8000-9000 rw-p 00000000 00:00 0
Anonymous:             4 kB
a000-b000 r--p 00001000 08:01 12 /usr/lib/libx y.so.1
Anonymous:             4 kB
"""


def test_mappings_and_which_of_them_are_clean() -> None:
    found = list(mappings(SMAPS))
    assert found == [
        Mapping(0x7F00, 0x7FFF, "r-xp", "/usr/lib/libx y.so.1", 0),
        Mapping(0x8000, 0x9000, "rw-p", "", 4),
        Mapping(0xA000, 0xB000, "r--p", "/usr/lib/libx y.so.1", 4),  # relocated: the file has other bytes
    ]
    assert [is_clean(each) for each in found] == [True, False, False]
    assert not is_clean(Mapping(0, 1, "rw-p", "/usr/lib/libx.so", 0))


def rss_kib(file: str) -> int:
    """Return how much of a library is in memory now."""
    n_kib, is_it = 0, False
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines():
        if "-" in line.split()[0]:
            is_it = file in line
        elif is_it and line.startswith("Rss:"):
            n_kib += int(line.split()[1])
    return n_kib


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="of Linux")
def test_a_library_that_has_done_its_work_is_forgotten_and_works_again() -> None:
    sqlite3.connect(":memory:").execute("SELECT 1").fetchall()
    before = rss_kib("libsqlite3")
    give_back("libsqlite3")
    assert rss_kib("libsqlite3") < 0.5 * before
    assert sqlite3.connect(":memory:").execute("SELECT sum(value) FROM json_each('[1,2]')").fetchone() == (3,)


def test_a_large_block_goes_back_when_it_is_freed() -> None:
    """In a process of its own: the heap of this one may have room for such blocks already."""
    program = (
        "import ctypes, os\n"
        "from edge.memory import LARGE_BYTES, bound_heap\n"
        "from tests.edge.test_memory import resident_bytes\n"
        "bound_heap()\n"
        "blocks = [ctypes.create_string_buffer(os.urandom(4 * LARGE_BYTES)) for _ in range(8)]\n"
        "begun = resident_bytes()\n"
        "del blocks\n"
        "print(begun - resident_bytes() > 6 * 4 * LARGE_BYTES)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True"


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
