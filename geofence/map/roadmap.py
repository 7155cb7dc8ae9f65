"""The road map: checked features, compiled strips, and the axis that gives stations.

A process that judges needs a `RoadMap`, whose look-ups are compiled code. One that only routes or shows
needs a `RoadPlan`, for which no compiler is loaded; the same faults refuse both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.arrays import F64
from core.collecting import no_collections
from core.errors import MapError
from geofence.map.axis import Axis, compile_axis
from geofence.map.checks.all import faults_of, refused
from geofence.map.checks.names import check_document, check_origin
from geofence.map.checks.zones import NOTHING, Asked
from geofence.map.document import Document, first_place
from geofence.map.faults import NAMED_MAX, Fault, Faults
from geofence.map.frames import SiteFrame
from geofence.map.naming import cleared, unclear
from geofence.map.reading import SWAPPED, Features, Gate, Lane, Zone, read
from geofence.map.reading import unreadable as unreadable_point
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


def check_map(
    document: Document, frame: SiteFrame, asked: Asked = NOTHING
) -> tuple[RoadMap | None, list[Fault]]:
    """Return the compiled map, None where it can't be compiled, and all faults of its text."""
    found = Faults(frame)
    check_origin(first_place(document), found)
    if found.found:  # its mirror image: whatever else is said of it is not true
        return None, found.found
    check_document(document, found)
    unreadable: list[MapError] = []
    road = None
    try:
        features = read(document, frame, unreadable)
        unread = {str((row.get("properties") or {}).get("lane")) for row in document.features}
        unreadable += unclear(features, unread)
        compiled = _compilable(cleared(features), unreadable)
        plan, strips = _compiled_plan(compiled)
        found.found += faults_of(compiled, strips, plan.axes, frame, gaps=bool(unreadable), asked=asked)
        if not (unreadable or any(fault.level == "error" for fault in found.found)):
            plan = _with_axis(plan)
        road = _compiled(plan, strips)
    except MapError as error:
        unreadable.append(error)
    unread_faults = _without_avalanche([_as_fault(error, frame) for error in unreadable], document)
    return (None if unreadable else road), unread_faults + found.found


def _compilable(features: Features, unreadable: list[MapError]) -> Features:
    """Return the features without lanes that give no strips, axes that give no stations; adds the errors."""
    axes, bad = [], set()
    for road, k0_m, points in features.axes:
        try:
            compile_axis(road, k0_m, points)
            axes.append((road, k0_m, points))
        except MapError as error:
            unreadable.append(error)
    for _ in range(NAMED_MAX):
        try:
            compile_strips(features.lanes)
            break
        except MapError as error:
            unreadable.append(error)
            bad.add(error.lane)
            features = cleared(features, bad)
    return replace(features, axes=tuple(axes))


def _as_fault(error: MapError, frame: SiteFrame) -> Fault:
    where, _, rule = error.rule.partition(": ")
    place = None
    if error.place_m is not None:
        lon, lat = frame.lonlat_from_site(*(np.array([v]) for v in error.place_m))
        place = float(lon[0]), float(lat[0])
    elif not unreadable_point(error.place):
        assert isinstance(error.place, list)
        place = float(error.place[0]), float(error.place[1])
    return Fault("error", where, rule, place, is_refused=True)


def _without_avalanche(faults: list[Fault], document: Document) -> list[Fault]:
    """Return one fault where most features have swapped axes: it is the program's that wrote them."""
    swapped = [fault for fault in faults if fault.rule.startswith(SWAPPED)]
    if len(swapped) * 2 <= len(document.features) or len(swapped) < 2:
        return faults
    rest = [fault for fault in faults if fault not in swapped]
    return [swapped[0]._replace(where="map", rule=f"{SWAPPED}, in {len(swapped)} features"), *rest]


def _loaded(features: Features, frame: SiteFrame) -> tuple[RoadPlan, Strips, list[Fault]]:
    """Return the features' plan and strips, and the faults for which they are refused."""
    try:
        for error in unclear(features):
            raise error
        plan, strips = _compiled_plan(features)
    except MapError as error:
        if error.place_m is None:
            raise
        lon, lat = frame.lonlat_from_site(*(np.array([v]) for v in error.place_m))
        raise MapError(f"{error} at [{lon[0]:.7f}, {lat[0]:.7f}]") from error
    found = refused(features.lanes, strips, frame)
    return (plan if found else _with_axis(plan)), strips, found


def _compiled_plan(features: Features) -> tuple[RoadPlan, Strips]:
    """Return the plan with the axes of its features, and the strips; their errors name lane or axis."""
    strips = compile_strips(features.lanes)  # first: its errors name the lane
    return RoadPlan(
        version=features.version,
        lanes=features.lanes,
        gates=features.gates,
        zones=features.zones,
        axes=tuple(compile_axis(road, k0_m, points) for road, k0_m, points in features.axes),
        skipped=features.skipped,
    ), strips


def _with_axis(plan: RoadPlan) -> RoadPlan:
    """Return a sound plan with an axis."""
    return plan if plan.axes or not plan.lanes else replace(plan, axes=(_default_axis(plan.lanes),))


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
