"""What is noted of each RSU over time: changes of its state, and how long it judged how much road. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from core.intervals import union_m

HOUR_NS = 3_600_000_000_000
GAP_NS_MAX = 60_000_000_000  # a longer time between two looks was not watched
S_PER_H = 3_600.0
FACTS = ("sensors", "degraded", "config", "map", "version")  # a change of one of them is noted


class StateChange(NamedTuple):
    """A change of an RSU."""

    esn: str
    at_ns: int
    state: str
    facts: Mapping[str, Any]


@dataclass(slots=True)
class Hour:
    """One RSU in one hour; nothing was watched where it was never seen."""

    watched_s: float = 0.0
    online_s: float = 0.0
    road_km_h: float = 0.0
    judged_km_h: float = 0.0


@dataclass(slots=True)
class Watch:
    """What changed since the last time, from the table of RSUs, looked at every few seconds."""

    hours: dict[tuple[int, str], Hour] = field(default_factory=lambda: defaultdict(Hour))
    changes: list[StateChange] = field(default_factory=list)
    _known: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    _looked_ns: int | None = None

    def know(self, esn: str, state: str, facts: Mapping[str, Any]) -> None:
        """Begin with the newest change that is stored of an RSU."""
        self._known[esn] = (state, *(facts.get(name) for name in FACTS))

    def look(self, rows: Sequence[Mapping[str, Any]], now_ns: int) -> None:
        """Note the RSUs as they are now; what was watched counts from the look before."""
        before_ns, self._looked_ns = self._looked_ns, now_ns
        watched = before_ns is not None and 0 < now_ns - before_ns <= GAP_NS_MAX
        watched_s = (now_ns - before_ns) / 1e9 if watched and before_ns is not None else 0.0
        hour_ns = now_ns // HOUR_NS * HOUR_NS
        for row in rows:
            if not row["known"]:
                continue
            state = "offline" if row["stale"] else row["state"]
            self._note_change(row, state, now_ns)
            if not watched_s:
                continue
            hour = self.hours[hour_ns, row["esn"]]
            if state != "never":  # of one that was never seen stays an hour of nothing: it can be counted
                _add(hour, row, watched_s, online=state == "online")

    def _note_change(self, row: Mapping[str, Any], state: str, now_ns: int) -> None:
        esn = row["esn"]
        known = (state, *(row[name] for name in FACTS))
        if self._known.get(esn) == known or (state == "never" and esn not in self._known):
            return
        self._known[esn] = known
        facts = {name: row[name] for name in FACTS} | {
            "clock_offset_ms": row["clock_offset_ms"], "p99_ms": row["latency"]["p99_ms"],
            "n": row["latency"]["n"],
        }  # fmt: skip
        since = row["since_ns"]
        at_ns = int(row["beat_ns"] or since or now_ns) if row["stale"] else now_ns
        self.changes.append(StateChange(esn, at_ns, state, facts))


def _add(hour: Hour, row: Mapping[str, Any], watched_s: float, *, online: bool) -> None:
    from_m, to_m = row["stretch_m"] or (0.0, 0.0)
    gaps = [
        (max(from_m, gap["from_m"]), min(to_m, gap["to_m"]))
        for gap in row["unjudged"]
        if gap["from_m"] < to_m and gap["to_m"] > from_m
    ]
    share_h = watched_s / S_PER_H
    hour.watched_s += watched_s
    hour.road_km_h += (to_m - from_m) / 1_000.0 * share_h
    if online:
        hour.online_s += watched_s
        hour.judged_km_h += (to_m - from_m - union_m(gaps)) / 1_000.0 * share_h
