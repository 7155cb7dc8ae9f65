"""How far a clock is from the centre's: four-stamp probes, the best of the last few (RFC 5905)."""

from collections import deque
from collections.abc import Callable

import msgspec

from edge import wire
from edge.clock import Clock

KEPT = 8  # answers; the one with the shortest round trip is used
AGREES_MS = 86_400_000
ASKED_MAX = 4  # requests that wait for an answer


class ClockProbe:
    """Makes requests and receives their answers; a request without an answer is forgotten."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seq = 0
        self._asked: deque[tuple[int, int]] = deque(maxlen=ASKED_MAX)
        self._answers: deque[tuple[int, int]] = deque(maxlen=KEPT)  # round trip, offset

    def ask(self) -> bytes:
        """Return the next request's bytes."""
        self._seq += 1
        sent_ns = self._clock.now_ns()
        self._asked.append((self._seq, sent_ns))
        return wire.encode(wire.ClockReq(seq=self._seq, sent_ns=sent_ns))

    def receive(self, body: bytes, count: Callable[[str], None]) -> None:
        """Receive an answer; an answer to no request of ours is counted."""
        returned_ns = self._clock.now_ns()
        try:
            answer = wire.decode_clock_rsp(body)
        except (msgspec.DecodeError, ValueError):  # not the centre's, or another version's
            count("clock.undecodable")
            return
        if (answer.seq, answer.sent_ns) not in self._asked:
            count("clock.unasked")
            return
        self._asked.remove((answer.seq, answer.sent_ns))
        offset_ns, trip_ns = wire.clock_offset_ns(answer, returned_ns)
        if trip_ns < 0 or answer.answered_ns < answer.received_ns:  # wrong, or a clock was set meanwhile
            count("clock.implausible")
            return
        self._answers.append((trip_ns, offset_ns))

    @property
    def agrees(self) -> bool:
        """Whether this clock and the centre's differ by less than a day: two rarely go wrong alike."""
        offset_ms = self.offset_ms
        return offset_ms is not None and abs(offset_ms) < AGREES_MS

    @property
    def offset_ms(self) -> float | None:
        """How far this clock is ahead of the centre's; None before the first answer."""
        if not self._answers:
            return None
        return round(-min(self._answers)[1] / 1e6, 3)
