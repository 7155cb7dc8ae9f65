"""Messages as plain JSON values, for people and other tools: MessagePack opened, records as columns. Pure."""

import math
from collections.abc import Iterator
from typing import Any

import msgpack  # type: ignore[import-untyped]
import msgspec
import numpy as np

from edge.stations import stations_m
from edge.wire import (
    FLAG_OWNED,
    NONE_D_CM,
    NONE_LANE,
    TrackSnapshot,
    decode_snapshot,
    records_of,
)

JSON_INTEGER_MAX = 2**53  # beyond, a browser rounds: ids become decimal strings
MAPS = {bytes([first]) for first in (*range(0x80, 0x90), 0xDE, 0xDF)}  # how a MessagePack map begins
NO_MESSAGE = "no MessagePack"


def plain(topic: str, body: bytes) -> Any:
    """Return a message as JSON values; an unreadable one as its size and its beginning.

    A snapshot's records become columns, a violation inside a batch its own map.
    """
    if topic.endswith("track/up") or topic.startswith("/tracks/"):
        try:
            return _jsonable(snapshot_columns(decode_snapshot(body)))
        except (msgspec.DecodeError, ValueError):  # shown as it is, below
            pass
    return _opened(body)


def snapshot_columns(snapshot: TrackSnapshot) -> dict[str, Any]:
    """Return a snapshot with its records as columns; ValueError where `dtype` or `n` is wrong."""
    records = records_of(snapshot)
    columns = {name: records[name].tolist() for name in records.dtype.names or ()}
    head = {"esn": snapshot.esn, "seq": snapshot.seq, "stamp_ns": snapshot.stamp_ns, "n": snapshot.n}
    names = msgspec.to_builtins(snapshot.names) if snapshot.names else None
    return head | {"tracks": columns, "lanes": snapshot.lanes, "names": names}


def track_rows(snapshot: TrackSnapshot, lanes: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yield a snapshot's tracks in units that an analysis wants; None where there is none."""
    records = records_of(snapshot)
    for row, s_m in zip(records, stations_m(records).tolist(), strict=True):
        lane = int(row["lane"])
        yield {
            "stamp_ns": snapshot.stamp_ns + int(row["dt_ms"]) * 1_000_000,
            "esn": snapshot.esn,
            "track": str(row["track"]),
            "lon_deg": int(row["lon_e7"]) / 1e7,
            "lat_deg": int(row["lat_e7"]) / 1e7,
            "speed_mps": int(row["speed_cmps"]) / 100,
            "course_deg": int(row["course_cdeg"]) / 100,
            "lane": lanes[lane] if lane != NONE_LANE and lane < len(lanes) else None,
            "s_m": None if math.isnan(s_m) else s_m,
            "d_m": None if row["d_cm"] == NONE_D_CM else int(row["d_cm"]) / 100,
            "sigma_m": int(row["sigma_cm"]) / 100,
            "class": int(row["class"]),
            "owned": bool(row["flags"] & FLAG_OWNED),
        }


def _opened(body: bytes) -> Any:
    if not body:
        return None
    try:
        return _jsonable(msgpack.unpackb(body, strict_map_key=False))
    except Exception:  # msgpack raises many kinds on garbage
        return {"error": NO_MESSAGE, "bytes": len(body), "begins": body[:16].hex()}


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if isinstance(value, bytes):
        return _opened(value) if value[:1] in MAPS else value.hex()
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > JSON_INTEGER_MAX:
        return str(value)
    if isinstance(value, float) and not np.isfinite(value):
        return None  # JSON has no word for it
    if isinstance(value, msgpack.ExtType | msgpack.Timestamp):
        return str(value)
    return value
