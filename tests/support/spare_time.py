"""Runs a command on what others leave of the processor: `python -m tests.support.spare_time COMMAND…`."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

LOWEST = 19


ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def step_back() -> None:
    """Take the lowest priority, against the other processes of this session and against other sessions.

    A kernel that first shares the processor between sessions (`autogroup`) looks at their own priorities.
    What asks to end is heard again.
    """
    os.nice(LOWEST)
    # a shell starts what it puts into the background with Ctrl-C ignored, and Python would keep it so
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)
    with contextlib.suppress(OSError):  # a kernel without sessions' priorities
        Path("/proc/self/autogroup").write_text(str(LOWEST), encoding="ascii")


def main() -> int:
    """Run the command in a session of its own; end it where this process is asked to end."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)  # one that comes now must reach the command as well
    child = subprocess.Popen(sys.argv[1:], start_new_session=True, preexec_fn=step_back)
    for number in ENDS:
        signal.signal(number, lambda got, _: os.killpg(child.pid, got))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)
    return child.wait()


if __name__ == "__main__":
    sys.exit(main())
