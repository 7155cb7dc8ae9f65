"""The time by which what is kept grows old. A wall clock that is set wrong must not delete anything."""

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SLACK_S = 86_400.0  # that a clock may be ahead of what is known: a day more or less of keeping is no matter
WRITTEN_S = 1_800.0  # the file may be behind by so much
TEXT_MAX = 32  # characters of the file


def not_shown() -> bool:
    """Say that no other machine's clock is known to agree with ours."""
    return False


@dataclass(slots=True)
class AgeClock:
    """The wall clock where it can be believed, else what has passed by the monotonic one.

    A clock that is set years ahead would make all that is kept too old at once. So it counts only as far as
    the newest thing that was kept at the first look, a day, and the time that has passed since. Where it was
    right all the same (the machine was off for weeks), age catches up by as much as passes, or at once where
    another machine's clock agrees at two looks in a row, and ours was not set between them.

    path : of a file in which a restart finds how far age had come: what was kept under a wrong clock has its
        times, so the newest of it proves nothing. None: there is none
    """

    monotonic_s: Callable[[], float] = time.monotonic
    path: Path | None = None
    _limit_s: float | None = None
    _looked_s: float = 0.0  # by the monotonic clock
    _shown_ahead_s: float | None = None  # of the monotonic clock, where the last look was shown right
    _written_s: float | None = None  # the limit in the file

    def now_s(self, wall_s: float, newest_s: float | None, *, is_shown_right: bool = False) -> float:
        """Return the time to count ages by [UTC, s].

        newest_s : of the newest thing that is kept; None: there is none
        is_shown_right : another machine's clock agrees with the wall clock
        """
        passed_s = self.monotonic_s()
        if self._is_shown_again(wall_s - passed_s, is_shown_right):
            self._limit_s = wall_s + SLACK_S
        elif self._limit_s is None:
            self._limit_s = self._read()
            if self._limit_s is None:
                self._limit_s = (wall_s if newest_s is None else newest_s) + SLACK_S
        else:
            since_s = passed_s - self._looked_s
            self._limit_s += since_s
            self._limit_s += min(since_s, max(0.0, wall_s - self._limit_s))
        self._looked_s = passed_s
        self._write()
        return min(wall_s, self._limit_s)

    def _is_shown_again(self, ahead_s: float, is_shown_right: bool) -> bool:
        before_s, self._shown_ahead_s = self._shown_ahead_s, ahead_s if is_shown_right else None
        return is_shown_right and before_s is not None and abs(ahead_s - before_s) <= SLACK_S

    def _read(self) -> float | None:
        if self.path is None:
            return None
        with contextlib.suppress(OSError, ValueError):  # none yet, or damaged: as at a first start
            with self.path.open(encoding="ascii") as file:
                text = file.read(TEXT_MAX).strip()
            if text.isdigit() and len(text) < TEXT_MAX:
                self._written_s = float(text)
        return self._written_s

    def _write(self) -> None:
        assert self._limit_s is not None, "there was a look"
        if self.path is None:
            return
        if self._written_s is not None and abs(self._limit_s - self._written_s) < WRITTEN_S:
            return
        part = self.path.with_name(f"{self.path.name}.new")
        with contextlib.suppress(OSError):  # a full disk: the next look tries again
            part.write_text(str(max(0, int(self._limit_s))), encoding="ascii")
            os.replace(part, self.path)
            self._written_s = self._limit_s
