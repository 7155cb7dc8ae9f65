"""The truth between its frames, true velocities, and what sensors cover."""

import math

import msgspec
import numpy as np
import pytest

from core.times import TICK_NS
from edge.recording.recorder import Recorder
from fusion.config import RadarPose
from geofence.map.frames import SiteFrame
from petroroad.scoring.recorded_tracks import beside_truth
from petroroad.scoring.true_frames import Cover, Truths
from tests.support.scoring import T0_NS

FRAME = SiteFrame(122.0, 41.0)
POSE = RadarPose(
    sensor="R", east_m=0.0, north_m=0.0, height_m=6.0, boresight_rad=math.radians(170.0),
    fov_rad=math.radians(60.0), range_m_max=100.0, sigma_range_m=0.2, sigma_azimuth_rad=0.005,
    sigma_range_rate_mps=0.1, accepted=True,
)  # fmt: skip
COVER = Cover(poses=[POSE], stretches_m=[], axis=None)
RADIUS_M, TURN = 100.0, 0.2  # a circle at 20 m/s


def place(at_s, n=1):
    return np.full(n, RADIUS_M * math.cos(TURN * at_s)), np.full(n, RADIUS_M * math.sin(TURN * at_s))


def truths(path, ids_by_frame, speed_mps=99.0):
    """Record frames 0.1 s apart, each with these vehicles; the stated speed is wrong on purpose."""
    recorder = Recorder(path)
    for k, ids in enumerate(ids_by_frame):
        n, stamp_ns = len(ids), T0_NS + k * TICK_NS
        lon_deg, lat_deg = FRAME.lonlat_from_site(*place(k / 10, n))
        columns = {
            "stamp_ns": stamp_ns, "id": ids, "terminal": ["A"] + [None] * (n - 1), "lane": [None] * n,
            "lon_deg": lon_deg.tolist(), "lat_deg": lat_deg.tolist(), "speed_mps": [speed_mps] * n,
            "course_deg": [0.0] * n, "length_m": [12.0] * n,
        }  # fmt: skip
        recorder.write("/truth", msgspec.msgpack.encode(columns), stamp_ns)
    recorder.close()
    return Truths(path, FRAME, COVER)


@pytest.mark.parametrize(("at_s", "off_mps"), [
    (0.2, 0.01),   # the frames before and after: no lag
    (0.0, 0.25),   # at its first frame the one after, half a frame of turning off
    (0.15, 0.01),  # between two frames
    (0.4, 0.25),   # the last frame
])  # fmt: skip
def test_velocity_is_that_of_the_places(tmp_path, at_s, off_mps):
    now = truths(tmp_path / "t.mcap", [[1]] * 5).at(T0_NS + round(at_s * 1e9))
    assert now.east_mps[0] == pytest.approx(-20.0 * math.sin(TURN * at_s), abs=off_mps)
    assert now.north_mps[0] == pytest.approx(20.0 * math.cos(TURN * at_s), abs=off_mps)
    assert (now.length_m[0], now.speed_mps[0]) == (12.0, 99.0)
    assert (now.east_m[0], now.north_m[0]) == pytest.approx([of[0] for of in place(at_s)], abs=0.01)


def test_velocity_of_a_vehicle_in_one_frame_is_not_known(tmp_path):
    now = truths(tmp_path / "t.mcap", [[1], [1, 2], [1]]).at(T0_NS + TICK_NS)
    assert now.id.tolist() == [1, 2]
    assert np.isnan(now.east_mps).tolist() == [False, True]


def test_truth_is_not_known_over_a_pause_or_beyond_its_end(tmp_path):
    read = truths(tmp_path / "t.mcap", [[1], [1]])
    assert read.at(T0_NS - 1) is None
    assert read.at(T0_NS + TICK_NS) is not None
    assert read.at(T0_NS + TICK_NS + 1) is None


@pytest.mark.parametrize(("bearing_deg", "range_m", "seen"), [
    (170.0, 99.0, True),
    (170.0, 101.0, False),
    (199.0, 50.0, True),    # over the turn from 180 to -180 degrees
    (201.0, 50.0, False),
    (141.0, 50.0, True),
    (139.0, 50.0, False),
])  # fmt: skip
def test_field_of_view(bearing_deg, range_m, seen):
    at = math.radians(bearing_deg)
    east, north = np.array([range_m * math.cos(at)]), np.array([range_m * math.sin(at)])
    assert COVER.in_field(east, north).tolist() == [seen]
    assert Cover(poses=[], stretches_m=[], axis=None).in_field(east, north).tolist() == [False]


def test_manipulated_is_a_vehicle_from_then_on(tmp_path):
    truths(tmp_path / "t.mcap", [[1, 2]] * 3)
    read = Truths(tmp_path / "t.mcap", FRAME, COVER, {2: T0_NS + TICK_NS})
    assert read.at(T0_NS).manipulated.tolist() == [False, False]
    assert read.at(T0_NS + TICK_NS).manipulated.tolist() == [False, True]
    assert read.at(T0_NS + 2 * TICK_NS).manipulated.tolist() == [False, True]


def test_the_truths_file_tells_reports_and_manipulated_fixes(tmp_path):
    recorder = Recorder(tmp_path / "r.mcap")
    fix = {"terminal": "A", "stamp_ns": T0_NS, "lon_deg": 122.0, "lat_deg": 41.0}
    for k in (2, 1):
        recorder.write("/gnss", msgspec.msgpack.encode(fix), T0_NS + k)
    recorder.write("/gnss", b"no fix", T0_NS)
    for rule, vehicle, start_ns in (("gnss_integrity", 5, 9), ("gnss_integrity", 5, 7), ("overspeed", 6, 3)):
        event = {"id": "x", "rule": rule, "vehicle": vehicle, "start_ns": start_ns, "end_ns": 99}
        event |= {"vehicles": [5, 8]} if start_ns == 9 else {}  # one cause of several
        recorder.write("/truth/violation", msgspec.msgpack.encode(event), T0_NS)
    recorder.close()
    assert beside_truth(tmp_path / "r.mcap", FRAME) == ({"A": [T0_NS + 1, T0_NS + 2]}, {5: 7, 8: 9})


def test_covered_is_in_a_field_or_reporting(tmp_path):
    now = truths(tmp_path / "t.mcap", [[1, 2]] * 3).at(T0_NS)  # east of the radar, which looks west
    assert now.in_field.tolist() == [False, False]
    assert now.covered.tolist() == [True, False]  # the first has a terminal
