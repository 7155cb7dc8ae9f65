"""Names of lanes and axes that are not clear: of two features, or of none. Pure."""

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from core.errors import MapError
from geofence.map.reading import Features, Lane


def unclear(features: Features, unread: Collection[str] = ()) -> list[MapError]:
    """Return an error for each name that is of two features, or of no lane.

    unread : lanes of the document that could not be read
    """
    found: list[MapError] = []
    names: set[str] = set()
    for lane in features.lanes:
        if lane.lane in names:
            found.append(MapError(f"lane {lane.lane}: another lane has this name", _start_of(lane)))
        names.add(lane.lane)
    known = names.union(unread)
    for lane in features.lanes:
        for what, others in _named(lane):
            for other in others:
                if other is not None and other not in known:
                    rule = f"{what} names {other!r}, which is no lane of the map"
                    found.append(MapError(f"lane {lane.lane}: {rule}", _start_of(lane)))
    roads: set[str] = set()
    for road, _, points in features.axes:
        if road in roads:
            east_m, north_m = points[0].tolist()
            found.append(MapError(f"axis of road {road}: another axis has this road", (east_m, north_m)))
        roads.add(road)
    return found


def cleared(features: Features, without: Collection[str] = ()) -> Features:
    """Return the features whose names are clear: without lanes of one name, second axes, and names of none.

    without : further lanes to leave out
    """
    times = Counter(lane.lane for lane in features.lanes)
    lanes = [lane for lane in features.lanes if times[lane.lane] == 1 and lane.lane not in without]
    names = {lane.lane for lane in lanes}
    axes = {road: (road, k0_m, points) for road, k0_m, points in reversed(features.axes)}
    return replace(
        features, lanes=tuple(_known(lane, names) for lane in lanes), axes=tuple(axes.values())[::-1]
    )


def _named(lane: Lane) -> tuple[tuple[str, tuple[str | None, ...]], ...]:
    return ("successors", lane.successors), ("left", (lane.left,)), ("right", (lane.right,))


def _known(lane: Lane, names: set[str]) -> Lane:
    """Return the lane without what it says of other lanes than these."""
    left, right = (name if name in names else None for name in (lane.left, lane.right))
    successors = tuple(name for name in lane.successors if name in names)
    return replace(lane, left=left, right=right, successors=successors)


def _start_of(lane: Lane) -> tuple[float, float]:
    east_m, north_m = lane.left_boundary[0].tolist()
    return east_m, north_m
