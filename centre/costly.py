"""A reading that many ask for: where it costs much, it is made less often."""

import time
from collections.abc import Awaitable, Callable
from typing import Generic, ParamSpec, TypeVar

Result = TypeVar("Result")
Given = ParamSpec("Given")
CHEAP_S = 0.005  # of a core; what costs less is always read anew
SHARE = 0.05  # of a core that one reading may take
FRESH_S = 1.0  # so old it is at most: pages receive the summary as often


def timed(query: Callable[Given, Result]) -> Callable[Given, tuple[Result, float]]:
    """Return a query that returns its cost too [s of a core], for the thread in which it runs."""

    def run(*args: Given.args, **named: Given.kwargs) -> tuple[Result, float]:
        begun_s = time.thread_time()
        found = query(*args, **named)
        return found, time.thread_time() - begun_s

    return run


class Costly(Generic[Result]):
    """The newest result of a reading."""

    def __init__(self, read: Callable[[], Awaitable[tuple[Result, float]]]) -> None:
        """`read()` returns a result and its cost, as `timed` gives them; what it raises, `newest` raises."""
        self._read = read
        self._kept: Result | None = None
        self._until_s = float("-inf")

    async def newest(self) -> Result:
        """Read, or return what was read a short while ago where reading is costly."""
        if self._kept is not None and time.monotonic() < self._until_s:
            return self._kept
        self._kept, cost_s = await self._read()
        pause_s = min(FRESH_S, cost_s / SHARE) if cost_s > CHEAP_S else 0.0
        self._until_s = time.monotonic() + pause_s
        return self._kept
