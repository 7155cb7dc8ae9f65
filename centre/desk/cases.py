"""What is one event is one case: which alarms belong together. Pure.

The cases follow from the alarms alone, whatever the order in which they and their versions arrive, as long as
they have fewer than ALARMS_MAX alarms:
- alarms of one vehicle that begin within a minute of each other, with whatever rules
- one rule broken by one vehicle again within two minutes after its end (flapping), or seen by two RSUs
- an unidentified vehicle at the place and time of an identified one that breaks the same rule: the nearest
- one rule broken at one place and time by unidentified vehicles of two RSUs
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

SECOND_NS = 10**9
TOGETHER_NS = 60 * SECOND_NS  # between the starts of two alarms of one vehicle
AGAIN_NS = 120 * SECOND_NS  # from the end of an episode to the next one of the same vehicle and rule
SAME_NS = 3 * SECOND_NS  # between the starts of what may be one vehicle under two tracks
SAME_M = 15.0  # likewise, between the places
EARTH_M = 6_378_137.0
ALARMS_MAX = 50  # a case of so many takes no more: each alarm that joins changes all of its case
LASTS_NS = 86_400 * SECOND_NS  # an episode that began earlier is no longer looked for


class Alarm(NamedTuple):
    """What decides to which case an alarm belongs."""

    id: str
    rule: str
    vehicle: str | None  # None: unidentified
    esn: str
    start_ns: int
    last_ns: int
    lon_deg: float
    lat_deg: float


class _Groups:
    """Disjoint sets of alarms."""

    def __init__(self, ids: Iterable[str]) -> None:
        self._above = {each: each for each in ids}

    def find(self, one: str) -> str:
        root = one
        while self._above[root] != root:
            root = self._above[root]
        while self._above[one] != root:
            self._above[one], one = root, self._above[one]
        return root

    def join(self, one: str, other: str) -> None:
        self._above[self.find(one)] = self.find(other)


def cases_of(alarms: Sequence[Alarm]) -> dict[str, list[str]]:
    """Return the cases: by the id of each one's first alarm the ids of all its alarms, in order of start."""
    ordered = sorted(alarms, key=_begin)
    groups = _Groups(alarm.id for alarm in ordered)
    _join_vehicles(ordered, groups)
    _join_places(ordered, groups)
    members: dict[str, list[str]] = defaultdict(list)
    for alarm in ordered:
        members[groups.find(alarm.id)].append(alarm.id)
    return {ids[0]: ids for ids in members.values()}


def _begin(alarm: Alarm) -> tuple[int, str]:
    return alarm.start_ns, alarm.id


def _join_vehicles(ordered: Sequence[Alarm], groups: _Groups) -> None:
    """Join the alarms of one vehicle: those that begin together, and the same rule again and again."""
    newest: dict[str, Alarm] = {}
    longest: dict[tuple[str, str], Alarm] = {}  # of a vehicle and rule, the one that lasted longest so far
    for alarm in ordered:
        if alarm.vehicle is None:
            continue
        before = newest.get(alarm.vehicle)
        if before is not None and alarm.start_ns - before.start_ns <= TOGETHER_NS:
            groups.join(alarm.id, before.id)
        newest[alarm.vehicle] = alarm
        key = (alarm.vehicle, alarm.rule)
        lasting = longest.get(key)
        if lasting is not None and alarm.start_ns - lasting.last_ns <= AGAIN_NS:
            groups.join(alarm.id, lasting.id)
        if lasting is None or alarm.last_ns > lasting.last_ns:
            longest[key] = alarm


def _join_places(ordered: Sequence[Alarm], groups: _Groups) -> None:
    """Join each unidentified alarm with the nearest identified one, and with other RSUs' unidentified."""
    by_rule: dict[str, list[Alarm]] = defaultdict(list)
    for alarm in ordered:
        by_rule[alarm.rule].append(alarm)
    for same_rule in by_rule.values():
        begin = 0
        for i, alarm in enumerate(same_rule):
            while alarm.start_ns - same_rule[begin].start_ns > SAME_NS:
                begin += 1
            if alarm.vehicle is None:
                _join_place(alarm, i, begin, same_rule, groups)


def _join_place(alarm: Alarm, i: int, begin: int, ordered: Sequence[Alarm], groups: _Groups) -> None:
    identified: list[tuple[float, int, str]] = []
    for j in range(begin, len(ordered)):
        other = ordered[j]
        if other.start_ns - alarm.start_ns > SAME_NS:
            break
        away_m = distance_m(alarm, other)
        if j == i or away_m > SAME_M:
            continue
        if other.vehicle is not None:
            identified.append((away_m, abs(other.start_ns - alarm.start_ns), other.id))
        elif other.esn != alarm.esn:
            groups.join(alarm.id, other.id)
    if identified:  # one only: else two vehicles side by side would become one case
        groups.join(alarm.id, min(identified)[2])


def distance_m(one: Alarm, other: Alarm) -> float:
    """Return the distance of two places; over some metres the road is flat."""
    north = math.radians(other.lat_deg - one.lat_deg)
    east = math.radians(other.lon_deg - one.lon_deg) * math.cos(math.radians(one.lat_deg))
    return EARTH_M * math.hypot(north, east)
