"""True and raised events, read from recordings for `petroroad.scoring.violations` to match."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from core.times import NS
from edge.recording.recorder import Reading, read_messages
from geofence.violation import GRADES, Violation
from petroroad.scoring.violations import RaisedEvent, TrueEvent

ALARM = GRADES.index("warning")
NOTICES = ("ghost_report", "gnss_integrity")  # rules about a source: their highest grade is a notice


class TruthEventRow(msgspec.Struct, frozen=True, kw_only=True):
    """`/truth/violation`, as far as matching asks."""

    id: str
    rule: str
    vehicle: int
    terminal: str | None = None
    start_ns: int
    end_ns: int
    terminals: tuple[str, ...] = ()
    vehicles: tuple[int, ...] = ()
    detail: dict[str, Any] = {}

    def event(self) -> TrueEvent:
        """Return it for matching; `detail` may state the kind of a fault, and when the rule was broken."""
        fields = msgspec.structs.asdict(self)
        detail = fields.pop("detail")
        due_ns, kind = detail.get("due_ns"), detail.get("kind")
        return TrueEvent(
            **fields,
            kind=kind if isinstance(kind, str) else None,
            due_ns=due_ns if isinstance(due_ns, int) else None,
        )


class TrueStates(msgspec.Struct, frozen=True, kw_only=True):
    """`/truth`, as far as matching asks."""

    stamp_ns: int
    id: tuple[int, ...]
    lon_deg: tuple[float, ...]
    lat_deg: tuple[float, ...]


class Stored(NamedTuple):
    """One committed version and when it was."""

    violation: Violation
    committed_ns: int | None


@dataclass(slots=True)
class Truth:
    """The truth: events, and where each vehicle was."""

    events: list[TrueEvent] = field(default_factory=list)
    end_ns: int = 0
    _stamps: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    _places: dict[int, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))

    @property
    def n_vehicles(self) -> int:
        return len(self._stamps)

    def add_states(self, states: TrueStates) -> None:
        self.end_ns = max(self.end_ns, states.stamp_ns)
        for vehicle, *place in zip(states.id, states.lon_deg, states.lat_deg, strict=True):
            self._stamps[vehicle].append(states.stamp_ns)
            self._places[vehicle].append((place[0], place[1]))

    def place_of(self, vehicle: int, stamp_ns: int) -> tuple[float, float] | None:
        """Return where the vehicle was at the nearest stamp within a second; states come each 100 ms."""
        stamps = self._stamps.get(vehicle, [])
        i = bisect_left(stamps, stamp_ns)
        near = min(
            range(max(0, i - 1), min(len(stamps), i + 1)),
            key=lambda k: abs(stamps[k] - stamp_ns),
            default=None,
        )
        if near is None or abs(stamps[near] - stamp_ns) > NS:
            return None
        return self._places[vehicle][near]


def read_truth(path: Path, reading: Reading | None = None) -> Truth:
    """Read the simulator's truth; damages are noted in `reading`."""
    states, events = msgspec.msgpack.Decoder(TrueStates), msgspec.msgpack.Decoder(TruthEventRow)
    truth = Truth()
    for message in read_messages(path, reading):
        if message.topic == "/truth":
            truth.add_states(states.decode(message.body))
        elif message.topic == "/truth/violation":
            truth.events.append(events.decode(message.body).event())
    return truth


def raised_events(stored: Sequence[Stored]) -> list[RaisedEvent]:
    """Return one event for each id that reached `warning`; a notice is enough for a rule that has no more."""
    events = []
    for rows in _by_id(stored):
        least = GRADES.index("notice") if rows[0].violation.rule in NOTICES else ALARM
        alarms = [row for row in rows if GRADES.index(row.violation.grade) >= least]
        if alarms:
            events.append(_event(rows, alarms))
    return events


def undecidable_records(stored: Sequence[Stored]) -> list[RaisedEvent]:
    """Return one event for each id that never was more than a record of what could not be judged."""
    ids = _by_id(stored)
    return [_event(rows, rows) for rows in ids if all(row.violation.grade == GRADES[0] for row in rows)]


def _by_id(stored: Sequence[Stored]) -> list[list[Stored]]:
    by_id: dict[str, list[Stored]] = defaultdict(list)
    for row in stored:
        by_id[row.violation.id].append(row)
    return list(by_id.values())


def _event(rows: list[Stored], alarms: list[Stored]) -> RaisedEvent:
    """`rows` are one id's versions in the order of (hop, version), `alarms` those that count."""
    first, last = alarms[0].violation, rows[-1].violation
    vehicles = [row.violation.vehicle for row in rows if row.violation.vehicle is not None]
    return RaisedEvent(
        id=first.id,
        rule=first.rule,
        terminal=vehicles[-1].terminal if vehicles else None,
        start_ns=first.start_ns,
        end_ns=last.end_ns,
        at_ns=first.stamps.measured_ns,
        place=(first.lon_deg, first.lat_deg),
        latency_ms=_latency_ms(alarms),
        reason=first.reason,
    )


def _latency_ms(alarms: Iterable[Stored]) -> float | None:
    """Return arrival -> committed of the first version that an observation decided."""
    for violation, committed_ns in alarms:
        if violation.late:
            return None  # it was known long after
        if violation.stamps.by is None and committed_ns is not None:
            return (committed_ns - violation.stamps.arrived_ns) / 1e6
    return None


def event_row(event: TrueEvent | RaisedEvent, events: Sequence[TrueEvent]) -> dict[str, Any]:
    """Return an event's facts for a reader; seconds count from the first true event."""
    zero_ns = min((true.start_ns for true in events), default=event.start_ns)
    return {
        "id": event.id,
        "rule": event.rule,
        "terminal": event.terminal,
        "at_s": (event.start_ns - zero_ns) / 1e9,
    }
