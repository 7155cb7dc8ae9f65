"""How far a clock is from the centre's: four-stamp probes, the best of the last few (RFC 5905)."""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from core.times import NS
from edge import wire
from edge.clock import STEP_NS, Clock, passed_ns

KEPT = 8  # answers; the one with the shortest round trip is used
AGREES_MS = 86_400_000
FRESH_NS = 60 * NS  # an older answer says nothing of the centre's clock now
ASKED_MAX = 4  # requests that wait for an answer


class _Answer(NamedTuple):
    """What an answer shows; the one with the least round trip is the best."""

    trip_ns: int
    offset_ns: int  # of the centre's clock from ours
    ahead_ns: int  # how far our clock was ahead of the monotonic one when the answer came
    at_ns: int  # when it came, by the monotonic clock


class ClockProbe:
    """Makes requests and receives their answers; a request without an answer is forgotten.

    An answer counts only while our clock is as it was then: one that was set since has another offset. Any
    thread may read the result.
    """

    def __init__(self, clock: Clock, monotonic_ns: Callable[[], int] = passed_ns) -> None:
        """monotonic_ns : a clock that nobody sets"""
        self._clock, self._monotonic_ns = clock, monotonic_ns
        self._seq = 0
        self._asked: deque[tuple[int, int, int]] = deque(maxlen=ASKED_MAX)  # seq, sent, ahead
        self._answers: tuple[_Answer, ...] = ()  # replaced, never changed: another thread may read it

    def ask(self) -> bytes:
        """Return the next request's bytes."""
        self._seq += 1
        sent_ns = self._clock.now_ns()
        self._asked.append((self._seq, sent_ns, self._ahead_ns(sent_ns)))
        return wire.encode(wire.ClockReq(seq=self._seq, sent_ns=sent_ns))

    def receive(self, body: bytes, count: Callable[[str], None]) -> None:
        """Receive an answer; an answer to no request of ours is counted."""
        returned_ns = self._clock.now_ns()
        try:
            answer = wire.decode_clock_rsp(body)
        except (msgspec.DecodeError, ValueError):  # not the centre's, or another version's
            count("clock.undecodable")
            return
        asked = next((each for each in self._asked if each[:2] == (answer.seq, answer.sent_ns)), None)
        if asked is None:
            count("clock.unasked")
            return
        self._asked.remove(asked)
        offset_ns, trip_ns = clock_offset_ns(answer, returned_ns)
        ahead_ns = self._ahead_ns(returned_ns)
        was_set = abs(ahead_ns - asked[2]) > STEP_NS
        if was_set or trip_ns < 0 or answer.answered_ns < answer.received_ns:  # wrong, or a clock was set
            count("clock.implausible")
            return
        self._keep(_Answer(trip_ns, offset_ns, ahead_ns, self._monotonic_ns()))

    def agrees(self) -> bool:
        """Say whether this clock and the centre's differ by less than a day: two rarely go wrong alike.

        Without a new answer there is nothing that it could agree with.
        """
        answers = self._current()
        if not answers or self._monotonic_ns() - answers[-1].at_ns > FRESH_NS:
            return False
        return abs(min(answers).offset_ns) < AGREES_MS * 1e6

    @property
    def offset_ms(self) -> float | None:
        """How far this clock is ahead of the centre's; None without an answer since it was set."""
        answers = self._current()
        if not answers:
            return None
        return round(-min(answers).offset_ns / 1e6, 3)

    def _ahead_ns(self, now_ns: int) -> int:
        rate, monotonic_ns = self._clock.rate, self._monotonic_ns()
        return now_ns - (monotonic_ns if rate == 1.0 else int(monotonic_ns * rate))

    def _current(self) -> list[_Answer]:
        """Return the answers that came while our clock was as it is now, oldest first."""
        ahead_ns = self._ahead_ns(self._clock.now_ns())
        return [each for each in self._answers if abs(each.ahead_ns - ahead_ns) <= STEP_NS]

    def _keep(self, answer: _Answer) -> None:
        """Keep an answer, and of those before it which it does not contradict: the centre's clock was set."""
        kept = [
            each
            for each in self._current()
            if abs(each.offset_ns - answer.offset_ns) <= STEP_NS + (each.trip_ns + answer.trip_ns) // 2
        ]
        self._answers = (*kept, answer)[-KEPT:]


def clock_offset_ns(response: wire.ClockRsp, returned_ns: int) -> tuple[int, int]:
    """Return (how far the answering clock is ahead, round trip) of a four-stamp probe (RFC 5905, sec. 8)."""
    ahead_ns = (response.received_ns - response.sent_ns + response.answered_ns - returned_ns) // 2
    trip_ns = (returned_ns - response.sent_ns) - (response.answered_ns - response.received_ns)
    return ahead_ns, trip_ns
