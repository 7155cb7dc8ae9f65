"""A straight road of ten lanes; each RSU of the site has two radars that see all of it."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from geofence.map.frames import SiteFrame
from petroroad.toml_text import dumps

ESN = "BENCH"
ORIGIN = (122.0, 41.0)
HALF_M = 3_000.0  # the road runs from -HALF_M to HALF_M east of the origin
LANES, LANE_M = 10, 3.75
LIMIT_MPS = 80 / 3.6
POLE_NORTH_M, POLE_HEIGHT_M = -10.0, 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """The addresses of an RSU."""

    broker: str
    health: str
    radars: tuple[str, str]  # west, east


def esn_of(place: int) -> str:
    """Return the name of an RSU by its place in the site file."""
    return ESN if place == 0 else f"{ESN}-{place + 1}"


def write_site(folder: Path, *rsus: Addresses) -> Path:
    """Write the site file and its map; returns the file. The RSUs don't know each other."""
    frame = SiteFrame(*ORIGIN)
    (folder / "map.geojson").write_text(json.dumps(_map(frame)), encoding="utf-8")
    config = {
        "site": {"name": "bench", "map": "map.geojson", "origin": list(ORIGIN)},
        "rsu": [_rsu(frame, esn_of(place), addresses) for place, addresses in enumerate(rsus)],
        "mqtt": {"brokers": [rsus[0].broker]},
    }
    path = folder / "site.toml"
    path.write_text(dumps(config), encoding="utf-8")
    return path


def _rsu(frame: SiteFrame, esn: str, addresses: Addresses) -> dict[str, object]:
    lon_deg, lat_deg = (float(v[0]) for v in frame.lonlat_from_site(np.zeros(1), np.full(1, POLE_NORTH_M)))
    place = {"lon_deg": lon_deg, "lat_deg": lat_deg}
    radars = [
        place
        | {
            "id": f"{esn}-{name}", "input": f"udp://{address}", "accepted": True, "height_m": POLE_HEIGHT_M,
            "heading_deg": heading_deg, "range_m_max": HALF_M + 100.0, "fov_deg": 180.0, "sigma_range_m": 0.1,
            "sigma_azimuth_deg": 0.01, "sigma_range_rate_mps": 0.1,
        }
        for name, address, heading_deg in zip(("W", "E"), addresses.radars, (270.0, 90.0), strict=True)
    ]  # fmt: skip
    return place | {
        "esn": esn, "stretch_m": [0.0, 2.0 * HALF_M], "health": addresses.health, "radar": radars
    }  # fmt: skip


def lane_north_m(lane: int) -> float:
    """Return the north coordinate of a lane's centre [m]; traffic drives east, lane 0 is the rightmost."""
    return (lane + 0.5) * LANE_M


def _map(frame: SiteFrame) -> dict[str, object]:
    east = np.linspace(-HALF_M, HALF_M, 121)

    def line(north_m: float) -> list[list[float]]:
        lon, lat = frame.lonlat_from_site(east, np.full(len(east), north_m))
        return [[float(a), float(b), 0.0] for a, b in zip(lon, lat, strict=True)]

    features: list[dict[str, object]] = [
        {
            "type": "Feature",
            "properties": {"kind": "axis", "road": "main", "k0_m": 0.0},
            "geometry": {"type": "LineString", "coordinates": line(0.0)},
        }
    ]
    for lane in range(LANES):
        properties = {
            "kind": "lane", "lane": f"L{lane}", "road": "main", "index": lane, "level": 0,
            "allowed": ["car", "bus", "truck", "hazmat"], "speed_limit_mps": LIMIT_MPS, "successors": [],
            "left": f"L{lane + 1}" if lane + 1 < LANES else None, "right": f"L{lane - 1}" if lane else None,
            "change_left": True, "change_right": True,
        }  # fmt: skip
        boundaries = [line((lane + 1) * LANE_M), line(lane * LANE_M)]
        features.append(
            {
                "type": "Feature",
                "properties": properties,
                "geometry": {"type": "MultiLineString", "coordinates": boundaries},
            }
        )
    return {"type": "FeatureCollection", "version": "1", "datum": "CGCS2000", "features": features}
