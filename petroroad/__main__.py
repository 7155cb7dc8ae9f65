"""The entry: little is imported before Ctrl-C ends a command without a traceback."""

import sys

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


if __name__ == "__main__":
    sys.exit(main())
