"""What the site files of several tests say alike."""

RADAR_POSE = """lon_deg = 122.5
lat_deg = 41.0
height_m = 6.0
heading_deg = 90.0
range_m_max = 250.0
fov_deg = 120.0
sigma_range_m = 0.25
sigma_azimuth_deg = 0.3
sigma_range_rate_mps = 0.1
"""

HEAD = """
[site]
name = "test"
map = "map.geojson"
origin = [122.0, 41.0]
"""


def rsu_text(esn: str, lon_deg: float, from_m: float, to_m: float) -> str:
    """Return the section of an RSU beside the road, at 41° north."""
    return f'[[rsu]]\nesn = "{esn}"\nlon_deg = {lon_deg}\nlat_deg = 41.0\nstretch_m = [{from_m}, {to_m}]\n'


ONE_RSU = HEAD + rsu_text("R1", 122.0, 0.0, 600.0)
