"""Times of a zone as windows of a terminal's fence (JT/T 808), and back. Pure.

A terminal knows a span of each day, or one from a date and time to another. A ban of some days is thus a
fence for each of them, or one for all where it holds all day.
"""

from collections.abc import Sequence
from datetime import date, datetime

from geofence.map.windows import DAY_MIN, EPOCH_DAY, EVER_DAY, Window
from roadside.devices.jt808.fences import DAILY

DAYS_MAX = 31  # that become a fence each
_EPOCH = date(1970, 1, 1).toordinal()
_FIRST, _LAST = date(2000, 1, 1).toordinal() - _EPOCH, date(2099, 12, 31).toordinal() - _EPOCH
_WHOLE_WEEK = 7

Span = tuple[str, str]  # YYMMDDhhmmss each, UTC+8; DAILY as the date: each day


def spans_of(windows: Sequence[Window], today: int) -> list[Span | None] | str:
    """Return windows as a terminal knows them, or why it can't; [None]: always.

    today : days since 1970, in local time.  Such as are over are left out
    """
    if any(window.off or max(window.days) >= _WHOLE_WEEK for window in windows):
        return "its times differ on holidays"
    lasting = [window for window in windows if window.last_day >= today]
    if windows and not lasting:
        return "its dates are over"
    found: list[Span | None] = [] if windows else [None]
    for window in lasting:
        is_daily = window.first_day <= today and window.last_day == EVER_DAY
        spans = _daily(window) if is_daily else _dated(window, today)
        if isinstance(spans, str):
            return spans
        found += spans
    return found


def _daily(window: Window) -> list[Span] | str:
    """Return a window of each day, one that crosses midnight as two."""
    if len(window.days) != _WHOLE_WEEK:
        return "its times differ from day to day"
    spans = [(window.from_min, min(window.to_min, DAY_MIN))]
    if window.to_min > DAY_MIN:
        spans.append((0, window.to_min - DAY_MIN))
    return [(DAILY + _clock(first), DAILY + _clock(last)) for first, last in spans]


def _dated(window: Window, today: int) -> list[Span] | str:
    """Return a window of some dates: one span where it holds without a pause, else one for each day."""
    first, last = max(window.first_day, _FIRST), min(window.last_day, _LAST)
    lasts_all_day = (window.from_min, window.to_min) == (0, DAY_MIN)
    if lasts_all_day and len(window.days) == _WHOLE_WEEK:
        return [(_date(first) + _clock(0), _date(last) + _clock(DAY_MIN))]
    first = max(first, today - 1)  # a span that began yesterday may end today
    if last - first + 1 > DAYS_MAX:
        return f"it holds at some times of more than {DAYS_MAX} dates"
    days = [day for day in range(first, last + 1) if (day + EPOCH_DAY) % _WHOLE_WEEK in window.days]
    return [_from_day(day, window) for day in days] or "its dates are over"


def _from_day(day: int, window: Window) -> Span:
    crosses = window.to_min > DAY_MIN
    to_min = window.to_min - DAY_MIN if crosses else window.to_min
    return (_date(day) + _clock(window.from_min), _date(day + crosses) + _clock(to_min))


def _date(day: int) -> str:
    return date.fromordinal(day + _EPOCH).strftime("%y%m%d")


def _clock(minute: int) -> str:
    """Return a time of day as BCD digits; the end of the day is its last second."""
    return "235959" if minute == DAY_MIN else f"{minute // 60:02d}{minute % 60:02d}00"


def _hours(end: str) -> str:
    return f"{end[6:8]}:{end[8:10]}"


def times_of(window: Span) -> dict[str, str]:
    """Return a fence's window as properties of a zone; ValueError where a zone has no such times."""
    first, last = window
    dates = [end[:6] for end in window]
    clocks = _hours(first), "24:00" if last.endswith("235959") else _hours(last)
    if dates == [DAILY, DAILY]:
        return {"time_window": "-".join(clocks)}
    try:
        start, end = (datetime.strptime(f"{each}+0800", "%y%m%d%H%M%S%z") for each in window)
    except ValueError:
        raise ValueError(f"{first} to {last} are no dates") from None
    if start >= end:
        raise ValueError(f"{last} is not after {first}")
    found = {"valid_from": start.date().isoformat(), "valid_to": end.date().isoformat()}
    if clocks == ("00:00", "24:00"):
        return found
    if dates[0] != dates[1]:
        raise ValueError(f"{first} to {last} are no whole days")
    return found | {"time_window": "-".join(clocks)}
