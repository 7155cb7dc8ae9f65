"""The site frame against PROJ's own pipeline and against finite differences."""

import numpy as np
import pyproj
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import MapError
from geofence.map.frames import SiteFrame

FRAME = SiteFrame(122.0, 41.0)
METRES = st.floats(-60_000.0, 60_000.0)


@given(east=METRES, north=METRES)
def test_frame_round_trip(east, north):
    back = FRAME.site_from_lonlat(*FRAME.lonlat_from_site([east], [north]))
    np.testing.assert_allclose(np.ravel(back), [east, north], atol=1e-6)


def test_frame_agrees_with_a_transformer_from_cgcs2000():
    crs = pyproj.CRS.from_proj4("+proj=tmerc +lat_0=41 +lon_0=122 +k=1 +x_0=0 +y_0=0 +ellps=GRS80 +units=m")
    pipeline = pyproj.Transformer.from_crs(pyproj.CRS.from_epsg(4490).geodetic_crs, crs, always_xy=True)
    lon, lat = np.meshgrid(np.linspace(121.5, 122.5, 9), np.linspace(40.6, 41.4, 9))
    np.testing.assert_allclose(FRAME.site_from_lonlat(lon, lat), pipeline.transform(lon, lat), atol=1e-6)


def test_frame_keeps_ground_distances():
    """Within 20 km of the meridian the scale is off by less than 5 ppm."""
    lon, lat = FRAME.lonlat_from_site([20_000.0, 20_000.0], [-30_000.0, -29_000.0])
    _, _, ground_m = pyproj.Geod(ellps="GRS80").inv(lon[0], lat[0], lon[1], lat[1])
    assert ground_m == pytest.approx(1_000.0, abs=0.006)


@given(east=METRES, north=METRES)
def test_convergence_is_where_true_north_points(east, north):
    lon, lat = FRAME.lonlat_from_site([east, east], [north, north])
    e, n = FRAME.site_from_lonlat(lon, lat + np.array([-1e-5, 1e-5]))
    leaning_left = np.arctan2(-(e[1] - e[0]), n[1] - n[0])
    assert FRAME.convergence_rad(east, north) == pytest.approx(leaning_left, abs=1e-8)


@pytest.mark.parametrize("origin", [(179.999, -16.8), (-179.999, 68.0)])  # roads in Fiji and in Chukotka
@pytest.mark.parametrize("east", [-5_000.0, 5_000.0])
def test_course_is_the_same_on_both_sides_of_the_date_line(origin, east):
    frame = SiteFrame(*origin)
    lon, lat = frame.lonlat_from_site([east, east], [0.0, 100.0])
    course, _, _ = pyproj.Geod(ellps="GRS80").inv(lon[0], lat[0], lon[1], lat[1])
    away = frame.course_from_heading(np.pi / 2, east, 50.0) - course
    assert abs((float(away) + 180.0) % 360.0 - 180.0) < 1e-5


@given(course=st.floats(0.0, 359.999), east=METRES, north=METRES)
def test_course_and_heading_are_inverse(course, east, north):
    back = FRAME.course_from_heading(FRAME.heading_from_course(course, east, north), east, north)
    assert abs((float(back) - course + 180.0) % 360.0 - 180.0) < 1e-9


@pytest.mark.parametrize(
    ("lon", "lat"),
    [
        (41.0, 122.0),  # swapped
        (124.0, 41.0),  # 168 km away
        (float("nan"), 41.0),
        (122.0, float("inf")),
        (0.0, 0.0),
        (122.0, 91.0),
    ],
)
def test_frame_refuses_what_is_far_or_no_position(lon, lat):
    assert not FRAME.within([lon], [lat])[0]
    with pytest.raises(MapError, match="100 km"):
        FRAME.site_from_lonlat([122.0, lon], [41.0, lat])


@pytest.mark.parametrize(("lon", "lat"), [(200.0, 41.0), (122.0, 89.0), (float("nan"), 0.0)])
def test_frame_refuses_an_impossible_origin(lon, lat):
    with pytest.raises(MapError, match="origin"):
        SiteFrame(lon, lat)
