"""Who hides a place from a radar: the tree of sectors finds what Shapely finds among all."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, Polygon
from shapely.affinity import rotate, translate

from core.arrays import F2, F64
from core.classes import TRUCK, UNKNOWN
from core.kernel import kernel
from fusion import layout as at
from fusion import shadows
from fusion.config import FusionConfig
from fusion.layout import Scratch, Shadows, Tracks
from fusion.observations import TARGET_HEIGHT_M
from fusion.track_store import TrackStore
from tests.support.examples import examples
from tests.support.fusion_world import pose

N_MAX = 800
Vehicle = tuple[float, float, float, float, float, bool]  # east, north, heading, length, width, high


@kernel
def collected(tracks: Tracks, scratch: Scratch, n_t: int) -> None:
    """Collect as a scan does."""
    shadows.collect_detected(tracks, scratch, n_t)


@kernel
def asked(of: Shadows, radars: F2, east_m: float, north_m: float) -> bool:
    """Ask for one place."""
    return bool(shadows.is_in_shadow(of, radars, 0, east_m, north_m))


@kernel
def alone(tracks: Tracks, t_ns: int, radars: F2, east_m: float, north_m: float) -> bool:
    """Ask for one place without a collection."""
    return bool(shadows.is_shaded(tracks, t_ns, radars, 0, east_m, north_m))


@kernel
def direction(east: float, north: float) -> int:
    """Return the whole number of a direction."""
    return int(shadows.direction_of(east, north))


def filled(vehicles: list[Vehicle], radar_m: tuple[float, float], height_m: float) -> TrackStore:
    """Return tracks of these vehicles in play, all detected."""
    radar = pose("R", radar_m[0], radar_m[1], 0.0, height_m=height_m)
    store = TrackStore(FusionConfig(tracks_max=N_MAX), [radar], None)
    states = store.scratch.predicted
    for i, (east_m, north_m, heading_rad, length_m, width_m, high) in enumerate(vehicles):
        store.floats[i, at.LENGTH], store.floats[i, at.WIDTH] = length_m, width_m
        store.ints[i, at.KIND] = TRUCK if high else UNKNOWN
        store.ints[i, at.STATUS] = at.CONFIRMED
        for X in (states.X, store.X):
            X[i, at.EAST], X[i, at.NORTH], X[i, at.HEADING] = east_m, north_m, heading_rad
        store.scratch.rows[i] = i
        store.scratch.assignment.det_of[i] = i
    store.tally[at.T_HIGH] = len(vehicles)
    return store


def is_hidden_by(of: Vehicle, radar_m: tuple[float, float], height_m: float, place_m: F64) -> bool:
    """Say by Shapely whether the body is over the sight line somewhere before the place."""
    east_m, north_m, heading_rad, length_m, width_m, high = of
    half, side = length_m / 2.0, width_m / 2.0 + shadows.HALF_WIDTH_M
    outline = Polygon([(-half, -side), (half, -side), (half, side), (-half, side)])
    outline = translate(rotate(outline, heading_rad, origin=(0, 0), use_radians=True), east_m, north_m)
    if math.dist(radar_m, (east_m, north_m)) > math.dist(radar_m, place_m):
        return False
    if np.dot(place_m - radar_m, np.array([east_m, north_m]) - radar_m) < 0.0:
        return False
    crossed = LineString([radar_m, place_m]).intersection(outline)
    if crossed.is_empty or crossed.length == 0.0:
        return False
    share = max(math.dist(radar_m, point) for point in crossed.coords) / math.dist(radar_m, place_m)
    if share > 1.0 - 1e-12:  # the place lies within the body
        return False
    top_m = shadows.HIGH_M if high or length_m > shadows.LONG_M else shadows.LOW_M
    return height_m + (TARGET_HEIGHT_M - height_m) * share < top_m


def world(seed: int, n: int, spread_m: float, radar_m: tuple[float, float]) -> tuple[list[Vehicle], F64]:
    """Return vehicles in all directions, many in a row behind each other, and places among them."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(-spread_m, spread_m, (n, 2)) + radar_m
    row = rng.uniform(-math.pi, math.pi, max(n // 20, 1))[rng.integers(0, max(n // 20, 1), n)]
    in_row = rng.random(n) < 0.6
    far_m = rng.uniform(0.0, spread_m, n)
    places[in_row] = np.column_stack([np.cos(row), np.sin(row)])[in_row] * far_m[in_row, None] + radar_m
    # exactly west of the radar, at +-pi, and exactly above and below it
    sides = np.array([(-1.0, 0.0), (-1.0, 1e-12), (-1.0, -1e-12), (0.0, 1.0), (0.0, -1.0)])
    places[: len(sides)] = sides[:n] * far_m[: len(sides), None] + radar_m
    heading = rng.uniform(-math.pi, math.pi, n)
    length, width = rng.uniform(3.0, 25.0, n), rng.uniform(1.5, 3.0, n)
    high = rng.random(n) < 0.3
    vehicles = [
        (float(e), float(north), float(h), float(a), float(b), bool(top))
        for (e, north), h, a, b, top in zip(places, heading, length, width, high, strict=True)
    ]
    asked_m = np.vstack([places, rng.uniform(-spread_m, spread_m, (100, 2)) + radar_m, [radar_m]])
    return vehicles, asked_m


@settings(deadline=None, max_examples=examples(8))
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([5, shadows.FEW, 60, 400, N_MAX]),
    st.sampled_from([30.0, 300.0, 3_000.0]),
    st.sampled_from([0.5, 3.0, 3.4, 6.0, 12.0]),  # below the target, below a lorry's top, as on site
)
def test_the_tree_finds_what_a_walk_over_all_finds(seed, n, spread_m, height_m):
    radar_m = (1_000.0, -2_000.0)
    vehicles, places_m = world(seed, n, spread_m, radar_m)
    store = filled(vehicles, radar_m, height_m)
    collected(store.tracks, store.scratch, n)
    radars, of = store.settings.radars, store.scratch.shadows
    got = [asked(of, radars, e, north) for e, north in places_m]
    rng = np.random.default_rng(seed)
    for k in rng.choice(len(places_m), min(60, len(places_m)), replace=False):
        want = any(is_hidden_by(body, radar_m, height_m, places_m[k]) for body in vehicles)
        assert got[k] == want, places_m[k]


@settings(deadline=None, max_examples=examples(4))
@given(st.integers(0, 2**32 - 1), st.sampled_from([30.0, 300.0, 3_000.0]))
def test_a_place_alone_is_judged_by_the_vehicles_seen_a_moment_ago(seed, spread_m):
    radar_m, t_ns = (-50.0, 70.0), 10_000_000_000
    vehicles, places_m = world(seed, N_MAX, spread_m, radar_m)
    store = filled(vehicles, radar_m, 6.0)
    rng = np.random.default_rng(seed)
    store.ints[:, at.STATUS] = rng.choice([at.FREE, at.TENTATIVE, at.CONFIRMED], N_MAX)
    store.ints[:, at.RADAR_NS] = t_ns - rng.choice([0, shadows.DETECTED_NS, shadows.DETECTED_NS + 1], N_MAX)
    now = (store.ints[:, at.STATUS] == at.CONFIRMED) & (
        t_ns - store.ints[:, at.RADAR_NS] <= shadows.DETECTED_NS
    )
    for e, north in places_m[rng.choice(len(places_m), 40, replace=False)]:
        d_e, d_n = e - store.X[:, at.EAST], north - store.X[:, at.NORTH]
        c, s = np.cos(store.X[:, at.HEADING]), np.sin(store.X[:, at.HEADING])
        beside = (abs(c * d_e + s * d_n) < shadows.BESIDE_ALONG_M) & (
            abs(c * d_n - s * d_e) < shadows.BESIDE_ACROSS_M
        )
        apart = [vehicles[b] for b in np.flatnonzero(now & ~beside)]
        want = any(is_hidden_by(body, radar_m, 6.0, np.array([e, north])) for body in apart)
        assert alone(store.tracks, t_ns, store.settings.radars, e, north) == want


@given(st.lists(st.floats(-math.pi, math.pi), min_size=2, max_size=30), st.floats(1e-3, 1e5))
def test_directions_are_ordered_as_angles(angles, far_m):
    angles = sorted(abs(a) * 2.0 * (1.0 - 1e-9) for a in angles)
    got = [direction(far_m * math.cos(a), far_m * math.sin(a)) for a in angles]
    for (a, one), (b, other) in pairwise(zip(angles, got, strict=True)):
        if b - a > 1e-8:  # a direction is 1.5e-9 rad or more
            assert one < other
    assert all(0 <= one < shadows.TURN for one in got)


@pytest.mark.parametrize("unknown", [at.HEADING, None])
def test_what_is_not_detected_or_has_no_axis_hides_nothing(unknown):
    store = filled([(50.0, 0.0, 0.0, 12.0, 2.5, True)], (0.0, 0.0), 6.0)
    if unknown is None:
        store.scratch.assignment.det_of[0] = -1
    else:
        store.scratch.predicted.X[0, unknown] = math.nan
    collected(store.tracks, store.scratch, 1)
    assert not asked(store.scratch.shadows, store.settings.radars, 60.0, 0.0)
