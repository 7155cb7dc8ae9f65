"""CommonRoad XML (2018b, also 2020a): lanelets and everyone's recorded states; in the file's own metres.

Unusable parts are counted by reason; a file that ends too early gives its whole elements. A moving obstacle
without a recorded trajectory is left out: its predicted occupancy is no record, and it is not static.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import cast
from xml.etree.ElementTree import Element, ParseError, XMLPullParser

import numpy as np

from core.arrays import F64
from geofence.map.importers.commonroad.lanelets import Lanelet, Sign, joined, lanelet_of, sign_of
from geofence.map.importers.commonroad.values import float_of, interval_of, is_interval, point_of
from importers.motion import FASTEST_MPS, MOVER_MPS_MIN

STEPS_MAX = 1_000_000
STILL_M = 1.0  # from place to place, of an obstacle that does not move
# CommonRoad's types to the classes of docs/design.md section 7
KINDS = {
    "car": 1, "taxi": 1, "priorityVehicle": 1, "parkedVehicle": 1, "bus": 2, "truck": 3,
    "constructionZone": 5, "bicycle": 5, "pedestrian": 5, "motorcycle": 5, "train": 5,
}  # fmt: skip
STATIC_TYPES = {"parkedVehicle", "constructionZone"}  # by type, where no role is given
OBSTACLES = {"obstacle", "dynamicObstacle", "staticObstacle", "phantomObstacle", "environmentObstacle"}
READ = {"type", "role", "shape", "initialState", "trajectory"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """One vehicle's states by time; columns (n,), the vehicle's centre."""

    id: int
    kind: int
    length_m: float
    width_m: float
    step: F64  # whole numbers, growing
    x_m: F64
    y_m: F64
    heading_rad: F64  # unwrapped
    speed_mps: F64


@dataclass(slots=True)
class Scene:
    """One file."""

    name: str = ""
    dt_s: float = 0.1
    lanelets: list[Lanelet] = field(default_factory=list)
    vehicles: list[Trajectory] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)  # elements that are not read, by kind


def read(path: Path, counts: Counter[str]) -> Scene:
    """Read the file; raises ValueError where it is no CommonRoad scenario at all."""
    scene = Scene()
    lanelets: dict[str, Lanelet] = {}
    signs: list[Sign] = []
    static: list[Trajectory] = []
    ids: Counter[int] = Counter()
    root: Element | None = None
    for depth, element in elements(path, counts):
        if depth == 0:
            root = element
            continue
        if root is None or root.tag != "commonRoad":
            raise ValueError("is no CommonRoad scenario")
        if element.tag == "lanelet":
            lanelet = lanelet_of(element, counts, scene.skipped)
            if lanelet is not None:
                counts["lanelet.duplicate_id"] += lanelet.id in lanelets
                lanelets.setdefault(lanelet.id, lanelet)
        elif element.tag == "trafficSign":
            signs.append(sign_of(element, counts, scene.skipped))
        elif element.tag in OBSTACLES:
            vehicle = _obstacle(element, counts, scene.skipped)
            if vehicle is None:
                continue
            ids[vehicle.id] += 1
            if ids[vehicle.id] > 1:
                counts["obstacle.duplicate_id"] += 1
            else:
                (static if len(vehicle.step) == 1 else scene.vehicles).append(vehicle)
        else:
            scene.skipped[element.tag] += 1
    if root is None or root.tag != "commonRoad":
        raise ValueError("is no CommonRoad scenario")
    scene.name = root.get("benchmarkID", "")
    scene.dt_s = _time_step(root, counts)
    scene.lanelets = joined(list(lanelets.values()), signs, counts)
    steps = [step for vehicle in scene.vehicles for step in (vehicle.step[0], vehicle.step[-1])]
    scene.vehicles += [_through(vehicle, min(steps), max(steps)) for vehicle in static if steps]
    counts["obstacle.static_alone"] += 0 if steps else len(static)
    return scene


def _time_step(root: Element, counts: Counter[str]) -> float:
    dt_s = float_of(root.get("timeStepSize"))
    if dt_s is None or not 0.001 <= dt_s <= 10.0:
        counts["time_step"] += 1
        return 0.1
    return dt_s


def _obstacle(element: Element, counts: Counter[str], skipped: Counter[str]) -> Trajectory | None:
    """Return the states of one obstacle, one state of a static one; None where it can't be used."""
    name = element.get("id", "")
    if not name.isdecimal() or int(name) >= 2**63:
        counts["obstacle.id"] += 1
        return None
    kind = (element.findtext("type") or "").strip()
    is_static = _is_static(element, kind)
    fault = _unusable(element, is_static)
    if fault is not None:
        counts[f"obstacle.{fault}"] += 1
        return None
    extent = _extent(element.find("shape"))
    if extent is None:
        counts["obstacle.shape"] += 1
        return None
    states: dict[int, tuple[float, float, float, float]] = {}
    for state in [*element.findall("initialState"), *element.findall("trajectory/state")]:
        row = _state(state, 0.0 if is_static else None, counts)
        if row is None:
            counts["state.broken"] += 1
        elif row[0] in states:
            counts["state.duplicate"] += 1
        else:
            states[row[0]] = row[1]
    if is_static and states:
        x, y, _, speed = np.array([*states.values()]).T
        if np.hypot(np.ptp(x), np.ptp(y)) > STILL_M:
            counts["obstacle.static_moves"] += 1  # the recorded states decide
            is_static = False
        elif np.abs(speed).max() >= MOVER_MPS_MIN:
            counts["obstacle.static_with_speed"] += 1  # a doubt
    if not states or (len(states) == 1 and not is_static):
        counts["obstacle.no_state" if not states else "obstacle.single_state"] += 1
        return None
    skipped.update(f"obstacle.{child.tag}" for child in element if child.tag not in READ)
    if _is_shifted(element.find("shape")):
        skipped["obstacle.shape: further parts or an offset"] += 1
    if kind not in KINDS and kind != "unknown":
        skipped[f"obstacle type {kind or 'missing'}"] += 1
    steps = sorted(states)
    counts["trajectory.gap"] += sum(b - a > 1 for a, b in pairwise(steps))
    x, y, heading, speed = np.array([states[step] for step in steps[: 1 if is_static else None]]).T
    return Trajectory(
        id=int(name),
        kind=KINDS.get(kind, 0),
        length_m=extent[0],
        width_m=extent[1],
        step=np.array(steps[: 1 if is_static else None], dtype=np.float64),
        x_m=x,
        y_m=y,
        heading_rad=np.unwrap(heading),
        speed_mps=speed,
    )


