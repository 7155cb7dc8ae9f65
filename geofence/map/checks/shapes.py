"""Faults of one lane's shape: coarse bends, zigzags, widths and limits that no road has."""

import numpy as np

from core.arrays import F64, I64
from geofence.map.faults import NAMED_MAX, Faults
from geofence.map.lines import Deviation, Lines, chord_error, lines_of, pulled, without_repeats, zigzag
from geofence.map.outlines import WIDTH_MAX_M
from geofence.map.reading import Lane
from geofence.map.strips import CHORD_UNSAID_M, LEFT_START, RIGHT_START, Strips

# Of 0.62 m that a truck has beside it, a bend that is drawn so coarsely leaves a third
CHORD_M_MAX = 0.4
ZIGZAG_M_MAX = 0.3  # of a boundary: as much as a truck's edge has beside it, and the depth of a notice
TRUCK_M = 2.5  # GB 1589: trucks and buses are up to 2.55 m wide
CAR_M = 1.6
WIDE_M = 8.0  # a ramp of one lane with its shoulder (JTG D20: 8.5 m with 3 m of hard shoulder) is no wider
TAPER_M = 0.5  # an end as narrow is a taper's
FASTEST_MPS = 120 / 3.6  # of any road in the country (regulation of the road traffic safety law, art. 78)
SLOWEST_MPS = 5 / 3.6  # of a yard


def check_shapes(lanes: tuple[Lane, ...], strips: Strips, faults: Faults) -> None:
    """Find lanes that no road looks like."""
    for side, boundaries in (
        ("left", [lane.left_boundary for lane in lanes]),
        ("right", [lane.right_boundary for lane in lanes]),
    ):
        lines = without_repeats(lines_of(boundaries))
        _check_chords(lanes, side, lines, chord_error(lines), faults)
        turns = zigzag(lines)
        _check_zigzags(lanes, side, lines, turns, faults)
        _check_pulled(lanes, side, lines, turns, pulled(lines), faults)
    _check_widths(lanes, strips, faults)
    _check_values(lanes, faults)


def _check_chords(lanes: tuple[Lane, ...], side: str, lines: Lines, off: Deviation, faults: Faults) -> None:
    for i in np.flatnonzero(off.most_m > CHORD_UNSAID_M)[:NAMED_MAX].tolist():
        rule = (
            f"the {side} boundary has too few vertices in a bend: its chords lie {off.most_m[i]:.2f} m beside"
        )
        place = (lines.points[off.at[i]] + lines.points[off.at[i] + 1]) / 2
        say = faults.error if off.most_m[i] > CHORD_M_MAX else faults.warning
        say(f"lane {lanes[i].lane}", f"{rule} it; judged with that error", place)


def _check_zigzags(lanes: tuple[Lane, ...], side: str, lines: Lines, off: Deviation, faults: Faults) -> None:
    for i in np.flatnonzero(off.most_m > ZIGZAG_M_MAX)[:NAMED_MAX].tolist():
        rule = f"the {side} boundary zigzags by {off.most_m[i]:.1f} m"
        faults.refuse(f"lane {lanes[i].lane}", rule, lines.points[off.at[i]])


def _check_pulled(
    lanes: tuple[Lane, ...], side: str, lines: Lines, turns: Deviation, off: Deviation, faults: Faults
) -> None:
    """Find single vertices aside; one that is named as a zigzag is named once."""
    for i in np.flatnonzero((off.most_m > ZIGZAG_M_MAX) & (turns.most_m <= ZIGZAG_M_MAX))[
        :NAMED_MAX
    ].tolist():
        rule = f"a single vertex of the {side} boundary lies {off.most_m[i]:.1f} m beside the others' line"
        faults.error(f"lane {lanes[i].lane}", rule, lines.points[off.at[i]])


def _check_widths(lanes: tuple[Lane, ...], strips: Strips, faults: Faults) -> None:
    """Find lanes that are nowhere as wide as a vehicle that they permit, and lanes as wide as a road."""
    if not lanes:
        return
    width, first = start_widths(strips, len(lanes))
    ends = np.array([np.hypot(*(lane.left_boundary[-1] - lane.right_boundary[-1])) for lane in lanes])
    widest = np.maximum(np.maximum.reduceat(width, first), ends)
    narrowest = np.minimum(width[first], ends)
    wanted = np.array([_wanted_m(lane.allowed) for lane in lanes])
    for i in np.flatnonzero((widest < wanted) & (narrowest >= TAPER_M))[:NAMED_MAX].tolist():
        rule = f"it is {widest[i]:.2f} m wide and permits vehicles of {wanted[i]:g} m"
        faults.refuse(f"lane {lanes[i].lane}", rule, lanes[i].left_boundary[0])
    for i in np.flatnonzero(widest > WIDE_M)[:NAMED_MAX].tolist():
        at = first[i] + int(np.argmax(width[first[i] : first[i + 1] if i + 1 < len(first) else None]))
        say, what = faults.warning, "several lanes, or an area?"
        if widest[i] > WIDTH_MAX_M:
            say, what = faults.error, "has a point gone astray?"
        place = strips.quads[at, LEFT_START : LEFT_START + 2]
        say(f"lane {lanes[i].lane}", f"it is {widest[i]:.1f} m wide: {what}", place)


def start_widths(strips: Strips, n_lanes: int) -> tuple[F64, I64]:
    """Return the width at the start of each quad [m], and the first quad of each lane."""
    rail = strips.quads[:, LEFT_START : LEFT_START + 2] - strips.quads[:, RIGHT_START : RIGHT_START + 2]
    first = np.searchsorted(strips.lane, np.arange(n_lanes))
    return np.hypot(rail[:, 0], rail[:, 1]), first.astype(np.int64)


def _wanted_m(allowed: tuple[str, ...]) -> float:
    if {"hazmat", "truck", "bus"} & set(allowed):
        return TRUCK_M
    return CAR_M if allowed else 0.0


def _check_values(lanes: tuple[Lane, ...], faults: Faults) -> None:
    for lane in lanes:
        where, at = f"lane {lane.lane}", lane.left_boundary[0]
        limit = lane.speed_limit_mps
        if limit is not None and (rule := odd_limit(limit)):
            faults.warning(where, rule, at)
        if not lane.allowed:
            faults.warning(where, "'allowed' is empty: the lane is closed to all", at)


def odd_limit(limit_mps: float) -> str:
    """Return what is odd about a speed limit; "": nothing."""
    if limit_mps > FASTEST_MPS + 0.05:
        return f"speed_limit_mps is {limit_mps:g}, {limit_mps * 3.6:.0f} km/h: more than any road permits"
    if limit_mps < SLOWEST_MPS - 0.05:
        return f"speed_limit_mps is {limit_mps:g}, {limit_mps * 3.6:.1f} km/h: walking pace"
    return ""
