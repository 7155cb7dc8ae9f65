"""Whether a status is newer than what is known of its sender, and how old it is. Pure.

A signature shows who wrote a status, not when it was sent. So a sender's stamps grow within a connection, and
a reader believes none twice: docs/design.md section 7, "Statuses".
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from core.times import NS

AGE_NS = 60 * NS  # somebody kept back a status that is older; only where the sender's clock offset is known
# A status that is younger is of a sender that lives now: nothing that was recorded in a silence of
# SILENT_NS before it can be as young
LIVE_NS = 3 * NS
SILENT_NS = 6 * NS  # three heartbeats
SET_BACK_NS = 10 * NS  # a sender's clock that falls by more needs a new connection, where stamps begin anew
CONNECTIONS_KEPT = 16


class Order(NamedTuple):
    """The place of a status among those of its sender."""

    epoch: int
    connection: int
    stamp_ns: int


def age_ns(stamp_ns: int | None, offset_ms: float | None, now_ns: int) -> int | None:
    """Return how old a stamp is; None where it can't be known.

    offset_ms : how far the sender says that its clock is ahead of ours.  now_ns : by our clock
    """
    if stamp_ns is None or offset_ms is None:
        return None
    return now_ns - (stamp_ns - round(offset_ms * 1e6))


def is_live(age: int | None) -> bool:
    """Say whether an age [ns] shows a sender that lives now."""
    return age is not None and abs(age) <= LIVE_NS


@dataclass(slots=True)
class Newest:
    """The newest stamp that was believed of each of a sender's last connections."""

    _stamps: dict[tuple[int, int], int] = field(default_factory=dict)

    def has(self, order: Order) -> bool:
        """Say whether this status, or a newer one of its connection, was believed before."""
        return order.stamp_ns <= self._stamps.get(order[:2], -1)

    def is_beyond(self, order: Order) -> bool:
        """Say whether a newer status than this one of its connection was believed before."""
        return order.stamp_ns < self._stamps.get(order[:2], -1)

    def add(self, order: Order) -> None:
        """Note a status that is believed."""
        self._stamps.pop(order[:2], None)
        self._stamps[order[:2]] = order.stamp_ns
        while len(self._stamps) > CONNECTIONS_KEPT:
            del self._stamps[next(iter(self._stamps))]


class Stamps:
    """The stamps of our own statuses: they grow within a connection."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns, self._last_ns = now_ns, 0

    def next_ns(self) -> int:
        """Return the stamp of our next status."""
        now_ns = self._now_ns()
        is_near = self._last_ns - now_ns <= SET_BACK_NS
        self._last_ns = max(now_ns, self._last_ns + 1) if is_near else now_ns
        return self._last_ns

    def must_begin_anew(self) -> bool:
        """Say whether our clock was set back, so that only a new connection can have lower stamps."""
        return self._last_ns - self._now_ns() > SET_BACK_NS
