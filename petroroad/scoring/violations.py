"""Raised violations against the true ones (docs/design.md section 4, `demo`). Pure: lists in, figures out."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

SLACK_NS = 3_000_000_000  # how far apart in time two reports of one event may be
UNSETTLED_NS = 10_000_000_000  # an event that begins this near the end is not judged yet
PLACE_M = 15.0  # an unidentified vehicle is the true one when it is this near: less than a gap between trucks
METRES_PER_DEGREE = 111_320.0
# Rules about a source. One vehicle's silence, a terminal without a vehicle, and a terminal's fault are easily
# taken for each other: who raises one in place of the other has seen that something is wrong, and not what
SOURCES = ("dark_vehicle", "ghost_report", "gnss_integrity")
REASONS = {  # of `gnss_integrity`, by the kind that the truth states; a replayed place is one that is off
    "drag": "dragged", "slow": "dragged", "replay": "dragged", "frozen": "frozen",
    "overconfident": "overconfident", "jam.lost": "jammed", "jam.noise": "jammed",
}  # fmt: skip

LonLat = tuple[float, float]
PlaceOf = Callable[[int, int], LonLat | None]  # (true vehicle, stamp_ns) -> where it was


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueEvent:
    """One `/truth/violation`."""

    id: str
    rule: str
    vehicle: int
    terminal: str | None
    start_ns: int
    end_ns: int
    terminals: tuple[
        str, ...
    ] = ()  # all that one cause concerns; one report of it, of any of them, is enough
    vehicles: tuple[int, ...] = ()
    kind: str | None = None  # of a terminal's fault, as the truth states it
    due_ns: int | None = None  # when the truth itself first met the rule's grade `warning`; None: not known


@dataclass(frozen=True, slots=True, kw_only=True)
class RaisedEvent:
    """One id that reached `warning`, over all versions and RSUs; or one undecidable record."""

    id: str
    rule: str
    terminal: str | None
    start_ns: int
    end_ns: int | None  # None: still open
    at_ns: int  # when the first version of that grade was measured, and where
    place: LonLat
    latency_ms: float | None = None  # None: a tick decided
    reason: str | None = None  # of `gnss_integrity`: the fault


@dataclass(slots=True)
class Score:
    """The figures, and which events they come from."""

    n_true: int = 0
    n_raised: int = 0
    matched: list[tuple[TrueEvent, RaisedEvent]] = field(default_factory=list)
    missed: list[TrueEvent] = field(default_factory=list)
    false: list[RaisedEvent] = field(default_factory=list)
    duplicates: list[RaisedEvent] = field(default_factory=list)
    mislabelled: list[RaisedEvent] = field(default_factory=list)  # of the false: another fault was true

    @property
    def precision(self) -> float:
        """Share of the raised that are true; nothing raised is nothing wrong."""
        return len(self.matched) / self.n_raised if self.n_raised else 1.0

    @property
    def recall(self) -> float:
        """Share of the true that were raised."""
        return 1.0 - len(self.missed) / self.n_true if self.n_true else 1.0


def score(true: Sequence[TrueEvent], raised: Sequence[RaisedEvent], end_ns: int, place_of: PlaceOf) -> Score:
    """Match by rule, vehicle (unidentified: place) and overlap in time; each raised one to its best."""
    settled = {event.id for event in true if event.start_ns <= end_ns - UNSETTLED_NS}
    result = Score(n_true=len(settled))
    found: set[str] = set()  # only asked, never iterated
    for event in sorted(raised, key=lambda e: (e.start_ns, e.id)):
        candidates = [t for t in true if _is_same(t, event, end_ns, place_of)]
        best = max(candidates, key=lambda t: _nearness(t, event, end_ns), default=None)
        if best is not None and best.id not in settled:
            continue
        result.n_raised += 1
        if best is None:
            result.false.append(event)
            if event.rule in SOURCES and any(_is_other_fault(t, event, end_ns, place_of) for t in true):
                result.mislabelled.append(event)
            continue
        result.matched.append((best, event))
        if best.id in found:
            result.duplicates.append(event)
        found.add(best.id)
    result.missed = [event for event in true if event.id in settled and event.id not in found]
    return result


def _is_same(true: TrueEvent, raised: RaisedEvent, end_ns: int, place_of: PlaceOf) -> bool:
    if true.rule != raised.rule or _overlap_ns(true, raised, end_ns) < -SLACK_NS:
        return False
    wanted = REASONS.get(true.kind or "")
    if None not in (wanted, raised.reason) and wanted != raised.reason and raised.rule == "gnss_integrity":
        return False
    return is_of_vehicle(true, raised, place_of)


def is_of_vehicle(true: TrueEvent, raised: RaisedEvent, place_of: PlaceOf) -> bool:
    """Return whether a raised event is about the vehicle of a true one: by its name, else by its place."""
    if raised.terminal is not None:
        return raised.terminal in (true.terminal, *true.terminals)
    place = place_of(true.vehicle, raised.at_ns)
    return place is not None and distance_m(place, raised.place) <= PLACE_M


def _is_other_fault(true: TrueEvent, raised: RaisedEvent, end_ns: int, place_of: PlaceOf) -> bool:
    """Return whether another rule about a source, or another fault, would have been right."""
    near = true.rule in SOURCES and _overlap_ns(true, raised, end_ns) >= -SLACK_NS
    return near and is_of_vehicle(true, raised, place_of)


def was_undecidable(true: TrueEvent, records: Sequence[RaisedEvent], end_ns: int, place_of: PlaceOf) -> bool:
    """Return whether some record says that the vehicle could not be judged at some time of a true event."""
    return any(
        _overlap_ns(true, record, end_ns) > 0 and is_of_vehicle(true, record, place_of) for record in records
    )


def _overlap_ns(true: TrueEvent, raised: RaisedEvent, end_ns: int) -> int:
    """Return the common time; negative: the gap between them."""
    raised_end_ns = end_ns if raised.end_ns is None else raised.end_ns
    return min(true.end_ns, raised_end_ns) - max(true.start_ns, raised.start_ns)


def _nearness(true: TrueEvent, raised: RaisedEvent, end_ns: int) -> tuple[int, int, str]:
    """Return the quality of a match, as a sort key: common time, then like starts, then the id."""
    return _overlap_ns(true, raised, end_ns), -abs(true.start_ns - raised.start_ns), true.id


def distance_m(a: LonLat, b: LonLat) -> float:
    """Return the distance of two near places in degrees, on a plane that touches at the first."""
    east = (b[0] - a[0]) * math.cos(math.radians(a[1]))
    return math.hypot(east, b[1] - a[1]) * METRES_PER_DEGREE
