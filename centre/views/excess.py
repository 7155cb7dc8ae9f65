"""How far over the line a violation was, and until when, from its evidence columns. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Any

from geofence.plausible import SITE_REACH_M
from geofence.rules import MEASURED, REGISTRY

# rule -> the evidence column that counts metres over the line; in the others an excess is no length
COLUMNS: dict[str, str] = {
    rule.violation: rule.shared_column or "over" for rule in REGISTRY if rule.unit == "m"
}
# rules that count the time at each tick: their columns have no probability of the observations
COUNTED = frozenset(rule.violation for rule in REGISTRY) - {
    rule.violation for rule in REGISTRY if rule.name in MEASURED
}
P_VIOLATING = 0.5  # in the other rules: more likely broken than not

EXCESS_M_MAX = SITE_REACH_M  # an older centre may have stored larger ones and NaN; they are left out


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


def excess_m_max(
    rule: str, grade: str, evidence: Mapping[str, Any], start_ns: int, end_ns: int | None
) -> float | None:
    """Return the maximum of `excesses_m`; None where it is empty.

    Evidence that holds numbers only, as that of each violation that was checked, is read in one go.
    """
    stamps, values = evidence.get("stamp_ns"), evidence.get(COLUMNS.get(rule, ""))
    if grade == "undecidable" or type(stamps) is not list or type(values) is not list:
        return None
    try:
        if len(stamps) == len(values) and sorted(stamps) == stamps:  # as an RSU sends them
            until = bisect_right(stamps, end_ns) if end_ns else len(stamps)
            inside: list[float] = sorted(values[bisect_left(stamps, start_ns) : until])
            if inside and isfinite(sum(inside)) and inside[0] >= -EXCESS_M_MAX and inside[-1] <= EXCESS_M_MAX:
                return inside[-1]
        last_ns = end_ns or max(stamps, default=0)
        return max(
            (
                value
                for stamp_ns, value in zip(stamps, values, strict=False)
                if -EXCESS_M_MAX <= value <= EXCESS_M_MAX and start_ns <= stamp_ns <= last_ns
            ),
            default=None,
        )
    except TypeError:  # something else among them
        return max(excesses_m(rule, grade, evidence, start_ns, end_ns), default=None)


def last_excess_m(
    rule: str, grade: str, evidence: Mapping[str, Any], start_ns: int, end_ns: int | None
) -> float | None:
    """Return the last of `excesses_m`, looked for from the end; None where it is empty."""
    if grade == "undecidable":
        return None
    for stamp_ns, value in _backwards(evidence, COLUMNS.get(rule, "")):
        if abs(value) <= EXCESS_M_MAX and start_ns <= stamp_ns <= (end_ns or stamp_ns):
            return float(value)
    return None


def last_violating_ns(rule: str, evidence: Mapping[str, Any], start_ns: int, measured_ns: int) -> int:
    """Return the stamp of the newest observation in which the rule was broken.

    A version may be sent when the vehicle is back already, so its own stamp proves nothing; it is used only
    where the evidence has no such columns, and of a rule that counts time.
    """
    if rule in COUNTED:
        return measured_ns
    least = 0.0 if rule in COLUMNS else P_VIOLATING
    is_ordered = _is_ordered(evidence.get("stamp_ns"))
    newest_ns, n_observed = start_ns, 0
    for stamp_ns, value in _backwards(evidence, COLUMNS.get(rule, "p_violation")):
        n_observed += 1
        if value > least:
            newest_ns = max(newest_ns, stamp_ns)
            if is_ordered:  # all others are older
                break
    return newest_ns if n_observed else measured_ns


def _is_ordered(stamps: Any) -> bool:
    try:
        return bool(sorted(stamps) == stamps)
    except TypeError:  # something else among them, or no list
        return False


def _backwards(evidence: Mapping[str, Any], column: str) -> Iterator[tuple[int, float]]:
    """Yield each observation's stamp and value, the last first; what is no number is left out."""
    stamps, values = evidence.get("stamp_ns"), evidence.get(column)
    if not isinstance(stamps, Sequence) or not isinstance(values, Sequence):
        return
    for at in range(min(len(stamps), len(values)) - 1, -1, -1):
        stamp_ns, value = stamps[at], values[at]
        if isinstance(stamp_ns, int) and isinstance(value, (int, float)):
            yield stamp_ns, value
