"""`python -m sim.site.build_panjin [WAYPOINTS_JSON]`: writes sim/site/panjin/ anew."""

import itertools
import json
import math
import sys
from pathlib import Path

import numpy as np

from edge.registry import registry_text
from geofence.map.frames import SiteFrame
from sim.alignment import Alignment
from sim.site import section as sec
from sim.site.panjin_fleet import fleet
from sim.site.panjin_map import MapMaker
from sim.site.panjin_places import enforcement_area

HERE = Path(__file__).parent
FIRST_UDP_PORT = 17_001
HEAD = """\
# SYNTHETIC: a plausible 40 km hazardous-goods road at Panjin, not surveyed. Written by
# `python -m sim.site.build_panjin`; a surveyed site replaces these three files.
registry = "vehicles.csv"

[site]
name = "panjin"
map = "map.geojson"
origin = [{lon}, {lat}]

[gateway]
id = "GW1"
listeners = ["jt808://127.0.0.1:17808"]

[mqtt]
brokers = ["127.0.0.1:1883"]

[centre]
database = "sqlite:///centre.sqlite"
http = "127.0.0.1:8080"

[radars]
sigma_place_m = 0.0  # simulated radars stand and look exactly as this file says
sigma_heading_deg = 0.0
# `petroroad commission R23-N` on three minutes of traffic (seed 41); all are of one make
reflection_share = 0.42
sigma_reflection_share = 0.03
reflection_s = 0.4

[rules]
version = "panjin-1"
enforcement_area = [[
{area}
]]
"""
RSU = """
[[rsu]]
esn = "{esn}"
lon_deg = {lon}
lat_deg = {lat}
stretch_m = [{from_m}, {to_m}]
neighbours = [{neighbours}]
"""
RADAR = """
[[rsu.radar]]
id = "{id}"
input = "udp://127.0.0.1:{port}"
accepted = true
lon_deg = {lon}
lat_deg = {lat}
height_m = 6.0
heading_deg = {heading}
range_m_max = 300.0
fov_deg = 150.0
sigma_range_m = 0.25
sigma_azimuth_deg = 0.2
sigma_range_rate_mps = 0.1
"""


def rsu_stations(length_m: float) -> list[float]:
    """Return the stations of the poles: each kilometre, each 500 m from K18 to K26."""
    grid = range(0, int(length_m) + 1, 500)
    return [float(s) for s in grid if s % 1_000 == 0 or 18_000 < s < 26_000]


def esn_of(s_m: float) -> str:
    """Return RSU-23 for K23, RSU-22-5 for K22+500."""
    km, rest = divmod(round(s_m), 1_000)
    return f"RSU-{km}" + (f"-{rest // 100}" if rest else "")


def site_text(axis: Alignment, frame: SiteFrame, maker: MapMaker) -> str:
    """Return site.toml."""
    area = ",\n".join(f"  [{lon}, {lat}]" for lon, lat in enforcement_area(maker))
    parts = [HEAD.format(lon=frame.lon_deg, lat=frame.lat_deg, area=area)]
    stations = rsu_stations(axis.length_m)
    middles = [(a + b) / 2 for a, b in itertools.pairwise(stations)]
    bounds = [0.0, *middles, math.ceil(axis.length_m)]  # the last stretch reaches the road's end
    port = FIRST_UDP_PORT
    for i, s_m in enumerate(stations):
        side = 1.0 if i % 2 else -1.0  # poles alternate, behind the shoulder
        east, north, _ = axis.at(np.array([s_m]), np.array([side * sec.POLE_M]))
        lon, lat = (round(float(v[0]), 9) for v in frame.lonlat_from_site(east, north))
        beside = [esn_of(stations[k]) for k in (i - 1, i + 1) if 0 <= k < len(stations)]
        parts.append(
            RSU.format(
                esn=esn_of(s_m),
                lon=lon,
                lat=lat,
                from_m=bounds[i],
                to_m=float(bounds[i + 1]),
                neighbours=", ".join(f'"{esn}"' for esn in beside),
            )
        )
        for name, ahead_m in (("N", -150.0), ("S", 150.0)):  # up-road looks north, down-road south
            aim_e, aim_n, _ = axis.at(np.array([s_m + ahead_m]), np.array([0.0]))
            heading = np.arctan2(aim_n - north, aim_e - east)
            course = round(float(frame.course_from_heading(heading, east, north)[0]), 4)
            radar = f"{esn_of(s_m).removeprefix('RSU-')}-{name}"
            parts.append(RADAR.format(id=f"R{radar}", port=port, lon=lon, lat=lat, heading=course))
            port += 1
    return "".join(parts)


def map_text(maker: MapMaker) -> str:
    """Return map.geojson, one feature a line."""
    head = {
        "type": "FeatureCollection",
        "name": "panjin",
        "name_zh": "盘锦石化运输智慧路",
        "name_en": "Panjin petrochemical road",
        "note": "SYNTHETIC alignment, plausible but not surveyed",
        "datum": "CGCS2000",
        "epoch": 2000.0,
        "version": "panjin-1",
    }
    rows = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in maker.features()]
    return json.dumps(head, ensure_ascii=False)[:-1] + ', "features": [\n' + ",\n".join(rows) + "\n]}\n"


def build(waypoints: dict[str, list[dict[str, float]]], target: Path) -> None:
    """Write site.toml, map.geojson and vehicles.csv into `target`."""
    frame = SiteFrame(*sec.ORIGIN)
    axis = sec.panjin_axis(waypoints["control_points"], frame)
    maker = MapMaker(axis, frame)
    target.mkdir(parents=True, exist_ok=True)
    (target / "map.geojson").write_text(map_text(maker), encoding="utf-8")
    (target / "site.toml").write_text(site_text(axis, frame, maker), encoding="utf-8")
    (target / "vehicles.csv").write_text(registry_text(fleet()), encoding="utf-8")


if __name__ == "__main__":
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "panjin_waypoints.json"
    build(json.loads(source.read_text(encoding="utf-8")), HERE / "panjin")
