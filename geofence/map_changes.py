"""What another map means for what is judged now. Pure.

The rule: an episode about a zone that the new map lacks or has otherwise closes with the reason
`map_changed`, and so does one by measured evidence on a lane that is another now, or beside one that is; that
evidence starts anew. Every other episode stays open and all other evidence is kept. Lanes go by their names.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import shapely

from core.arrays import I32, Bools
from geofence.map.reading import Lane, Zone
from geofence.map.roadmap import RoadMap

CLOSED = "map_changed"  # `reason` of a close
GONE = -1
BESIDE_M = 12.0  # further away from every lane nothing is judged by one


class MapChanges(NamedTuple):
    """The old map's lanes and zones in the new one."""

    lanes: I32  # (old lanes,) number in the new map, GONE
    changed: Bools  # (old lanes,) it, or one next to it, is another now: what was measured there is void
    zones: frozenset[str]  # names of zones that are gone or others

    def lane(self, number: int) -> int:
        """Return the new number of an old lane, GONE for none."""
        return int(self.lanes[number]) if 0 <= number < len(self.lanes) else GONE


def lane_of(lanes: Sequence[Lane], name: str | None, place: tuple[float, float]) -> int:
    """Return the number of a lane by its name, of none by a place beside the lanes; GONE for neither.

    place : east and north [m] of a vehicle that is in no lane: its lane is the one whose boundary is nearest
    """
    if name is not None:
        return next((k for k, lane in enumerate(lanes) if lane.lane == name), GONE)
    sides = [side for lane in lanes for side in (lane.left_boundary, lane.right_boundary)]
    away_m = shapely.distance(shapely.points(*place), [shapely.LineString(side) for side in sides])
    nearest = int(np.argmin(away_m)) if len(sides) else GONE
    return nearest // 2 if nearest >= 0 and away_m[nearest] <= BESIDE_M else GONE


def map_changes(old: RoadMap, new: RoadMap) -> MapChanges:
    """Return what differs between two maps."""
    number = {lane.lane: k for k, lane in enumerate(new.lanes)}
    lanes = np.array([number.get(lane.lane, GONE) for lane in old.lanes], dtype=np.int32)
    own = np.array(
        [
            k == GONE or not _is_same(lane, new.lanes[k])
            for lane, k in zip(old.lanes, lanes.tolist(), strict=True)
        ],
        dtype=np.bool_,
    )
    zones = {zone.zone: zone for zone in new.zones}
    gone = {
        zone.zone for zone in old.zones if zone.zone not in zones or not _is_same_zone(zone, zones[zone.zone])
    }
    return MapChanges(lanes, _with_neighbours(own, old.lanes), frozenset(gone))


def _is_same(a: Lane, b: Lane) -> bool:
    """Return whether two lanes are one for whoever is judged on it."""
    alike = all(getattr(a, name) == getattr(b, name) for name in _ALIKE)
    return (
        alike
        and np.array_equal(a.left_boundary, b.left_boundary)
        and np.array_equal(a.right_boundary, b.right_boundary)
    )


_ALIKE = (
    "road", "index", "level", "allowed", "speed_limit_mps", "successors", "left", "right", "change_left",
    "change_right", "min_speed_mps",
)  # fmt: skip


def _is_same_zone(a: Zone, b: Zone) -> bool:
    alike = (a.roles, a.windows, a.speed_limit_mps, a.stay_max_s) == (
        b.roles, b.windows, b.speed_limit_mps, b.stay_max_s,
    )  # fmt: skip
    return alike and bool(a.polygon.equals_exact(b.polygon, 0.0))


def _with_neighbours(changed: Bools, lanes: Sequence[Lane]) -> Bools:
    """Return the lanes that changed, with those of their cross-sections and what leads into or out of them.

    How far outside a vehicle is depends on the lanes beside its own.
    """
    if not changed.any():
        return changed
    number = {lane.lane: k for k, lane in enumerate(lanes)}
    found, todo = changed.copy(), np.flatnonzero(changed).tolist()
    while todo:
        lane = lanes[todo.pop()]
        for name in (lane.left, lane.right):
            if name is not None and not found[number[name]]:
                found[number[name]] = True
                todo.append(number[name])
    across = found.copy()
    for k, lane in enumerate(lanes):
        for name in lane.successors:
            found[k] |= across[number[name]]
            found[number[name]] |= across[k]
    return found
