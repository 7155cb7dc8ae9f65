"""The shipped site: built from its waypoints, loadable, and what the simulator takes it for."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import shapely

from core.errors import ConfigError
from edge.config import parse_site
from geofence.map.roadmap import load_map
from petroroad.demo.site import SHIPPED
from sim.road import road_of
from sim.site import section as sec
from sim.site.build_panjin import build
from tests.support.sim_world import panjin


def test_the_shipped_files_are_what_the_generator_writes(tmp_path: Path) -> None:
    build(sec.waypoints(), tmp_path)  # type: ignore[arg-type]
    for name in ("site.toml", "vehicles.csv"):
        assert (tmp_path / name).read_text(encoding="utf-8") == (SHIPPED.parent / name).read_text(
            encoding="utf-8"
        )
    built, shipped = (
        json.loads((folder / "map.geojson").read_text(encoding="utf-8"))
        for folder in (tmp_path, SHIPPED.parent)
    )
    assert built == shipped


def test_stretches_tile_the_road_and_know_their_neighbours() -> None:
    rsus = panjin().config.rsu
    assert len(rsus) == 49
    assert rsus[0].stretch_m[0] == 0.0
    assert rsus[-1].stretch_m[1] >= road_of(panjin()).axis.length_m
    for a, b in itertools.pairwise(rsus):
        assert a.stretch_m[1] == b.stretch_m[0]
        assert b.esn in a.neighbours
        assert a.esn in b.neighbours


def test_every_part_of_the_dense_road_is_seen_twice_at_the_boundaries() -> None:
    site, road = panjin(), road_of(panjin())
    dense = [rsu for rsu in site.config.rsu if 18_000.0 <= sum(rsu.stretch_m) / 2 <= 26_000.0]
    for a, b in itertools.pairwise(dense):
        place = road.axis.at(np.array([a.stretch_m[1]]), np.zeros(1))
        for pose in (site.radar_poses(a.esn)[1], site.radar_poses(b.esn)[0]):
            assert np.hypot(place[0][0] - pose.east_m, place[1][0] - pose.north_m) < pose.range_m_max


def test_boresights_look_along_the_road() -> None:
    site, road = panjin(), road_of(panjin())
    for rsu in site.config.rsu:
        for pose, ahead_m in zip(site.radar_poses(rsu.esn), (-100.0, 100.0), strict=True):
            at = np.array([pose.east_m]), np.array([pose.north_m])
            s, d = road.axis.of(*at, np.array([sum(rsu.stretch_m) / 2]))
            assert abs(abs(d[0]) - sec.POLE_M) < 0.01
            east, north, _ = road.axis.at(s + ahead_m, np.zeros(1))
            off = np.arctan2(north - at[1], east - at[0])[0] - pose.boresight_rad
            assert abs(np.arctan2(np.sin(off), np.cos(off))) < 0.12


def test_drawn_lanes_lie_within_5_mm_of_the_exact_ones() -> None:
    site, road = panjin(), road_of(panjin())
    lanes = [lane for lane in load_map(site.map_text, site.frame).lanes if lane.road == "main"]
    assert len(lanes) > 240
    for lane in lanes:
        way = sec.DIRECTIONS[lane.lane[:2]]
        for boundary, side in ((lane.left_boundary, 0.5), (lane.right_boundary, -0.5)):
            middles = (boundary[:-1] + boundary[1:]) / 2
            points = np.vstack([boundary, middles])
            km = lane.lane.split("-")[2].removeprefix("K").split("_")
            near = int(km[0]) * 1_000.0 + (int(km[1]) if len(km) > 1 else 0)
            steps = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(boundary, axis=0).T))])
            along = near + (steps if way > 0 else steps[-1] - steps)
            hint = np.concatenate([along, (along[:-1] + along[1:]) / 2])
            _, d = road.axis.of(points[:, 0], points[:, 1], hint)
            want = way * (sec.lane_centre_m(lane.index) + side * sec.LANE_M)
            assert np.abs(d - want).max() < 0.0055, lane.lane


@pytest.mark.parametrize(("way", "index"), [(1, 0), (1, 2), (-1, 0), (-1, 1)])
def test_names_of_lanes_agree_with_the_map(way: int, index: int) -> None:
    site, road = panjin(), road_of(panjin())
    lanes = load_map(site.map_text, site.frame).lanes
    areas = {
        lane.lane: shapely.Polygon(np.vstack([lane.left_boundary, lane.right_boundary[::-1]]))
        for lane in lanes
    }
    for s in np.random.default_rng(5).uniform(1.0, 40_000.0, 60):
        left = sec.lane_centre_m(index)
        east, north, _ = road.axis.at(np.array([s]), np.array([way * left]))
        name = road.lane_of(way, float(s), left)
        assert name is not None
        assert areas[name].contains(shapely.Point(east[0], north[0])), (s, name)


def test_another_road_is_refused() -> None:
    text = json.loads(panjin().map_text)
    axis = next(f for f in text["features"] if f["properties"]["kind"] == "axis")
    axis["geometry"]["coordinates"] = [
        [lon + 1e-4, lat, z] for lon, lat, z in axis["geometry"]["coordinates"]
    ]
    other = parse_site(panjin().config_text, json.dumps(text), panjin().registry_text, "other.toml")
    with pytest.raises(ConfigError, match="another one"):
        road_of(other)


def test_the_road_with_other_stations_is_another_one() -> None:
    text = panjin().map_text.replace('"k0_m":0.0', '"k0_m":103250.0')
    other = parse_site(panjin().config_text, text, panjin().registry_text, "other.toml")
    with pytest.raises(ConfigError, match="another one"):
        road_of(other)


CHILE = """
[site]
name = "chile"
map = "map.geojson"
origin = [-70.4, -23.6]
[[rsu]]
esn = "RSU1"
lon_deg = -70.4
lat_deg = -23.6
stretch_m = [0.0, 600.0]
"""


def test_a_road_on_another_continent_is_refused_like_any_other() -> None:
    other = parse_site(CHILE, json.dumps({"type": "FeatureCollection", "features": []}), None, "other.toml")
    with pytest.raises(ConfigError, match=r"other\.toml: site\.map: the simulator drives .* another one"):
        road_of(other)
