"""Zones and place labels of the synthetic Panjin road."""

import numpy as np

from sim.site import section as sec
from sim.site.drawing import Drawing, Feature

# id, role, from, to along the axis, nearer and farther offset (left of the axis positive), names
AREAS = (
    (
        "inspection-SB",
        "inspection",
        15_800.0,
        16_200.0,
        -20.0,
        -140.0,
        "南行检查停车区",
        "Inspection area SB",
    ),
    ("inspection-NB", "inspection", 24_300.0, 24_700.0, 20.0, 140.0, "北行检查停车区", "Inspection area NB"),
    (
        "weak-gnss-1",
        "weak_gnss",
        18_600.0,
        19_400.0,
        -30.0,
        30.0,
        "弱卫星信号区（管廊林带）",
        "Weak GNSS, pipe racks",
    ),
    (
        "weak-gnss-2",
        "weak_gnss",
        27_550.0,
        28_450.0,
        -30.0,
        30.0,
        "弱卫星信号区（管廊大桥）",
        "Weak GNSS, river bridge",
    ),
)
PLACES = (
    (800.0, "北门", "North gate"),
    (5_800.0, "A互通（县道）", "Interchange A (county road)"),
    (11_500.0, "跨线桥", "Overpass"),
    (16_000.0, "南行检查停车区", "Inspection area SB"),
    (19_000.0, "管廊林带", "Pipe racks"),
    (21_400.0, "B互通（炼化厂）", "Interchange B (refinery)"),
    (24_500.0, "北行检查停车区", "Inspection area NB"),
    (28_000.0, "辽河支流大桥", "River bridge"),
    (33_400.0, "港区路口", "Port road junction"),
    (36_200.0, "园区环路", "Park ring road"),
    (39_000.0, "南门（园区）", "South gate (park)"),
)


def zones(drawing: Drawing) -> list[Feature]:
    """Return the zone polygons."""
    return [
        drawing.feature(
            "Polygon",
            [corridor(drawing, from_m, to_m, near_m, far_m)],
            kind="zone",
            zone=zone,
            role=role,
            road="main",
            level=0,
            name_zh=zh,
            name_en=en,
        )
        for zone, role, from_m, to_m, near_m, far_m, zh, en in AREAS
    ]


def labels(drawing: Drawing) -> list[Feature]:
    """Return the points that a page writes names at."""
    return [
        drawing.feature(
            "Point",
            drawing.line(np.array([s_m]), 0.0)[0],
            kind="place",
            name_zh=zh,
            name_en=en,
            road="main",
            s_m=s_m,
        )
        for s_m, zh, en in PLACES
    ]


def corridor(
    drawing: Drawing, from_m: float, to_m: float, near_m: float, far_m: float, step_m: float = 50.0
) -> list[list[float]]:
    """Return the closed ring between two offsets along a part of the axis."""
    s = np.linspace(from_m, to_m, max(2, round((to_m - from_m) / step_m) + 1))
    ring = drawing.line(s, near_m) + drawing.line(s[::-1], far_m)
    return [*ring, ring[0]]


def enforcement_area(drawing: Drawing) -> list[list[float]]:
    """Return [lon, lat] rows of where leaving the road is judged: K17 to K27, 250 m each side."""
    assert sec.GATE_NORTH_M < 17_000.0, "between the gates"
    return [row[:2] for row in corridor(drawing, 17_000.0, 27_000.0, -250.0, 250.0, step_m=250.0)[:-1]]
