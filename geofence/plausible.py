"""Whether a violation can be true: ranges, order of times and plain text, the same at the RSU and the centre.

A value that no road, clock or vehicle can have is never shown as a value. Pure.
"""

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from core.times import STAMP_NS_MAX, STAMP_NS_MIN
from fusion.observations import SPEED_MPS_MAX
from geofence.violation import Violation

DAY_NS = 86_400_000_000_000
AHEAD_NS = DAY_NS  # covers a clock in the wrong time zone; beyond that it was never set
BEHIND_NS = 5 * 366 * DAY_NS  # longer than any outage; a week rollover of GPS is 19.6 years
SITE_REACH_M = 110_000.0  # positions more than 100 km from the site's origin have no site metres
STATION_MARGIN_M = 20_000.0  # a road is longer than its part on the map
METRES_A_DEGREE = 111_000.0
VERSION_MAX, HOP_MAX = 10_000_000, 10_000
TEXT_LENGTH_MAX = 200
COLUMNS_MAX, ROWS_MAX = 64, 10_000
WITHHELD = "implausible "  # how the reason of a void begins that replaces a violation with a fault

_UUID = re.compile(r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
# controls, format characters (bidirectional overrides, zero width), lone surrogates, line separators
_REFUSED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# letters and marks that draw nothing; variation selectors stay, since Chinese names use them
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
_VEHICLE = ("plate", "terminal", "hazmat_class", "un", "carrier")
_STAMP_TEXTS = ("by",)
_TEXTS = ("lane", "zone", "map_version", "rules_version", "reason")
_PROBABILITY = (0.0, 1.0)
_OFFSET = (-SITE_REACH_M, SITE_REACH_M)
_GAP = (-1e4, 1e4)
_SIGMA = (0.0, SITE_REACH_M)
_SPEED = (0.0, SPEED_MPS_MAX)
_RANGES = {
    "version": (1, VERSION_MAX),
    "hop": (0, HOP_MAX),
    "track": (0, 2**64 - 1),
    "identity_p": _PROBABILITY,
    "d_m": _OFFSET,
    "sigma_d_m": _SIGMA,
    "p_violation": _PROBABILITY,
    "speed_mps": _SPEED,
    "limit_mps": _SPEED,
}
_COLUMN_RANGES = {
    "d_m": _OFFSET,
    "sigma_d_m": _SIGMA,
    "excess_m": _OFFSET,
    "over": (-1e9, 1e9),  # metres, metres per second, or the seconds of a stop
    "speed_mps": _SPEED,
    "gap_m": _GAP,  # to the vehicle ahead; below 0 where errors let the two overlap
    "gap_least_m": _GAP,
    "p_violation": _PROBABILITY,
}
Range = tuple[float, float]


class Fault(NamedTuple):
    """The first thing that can't be true: the field's path, and the rule it breaks."""

    field: str
    rule: str

    def __str__(self) -> str:
        return f"{self.field}: {self.rule}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Where a site's violations can be; without a site, anywhere on Earth."""

    lon_deg: Range = (-180.0, 180.0)
    lat_deg: Range = (-90.0, 90.0)
    s_m: Range = (-1e7, 1e7)
    map_version: str | None = None  # whose stations `s_m` are; None: of every map

    def judged_by(self, map_version: str) -> "Bounds":
        """Return the bounds for violations of that map; another version can number its stations otherwise."""
        if self.map_version in (None, map_version):
            return self
        return replace(self, s_m=Bounds().s_m)


def bounds_of(
    origin: tuple[float, float], stations_m: Iterable[float], map_version: str | None = None
) -> Bounds:
    """Return the bounds of the site at `origin` (lon, lat) [deg] whose road has these stations [m].

    map_version : of the map with these stations; None where every violation is judged by that map
    """
    lon_deg, lat_deg = origin
    earth = Bounds()
    lat_reach = SITE_REACH_M / METRES_A_DEGREE
    lon_reach = lat_reach / max(math.cos(math.radians(lat_deg)), 1e-3)
    stations = tuple(stations_m)
    s_m = earth.s_m if not stations else (
        min(stations) - STATION_MARGIN_M, max(stations) + STATION_MARGIN_M,
    )  # fmt: skip
    west, east = lon_deg - lon_reach, lon_deg + lon_reach
    return Bounds(
        lon_deg=(west, east) if west >= -180.0 and east <= 180.0 else earth.lon_deg,  # across the date line
        lat_deg=(max(-90.0, lat_deg - lat_reach), min(90.0, lat_deg + lat_reach)),
        s_m=s_m,
        map_version=map_version,
    )


_ANY_STATION = Bounds().s_m


def fault_of(violation: Violation, bounds: Bounds, now_ns: int) -> Fault | None:
    """Return the first fault of a violation, None where it can be true.

    bounds : of the site; its stations bound only violations that the same version of the map judged
    now_ns : arrival; stamps may lie up to 5 years before and a day after it. If our own clock was never set
        (it shows a time before 2001), any legal stamp passes.
    """
    bounds, stamps = bounds.judged_by(violation.map_version), stamp_range(now_ns)
    return (
        _range_fault(violation, bounds)
        or _stamp_fault(violation, stamps)
        or _text_fault(violation)
        or _evidence_fault(violation.evidence, bounds, stamps)
    )


def stamp_range(now_ns: int) -> tuple[int, int]:
    """Return the earliest and latest stamp [ns] that can be true at `now_ns`."""
    if now_ns < STAMP_NS_MIN:
        return STAMP_NS_MIN, STAMP_NS_MAX
    return max(STAMP_NS_MIN, now_ns - BEHIND_NS), min(STAMP_NS_MAX, now_ns + AHEAD_NS)


def is_plain(text: str, length_max: int = TEXT_LENGTH_MAX) -> bool:
    """Return whether a text is short and has no control, direction or invisible characters."""
    if len(text) > length_max:
        return False
    if text.isascii() and text.isprintable():
        return True
    return not any(_is_refused(character) for character in text)


def first_refused(text: str) -> str | None:
    """Return the code of the first control, direction or invisible character; None without one."""
    found = next((character for character in text if _is_refused(character)), None)
    return None if found is None else f"U+{ord(found):04X}"


def plain(text: str, length_max: int = TEXT_LENGTH_MAX) -> str:
    """Return a text that is safe to show: refused characters as their code, too long a text cut."""
    if is_plain(text, length_max):
        return text
    cut = text[:length_max]
    return "".join(f"<U+{ord(c):04X}>" if _is_refused(c) else c for c in cut)[:length_max]


def _is_refused(character: str) -> bool:
    return unicodedata.category(character) in _REFUSED or character in _INVISIBLE


def _range_fault(violation: Violation, bounds: Bounds) -> Fault | None:
    if _UUID.fullmatch(violation.id) is None:
        return Fault("id", f"is no UUID {_shown(violation.id)}")
    for name, (low, high) in _RANGES.items():
        value = getattr(violation, name)
        if value is not None and not low <= value <= high:  # NaN is in no range
            return _number_fault(name, value, low, high)
    return (
        _number_fault("lon_deg", violation.lon_deg, *bounds.lon_deg)
        or _number_fault("lat_deg", violation.lat_deg, *bounds.lat_deg)
        or _number_fault("s_m", violation.s_m, *bounds.s_m)
        or _number_fault("road_s_m", violation.road_s_m, *_ANY_STATION)
    )


def _number_fault(name: str, value: float | None, low: float, high: float) -> Fault | None:
    if value is None or low <= value <= high:  # NaN is in no range
        return None
    return Fault(name, f"out of range {low:g} to {high:g} {_shown(value)}")


def _stamp_fault(violation: Violation, between: tuple[int, int]) -> Fault | None:
    low, high = between
    stamps = {
        "start_ns": violation.start_ns,
        "confirmed_ns": violation.confirmed_ns,
        "end_ns": violation.end_ns,
        "stamps.measured_ns": violation.stamps.measured_ns,
        "stamps.arrived_ns": violation.stamps.arrived_ns,
    }
    for name, stamp_ns in stamps.items():
        if stamp_ns is not None and not low <= stamp_ns <= high:
            return Fault(name, f"a stamp out of range {_shown(stamp_ns)}")
    for name in ("confirmed_ns", "end_ns"):
        stamp_ns = stamps[name]
        if stamp_ns is not None and stamp_ns < violation.start_ns:
            return Fault(name, "lies before the start")
    return None


def _text_fault(violation: Violation) -> Fault | None:
    for source, names, prefix in (
        (violation, _TEXTS, ""), (violation.stamps, _STAMP_TEXTS, "stamps."),
        (violation.vehicle, _VEHICLE, "vehicle."),
    ):  # fmt: skip
        for name in names if source is not None else ():
            text: str | None = getattr(source, name)
            if text is not None and not is_plain(text):
                wrong = f"is no plain text of up to {TEXT_LENGTH_MAX} characters {_shown(text)}"
                return Fault(prefix + name, wrong)
    return None


def _evidence_fault(evidence: dict[str, list[Any]], bounds: Bounds, stamps: tuple[int, int]) -> Fault | None:
    if len(evidence) > COLUMNS_MAX:
        return Fault("evidence", f"has more than {COLUMNS_MAX} columns")
    ranges = _COLUMN_RANGES | {
        "stamp_ns": stamps, "lon_deg": bounds.lon_deg, "lat_deg": bounds.lat_deg, "s_m": bounds.s_m,
    }  # fmt: skip
    n_rows: int | None = None
    for name, values in evidence.items():
        known = ranges.get(name)
        if known is None and not is_plain(name, 64):
            return Fault("evidence", f"has a column {_shown(name)}")
        if len(values) > ROWS_MAX:
            return Fault(f"evidence.{name}", f"has more than {ROWS_MAX} rows")
        if known is None:
            sound = _is_in(values, -math.inf, math.inf) or all(_is_data(value) for value in values)
        else:
            sound = _is_in(values, *known)
            if n_rows is not None and len(values) != n_rows:
                return Fault("evidence", "columns differ in length")
            n_rows = len(values)
        if not sound:
            return Fault(f"evidence.{name}" if known else "evidence", "has a value out of range")
    return None


def _is_in(values: Sequence[Any], low: float, high: float) -> bool:
    """Return whether all are None or finite numbers of the range, by two passes in C (a loop: 20 times).

    Lists of floats alone are sorted by a comparison of their own, so this costs less than `min` and `max`.
    """
    if not values:
        return True
    try:
        # NaN and infinity stay in a sum; what is no number can't be added
        if not math.isfinite(sum(values)):
            return False
        ordered = sorted(values)
        return bool(low <= ordered[0] and ordered[-1] <= high)
    except (TypeError, OverflowError):
        numbers = [value for value in values if value is not None]
        return len(numbers) < len(values) and _is_in(numbers, low, high)


def _is_data(value: Any, nested: bool = False) -> bool:
    """Return whether a value of an unknown column (of a newer RSU) is harmless to show."""
    if isinstance(value, list) and not nested:
        return len(value) <= COLUMNS_MAX and all(_is_data(inner, nested=True) for inner in value)
    if isinstance(value, str):
        return is_plain(value)
    return value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def _shown(value: object) -> str:
    return f"(is {value!r:.60})"
