"""The map's lanes as the tracker's cells: every place on a lane has the lane's direction."""

import math

import numpy as np
import pytest

from fusion.config import RadarPose
from fusion.lanes import lane_at
from geofence.map.reading import Lane
from roadside.lane_cells import cells_of, points_of

RADAR = RadarPose(
    sensor="R", east_m=50.0, north_m=0.0, height_m=6.0, boresight_rad=0.0, range_m_max=120.0, fov_rad=1.0,
    sigma_range_m=0.25, sigma_azimuth_rad=0.004, sigma_range_rate_mps=0.1, accepted=True,
)  # fmt: skip


def bend(offset_m: float, radius_m: float = 80.0) -> np.ndarray:
    """A boundary of a lane that turns left about (0, radius)."""
    angle = np.linspace(0.0, 1.0, 12)
    r = radius_m - offset_m
    return np.stack([r * np.sin(angle), radius_m - r * np.cos(angle)], axis=1)


def test_every_place_on_a_lane_has_its_direction():
    lane = Lane(
        lane="L0", road="R", index=0, level=0, allowed=("car",), speed_limit_mps=None, successors=(),
        left=None, right=None, change_left=False, change_right=False, left_boundary=bend(3.5),
        right_boundary=bend(0.0),
    )  # fmt: skip
    cells = cells_of(points_of([lane]), [RADAR])
    for angle in np.linspace(0.05, 0.95, 19):
        for offset_m in (0.4, 1.7, 3.1):
            r = 80.0 - offset_m
            direction, both, bend_per_m = lane_at(cells, r * math.sin(angle), 80.0 - r * math.cos(angle))
            assert abs(direction - angle) < 0.12
            assert bend_per_m == pytest.approx(1.0 / r, rel=0.05)
            assert both == 0.0


def test_without_radars_or_lanes_there_are_no_cells():
    assert cells_of(points_of([]), [RADAR]).direction.size == 0
    assert cells_of(points_of([]), []).direction.size == 0


def test_a_survey_s_scatter_bends_a_lane_little_and_a_short_one_says_nothing():
    east = np.arange(0.0, 300.0, 10.0)
    rng = np.random.default_rng(6)

    def bends(long_m: float) -> np.ndarray:
        near = east[east <= long_m]
        sides = [np.stack([near, side + 0.1 * rng.normal(size=len(near))], axis=1) for side in (3.5, 0.0)]
        lane = Lane(
            lane="L0", road="R", index=0, level=0, allowed=("car",), speed_limit_mps=None, successors=(),
            left=None, right=None, change_left=False, change_right=False, left_boundary=sides[0],
            right_boundary=sides[1],
        )  # fmt: skip
        return points_of([lane]).bends

    assert np.abs(bends(290.0)).max() < 1e-3, "0.5 m/s^2 at 22 m/s"
    assert np.isnan(bends(20.0)).all()
