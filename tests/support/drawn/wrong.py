"""One fault put into a drawn map: what it is, where, and what a check must say of it."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from tests.support.drawn.maps import Drawn, text_of

NEAR_M = 5.0


@dataclass
class Wrong:
    """A map with a fault."""

    features: list[Any]
    level: str  # "error" or "warning"; "": neither, the map is right all the same
    says: str  # a pattern of what must be said
    where: Any = (
        None  # shapely geometry in site metres within NEAR_M of which the place must be; None: anywhere
    )
    about: frozenset[str] = frozenset()  # lanes of which other faults may be said, too
    more: dict[str, Any] | None = None  # members of the collection
    raw: tuple[str, str] | None = None  # text that is replaced, which no JSON writer writes

    @property
    def text(self) -> str:
        text = text_of(self.features, **(self.more or {}))
        return text if self.raw is None else text.replace(*self.raw)


Mutation = Callable[[Any, "Copy"], Wrong | None]


class Copy:
    """A drawn map of which features may be changed."""

    def __init__(self, drawn: Drawn) -> None:
        self.drawn, self.sheet = drawn, drawn.sheet
        self.features = copy.deepcopy(drawn.sheet.features)
        self.rows = {row["properties"]["lane"]: row for row in self.features if self.kind(row) == "lane"}
        self.lanes = {name: row["properties"] for name, row in self.rows.items()}

    @staticmethod
    def kind(row: Any) -> str:
        return str(row["properties"]["kind"])

    def of_kind(self, kind: str) -> list[Any]:
        return [row for row in self.features if self.kind(row) == kind]

    def sides(self, name: str) -> tuple[Any, Any]:
        """Both boundaries of a lane, to be changed."""
        left, right = self.sheet.boundaries[name]
        return left.copy(), right.copy()

    def put(self, name: str, left: Any, right: Any) -> None:
        """Give a lane other boundaries."""
        lines = [self.sheet.lonlat(side) for side in (left, right)]
        self.rows[name]["geometry"] = {"type": "MultiLineString", "coordinates": lines}

    def area(self, name: str) -> Any:
        """The ground of a lane, as it was drawn."""
        left, right = self.sheet.boundaries[name]
        return shapely.Polygon(np.vstack([right, left[::-1]]))

    def before(self, name: str) -> list[str]:
        return [other for other, lane in self.lanes.items() if name in lane["successors"]]

    def around(self, *names: str) -> frozenset[str]:
        """Lanes and those that they name or that name them."""
        found = set(names)
        for name, lane in self.lanes.items():
            linked = {*lane["successors"], lane.get("left"), lane.get("right")} - {None}
            if name in names:
                found |= linked
            elif linked & set(names):
                found.add(name)
        return frozenset(found)

    def pick(self, rng: Any, wanted: Callable[[str, dict[str, Any]], bool]) -> str | None:
        """The name of a lane that is wanted."""
        names = sorted(name for name, lane in self.lanes.items() if wanted(name, lane))
        return str(rng.choice(names)) if names else None

    def width_m(self, name: str, end: int) -> float:
        left, right = self.sheet.boundaries[name]
        return float(np.hypot(*(left[end] - right[end])))

    def is_wide(self, name: str) -> bool:
        return self.width_m(name, 0) > 3.0 and self.width_m(name, -1) > 3.0

    def wrong(self, level: str, says: str, where: Any = None, *names: str, **more: Any) -> Wrong:
        return Wrong(self.features, level, says, where, self.around(*names), **more)


def unit(vector: Any) -> Any:
    return vector / np.hypot(*vector)


def aside(line: Any, k: int) -> Any:
    """The unit vector to the left of a line at a vertex."""
    along = unit(line[min(k + 1, len(line) - 1)] - line[max(k - 1, 0)])
    return np.array([-along[1], along[0]])


def as_map_services_do(point: list[float]) -> list[float]:
    """GCJ-02 of a place: a public description of the offset that map services in China add."""
    x, y = point[0] - 105.0, point[1] - 35.0
    wave = (20.0 * math.sin(6 * x * math.pi) + 20.0 * math.sin(2 * x * math.pi)) * 2 / 3
    north = -100.0 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x)) + wave
    north += (20.0 * math.sin(y * math.pi) + 40.0 * math.sin(y / 3 * math.pi)) * 2 / 3
    east = 300.0 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x)) + wave
    east += (20.0 * math.sin(x * math.pi) + 40.0 * math.sin(x / 3 * math.pi)) * 2 / 3
    scale = 111_320.0
    return [point[0] + east / scale / math.cos(math.radians(point[1])), point[1] + north / scale]
