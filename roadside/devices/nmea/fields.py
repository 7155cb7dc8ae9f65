"""Fields of NMEA sentences to numbers; ValueError for any other text."""

from datetime import UTC, datetime


def checksum(body: bytes) -> int:
    """Return the XOR of all bytes between $ and *."""
    total = 0
    for byte in body:
        total ^= byte
    return total


def stated_checksum(sent: bytes) -> int | None:
    """Return the two hex digits behind the star, None where they are none."""
    digits = sent[:2]
    if len(digits) != 2 or not all(digit in b"0123456789ABCDEFabcdef" for digit in digits):
        return None
    return int(digits, 16)


def number(field: str, low: float = -1e5, high: float = 1e5) -> float | None:
    """Return a number within bounds; float() would accept nan, inf and 1_0 as well."""
    if not field:
        return None
    if not set(field) <= set("+-.0123456789"):
        raise ValueError("no number")
    value = float(field)
    if not low <= value <= high:
        raise ValueError("out of bounds")
    return value


def position(fields: list[str]) -> tuple[float, float] | None:
    """Return latitude and longitude of ddmm.mmm, N/S, dddmm.mmm, E/W; None where the receiver has none."""
    lat, north, lon, east = fields
    if not lat or not lon:
        return None
    lat_deg, lon_deg = _degrees(lat), _degrees(lon)
    if lat_deg > 90.0 or lon_deg > 180.0 or north not in ("N", "S") or east not in ("E", "W"):
        raise ValueError("no place on earth")
    return (lat_deg if north == "N" else -lat_deg), (lon_deg if east == "E" else -lon_deg)


def _degrees(field: str) -> float:
    value = number(field)
    assert value is not None, "the caller has checked"
    degrees, minutes = divmod(value, 100.0)
    if value < 0.0 or minutes >= 60.0:
        raise ValueError("no angle")
    return degrees + minutes / 60.0


def second_of(time: str) -> float:
    """Return the second of the UTC day of hhmmss.sss."""
    value = number(time, 0.0, 240_000.0)
    if value is None or len(time) < 6 or not time[:6].isdecimal():
        raise ValueError("no time")
    hour, minute, second_s = int(time[:2]), int(time[2:4]), float(time[4:])
    if hour > 23 or minute > 59 or second_s >= 61.0:
        raise ValueError("no time")
    return hour * 3_600 + minute * 60 + second_s


def midnight_of(day: str, month: str, year: str) -> int | None:
    """Return midnight of ZDA's date, seconds since 1970; None where the receiver has none yet."""
    if not (day or month or year):
        return None
    if not (day + month + year).isdecimal() or len(year) != 4:
        raise ValueError("no date")
    return int(datetime(int(year), int(month), int(day), tzinfo=UTC).timestamp())


def field_of(fields: list[str], i: int) -> str:
    """Return a field that older editions of the standard do not have."""
    return fields[i] if i < len(fields) else ""


def midnight_s(date: str) -> int:
    """Return midnight of ddmmyy, seconds since 1970; years 80 to 99 are a receiver's cold start, 19xx."""
    if len(date) != 6 or not date.isdecimal():
        raise ValueError("no date")
    day, month, year = int(date[:2]), int(date[2:4]), int(date[4:])
    moment = datetime(year + (1900 if year >= 80 else 2000), month, day, tzinfo=UTC)
    return int(moment.timestamp())
