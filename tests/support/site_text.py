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
