"""What the machine says of itself: whether anything keeps its clock right, and the room on its disks."""

import ctypes
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
# systemd-timesyncd makes it at its first answer. A unit with ProtectClock may not call adjtimex(2)
TIMESYNC = Path("/run/systemd/timesync/synchronized")
ClockState = Literal["synchronised", "free", "unknown"]


def clock_state() -> ClockState:
    """Return whether the kernel's clock is kept right; free: nothing does it."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))  # modes = 0: only reads
    except (AttributeError, OSError):  # not Linux
        state = -1
    if state == TIME_ERROR:
        return "free"
    return "synchronised" if state >= 0 or TIMESYNC.exists() else "unknown"


def disks(places: Mapping[str, Path]) -> Iterable[tuple[str, int, int]]:
    """Yield place, free bytes and size of the disk of each folder; one that can't be read is left out.

    Free is what this user may write: a file system keeps some blocks for root.
    """
    for place, folder in places.items():
        try:
            found = shutil.disk_usage(folder)
        except OSError:  # not there yet, or its disk is gone: the part that writes there reports it
            continue
        yield place, found.free, found.total
