"""Whether this machine's clock can be believed where stamps of others are held against it. Pure."""

import threading
from collections.abc import Callable
from typing import NamedTuple

from core.times import NS, STAMP_NS_MAX, STAMP_NS_MIN
from edge.clock import passed_ns
from geofence.plausible import AHEAD_NS, BEHIND_NS

NO_TIME_NS = 0  # for `plausible`: our own clock says nothing, so any legal stamp passes
STEP_NS = AHEAD_NS // 2  # a clock that moves by so much within one look was set
WITNESS_NS = 3_600 * NS  # what another part's clock showed counts for so long
WITNESSES_MAX = 1_024
OFFSETS_NS = 60 * NS  # after our clock was set: until then an RSU may report its offset from that before
SET_NS = NS  # our clock moved by more than this: it was set
AGAINST_MIN = 2  # so many RSUs must disagree with our clock: a single one may have a wrong clock itself


class _Witness(NamedTuple):
    """How far another part's clock was ahead of our monotonic one, and when by the latter."""

    ahead_ns: int
    at_ns: int


class OwnClock:
    """Follows the wall clock from look to look; threads may use it at once.

    A clock that was set by days or years would make each honest stamp look as if it were of a future or a
    past that can't be. So nothing is held against a clock that was set while we ran, or that shows an
    impossible time at the start, until it shows a possible one, or until most of the clocks of RSUs that were
    seen within an hour agree with it. Nor where most of them, and two at least, disagree: the database's
    newest row is no proof, since a start under the same wrong clock may have written it.
    """

    def __init__(self, newest_ns: int | None = None, monotonic_ns: Callable[[], int] = passed_ns) -> None:
        """newest_ns : when the newest violation of the database was received; None: it has none"""
        self._monotonic_ns = monotonic_ns
        self._window_ns = STAMP_NS_MIN, STAMP_NS_MAX  # of the first time that is believed
        if newest_ns is not None and newest_ns >= STAMP_NS_MIN:
            self._window_ns = newest_ns - AHEAD_NS, newest_ns + BEHIND_NS - AHEAD_NS
        self._ahead_ns: int | None = None  # of the monotonic clock, when last believed
        self.n_doubts = 0
        self.is_doubted = False
        self._lock = threading.Lock()
        self._reported: _Witness | None = None  # our own clock, when offsets from it were first reported
        self._witnesses: dict[str, _Witness] = {}
        self._voted: tuple[int, int, bool | None] | None = None  # (ahead, when, result) of the last vote

    def note(self, sender: str, shown_ns: int) -> None:
        """Note what the clock of another part shows now."""
        with self._lock:
            self._note(sender, shown_ns)

    def note_offset(self, sender: str, our_ns: int, offset_ns: int) -> None:
        """Note how far another part says that its clock is ahead of ours, which shows `our_ns`.

        It found that some time ago. So it counts only where our clock was not set for OFFSETS_NS; in a
        simulation that is paced faster than time passes, never.
        """
        with self._lock:
            now_ns = self._monotonic_ns()
            ahead_ns = our_ns - now_ns
            if self._reported is None or abs(ahead_ns - self._reported.ahead_ns) > SET_NS:
                self._reported = _Witness(ahead_ns, now_ns)
            if now_ns - self._reported.at_ns >= OFFSETS_NS:
                self._note(sender, our_ns + offset_ns)

    def forget_offsets(self) -> None:
        """Let the next offsets wait: they are from another centre's clock until then."""
        with self._lock:
            self._reported = None

    def _note(self, sender: str, shown_ns: int) -> None:
        now_ns = self._monotonic_ns()
        before, found = self._witnesses.pop(sender, None), _Witness(shown_ns - now_ns, now_ns)
        self._witnesses[sender] = found
        if len(self._witnesses) > WITNESSES_MAX:
            del self._witnesses[next(iter(self._witnesses))]
        if before is None or abs(found.ahead_ns - before.ahead_ns) > STEP_NS:
            self._voted = None

    def believed(self, received_ns: int) -> int:
        """Return the time that stamps are held against: that of the arrival, or NO_TIME_NS."""
        with self._lock:
            now_ns = self._monotonic_ns()
            ahead_ns = received_ns - now_ns
            is_right = self._vote(ahead_ns, now_ns)
            if is_right is None:
                is_right = self._is_continued(received_ns, ahead_ns)
            if is_right:
                self._ahead_ns = ahead_ns
            self.n_doubts += not is_right and not self.is_doubted
            self.is_doubted = not is_right
            return received_ns if is_right else NO_TIME_NS

    def agrees(self, shown_ns: int) -> bool:
        """Say whether most of the clocks of RSUs agree with ours, which shows `shown_ns`."""
        with self._lock:
            now_ns = self._monotonic_ns()
            return self._vote(shown_ns - now_ns, now_ns) is True

    def _is_continued(self, received_ns: int, ahead_ns: int) -> bool:
        if self._ahead_ns is None:
            low, high = self._window_ns
            return low <= received_ns <= high
        return abs(ahead_ns - self._ahead_ns) <= STEP_NS

    def _vote(self, ahead_ns: int, now_ns: int) -> bool | None:
        """Return whether the others' clocks agree with ours; None: they don't say."""
        if self._voted is not None:
            voted_ahead_ns, voted_ns, result = self._voted
            if abs(ahead_ns - voted_ahead_ns) <= NS and now_ns - voted_ns <= NS:
                return result
        fresh = [each for each in self._witnesses.values() if now_ns - each.at_ns <= WITNESS_NS]
        n_agree = sum(abs(each.ahead_ns - ahead_ns) <= AHEAD_NS for each in fresh)
        n_against = len(fresh) - n_agree
        result = None
        if n_agree > n_against:
            result = True
        elif n_against > n_agree and n_against >= AGAINST_MIN:
            result = False
        self._voted = ahead_ns, now_ns, result
        return result
