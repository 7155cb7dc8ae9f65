"""Whether this machine's clock can be believed where the stamps of violations are held against it. Pure."""

from collections.abc import Callable

from core.times import STAMP_NS_MAX, STAMP_NS_MIN
from geofence.plausible import AHEAD_NS, BEHIND_NS

NO_TIME_NS = 0  # for `plausible`: our own clock says nothing, so any legal stamp passes
STEP_NS = AHEAD_NS // 2  # a clock that moves by so much within one look was set


class OwnClock:
    """Follows the wall clock from commit to commit.

    A clock that was set by days or years would make each honest violation look as if it were of a future or a
    past that can't be. It would be acknowledged as implausible, and its RSU would forget it. So nothing is
    held against a clock that was set while we ran, until that is undone, or that shows an impossible time at
    the start, until it shows a possible one.
    """

    def __init__(self, newest_ns: int | None, monotonic_ns: Callable[[], int]) -> None:
        """newest_ns : when the newest violation of the database was received; None: it has none"""
        self._monotonic_ns = monotonic_ns
        self._window_ns = STAMP_NS_MIN, STAMP_NS_MAX  # of the first time that is believed
        if newest_ns is not None and newest_ns >= STAMP_NS_MIN:
            self._window_ns = newest_ns - AHEAD_NS, newest_ns + BEHIND_NS - AHEAD_NS
        self._ahead_ns: int | None = None  # of the monotonic clock, when last believed
        self.n_doubts = 0
        self._is_doubted = False

    def believed(self, received_ns: int) -> int:
        """Return the time that stamps are held against: that of the arrival, or NO_TIME_NS."""
        ahead_ns = received_ns - self._monotonic_ns()
        if self._ahead_ns is None:
            low, high = self._window_ns
            is_right = low <= received_ns <= high
        else:
            is_right = abs(ahead_ns - self._ahead_ns) <= STEP_NS
        if is_right:
            self._ahead_ns = ahead_ns
        self.n_doubts += not is_right and not self._is_doubted
        self._is_doubted = not is_right
        return received_ns if is_right else NO_TIME_NS
