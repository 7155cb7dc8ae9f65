"""The truth of a recording at any instant, in site metres, and what the RSUs' sensors cover of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from core.arrays import F64, I64, Bools
from edge.config import Site
from edge.recording.recorder import read_messages
from edge.site_map import road_of
from fusion.config import RadarPose
from geofence.map.frames import SiteFrame
from geofence.map.roadmap import Axis
from petroroad.scoring.frames import TruthNow

GAP_NS = 250_000_000  # truth is interpolated over no longer a pause


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
    length_m: tuple[float | None, ...] | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """One `/truth` in site metres."""

    columns: TrueColumns
    east_m: F64
    north_m: F64
    row_of: dict[int, int]  # by vehicle


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """What these RSUs must see: vehicles on their stretches, in a radar's field or reporting."""

    poses: Sequence[RadarPose]
    stretches_m: Sequence[tuple[float, float]]
    axis: Axis | None

    def in_field(self, east_m: F64, north_m: F64) -> Bools:
        """Return which places (n,) lie in the field of view of a radar."""
        pose = np.array(
            [(p.east_m, p.north_m, p.boresight_rad, p.range_m_max, p.fov_rad / 2.0) for p in self.poses]
        )
        east0, north0, boresight, range_max, half_fov = pose.reshape(-1, 5, 1).transpose(1, 0, 2)
        de, dn = east_m - east0, north_m - north0
        azimuth = np.abs(np.remainder(np.arctan2(dn, de) - boresight + np.pi, 2.0 * np.pi) - np.pi)
        seen = (de**2 + dn**2 <= range_max**2) & (azimuth <= half_fov)
        return np.asarray(seen.any(axis=0))

    def on_stretch(self, east_m: F64, north_m: F64) -> Bools:
        """Return which places (n,) lie on the stretch of an RSU."""
        if self.axis is None:
            return np.ones(len(east_m), dtype=np.bool_)
        station, _ = self.axis.station_of(east_m, north_m)
        on = np.zeros(len(east_m), dtype=np.bool_)
        for from_m, to_m in self.stretches_m:
            on |= (from_m <= station) & (station < to_m)
        return on


def cover_of(site: Site, esns: Iterable[str], sensors: set[str]) -> Cover:
    """Return the cover of these RSUs.

    sensors : radars that were recorded; empty (an output has no inputs): all of the RSUs'
    """
    esns = list(esns)
    poses = [pose for esn in esns for pose in site.radar_poses(esn) if not sensors or pose.sensor in sensors]
    return Cover(poses=poses, stretches_m=[site.rsu(esn).stretch_m for esn in esns], axis=road_of(site).axis)


class Truths:
    """The truth at instants that only grow."""

    def __init__(
        self, path: Path, frame: SiteFrame, cover: Cover, manipulated_ns: Mapping[int, int] | None = None
    ) -> None:
        """manipulated_ns : by vehicle, since when its fixes are manipulated."""
        self._frame, self._cover = frame, cover
        self._manipulated_ns = manipulated_ns or {}
        self._frames = _frames(path, frame)
        self._before: Frame | None = None
        self._after = next(self._frames, None)
        self._next = next(self._frames, None)

    def at(self, stamp_ns: int) -> TruthNow | None:
        """Return the truth at an instant, linear between two frames; None where it is not known."""
        while self._after is not None and self._after.columns.stamp_ns < stamp_ns:
            self._before, self._after, self._next = self._after, self._next, next(self._frames, None)
        before, after = self._before, self._after
        if after is None:
            return None
        if after.columns.stamp_ns == stamp_ns:
            rows = np.arange(len(after.east_m))
            speeds = _velocity(rows, after, before, self._next)
            return self._now(stamp_ns, after, (after.east_m, after.north_m), speeds, rows)
        if before is None or after.columns.stamp_ns - before.columns.stamp_ns > GAP_NS:
            return None
        share = (stamp_ns - before.columns.stamp_ns) / (after.columns.stamp_ns - before.columns.stamp_ns)
        both = [(before.row_of[key], row) for key, row in after.row_of.items() if key in before.row_of]
        old, new = np.array(both, dtype=np.int64).reshape(-1, 2).T
        east = (1.0 - share) * before.east_m[old] + share * after.east_m[new]
        north = (1.0 - share) * before.north_m[old] + share * after.north_m[new]
        speeds = _velocity(new, after, before, None)
        return self._now(stamp_ns, after, (east, north), speeds, new)

    def _now(
        self, stamp_ns: int, of: Frame, place: tuple[F64, F64], speeds: tuple[F64, F64], rows: I64
    ) -> TruthNow:
        columns, at, (east_m, north_m) = of.columns, rows.tolist(), place
        terminal = [columns.terminal[i] for i in at]
        lengths = columns.length_m or (None,) * len(columns.id)
        course_deg = np.array(columns.course_deg, dtype=np.float64)[rows]
        in_field = self._cover.in_field(east_m, north_m)
        reporting = np.array([name is not None for name in terminal], dtype=np.bool_)
        ids = [columns.id[i] for i in at]
        since_ns = [self._manipulated_ns.get(key, stamp_ns + 1) for key in ids]
        return TruthNow(
            stamp_ns=stamp_ns,
            id=np.array(ids, dtype=np.int64),
            east_m=east_m,
            north_m=north_m,
            heading_rad=self._frame.heading_from_course(course_deg, east_m, north_m),
            speed_mps=np.array(columns.speed_mps, dtype=np.float64)[rows],
            east_mps=speeds[0],
            north_mps=speeds[1],
            length_m=np.array([lengths[i] or 0.0 for i in at], dtype=np.float64),
            covered=(in_field | reporting) & self._cover.on_stretch(east_m, north_m),
            in_field=in_field,
            manipulated=np.array(since_ns, dtype=np.int64) <= stamp_ns,
            lane=[columns.lane[i] for i in at],
            terminal=terminal,
        )


def _frames(path: Path, frame: SiteFrame) -> Iterator[Frame]:
    decoder = msgspec.msgpack.Decoder(TrueColumns)
    for message in read_messages(path):
        if message.topic == "/truth":
            columns = decoder.decode(message.body)
            east_m, north_m = frame.site_from_lonlat(columns.lon_deg, columns.lat_deg)
            yield Frame(columns, east_m, north_m, {key: row for row, key in enumerate(columns.id)})


def _velocity(rows: I64, now: Frame, before: Frame | None, after: Frame | None) -> tuple[F64, F64]:
    """Return east and north velocities (n,) of the rows of `now`: differences over the frames around it.

    NaN where a vehicle is in no neighbouring frame. Recorded speeds are not used: some recordings state them
    along the axis rather than along the vehicle's own path.
    """
    speeds = np.full((2, len(rows)), np.nan)
    first = before if before is not None and _are_near(before, now) else now
    last = after if after is not None and _are_near(after, now) else now
    for k, row in enumerate(rows.tolist()):
        key = now.columns.id[row]
        start = first if key in first.row_of else now
        end = last if key in last.row_of else now
        if start is end:
            continue
        dt_s = (end.columns.stamp_ns - start.columns.stamp_ns) / 1e9
        i, j = start.row_of[key], end.row_of[key]
        speeds[0, k] = (end.east_m[j] - start.east_m[i]) / dt_s
        speeds[1, k] = (end.north_m[j] - start.north_m[i]) / dt_s
    return speeds[0], speeds[1]


def _are_near(a: Frame, b: Frame) -> bool:
    return 0 < abs(a.columns.stamp_ns - b.columns.stamp_ns) <= GAP_NS
