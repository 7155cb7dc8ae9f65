"""Shapes what was read of the history as the messages that pages receive live: `track/up`. Pure."""

import bisect
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from centre.history.codec import Shot
from centre.history.file import NameRow
from centre.history.gather import NOBODY, Name
from edge import wire
from edge.stations import stations_m

BYTES_MAX = 6_000_000  # of the frames of one answer, before it is compressed


class Piece(NamedTuple):
    """Snapshots of one RSU with the lanes that their rows hold indices into."""

    esn: str
    lanes: tuple[str, ...]
    shots: Sequence[Shot]


class Frames(NamedTuple):
    """Messages by time.  next_ns : from where the rest can be read; None: there is none"""

    messages: list[bytes]
    next_ns: int | None


class NameBook:
    """Who each track was at each time."""

    def __init__(self, rows: Iterable[NameRow]) -> None:
        self._rows: dict[int, list[tuple[int, Name]]] = {}
        for track, from_ns, name in rows:
            self._rows.setdefault(track, []).append((from_ns, name))
        for names in self._rows.values():
            names.sort(key=lambda row: row[0])

    def at(self, track: int, stamp_ns: int) -> Name | None:
        """Return a track's name at a time; None: it had none."""
        names = self._rows.get(track)
        if names is None:
            return None
        i = bisect.bisect_right(names, stamp_ns, key=lambda row: row[0])
        return None if i == 0 or names[i - 1][1] == NOBODY else names[i - 1][1]

    def of(self, tracks: Iterable[int], stamp_ns: int) -> wire.TrackNames:
        """Return the names of some tracks at a time, as a snapshot carries them."""
        found = [(track, name) for track in tracks if (name := self.at(track, stamp_ns)) is not None]
        return wire.TrackNames(
            track=tuple(track for track, _ in found),
            terminal=tuple(name.terminal for _, name in found),
            plate=tuple(name.plate for _, name in found),
            identity_p=tuple(name.identity_p for _, name in found),
        )


def frames_of(
    pieces: Iterable[Piece],
    names: NameBook,
    from_ns: int,
    to_ns: int,
    stations: tuple[float, float] | None = None,
    bytes_max: int = BYTES_MAX,
) -> Frames:
    """Return the messages of [from_ns, to_ns], oldest first, up to a number of bytes.

    stations : only the vehicles between them [m], and those without a station
    Lanes and names are in an RSU's first message, and wherever its lanes, vehicles or names are others.
    """
    found: dict[tuple[int, str], tuple[Shot, tuple[str, ...]]] = {}
    for piece in pieces:
        for shot in piece.shots:
            if from_ns <= shot.stamp_ns <= to_ns:
                found.setdefault((shot.stamp_ns, piece.esn), (shot, piece.lanes))
    messages: list[bytes] = []
    told: dict[str, tuple[tuple[str, ...], wire.TrackNames]] = {}
    n_bytes, last_ns = 0, from_ns
    for (stamp_ns, esn), (shot, lanes) in sorted(found.items(), key=lambda item: item[0]):
        if n_bytes > bytes_max and stamp_ns != last_ns:
            return Frames(messages, stamp_ns)
        last_ns = stamp_ns
        rows = shot.rows if stations is None else _between(shot.rows, *stations)
        given = names.of(rows["track"].tolist(), stamp_ns)
        before = told.get(esn)
        told[esn] = (lanes, given)
        message = wire.snapshot_of(
            rows, esn=esn, seq=shot.seq, stamp_ns=stamp_ns,
            lanes=lanes if before is None or before[0] != lanes else None,
            names=given if before is None or _identities(before[1]) != _identities(given) else None,
        )  # fmt: skip
        messages.append(wire.encode(message))
        n_bytes += len(messages[-1])
    return Frames(messages, None)


def _identities(names: wire.TrackNames) -> tuple[object, ...]:
    return names.track, names.terminal, names.plate


def _between(rows: wire.Records, low_m: float, high_m: float) -> wire.Records:
    s_m = stations_m(rows)
    chosen: wire.Records = rows[~((s_m < low_m) | (s_m > high_m))]  # NaN, no station, stays
    return chosen


def columns_of(track_shots: Iterable[tuple[str, tuple[str, ...], Shot, int]]) -> dict[str, list[object]]:
    """Return one vehicle's way as columns: (esn, lanes, snapshot, track) one after the other."""
    columns: dict[str, list[object]] = {
        key: [] for key in ("stamp_ns", "s_m", "speed_mps", "lane", "d_m", "lon_deg", "lat_deg", "esn")
    }
    for esn, lanes, shot, track in track_shots:
        at = int(np.searchsorted(shot.rows["track"], np.uint64(track)))
        if at >= len(shot.rows) or int(shot.rows["track"][at]) != track:
            continue
        row = shot.rows[at]
        station, lane, d_cm = float(stations_m(shot.rows[at : at + 1])[0]), int(row["lane"]), int(row["d_cm"])
        values: tuple[object, ...] = (
            str(shot.stamp_ns), None if np.isnan(station) else round(station, 1),
            int(row["speed_cmps"]) / 100, lanes[lane] if lane < len(lanes) else None,
            None if d_cm == wire.NONE_D_CM else d_cm / 100, int(row["lon_e7"]) / 1e7,
            int(row["lat_e7"]) / 1e7, esn,
        )  # fmt: skip
        for key, value in zip(columns, values, strict=True):
            columns[key].append(value)
    return columns
