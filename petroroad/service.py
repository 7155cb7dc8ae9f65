"""A long-running command: serves until SIGINT or SIGTERM, then ends cleanly."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop


def run_until_signal(serve: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `serve()`; a signal cancels it, and its own clean-up ends the process with status 0."""
    uvloop.run(_until_signal(serve))


async def _until_signal(serve: Callable[[], Coroutine[Any, Any, None]]) -> None:
    serving = asyncio.create_task(serve(), name="serve")
    asked = asyncio.Event()

    def stop() -> None:
        asked.set()
        serving.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        await serving
    except asyncio.CancelledError:  # only a signal cancels it
        if not asked.is_set():
            raise
