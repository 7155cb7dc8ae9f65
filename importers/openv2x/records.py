"""The records of a pole radar's JSON log: broken ones are counted by reason and left out."""

import json
import math
import re
import struct
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.times import STAMP_NS_MAX, STAMP_NS_MIN
from edge.config import MARKS
from roadside.inputs import TARGETS_MAX

RECORD = re.compile(r'\{\s*"(?:timeStamp|deviceId|number|targets)"\s*:')
SPEED_KMH_MAX = 360.0
ID_MAX = 2**63 - 1
UNITS_NS = {"ms": 10**6, "s": 10**9, "us": 10**3, "ns": 1}  # of a stamp: its size says which
_SKIP = re.compile(r"[\s,\[\]]*")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One target as reported; None where the radar says that it doesn't know."""

    id: int
    lon_deg: float
    lat_deg: float
    speed_mps: float  # signed: negative when it comes nearer
    heading_deg: float  # clockwise from north
    length_m: float | None
    width_m: float | None
    rcs_dbsm: float | None


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its time field unchanged, in milliseconds, and its sound targets."""

    field_ms: int
    targets: tuple[Target, ...]


def read(data: bytes, counts: Counter[str]) -> list[Record]:
    """Return the records in the file's order, which is right where the stamps are not."""
    records = []
    for value in _values(_text(data, counts), counts):
        record = _record(value, counts)
        if record is not None:
            records.append(record)
    return records


def _text(data: bytes, counts: Counter[str]) -> str:
    for mark, encoding in MARKS:
        if data.startswith(mark):
            counts["bom"] += 1
            return data[len(mark) :].decode(encoding, errors="replace")
    text = data.decode("utf-8", errors="replace")
    counts["not_utf8"] += text.count("\ufffd")
    return text


def _values(text: str, counts: Counter[str]) -> list[Any]:
    """Return every whole JSON object; after a broken one, resume where the next record begins."""
    values: list[Any] = []
    at = 0
    while True:
        match = _SKIP.match(text, at)
        at = match.end() if match else at
        if at >= len(text):
            return values
        try:
            value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            counts["record_broken"] += 1
            following = RECORD.search(text, at + 1)
            if following is None:
                return values
            at = following.start()
            continue
        values.append(value)


def _record(value: Any, counts: Counter[str]) -> Record | None:
    if not isinstance(value, dict):
        counts["record_no_object"] += 1
        return None
    field_ms = _field_ms(value.get("timeStamp"), counts)
    if field_ms is None or not 0 < field_ms < 10**14:
        counts["record_timestamp"] += 1
        return None
    rows = value.get("targets")
    if not isinstance(rows, list):
        counts["record_targets"] += 1
        return None
    if _whole(value.get("number")) != len(rows):
        counts["number_mismatch"] += 1
    targets: dict[int, Target] = {}
    for row in rows:
        target = _target(row, counts)
        if target is None:
            continue
        if target.id in targets:
            counts["duplicate_id"] += 1
        elif len(targets) < TARGETS_MAX:
            targets[target.id] = target
        else:
            counts["too_many_targets"] += 1
    return Record(field_ms, tuple(targets.values()))


def _field_ms(value: Any, counts: Counter[str]) -> int | None:
    """Return a time field in milliseconds; one in another unit, or as ISO 8601 with a zone, is counted."""
    whole = _whole(value)
    number = _number(value) if whole is None else whole
    if number is None:
        return _ms_of_text(value, counts)
    for unit, unit_ns in UNITS_NS.items():
        if STAMP_NS_MIN <= number * unit_ns <= STAMP_NS_MAX:
            counts[f"stamp_in_{unit}"] += unit != "ms"
            return int(number) * unit_ns // 10**6 if number == int(number) else round(number * unit_ns / 1e6)
    return whole


def _ms_of_text(value: Any, counts: Counter[str]) -> int | None:
    try:
        moment = datetime.fromisoformat(str(value).strip())
    except ValueError:
        return None
    if moment.tzinfo is None:
        counts["stamp_without_zone"] += 1  # its day and hour are ambiguous
        return None
    counts["stamp_in_text"] += 1
    return round(moment.timestamp() * 1e3)


def _target(row: Any, counts: Counter[str]) -> Target | None:
    if not isinstance(row, dict):
        counts["target_no_object"] += 1
        return None
    name = _whole(row.get("targetId"))
    if name is None or not 0 <= name <= ID_MAX:
        counts["target_id"] += 1
        return None
    numbers = {}
    for key, least, most in (
        ("longitude", -180.0, 180.0),
        ("latitude", -85.0, 85.0),
        ("speed", -SPEED_KMH_MAX, SPEED_KMH_MAX),
        ("headingAngle", -360.0, 360.0),
    ):
        value = _number(row.get(key))
        if value is None or not least <= value <= most:
            counts[f"target_{key}"] += 1
            return None
        numbers[key] = value
    return Target(
        id=name,
        lon_deg=numbers["longitude"],
        lat_deg=numbers["latitude"],
        speed_mps=numbers["speed"] / 3.6,
        heading_deg=numbers["headingAngle"] % 360.0,
        length_m=_extent(row.get("targetLength"), "length", counts),
        width_m=_extent(row.get("targetWidth"), "width", counts),
        rcs_dbsm=_rcs(row.get("rcs"), counts),
    )


def _whole(value: Any) -> int | None:
    """Return a whole number, also one that is written as text or with a point."""
    if isinstance(value, str):
        try:
            value = float(value) if "." in value else int(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if math.isfinite(value) and value == int(value) else None


def _number(value: Any) -> float | None:
    """Return a finite number, also one that is written as text."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e300 < value < 1e300:
        return None
    return float(value)  # NaN and infinity fail the comparison


def _extent(value: Any, name: str, counts: Counter[str]) -> float | None:
    number = _number(value)
    if number == 0.0:
        counts[f"zero_{name}"] += 1
        return None
    if number is None or not 0.0 < number < 100.0:
        counts[f"bad_{name}"] += 1
        return None
    return number


def _rcs(value: Any, counts: Counter[str]) -> float | None:
    """Return dBsm: a plain number, or the bits of a float32 in a uint32."""
    number = _number(value)
    if number == 0.0:
        counts["zero_rcs"] += 1
        return None
    if number is not None and abs(number) < 200.0:
        return number
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**32:
        counts["rcs_bits"] += 1
        number = float(struct.unpack("<f", struct.pack("<I", value))[0])
        if abs(number) < 200.0:
            return number
    counts["bad_rcs"] += 1
    return None
