"""When vehicles were judged and what was raised then, over restarts: no stored fix is judged twice. Pure.

Each terminal has a row on disk: its spans of judged time, the newest perhaps still open, and its newest
episodes. A row is written when a span begins or ends and when something is raised, a hundredth of the
terminals at each tick. Beside them lies until when the rows are complete, and the times of which nothing is
known: from there to the restart. What was measured then may have been judged: it is refused.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from core.times import TICK_NS
from fusion.clocks import UNSTORED_NS
from geofence.context import BRIDGED_NS
from geofence.violation import Violation
from roadside.pipeline_late_times import RAISED_MAX, SPANS_MAX, JudgedTimes, RaisedEpisode, is_same, joined

GROUPS = 100  # each terminal's row is looked at once in so many ticks: all of them in 10 s
# A change is on disk so long after it at the latest; an end shows only BRIDGED_NS after it
BEHIND_NS = GROUPS * TICK_NS + BRIDGED_NS
TERMINALS_MAX = 20_000  # rows that are read at a start, the newest
UNTIL_KEY = "judged_until"
Stamp = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Span = tuple[Stamp, Stamp]


class JudgedRow(msgspec.Struct, frozen=True, kw_only=True, tag="judged"):
    """One terminal's row."""

    terminal: Annotated[str, Meta(min_length=1, max_length=64)]
    spans: Annotated[tuple[Span, ...], Meta(max_length=SPANS_MAX)] = ()
    is_open: bool = False  # the last span lasts as long as the rows are complete
    raised: Annotated[tuple[RaisedEpisode, ...], Meta(max_length=RAISED_MAX)] = ()


class JudgedUntil(msgspec.Struct, frozen=True, kw_only=True, tag="judged_until"):
    """Until when the rows are complete, but for the unknown times."""

    stamp_ns: Stamp
    unknown: Annotated[tuple[Span, ...], Meta(max_length=SPANS_MAX)] = ()


class LedgerState(msgspec.Struct, frozen=True, kw_only=True):
    """All that the ledger's next step depends on; numbers are the tracker's rows of terminals."""

    until_ns: int = 0
    unknown: tuple[Span, ...] = ()
    before: tuple[JudgedRow, ...] = ()
    open: tuple[int, ...] = ()
    unsaved: tuple[int, ...] = ()
    begun: tuple[int, ...] = ()
    raised: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


class _Before(NamedTuple):
    """What an earlier run knew of a terminal."""

    spans: list[tuple[int, int]]
    raised: tuple[RaisedEpisode, ...]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(JudgedRow | JudgedUntil)


def key_of(terminal: str) -> str:
    """Return the key of a terminal's row on the disk."""
    return f"judged/{terminal}"


