"""Days of the site as periods of time, by their dates. Pure."""

import re
from datetime import UTC, date, datetime, timedelta

from centre.statistics.figures import Period
from geofence.journeys.driving import ZONE_NS

DAY_NS = 86_400_000_000_000
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def period_of(day: str) -> Period:
    """Return the period of a date such as 2026-11-28; ValueError where it is none."""
    if _DAY.fullmatch(day) is None:
        raise ValueError(f"{day!r:.40} is no date such as 2026-11-28")
    begins = datetime(*(int(part) for part in day.split("-")), tzinfo=UTC)  # type: ignore[misc,arg-type]
    since_ns = int((begins - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 10**9 - ZONE_NS
    return Period(since_ns, since_ns + DAY_NS)


def day_of(now_ns: int) -> str:
    """Return the date at a time."""
    return str(date(1970, 1, 1) + timedelta(days=(now_ns + ZONE_NS) // DAY_NS))
