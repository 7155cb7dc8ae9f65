"""The one source of the time for every shell: the wall clock, or the paced clock of a simulation.

The pure cores never see it: they get `now_ns`. Time-outs of delivery stay real and don't use it either.
"""

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

from core.times import NS

CLOCK_VARIABLE = "PETROROAD_CLOCK"  # "t0_ns:m0_ns:rate"; absent: the wall clock
STEP_NS = NS  # a wall clock that moved by more than this was set, not slewed


def passed_ns() -> int:
    """Return a clock that nobody sets and that counts the time of a suspended machine, too."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Clock:
    """UTC nanoseconds: t0 + rate x (monotonic - m0).

    The monotonic clock is the machine's, so a child process with the same three numbers shows the same time.
    """

    t0_ns: int
    m0_ns: int
    rate: float = 1.0

    @staticmethod
    def paced(t0_ns: int, rate: float = 1.0) -> "Clock":
        """Return a clock that shows t0_ns now and runs `rate` times as fast as real time."""
        assert rate > 0.0, "a clock runs forwards"
        return Clock(t0_ns, time.monotonic_ns(), rate)

    @staticmethod
    def wall() -> "Clock":
        """Return the machine's own UTC clock, which an operator or NTP may set."""
        return WallClock(0, 0, 1.0)

    @staticmethod
    def from_env(environ: Mapping[str, str] = os.environ) -> "Clock":
        """Return the clock of the parent process where it set one, else the wall clock."""
        text = environ.get(CLOCK_VARIABLE)
        if text is None:
            return Clock.wall()
        t0, m0, rate = text.split(":")
        return Clock(int(t0), int(m0), float(rate))

    def to_env(self) -> dict[str, str]:
        """Return the environment variable by which a child process shows the same time."""
        return {CLOCK_VARIABLE: f"{self.t0_ns}:{self.m0_ns}:{self.rate!r}"}

    def now_ns(self) -> int:
        """Return the time."""
        passed_ns = time.monotonic_ns() - self.m0_ns
        return self.t0_ns + (passed_ns if self.rate == 1.0 else int(passed_ns * self.rate))

    async def sleep_until_ns(self, due_ns: int) -> None:
        """Return at due_ns or as soon after as the loop allows; if past at once, but it yields."""
        left_s = max(0.0, self.seconds_until(due_ns))
        while True:
            await asyncio.sleep(left_s)
            left_s = self.seconds_until(due_ns)
            if left_s <= 0.0:
                return

    def seconds_until(self, due_ns: int) -> float:
        """Return the real seconds left; negative when past."""
        return (due_ns - self.now_ns()) / NS / self.rate


class WallClock(Clock):
    """time.time_ns(); it can be set while we run, which `StepWatch` notices."""

    __slots__ = ()

    def to_env(self) -> dict[str, str]:
        return {}

    def now_ns(self) -> int:
        return time.time_ns()

    async def sleep_until_ns(self, due_ns: int) -> None:
        """Sleep in pieces of a second at most: a clock set forwards is not slept through.

        If it was set back, the sleep ends in time too: the caller then begins a new schedule.
        """
        end_ns = time.monotonic_ns() + max(0, due_ns - self.now_ns()) + STEP_NS
        while True:
            await asyncio.sleep(min(max(0.0, self.seconds_until(due_ns)), 1.0))
            if self.now_ns() >= due_ns or time.monotonic_ns() >= end_ns:
                return


@dataclass(slots=True)
class StepWatch:
    """Notices that the clock was set: it moved by more than STEP_NS against the monotonic one."""

    ahead_ns: int | None = None  # clock - monotonic when last looked at

    def check(self, clock_ns: int, monotonic_ns: int) -> tuple[int, int] | None:
        """Return (time without the step, time shown) if the clock was set since the last call, else None."""
        ahead_ns = clock_ns - monotonic_ns
        before_ns, self.ahead_ns = self.ahead_ns, ahead_ns
        if before_ns is None or abs(ahead_ns - before_ns) <= STEP_NS:
            return None
        return monotonic_ns + before_ns, clock_ns
