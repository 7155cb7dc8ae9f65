"""The road map: checked features, compiled strips, and the axis that gives stations.

A process that judges needs a `RoadMap`, whose look-ups are compiled code. One that only routes or shows
needs a `RoadPlan`, for which no compiler is loaded; the same faults refuse both.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.arrays import F64
from core.collecting import no_collections
from core.errors import MapError
from geofence.map.axis import Axis, compile_axis
from geofence.map.checks.all import faults_of, refused
from geofence.map.checks.names import check_document, check_origin
from geofence.map.document import Document, first_place
from geofence.map.faults import Fault, Faults
from geofence.map.frames import SiteFrame
from geofence.map.reading import Features, Gate, Lane, Zone, read
from geofence.map.ruling import pair
from geofence.map.strips import Strips, compile_strips

__all__ = [
    "Axis", "Gate", "Lane", "MapError", "RoadMap", "RoadPlan", "Zone", "check_map", "load_map", "load_plan",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadPlan:
    """The checked map as a whole: names, shapes and stations; never changed."""

    version: str
    lanes: tuple[Lane, ...]
    gates: tuple[Gate, ...]
    zones: tuple[Zone, ...]
    axes: tuple[Axis, ...]
    skipped: dict[str, int]  # features and properties of the text that are not read, by kind

    @property
    def axis(self) -> Axis | None:
        """The one of the site's road; None where the map has neither axis nor lanes."""
        return _longest(self.axes)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadMap(RoadPlan):
    """The map by which the monitor judges; swapped as a whole between ticks."""

    strips: Strips


def load_map(text: str | Document, frame: SiteFrame) -> RoadMap:
    """Return the compiled map of a canonical GeoJSON text; MapError names feature, rule and place.

    Refused is what can't be read, and what would make judgements false (geofence.map.checks).
    """
    with no_collections():
        plan, strips, errors = _loaded(read(text, frame), frame)
        _refuse(errors)
        return _compiled(plan, strips)


def load_plan(text: str | Document, frame: SiteFrame) -> RoadPlan:
    """Return the map of a text without compiled look-ups; MapError as `load_map`."""
    with no_collections():
        plan, _, errors = _loaded(read(text, frame), frame)
    _refuse(errors)
    return plan


def _refuse(errors: list[Fault]) -> None:
    if errors:
        more = f" (and {len(errors) - 1} more: `petroroad map check`)" if len(errors) > 1 else ""
        raise MapError(errors[0].text + more)


def check_map(document: Document, frame: SiteFrame) -> tuple[RoadMap | None, list[Fault]]:
    """Return the compiled map, None where it can't be compiled, and all faults of its text."""
    unreadable: list[MapError] = []
    found = Faults(frame)
    check_origin(first_place(document), found)
    check_document(document, found)
    road = None
    try:
        features = read(document, frame, unreadable)
        plan, strips, more = _loaded(features, frame, all_faults=True, gaps=bool(unreadable))
        found.found += more
        road = _compiled(plan, strips)
    except MapError as error:
        unreadable.append(error)
    unread = []
    for each in unreadable:
        where, _, rule = str(each).partition(": ")
        unread.append(Fault("error", where, rule, is_refused=True))
    return (None if unreadable else road), unread + found.found


def _loaded(
    features: Features, frame: SiteFrame, *, all_faults: bool = False, gaps: bool = False
) -> tuple[RoadPlan, Strips, list[Fault]]:
    """Return the features' plan and strips, and the faults for which they are refused.

    all_faults : return the others as well.  gaps : names of lanes may be missing
    """
    try:
        features = _with_names(features, gaps=gaps)
        strips = compile_strips(features.lanes)  # first: its errors name the lane
        axes = tuple(compile_axis(road, k0_m, points) for road, k0_m, points in features.axes)
    except MapError as error:
        if error.place_m is None:
            raise
        lon, lat = frame.lonlat_from_site(*(np.array([v]) for v in error.place_m))
        raise MapError(f"{error} at [{lon[0]:.7f}, {lat[0]:.7f}]") from error
    found = faults_of(features, strips, axes, frame) if all_faults else refused(features.lanes, strips, frame)
    if not axes and features.lanes and not any(fault.level == "error" for fault in found):
        axes = (_default_axis(features.lanes),)
    plan = RoadPlan(
        version=features.version,
        lanes=features.lanes,
        gates=features.gates,
        zones=features.zones,
        axes=axes,
        skipped=features.skipped,
    )
    return plan, strips, found


def _compiled(plan: RoadPlan, strips: Strips) -> RoadMap:
    """Return the map with its look-ups compiled."""
    # not at the module's head: they load the compiler, 100 MiB that a gateway or a centre does not need
    from geofence.map.axis_kernels import compiled
    from geofence.map.placing import by_place
    from geofence.map.stationing import stationed

    axes = tuple(compiled(axis) for axis in plan.axes)
    return RoadMap(
        version=plan.version,
        lanes=plan.lanes,
        gates=plan.gates,
        zones=plan.zones,
        axes=axes,
        skipped=plan.skipped,
        strips=stationed(by_place(strips), plan.lanes, _longest(axes), axes),
    )


def _longest(axes: Sequence[Axis]) -> Axis | None:
    return max(axes, key=lambda axis: axis.length_m, default=None)


def _with_names(features: Features, *, gaps: bool) -> Features:
    """Return the features, if all names of lanes and roads are clear; gaps : without names of no lane."""
    names: set[str] = set()
    for lane in features.lanes:
        if lane.lane in names:
            raise MapError(f"lane {lane.lane}: another lane has this name", _start_of(lane))
        names.add(lane.lane)
    lanes = []
    for lane in features.lanes:
        for what, others in (
            ("successors", lane.successors),
            ("left", (lane.left,)),
            ("right", (lane.right,)),
        ):
            for other in others:
                if other is not None and other not in names and not gaps:
                    rule = f"{what} names {other!r}, which is no lane of the map"
                    raise MapError(f"lane {lane.lane}: {rule}", _start_of(lane))
        lanes.append(_known(lane, names) if gaps else lane)
    roads = Counter(road for road, _, _ in features.axes)
    for road, _, points in features.axes:
        if roads[road] > 1:
            east_m, north_m = points[0].tolist()
            raise MapError(f"axis of road {road}: another axis has this road", (east_m, north_m))
    return replace(features, lanes=tuple(lanes)) if gaps else features


def _start_of(lane: Lane) -> tuple[float, float]:
    east_m, north_m = lane.left_boundary[0].tolist()
    return east_m, north_m


def _known(lane: Lane, names: set[str]) -> Lane:
    """Return the lane without what it says of lanes that could not be read."""
    left, right = (name if name in names else None for name in (lane.left, lane.right))
    successors = tuple(name for name in lane.successors if name in names)
    return replace(lane, left=left, right=right, successors=successors)


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
    chain, names = [row[first]], {first}
    while True:
        following = [name for name in chain[-1].successors if name in row and name not in names]
        if not following:
            return chain
        chain.append(row[following[0]])
        names.add(following[0])


def _centre(chain: list[Lane]) -> F64:
    return np.vstack([np.mean(pair(lane.left_boundary, lane.right_boundary), axis=0) for lane in chain])
