"""Site metres and CGCS2000 longitude/latitude: one Transverse Mercator per site, by PROJ, batch by batch."""

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj

from core.arrays import F64, Bools
from core.errors import MapError

if TYPE_CHECKING:  # it loads the compiler, which whoever only reads a site does not need
    from geofence.map.projection import Projection

LAT_DEG_MAX = 85.0  # nearer to a pole the projection means nothing
FRAME_M_MAX = 100_000.0  # beyond, the projection's scale is no longer ground distance


class SiteFrame:
    """The site's local frame: Transverse Mercator on CGCS2000 (the GRS80 ellipsoid) at the origin, k = 1.

    East and north in metres from the origin. Arrays in, arrays out (scalars become arrays of their shape).
    """

    def __init__(self, lon_deg: float, lat_deg: float) -> None:
        if not (-180.0 <= lon_deg <= 180.0 and -LAT_DEG_MAX <= lat_deg <= LAT_DEG_MAX):
            raise MapError(f"origin [{lon_deg}, {lat_deg}] is no [lon_deg, lat_deg]")
        self.lon_deg = lon_deg
        self.lat_deg = lat_deg
        self._project = pyproj.Proj(
            proj="tmerc", lon_0=lon_deg, lat_0=lat_deg, k=1.0, ellps="GRS80", units="m"
        )

    @cached_property
    def projection(self) -> "Projection":
        """The same projection as compiled code, for fixes and snapshots."""
        from geofence.map.projection import projection_of

        return projection_of(self.lon_deg, self.lat_deg, FRAME_M_MAX)

    def site_from_lonlat(self, lon_deg: Any, lat_deg: Any) -> tuple[F64, F64]:
        """Return (east, north) [m]; MapError for a position that is none or more than 100 km away."""
        lon, lat = _column(lon_deg), _column(lat_deg)
        east, north = self._project(lon, lat)
        east, north = np.asarray(east, dtype=np.float64), np.asarray(north, dtype=np.float64)
        near = (np.hypot(east, north) <= FRAME_M_MAX) & (np.abs(lon) <= 180.0) & (np.abs(lat) <= 90.0)
        if not near.all():  # NaN and infinity fail the comparison as well
            bad = int(np.flatnonzero(~near.ravel())[0])
            raise MapError(
                f"position [{lon.ravel()[bad]}, {lat.ravel()[bad]}] is not within 100 km of the origin "
                f"[{self.lon_deg}, {self.lat_deg}]"
            )
        return east, north

    def within(self, lon_deg: Any, lat_deg: Any) -> Any:
        """Return which positions can be projected, as booleans of their shape; never raises."""
        return self.placed(lon_deg, lat_deg)[2]

    def placed(self, lon_deg: Any, lat_deg: Any) -> tuple[F64, F64, Bools]:
        """Return (east, north) [m], and which positions can be projected; the others are at the origin."""
        lon, lat = _column(lon_deg), _column(lat_deg)
        good = np.isfinite(lon) & np.isfinite(lat) & (np.abs(lon) <= 180.0) & (np.abs(lat) <= 90.0)
        east, north = self._project(np.where(good, lon, self.lon_deg), np.where(good, lat, self.lat_deg))
        inside: Bools = good & (np.hypot(east, north) <= FRAME_M_MAX)
        return np.where(inside, east, 0.0), np.where(inside, north, 0.0), inside

    def lonlat_from_site(self, east_m: Any, north_m: Any) -> tuple[F64, F64]:
        """Return (lon_deg, lat_deg)."""
        lon, lat = self._project(_column(east_m), _column(north_m), inverse=True)
        return np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)

    def convergence_rad(self, east_m: Any, north_m: Any) -> F64:
        """Return by how much true north leans to the left of the frame's north.

        heading_rad (counter-clockwise from site east) = pi/2 - course_rad (clockwise from true north) + this.
        """
        lon, lat = self.lonlat_from_site(east_m, north_m)
        # to the third order of the longitude difference: 1e-9 rad within 100 km (Snyder 1987, p. 61)
        away_deg = lon - self.lon_deg
        away_deg -= 360.0 * np.rint(away_deg / 360.0)  # 179.9 and -179.9 are neighbours
        away = np.radians(away_deg)
        phi = np.radians(lat)
        second = 0.00673949677547816 * np.cos(phi) ** 2  # e'^2 cos^2: GRS80
        spread = (away * np.cos(phi)) ** 2
        return np.asarray(
            away * np.sin(phi) * (1 + spread * (1 + 3 * second + 2 * second**2) / 3), dtype=np.float64
        )

    def heading_from_course(self, course_deg: Any, east_m: Any, north_m: Any) -> F64:
        """Return heading_rad, counter-clockwise from site east, in (-pi, pi]."""
        turn = math.pi / 2 - np.radians(_column(course_deg)) + self.convergence_rad(east_m, north_m)
        return np.asarray(np.arctan2(np.sin(turn), np.cos(turn)), dtype=np.float64)

    def course_from_heading(self, heading_rad: Any, east_m: Any, north_m: Any) -> F64:
        """Return course_deg, clockwise from true north, in [0, 360)."""
        course = np.degrees(math.pi / 2 - _column(heading_rad) + self.convergence_rad(east_m, north_m))
        return np.asarray(course % 360.0, dtype=np.float64)


def _column(values: Any) -> F64:
    return np.asarray(values, dtype=np.float64)
