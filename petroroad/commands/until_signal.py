"""Run one service until SIGINT or SIGTERM asks it to end; let a tool that writes a file end whole."""

import asyncio
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager


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
    """Within it SIGTERM ends as SIGINT does, by an exception: what is being written is closed whole.

    Not before: while modules are imported, some of them swallow whatever is raised, and with it the signal.
    """
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminated(number: int, _frame: object) -> None:
    sys.exit(128 + number)
