"""Faults in a map's zones: names, roles, limits, stays, times, places."""

from collections.abc import Collection
from datetime import date
from typing import NamedTuple

import numpy as np
import shapely

from geofence.map.checks.names import hint, meant, shapes_of
from geofence.map.checks.shapes import odd_limit
from geofence.map.faults import NAMED_MAX, Faults
from geofence.map.reading import Lane, Zone
from geofence.map.windows import EVER_DAY

# Roles that rules read as shipped; a site may add its own
ZONE_ROLES = (
    "no_entry", "no_exit", "inspection", "parking", "rest", "toll", "weak_gnss", "closed", "bridge", "tunnel",
    "tunnel_b", "tunnel_c", "tunnel_d", "tunnel_e",
)  # fmt: skip
ZONE_FAR_M = 200.0  # from the lanes: no vehicle on them is ever in it
STAY_S_MIN = 60.0  # a shorter one was meant in minutes
_EPOCH = date(1970, 1, 1).toordinal()


class Asked(NamedTuple):
    """What a check knows beside the map."""

    today: int | None = None  # days since 1970, in local time; None: nothing is said of what is over
    roles: Collection[str] = ()  # that the site's own rules read


NOTHING = Asked()


def check_zones(zones: tuple[Zone, ...], lanes: tuple[Lane, ...], faults: Faults, asked: Asked) -> None:
    """Find zones of one name (an episode is of a vehicle and a zone's name), roles that nothing reads.

    And odd limits and stays, times that are over, and zones that lie beside all lanes.
    """
    seen: set[str] = set()
    far = _far_zones(zones, lanes)
    for zone in zones:
        at = shapely.get_coordinates(zone.polygon)[0]
        if zone.zone in seen:
            faults.error(f"zone {zone.zone}", "another zone has this name", at)
        seen.add(zone.zone)
        limit = zone.speed_limit_mps
        if limit is not None and (rule := odd_limit(limit)):
            faults.warning(f"zone {zone.zone}", rule, at)
        if zone.zone in far:
            rule = f"it is {far[zone.zone]:.0f} m beside all lanes: no vehicle on them is ever in it"
            faults.warning(f"zone {zone.zone}", rule, at)
        stay_s = zone.stay_max_s
        if stay_s is not None and stay_s < STAY_S_MIN:
            rule = f"stay_max_s is {stay_s:g} s: who only stops for a moment is accused"
            faults.warning(f"zone {zone.zone}", rule, at)
        last_day = max((window.last_day for window in zone.windows if not window.off), default=EVER_DAY)
        if asked.today is not None and last_day < asked.today:
            day = date.fromordinal(last_day + _EPOCH).isoformat()
            faults.warning(f"zone {zone.zone}", f"its times ended on {day}: no rule reads it any more", at)
        for role in zone.roles:
            if role and role not in ZONE_ROLES and role not in asked.roles:
                rule = f"no rule reads role {role!r} as shipped" + hint(meant(role, ZONE_ROLES))
                faults.warning(f"zone {zone.zone}", rule, at)


def _far_zones(zones: tuple[Zone, ...], lanes: tuple[Lane, ...]) -> dict[str, float]:
    """Return how far zones are from the nearest lane [m], by name, where that is far."""
    shapes = shapes_of(lanes) if zones else None
    if shapes is None:
        return {}
    areas = np.array([zone.polygon for zone in zones], dtype=object)
    near = np.zeros(len(zones), dtype=np.bool_)
    near[shapes.query(areas, predicate="dwithin", distance=ZONE_FAR_M)[0]] = True
    far = np.flatnonzero(~near)[:NAMED_MAX]
    _, away = shapes.query_nearest(areas[far], return_distance=True, all_matches=False)
    return {zones[i].zone: float(m) for i, m in zip(far.tolist(), away.tolist(), strict=True)}
