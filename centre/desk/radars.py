"""Which radar saw a place: a violation names its RSU alone, so false alarms are counted by cover. Pure."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

M_PER_DEG = 111_320.0


class Radar(NamedTuple):
    """One radar as the site describes it."""

    name: str
    lon_deg: float
    lat_deg: float
    heading_deg: float  # clockwise from north
    fov_deg: float
    range_m_max: float

    def far_m(self, lon_deg: float, lat_deg: float) -> float | None:
        """Return how far a place is [m]; None: it lies outside of range or field of view."""
        east_m = (lon_deg - self.lon_deg) * M_PER_DEG * math.cos(math.radians(self.lat_deg))
        north_m = (lat_deg - self.lat_deg) * M_PER_DEG
        far_m = math.hypot(east_m, north_m)
        off_deg = (math.degrees(math.atan2(east_m, north_m)) - self.heading_deg + 180.0) % 360.0 - 180.0
        return far_m if far_m <= self.range_m_max and abs(off_deg) <= self.fov_deg / 2 else None


class Radars:
    """The radars of the site, by RSU."""

    def __init__(self, described: Mapping[str, Any]) -> None:
        """`described`: `/api/site`."""
        self._of: dict[str, tuple[Radar, ...]] = {
            rsu["esn"]: tuple(
                Radar(
                    f"{rsu['esn']}/{radar['id']}", radar["lon_deg"], radar["lat_deg"], radar["heading_deg"],
                    radar["fov_deg"], radar["range_m_max"],
                )
                for radar in rsu["radars"]
            )
            for rsu in described["rsus"]
        }  # fmt: skip

    def saw(self, esn: str, lon_deg: float | None, lat_deg: float | None) -> str:
        """Return the nearest radar of an RSU that covers a place, as RSU/RADAR; the RSU where none does."""
        if lon_deg is None or lat_deg is None:
            return esn
        far = [(radar.far_m(lon_deg, lat_deg), radar.name) for radar in self._of.get(esn, ())]
        return min(((far_m, name) for far_m, name in far if far_m is not None), default=(0.0, esn))[1]
