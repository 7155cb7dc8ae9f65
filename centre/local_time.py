"""Times as people of the site write them. Pure."""

from datetime import UTC, datetime, timedelta

from geofence.journeys.driving import ZONE_NS


def stamp_text(stamp_ns: int) -> str:
    """Return a time as people write it, to a second, UTC+8."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=(stamp_ns + ZONE_NS) // 10**9)
    return at.strftime("%Y-%m-%d %H:%M:%S")
