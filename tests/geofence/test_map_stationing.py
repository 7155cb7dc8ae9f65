"""Stations of lanes off the site's axis: of their own road's axis, and far away ruled along the lane."""

import numpy as np

from geofence.kernels import Places, locate
from geofence.located import FOUND, OFFSET, ROAD_S, S
from geofence.near import scratch
from tests.support.geofence_world import bend, beside, feature, lane, lonlat, road

AT_M = np.arange(0.0, 181.0, 12.0)


def ramp_axis(station):
    """A ramp that leaves the road at station 600, ten metres beside it, and turns to the right."""
    turned = bend(150.0)(station)
    return np.column_stack([600.0 + turned[:, 0], -20.0 - turned[:, 1]])


def with_ramp():
    """The road with its axis, and the ramp with stations of its own from 5 000 on."""
    boundaries = (beside(ramp_axis, AT_M, 1.9), beside(ramp_axis, AT_M, -1.9))
    line = lonlat(ramp_axis(AT_M))
    return road(
        lane("ramp", *boundaries, road="A"),
        feature("axis", "LineString", line, road="A", k0_m=5_000.0),
    )


def stations_at(road_map, places):
    n = len(places)
    found, lanes = np.empty((n, FOUND)), np.empty(n, np.int32)
    where = Places(
        np.hstack([places, np.zeros((n, 2))]), np.zeros((n, 4, 4)), np.zeros(n), np.full(n, -1, np.int32),
        np.full(n, 255, np.int32),
    )  # fmt: skip
    locate(where, road_map.strips, road_map.axis.segments, 0.05, scratch(), found, lanes)
    return found


def test_a_road_with_an_axis_of_its_own_has_stations_of_its_own_beside_those_of_the_site():
    made, rng = with_ramp(), np.random.default_rng(1)
    station, offset = rng.uniform(1.0, 178.0, 500), rng.uniform(-1.7, 1.7, 500)
    found = stations_at(made, beside(ramp_axis, station, offset))
    own, _ = made.axes[1].station_of(*beside(ramp_axis, station, offset).T)
    assert made.axes[1].road == "A"
    np.testing.assert_allclose(found[:, ROAD_S], own, atol=0.1)
    np.testing.assert_allclose(found[:, ROAD_S], 5_000.0 + station, atol=0.3)
    site, site_offset = made.axis.station_of(*beside(ramp_axis, station, offset).T)
    near = np.abs(site_offset) < 55.0
    assert near.any()
    np.testing.assert_array_equal(found[near, S], site[near])
    np.testing.assert_allclose(found[:, S], site, atol=2.0)  # ruled along the ramp beyond, 60 m and more away
    assert np.isnan(found[np.abs(site_offset) > 70.0, OFFSET]).all()


def test_on_the_site_s_own_road_and_beside_all_lanes_nothing_changes():
    made = with_ramp()
    places = np.array([[200.0, -7.6], [700.0, 7.6], [300.0, 80.0], [400.0, -900.0]])
    found = stations_at(made, places)
    np.testing.assert_array_equal(found[:, [S, OFFSET]], np.column_stack(made.axis.station_of(*places.T)))
    assert np.isnan(found[:, ROAD_S]).all()