def _is_shifted(shape: Element | None) -> bool:
    """Say whether a shape is more than one centred part: only the first one's size is read."""
    parts = [] if shape is None else list(shape)
    centres = [point_of(part.find("center")) or (0.0, 0.0) for part in parts]
    return len(parts) > 1 or any(centre != (0.0, 0.0) for centre in centres)


def _is_static(element: Element, kind: str) -> bool | None:
    """Return whether the file calls an obstacle static; None where it does not say."""
    role = (element.findtext("role") or "").strip()
    if element.tag == "staticObstacle" or role == "static":
        return True
    if element.tag == "dynamicObstacle" or role == "dynamic" or element.find("trajectory") is not None:
        return False
    return True if kind in STATIC_TYPES else None


def _unusable(element: Element, is_static: bool | None) -> str | None:
    """Return why an obstacle can't be a vehicle of the truth; None where it can."""
    if element.tag in ("phantomObstacle", "environmentObstacle"):
        return element.tag.removesuffix("Obstacle")
    if is_static:
        return None
    if element.find("trajectory") is None:
        for future in ("occupancySet", "probabilityDistribution"):
            if element.find(future) is not None:
                return f"predicted_{future}"
    return "role" if is_static is None else None


def _state(
    element: Element, default_mps: float | None, counts: Counter[str]
) -> tuple[int, tuple[float, float, float, float]] | None:
    """Return (step, (x, y, heading, speed)); `default_mps` is the speed of a static one."""
    place = point_of(element.find("position/point"))
    if place is None:  # an uncertain position: the middle of its rectangle, circle or polygon
        place = point_of(element.find("position/*/center")) or _middle(element.find("position/polygon"))
        counts["state.uncertain"] += place is not None
    numbers = [element.find(name) for name in ("orientation", "velocity", "time")]
    counts["state.uncertain"] += any(map(is_interval, numbers))  # the middle is used
    heading, speed, step = map(interval_of, numbers)
    speed = default_mps if speed is None else speed
    if place is None or heading is None or speed is None or step is None or not 0 <= step <= STEPS_MAX:
        return None
    if abs(speed) > FASTEST_MPS:
        counts["state.too_fast"] += 1
        return None
    return round(step), (*place, heading, speed)


def _middle(polygon: Element | None) -> tuple[float, float] | None:
    """Return the middle of a polygon's box."""
    found = [] if polygon is None else [point_of(point) for point in polygon.findall("point")]
    points = [point for point in found if point is not None]
    if not points or len(points) < len(found):
        return None
    low, high = np.min(points, axis=0), np.max(points, axis=0)
    return float(low[0] + high[0]) / 2.0, float(low[1] + high[1]) / 2.0


def _extent(shape: Element | None) -> tuple[float, float] | None:
    """Return (length, width): of a rectangle, a circle, or a polygon's box."""
    if shape is None:
        return None
    length, width = float_of(shape.findtext("rectangle/length")), float_of(shape.findtext("rectangle/width"))
    radius = float_of(shape.findtext("circle/radius"))
    if radius is not None:
        length = width = 2.0 * radius
    points = [point for point in map(point_of, shape.findall("polygon/point")) if point is not None]
    if points:
        length, width = np.ptp(np.array(points), axis=0).tolist()
    if length is None or width is None or not (0.0 < length < 100.0 and 0.0 < width < 100.0):
        return None
    return length, width


def _through(vehicle: Trajectory, first: float, last: float) -> Trajectory:
    """Return a static obstacle as one that is there from the first to the last step."""
    two = np.ones(2)
    return Trajectory(
        id=vehicle.id,
        kind=vehicle.kind,
        length_m=vehicle.length_m,
        width_m=vehicle.width_m,
        step=np.array([first, last]),
        x_m=vehicle.x_m[0] * two,
        y_m=vehicle.y_m[0] * two,
        heading_rad=vehicle.heading_rad[0] * two,
        speed_mps=0.0 * two,
    )


def elements(path: Path, counts: Counter[str]) -> Iterator[tuple[int, Element]]:
    """Yield the root as (0, element) when it begins and its children as (1, element) when they end."""
    depth = 0
    try:
        for event, element in _events(path):
            depth -= event == "end"
            if (event, depth) in (("start", 0), ("end", 1)):
                yield depth, element
            depth += event == "start"
    except ParseError:
        counts["xml_broken"] += 1  # cut off, or no XML from here on: the elements before are kept


def _events(path: Path) -> Iterator[tuple[str, Element]]:
    # expat itself bounds the expansion of entities
    parser: XMLPullParser[Element] = XMLPullParser(("start", "end"))
    with path.open("rb") as file:
        while piece := file.read(65_536):
            parser.feed(piece)
            yield from cast("Iterator[tuple[str, Element]]", parser.read_events())
    parser.close()
    yield from cast("Iterator[tuple[str, Element]]", parser.read_events())
