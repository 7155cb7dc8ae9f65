"""The figures of each rule, and of each fault of a terminal: what was found, missed, false, and when."""

from collections.abc import Sequence

from core.times import NS
from edge.figures import quantile
from petroroad.scoring.violations import (
    REASONS,
    PlaceOf,
    RaisedEvent,
    Score,
    TrueEvent,
    was_undecidable,
)


def figures_by_rule(
    score: Score, records: Sequence[RaisedEvent], end_ns: int, place_of: PlaceOf
) -> dict[str, dict[str, float | int | None]]:
    """Return a row for each rule, sorted by name (docs/scoring.md defines the columns).

    records : what was recorded as undecidable
    """
    found = first_raised(score)
    names = [_name(true) for true, _ in found] + [_name(event) for event in score.missed]
    rows: dict[str, dict[str, float | int | None]] = {}
    for name in sorted({*names, *(_name(event) for event in score.false)}):
        mine = [(true, at_ns) for true, at_ns in found if _name(true) == name]
        missed = [true for true in score.missed if _name(true) == name]
        false = [event for event in score.false if _name(event) == name]
        delays = [delay_s(true, at_ns) for true, at_ns in mine]
        rows[name] = {
            "true": len(mine) + len(missed),
            "found": len(mine),
            "missed": len(missed),
            "undecidable": sum(was_undecidable(true, records, end_ns, place_of) for true in missed),
            "false": len(false),
            "mislabelled": sum(event in score.mislabelled for event in false),
            "delay_p50": quantile(delays, 0.5),
            "delay_p95": quantile(delays, 0.95),
            "delay_max": max(delays, default=None),
        }
    return rows


def delay_s(true: TrueEvent, at_ns: int) -> float:
    """Return the time from when the truth met the rule itself; where nobody knows when, from the start."""
    return (at_ns - (true.start_ns if true.due_ns is None else true.due_ns)) / NS


def first_raised(score: Score) -> list[tuple[TrueEvent, int]]:
    """Return each found event, and when it was raised first."""
    found: dict[str, tuple[TrueEvent, int]] = {}
    for true, raised in score.matched:
        at_ns = min(raised.at_ns, found[true.id][1]) if true.id in found else raised.at_ns
        found[true.id] = true, at_ns
    return list(found.values())


def _name(event: TrueEvent | RaisedEvent) -> str:
    """Return the rule, with the fault of a terminal."""
    if isinstance(event, TrueEvent):
        fault = REASONS.get(event.kind or "")
    else:
        fault = event.reason if event.rule == "gnss_integrity" else None
    return event.rule if fault is None else f"{event.rule}.{fault}"
