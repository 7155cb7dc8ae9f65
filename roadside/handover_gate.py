"""What an RSU reads of its neighbours' handovers: no oftener and no more than traffic brings. Pure.

A neighbour that is stolen, or at fault, costs neither the memory of the inbox nor the room of the recordings.
What is refused is no loss: an offer is repeated until it is acknowledged.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from edge.token_bucket import TokenBucket

MESSAGES_HZ, MESSAGES_BURST = 100.0, 600.0  # a neighbour repeats up to 256 offers each 0.2 s
# a vehicle takes some 13 kB: eight a second in the long run, which no road has, and 600 at once
BYTES_HZ, BYTES_BURST = 100_000.0, 8_000_000.0
WAITING_MAX, WAITING_BYTES_MAX = 64, 4_000_000  # in the inbox, of one neighbour


@dataclass(slots=True)
class _Neighbour:
    messages: TokenBucket
    n_bytes: TokenBucket
    n_waiting: int = 0
    waiting_bytes: int = 0


class HandoverGate:
    """Admits offers and answers of each neighbour, and counts the offers that wait until they are `done`."""

    def __init__(self, count: Callable[[str], None], neighbours: Collection[str], now_s: float) -> None:
        """now_s : a monotonic time"""
        self._count = count
        self._neighbours = {
            esn: _Neighbour(
                TokenBucket.full(MESSAGES_HZ, MESSAGES_BURST, now_s),
                TokenBucket.full(BYTES_HZ, BYTES_BURST, now_s),
            )
            for esn in neighbours
        }

    def admits(self, esn: str, n_bytes: int, now_s: float) -> bool:
        """Return whether to read a message of a neighbour; one that is refused is counted."""
        neighbour = self._neighbours.get(esn)
        if neighbour is None:
            self._count("mqtt.unexpected")
            return False
        if neighbour.n_waiting >= WAITING_MAX or neighbour.waiting_bytes + n_bytes > WAITING_BYTES_MAX:
            self._count("handover.full")
            return False
        if not (neighbour.messages.take(1.0, now_s) and neighbour.n_bytes.take(n_bytes, now_s)):
            self._count("handover.too_often")
            return False
        return True

    def queued(self, esn: str, n_bytes: int) -> None:
        """Note an offer that waits now."""
        self._neighbours[esn].n_waiting += 1
        self._neighbours[esn].waiting_bytes += n_bytes

    def done(self, esn: str, n_bytes: int) -> None:
        """Note that an offer waits no more."""
        neighbour = self._neighbours.get(esn)
        if neighbour is not None:
            neighbour.n_waiting = max(0, neighbour.n_waiting - 1)
            neighbour.waiting_bytes = max(0, neighbour.waiting_bytes - n_bytes)
