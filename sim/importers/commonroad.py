"""CommonRoad XML (2018b, also 2020a): lanelets and everyone's recorded states; in the file's own metres.

What can't be used is counted by reason; a file that ends too early gives what was whole.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from xml.etree.ElementTree import Element, ParseError, XMLPullParser

import numpy as np

from fusion.kernel import F64

STEPS_MAX = 1_000_000
COORDINATE_MAX = 1e8
# CommonRoad's types to the classes of DESIGN section 5
KINDS = {
    "car": 1, "taxi": 1, "priorityVehicle": 1, "parkedVehicle": 1, "bus": 2, "truck": 3,
    "constructionZone": 5, "bicycle": 5, "pedestrian": 5, "motorcycle": 5, "train": 5,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanelet:
    """One lanelet; bounds (n, 2) in driving direction; neighbours of the same direction only."""

    id: str
    left_bound: F64
    right_bound: F64
    successors: tuple[str, ...]
    left: str | None
    right: str | None
    speed_limit_mps: float | None


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


def read(path: Path, counts: Counter[str]) -> Scene:
    """Read the file; raises ValueError where it is no CommonRoad scenario at all."""
    scene = Scene()
    standing: list[Trajectory] = []
    ids: Counter[int] = Counter()
    root: Element | None = None
    for depth, element in _elements(path, counts):
        if depth == 0:
            root = element
            continue
        if root is None or root.tag != "commonRoad":
            raise ValueError("is no CommonRoad scenario")
        if element.tag == "lanelet":
            lanelet = _lanelet(element, counts)
            if lanelet is not None:
                scene.lanelets.append(lanelet)
        elif element.tag in ("obstacle", "dynamicObstacle", "staticObstacle"):
            vehicle = _obstacle(element, counts)
            if vehicle is None:
                continue
            ids[vehicle.id] += 1
            if ids[vehicle.id] > 1:
                counts["obstacle.duplicate_id"] += 1
            else:
                (standing if len(vehicle.step) == 1 else scene.vehicles).append(vehicle)
    if root is None or root.tag != "commonRoad":
        raise ValueError("is no CommonRoad scenario")
    scene.name = root.get("benchmarkID", "")
    scene.dt_s = _time_step(root, counts)
    steps = [step for vehicle in scene.vehicles for step in (vehicle.step[0], vehicle.step[-1])]
    scene.vehicles += [_through(vehicle, min(steps), max(steps)) for vehicle in standing if steps]
    return scene


def _elements(path: Path, counts: Counter[str]) -> Iterator[tuple[int, Element]]:
    """Yield the root as (0, element) when it begins and its children as (1, element) when they end."""
    depth = 0
    try:
        for event, element in _events(path):
            depth -= event == "end"
            if (event, depth) in (("start", 0), ("end", 1)):
                yield depth, element
            depth += event == "start"
    except ParseError:
        counts["xml_broken"] += 1  # cut off, or no XML from here on: what came before stands


def _events(path: Path) -> Iterator[tuple[str, Element]]:
    # expat itself bounds the expansion of entities
    parser: XMLPullParser[Element] = XMLPullParser(("start", "end"))
    with path.open("rb") as file:
        while piece := file.read(65_536):
            parser.feed(piece)
            yield from cast("Iterator[tuple[str, Element]]", parser.read_events())
    parser.close()
    yield from cast("Iterator[tuple[str, Element]]", parser.read_events())


def _time_step(root: Element, counts: Counter[str]) -> float:
    dt_s = _float(root.get("timeStepSize"))
    if dt_s is None or not 0.001 <= dt_s <= 10.0:
        counts["time_step"] += 1
        return 0.1
    return dt_s


def _float(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) <= COORDINATE_MAX else None


def _interval(element: Element | None) -> float | None:
    """Return an exact number, or the middle of an interval."""
    if element is None:
        return None
    exact = _float(element.findtext("exact"))
    if exact is not None:
        return exact
    low, high = _float(element.findtext("intervalStart")), _float(element.findtext("intervalEnd"))
    return None if low is None or high is None else (low + high) / 2.0


def _point(element: Element | None) -> tuple[float, float] | None:
    if element is None:
        return None
    x, y = _float(element.findtext("x")), _float(element.findtext("y"))
    return None if x is None or y is None else (x, y)


def _lanelet(element: Element, counts: Counter[str]) -> Lanelet | None:
    bounds = []
    for name in ("leftBound", "rightBound"):
        points = [_point(point) for point in element.findall(f"{name}/point")]
        whole = [point for point in points if point is not None]
        if len(whole) < 2 or len(whole) < len(points):
            counts["lanelet.bound"] += 1
            return None
        bounds.append(np.array(whole))
    limit = _interval(element.find("speedLimit")) or _float(element.findtext("speedLimit"))
    return Lanelet(
        id=element.get("id", ""),
        left_bound=bounds[0],
        right_bound=bounds[1],
        successors=tuple(e.get("ref", "") for e in element.findall("successor")),
        left=_neighbour(element.find("adjacentLeft")),
        right=_neighbour(element.find("adjacentRight")),
        speed_limit_mps=limit if limit is not None and limit > 0.0 else None,
    )


def _neighbour(element: Element | None) -> str | None:
    if element is None or element.get("drivingDir") != "same":
        return None
    return element.get("ref")


def _obstacle(element: Element, counts: Counter[str]) -> Trajectory | None:
    name = element.get("id", "")
    if not name.isdecimal() or int(name) >= 2**63:
        counts["obstacle.id"] += 1
        return None
    extent = _extent(element.find("shape"))
    if extent is None:
        counts["obstacle.shape"] += 1
        return None
    states: dict[int, tuple[float, float, float, float]] = {}
    for state in [*element.findall("initialState"), *element.findall("trajectory/state")]:
        row = _state(state, 0.0 if element.find("trajectory") is None else None)
        if row is None:
            counts["state.broken"] += 1
        elif row[0] in states:
            counts["state.duplicate"] += 1
        else:
            states[row[0]] = row[1]
    if not states:
        counts["obstacle.no_state"] += 1
        return None
    steps = sorted(states)
    x, y, heading, speed = np.array([states[step] for step in steps]).T
    return Trajectory(
        id=int(name),
        kind=KINDS.get((element.findtext("type") or "").strip(), 0),
        length_m=extent[0],
        width_m=extent[1],
        step=np.array(steps, dtype=np.float64),
        x_m=x,
        y_m=y,
        heading_rad=np.unwrap(heading),
        speed_mps=speed,
    )


def _state(
    element: Element, default_mps: float | None
) -> tuple[int, tuple[float, float, float, float]] | None:
    place = _point(element.find("position/point"))
    if place is None:  # an uncertain position: the middle of its rectangle or circle
        place = _point(element.find("position/*/center"))
    heading = _interval(element.find("orientation"))
    speed = _interval(element.find("velocity"))
    speed = default_mps if speed is None else speed
    step = _interval(element.find("time"))
    if place is None or heading is None or speed is None or step is None or not 0 <= step <= STEPS_MAX:
        return None
    return round(step), (*place, heading, speed)


def _extent(shape: Element | None) -> tuple[float, float] | None:
    """Return (length, width): of a rectangle, a circle, or a polygon's box."""
    if shape is None:
        return None
    length, width = _float(shape.findtext("rectangle/length")), _float(shape.findtext("rectangle/width"))
    radius = _float(shape.findtext("circle/radius"))
    if radius is not None:
        length = width = 2.0 * radius
    points = [point for point in map(_point, shape.findall("polygon/point")) if point is not None]
    if points:
        length, width = np.ptp(np.array(points), axis=0).tolist()
    if length is None or width is None or not (0.0 < length < 100.0 and 0.0 < width < 100.0):
        return None
    return length, width


def _through(vehicle: Trajectory, first: float, last: float) -> Trajectory:
    """Return a standing obstacle as one that stands from the first to the last step."""
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
