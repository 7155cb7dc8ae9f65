"""Batches that wait for the database: one queue for each RSU, read in turn. Pure.

No RSU waits for the backlog of another. The messages and bytes of each RSU and the bytes of all are
limited; a batch that finds no room is dropped, and its RSU sends it again.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

SENDERS_MAX = 1_024  # RSUs with something queued
MESSAGE_BYTES = 400  # of memory for one batch beside its payload, so that empty ones are limited too


class QueuedBatch(NamedTuple):
    """One `violation/up` message as received, and when."""

    topic: str
    esn: str
    payload: bytes
    received_ns: int

    @property
    def n_bytes(self) -> int:
        return len(self.payload) + MESSAGE_BYTES


@dataclass(slots=True)
class _Queue:
    messages: deque[QueuedBatch] = field(default_factory=deque)
    payloads: set[bytes] = field(default_factory=set)  # of these messages
    n_bytes: int = 0


class Inbox:
    """Adds never block; reading takes one batch of each RSU in turn."""

    def __init__(self, n_messages_max: int, n_bytes_max: int, sender_bytes_max: int | None = None) -> None:
        """n_messages_max, sender_bytes_max : of one RSU.  n_bytes_max : of all together"""
        self._n_messages_max, self._n_bytes_max = n_messages_max, n_bytes_max
        self._sender_bytes_max = n_bytes_max if sender_bytes_max is None else sender_bytes_max
        self._queues: OrderedDict[str, _Queue] = OrderedDict()  # by RSU; the next turn is the first one's
        self._n_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._queues)

    @property
    def n_messages(self) -> int:
        return sum(len(queue.messages) for queue in self._queues.values())

    @property
    def n_bytes(self) -> int:
        return self._n_bytes

    def contains(self, message: QueuedBatch) -> bool:
        """Return whether the same bytes of the same RSU wait already: one acknowledgement serves both."""
        queue = self._queues.get(message.esn)
        return queue is not None and message.payload in queue.payloads

    def add(self, message: QueuedBatch) -> int:
        """Queue a batch; return how many batches were dropped because there was no room.

        Where one RSU has too many, this batch is dropped; where all together have too many bytes, the newest
        batches of the RSU with the most bytes.
        """
        queue = self._queues.get(message.esn)
        if queue is None:
            if len(self._queues) >= SENDERS_MAX:
                return 1
            queue = self._queues[message.esn] = _Queue()
        if len(queue.messages) >= self._n_messages_max or self._is_long(queue, message):
            return 1
        queue.messages.append(message)
        self._add(queue, message)
        n_dropped = 0
        while self._n_bytes > self._n_bytes_max:
            largest = max(self._queues, key=lambda esn: self._queues[esn].n_bytes)
            self._pop(largest, newest=True)
            n_dropped += 1
        return n_dropped

    def _is_long(self, queue: _Queue, message: QueuedBatch) -> bool:
        """Return whether an RSU has too many bytes with this batch; its first one is always queued."""
        return bool(queue.messages) and queue.n_bytes + message.n_bytes > self._sender_bytes_max

    def next_batches(self, n_messages: int, n_bytes: int) -> list[QueuedBatch]:
        """Return the next batches, one of each RSU in turn, up to either limit but at least one."""
        taken: list[QueuedBatch] = []
        while self._queues and len(taken) < n_messages and n_bytes > 0:
            esn = next(iter(self._queues))
            message = self._pop(esn, newest=False)
            if esn in self._queues:
                self._queues.move_to_end(esn)
            taken.append(message)
            n_bytes -= len(message.payload)
        return taken

    def return_batches(self, messages: Sequence[QueuedBatch]) -> None:
        """Queue batches again that were not committed, before all others and in their order."""
        for message in reversed(messages):
            queue = self._queues.setdefault(message.esn, _Queue())
            self._queues.move_to_end(message.esn, last=False)
            queue.messages.appendleft(message)
            self._add(queue, message)

    def _add(self, queue: _Queue, message: QueuedBatch) -> None:
        queue.payloads.add(message.payload)
        queue.n_bytes += message.n_bytes
        self._n_bytes += message.n_bytes

    def _pop(self, esn: str, *, newest: bool) -> QueuedBatch:
        queue = self._queues[esn]
        message = queue.messages.pop() if newest else queue.messages.popleft()
        queue.payloads.discard(message.payload)
        queue.n_bytes -= message.n_bytes
        self._n_bytes -= message.n_bytes
        if not queue.messages:
            del self._queues[esn]
        return message
