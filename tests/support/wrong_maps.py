"""Maps that lie, one for each way of lying, and sound maps that look as if they did."""

import copy
from typing import Any

import numpy as np

from tests.support.geofence_world import FRAME, GENERAL, HAZMAT, bend, beside, feature, lane, lonlat

WIDTH_M = 3.75


def strip(
    name: str, from_m: float = 0.0, to_m: float = 200.0, right_m: float = 0.0, left_m: float | None = None,
    step_m: float = 50.0, **more: Any,
) -> dict[str, Any]:  # fmt: skip
    """A lane along the east axis, between two offsets to the left."""
    at = np.linspace(from_m, to_m, max(2, round(abs(to_m - from_m) / step_m) + 1))
    left = right_m + WIDTH_M if left_m is None else left_m
    return lane(name, np.c_[at, np.full(len(at), left)], np.c_[at, np.full(len(at), right_m)], **more)


def curve(name: str, radius_m: float, step_m: float, turn: float = 1.5, **more: Any) -> dict[str, Any]:
    """A lane on a left bend with a vertex of each boundary each step_m of its middle."""
    at = np.linspace(0.0, radius_m * turn, max(3, round(radius_m * turn / step_m) + 1))
    half = WIDTH_M / 2
    return lane(name, beside(bend(radius_m), at, half), beside(bend(radius_m), at, -half), **more)


def taper(name: str, from_m: float, to_m: float, widths: tuple[float, float], **more: Any) -> dict[str, Any]:
    """A lane right of the axis whose width changes."""
    right = [[from_m, -widths[0]], [to_m, -widths[1]]]
    return lane(name, [[from_m, 0.0], [to_m, 0.0]], right, **more)


def across(name: str, at_m: float, **more: Any) -> dict[str, Any]:
    """A lane to the north over the axis."""
    return lane(
        name, [[at_m, -100.0], [at_m, 100.0]], [[at_m + WIDTH_M, -100.0], [at_m + WIDTH_M, 100.0]], **more
    )


def gate(name: str = "N", at_m: float = 50.0, north_m: float = 0.0, **more: Any) -> dict[str, Any]:
    """A line across the axis."""
    line = lonlat([[at_m, north_m - 5.0], [at_m, north_m + 8.0]])
    return feature("gate", "LineString", line, **({"gate": name, "role": "entry", "road": "main"} | more))


def zone(name: str = "Z", **more: Any) -> dict[str, Any]:
    """A square beside the axis."""
    ring = lonlat([[0.0, 0.0], [20.0, 0.0], [20.0, 20.0], [0.0, 20.0], [0.0, 0.0]])
    return feature("zone", "Polygon", [ring], **({"zone": name, "role": "parking"} | more))


def axis(points: Any, road: str = "main") -> dict[str, Any]:
    """An axis through places."""
    return feature("axis", "LineString", lonlat(points), road=road, k0_m=0.0)


def swapped(row: dict[str, Any]) -> dict[str, Any]:
    """A lane with latitude and longitude in each other's place."""
    row = copy.deepcopy(row)
    lines = row["geometry"]["coordinates"]
    row["geometry"]["coordinates"] = [[point[::-1] for point in line] for line in lines]
    return row


