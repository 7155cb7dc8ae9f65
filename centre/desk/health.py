"""Alarm health: whether people can cope with the alarms, by the measures of EEMUA 191 and ISA-18.2. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

S = 10**9
MINUTE_NS = 60 * S
WINDOW_NS = 10 * MINUTE_NS
FLOOD_N = 10  # alarms in 10 minutes at which a flood begins
CALM_N = 5  # below so many it ends
CHATTER_N = 3  # raisings of one source within a minute
STANDING_NS = 24 * 3_600 * S


class Raised(NamedTuple):
    """One alarm as far as its health counts: when it was raised, and by what."""

    raised_ns: int
    rule: str
    source: str  # the vehicle, or where none is identified the RSU; of a loss its part


def chattering(raised: Iterable[Raised]) -> set[tuple[str, str]]:
    """Return (rule, source) of what was raised three times within any minute."""
    times: dict[tuple[str, str], list[int]] = defaultdict(list)
    for each in raised:
        times[each.rule, each.source].append(each.raised_ns)
    return {key for key, stamps in times.items() if _is_chattering(sorted(stamps))}


def _is_chattering(stamps: Sequence[int]) -> bool:
    later = stamps[CHATTER_N - 1 :]
    return any(last - first <= MINUTE_NS for first, last in zip(stamps, later, strict=False))


def is_flood(n_last_10_min: int, before: bool) -> bool:
    """Say whether there is a flood: from 10 alarms in 10 minutes on, until there are fewer than 5."""
    return n_last_10_min >= (CALM_N if before else FLOOD_N)


def flood_share(stamps: Sequence[int], from_ns: int, to_ns: int) -> float | None:
    """Return the share of the whole windows of 10 minutes in which 10 alarms or more were raised."""
    n_windows = (to_ns - from_ns) // WINDOW_NS
    if n_windows <= 0:
        return None
    per_window: dict[int, int] = defaultdict(int)
    for stamp_ns in stamps:
        per_window[(stamp_ns - from_ns) // WINDOW_NS] += 1
    flooded = sum(n >= FLOOD_N for window, n in per_window.items() if 0 <= window < n_windows)
    return flooded / n_windows


def share(part: int, whole: int) -> float | None:
    return None if whole == 0 else round(part / whole, 3)


def tally(rows: Iterable[tuple[str, bool]]) -> list[dict[str, Any]]:
    """Return for each key how many were closed and how many of them were false, the worst first."""
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for key, is_false in rows:
        found[key][0] += 1
        found[key][1] += is_false
    items = [
        {"key": key, "n": n, "false": false, "share": share(false, n)} for key, (n, false) in found.items()
    ]
    return sorted(items, key=lambda item: (-item["false"], -item["n"], item["key"]))


def grouped(rows: Iterable[tuple[str | None, str]], limit: int = 50) -> list[dict[str, Any]]:
    """Return the ids of each key, the most first; what has no key is left out."""
    found: dict[str, list[str]] = defaultdict(list)
    for key, alarm_id in rows:
        if key is not None:
            found[key].append(alarm_id)
    most = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))[:limit]
    return [{"key": key, "n": len(ids), "ids": ids[:limit]} for key, ids in most]
