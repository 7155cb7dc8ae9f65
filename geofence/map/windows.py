"""Times at which a zone's rules hold: a subset of OpenStreetMap's opening_hours, and dates. Pure.

`Mo-Fr 07:00-09:00,17:00-19:00; Sa,Su,PH 22:00-06:00; PH off`: days, then times of day, parts
separated by ";". Without days it is every day; a span that ends before it begins ends on the next day.
`PH` is a day of the site's list of holidays, whatever its weekday; on a day that is `off` no span begins.
Times are those of the site's country, UTC+8 throughout the year.
"""

import re
from collections.abc import Collection, Sequence
from datetime import date
from typing import NamedTuple

LOCAL_NS = 8 * 3_600_000_000_000  # China has had one time zone since 1949, and no summer time since 1991
MINUTE_NS = 60_000_000_000
DAY_MIN = 1_440
DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
EPOCH_DAY = 3  # 1970-01-01 was a Thursday
HOLIDAY = 7  # the number of PH, after the days of the week
EVER_DAY = 2**40
_EPOCH = date(1970, 1, 1).toordinal()
_GROUP = r"(?:[A-Z][a-z]|PH)(?:[-,](?:[A-Z][a-z]|PH))*"
_SPAN = r"\d\d:\d\d-\d\d:\d\d"
_PART = re.compile(rf"(?:({_GROUP}) +)?({_SPAN}(?:,{_SPAN})*|off)")


class Window(NamedTuple):
    """One span of time on some days of the week."""

    days: frozenset[int]  # of its beginning, 0 Monday, 7 holidays
    from_min: int  # of the day, 0 to 1439
    to_min: int  # 1 to 2879: later than `from_min`, up to a day
    off: bool = False  # on its days no other window begins
    first_day: int = -EVER_DAY  # days since 1970, in local time: from and until when it is in force
    last_day: int = EVER_DAY


def windows_of(text: str) -> tuple[Window, ...]:
    """Return the windows of a text; ValueError names the part that is none."""
    found: list[Window] = []
    for part in text.split(";"):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"{part.strip()!r} is no 'Mo-Fr 07:00-09:00'")
        days = _days_of(match[1])
        if match[2] == "off":
            found.append(Window(days, 0, DAY_MIN, off=True))
            continue
        for span in match[2].split(","):
            from_min, to_min = (_minutes(time) for time in span.split("-"))
            if from_min >= DAY_MIN or from_min == to_min:
                raise ValueError(f"{span!r} is no span; a whole day is 00:00-24:00")
            found.append(Window(days, from_min, to_min if to_min > from_min else to_min + DAY_MIN))
    return tuple(found)


def day_of(text: str) -> int:
    """Return the days since 1970 of a date, 2026-10-01; ValueError where it is none."""
    return date.fromisoformat(text).toordinal() - _EPOCH


def in_force(windows: Sequence[Window], first: str, last: str) -> tuple[Window, ...]:
    """Return the windows in force between two dates, both included; "": open."""
    days = day_of(first) if first else -EVER_DAY, day_of(last) if last else EVER_DAY
    if days[0] > days[1]:
        raise ValueError(f"{last!r} is no date from {first!r} on")
    if not (first or last):
        return tuple(windows)
    always = Window(frozenset(range(7)), 0, DAY_MIN)
    return tuple(window._replace(first_day=days[0], last_day=days[1]) for window in windows or (always,))


def holds(windows: Sequence[Window], stamp_ns: int, holidays: Collection[int] = ()) -> bool:
    """Return whether any of the windows contains a stamp: its beginning does, its end does not.

    holidays : days since 1970, in local time
    """
    minutes = (stamp_ns + LOCAL_NS) // MINUTE_NS
    day, minute = minutes // DAY_MIN, minutes % DAY_MIN
    return _begins(windows, day, holidays, minute) or _begins(windows, day - 1, holidays, minute + DAY_MIN)


def _begins(windows: Sequence[Window], day: int, holidays: Collection[int], minute: int) -> bool:
    """Return whether a window that begins on a day contains a minute after that day's midnight."""
    kinds = {(day + EPOCH_DAY) % 7, *((HOLIDAY,) if day in holidays else ())}
    today = [w for w in windows if w.first_day <= day <= w.last_day and not kinds.isdisjoint(w.days)]
    return not any(w.off for w in today) and any(w.from_min <= minute < w.to_min for w in today)


def outside(windows: Sequence[Window], from_min: int, to_min: int) -> bool:
    """Return whether any window reaches outside a span of the day."""
    return any(not w.off and not (from_min <= w.from_min and w.to_min <= to_min) for w in windows)


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
        if item == "PH":
            found.add(HOLIDAY)
            continue
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
