"""What waits for the database: a queue for each RSU, in turn, so that none waits for another's backlog.

Pure. Bounded in messages for each RSU and in bytes for all; what finds no room is sent again by its RSU.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import NamedTuple

SENDERS_MAX = 1_024  # with something queued


class Message(NamedTuple):
    """One batch as it came."""

    topic: str
    esn: str
    payload: bytes
    received_ns: int


@dataclass(slots=True)
class _Queue:
    messages: deque[Message] = field(default_factory=deque)
    n_bytes: int = 0


class Inbox:
    """Puts never block; takes go round the RSUs."""

    def __init__(self, n_messages_max: int, n_bytes_max: int) -> None:
        """n_messages_max : of one RSU.  n_bytes_max : of all together"""
        self._n_messages_max, self._n_bytes_max = n_messages_max, n_bytes_max
        self._queues: OrderedDict[str, _Queue] = OrderedDict()  # whose turn is next, first
        self._n_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._queues)

    def put(self, message: Message) -> int:
        """Queue a message; return how many were dropped for want of room, this one or an RSU's newest.

        Where all together have no room, the RSU with the most bytes gives way, never a small one.
        """
        queue = self._queues.get(message.esn)
        if queue is None:
            if len(self._queues) >= SENDERS_MAX:
                return 1
            queue = self._queues[message.esn] = _Queue()
        if len(queue.messages) >= self._n_messages_max:
            return 1
        queue.messages.append(message)
        queue.n_bytes += len(message.payload)
        self._n_bytes += len(message.payload)
        n_dropped = 0
        while self._n_bytes > self._n_bytes_max:
            largest = max(self._queues, key=lambda esn: self._queues[esn].n_bytes)
            self._pop(largest, newest=True)
            n_dropped += 1
        return n_dropped

    def take(self, n_messages: int, n_bytes: int) -> list[Message]:
        """Return the next messages, one of each RSU in turn, up to either limit, at least one if any."""
        taken: list[Message] = []
        while self._queues and len(taken) < n_messages and n_bytes > 0:
            esn = next(iter(self._queues))
            message = self._pop(esn, newest=False)
            if esn in self._queues:
                self._queues.move_to_end(esn)
            taken.append(message)
            n_bytes -= len(message.payload)
        return taken

    def _pop(self, esn: str, *, newest: bool) -> Message:
        queue = self._queues[esn]
        message = queue.messages.pop() if newest else queue.messages.popleft()
        queue.n_bytes -= len(message.payload)
        self._n_bytes -= len(message.payload)
        if not queue.messages:
            del self._queues[esn]
        return message
