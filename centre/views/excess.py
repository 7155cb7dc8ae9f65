"""How far over the line a violation was, and until when, from its evidence columns. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from geofence.plausible import SITE_REACH_M
from geofence.rules import REGISTRY

# rule -> the evidence column that counts metres over the line; in the others an excess is no length
COLUMNS: dict[str, str] = {
    rule.violation: rule.shared_column or "over" for rule in REGISTRY if rule.unit == "m"
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
        newest_ns = max(stamps, default=0)
        last_ns = end_ns or newest_ns
        if stamps and len(stamps) == len(values) and start_ns <= min(stamps) and newest_ns <= last_ns:
            most = max(values)  # NaN if that is the first; a later one is passed over, as below
            if min(values) >= -EXCESS_M_MAX and most <= EXCESS_M_MAX:
                return most  # type: ignore[no-any-return]
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


def last_violating_ns(rule: str, evidence: Mapping[str, Any], start_ns: int, measured_ns: int) -> int:
    """Return the stamp of the newest observation in which the rule was broken.

    A version may be sent when the vehicle is back already, so its own stamp proves nothing; it is used only
    where the evidence has no such columns.
    """
    stamps, values = evidence.get("stamp_ns"), evidence.get(COLUMNS.get(rule, "p_violation"))
    least = 0.0 if rule in COLUMNS else P_VIOLATING
    if not isinstance(stamps, Sequence) or not isinstance(values, Sequence):
        return measured_ns
    pairs = [
        (stamp_ns, value)
        for stamp_ns, value in zip(stamps, values, strict=False)
        if isinstance(stamp_ns, int) and isinstance(value, (int, float))
    ]
    if not pairs:
        return measured_ns
    return max([start_ns, *(stamp_ns for stamp_ns, value in pairs if value > least)])
