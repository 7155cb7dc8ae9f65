"""How far beyond the line a violation went, from its evidence columns: pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from geofence.plausible import REACH_M

# rule -> the evidence column that counts metres over the line; in the others an excess is no length
COLUMNS = {"lane_departure": "excess_m", "off_dedicated_road": "over"}

EXCESS_M_MAX = REACH_M  # beyond it, and NaN, is no excess: an older centre may hold such


def excesses_m(
    rule: str, grade: str, evidence: Mapping[str, Any], start_ns: int, end_ns: int | None
) -> list[float]:
    """Return the excess of each observation from the start to the end [m], oldest first.

    Empty where the rule measures no length, the evidence has no such columns (an older RSU's), or the
    position could not carry a judgement.
    """
    stamps, values = evidence.get("stamp_ns"), evidence.get(COLUMNS.get(rule, ""))
    if grade == "undecidable" or not isinstance(stamps, Sequence) or not isinstance(values, Sequence):
        return []
    return [
        float(value)
        for stamp_ns, value in zip(stamps, values, strict=False)
        if isinstance(stamp_ns, int) and isinstance(value, (int, float)) and abs(value) <= EXCESS_M_MAX
        and start_ns <= stamp_ns <= (end_ns or stamp_ns)
    ]  # fmt: skip
