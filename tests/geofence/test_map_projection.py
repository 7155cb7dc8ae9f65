"""The compiled projection against PROJ, which is independent of it."""

import math

import numpy as np
import pytest

from geofence.map.frames import FRAME_M_MAX, SiteFrame
from geofence.map.projection import EAST, HEADING, INSIDE, LAT, LEAN, LON, NORTH, place, unproject

ORIGINS = [(122.0, 41.0), (5.0, 0.0), (-70.0, -60.0), (10.0, 84.9), (179.999, -16.8), (-179.999, 68.0)]


def places(n, seed=1):
    return np.random.default_rng(seed).uniform(-70_000.0, 70_000.0, (2, n))


@pytest.mark.parametrize("origin", ORIGINS)
def test_place_agrees_with_proj(origin):
    frame = SiteFrame(*origin)
    east, north = places(2_000)
    course = np.linspace(0.0, 360.0, len(east))
    found = place(*frame.lonlat_from_site(east, north), course, frame.projection)
    assert found[INSIDE].all()
    np.testing.assert_allclose(found[[EAST, NORTH]], [east, north], atol=1e-7)
    away = found[HEADING] - frame.heading_from_course(course, east, north)
    np.testing.assert_allclose(np.sin(away), 0.0, atol=1e-9)


@pytest.mark.parametrize("origin", ORIGINS)
def test_unproject_agrees_with_proj(origin):
    frame = SiteFrame(*origin)
    east, north = places(2_000, seed=2)
    found = unproject(east, north, frame.projection)
    lon, lat = frame.lonlat_from_site(east, north)
    np.testing.assert_allclose(np.sin(np.radians(found[LON] - lon)), 0.0, atol=1e-13)
    assert (np.abs(found[LON]) <= 180.0).all()
    np.testing.assert_allclose(found[LAT], lat, atol=1e-12)
    np.testing.assert_allclose(found[LEAN], frame.convergence_rad(east, north), atol=1e-12)


@pytest.mark.parametrize(
    ("lon", "lat"),
    [
        (math.nan, 41.0),
        (122.0, math.inf),
        (181.0, 41.0),  # no longitude
        (122.0, 91.0),
        (-58.0, -41.0),  # the other side of the earth
        (32.0, 0.0),  # where the projection itself has no end
        (122.0, 90.0),
        (122.0, 41.0 + 1.001 * FRAME_M_MAX / 111_100.0),  # just beyond the frame
    ],
)
def test_place_puts_what_is_no_position_at_the_origin(lon, lat):
    frame = SiteFrame(122.0, 41.0)
    assert not np.any(frame.within(lon, lat))
    found = place(np.array([lon]), np.array([lat]), np.array([90.0]), frame.projection)[:, 0]
    assert found.tolist() == [0.0, 0.0, pytest.approx(0.0, abs=1e-12), 0.0]


def test_place_keeps_an_unknown_course_unknown():
    found = place(
        np.array([122.1]), np.array([41.0]), np.array([math.nan]), SiteFrame(122.0, 41.0).projection
    )
    assert math.isnan(found[HEADING, 0])
    assert found[INSIDE, 0] == 1.0
