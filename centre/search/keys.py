"""What an episode is found by, from its versions, in whatever order they arrive. Pure.

The vehicle, the rule, the times and the RSU are those of the newest version, the place that of the first one
at the highest grade, as the page shows them.
"""

import functools
import unicodedata
from collections.abc import Iterable
from typing import Any

from geofence.plausible import plain
from geofence.violation import GRADES, Violation

Values = dict[str, Any]
OF_NEWEST = ("start_ns", "end_ns", "open", "esn", "rule", "plate", "terminal", "carrier", "un")
OF_PLACE = ("s_m", "lane", "zone", "place_hop", "place_version")
CHANGING = (*OF_NEWEST, "grade_max", *OF_PLACE)
_SEPARATORS = str.maketrans("", "", " ·•・‧.-_")


LONGEST = 400  # characters of a name that are read: a request's may have 60 000, and thousands are remembered


def folded(text: str) -> str:
    """Return a plate as it is compared: as the page shows it, of usual width, in capitals, no separators."""
    return _folded(text[:LONGEST])


@functools.lru_cache(8_192)
def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", plain(text)).upper().translate(_SEPARATORS)[:200]


def shown(text: str) -> str:
    """Return a name as the page shows it, with characters of the usual width."""
    return _shown(text[:LONGEST])


@functools.lru_cache(8_192)
def _shown(text: str) -> str:
    return unicodedata.normalize("NFKC", plain(text)).strip()[:200]


def first_key(found: Violation) -> Values:
    """Return the row of an episode of which only this version is known."""
    return _newest(found) | {"grade_max": GRADES.index(found.grade)} | _place(found)


def merged(known: Values, found: Violation, *, is_newest: bool) -> Values | None:
    """Return the changed row of an episode; None where a further version changes nothing of it.

    is_newest : by (hop, version), of all that are known
    """
    grade, values = GRADES.index(found.grade), dict(known)
    if is_newest:
        values |= _newest(found)
    at, known_at = (found.hop, found.version), (known["place_hop"], known["place_version"])
    if grade > known["grade_max"] or (grade == known["grade_max"] and at < known_at):
        values |= _place(found) | {"grade_max": grade}
    return values if values != known else None


def key_of(versions: Iterable[Violation]) -> Values:
    """Return the row of an episode from all its versions, of which there is at least one."""
    ordered = sorted(versions, key=lambda found: (found.hop, found.version))
    values = first_key(ordered[0])
    for found in ordered[1:]:
        values = merged(values, found, is_newest=True) or values
    return values


def _newest(found: Violation) -> Values:
    vehicle = found.vehicle
    values: Values = {
        "start_ns": found.start_ns, "end_ns": found.end_ns, "open": found.phase != "close",
        "esn": found.esn, "rule": found.rule, "plate": None, "terminal": None, "carrier": None, "un": None,
    }  # fmt: skip
    if vehicle is not None:
        name = vehicle.plate or vehicle.terminal
        values["plate"] = None if name is None else folded(name)
        for key in ("terminal", "carrier", "un"):
            text: str | None = getattr(vehicle, key)
            values[key] = None if text is None else shown(text)
    return values


def _place(found: Violation) -> Values:
    return {
        "s_m": found.s_m, "lane": found.lane, "zone": found.zone,
        "place_hop": found.hop, "place_version": found.version,
    }  # fmt: skip
