"""Bans by time that the law does not allow: a warning for whoever sets up a site. Pure.

By order 29 of six ministries (2019) hours in which hazardous chemicals are banned from expressways lie within
0 to 6.
"""

from collections.abc import Iterator

import numpy as np
import shapely

from geofence.config import RulesConfig, section_of
from geofence.map.roadmap import RoadMap
from geofence.map.windows import outside

FROM_MIN, TO_MIN = 0, 6 * 60


def bans_by_day(rules: RulesConfig, road: RoadMap) -> Iterator[str]:
    """Yield a sentence for each zone that bans hazmat vehicles from an expressway outside 0 to 6."""
    roles = set(section_of(rules, "time_window").roles)
    lanes = [lane for lane in road.lanes if lane.road in rules.expressways]
    if not lanes:
        return
    areas = np.array(
        [shapely.Polygon(np.vstack([lane.right_boundary, lane.left_boundary[::-1]])) for lane in lanes]
    )
    for zone in road.zones:
        if not roles.isdisjoint(zone.roles) and outside(zone.windows, FROM_MIN, TO_MIN):
            met = np.flatnonzero(shapely.intersects(zone.polygon, areas))
            for name in sorted({lanes[k].road for k in met.tolist()}):
                yield f"zone {zone.zone} bans vehicles from expressway {name} outside 00:00-06:00 (order 29)"
