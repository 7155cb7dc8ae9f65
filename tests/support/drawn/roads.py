"""Carriageways, ramps and bridges along drawn alignments, as features of a map: right by construction."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from geofence.map.frames import SiteFrame
from tests.support.drawn.alignment import Alignment, Drawing, bends, vertices

HAZMAT, GENERAL, SHOULDER = ["hazmat", "emergency"], ["car", "bus", "truck"], ["emergency", "maintenance"]


@dataclass(frozen=True)
class Offset:
    """Metres left of an alignment, linear between stations."""

    at_m: tuple[float, ...]
    offset_m: tuple[float, ...]

    def __call__(self, s: Any) -> Any:
        return np.interp(s, self.at_m, self.offset_m)


@dataclass
class Sheet:
    """A map that is being drawn: its features, and the areas of its lanes."""

    rng: Any
    frame: SiteFrame
    draw: Drawing
    features: list[dict[str, Any]] = field(default_factory=list)
    boundaries: dict[str, tuple[Any, Any]] = field(default_factory=dict)  # by lane, site metres
    digits: int = 8

    def lonlat(self, points: Any) -> list[list[float]]:
        """Site metres to what stands in a file."""
        lon, lat = self.frame.lonlat_from_site(*np.asarray(points, dtype=float).T)
        return np.column_stack([np.round(lon, self.digits), np.round(lat, self.digits)]).tolist()

    def add(self, kind: str, geometry: str, coordinates: Any, **properties: Any) -> dict[str, Any]:
        """Add a feature."""
        row = {
            "type": "Feature",
            "properties": {"kind": kind, **properties},
            "geometry": {"type": geometry, "coordinates": coordinates},
        }
        self.features.append(row)
        return row

    def lane(
        self, name: str, line: Alignment, ends_m: tuple[float, float], to_left: Offset, to_right: Offset,
        **more: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """Add a lane between two offsets of an alignment; corners are exact, other vertices are surveyed."""
        sides, common = [], None
        kinks = [at for side in (to_left, to_right) for at in side.at_m if ends_m[0] < at < ends_m[1]]
        for offset in (to_left, to_right):
            widest = float(np.abs(offset(np.linspace(*ends_m, 9))).max())
            s = vertices(self.rng, line, ends_m, kinks, widest, self.draw)
            if self.draw.shares_vertices:
                s = common = s if common is None else common
            points = line.points(s, offset(s))
            points[1:-1] += self.rng.normal(0.0, self.draw.noise_m, (len(s) - 2, 2))
            sides.append(points)
        self.boundaries[name] = (sides[0], sides[1])
        base = {"lane": name, "level": 0, "speed_limit_mps": 60 / 3.6, "successors": []}
        return self.add("lane", "MultiLineString", [self.lonlat(side) for side in sides], **(base | more))


def level(offset_m: float) -> Offset:
    """The same offset everywhere."""
    return Offset((0.0,), (offset_m,))


@dataclass
class Carriageway:
    """Lanes of one direction, section by section: lane 0 on the right; they may begin and end."""

    sheet: Sheet
    road: str
    line: Alignment
    inner_m: float  # offset of its left edge, negative
    width_m: float
    n_lanes: int
    level: int = 0
    names: list[list[str]] = field(default_factory=list)  # of each section, from the right
    right_m: list[float] = field(default_factory=list)  # of each section's end: offset of the right edge

    def draw(self, sections_m: list[float], changes: list[str]) -> None:
        """Draw all sections.

        changes : of each section's rightmost lane: "", begin, end, exit (it begins, and a ramp follows it),
        entry (it follows a ramp, and ends)
        """
        rows: dict[str, dict[str, Any]] = {}
        before: list[str] = []
        for k, ends_m in enumerate(pairwise(sections_m)):
            change = changes[k]
            if change in ("begin", "exit", "entry"):
                self.n_lanes += 1
                before = ["", *before]
            names = [f"{self.road}{k}{'abcdefgh'[i]}" for i in range(self.n_lanes)]
            for i, name in enumerate(names):
                rows[name] = self._lane(name, i, ends_m, change)["properties"]
                if k and before[i]:
                    rows[before[i]]["successors"].append(name)
                if i:
                    rows[name]["right"], rows[names[i - 1]]["left"] = names[i - 1], name
            self.names.append(names)
            self.right_m.append(self.inner_m - self.width_m * self.n_lanes)
            before = list(names)
            if change in ("end", "exit", "entry"):
                self.n_lanes -= 1
                before = before[1:]

    def _lane(self, name: str, i: int, ends_m: tuple[float, float], change: str) -> dict[str, Any]:
        left_m = self.inner_m - self.width_m * (self.n_lanes - 1 - i)
        full = left_m - self.width_m
        left, right = level(left_m), level(full)
        at = self.sheet.rng.uniform(0.3, 0.6) * (ends_m[1] - ends_m[0])
        if i == 0 and change in ("begin", "exit"):
            right = Offset((ends_m[0], ends_m[0] + at), (left_m, full))
        elif i == 0 and change:
            right = Offset((ends_m[1] - at, ends_m[1]), (full, left_m))
        hazmat = i == (1 if change else 0) or self.n_lanes == 1
        return self.sheet.lane(
            name, self.line, ends_m, left, right, road=self.road, index=i, level=self.level,
            allowed=HAZMAT if hazmat else GENERAL, change_left=bool(self.sheet.rng.random() < 0.5),
        )  # fmt: skip


def exit_ramp(way: Carriageway, section: int, at_m: float, name: str, levels: tuple[int, ...]) -> Alignment:
    """A ramp from the lane that begins in a section and has no other continuation, right of the road."""
    rng = way.sheet.rng
    edge_m = way.right_m[section] + way.width_m
    start = way.line.points(np.array([at_m]), edge_m)[0]
    bend = float(way.line.bend(at_m))
    own = bend / (1.0 - bend * edge_m)
    tight = -1.0 / rng.uniform(60.0, 250.0)
    first = min(own, 0.0) - 1.0 / rng.uniform(900.0, 2_000.0)
    out = [(60.0, own - 1e-4, first), (rng.uniform(60.0, 120.0), first, first), (60.0, first, tight)]
    turn = rng.uniform(0.3, 0.9)
    out += [(turn / -tight, tight, tight), (60.0, tight, 0.0), (rng.uniform(50.0, 300.0), 0.0, 0.0)]
    line = Alignment(*start.tolist(), float(way.line.heading(at_m)), tuple(out))
    draw_ramp(way, name, line, way.names[section][0], None, levels)
    return line


def entry_ramp(way: Carriageway, section: int, at_m: float, name: str, levels: tuple[int, ...]) -> Alignment:
    """A ramp into the lane that ends in a section and has no lane before, from the right of the road."""
    rng = way.sheet.rng
    edge_m = way.right_m[section] + way.width_m
    end = way.line.points(np.array([at_m]), edge_m)[0]
    bend = float(way.line.bend(at_m))
    own = -bend / (1.0 - bend * edge_m)  # as seen backwards, where the ramp leaves to the left
    tight = 1.0 / rng.uniform(60.0, 250.0)
    first = max(own, 0.0) + 1.0 / rng.uniform(900.0, 2_000.0)
    out = [(60.0, own + 1e-4, first), (rng.uniform(60.0, 120.0), first, first), (60.0, first, tight)]
    turn = rng.uniform(0.3, 0.9)
    out += [(turn / tight, tight, tight), (60.0, tight, 0.0), (rng.uniform(50.0, 300.0), 0.0, 0.0)]
    back = Alignment(*end.tolist(), float(way.line.heading(at_m)) + np.pi, tuple(out))
    draw_ramp(way, name, back.backwards(), None, way.names[section][0], levels)
    return back.backwards()


def draw_ramp(
    way: Carriageway, road: str, line: Alignment, before: str | None, after: str | None,
    levels: tuple[int, ...],
) -> None:  # fmt: skip
    """The lanes of a ramp, one after another on levels that change by one, right of its alignment."""
    cuts, rows = np.linspace(0.0, line.length_m, len(levels) + 1), []
    for k, on in enumerate(levels):
        ends = (float(cuts[k]), float(cuts[k + 1]))
        rows.append(way.sheet.lane(
            f"{road}{k}", line, ends, level(0.0), level(-way.width_m),
            road=road, index=0, level=on, allowed=HAZMAT + GENERAL,
        )["properties"])  # fmt: skip
        if k:
            rows[-2]["successors"].append(f"{road}{k}")
    properties = {row["properties"].get("lane"): row["properties"] for row in way.sheet.features}
    if before is not None:
        properties[before]["successors"].append(f"{road}0")
    if after is not None:
        rows[-1]["successors"].append(after)


def bridge(sheet: Sheet, road: str, under: Alignment, at_m: float, on: int) -> Alignment:
    """A road of two lanes, one for each way, over another one."""
    rng = sheet.rng
    elements = tuple(bends(rng, 500.0, 400.0))
    line = Alignment(0.0, 0.0, 0.0, elements)
    middle = line.length_m * rng.uniform(0.4, 0.6)
    angle = float(under.heading(at_m)) + rng.choice([-1, 1]) * rng.uniform(0.7, 2.4)
    turned = angle - float(line.heading(middle))
    place = Alignment(0.0, 0.0, turned, elements).points(np.array([middle]))[0]
    start = under.points(np.array([at_m]))[0] - place
    line = Alignment(*start.tolist(), turned, elements)
    for name, along, other in (("E", line, "W"), ("W", line.backwards(), "E")):
        sheet.lane(
            f"{road}{name}", along, (0.0, line.length_m), level(0.0), level(-3.5), road=road, index=0,
            level=on,            allowed=["car", "truck", "bus", "hazmat"], left=f"{road}{other}",
        )  # fmt: skip
    return line
