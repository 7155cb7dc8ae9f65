"""Lines of `benchmarks.geofence` about size: the whole step, its growth with the map, compiling, and truth.

Times are CPU times of the thread: what other programs take of a shared machine is not the step's own.
"""

import gc
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import shapely

from benchmarks import scale
from benchmarks.harness import is_quick, print_line
from core.arrays import F64
from fusion.lateral import no_lateral
from fusion.tracks import TrackBatch
from geofence.config import RulesConfig
from geofence.kernels import Places, locate
from geofence.located import FOUND, NO_LANE
from geofence.map.areas import compile_areas
from geofence.map.frames import SiteFrame
from geofence.map.roadmap import RoadMap, load_map
from geofence.monitor import Monitor
from geofence.near import scratch

FRAME = SiteFrame(122.0, 41.0)
T0_NS, STEP_NS = 1_790_000_000_000_000_000, 50_000_000
CELLS, MANY_CELLS, ZONES = 7_200, 100_000, 10_000
GROWTH_N = 2_000  # vehicles
BESIDE_M = 90.0  # a tenth of them are so far beside their road
SEED = 29
EDGE_M = 1e-6  # nearer to an edge a place may count to either side


def seconds_of(run: Callable[[], Any]) -> tuple[Any, float]:
    """Return what a function returns, and the CPU seconds that it took."""
    gc.collect()
    begun = time.process_time()
    found = run()
    return found, time.process_time() - begun


