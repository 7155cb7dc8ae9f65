"""What is one event is one case: which alarms belong together. Pure.

The cases follow from the alarms alone, whatever the order in which they and their versions arrive, as long as
they have fewer than `desk_tables.ALARMS_MAX` alarms:
- alarms of one vehicle that begin within a minute of each other, with whatever rules
- one rule broken by one vehicle again within two minutes after its end (flapping), or seen by two RSUs
- an unidentified vehicle at the place and time of an identified one that breaks the same rule: the nearest
- one rule broken at one place and time by unidentified vehicles of two RSUs
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

SECOND_NS = 10**9
TOGETHER_NS = 60 * SECOND_NS  # between the starts of two alarms of one vehicle
AGAIN_NS = 120 * SECOND_NS  # from the end of an episode to the next one of the same vehicle and rule
SAME_NS = 3 * SECOND_NS  # between the starts of what may be one vehicle under two tracks
SAME_M = 15.0  # likewise, between the places
EARTH_M = 6_378_137.0
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

    def hint(self) -> Mapping[str, str]:
        """Return by alarm another one of its set: two with the same one are together; others may be."""
        return self._above

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
    known: dict[str, list[Alarm]] = defaultdict(list)
    unknown: dict[str, list[Alarm]] = defaultdict(list)
    for alarm in ordered:
        (unknown if alarm.vehicle is None else known)[alarm.rule].append(alarm)
    for rule, alarms in unknown.items():
        _join_nearest(alarms, known.get(rule, ()), groups)
        begin, hint = 0, groups.hint()
        for i, alarm in enumerate(alarms):
            while alarm.start_ns - alarms[begin].start_ns > SAME_NS:
                begin += 1
            own = hint[alarm.id]
            for other in alarms[begin:i]:  # of a flood at one place hundreds, nearly all together already
                if hint[other.id] != own and other.esn != alarm.esn and distance_m(alarm, other) <= SAME_M:
                    groups.join(alarm.id, other.id)
                    own = hint[alarm.id]


def _join_nearest(unknown: Sequence[Alarm], known: Sequence[Alarm], groups: _Groups) -> None:
    """Join each unidentified alarm with one identified: with more, two vehicles would become one case."""
    begin = 0
    for alarm in unknown:
        while begin < len(known) and alarm.start_ns - known[begin].start_ns > SAME_NS:
            begin += 1
        near: list[tuple[float, int, str]] = []
        for other in itertools.islice(known, begin, None):
            if other.start_ns - alarm.start_ns > SAME_NS:
                break
            away_m = distance_m(alarm, other)
            if away_m <= SAME_M:
                near.append((away_m, abs(other.start_ns - alarm.start_ns), other.id))
        if near:
            groups.join(alarm.id, min(near)[2])


def distance_m(one: Alarm, other: Alarm) -> float:
    """Return the distance of two places; over some metres the road is flat."""
    north = math.radians(other.lat_deg - one.lat_deg)
    east = math.radians(other.lon_deg - one.lon_deg) * math.cos(math.radians(one.lat_deg))
    return EARTH_M * math.hypot(north, east)