class Ledger:
    """The rows of earlier runs, and what of this run the disk lacks."""

    def __init__(self, times: JudgedTimes, known_ns: int = 0) -> None:
        """times : of this run.  known_ns : before it, nothing is known."""
        self.until_ns = 0
        self.unknown: list[tuple[int, int]] = [(0, known_ns)] if known_ns else []
        self._times = times
        self._before: dict[str, _Before] = {}
        self._open: list[set[int]] = [set() for _ in range(GROUPS)]  # rows whose newest span lasts
        self._unsaved: list[set[int]] = [set() for _ in range(GROUPS)]
        self._gone: list[str] = []  # terminals whose rows the disk forgets

    def start(self, now_ns: int, bodies: Sequence[bytes]) -> tuple[bytes, ...]:
        """Begin with what the disk has; return the other bodies."""
        rows, others, found = [], [], JudgedUntil(stamp_ns=0)
        for body in bodies:
            row = _decoded(body)
            if row is None:
                others.append(body)
            elif isinstance(row, JudgedUntil):
                found = row
            else:
                rows.append(row)
        self.until_ns = min(found.stamp_ns, now_ns)
        self.unknown = joined([*found.unknown, (self.until_ns, now_ns)])
        rows.sort(key=lambda row: row.spans[-1][1] if row.spans else 0)
        for k, row in enumerate(rows):
            spans = list(row.spans)
            if row.is_open and spans:
                spans[-1] = (spans[-1][0], max(spans[-1][1], self.until_ns))
            is_old = not spans or now_ns - spans[-1][1] > UNSTORED_NS or k < len(rows) - TERMINALS_MAX
            if is_old:
                self._gone.append(row.terminal)
            else:
                self._before[row.terminal] = _Before(spans, row.raised)
        return tuple(others)

    def is_unknown(self, stamp_ns: int) -> bool:
        """Whether nothing is known of a time: earlier runs may have judged then."""
        return any(first <= stamp_ns < last for first, last in self.unknown)

    def holds(self, terminal: str, stamp_ns: int) -> bool:
        """Whether the vehicle was judged at that time by an earlier run."""
        known = self._before.get(terminal)
        return known is not None and any(first <= stamp_ns <= last for first, last in known.spans)

    def was_raised(self, terminal: str, found: Violation) -> bool:
        """Whether an earlier run raised an episode of this rule and zone at that time."""
        known = self._before.get(terminal)
        return known is not None and any(is_same(one, found) for one in known.raised)

    def tick(self, t_ns: int, ids: Sequence[str], row_of: dict[str, int]) -> list[tuple[str, bytes | None]]:
        """Return the rows that the disk should keep (None: forget), of a hundredth of the terminals.

        ids, row_of : the tracker's terminals by row, and back
        """
        times, group = self._times, t_ns // TICK_NS % GROUPS
        for w in times.begun:
            self._open[w % GROUPS].add(w)
            self._unsaved[w % GROUPS].add(w)
        for w in (row_of[name] for name in times.named if name in row_of):
            self._unsaved[w % GROUPS].add(w)
        times.begun, times.named = set(), set()
        ended = {w for w in self._open[group] if t_ns - times.newest_ns(w) > BRIDGED_NS}
        self._open[group] -= ended
        due = sorted(self._unsaved[group] | ended)
        self._unsaved[group] = set()
        rows: list[tuple[str, bytes | None]] = [(key_of(name), None) for name in self._gone]
        self._gone = []
        rows += [self._row(ids[w], w) for w in due]
        if group == 0:
            self._forget(t_ns, row_of)
            self.until_ns = max(self.until_ns, t_ns - BEHIND_NS)
            until = JudgedUntil(stamp_ns=self.until_ns, unknown=tuple(self.unknown))
            rows.append((UNTIL_KEY, _ENCODER.encode(until)))
        return rows

    def note(self, terminal: str, stamps_ns: Iterable[int]) -> None:
        """Note when a terminal without a row in the tracker was judged: as if an earlier run had done it."""
        known = self._before.get(terminal, _Before([], ()))
        spans = joined([*known.spans, *((at_ns, at_ns) for at_ns in stamps_ns)])
        self._before[terminal] = known._replace(spans=spans)

    def save(self, w: int | None, terminal: str) -> tuple[str, bytes]:
        """Return a terminal's row, which the disk keeps at once; w : its row in the tracker, None without."""
        if w is None:
            return self._row(terminal, None)
        self._unsaved[w % GROUPS].discard(w)
        if w in self._times.begun:  # live fixes may extend it: what is open is saved again when it ends
            self._times.begun.discard(w)
            self._open[w % GROUPS].add(w)
        return self._row(terminal, w)

    def drop(self, w: int, terminal: str) -> None:
        """Forget a terminal and its row: the next one there is another, and no stored fix of it is judged."""
        self._open[w % GROUPS].discard(w)
        self._unsaved[w % GROUPS].discard(w)
        self._before.pop(terminal, None)
        self._times.forget(w)
        self._gone.append(terminal)

    def _row(self, terminal: str, w: int | None) -> tuple[str, bytes]:
        known = self._before.get(terminal, _Before([], ()))
        raised = {one.id: one for one in chain(known.raised, self._times.raised_of(terminal))}
        row = JudgedRow(
            terminal=terminal,
            spans=tuple(known.spans if w is None else joined([*known.spans, *self._times.spans_of(w)])),
            is_open=w is not None and w in self._open[w % GROUPS],
            raised=tuple(raised.values())[-RAISED_MAX:],
        )
        return key_of(terminal), _ENCODER.encode(row)

    def _forget(self, t_ns: int, row_of: dict[str, int]) -> None:
        """Forget what is older than any stored fix."""
        self.unknown = [span for span in self.unknown if t_ns - span[1] <= UNSTORED_NS]
        old = [name for name, one in self._before.items() if t_ns - one.spans[-1][1] > UNSTORED_NS]
        for name in old:
            del self._before[name]
            if name in row_of:  # this run has seen it since
                self._unsaved[row_of[name] % GROUPS].add(row_of[name])
            else:
                self._gone.append(name)

    # ---- the whole state

    def state(self) -> LedgerState:
        """Return everything on which the next step depends, beside the times of this run."""
        return LedgerState(
            until_ns=self.until_ns,
            unknown=tuple(self.unknown),
            before=tuple(
                JudgedRow(terminal=name, spans=tuple(one.spans), raised=one.raised)
                for name, one in self._before.items()
            ),
            open=tuple(sorted(chain(*self._open))),
            unsaved=tuple(sorted(chain(*self._unsaved))),
            begun=tuple(sorted(self._times.begun)),
            raised=tuple(sorted(self._times.named)),
            gone=tuple(self._gone),
        )

    def restore(self, state: LedgerState, began_ns: int) -> None:
        """Continue exactly from `state`, once the times of this run are restored.

        began_ns : when this run did; a state of a version without a ledger knows nothing of before
        """
        self.until_ns = state.until_ns
        is_of_before = began_ns > 0 and not state.until_ns
        self.unknown = [(0, began_ns)] if is_of_before and not state.unknown else list(state.unknown)
        self._before = {row.terminal: _Before(list(row.spans), row.raised) for row in state.before}
        self._open = [{w for w in state.open if w % GROUPS == group} for group in range(GROUPS)]
        self._unsaved = [{w for w in state.unsaved if w % GROUPS == group} for group in range(GROUPS)]
        self._gone = list(state.gone)
        self._times.begun, self._times.named = set(state.begun), set(state.raised)


def _decoded(body: bytes) -> JudgedRow | JudgedUntil | None:
    """Return a row of the disk; None for other bytes, and for spans that are none."""
    try:
        row: JudgedRow | JudgedUntil = _DECODER.decode(body)
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError):
        return None
    spans = row.spans if isinstance(row, JudgedRow) else row.unknown
    return row if all(first <= last for first, last in spans) else None
