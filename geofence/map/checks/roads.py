"""Lanes whose road is probably misspelt."""

from collections import Counter
from collections.abc import Sequence

from geofence.map.checks.names import hint, meant
from geofence.map.faults import NAMED_MAX, Faults
from geofence.map.reading import Lane


def check_roads(lanes: Sequence[Lane], faults: Faults) -> None:
    """Find single lanes of a road of their own, amid the lanes of one other road.

    A ramp is of its own road as well: it leads from a road or to one, and lies beside none, or has a name of
    its own. So amid is beside a lane and before or after another, of one road; or linked with it, and named
    almost alike, but for numbers.
    """
    number = {lane.lane: lane for lane in lanes}
    n_of = Counter(lane.road for lane in lanes)
    before: dict[str, list[Lane]] = {}
    for lane in lanes:
        for name in lane.successors:
            before.setdefault(name, []).append(lane)
    named = 0
    for lane in lanes:
        if n_of[lane.road] > 1 or named >= NAMED_MAX:
            continue
        sides = {number[name].road for name in (lane.left, lane.right) if name in number}
        ends = {number[name].road for name in lane.successors if name in number}
        ends |= {other.road for other in before.get(lane.lane, ())}
        others = (sides | ends) - {lane.road}
        guess = meant(lane.road, others)
        is_alike = guess is not None and _letters(guess) != _letters(lane.road)
        is_amid = len(others) == 1 and bool(sides) and bool(ends)
        if is_alike or is_amid:
            other = guess if is_alike else next(iter(others))
            rule = f"no other lane is of its road {lane.road!r}, and it is linked with {other!r}"
            faults.warning(f"lane {lane.lane}", rule + hint(other), lane.left_boundary[0])
            named += 1


def _letters(name: str) -> str:
    """Return a name without its digits: ramp1 and ramp2 are two roads."""
    return "".join(letter for letter in name if not letter.isdigit())
