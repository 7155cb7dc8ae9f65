"""The times at which each terminal's vehicle was judged, and what was raised then: none is judged twice.

Pure. A span is a time in which the vehicle was judged with gaps of BRIDGED_NS at most.
"""

from collections import OrderedDict, deque
from collections.abc import Collection, Iterable, Sequence

import msgspec
import numpy as np

from core.arrays import I64
from fusion.columns import Columns, columns_of, read_ints
from geofence.context import BRIDGED_NS
from geofence.violation import Violation

SPANS_MAX = 8  # of one terminal; of more, the two oldest become one: what lay between counts as judged
RAISED_MAX = 16  # episodes of one terminal
RAISED_TERMINALS_MAX = 4_096
SPAN_NAMES = ("terminal", "from_ns", "to_ns")


class RaisedEpisode(msgspec.Struct, frozen=True, kw_only=True):
    """An episode that was raised while its vehicle drove."""

    terminal: str
    id: str
    rule: str
    zone: str | None
    start_ns: int
    end_ns: int


class JudgedTimes:
    """Spans by the tracker's row of the terminal, episodes by the terminal's name."""

    def __init__(self) -> None:
        self._now: I64 = np.zeros((0, 2), dtype=np.int64)  # the newest span of each row: from, to; 0 none
        self._older: dict[int, list[tuple[int, int]]] = {}
        self._raised: OrderedDict[str, deque[RaisedEpisode]] = OrderedDict()
        self.begun: set[int] = set()  # rows with a span that the disk lacks (roadside.pipeline_late_ledger)
        self.named: set[str] = set()  # terminals with an episode that it lacks

    def note(self, rows: I64, stamp_ns: I64) -> None:
        """Note when vehicles were last judged: rows (n,) of their terminals, each once; stamps (n,)."""
        if not len(rows):
            return
        self._grow(int(rows.max()) + 1)
        now = self._now[rows]
        follows = (now[:, 1] > 0) & (stamp_ns - now[:, 1] <= BRIDGED_NS)
        self._now[rows, 1] = np.where(follows, np.maximum(now[:, 1], stamp_ns), now[:, 1])
        for w, at_ns in zip(rows[~follows].tolist(), stamp_ns[~follows].tolist(), strict=True):
            if at_ns > 0:
                self.add(w, at_ns, at_ns)

    def add(self, w: int, from_ns: int, to_ns: int) -> None:
        """Add a span of row w; the newest one is the one that may last on."""
        self._grow(w + 1)
        spans = joined([*self.spans_of(w), (from_ns, to_ns)])
        self._now[w] = spans[-1]
        if spans[:-1]:
            self._older[w] = spans[:-1]
        else:
            self._older.pop(w, None)
        self.begun.add(w)

    def forget(self, w: int) -> None:
        """Forget row w: it is another terminal's from now on."""
        if w < len(self._now):
            self._now[w] = 0
        self._older.pop(w, None)
        self.begun.discard(w)

    def holds(self, w: int, stamp_ns: int) -> bool:
        """Whether the vehicle of row w was judged at that time."""
        return any(first <= stamp_ns <= last for first, last in self.spans_of(w))

    def newest_ns(self, w: int) -> int:
        """Return when the vehicle of row w was judged last; 0: never."""
        return int(self._now[w, 1]) if w < len(self._now) else 0

    def note_raised(self, versions: Iterable[Violation]) -> None:
        """Note versions that are raised now; the record of a time that could not be judged accuses nobody."""
        for found in versions:
            self._note_raised(found)

    def _note_raised(self, found: Violation) -> None:
        terminal = None if found.vehicle is None else found.vehicle.terminal
        if terminal is None or found.late or found.grade == "undecidable":
            return
        episode = RaisedEpisode(
            terminal=terminal, id=found.id, rule=found.rule, zone=found.zone, start_ns=found.start_ns,
            end_ns=max(found.end_ns or 0, found.stamps.measured_ns),
        )  # fmt: skip
        known = self._raised.setdefault(terminal, deque(maxlen=RAISED_MAX))
        self._raised.move_to_end(terminal)
        if known and known[-1].id == found.id:
            known.pop()
        known.append(episode)
        self.named.add(terminal)
        if len(self._raised) > RAISED_TERMINALS_MAX:
            self._raised.popitem(last=False)

    def was_raised(self, terminal: str, found: Violation) -> bool:
        """Whether an episode of this rule and zone was raised at the time of another that is found now."""
        return any(is_same(one, found) for one in self.raised_of(terminal))

    def raised_of(self, terminal: str) -> Sequence[RaisedEpisode]:
        """Return the newest episodes of a terminal."""
        return self._raised.get(terminal, ())

    def was_raised_near(self, terminal: str, rules: Collection[str], at_ns: int, apart_ns: int) -> bool:
        """Whether an episode of any of the rules lasted, or nearly, at that time."""
        return any(
            one.rule in rules and one.start_ns - apart_ns <= at_ns <= one.end_ns + apart_ns
            for one in self._raised.get(terminal, ())
        )

    def spans(self) -> Columns:
        """Return all spans, as `restore` needs them."""
        rows = [(w, *span) for w in np.flatnonzero(self._now[:, 1]).tolist() for span in self.spans_of(w)]
        return columns_of(SPAN_NAMES, np.array(rows, dtype=np.int64).reshape(-1, len(SPAN_NAMES)))

    def raised(self) -> tuple[RaisedEpisode, ...]:
        """Return all episodes, those of the longest silent terminal first."""
        return tuple(episode for known in self._raised.values() for episode in known)

    def restore(self, spans: Columns | None, raised: Sequence[RaisedEpisode]) -> None:
        """Put back what `spans` and `raised` returned."""
        self._now, self._older = np.zeros((0, 2), dtype=np.int64), {}
        for w, first, last in read_ints(spans, SPAN_NAMES).tolist():
            self.add(w, first, last)
        self._raised = OrderedDict()
        for episode in raised:
            self._raised.setdefault(episode.terminal, deque(maxlen=RAISED_MAX)).append(episode)

    def spans_of(self, w: int) -> list[tuple[int, int]]:
        """Return the spans of row w, the oldest first."""
        if w >= len(self._now) or not self._now[w, 1]:
            return []
        return [*self._older.get(w, ()), (int(self._now[w, 0]), int(self._now[w, 1]))]

    def _grow(self, n: int) -> None:
        if n > len(self._now):
            longer = np.zeros((max(64, 2 * n), 2), dtype=np.int64)
            longer[: len(self._now)] = self._now
            self._now = longer


def joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans in their order, those with short gaps as one, the newest SPANS_MAX of them."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if found and first - found[-1][1] <= BRIDGED_NS:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    while len(found) > SPANS_MAX:
        found[:2] = [(found[0][0], found[1][1])]
    return found


def is_same(one: RaisedEpisode, found: Violation) -> bool:
    """Whether an episode that was raised and another that is found are of one rule, zone and time."""
    end_ns = found.end_ns or found.stamps.measured_ns
    return (
        (one.rule, one.zone) == (found.rule, found.zone)
        and found.start_ns <= one.end_ns
        and one.start_ns <= end_ns
    )
