"""The items of the outbox that wait for the centre's answer, and the batches that they are sent in. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from edge.outbox.changes import Row
from edge.wire import ITEMS_MAX, ViolationBatch, ViolationItem, encode

RESEND_S_MIN = 1.0
BATCH_BYTES_MAX = 256_000
LINK_RETRY_S = 0.5  # while the link is down; a new connection wakes it at once


@dataclass(slots=True)
class Waiting:
    """An item that the centre has not acknowledged."""

    row: Row
    due_s: float = 0.0  # loop time from which it may be sent
    backoff_s: float = RESEND_S_MIN
    n_sent: int = 0
    is_conflicted: bool = False  # the centre knows its key with other bytes: it waits for a new key
    held_by: set[str] = field(default_factory=set)  # centres that hold it, where one does not suffice

    def sent(self, now_s: float, backoff_s_max: float) -> bool:
        """Note that it was sent, and when it is due again; return whether it was the first time."""
        self.n_sent += 1
        self.due_s = now_s + self.backoff_s
        self.backoff_s = min(2.0 * self.backoff_s, backoff_s_max)
        return self.n_sent == 1


def until_due_s(items: Iterable[Waiting], now_s: float) -> float | None:
    """Return the seconds until the next item is due; None where none waits for a time."""
    due_s = min((item.due_s for item in items if not item.is_conflicted), default=None)
    if due_s is None:
        return None
    return due_s - now_s if due_s > now_s else LINK_RETRY_S  # the link refused it, or the window is full


def payload(batch: list[Waiting], sent_ns: int) -> bytes:
    """Return the message that a batch is."""
    items = tuple(_item(waiting.row, sent_ns) for waiting in batch)
    return encode(ViolationBatch(epoch=batch[0].row.key.epoch, items=items))


def _item(row: Row, sent_ns: int) -> ViolationItem:
    if row.violation is None:
        return ViolationItem(seq=row.key.seq, void=row.void or "unreadable")
    detected_ns = row.detected_ns or sent_ns
    return ViolationItem(
        seq=row.key.seq,
        detected_ns=detected_ns,
        sent_ns=max(sent_ns, detected_ns),
        violation=row.violation,
    )


def batches(items: list[Waiting]) -> Iterable[list[Waiting]]:
    """Split items into batches of one epoch each, within the limits of items and bytes."""
    batch: list[Waiting] = []
    n_bytes = 0
    for item in items:
        size = len(item.row.violation or b"")
        other = bool(batch) and item.row.key.epoch != batch[0].row.key.epoch
        if batch and (other or len(batch) == ITEMS_MAX or n_bytes + size > BATCH_BYTES_MAX):
            yield batch
            batch, n_bytes = [], 0
        batch.append(item)
        n_bytes += size
    if batch:
        yield batch
