"""The foreign generator's road and traffic against their own claims."""

from dataclasses import replace

import numpy as np
import pytest
import shapely

from geofence.map.frames import SiteFrame
from tests.support.foreign.frame import ORIGIN, course_of, lonlat_of
from tests.support.foreign.geometry import ground_speed, path_of
from tests.support.foreign.motion import motion_of, over_line_m
from tests.support.foreign.road import LANE_M, Road
from tests.support.foreign.scenario import SCENARIOS

H_S = 1e-3
DRIVEN = ["easy", "platoon", "hidden", "handover", "dark", "vanish", "sharp-bend"]


@pytest.fixture(scope="module")
def motions():
    return {name: motion_of(Road(SCENARIOS[name]), 3) for name in DRIVEN}


def test_a_path_closes_its_circle():
    """An arc of a full turn ends where it began."""
    radius = 300.0
    path = path_of((5.0, -7.0, 0.4), 2 * np.pi * radius, [(-1.0, 1e4, 1 / radius, 0.0)])
    east, north = path.place(2 * np.pi * radius, 0.0)
    assert np.hypot(east - 5.0, north + 7.0) < 1e-6


@pytest.mark.parametrize("left_m", [0.0, 7.5, -8.0])
def test_an_offset_point_moves_slower_inside_a_bend(left_m):
    """Velocity is the derivative of place, at an offset too: the fault of the recordings before these."""
    path = path_of((0.0, 0.0, 0.2), 800.0, [(200.0, 600.0, 1 / 250.0, 60.0)])
    s = np.arange(50.0, 750.0, 10.0) + 0.9  # within arcs, not where one joins the next
    ve, vn = ground_speed(path, s, left_m, 20.0, 0.4)
    ahead, behind = (path.place(s + 20.0 * h, left_m + 0.4 * h) for h in (H_S, -H_S))
    np.testing.assert_allclose(ve, (ahead[0] - behind[0]) / (2 * H_S), atol=1e-4)
    np.testing.assert_allclose(vn, (ahead[1] - behind[1]) / (2 * H_S), atol=1e-4)
    middle = np.hypot(*ground_speed(path, 400.0, left_m, 20.0, 0.0))
    assert middle == pytest.approx(20.0 * (1.0 - left_m / 250.0))


def test_the_frame_is_that_of_the_design():
    frame = SiteFrame(*ORIGIN)
    east, north, heading = np.array([1500.0, -900.0]), np.array([-700.0, 2100.0]), np.array([0.3, 4.0])
    back = frame.site_from_lonlat(*lonlat_of(east, north))
    np.testing.assert_allclose(back, [east, north], atol=1e-6)
    course = course_of(heading, east, north)
    np.testing.assert_allclose(course, frame.course_from_heading(heading, east, north), atol=1e-6)


@pytest.mark.parametrize("name", DRIVEN)
def test_vehicles_of_a_lane_keep_their_order(motions, name):
    """Until one takes the ramp: those behind may pass it then."""
    motion = motions[name]
    fleet, u = motion.fleet, motion.runs.u_m
    for lane in np.unique(fleet.lane).tolist():
        rows = np.flatnonzero((fleet.lane == lane) & ~fleet.exits & np.isinf(fleet.vanish_s))
        room = (fleet.length_m[rows[:-1]] + fleet.length_m[rows[1:]]) / 2.0
        assert (u[:, rows[:-1]] - u[:, rows[1:]] - room > 1.0).all()


@pytest.mark.parametrize("name", DRIVEN)
def test_no_two_vehicles_touch(motions, name):
    motion = motions[name]
    levels = np.array([line.level for line in motion.road.lanes])
    for t in np.arange(0.0, 90.0, 2.0):
        moment = motion.at(motion.active(t), t)
        outlines = _outlines(motion, moment)
        a, b = shapely.STRtree(outlines).query(outlines, predicate="intersects")
        assert ((a == b) | (levels[moment.lane[a]] != levels[moment.lane[b]])).all(), t


@pytest.mark.parametrize("name", DRIVEN)
def test_velocity_and_yaw_are_derivatives(motions, name):
    motion = motions[name]
    for t in (20.0123, 61.0317):
        rows = motion.active(t)
        before, now, after = (motion.at(rows, t + h) for h in (-H_S, 0.0, H_S))
        inside = before.lane == after.lane
        for place, speed in (("east_m", "v_east_mps"), ("north_m", "v_north_mps")):
            slope = (getattr(after, place) - getattr(before, place)) / (2 * H_S)
            np.testing.assert_allclose(slope[inside], getattr(now, speed)[inside], atol=0.02)
        turned = np.unwrap(np.stack([before.heading_rad, after.heading_rad]), axis=0)
        turned = (turned[1] - turned[0]) / (2 * H_S)
        # curvature is a staircase of 2 m: a step of it may lie between the two instants
        assert np.quantile(np.abs(turned - now.yaw_rate)[inside], 0.9) < 2e-3
        travel = np.arctan2(now.v_north_mps, now.v_east_mps)
        np.testing.assert_allclose(np.cos(travel - now.heading_rad), 1.0, atol=1e-6)


def test_departures_leave_the_lane_by_what_they_say():
    """The outermost point of the outline against shapely on the lane's polygon."""
    motion = motion_of(Road(SCENARIOS["departures"]), 3)
    road = motion.road
    assert len(motion.departures) == road.scenario.traffic.n_departures
    s = np.arange(0.0, road.plan.length_m, 1.0)
    edges = [np.stack(road.axis.place(s, side * LANE_M / 2), axis=1) for side in (1, -1)]
    lane = shapely.Polygon(np.concatenate([edges[0], edges[1][::-1]]))
    for one in motion.departures:
        t = np.arange(one.start_s, one.end_s, 0.25)
        moment = motion.at(np.full(len(t), one.row), t)
        over = over_line_m(motion, moment)
        outlines = _outlines(motion, moment)
        beyond = [
            max((lane.distance(shapely.Point(p)) for p in _points(outline)), default=0.0)
            for outline in outlines
        ]
        np.testing.assert_allclose(np.maximum(over, 0.0), beyond, atol=5e-3)
        assert (over > 0.3).sum() * 0.25 >= 3.0
        assert over[0] < 0.0
        assert over[-1] < 0.0


def test_nobody_else_leaves_the_hazmat_lane():
    motion = motion_of(Road(replace(SCENARIOS["sharp-bend"], name="x")), 3)
    departing = {one.row for one in motion.departures}
    for t in np.arange(0.0, 90.0, 1.0):
        moment = motion.at(motion.active(t), t)
        here = [motion.road.lanes[i].name == "L0" for i in moment.lane.tolist()]
        here = np.array(here) & ~np.isin(moment.row, list(departing))
        assert over_line_m(motion, moment)[here].max() < 0.0


def _outlines(motion, moment):
    cos, sin = np.cos(moment.heading_rad), np.sin(moment.heading_rad)
    a, b = motion.fleet.length_m[moment.row] / 2, motion.fleet.width_m[moment.row] / 2
    corners = [
        np.stack([moment.east_m + x * a * cos - y * b * sin, moment.north_m + x * a * sin + y * b * cos], 1)
        for x, y in ((1, 1), (1, -1), (-1, -1), (-1, 1))
    ]
    return shapely.polygons(np.stack(corners, axis=1))


def _points(outline):
    return shapely.get_coordinates(shapely.segmentize(outline, 1.0))
