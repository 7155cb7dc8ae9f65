"""Times of the week in which a zone's rules hold: a subset of OpenStreetMap's opening_hours. Pure.

`Mo-Fr 07:00-09:00,17:00-19:00; Sa,Su 22:00-06:00`: days, then times of day, parts separated by ";". Without
days it is every day; a span that ends before it begins ends on the next day. Times are those of the site's
country, UTC+8 throughout the year.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

LOCAL_NS = 8 * 3_600_000_000_000  # China has had one time zone since 1949, and no summer time since 1991
MINUTE_NS = 60_000_000_000
DAY_MIN = 1_440
DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
EPOCH_DAY = 3  # 1970-01-01 was a Thursday
_PART = re.compile(r"(?:([A-Z][a-z](?:[-,][A-Z][a-z])*) +)?(\d\d:\d\d-\d\d:\d\d(?:,\d\d:\d\d-\d\d:\d\d)*)")


class Window(NamedTuple):
    """One span of time on some days of the week."""

    days: frozenset[int]  # of its beginning, 0 Monday
    from_min: int  # of the day, 0 to 1439
    to_min: int  # 1 to 2879: later than `from_min`, up to a day


def windows_of(text: str) -> tuple[Window, ...]:
    """Return the windows of a text; ValueError names the part that is none."""
    found: list[Window] = []
    for part in text.split(";"):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"{part.strip()!r} is no 'Mo-Fr 07:00-09:00'")
        days = _days_of(match[1])
        for span in match[2].split(","):
            from_min, to_min = (_minutes(time) for time in span.split("-"))
            if from_min >= DAY_MIN or from_min == to_min:
                raise ValueError(f"{span!r} is no span; a whole day is 00:00-24:00")
            found.append(Window(days, from_min, to_min if to_min > from_min else to_min + DAY_MIN))
    return tuple(found)


def holds(windows: Sequence[Window], stamp_ns: int) -> bool:
    """Return whether any of the windows contains a stamp: its beginning does, its end does not."""
    minutes = (stamp_ns + LOCAL_NS) // MINUTE_NS
    day, minute = minutes // DAY_MIN + EPOCH_DAY, minutes % DAY_MIN
    return any(
        (day % 7 in window.days and window.from_min <= minute < window.to_min)
        or ((day - 1) % 7 in window.days and minute < window.to_min - DAY_MIN)
        for window in windows
    )


def _minutes(time: str) -> int:
    hours, minutes = (int(number) for number in time.split(":"))
    if minutes > 59 or hours * 60 + minutes > DAY_MIN:
        raise ValueError(f"{time!r} is no time of day")
    return hours * 60 + minutes


def _days_of(text: str | None) -> frozenset[int]:
    if text is None:
        return frozenset(range(7))
    found: set[int] = set()
    for item in text.split(","):
        first, *more = item.split("-")
        ends = [_day(first), *(_day(name) for name in more)]
        if len(ends) > 2:
            raise ValueError(f"{item!r} is no range of days")
        n = (ends[-1] - ends[0]) % 7 + 1
        found |= {(ends[0] + k) % 7 for k in range(n)}
    return frozenset(found)


def _day(name: str) -> int:
    if name not in DAYS:
        raise ValueError(f"{name!r} is no day: {', '.join(DAYS)}")
    return DAYS.index(name)
