"""A bug of ours in a callback ends the process; asyncio alone would log it and run on half-broken."""

import asyncio
import traceback
from collections.abc import Callable
from typing import Any

LIBRARIES = frozenset({"asyncio", "uvloop", "paho", "aiomqtt"})  # whose callbacks run in our loops


def _is_library(error: BaseException) -> bool:
    """Whether nothing but these libraries' code ran when the error was raised."""
    names = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(names) and all(name.partition(".")[0] in LIBRARIES for name in names)


async def until_bug(count: Callable[[str], None]) -> None:
    """Raise an exception of a protocol or another callback of this loop; count those of others.

    Counted are errors of a peer's socket, exceptions of a library's future or task that nobody retrieved, and
    errors within a library's own callback, such as uvloop's over a dead socket: its owner sees it too.
    """
    loop = asyncio.get_running_loop()
    bug: asyncio.Future[None] = loop.create_future()

    def escaped(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if "future" in context or "task" in context:
            count("loop.unasked")
        elif isinstance(error, OSError) or error is None:  # a peer's socket, or no file descriptor left
            count("socket.error")
        elif _is_library(error):
            count("loop.library")
        elif bug.done():  # the process ends already: it can only be logged
            loop.default_exception_handler(context)
        else:
            bug.set_exception(error)

    loop.set_exception_handler(escaped)  # for good: tasks that end after this one may fail as well
    await bug
