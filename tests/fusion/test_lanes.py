"""The lanes' directions on their grid, and the velocity of a track that starts on one."""

import math

import numpy as np
import pytest

from core.arrays import F64
from fusion.config import FusionConfig, RadarPose
from fusion.lanes import SQUARE_M, lane_at, lane_cells, no_lanes
from fusion.layout import LaneCells
from fusion.observations import RadarScan
from fusion.tracker import Tracker

LOW, HIGH = np.array([-100.0, -100.0]), np.array([100.0, 100.0])
RADAR = RadarPose(
    sensor="R", east_m=0.0, north_m=-20.0, height_m=6.0, boresight_rad=math.pi / 2.0, range_m_max=100.0,
    fov_rad=2.0, sigma_range_m=0.25, sigma_azimuth_rad=0.004, sigma_range_rate_mps=0.1, accepted=True,
)  # fmt: skip


def line(north_m: float, way_rad: float) -> tuple[F64, F64]:
    east = np.arange(-99.0, 99.0, 2.0)
    return np.stack([east, np.full_like(east, north_m)], axis=1), np.full_like(east, way_rad)


def cells(*lines: tuple[F64, F64]) -> LaneCells:
    return lane_cells(np.vstack([p for p, _ in lines]), np.concatenate([a for _, a in lines]), LOW, HIGH)


def test_a_lane_has_its_driving_direction_and_the_rest_none():
    lanes = cells(line(2.0, math.pi))
    direction, both, _ = lane_at(lanes, 7.0, 3.0)
    assert abs(direction) == pytest.approx(math.pi)
    assert both == 0.0
    for east, north in [
        (7.0, 3.0 + 2 * SQUARE_M),
        (150.0, 2.0),
        (-1e9, 0.0),
        (math.inf, 0.0),
        (math.nan, 0.0),
    ]:
        assert math.isnan(lane_at(lanes, east, north)[0]) if math.isfinite(east) else True
    assert math.isnan(lane_at(no_lanes(), 0.0, 0.0)[0])


def test_two_ways_in_one_square_are_one_axis():
    direction, both, _ = lane_at(cells(line(1.0, 0.0), line(3.0, math.pi)), 7.0, 2.0)
    assert math.sin(direction) == pytest.approx(0.0, abs=1e-9)
    assert both == 1.0


def test_where_lanes_cross_there_is_no_direction():
    across = (line(1.0, 0.0)[0][:, ::-1].copy(), np.full(99, math.pi / 2.0))
    lanes = cells(line(1.0, 0.0), across)
    assert math.isnan(lane_at(lanes, 1.0, 1.0)[0])
    assert lane_at(lanes, 50.0, 1.0)[0] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("ways", "mean_mps", "along_mps"), [((0.0,), 12.0, 12.0), ((0.0, math.pi), 0.0, 17.0)]
)
def test_a_track_without_range_rate_starts_along_its_lane(ways, mean_mps, along_mps):
    tracker = Tracker(FusionConfig(), [RADAR], [], id_base=0, lanes=cells(*(line(2.0, way) for way in ways)))
    seen = RadarScan(
        sensor="R", stamp_ns=10**12, arrived_ns=10**12, scan=0, range_m=np.array([math.hypot(22.0, 5.0)]),
        azimuth_rad=np.zeros(1), range_rate_mps=np.array([math.nan]), rcs_dbsm=np.array([math.nan]),
    )  # fmt: skip
    track = tracker.step(10**12, seen).touched
    assert track.x[0, 2] == pytest.approx(mean_mps)
    assert math.sqrt(track.P[0, 2, 2]) == pytest.approx(along_mps, abs=0.1)
    assert math.sqrt(track.P[0, 3, 3]) < 1.5  # vehicles follow their lanes
