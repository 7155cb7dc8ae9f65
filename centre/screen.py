"""Removes from snapshots and statuses the values that can't be true, and counts them. Pure.

The whole message is refused only where its own bytes or key fields can't be read.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge import wire
from edge.radar_errors import RegistrationReported
from edge.stations import stations_m
from fusion.observations import SPEED_MPS_MAX
from geofence.plausible import is_plain, plain, stamp_range

DTYPE_FIELDS_MAX = 64
COURSE_CDEG_MAX = 36_000
ENTRIES_MAX = 512  # of any list or map in a status
COUNT_MAX = 10**12  # JavaScript holds integers up to 2^53, and sums of such counts are shown
LAST_SEQ_MAX = 10**9  # violations of one start of an RSU
STATION_M_MAX = 1e7
POSE_MAX = 1e6  # m, rad and s of a radar's pose
OFFSET_MS_MAX = 1e13  # a clock that starts at 1970 still shows
AnyStatus = wire.Status | wire.GatewayStatus
Row = TypeVar("Row")


def screened_snapshot(
    payload: bytes, judged_ns: int, counts: Counter[str]
) -> tuple[wire.TrackSnapshot, bytes]:
    """Return a `track/up` and its bytes without the tracks and names that can't be true.

    judged_ns : of `OwnClock`. Raises msgspec.MsgspecError or ValueError where it is no snapshot, or its
        stamp is far from `judged_ns`
    """
    snapshot = wire.decode_snapshot(payload)
    if len(snapshot.dtype) > DTYPE_FIELDS_MAX:
        raise ValueError(f"dtype has more than {DTYPE_FIELDS_MAX} fields")
    records = wire.records_of(snapshot)
    low, high = stamp_range(judged_ns)
    if not low <= snapshot.stamp_ns <= high:
        raise ValueError("stamp_ns out of range")
    changed: dict[str, Any] = {}
    sound = _sound_rows(records, snapshot.lanes)
    if not sound.all():
        counts["track.implausible"] += int((~sound).sum())
        kept = records[sound]
        changed |= {"n": len(kept), "data": kept.tobytes()}
    if snapshot.lanes is not None and not all(map(is_plain, snapshot.lanes)):
        counts["track.lane_refused"] += 1  # escaped, not removed: the records hold indices into it
        changed["lanes"] = tuple(map(plain, snapshot.lanes))
    if snapshot.names is not None:
        names = _sound_names(snapshot.names)
        if names is not snapshot.names:
            counts["track.name_refused"] += 1
            changed["names"] = names
    if not changed:
        return snapshot, payload
    snapshot = msgspec.structs.replace(snapshot, **changed)
    return snapshot, wire.encode(snapshot)


def _sound_rows(records: wire.Records, lanes: tuple[str, ...] | None) -> NDArray[np.bool_]:
    """Return a mask (n,) of the records whose values a vehicle can have."""
    lon, lat, station, lane = (records[name] for name in ("lon_e7", "lat_e7", "s_dm", "lane"))
    sound = (lon >= -1_800_000_000) & (lon <= 1_800_000_000) & (lat >= -900_000_000) & (lat <= 900_000_000)
    sound &= (station == wire.NONE_S_DM) | (station <= STATION_M_MAX * 10)
    sound &= ~(np.abs(stations_m(records)) > STATION_M_MAX)  # NaN, no station, is sound
    sound &= (records["speed_cmps"] <= SPEED_MPS_MAX * 100) & (records["course_cdeg"] <= COURSE_CDEG_MAX)
    if lanes is not None:
        sound &= (lane == wire.NONE_LANE) | (lane < len(lanes))
    return np.asarray(sound, dtype=np.bool_)


def _sound_names(names: wire.TrackNames) -> wire.TrackNames:
    """Return the names with None for each that is no plain text; the same object where all are plain."""
    terminal = tuple(_plain_or_none(text) for text in names.terminal)
    plate = tuple(_plain_or_none(text) for text in names.plate)
    if terminal == names.terminal and plate == names.plate:
        return names
    return msgspec.structs.replace(names, terminal=terminal, plate=plate)


def _plain_or_none(text: str | None) -> str | None:
    return text if text is None or is_plain(text) else None


def screened_status(
    status: AnyStatus, now_ns: int, counts: Counter[str], judged_ns: int | None = None
) -> AnyStatus:
    """Return a status without the values that can't be true; they are counted by field.

    judged_ns : of `OwnClock`, that stamps are held against; None: `now_ns`
    """
    judged_ns = now_ns if judged_ns is None else judged_ns
    screen = _StatusScreen(counts)
    changed: dict[str, Any] = {
        "version": screen.text("version", status.version),
        "clock_offset_ms": screen.number("clock_offset_ms", status.clock_offset_ms, OFFSET_MS_MAX),
        "counts": screen.figures("counts", status.counts),
    }
    if isinstance(status, wire.GatewayStatus):
        changed["terminals"] = screen.count("terminals", status.terminals, COUNT_MAX)
        changed["strange_terminals"] = screen.texts("strange_terminals", status.strange_terminals)
        changed["degraded"] = screen.rows("degraded", status.degraded[:ENTRIES_MAX], is_plain)
        return msgspec.structs.replace(status, **changed)
    changed |= {
        "last_seq": screen.count("last_seq", status.last_seq, LAST_SEQ_MAX),
        "pending": screen.rows("pending", status.pending, lambda pair: pair[1] <= LAST_SEQ_MAX),
        "outbox_depth": screen.count("outbox_depth", status.outbox_depth, COUNT_MAX),
        "config": screen.text("config", status.config),
        "map": screen.text("map", status.map),
        "sensors": screen.texts("sensors", status.sensors),
        "degraded": screen.rows("degraded", status.degraded[:ENTRIES_MAX], is_plain),
        "centres": screen.rows("centres", status.centres, lambda seen: is_plain(seen.database or "")),
        "registration": screen.poses(status.registration),
        "unjudged": screen.stretches(status.unjudged, now_ns, judged_ns),
        "strange_terminals": screen.texts("strange_terminals", status.strange_terminals),
        "strange_radars": screen.texts("strange_radars", status.strange_radars),
    }
    return msgspec.structs.replace(status, **changed)


class _StatusScreen:
    """Screens the fields of one status, and counts what it removes."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts

    def _fault(self, name: str, times: int = 1) -> None:
        if times:
            self._counts[f"status.implausible.{name}"] += times

    def text(self, name: str, text: str) -> str:
        if not is_plain(text):
            self._fault(name)
        return plain(text)

    def number(self, name: str, value: float | None, limit: float) -> float | None:
        if value is None or abs(value) <= limit:  # false for NaN
            return value
        self._fault(name)
        return None

    def count(self, name: str, value: int, limit: int) -> int:
        if value <= limit:
            return value
        self._fault(name)
        return 0

    def figures(self, name: str, figures: dict[str, int]) -> dict[str, int]:
        sound = {key: n for key, n in figures.items() if is_plain(key) and abs(n) <= COUNT_MAX}
        self._fault(name, len(figures) - len(sound))
        return sound

    def texts(self, name: str, texts: dict[str, str]) -> dict[str, str]:
        sound = {key: text for key, text in texts.items() if is_plain(key) and is_plain(text)}
        sound = dict(list(sound.items())[:ENTRIES_MAX])
        self._fault(name, len(texts) - len(sound))
        return sound

    def rows(self, name: str, rows: Iterable[Row], is_sound: Any) -> tuple[Row, ...]:
        all_rows = tuple(rows)
        sound = tuple(row for row in all_rows if is_sound(row))
        self._fault(name, len(all_rows) - len(sound))
        return sound

    def poses(self, poses: Mapping[str, RegistrationReported]) -> dict[str, RegistrationReported]:
        sound = {key: one for key, one in poses.items() if is_plain(key) and _is_pose(one)}
        sound = dict(list(sound.items())[:ENTRIES_MAX])
        self._fault("registration", len(poses) - len(sound))
        return sound

    def stretches(
        self, stretches: tuple[wire.UnjudgedStretch, ...], now_ns: int, judged_ns: int
    ) -> tuple[wire.UnjudgedStretch, ...]:
        """Return the stretches whose ends can be true; one with a wrong `since_ns` begins now."""
        low, high = stamp_range(judged_ns)
        found = []
        for each in self.rows("unjudged", stretches, _is_stretch)[:ENTRIES_MAX]:
            if not low <= each.since_ns <= high:
                self._fault("unjudged.since_ns")
                found.append(msgspec.structs.replace(each, since_ns=now_ns))
            else:
                found.append(each)
        self._fault("unjudged", max(0, len(stretches) - ENTRIES_MAX))
        return tuple(found)


def _is_pose(pose: RegistrationReported) -> bool:
    numbers = (*pose.estimate, *pose.sigma, *pose.applied)
    return is_plain(pose.state) and all(abs(number) <= POSE_MAX for number in numbers)  # false for NaN


def _is_stretch(stretch: wire.UnjudgedStretch) -> bool:
    ends = (stretch.from_m, stretch.to_m)
    return (
        all(math.isfinite(end) and abs(end) <= STATION_M_MAX for end in ends)
        and is_plain(stretch.road)
        and is_plain(stretch.reason)
    )
