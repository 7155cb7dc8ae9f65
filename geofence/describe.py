"""The facts of a violation about its vehicle: registry, place on the map, speed; quantised."""

from collections.abc import Sequence

import numpy as np

from fusion.tracks import TrackBatch
from geofence.config import VehicleConfig
from geofence.episodes import Facts
from geofence.located import NO_LANE, ROAD_S, Located
from geofence.map.frames import SiteFrame
from geofence.map.roadmap import RoadMap
from geofence.violation import ViolationVehicle
from geofence.writing import number


class Describer:
    """Describes tracks by the names of lanes and of the registry's vehicles."""

    def __init__(self, road: RoadMap, frame: SiteFrame, vehicles: Sequence[VehicleConfig]) -> None:
        self._lanes = [lane.lane for lane in road.lanes]
        self._frame = frame
        self._vehicles = [
            ViolationVehicle(
                plate=v.plate, terminal=v.terminal, hazmat_class=v.hazmat_class, un=v.un, carrier=v.carrier
            )
            for v in vehicles
        ]

    def vehicle(self, i: int, tracks: TrackBatch, located: Located) -> ViolationVehicle | None:
        """Return the vehicle of track i: only its terminal if the registry lacks it, None without one."""
        row = int(located.vehicle[i])
        if row >= 0:
            return self._vehicles[row]
        if tracks.terminal[i] >= 0:
            return ViolationVehicle(terminal=located.terminal_ids[tracks.terminal[i]])
        return None

    def facts(
        self, i: int, tracks: TrackBatch, located: Located, limit: tuple[float, str | None],
        p_violation: float,
    ) -> Facts:  # fmt: skip
        """Return the facts of track i; limit : its speed, NaN where the version has none, and its layer."""
        vehicle = self.vehicle(i, tracks, located)
        lon, lat = self._frame.lonlat_from_site(tracks.x[i, :1], tracks.x[i, 1:2])
        lane = int(located.lane[i])
        on_lane = lane != NO_LANE
        return Facts(
            vehicle=vehicle,
            identity_p=None if vehicle is None else number(float(tracks.identity_p[i]), 4),
            lon_deg=round(float(lon[0]), 7),
            lat_deg=round(float(lat[0]), 7),
            lane=self._lanes[lane] if on_lane else None,
            s_m=number(float(located.s_m[i]), 2),
            d_m=number(float(located.d_m[i]), 3) if on_lane else None,
            sigma_d_m=number(float(located.sigma_d_m[i]), 3) if on_lane else None,
            speed_mps=round(float(np.hypot(tracks.x[i, 2], tracks.x[i, 3])), 2),
            limit_mps=number(limit[0], 2),
            p_violation=p_violation,
            limit_of=limit[1],
            road_s_m=number(float(located.found[i, ROAD_S]), 2) if on_lane else None,
        )