def tracks_on(n_cells: int, n: int, seed: int = SEED) -> TrackBatch:
    """Return n confirmed radar tracks that drive along all roads of a map of n_cells."""
    rng = np.random.Generator(np.random.Philox(seed))
    per_road = round(scale.ROAD_M / scale.CELL_M) * scale.LANES
    n_roads = -(-n_cells // per_road)
    x = []
    for road in range(n_roads):
        mine = min(per_road, n_cells - road * per_road) // scale.LANES
        points, left = scale.axis_of(road, mine * scale.CELL_M)
        at = rng.integers(0, len(points), -(-n // n_roads))
        offset = (rng.integers(0, scale.LANES, len(at)) + 0.5 - scale.LANES / 2) * scale.LANE_M
        offset = np.where(rng.random(len(at)) < 0.1, BESIDE_M, offset)
        ahead = 20.0 * np.column_stack([left[at, 1], -left[at, 0]])
        x.append(np.hstack([points[at] + offset[:, None] * left[at], ahead]))
    stamps, none = np.full(n, T0_NS), np.full(n, np.nan)
    return TrackBatch(
        track=np.arange(1, n + 1).astype(np.uint64), stamp_ns=stamps, arrived_ns=stamps,
        x=np.ascontiguousarray(rng.permutation(np.vstack(x)[:n])),
        P=np.tile(np.diag([0.04, 0.04, 0.01, 0.01]), (n, 1, 1)),
        bias_m=np.zeros(n), tau_s=np.full(n, 0.2), terminal=np.full(n, -1, np.int32), identity_p=np.zeros(n),
        length_m=none, width_m=none, kind=np.zeros(n, np.uint8), confirmed=np.ones(n, np.bool_),
        coasting=np.zeros(n, np.bool_), integrity=np.zeros(n, np.bool_),
        presumed=np.zeros(n, np.bool_), radar_ns=stamps, enforcing_ns=stamps,
        gnss_ns=np.zeros(n, np.int64), gnss_bias_m=none, gnss_tau_s=none, lateral=no_lateral(n),
    )  # fmt: skip


def step_ms(road: RoadMap, batch: TrackBatch, n_rounds: int) -> F64:
    """Return the times of steps under the rules as shipped: located, measured, tested."""
    monitor = Monitor(RulesConfig(), road, FRAME, [], esn="bench", stretch_m=None, radars=[])
    owned, taken = np.ones(len(batch), np.bool_), []
    gc.collect()
    gc.disable()
    try:
        for k in range(n_rounds + 5):
            begun = time.thread_time_ns()
            monitor.observe(0, batch, monitor.locate(batch, []), owned)
            taken.append((time.thread_time_ns() - begun) * 1e-6)
            batch.stamp_ns[:] = batch.radar_ns[:] = batch.enforcing_ns[:] = T0_NS + (k + 1) * STEP_NS
    finally:
        gc.enable()
    return np.array(taken[5:])


def measure_steps(road: RoadMap) -> None:
    """Print the whole step on a road of 7 200 cells."""
    n_rounds = 300 if is_quick() else 1_000
    for n in (1_000, 5_000):
        taken = step_ms(road, tracks_on(CELLS, n), n_rounds)
        print_line(f"geofence.step.p50.n{n}", float(np.median(taken)), "ms")
        print_line(f"geofence.step.p99.n{n}", float(np.percentile(taken, 99)), "ms")


def measure_growth() -> None:
    """Print how a large map compiles, and by how much a step takes longer on it."""
    small = load_map(scale.roads_text(CELLS, FRAME), FRAME)
    measure_steps(small)
    text = scale.roads_text(MANY_CELLS, FRAME)
    large, taken_s = seconds_of(lambda: load_map(text, FRAME))
    print_line("geofence.compile.lanes100k_s", taken_s, "s")
    rounds: list[F64] = [
        step_ms(road, tracks_on(len(road.lanes), GROWTH_N), 60) for _ in range(3) for road in (small, large)
    ]
    medians = [float(np.median(np.concatenate(rounds[k::2]))) for k in (0, 1)]
    print_line("geofence.step.growth_cells", medians[1] / medians[0], "times")
    zones = scale.zones(ZONES, SEED)
    _, taken_s = seconds_of(lambda: compile_areas(zones))
    print_line("geofence.compile.zones10k_s", taken_s, "s")
    print_line("geofence.mismatch", float(lanes_unlike_geos(small) + zones_unlike_geos(zones)), "places")


def lanes_unlike_geos(road: RoadMap, n: int = 500_000) -> int:
    """Return at how many of n places the lane is another than by GEOS, beyond EDGE_M from an edge.

    A tenth of the places are on boundaries, or a hair beside them.
    """
    rng = np.random.Generator(np.random.Philox(SEED + 1))
    points, left = scale.axis_of(0)
    at = rng.integers(0, len(points), n)
    place = points[at] + rng.uniform(-20.0, 20.0, (n, 1)) * left[at] + rng.uniform(-10.0, 10.0, (n, 2))
    corners = np.vstack([lane.left_boundary for lane in road.lanes])
    hard = rng.integers(0, n, n // 10)
    hair = rng.choice([0.0, 1e-9, 1e-6, 1e-3], (len(hard), 1)) * rng.normal(size=(len(hard), 2))
    place[hard] = corners[rng.integers(0, len(corners), len(hard))] + hair
    found, lane = np.empty((n, FOUND)), np.empty(n, np.int32)
    assert road.axis is not None, "the road has an axis"
    places = Places(
        x=np.hstack([place, np.zeros((n, 2))]), P=np.zeros((n, 4, 4)), bias_m=np.zeros(n),
        hint=np.full(n, -1, np.int32), mask=np.zeros(n, np.int32),
    )  # fmt: skip
    locate(places, road.strips, road.axis.segments, 0.05, scratch(), found, lane)
    rings = [np.vstack([row.right_boundary, row.left_boundary[::-1]]) for row in road.lanes]
    shapes = np.array([shapely.Polygon(ring) for ring in rings])
    dots = np.asarray(shapely.points(place))
    which, theirs = shapely.STRtree(shapes).query(dots, predicate="intersects")
    agree = np.zeros(n, dtype=np.bool_)
    agree[which[theirs == lane[which]]] = True
    in_any = np.zeros(n, dtype=np.bool_)
    in_any[which] = True
    agree |= ~in_any & (lane == NO_LANE)
    odd = np.flatnonzero(~agree)
    ours = odd[lane[odd] != NO_LANE]
    away = shapely.distance(shapes[lane[ours]], dots[ours])
    lost = np.isin(which, odd[lane[odd] == NO_LANE])
    depth = shapely.distance(shapely.boundary(shapes[theirs[lost]]), dots[which[lost]])
    return int((away > EDGE_M).sum() + (depth > EDGE_M).sum())


def zones_unlike_geos(zones: list[shapely.Polygon], n: int = 500_000) -> int:
    """Return how many pairs of n places and zones differ from GEOS, beyond EDGE_M from an edge."""
    rng = np.random.Generator(np.random.Philox(SEED + 2))
    corners = shapely.get_coordinates(np.array(zones))
    place = rng.uniform([-50_000.0, -25_000.0], [50_000.0, 25_000.0], (n, 2))
    hard = rng.integers(0, n, n // 2)
    hair = rng.choice([0.0, 1e-9, 1e-6, 1e-3, 10.0], (len(hard), 1)) * rng.normal(size=(len(hard), 2))
    place[hard] = corners[rng.integers(0, len(corners), len(hard))] + hair
    shapes, dots = np.array(zones), np.asarray(shapely.points(place))
    hits = compile_areas(zones).find(place[:, 0], place[:, 1])
    at, k = np.nonzero(hits >= 0)
    ours = at.astype(np.int64) * len(zones) + hits[at, k]
    which, theirs = shapely.STRtree(shapes).query(dots, predicate="intersects")
    odd = np.setxor1d(ours, which * len(zones) + theirs)
    zone, dot = odd % len(zones), odd // len(zones)
    return int((shapely.distance(shapely.boundary(shapes[zone]), dots[dot]) > EDGE_M).sum())
