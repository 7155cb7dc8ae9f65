"""The entry: little is imported before Ctrl-C ends a command without a traceback."""

import gc
import sys
from typing import NoReturn

INTERRUPTED = 130  # 128 + SIGINT


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 done, 1 failed, 2 wrong use or configuration, 130 or 143 where a signal ended it.

    A service handles the signals itself as soon as it serves, and ends with 0.
    """
    try:
        from petroroad import numba_cache

        numba_cache.prepare()
        from petroroad.cli import run

        return run(arguments)
    except KeyboardInterrupt:  # within a command cyclopts catches it, not while one is imported
        return INTERRUPTED


def program() -> NoReturn:
    """Be the process, and leave soon after the command has ended.

    With NumPy and Numba loaded the interpreter's end collects garbage for a third of a second, a core each.
    All parts of a demo end together: they were killed, long done, when Ctrl-C's seconds were over.
    """
    try:
        status = main()
    finally:
        gc.freeze()  # nothing is left to be collected: memory goes back to the system as a whole
    sys.exit(status)


if __name__ == "__main__":
    program()
