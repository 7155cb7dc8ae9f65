"""Work beside delivery: whatever fails in it costs that work alone, is seen, and is begun again.

A bug in the desk, or a row that nobody expected, must keep no violation from its commit and no RSU from its
acknowledgement.
"""

import asyncio
import threading
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Protocol

from centre.faults import reason_of
from edge.log import Logger

AGAIN_S, AGAIN_S_MAX = 1.0, 30.0  # until failed work is begun again, doubled with each failure in a row
STEADY_S = 20.0  # without another failure for so long, and the work is sound again
PLACES_MAX = 256  # an error at so many places is logged; with more, the log would be too long to read
CAUSES_MAX = 8  # an error, its cause, the cause of that: the lines of code of so many are logged


class OnBug(Protocol):
    """What is done about an error that nobody expected in some work."""

    def __call__(self, work: str, error: BaseException) -> None: ...


def uncared(work: str, error: BaseException) -> None:
    """Drop an error: for a writer without a centre around it, which has no log of bugs."""


class Bugs:
    """Counts the errors that nobody expected, and logs the traceback of the first at each place."""

    def __init__(self, log: Logger) -> None:
        self._log, self._lock = log, threading.Lock()
        self._seen: set[tuple[str, str]] = set()
        self.counts: Counter[str] = Counter()  # read it by `edge.figures.merged`: threads count meanwhile

    def note(self, work: str, error: BaseException) -> None:
        """Count an error of this work as `bug.WORK`; from any thread."""
        place = work, _place_of(error)
        with self._lock:
            self.counts[f"bug.{work}"] += 1
            if place in self._seen or len(self._seen) >= PLACES_MAX:
                return
            self._seen.add(place)
        self._log.error("bug", reason=" ".join(place), error=reason_of(error), exception=_stack_of(error))


class Beside:
    """Keeps the works of a centre that delivery does not need."""

    def __init__(self, log: Logger) -> None:
        self.bugs, self._lock = Bugs(log), threading.Lock()
        self._failed: dict[str, tuple[str, float]] = {}  # by work: how it failed, and until when it counts

    @property
    def failing(self) -> dict[str, str]:
        """Return the works that stand still, or did until just now, and why."""
        now_s = time.monotonic()
        with self._lock:
            return {work: why for work, (why, until_s) in self._failed.items() if now_s < until_s}

    async def keep(self, work: str, run: Callable[[], Awaitable[None]]) -> None:
        """Do some work until it ends by itself or is cancelled; begin it again after each error."""
        wait_s = AGAIN_S
        while True:
            begun_s = time.monotonic()
            try:
                await run()
                return
            except Exception as error:
                if time.monotonic() - begun_s > STEADY_S:
                    wait_s = AGAIN_S
                self.note(work, error, wait_s + STEADY_S)
            await asyncio.sleep(wait_s)
            wait_s = min(2.0 * wait_s, AGAIN_S_MAX)

    def note(self, work: str, error: BaseException, lasts_s: float = STEADY_S) -> None:
        """Note an error of this work, which counts as failing for this long; from any thread."""
        first = _first_of(error)
        self.bugs.note(work, first)
        with self._lock:
            self._failed[work] = reason_of(first)[:200], time.monotonic() + lasts_s


def _first_of(error: BaseException) -> BaseException:
    """Return the first error of a group, in which the others follow from it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _place_of(error: BaseException) -> str:
    """Return the kind of an error and the line of code that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    return type(error).__name__ + where


def _stack_of(error: BaseException) -> str:
    """Return the lines of code of an error and of what caused it, the cause last.

    Without their words: those of a refused statement hold its values, plates and hashes of passwords.
    """
    parts: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(parts) < CAUSES_MAX:
        parts.append(f"{type(cause).__name__}\n{''.join(traceback.format_tb(cause.__traceback__))}")
        cause = cause.__cause__ or cause.__context__
    return "".join(parts)
