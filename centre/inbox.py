"""What waits for the database: a queue for each RSU, in turn, so that none waits for another's backlog.

Pure. Bounded in messages for each RSU and in bytes for all; what finds no room is sent again by its RSU.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

SENDERS_MAX = 1_024  # with something queued
MESSAGE_BYTES = 400  # memory of one beside its payload, so that empty ones are bounded too


class Message(NamedTuple):
    """One batch as it came."""

    topic: str
    esn: str
    payload: bytes
    received_ns: int

    @property
    def n_bytes(self) -> int:
        return len(self.payload) + MESSAGE_BYTES


@dataclass(slots=True)
class _Queue:
    messages: deque[Message] = field(default_factory=deque)
    payloads: set[bytes] = field(default_factory=set)  # of these messages
    n_bytes: int = 0


class Inbox:
    """Puts never block; takes go round the RSUs."""

    def __init__(self, n_messages_max: int, n_bytes_max: int) -> None:
        """n_messages_max : of one RSU.  n_bytes_max : of all together"""
        self._n_messages_max, self._n_bytes_max = n_messages_max, n_bytes_max
        self._queues: OrderedDict[str, _Queue] = OrderedDict()  # the sender whose turn is next comes first
        self._n_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._queues)

    def holds(self, message: Message) -> bool:
        """Say whether the same bytes of the same RSU wait already: their answer serves both."""
        queue = self._queues.get(message.esn)
        return queue is not None and message.payload in queue.payloads

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
        self._add(queue, message)
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

    def put_back(self, messages: Sequence[Message]) -> None:
        """Queue again what was taken and not committed, before all else and in the order it was taken."""
        for message in reversed(messages):
            queue = self._queues.setdefault(message.esn, _Queue())
            self._queues.move_to_end(message.esn, last=False)
            queue.messages.appendleft(message)
            self._add(queue, message)

    def _add(self, queue: _Queue, message: Message) -> None:
        queue.payloads.add(message.payload)
        queue.n_bytes += message.n_bytes
        self._n_bytes += message.n_bytes

    def _pop(self, esn: str, *, newest: bool) -> Message:
        queue = self._queues[esn]
        message = queue.messages.pop() if newest else queue.messages.popleft()
        queue.payloads.discard(message.payload)
        queue.n_bytes -= message.n_bytes
        self._n_bytes -= message.n_bytes
        if not queue.messages:
            del self._queues[esn]
        return message
