"""Runs a command on what others leave of the processor: `python -m tests.support.spare_time COMMAND…`.

With `--nice N` before the command it steps back by so much only. Behind `nice -n N … &` a command would not
end by Ctrl-C: a shell lets its background ignore that.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

LOWEST = 19
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def step_back(nice: int = LOWEST) -> None:
    """Take a lower priority, against the other processes of this session and against other sessions.

    A kernel that first shares the processor between sessions (`autogroup`) looks at their own priorities.
    What asks to end is heard again.
    """
    os.nice(nice)
    # a shell starts what it puts into the background with Ctrl-C ignored, and Python would keep it so
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)
    with contextlib.suppress(OSError):  # a kernel without sessions' priorities
        Path("/proc/self/autogroup").write_text(str(nice), encoding="ascii")


def main() -> int:
    """Run the command in a session of its own; end it where this process is asked to end."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--nice", type=int, default=LOWEST)
    options.add_argument("command", nargs=argparse.REMAINDER)
    asked = options.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)  # one that comes now must reach the command as well
    child = subprocess.Popen(asked.command, start_new_session=True, preexec_fn=partial(step_back, asked.nice))
    for number in ENDS:
        signal.signal(number, lambda got, _: os.killpg(child.pid, got))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)
    return child.wait()


if __name__ == "__main__":
    sys.exit(main())
