"""Zones of the map and the ways of vehicles: a fast vehicle can cross a zone between two fixes."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import shapely

from core.arrays import F64, I64
from geofence.map.areas import Area
from geofence.map.windows import Window, holds

SAMPLES = 9  # of a way's parts inside, to find its deepest place


class Passage(NamedTuple):
    """The part of a way that is inside a zone."""

    depth_m: float  # the greatest distance from the zone's boundary, inside
    first_ns: int
    last_ns: int


class ZoneShape:
    """A zone's area, prepared for many questions. Site metres."""

    def __init__(
        self,
        name: str,
        polygon: Area,
        windows: Sequence[Window] = (),
        lanes: Collection[int] = (),
        holidays: Collection[int] = (),
        openings: Mapping[str, Sequence[tuple[int, int]]] | None = None,
    ) -> None:
        """windows : in which its rules hold; none: always.  lanes : of which it is the area; none: any.

        holidays : days since 1970.  openings : to terminals with a permit, from when until when
        """
        self.name, self.windows, self.lanes, self._holidays = name, windows, lanes, holidays
        self.openings = openings or {}
        self._polygon, self._boundary = polygon, shapely.boundary(polygon)
        self._low, self._high = np.split(np.array(shapely.bounds(polygon)), 2)
        shapely.prepare(self._polygon)
        shapely.prepare(self._boundary)

    def holds(self, stamp_ns: int) -> bool:
        """Return whether its rules hold at a stamp."""
        return not self.windows or holds(self.windows, stamp_ns, self._holidays)

    def is_near(self, points: F64) -> bool:
        """Return whether the bounding boxes of the way (k, 2) and of the zone meet."""
        return bool((points.min(axis=0) <= self._high).all() and (points.max(axis=0) >= self._low).all())

    def passage(self, points: F64, stamps: I64) -> Passage | None:
        """Return the part of the way (k, 2) [m] at stamps (k,) inside the zone; None without one."""
        if not self.is_near(points):
            return None
        if len(points) == 1 or (points == points[0]).all():
            return self._point(points[-1], stamps)
        way = shapely.LineString(points)
        inside = shapely.intersection(way, self._polygon)
        parts = shapely.get_parts(inside)
        is_way = shapely.get_type_id(parts) == shapely.GeometryType.LINESTRING  # no mere touch
        parts = parts[is_way & ~shapely.is_empty(parts)]
        if len(parts) == 0:
            return None
        places = shapely.line_interpolate_point(
            parts[:, None], np.linspace(0.0, 1.0, SAMPLES), normalized=True
        )
        depth_m = float(shapely.distance(places, self._boundary).max())
        at_m = shapely.line_locate_point(way, places)
        run_m = np.append(0.0, np.cumsum(np.hypot(*np.diff(points, axis=0).T)))
        since_ns = np.interp([at_m.min(), at_m.max()], run_m, (stamps - stamps[0]).astype(np.float64))
        first, last = (int(stamps[0]) + round(since) for since in since_ns.tolist())
        return Passage(depth_m, first, last)

    def _point(self, place: F64, stamps: I64) -> Passage | None:
        point = shapely.Point(place)
        if not shapely.covers(self._polygon, point):
            return None
        return Passage(float(shapely.distance(self._boundary, point)), int(stamps[0]), int(stamps[-1]))

    def away_m(self, place: F64) -> float:
        """Return the distance of a place (2,) from the zone [m], 0 inside."""
        return float(shapely.distance(self._polygon, shapely.Point(place)))
