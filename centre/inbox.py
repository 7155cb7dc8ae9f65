"""Batches that wait for the database: one queue for each RSU, read in turn; live ones before backlogs. Pure.

No RSU waits for the backlog of another, and no live batch for that of its own RSU. The messages and bytes of
each RSU and the bytes of all are limited; a batch that finds no room is dropped, and its RSU sends it again.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from edge.subscriptions import nothing

LIVE_NS = 5_000_000_000  # a batch is live while its first item was detected so recently
LIVE_TIMES = 3  # as many bytes of live batches as of others: who sends all as live does not hold up backlogs
LIVE_BYTES = 300_000  # before the first other one
SENDERS_MAX = 1_024  # RSUs with something queued
MESSAGE_BYTES = 400  # of memory for one batch beside its payload, so that empty ones are limited too


class QueuedBatch(NamedTuple):
    """One `violation/up` message as received, and when; `live` where its items were detected just before.

    settle : called once it is committed or dropped
    """

    topic: str
    esn: str
    payload: bytes
    received_ns: int
    live: bool = False
    settle: Callable[[], None] = nothing

    @property
    def n_bytes(self) -> int:
        return len(self.payload) + MESSAGE_BYTES


class _ItemHead(msgspec.Struct, frozen=True):
    detected_ns: int = 0


class _Head(msgspec.Struct, frozen=True):
    items: list[_ItemHead]


_read_head = msgspec.msgpack.Decoder(_Head).decode


def is_live(payload: bytes, now_ns: int) -> bool:
    """Say whether the first item of a batch was detected within LIVE_NS; False where that can't be read."""
    try:
        head = _read_head(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return bool(head.items) and abs(now_ns - head.items[0].detected_ns) < LIVE_NS


@dataclass(slots=True)
class _Sender:
    payloads: set[bytes] = field(default_factory=set)  # of its messages that wait
    n_messages: int = 0
    n_bytes: int = 0


_Lane = OrderedDict[str, deque[QueuedBatch]]


class Inbox:
    """Adds never block; reading takes one batch of each RSU in turn, live ones first."""

    def __init__(self, n_messages_max: int, n_bytes_max: int, sender_bytes_max: int | None = None) -> None:
        """n_messages_max, sender_bytes_max : of one RSU.  n_bytes_max : of all together"""
        self._n_messages_max, self._n_bytes_max = n_messages_max, n_bytes_max
        self._sender_bytes_max = n_bytes_max if sender_bytes_max is None else sender_bytes_max
        # by RSU, those of live batches and the others; the next turn is the first one's
        self._live: _Lane = OrderedDict()
        self._rest: _Lane = OrderedDict()
        self._senders: dict[str, _Sender] = {}
        self._live_left = LIVE_BYTES  # that may be taken before the next other batch
        self._n_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._senders)

    @property
    def n_messages(self) -> int:
        return sum(sender.n_messages for sender in self._senders.values())

    @property
    def n_bytes(self) -> int:
        return self._n_bytes

    def contains(self, message: QueuedBatch) -> bool:
        """Return whether the same bytes of the same RSU wait already: one acknowledgement serves both."""
        sender = self._senders.get(message.esn)
        return sender is not None and message.payload in sender.payloads

    def add(self, message: QueuedBatch) -> int:
        """Queue a batch; return how many batches were dropped, and settled, because there was no room.

        Where one RSU has too many, this batch is dropped; where all together have too many bytes, the newest
        batches of the RSU with the most bytes.
        """
        sender = self._senders.get(message.esn)
        if sender is None and len(self._senders) >= SENDERS_MAX:
            message.settle()
            return 1
        if sender is not None and self._is_full(sender, message):
            message.settle()
            return 1
        self._put(message)
        n_dropped = 0
        while self._n_bytes > self._n_bytes_max:
            largest = max(self._senders, key=lambda esn: self._senders[esn].n_bytes)
            lane = self._rest if largest in self._rest else self._live
            self._pop(lane, largest, newest=True).settle()
            n_dropped += 1
        return n_dropped

    def _is_full(self, sender: _Sender, message: QueuedBatch) -> bool:
        """Return whether an RSU has too much with this batch; its first one is always queued."""
        is_long = sender.n_bytes + message.n_bytes > self._sender_bytes_max
        return sender.n_messages >= self._n_messages_max or is_long

    def next_batches(self, n_messages: int, n_bytes: int) -> list[QueuedBatch]:
        """Return the next batches, one of each RSU in turn, up to either limit but at least one.

        Live ones come first; where others wait, those get their share: one byte for LIVE_TIMES live ones.
        """
        taken: list[QueuedBatch] = []
        while (self._live or self._rest) and len(taken) < n_messages and n_bytes > 0:
            is_rest = bool(self._rest) and (not self._live or self._live_left <= 0)
            lane = self._rest if is_rest else self._live
            esn = next(iter(lane))
            message = self._pop(lane, esn, newest=False)
            if esn in lane:
                lane.move_to_end(esn)
            self._live_left = LIVE_TIMES * message.n_bytes if is_rest else self._live_left - message.n_bytes
            taken.append(message)
            n_bytes -= len(message.payload)
        return taken

    def return_batches(self, messages: Sequence[QueuedBatch]) -> None:
        """Queue batches again that were not committed, before all others and in their order."""
        for message in reversed(messages):
            self._put(message, first=True)
            if not message.live:
                self._live_left = 0  # its turn is still to come

    def _put(self, message: QueuedBatch, *, first: bool = False) -> None:
        lane = self._live if message.live else self._rest
        queue = lane.setdefault(message.esn, deque())
        if first:
            lane.move_to_end(message.esn, last=False)
            queue.appendleft(message)
        else:
            queue.append(message)
        sender = self._senders.setdefault(message.esn, _Sender())
        sender.payloads.add(message.payload)
        sender.n_messages += 1
        sender.n_bytes += message.n_bytes
        self._n_bytes += message.n_bytes

    def _pop(self, lane: _Lane, esn: str, *, newest: bool) -> QueuedBatch:
        queue, sender = lane[esn], self._senders[esn]
        message = queue.pop() if newest else queue.popleft()
        sender.payloads.discard(message.payload)
        sender.n_messages -= 1
        sender.n_bytes -= message.n_bytes
        self._n_bytes -= message.n_bytes
        if not queue:
            del lane[esn]
        if not sender.n_messages:
            del self._senders[esn]
        return message
