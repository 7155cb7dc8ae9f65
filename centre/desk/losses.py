"""Losses of view: what the road can't be watched by now, opened once and closed once. Pure.

Each second the present faults are compared with the losses that are open. A fault must last for a while
before it is a loss, and be gone for a while before the loss ends: what comes and goes is one loss.
"""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

Kind = Literal[
    "rsu", "gateway", "broker", "database", "clock", "radar", "cover", "disk", "workers", "own_clock"
]
Key = tuple[Kind, str]  # kind, part
S = 10**9
# how long a fault must last; a missing heartbeat has waited for three of them before it is a fault
LASTS_NS: dict[Kind, int] = {
    "rsu": 1 * S, "gateway": 1 * S, "broker": 5 * S, "database": 2 * S, "disk": 2 * S, "clock": 5 * S,
    "radar": 5 * S, "cover": 20 * S, "workers": 5 * S, "own_clock": 5 * S,
}  # fmt: skip
GONE_NS = 10 * S  # a shorter return doesn't end a loss
OPEN_MAX = 4_000  # losses at once: 512 RSUs with all that they can lack


class Fault(NamedTuple):
    """What is wrong now."""

    since_ns: int  # as far as known
    detail: str
    base_m: float | None = None  # of cover: what it had grown from
    lasts_ns: int | None = None  # how long it must last before it is a loss, where not as its kind


class Loss(NamedTuple):
    """One loss of view; it is open."""

    n: int
    kind: Kind
    part: str
    start_ns: int
    detail: str
    base_m: float | None = None
    is_restored: bool = False  # from before this start of the centre, and not seen since


class Seen(NamedTuple):
    """What one look found.

    faults : what is wrong now.  is_unknown(key) : nobody can say whether this is so, and it stays as it is
    back_ns : when units began that are back, by their own account
    """

    faults: Mapping[Key, Fault]
    is_unknown: Callable[[Key], bool]
    back_ns: Mapping[Key, int]


class Turn(NamedTuple):
    """What one look changed."""

    opened: tuple[Loss, ...]
    closed: tuple[tuple[Loss, int], ...]  # with its end


class LossWatch:
    """The open losses, and what is on its way to become one or to end."""

    def __init__(self, opened: Mapping[Key, Loss], next_n: int) -> None:
        self.open: dict[Key, Loss] = dict(opened)
        self._next_n = next_n
        self._first_ns: dict[Key, int] = {}  # of faults that are no losses yet
        self._gone_ns: dict[Key, int] = {}  # of losses whose faults are gone

    def look(self, seen: Seen, now_ns: int) -> Turn:
        """Compare what is wrong now with the open losses."""
        opened = [self._rise(key, fault, now_ns) for key, fault in seen.faults.items()]
        for key in [each for each in self._first_ns if each not in seen.faults]:
            del self._first_ns[key]
        closed: list[tuple[Loss, int]] = []
        for key in [each for each in self.open if each not in seen.faults]:
            if seen.is_unknown(key):
                self._gone_ns.pop(key, None)
                continue
            gone_ns = self._gone_ns.setdefault(key, now_ns)
            if now_ns - gone_ns >= GONE_NS:
                closed.append(self._end(key, gone_ns, seen.back_ns.get(key)))
        return Turn(tuple(loss for loss in opened if loss is not None), tuple(closed))

    def renumber(self, given: Mapping[int, int]) -> None:
        """Take the numbers that the database gave to losses in place of ours."""
        for key, loss in self.open.items():
            if loss.n in given:
                self.open[key] = loss._replace(n=given[loss.n])
        self._next_n = max([self._next_n, *(n + 1 for n in given.values())])

    def _rise(self, key: Key, fault: Fault, now_ns: int) -> Loss | None:
        """Note a fault; return the loss that it now is, if it is a new one."""
        self._gone_ns.pop(key, None)
        known = self.open.get(key)
        if known is not None:
            if known.is_restored:
                self.open[key] = known._replace(is_restored=False)
            return None
        first_ns = self._first_ns.setdefault(key, now_ns)
        lasts_ns = LASTS_NS[key[0]] if fault.lasts_ns is None else fault.lasts_ns
        if now_ns - first_ns < lasts_ns or len(self.open) >= OPEN_MAX:
            return None
        del self._first_ns[key]
        loss = Loss(self._next_n, *key, min(fault.since_ns, first_ns), fault.detail, fault.base_m)
        self._next_n += 1
        self.open[key] = loss
        return loss

    def _end(self, key: Key, gone_ns: int, back_ns: int | None) -> tuple[Loss, int]:
        """End a loss: at the unit's own start where it came back while the centre was down."""
        loss = self.open.pop(key)
        del self._gone_ns[key]
        end_ns = gone_ns
        if loss.is_restored and back_ns is not None and loss.start_ns < back_ns < gone_ns:
            end_ns = back_ns
        return loss, max(end_ns, loss.start_ns)
