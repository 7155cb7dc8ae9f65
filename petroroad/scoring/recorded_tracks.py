"""Snapshots and truth, read from recordings side by side, for `petroroad.scoring.tracks` to compare."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from core.arrays import F64, Bools
from edge.config import Site, parse_site
from edge.recording.recorder import read_messages
from edge.site_map import road_of
from edge.wire import (
    FLAG_CONFIRMED,
    FLAG_GNSS,
    FLAG_OWNED,
    FLAG_RADAR,
    NONE_LANE,
    TrackSnapshot,
    decode_site,
    decode_snapshot,
    records_of,
)
from fusion.config import RadarPose
from geofence.map.frames import SiteFrame
from geofence.map.roadmap import Axis
from petroroad.scoring.tracks import TrackScore, TracksNow, TruthNow

GAP_NS = 250_000_000  # truth is interpolated over no longer a pause

CoverOf = Callable[[F64, F64, list[str | None]], Bools]


class TrueColumns(msgspec.Struct, frozen=True, kw_only=True):
    """`/truth`, as far as scoring asks."""

    stamp_ns: int
    id: tuple[int, ...]
    terminal: tuple[str | None, ...]
    lon_deg: tuple[float, ...]
    lat_deg: tuple[float, ...]
    speed_mps: tuple[float, ...]
    course_deg: tuple[float, ...]
    lane: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class _Frame:
    """One `/truth` in site metres."""

    columns: TrueColumns
    east_m: F64
    north_m: F64


@dataclass(slots=True)
class _Names:
    """The last published lanes and names of an RSU."""

    lanes: tuple[str, ...] = ()
    terminals: dict[int, str | None] = field(default_factory=dict)


def score_tracks(recording: Path, truth_path: Path) -> TrackScore:
    """Score every snapshot of the recording for which the truth is known; empty where it has no `/site`."""
    score = TrackScore()
    site, esns, _ = _scope(recording)
    if site is None or not esns:
        return score
    _, _, sensors = _scope(truth_path)
    cover_of = _cover(site, esns, sensors)
    alone = {esn for esn in esns if not site.rsu(esn).neighbours}  # only asked, never iterated
    truths = _truths(truth_path, site.frame)
    before, after = None, next(truths, None)
    for stamp_ns, tracks in _snapshots(recording, site.frame, alone):
        while after is not None and after.columns.stamp_ns < stamp_ns:
            before, after = after, next(truths, None)
        truth = _at(stamp_ns, before, after, site.frame, cover_of)
        if truth is not None:
            score.add(truth, tracks)
    return score


def _scope(path: Path) -> tuple[Site | None, list[str], set[str]]:
    """Return the recording's site, the RSUs with snapshots, and the radars with scans."""
    site: Site | None = None
    topics: dict[str, None] = {}
    for message in read_messages(path):
        topics[message.topic] = None
        if message.topic == "/site" and site is None:
            record = decode_site(message.body)
            site = parse_site(record.config, record.map, record.registry, f"{path.name}:/site")
    parts = [topic.split("/") for topic in topics]
    esns = sorted(part[2] for part in parts if part[1] == "tracks")
    return site, esns, {part[2] for part in parts if part[1] == "radar"}


def _cover(site: Site, esns: list[str], sensors: set[str]) -> CoverOf:
    """Return a test for vehicles that these RSUs must see: on a stretch, in a radar's field or reporting.

    sensors : radars that were recorded; empty (an output has no inputs): all of the RSUs'
    """
    poses = [pose for esn in esns for pose in site.radar_poses(esn) if not sensors or pose.sensor in sensors]
    stretches = [site.rsu(esn).stretch_m for esn in esns]
    axis = road_of(site).axis

    def cover(east_m: F64, north_m: F64, terminal: list[str | None]) -> Bools:
        seen = np.array([name is not None for name in terminal], dtype=np.bool_)
        for pose in poses:
            seen |= _in_field(pose, east_m, north_m)
        return seen & _on_stretches(axis, stretches, east_m, north_m)

    return cover


def _in_field(pose: RadarPose, east_m: F64, north_m: F64) -> Bools:
    de, dn = east_m - pose.east_m, north_m - pose.north_m
    azimuth = np.arctan2(dn, de) - pose.boresight_rad
    azimuth = np.abs(np.arctan2(np.sin(azimuth), np.cos(azimuth)))
    return np.asarray((np.hypot(de, dn) <= pose.range_m_max) & (azimuth <= pose.fov_rad / 2.0))


def _on_stretches(
    axis: Axis | None, stretches: list[tuple[float, float]], east_m: F64, north_m: F64
) -> Bools:
    if axis is None:
        return np.ones(len(east_m), dtype=np.bool_)
    station, _ = axis.station_of(east_m, north_m)
    on = np.zeros(len(east_m), dtype=np.bool_)
    for from_m, to_m in stretches:
        on |= (from_m <= station) & (station < to_m)
    return on


