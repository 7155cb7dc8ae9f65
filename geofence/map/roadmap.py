"""The road map: checked features, compiled strips, and the axis that gives stations."""

from dataclasses import dataclass

import numpy as np

from core.arrays import F64
from core.errors import MapError
from geofence.map.axis import Axis, compile_axis
from geofence.map.document import Document
from geofence.map.frames import SiteFrame
from geofence.map.reading import Features, Gate, Lane, Zone, read
from geofence.map.strips import Strips, compile_strips, pair

__all__ = ["Axis", "Gate", "Lane", "MapError", "RoadMap", "Zone", "load_map"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadMap:
    """The map by which the monitor judges; never changed, swapped as a whole between ticks."""

    version: str
    lanes: tuple[Lane, ...]
    gates: tuple[Gate, ...]
    zones: tuple[Zone, ...]
    axis: Axis | None  # of the site's road: the longest one; None where the map has neither axis nor lanes
    axes: tuple[Axis, ...]
    strips: Strips
    skipped: dict[str, int]  # features and properties of the text that are not read, by kind


def load_map(text: str | Document, frame: SiteFrame) -> RoadMap:
    """Return the compiled map of a canonical GeoJSON text; MapError names feature, rule and place."""
    features = read(text, frame)
    _check_names(features)
    strips = compile_strips(features.lanes)  # first: its errors name the lane
    axes = tuple(compile_axis(road, k0_m, points) for road, k0_m, points in features.axes)
    if not axes and features.lanes:
        axes = (_default_axis(features.lanes),)
    return RoadMap(
        version=features.version,
        lanes=features.lanes,
        gates=features.gates,
        zones=features.zones,
        axis=max(axes, key=lambda axis: axis.length_m, default=None),
        axes=axes,
        strips=strips,
        skipped=features.skipped,
    )


def _check_names(features: Features) -> None:
    names: set[str] = set()
    for lane in features.lanes:
        if lane.lane in names:
            raise MapError(f"lane {lane.lane}: another lane has this name")
        names.add(lane.lane)
    for lane in features.lanes:
        for what, others in (
            ("successors", lane.successors),
            ("left", (lane.left,)),
            ("right", (lane.right,)),
        ):
            for other in others:
                if other is not None and other not in names:
                    raise MapError(f"lane {lane.lane}: {what} names {other!r}, which is no lane of the map")
    roads = [road for road, _, _ in features.axes]
    for road in roads:
        if roads.count(road) > 1:
            raise MapError(f"axis of road {road}: another axis has this road")


def _default_axis(lanes: tuple[Lane, ...]) -> Axis:
    """Return the centre line of the lanes with index 0 of the longest road, in the map's order, from 0."""
    length: dict[str, float] = {}
    for lane in lanes:
        length[lane.road] = length.get(lane.road, 0.0) + float(
            np.hypot(*np.diff(lane.left_boundary, axis=0).T).sum()
        )
    road = max(length, key=lambda name: length[name])
    mine = {lane.lane: lane for lane in lanes if lane.road == road}
    lowest = min(lane.index for lane in mine.values())
    row = {name: lane for name, lane in mine.items() if lane.index == lowest}
    followed = {name for lane in row.values() for name in lane.successors}
    chains = [_chain(row, name) for name in row if name not in followed] or [list(row.values())[:1]]
    return compile_axis(road, 0.0, max((_centre(chain) for chain in chains), key=len))


def _chain(row: dict[str, Lane], first: str) -> list[Lane]:
    chain = [row[first]]
    while True:
        following = [row[name] for name in chain[-1].successors if name in row and row[name] not in chain]
        if not following:
            return chain
        chain.append(following[0])


def _centre(chain: list[Lane]) -> F64:
    return np.vstack([np.mean(pair(lane.left_boundary, lane.right_boundary), axis=0) for lane in chain])
