"""Right maps, drawn at random: roads with bends, ramps, bridges, gates and zones, anywhere in the country."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from geofence.map.frames import SiteFrame
from tests.support.drawn.alignment import Alignment, Drawing, bends
from tests.support.drawn.roads import Carriageway, Sheet, bridge, entry_ramp, exit_ramp

ROLES = (
    "no_entry", "no_exit", "inspection", "parking", "rest", "toll", "weak_gnss", "closed", "bridge", "tunnel",
    "tunnel_b", "tunnel_c", "tunnel_d", "tunnel_e",
)  # fmt: skip
WINDOWS = (
    None,
    "22:00-06:00",
    "Mo-Fr 07:00-09:00,17:00-19:00; Sa,Su,PH 22:00-06:00; PH off",
    "PH 00:00-24:00",
)
LEVELS = ((0,), (0, 0), (0, 1), (0, 0, 1, 1), (0, -1))
OVER_M = 0.2  # of two lanes that share a boundary: chords of either side


@dataclass
class Drawn:
    """A map, and what a mutation needs to know of it."""

    seed: int
    sheet: Sheet
    ways: list[Carriageway]

    @property
    def text(self) -> str:
        return text_of(self.sheet.features)


def text_of(features: list[Any], **more: Any) -> str:
    """Features as a map's text."""
    head = {"type": "FeatureCollection", "version": "7", "datum": "CGCS2000"}
    return json.dumps(head | more | {"features": features})


def right_map(seed: int, *, small: bool = False) -> Drawn:
    """A map without a fault; what does not fit together is drawn anew."""
    for attempt in range(40):
        rng = np.random.default_rng([seed, attempt])
        drawn = _draw(rng, seed, small=small)
        if drawn is not None and not overlapping(drawn.sheet):
            return drawn
    raise AssertionError(f"seed {seed} draws nothing that fits together")


def _draw(rng: Any, seed: int, *, small: bool) -> Drawn | None:
    draw = Drawing(
        step_m=float(rng.choice([5.0, 10.0, 20.0, 50.0, 100.0])), chord_m=rng.uniform(0.008, 0.03),
        uneven=float(rng.choice([0.0, 0.3, 0.7])), noise_m=float(rng.choice([0.0, 0.005, 0.015])),
        shares_vertices=bool(rng.random() < 0.6),
    )  # fmt: skip
    frame = SiteFrame(rng.uniform(75.0, 134.0), rng.uniform(18.5, 53.0))
    sheet = Sheet(rng, frame, draw, digits=int(rng.choice([7, 8, 10])))
    tightest = float(rng.choice([60.0, 150.0, 400.0]))
    main = Alignment(
        0.0, 0.0, rng.uniform(-np.pi, np.pi), tuple(bends(rng, 600.0 if small else 1_800.0, tightest))
    )
    if main.length_m < 500.0 or _bites_itself(main, 60.0):
        return None
    ways = []
    n_lanes = 1 if tightest < 100.0 else int(rng.integers(1, 5))
    median_m = float(rng.choice([0.0, 0.5, 3.0, 12.0])) / 2
    for name, line in (("E", main), ("W", main.backwards())):
        way = Carriageway(sheet, f"M{name}", line, -median_m, float(rng.choice([3.5, 3.75])), n_lanes)
        n = 2 if small else int(rng.integers(2, 7))
        cuts = np.sort(rng.uniform(0.0, 1.0, n - 1))
        cuts = np.concatenate([[0.0], (np.arange(1, n) + (cuts - 0.5) * 0.3) / n, [1.0]]) * line.length_m
        _draw_way(rng, way, cuts.tolist())
        ways.append(way)
    if rng.random() < 0.6:
        bridge(sheet, "X", main, main.length_m * rng.uniform(0.3, 0.7), int(rng.choice([-1, 2, 3])))
    for road, line, k0_m in (("ME", main, rng.uniform(-5e3, 5e4)), ("MW", main, 0.0)):
        if rng.random() < 0.7:
            s = np.linspace(0.0, line.length_m, int(line.length_m / 20.0))
            sheet.add("axis", "LineString", sheet.lonlat(line.points(s)), road=road, k0_m=float(k0_m))
    _add_gates(rng, sheet, ways)
    _add_zones(rng, sheet, main)
    order = rng.permutation(len(sheet.features))
    sheet.features = [sheet.features[i] for i in order]
    return Drawn(seed, sheet, ways)


