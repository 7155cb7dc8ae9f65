"""Large maps for `benchmarks.geofence`: many winding roads of short lane cells, and many zones."""

import json
from typing import Any

import numpy as np
import shapely

from core.arrays import F64
from geofence.map.frames import SiteFrame

CELL_M, STEP_M = 50.0, 10.0  # of a lane section, and between its vertices
LANES, LANE_M = 6, 3.75
ROAD_M = 60_000.0
APART_M = 4_000.0  # between two roads
ZONE_VERTICES = 60


def axis_of(road: int, length_m: float = ROAD_M) -> tuple[F64, F64]:
    """Return a road's axis (n, 2) and its left unit vectors: it winds, with radii of at least 600 m."""
    s = np.arange(0.0, length_m + STEP_M / 2, STEP_M)
    heading = 0.25 * np.sin(s / 900.0 + road) + 0.15 * np.sin(s / 400.0)
    points = np.cumsum(np.column_stack([np.cos(heading), np.sin(heading)]) * STEP_M, axis=0)
    points += [-length_m / 2, APART_M * (road - 6.0)]
    return points, np.column_stack([-np.sin(heading), np.cos(heading)])


def roads_text(n_cells: int, frame: SiteFrame) -> str:
    """Return the canonical map of n lane cells, 7 200 to a road of 60 km; each road has its axis."""
    features: list[dict[str, Any]] = []
    per_road = round(ROAD_M / CELL_M) * LANES
    step = round(CELL_M / STEP_M)
    for road in range(-(-n_cells // per_road)):
        mine = min(per_road, n_cells - road * per_road) // LANES
        points, left = axis_of(road, mine * CELL_M)
        features.append(_feature("axis", "LineString", _lonlat(points, frame), road=f"R{road}", k0_m=0.0))
        edges = [_lonlat(points + (k - LANES / 2) * LANE_M * left, frame) for k in range(LANES + 1)]
        for k in range(LANES):
            for cell in range(mine):
                part = slice(cell * step, (cell + 1) * step + 1)
                name = f"R{road}/{k}/{cell}"
                features.append(
                    _feature(
                        "lane", "MultiLineString", [edges[k + 1][part], edges[k][part]], lane=name,
                        road=f"R{road}", index=k, level=0, allowed=["hazmat" if k == 0 else "car"],
                        speed_limit_mps=16.7,
                        successors=[f"R{road}/{k}/{cell + 1}"] if cell + 1 < mine else [],
                        left=f"R{road}/{k + 1}/{cell}" if k + 1 < LANES else None,
                        right=f"R{road}/{k - 1}/{cell}" if k > 0 else None,
                    )
                )  # fmt: skip
    return json.dumps({"type": "FeatureCollection", "version": "1", "features": features})


def _feature(kind: str, geometry: str, coordinates: Any, **properties: Any) -> dict[str, Any]:
    shape = {"type": geometry, "coordinates": coordinates}
    return {"type": "Feature", "properties": {"kind": kind, **properties}, "geometry": shape}


def _lonlat(points: F64, frame: SiteFrame) -> list[list[float]]:
    lonlat: list[list[float]] = np.column_stack(frame.lonlat_from_site(*points.T)).round(9).tolist()
    return lonlat


def zones(n: int, seed: int) -> list[shapely.Polygon]:
    """Return n zones of 60 vertices over 100 km by 50 km, a third with holes."""
    rng = np.random.Generator(np.random.Philox(seed))
    turn = np.linspace(0.0, 2 * np.pi, ZONE_VERTICES, endpoint=False)
    ring = np.column_stack([np.cos(turn), np.sin(turn)])
    made = []
    for k in range(n):
        centre = rng.uniform([-50_000.0, -25_000.0], [50_000.0, 25_000.0])
        radius = rng.uniform(80.0, 300.0) * (1 + 0.15 * np.sin(5 * turn + rng.uniform(0, 6)))
        holes = [centre + 30.0 * ring[::-4]] if k % 3 == 0 else []
        made.append(shapely.Polygon(centre + radius[:, None] * ring, holes))
    return made
