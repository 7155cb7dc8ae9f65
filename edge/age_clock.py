"""The time by which what is kept grows old. A wall clock that is set wrong must not delete anything."""

import time
from collections.abc import Callable
from dataclasses import dataclass

SLACK_S = 86_400.0  # that a clock may be ahead of what is known: a day more or less of keeping is no matter


@dataclass(slots=True)
class AgeClock:
    """The wall clock where it can be believed, else what has passed by the monotonic one.

    A clock that is set years ahead would make all that is kept too old at once. So it counts only as far as
    the newest thing that was kept at the first look, a day, and the time that has passed since. Where it was
    right all the same (the machine was off for weeks), age catches up by as much as passes.
    """

    monotonic_s: Callable[[], float] = time.monotonic
    _limit_s: float | None = None
    _looked_s: float = 0.0  # by the monotonic clock

    def now_s(self, wall_s: float, newest_s: float | None) -> float:
        """Return the time to count ages by [UTC, s].

        newest_s : of the newest thing that is kept; None: there is none
        """
        passed_s = self.monotonic_s()
        if self._limit_s is None:
            self._limit_s = (wall_s if newest_s is None else newest_s) + SLACK_S
        else:
            since_s = passed_s - self._looked_s
            self._limit_s += since_s
            self._limit_s += min(since_s, max(0.0, wall_s - self._limit_s))
        self._looked_s = passed_s
        return min(wall_s, self._limit_s)
