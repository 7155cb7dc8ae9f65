"""The `/site` of an import: one RSU, its radars, and a map that may have no lanes; as text."""

from collections.abc import Sequence
from dataclasses import dataclass

from edge.wire import SiteRecord
from geofence.map.importers import map_document
from importers.tape import ESN

_HEAD = """\
# Written by `petroroad import {kind}`: not a surveyed site. {note}
[site]
name = "import"
map = "map.geojson"
origin = [{lon_deg!r}, {lat_deg!r}]

[[rsu]]
esn = "{esn}"
lon_deg = {lon_deg!r}
lat_deg = {lat_deg!r}
stretch_m = [{from_m!r}, {to_m!r}]
"""
_RADAR = """
[[rsu.radar]]
# {note}
id = "{id}"
input = "udp://127.0.0.1:9"  # nothing arrives there: the scans lie in the recording
accepted = {accepted}
lon_deg = {lon_deg!r}
lat_deg = {lat_deg!r}
height_m = {height_m!r}
heading_deg = {heading_deg!r}
range_m_max = {range_m_max!r}
fov_deg = {fov_deg!r}
sigma_range_m = {sigma_range_m!r}
sigma_azimuth_deg = {sigma_azimuth_deg!r}
sigma_range_rate_mps = {sigma_range_rate_mps!r}
reflects = "{reflects}"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RadarText:
    """One radar as its site section says it; `note` says where its numbers come from."""

    id: str
    note: str
    lon_deg: float
    lat_deg: float
    heading_deg: float  # boresight, clockwise from true north
    range_m_max: float
    fov_deg: float
    height_m: float = 6.0
    sigma_range_m: float = 0.25
    sigma_azimuth_deg: float = 0.3
    sigma_range_rate_mps: float = 0.1
    accepted: bool = False
    reflects: str = "bodies"  # what it reports of a vehicle, see docs/design.md


def site_record(
    kind: str,
    note: str,
    origin: tuple[float, float],
    *,
    radars: Sequence[RadarText] = (),
    map_text: str | None = None,
    registry: str | None = None,
    stretch_m: tuple[float, float] = (-1e6, 1e6),
) -> SiteRecord:
    """Return the site of an import; the frame's zero is `origin` (lon_deg, lat_deg)."""
    lon_deg, lat_deg = origin
    text = _HEAD.format(
        kind=kind,
        note=note,
        esn=ESN,
        lon_deg=lon_deg,
        lat_deg=lat_deg,
        from_m=stretch_m[0],
        to_m=stretch_m[1],
    )
    for radar in radars:
        values = {name: getattr(radar, name) for name in RadarText.__dataclass_fields__}
        text += _RADAR.format(**values | {"accepted": str(radar.accepted).lower()})
    if registry is not None:
        text = f'registry = "vehicles.csv"\n\n{text}'
    return SiteRecord(
        config=text,
        map=map_document(kind, note, []) if map_text is None else map_text,
        registry=registry,
        esn=ESN,
    )
