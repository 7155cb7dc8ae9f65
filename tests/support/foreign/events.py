"""The true events of a run, as `/truth/violation` states them."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tests.support.foreign.departures import Departure
from tests.support.foreign.motion import Motion, over_line_m
from tests.support.foreign.receivers import Reports

STEP_S = 0.01
DARK_S = 12.0  # a silent truck that is on the lane for less is no event: its rule needs 10 s
GHOST_ID = 1_000_000  # a ghost is nowhere in `/truth`


def events_of(motion: Motion, reports: Sequence[Reports], t0_ns: int) -> Iterator[dict[str, Any]]:
    """Yield departures, dark vehicles, ghosts and dragged terminals."""
    for one in motion.departures:
        yield _departure(motion, one, t0_ns)
    fleet, end_s = motion.fleet, motion.road.scenario.duration_s
    for row in np.flatnonzero(fleet.silent).tolist():
        from_s, until_s = float(motion.from_s[row]), min(end_s, float(motion.until_s[row]))
        if until_s - from_s >= DARK_S:
            yield _event("dark_vehicle", row + 1, None, from_s, until_s, t0_ns, {})
    for ghost in (made for made in reports if made.row < 0):
        number = int(ghost.terminal[2:])
        stamps = ghost.stamp_s[[0, -1]].tolist()
        yield _event("ghost_report", GHOST_ID + number, ghost.terminal, stamps[0], stamps[1], t0_ns, {})
    for made in reports:
        fault = made.fault
        from_s, until_s, kind = made.drag_from_s, np.inf, "drag"
        if fault is not None and fault.manipulates:
            from_s, until_s, kind = fault.from_s, fault.until_s, fault.kind
        manipulated = made.stamp_s[(made.stamp_s > from_s) & (made.stamp_s < until_s)]
        if len(manipulated):
            first, last = float(manipulated[0]), float(manipulated[-1])
            detail = {"kind": kind} if fault is not None else {}
            yield _event("gnss_integrity", made.row + 1, made.terminal, first, last, t0_ns, detail)
    yield from _jams(motion, t0_ns, reports)


def _jams(motion: Motion, t0_ns: int, reports: Sequence[Reports]) -> Iterator[dict[str, Any]]:
    """Yield one event for each jam, with all vehicles and terminals that it concerns."""
    for jam in motion.road.scenario.jams:
        hit = [
            made
            for made in reports
            if (made.jammed & (made.stamp_s >= jam.from_s) & (made.stamp_s < jam.until_s)).any()
        ]
        if hit:
            detail = {"kind": f"jam.{jam.kind}", "from_m": jam.from_m, "to_m": jam.to_m}
            event = _event(
                "gnss_integrity", hit[0].row + 1, hit[0].terminal, jam.from_s, jam.until_s, t0_ns, detail
            )
            yield event | {
                "vehicles": [made.row + 1 for made in hit], "terminals": [made.terminal for made in hit]
            }  # fmt: skip


def _departure(motion: Motion, one: Departure, t0_ns: int) -> dict[str, Any]:
    t = np.arange(one.start_s - 1.0, one.end_s + 1.0, STEP_S)
    over = over_line_m(motion, motion.at(np.full(len(t), one.row), t))
    out = np.flatnonzero(over > 0.0)
    detail = {"deepest": round(float(over.max()), 4)}
    terminal = motion.fleet.terminal(one.row)
    from_s, until_s = float(t[out[0]]), float(t[out[-1]])
    return _event("lane_departure", one.row + 1, terminal, from_s, until_s, t0_ns, detail)


def _event(
    rule: str,
    vehicle: int,
    terminal: str | None,
    from_s: float,
    until_s: float,
    t0_ns: int,
    detail: dict[str, Any],
) -> dict[str, Any]:
    start_ns, end_ns = t0_ns + round(from_s * 1e9), t0_ns + round(until_s * 1e9)
    return {
        "id": f"{rule}-{vehicle}-{start_ns}", "rule": rule, "vehicle": vehicle, "terminal": terminal,
        "start_ns": start_ns, "end_ns": end_ns, "detail": detail,
    }  # fmt: skip