def _truths(path: Path, frame: SiteFrame) -> Iterator[_Frame]:
    decoder = msgspec.msgpack.Decoder(TrueColumns)
    for message in read_messages(path):
        if message.topic == "/truth":
            columns = decoder.decode(message.body)
            yield _Frame(columns, *frame.site_from_lonlat(columns.lon_deg, columns.lat_deg))


def _at(
    stamp_ns: int, before: _Frame | None, after: _Frame | None, frame: SiteFrame, cover_of: CoverOf
) -> TruthNow | None:
    """Return the truth at an instant, linear between two frames; None where it is not known."""
    if after is None:
        return None
    if after.columns.stamp_ns == stamp_ns:
        return _truth_now(after, after.east_m, after.north_m, np.arange(len(after.east_m)), frame, cover_of)
    if before is None or after.columns.stamp_ns - before.columns.stamp_ns > GAP_NS:
        return None
    share = (stamp_ns - before.columns.stamp_ns) / (after.columns.stamp_ns - before.columns.stamp_ns)
    row_of = {key: row for row, key in enumerate(before.columns.id)}
    both = [(row_of[key], row) for row, key in enumerate(after.columns.id) if key in row_of]
    old, new = np.array(both, dtype=np.int64).reshape(-1, 2).T
    east = (1.0 - share) * before.east_m[old] + share * after.east_m[new]
    north = (1.0 - share) * before.north_m[old] + share * after.north_m[new]
    return _truth_now(after, east, north, new, frame, cover_of)


def _truth_now(
    of: _Frame,
    east_m: F64,
    north_m: F64,
    rows: np.typing.NDArray[np.int64],
    frame: SiteFrame,
    cover_of: CoverOf,
) -> TruthNow:
    columns, at = of.columns, rows.tolist()
    terminal = [columns.terminal[i] for i in at]
    course_deg = np.array(columns.course_deg, dtype=np.float64)[rows]
    return TruthNow(
        id=np.array(columns.id, dtype=np.int64)[rows],
        east_m=east_m,
        north_m=north_m,
        heading_rad=frame.heading_from_course(course_deg, east_m, north_m),
        speed_mps=np.array(columns.speed_mps, dtype=np.float64)[rows],
        covered=cover_of(east_m, north_m, terminal),
        lane=[columns.lane[i] for i in at],
        terminal=terminal,
    )


def _snapshots(path: Path, frame: SiteFrame, alone: set[str]) -> Iterator[tuple[int, TracksNow]]:
    """Yield the counted tracks of all RSUs at each stamp, which only grows.

    Counted are owned tracks; those of an RSU without neighbours once confirmed: nobody else could.
    """
    names: dict[str, _Names] = {}
    last_ns = 0
    decoded = (decode_snapshot(m.body) for m in read_messages(path) if m.topic.startswith("/tracks/"))
    for stamp_ns, group in itertools.groupby(decoded, key=lambda snapshot: snapshot.stamp_ns):
        parts = [_counted(snapshot, names, frame, snapshot.esn in alone) for snapshot in group]
        if stamp_ns > last_ns:
            last_ns = stamp_ns
            yield stamp_ns, _joined(parts)


def _counted(snapshot: TrackSnapshot, names: dict[str, _Names], frame: SiteFrame, alone: bool) -> TracksNow:
    known = names.setdefault(snapshot.esn, _Names())
    if snapshot.lanes is not None:
        known.lanes = snapshot.lanes
    if snapshot.names is not None:
        known.terminals = dict(zip(snapshot.names.track, snapshot.names.terminal, strict=True))
    records = records_of(snapshot)
    records = records[records["flags"] & (FLAG_CONFIRMED if alone else FLAG_OWNED) != 0]
    east, north = frame.site_from_lonlat(records["lon_e7"] / 1e7, records["lat_e7"] / 1e7)
    speed = records["speed_cmps"] / 100.0
    heading = frame.heading_from_course(records["course_cdeg"] / 100.0, east, north)
    on_m = -speed * records["dt_ms"] / 1e3  # from the state's time to the snapshot's
    lanes = [
        known.lanes[i] if i != NONE_LANE and i < len(known.lanes) else None for i in records["lane"].tolist()
    ]
    return TracksNow(
        id=records["track"].astype(np.uint64),
        east_m=east + on_m * np.cos(heading),
        north_m=north + on_m * np.sin(heading),
        speed_mps=speed,
        sigma_m=records["sigma_cm"] / 100.0,
        unseen=records["flags"] & (FLAG_RADAR | FLAG_GNSS) == 0,
        lane=lanes,
        terminal=[known.terminals.get(key) for key in records["track"].tolist()],
    )


def _joined(parts: list[TracksNow]) -> TracksNow:
    """Return the tracks of several RSUs as one."""
    if len(parts) == 1:
        return parts[0]
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("id", "east_m", "north_m", "speed_mps", "sigma_m", "unseen")
    }
    return TracksNow(
        **columns,
        lane=[lane for part in parts for lane in part.lane],
        terminal=[terminal for part in parts for terminal in part.terminal],
    )
