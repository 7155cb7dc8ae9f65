"""The entry: little is imported before Ctrl-C ends a command without a traceback."""

import os
import sys
import threading
from typing import NoReturn

INTERRUPTED = 130  # 128 + SIGINT


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 done, 1 failed, 2 wrong use or configuration, 130 or 143 where a signal ended it.

    A service takes the signals over as soon as it serves, and ends with 0.
    """
    try:
        from edge import numba_cache

        numba_cache.prepare()
        from petroroad.cli import run

        return run(arguments)
    except KeyboardInterrupt:  # within a command cyclopts takes it, not while one is imported
        return INTERRUPTED


def program() -> NoReturn:
    """Be the process: leave as soon as the command has ended, without taking the interpreter apart.

    With NumPy and Numba in it that takes half a second of a core. Of all parts of a demo, which end together,
    it took the seconds within which Ctrl-C ends them, and they were killed when they had long been done.
    """
    status = main()
    others = (each for each in threading.enumerate() if each is not threading.main_thread())
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):  # not whole: Python's own end says so
        sys.exit(status)
    if all(each.daemon for each in others):
        os._exit(status)
    sys.exit(status)  # it waits for them


if __name__ == "__main__":
    program()
