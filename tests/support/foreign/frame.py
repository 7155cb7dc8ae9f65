"""Site metres to CGCS2000: Transverse Mercator at the site's origin, scale 1 (docs/design.md section 2)."""

from typing import Any

import numpy as np
import pyproj

from tests.support.foreign.geometry import F64

ORIGIN = (118.75, 32.05)  # lon_deg, lat_deg; nowhere near the simulator's site
_PROJ = pyproj.Proj(proj="tmerc", lon_0=ORIGIN[0], lat_0=ORIGIN[1], k=1.0, ellps="GRS80", units="m")


def lonlat_of(east_m: Any, north_m: Any) -> tuple[F64, F64]:
    lon, lat = _PROJ(np.asarray(east_m, float), np.asarray(north_m, float), inverse=True)
    return np.asarray(lon, float), np.asarray(lat, float)


def course_of(heading_rad: Any, east_m: Any, north_m: Any) -> F64:
    """Return courses [deg], clockwise from true north, in [0, 360).

    East of the origin true north leans to the left of the frame's by (lon - lon_0) sin(lat) (Snyder 1987, 8).
    """
    lon, lat = lonlat_of(east_m, north_m)
    lean_deg = (lon - ORIGIN[0]) * np.sin(np.radians(lat))
    return np.asarray(np.mod(90.0 - np.degrees(heading_rad) + lean_deg, 360.0))