def _draw_way(rng: Any, way: Carriageway, cuts: list[float]) -> None:
    """Draw a carriageway whose rightmost lanes begin, end, and lead to and from ramps."""
    n_now, plan, ramps = way.n_lanes, [], 0
    for k in range(len(cuts) - 1):
        change = str(rng.choice(["", "", "begin", "end", "exit", "entry"]))
        is_end = k == len(cuts) - 2
        if (
            (change in ("begin", "exit", "entry") and n_now >= 6)
            or (change == "end" and n_now < 2)
            or (change == "exit" and (is_end or ramps >= 2))
            or (change == "entry" and (k == 0 or ramps >= 2))
            or (change and cuts[k + 1] - cuts[k] < 120.0)
        ):
            change = ""
        n_now += (change == "begin") - (change == "end")
        ramps += change in ("exit", "entry")
        plan.append(change)
    way.draw(cuts, plan)
    for k, change in enumerate(plan):
        if change == "exit":
            exit_ramp(way, k, cuts[k + 1], f"{way.road}r{k}", LEVELS[int(rng.integers(len(LEVELS)))])
        elif change == "entry":
            entry_ramp(way, k, cuts[k], f"{way.road}r{k}", LEVELS[int(rng.integers(len(LEVELS)))][::-1])


def _add_gates(rng: Any, sheet: Sheet, ways: list[Carriageway]) -> None:
    for way in ways:
        for role, share in (("entry", rng.uniform(0.02, 0.2)), ("exit", rng.uniform(0.8, 0.98))):
            s = np.full(2, way.line.length_m * share)
            line = way.line.points(s, np.array([way.inner_m + 0.5, way.inner_m - way.width_m * 7]))
            name = f"{way.road}-{role}"
            sheet.add("gate", "LineString", sheet.lonlat(line), gate=name, role=role, road=way.road)


def _add_zones(rng: Any, sheet: Sheet, main: Alignment) -> None:
    for k in range(int(rng.integers(1, 7))):
        middle = main.points(np.array([main.length_m * rng.uniform(0.0, 1.0)]), rng.uniform(-60.0, 60.0))[0]
        n, reach_m = int(rng.integers(3, 12)), rng.uniform(15.0, 120.0)
        turn = np.sort(rng.uniform(0.0, 2 * np.pi, n) * 0.3 + np.arange(n) * 2 * np.pi / n * 0.7)
        ring = middle + reach_m * rng.uniform(0.6, 1.0, (n, 1)) * np.column_stack(
            [np.cos(turn), np.sin(turn)]
        )
        rings = [[*(outer := sheet.lonlat(ring)), outer[0]]]
        if not shapely.Polygon(ring).is_valid or shapely.Polygon(ring).area < 50.0:
            continue
        if rng.random() < 0.3:
            hole = sheet.lonlat(ring.mean(axis=0) + (ring - ring.mean(axis=0)) * 0.2)
            rings += (
                [[*hole, hole[0]]]
                if shapely.Polygon(ring).contains(
                    shapely.Polygon(ring.mean(axis=0) + (ring - ring.mean(axis=0)) * 0.2)
                )
                else []
            )
        more: dict[str, Any] = {"role": str(rng.choice(ROLES))}
        window = WINDOWS[int(rng.integers(len(WINDOWS)))]
        if window is not None:
            more["time_window"] = window
        if rng.random() < 0.3:
            more |= {"valid_from": "2026-01-01", "valid_to": "2027-06-30"}
        if rng.random() < 0.3:
            more["rules"] = [str(rng.choice(ROLES))]
        if rng.random() < 0.3:
            more["speed_limit_mps"] = float(rng.choice([40.0, 60.0, 80.0]) / 3.6)
        if more["role"] == "parking" and rng.random() < 0.5:
            more["stay_max_s"] = 3_600.0
        if rng.random() < 0.2:
            away = sheet.lonlat(ring + np.array([500.0, 0.0]))
            sheet.add("zone", "MultiPolygon", [rings, [[*away, away[0]]]], zone=f"Z{k}", **more)
        else:
            sheet.add("zone", "Polygon", rings, zone=f"Z{k}", **more)


def _bites_itself(line: Alignment, wide_m: float) -> bool:
    """Whether two places of a line that are far apart along it are near each other."""
    s = np.arange(0.0, line.length_m, 20.0)
    places = line.points(s)
    away = np.hypot(*(places[:, None] - places[None, :]).T)
    return bool((away[np.abs(s[:, None] - s[None, :]) > 3.0 * wide_m] < wide_m).any())


def overlapping(sheet: Sheet) -> bool:
    """Whether two lanes of one level lie over each other: by GEOS, and not by what is tried."""
    names = list(sheet.boundaries)
    rows = {row["properties"].get("lane"): row["properties"] for row in sheet.features}
    areas = np.array([
        shapely.Polygon(np.vstack([right, left[::-1]])) for left, right in sheet.boundaries.values()
    ])  # fmt: skip
    if not shapely.is_valid(areas).all():
        return True
    a, b = shapely.STRtree(areas).query(areas, predicate="intersects")
    pairs = [(i, j) for i, j in zip(a.tolist(), b.tolist(), strict=True) if i < j]
    levels = [rows[name]["level"] for name in names]
    return any(
        not shapely.intersection(areas[i], areas[j]).buffer(-OVER_M / 2).is_empty
        for i, j in pairs
        if levels[i] == levels[j]
    )
