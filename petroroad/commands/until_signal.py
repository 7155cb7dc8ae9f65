"""Run one service until SIGINT or SIGTERM asks it to end."""

import asyncio
import signal
from collections.abc import Coroutine


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
