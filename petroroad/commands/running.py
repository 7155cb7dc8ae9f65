"""Shared by commands: they run until a signal, end a file whole, and never write onto their own input."""

import asyncio
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import UsageError


async def until_signal(service: Coroutine[None, None, None]) -> None:
    """Await the service; a signal cancels it, which is its clean end."""
    serving = asyncio.create_task(service, name="service")
    asked = False

    def stop() -> None:
        nonlocal asked
        asked = True
        serving.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        await serving
    except asyncio.CancelledError:  # only a signal cancels it
        if not asked:
            raise


@contextmanager
def ended_whole() -> Iterator[None]:
    """Within it SIGTERM ends as SIGINT does, by an exception: an open file is closed whole.

    Not before: while modules are imported, some of them swallow whatever is raised, and with it the signal.
    """
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminated(number: int, _frame: object) -> None:
    sys.exit(128 + number)


def check_output(out: Path, *sources: Path) -> None:
    """Raise UsageError where `out` is one of `sources`, or can't be written; nothing is changed."""
    for source in sources:
        if out.exists() and source.exists() and out.samefile(source):
            raise UsageError(f"{out} is {source} itself: choose another place to write to")
    was_there = out.exists()
    out = out.resolve()  # a link to a file that does not exist yet stays
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("ab"):
            pass
    except OSError as error:
        raise UsageError(f"{out}: can't be written: {error.strerror}") from error
    if not was_there:
        out.unlink()
