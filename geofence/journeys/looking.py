"""From tracks as columns to one look at each vehicle. Pure."""

from collections.abc import Sequence

import numpy as np

from fusion.tracks import TrackBatch
from geofence.journeys.following import Look
from geofence.located import NO_LANE, OFFSET, Located
from geofence.map.frames import SiteFrame

BESIDE_M = 60.0  # further from the axis a vehicle is off the road, as for the gateway's routing


def looks_at(
    t_ns: int, picked: Sequence[int], tracks: TrackBatch, located: Located, frame: SiteFrame
) -> list[Look]:
    """Return the looks at the picked tracks at tick t_ns, in their order.

    Lists of plain numbers: to read each from its array costs more than everything that is done with it.
    """
    x, lane = tracks.x[picked], located.lane[picked]
    lon, lat = frame.lonlat_from_site(x[:, 0], x[:, 1])
    radar_ns, gnss_ns = tracks.radar_ns[picked], tracks.gnss_ns[picked]
    is_off = (lane == NO_LANE) & ~(np.abs(located.found[picked, OFFSET]) <= BESIDE_M)
    columns = zip(
        np.maximum(radar_ns, gnss_ns).tolist(), located.s_m[picked].tolist(), lon.tolist(), lat.tolist(),
        np.hypot(x[:, 2], x[:, 3]).tolist(), tracks.track[picked].tolist(), lane.tolist(), is_off.tolist(),
        radar_ns.tolist(), gnss_ns.tolist(), strict=True,
    )  # fmt: skip
    return [Look(t_ns, seen_ns, s_m if s_m == s_m else None, *rest) for seen_ns, s_m, *rest in columns]
