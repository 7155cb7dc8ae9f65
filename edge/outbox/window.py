"""Which of the items that wait are sent next, how many are on their way, and when one is sent again. Pure.

All that wait are looked through only when one of them is due again: with each answer of the centre it would
cost more than the sending. New items come by `add`, and are sent before a backlog.
"""

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from edge.outbox.batches import LINK_RETRY_S, Waiting
from edge.outbox.changes import Key
from edge.wire import ITEMS_MAX

RESEND_S_MAX = 10.0
ITEMS_INFLIGHT_MAX = 512  # items sent and not yet due again
LIVE_INFLIGHT_MAX = 128  # more of them that are live: they don't wait for the answers to a backlog
LIVE_NS = 5_000_000_000  # after its detection an item is live: `centre.inbox` knows it by the same time
SCAN_S = 0.25  # between two looks through all that wait, but after a new connection
ANSWERS = 4.0  # usual times of an answer after which an item counts as lost
ANSWER_S_MAX = 5.0 / ANSWERS


class Window:
    """The items that wait, by key, belong to the outbox; all times are of its loop [s].

    An item is `live` for LIVE_NS. scan_s : when to look through all of them again
    """

    def __init__(self, waiting: Mapping[Key, Waiting]) -> None:
        self._waiting = waiting
        self._live: deque[Key] = deque()
        self._backlog: deque[Key] = deque()
        self._inflight: set[Key] = set()
        self._is_refused = False
        self._answer_s = 0.0  # the usual time from the sending of an item to its answer
        self.scan_s = self._scanned_s = 0.0

    def add(self, key: Key) -> None:
        """Note a new item of this epoch."""
        self._live.append(key)

    def look_again(self) -> None:
        """Look through all that wait at the next turn: something made items due."""
        self.scan_s = 0.0

    def make_all_due(self) -> None:
        """Let all be sent again: the connection or the epoch is new."""
        for item in self._waiting.values():
            item.make_due()
        self.look_again()

    def free(self, key: Key) -> None:
        """Note that an item is not on its way any more: it was answered, or is gone."""
        self._inflight.discard(key)

    def next(self, now_s: float, now_ns: int, epoch: int) -> list[Waiting]:
        """Return what to send now, live items first, within what may be on its way; a message's at most.

        now_ns : by the clock that stamps detections.  epoch : the present one; older ones come last
        """
        if now_s >= self.scan_s:
            self._scan(now_s, now_ns, epoch)
        live = self._taken(self._live, ITEMS_INFLIGHT_MAX + LIVE_INFLIGHT_MAX, now_s)
        return live or self._taken(self._backlog, ITEMS_INFLIGHT_MAX, now_s)

    def sent(self, items: Iterable[Waiting], now_s: float) -> None:
        """Note a batch that left: each item is due again when its answer should have come for long."""
        answer_s = ANSWERS * self._answer_s
        for item in items:
            item.n_sent += 1
            item.due_s = now_s + max(item.backoff_s, answer_s)
            item.first_s = item.first_s or now_s
            item.backoff_s = min(2.0 * item.backoff_s, RESEND_S_MAX)
            self.scan_s = min(self.scan_s, max(item.due_s, self._scanned_s + SCAN_S))

    def refused(self, items: Sequence[Waiting]) -> None:
        """Note items that the link did not take: they are the first at the next turn."""
        for item in items:
            self._inflight.discard(item.row.key)
        self._live.extendleft(item.row.key for item in reversed(items))
        self._is_refused = True

    def answered(self, items: Iterable[Waiting], now_s: float) -> None:
        """Note answers, by which the usual time of one is known."""
        for item in items:
            if item.first_s is not None:
                taken_s = min(now_s - item.first_s, ANSWER_S_MAX)
                self._answer_s += (taken_s - self._answer_s) / 64.0
                item.first_s = None

    def until_s(self, now_s: float) -> float | None:
        """Return the seconds until the next turn, if nothing happens before; None: nothing is due ever."""
        next_s = min(self.scan_s, now_s + LINK_RETRY_S) if self._is_refused else self.scan_s
        self._is_refused = False
        return None if math.isinf(next_s) else max(0.0, next_s - now_s)

    def _scan(self, now_s: float, now_ns: int, epoch: int) -> None:
        """Put all that is due into the two queues, in order, and count anew what is on its way."""
        self._inflight.clear()
        self._scanned_s, self.scan_s = now_s, math.inf
        live: list[Key] = []
        backlog: list[tuple[bool, Key]] = []
        for key, item in self._waiting.items():
            if item.is_conflicted:
                continue
            if item.due_s > now_s:
                self.scan_s = min(self.scan_s, max(item.due_s, now_s + SCAN_S))
                if not item.held_by:
                    self._inflight.add(key)
            elif key.epoch == epoch and now_ns - (item.row.detected_ns or 0) < LIVE_NS:
                live.append(key)
            else:
                backlog.append((item.n_sent > 0 or key.epoch != epoch, key))
        self._live, self._backlog = deque(sorted(live)), deque(key for _, key in sorted(backlog))

    def _taken(self, queue: deque[Key], limit: int, now_s: float) -> list[Waiting]:
        """Take from a queue what may be sent; each counts as on its way from now on."""
        found: list[Waiting] = []
        while queue and len(found) < ITEMS_MAX and len(self._inflight) < limit:
            key = queue.popleft()
            item = self._waiting.get(key)
            if item is None or item.is_conflicted or item.due_s > now_s or key in self._inflight:
                continue  # answered or sent meanwhile
            self._inflight.add(key)
            found.append(item)
        return found
