"""Waits for what is only found by looking again."""

import asyncio
import time
from collections.abc import Callable

POLL_S = 0.01


async def until(condition: Callable[[], bool], seconds: float, poll_s: float = POLL_S) -> bool:
    """Return True as soon as the condition holds, False where it does not within the time."""
    end_s = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= end_s:
            return False
        await asyncio.sleep(poll_s)
    return True