def renamed(row: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    """A feature with a property under another name."""
    properties = {new if key == old else key: value for key, value in row["properties"].items()}
    return row | {"properties": properties}


def shifted(row: dict[str, Any], place_m: float) -> dict[str, Any]:
    """A lane whose second vertices are aside, on both boundaries."""
    lines = [np.array(FRAME.site_from_lonlat(*np.array(line).T)).T for line in row["geometry"]["coordinates"]]
    for line in lines:
        line[1::2, 1] += place_m
    return row | {"geometry": {"type": "MultiLineString", "coordinates": [lonlat(line) for line in lines]}}


def pair(**of_a: Any) -> list[dict[str, Any]]:
    """A lane and its successor."""
    return [strip("A", 0, 100, successors=["B"], **of_a), strip("B", 100, 200)]


def side(left_of_a: Any = "B", right_of_b: Any = "A", **of_b: Any) -> list[dict[str, Any]]:
    """A lane and the one on its left."""
    b: dict[str, Any] = {"right_m": WIDTH_M, "index": 1} | of_b
    return [strip("A", left=left_of_a), strip("B", right=right_of_b, **b)]


def ring() -> list[dict[str, Any]]:
    """Two half circles that follow each other."""
    turn = np.linspace(0.0, np.pi, 41)
    halves = []
    for name, following, begin in (("A", "B", 0.0), ("B", "A", np.pi)):
        unit = np.c_[np.cos(begin + turn), np.sin(begin + turn)]
        halves.append(lane(name, 40.0 * unit, 43.75 * unit, successors=[following]))
    return halves


def fork() -> list[dict[str, Any]]:
    """A lane that leads into two of its width, which part slowly."""
    at = np.linspace(100.0, 200.0, 11)
    aside = -((at - 100.0) ** 2) / 1_000.0
    right = lane("C", np.c_[at, WIDTH_M + aside], np.c_[at, aside])
    return [strip("A", 0, 100, successors=["B", "C"]), strip("B", 100, 200, step_m=10.0), right]


# name, features, level, what the message says
WRONG: list[tuple[str, list[dict[str, Any]], str, str]] = [
    ("gap along", [strip("A", 0, 100, successors=["B"]), strip("B", 102, 200)], "error", "2.00 m after"),
    ("overlap along", [strip("A", 0, 100, successors=["B"]), strip("B", 99, 200)], "error", "1.00 m before"),
    (
        "step across",
        [strip("A", 0, 100, successors=["B"]), strip("B", 100, 200, 1.0)],
        "error",
        "beside its end",
    ),
    (
        "small gap along",
        [strip("A", 0, 100, successors=["B"]), strip("B", 100.2, 200)],
        "warning",
        "0.20 m after",
    ),
    ("successor elsewhere", [strip("A", successors=["B"]), strip("B", 0, 200, 40)], "error", "successor B"),
    (
        "successor backwards",
        [strip("A", 0, 100, successors=["B"]), strip("B", 0, 100, -8)],
        "error",
        "successor B",
    ),
    ("fork that doesn't join", [*fork()[:2], strip("C", 103, 200, -9)], "error", "successor C"),
    ("gap across", side(right_m=WIDTH_M + 0.4), "error", "0.40 m beside its left"),
    ("small gap across", side(right_m=WIDTH_M + 0.2), "warning", "0.20 m beside its left"),
    ("overlap across", side(right_m=WIDTH_M - 1.0, left_m=2 * WIDTH_M), "error", "overlaps lane B"),
    ("overlap without names", [strip("A"), strip("B", 20, 150, 2.0)], "error", "overlaps lane B"),
    (
        "overlap of the other way",
        [strip("A"), lane("B", [[200, 2], [0, 2]], [[200, 6], [0, 6]])],
        "error",
        "overlaps",
    ),
    ("crossing on one level", [strip("A"), across("X", 98.0, road="x")], "warning", "crosses lane X"),
    (
        "oblique crossing",
        [strip("A", step_m=200), lane("X", [[0, -60], [200, 60]], [[3, -62], [203, 58]])],
        "warning",
        "crosses",
    ),
    (
        "neighbours swapped",
        [strip("A", right="B"), strip("B", right_m=WIDTH_M, left="A")],
        "error",
        "lies on its left",
    ),
    ("neighbour names nobody", side(right_of_b=None), "warning", "names no lane on its right"),
    (
        "neighbour names another",
        [*side(right_of_b="C"), strip("C", right_m=-WIDTH_M)],
        "error",
        "names C on its right",
    ),
    (
        "level jump",
        [strip("A", 0, 100, successors=["B"]), strip("B", 100, 200, level=5)],
        "warning",
        "of its successor B is 5",
    ),
    ("isolated", [*pair(), strip("C", 500, 600, 300)], "warning", "lane C: it is isolated"),
    ("isolated, nothing linked", [strip("A"), strip("C", 0, 200, 90)], "warning", "lane C: it is isolated"),
    ("forgotten successor", [strip("A", 0, 100), strip("B", 102, 200)], "warning", "2.0 m before B begins"),
    (
        "end without width",
        [taper("A", 0, 100, (3.75, 0.0), successors=["B"]), taper("B", 100, 200, (3.75, 3.75))],
        "error",
        "ends without width",
    ),
    (
        "start without width",
        [taper("A", 0, 100, (3.75, 3.75), successors=["B"]), taper("B", 100, 200, (0.0, 3.75))],
        "error",
        "begins without width",
    ),
    ("coarse bend", [curve("A", 100.0, 25.0)], "error", "too few vertices"),
    ("sharp coarse bend", [curve("A", 30.0, 12.0)], "error", "too few vertices"),
    ("bend of three vertices", [curve("A", 60.0, 45.0)], "error", "too few vertices"),
    ("slightly coarse bend", [curve("A", 200.0, 15.0)], "warning", "judged with that error"),
    ("zigzag", [shifted(strip("A", step_m=10.0), 0.8)], "error", "zigzags"),
    (
        "kind misspelt, no lane",
        [strip("A") | {"properties": {"kind": "lanes", "lane": "A"}}],
        "error",
        "is 'lane' meant?",
    ),
    (
        "kind misspelt",
        [strip("A"), feature("gaet", "LineString", lonlat([[0, 0], [0, 9]]), gate="g")],
        "warning",
        "is 'gate' meant?",
    ),
    (
        "property misspelt",
        [renamed(strip("A"), "speed_limit_mps", "speed_limit_kmh")],
        "warning",
        "is 'speed_limit_mps' meant?",
    ),
    (
        "successors misspelt",
        [strip("A") | {"properties": strip("A")["properties"] | {"sucessors": []}}],
        "warning",
        "'successors'",
    ),
    ("narrow hazmat lane", [strip("A", left_m=1.5)], "error", "1.50 m wide"),
    ("narrow lane of cars", [strip("A", left_m=1.2, allowed=["car"])], "error", "1.20 m wide"),
    ("wide lane", [strip("A", left_m=29.0)], "warning", "29.0 m wide"),
    ("limit in km/h", [strip("A", speed_limit_mps=60)], "error", "not above 0 and at most 50"),
    ("limit of no road", [strip("A", speed_limit_mps=40)], "warning", "more than any road"),
    ("limit of walking", [strip("A", speed_limit_mps=0.5)], "warning", "walking pace"),
    ("zone's limit of walking", [strip("A"), zone(speed_limit_mps=0.5)], "warning", "walking pace"),
    (
        "zone's further role misspelt",
        [strip("A"), zone(rules=["tunel_c"])],
        "warning",
        "is 'tunnel_c' meant?",
    ),
    ("zone beside the road", [strip("A", 0, 200, 900.0), zone()], "warning", "880 m beside all lanes"),
    ("its own successor", [strip("A", successors=["A"])], "error", "its own successor"),
    (
        "successor drawn backwards",
        [
            strip("A", 0, 100, successors=["B"]),
            lane("B", [[200, 0], [100, 0]], [[200, 3.75], [100, 3.75]]),
        ],
        "error",
        "successor B begins 100",
    ),
    ("neighbour on another level", side(level=1), "warning", "level 1, it has 0"),
    (
        "numbers from the left",
        [strip("A", left="B", index=1), strip("B", right_m=WIDTH_M, right="A", index=0)],
        "warning",
        "0 is the rightmost",
    ),
    (
        "point astray",
        [lane("A", [[0, 4], [1_000, 4], [1_050, 60], [1_100, 4], [3_000, 4]], [[0, 0], [3_000, 0]])],
        "error",
        "gone astray",
    ),
    ("allows nobody", [strip("A", allowed=[])], "warning", "'allowed' is empty"),
    ("zones of one name", [strip("A"), zone(), zone()], "error", "another zone"),
    ("zone role misspelt", [strip("A"), zone(role="no_entyr")], "warning", "is 'no_entry' meant?"),
    ("gates of one name", [strip("A"), gate(), gate()], "error", "2 gates"),
    ("gate role misspelt", [strip("A"), gate(role="entyr")], "error", "is 'entry' meant?"),
    ("gate off the road", [strip("A"), gate(north_m=300.0)], "error", "beside all lanes"),
    ("gate beside the road", [strip("A"), gate(north_m=-20.0)], "warning", "crosses no lane"),
    ("axis 3 km away", [strip("A"), axis([[0, 3_000], [200, 3_000]])], "error", "stations mean nothing"),
    ("axis of another road", [strip("A"), axis([[0, 0], [200, 0]], "mian")], "warning", "is 'main' meant?"),
    ("swapped axes", [swapped(strip("A"))], "error", "swapped"),
    (
        "bow-tie",
        [
            strip("A"),
            feature("zone", "Polygon", [lonlat([[0, 0], [9, 9], [9, 0], [0, 9], [0, 0]])], zone="z"),
        ],
        "error",
        "Self-intersection at [122.0",
    ),
    ("boundaries swapped", [lane("A", [[0, 0], [100, 0]], [[0, 4], [100, 4]])], "error", "swapped"),
    ("two faults", [strip("A", allowed=["tank"]), strip("B", left_m=1.0)], "error", "'allowed' names 'tank'"),
]

RIGHT: list[tuple[str, list[dict[str, Any]]]] = [
    ("one lane", [strip("A")]),
    ("a succession", pair()),
    ("neighbours", side()),
    (
        "inside boundary is a point",
        [lane("A", [[0, 0], [0, 0]], 4.0 * np.c_[np.sin(t := np.linspace(0, 1.5, 9)), -np.cos(t)])],
    ),
    ("taper to nothing", [taper("A", 0, 100, (3.75, 0.0))]),
    (
        "taper whose sides cross by 2 cm at its tip",
        [lane("A", [[0, 0], [100, 0]], [[0, -3.75], [100, 0.02]])],
    ),
    (
        "thin end of a taper within its neighbour by the chords",
        [
            lane("A", [[0, 0.02], [100, 0.02]], [[0, -0.28], [100, -0.31]], left="B", allowed=["emergency"]),
            strip("B", 0, 100, step_m=5.0, right="A", index=1),
        ],
    ),
    (
        "vertices twice on both sides",
        [lane("A", [[0, 4], [50, 4], [50, 4], [100, 4]], [[0, 0], [50, 0], [50, 0], [100, 0]])],
    ),
    (
        "taper from nothing",
        [taper("A", 0, 100, (0.0, 3.75), successors=["B"]), taper("B", 100, 200, (3.75, 3.75))],
    ),
    (
        "taper in two sections",
        [taper("A", 0, 50, (3.75, 1.9), successors=["B"]), taper("B", 50, 100, (1.9, 0.0))],
    ),
    ("loop of radius 25", [curve("A", 25.0, 2.0, 5.0)]),
    ("loop of radius 6", [curve("A", 6.0, 0.5, 4.5)]),
    ("bend of radius 100", [curve("A", 100.0, 5.0)]),
    ("ring lane", ring()),
    ("overpass with level", [strip("A"), across("X", 98.0, road="x", level=1)]),
    ("fork", fork()),
    (
        "merge",
        [
            strip("A", 0, 100, successors=["C"]),
            lane("B", [[0, -10], [100, 3.75]], [[0, -14], [100, 0]], successors=["C"], road="ramp"),
            strip("C", 100, 200),
        ],
    ),
    (
        "split of a wide lane",
        [
            strip("A", 0, 100, 0.0, 7.5, successors=["B", "C"]),
            strip("B", 100, 200, right="C", right_m=3.75),
            strip("C", 100, 200, left="B"),
        ],
    ),
    ("ramp on another level", [strip("A", 0, 100, successors=["B"]), strip("B", 100, 200, level=1)]),
    ("opposite carriageways", [strip("A"), lane("W", [[200, 7.75], [0, 7.75]], [[200, 11.5], [0, 11.5]])]),
    (
        "oncoming lane as neighbour",
        [strip("A", left="W"), lane("W", [[200, 3.75], [0, 3.75]], [[200, 7.5], [0, 7.5]], left="A")],
    ),
    (
        "bus lay-by",
        [strip("A", right="L"), strip("L", 60, 120, -3.5, 0.0, allowed=["bus"], left="A", index=0)],
    ),
    (
        "shared points 5 cm apart",
        [
            strip("A", 0, 100, successors=["B"], left="C"),
            strip("B", 100.05, 200, 0.03),
            strip("C", 0, 100, WIDTH_M + 0.05, right="A"),
        ],
    ),
    (
        "short sections beside a long lane",
        [
            strip("A", 0, 100, successors=["B"], left="L"),
            strip("B", 100, 200, left="L"),
            strip("L", right_m=WIDTH_M, right="A"),
        ],
    ),
    ("lane that widens", [strip("A", 0, 100, successors=["B"]), strip("B", 100, 200, -0.4, 4.2)]),
    (
        "ramp that leaves a lane at its side",
        [strip("A", successors=["R"]), lane("R", [[50, 0], [150, -30]], [[50, -3.75], [150, -34]], road="r")],
    ),
    (
        "ramp that branches off a lane",
        [strip("A", successors=["R"]), lane("R", [[50, 3.75], [150, -30]], [[50, 0], [150, -34]], road="r")],
    ),
    ("corner", [lane("A", [[0, 4], [100, 4], [160, 9]], [[0, 0], [100.4, 0], [160.4, 5]])]),
    (
        "road that winds",
        [
            lane(
                "A",
                np.c_[x := np.linspace(0, 900, 91), 4 * np.sin(x / 60) + 3.75],
                np.c_[x, 4 * np.sin(x / 60)],
            )
        ],
    ),
    ("axis of a road", [*pair(), axis([[0, 0], [200, 0]])]),
    ("duplicate points", [lane("A", [[0, 4], [50, 4], [50, 4], [100, 4]], [[0, 0], [100, 0]])]),
    (
        "gates and zones",
        [
            strip("A"),
            gate(),
            gate("S", 150.0, role="exit"),
            zone(),
            zone("Y", role="no_entry", time_window="22:00-06:00"),
        ],
    ),
    (
        "another program's features",
        [strip("A"), feature("tree", "Point", lonlat([[9, 9]])[0]), feature("place", "Point", [122, 41])],
    ),
    ("narrow lane for nobody's truck", [strip("A", left_m=2.0, allowed=["car"])]),
    (
        "lanes of both kinds",
        [strip("A", allowed=HAZMAT, left="B"), strip("B", allowed=GENERAL, right_m=WIDTH_M, right="A")],
    ),
]
