"""Flanks: their chance against plain geometry, the point that radar sees, a lorry that shows both faces."""

import math

import numpy as np
import pytest

from fusion import layout as at
from fusion.config import FusionConfig
from fusion.extent import AXIS_RATIO
from fusion.flank import DUE_MAX, LEAST, by_lambert, learn_flanks
from fusion.lanes import lane_cells
from fusion.observations import RadarScan
from fusion.track_store import TrackStore
from fusion.tracker import Tracker
from tests.support.fusion_world import PERIOD_S, T0_NS, pose

RADAR = pose("R", 0.0, -14.0, math.pi / 2.0, fov_rad=2.0 * math.pi, reflects="bodies", reflection_s=0.3)
LENGTH_M, WIDTH_M, SHARE, SPEED_MPS = 13.5, 2.6, 0.42, 18.0
ENDS = np.array([np.linspace(-300.0, 300.0, 301), np.zeros(301)]).T
LANES = lane_cells(ENDS, np.zeros(301), np.array([-300.0, -50.0]), np.array([300.0, 50.0]))


@pytest.mark.parametrize("angle_rad", [0.0, 0.1, 0.5, 1.0, math.pi / 2.0])
def test_the_chance_of_a_flank_is_that_of_a_rough_rectangle(angle_rad):
    """Faces of 1 and AXIS_RATIO: what each sends back is its area times both cosines to its normal."""
    end, flank = AXIS_RATIO * math.cos(angle_rad) ** 2, math.sin(angle_rad) ** 2
    assert by_lambert.py_func(math.cos(angle_rad)) == pytest.approx(flank / (end + flank), abs=1e-12)


def lorry(seed: int, looks: bool, start_m: float = -200.0) -> list[tuple[float, float, float]]:
    """Drive a lorry past the radar: distance along, error to the left and its sigma, of each scan.

    looks : for flanks, as the tracker does; else each detection is taken for the end
    """
    tracker, rng = Tracker(FusionConfig(), [RADAR], [], id_base=0, lanes=LANES), np.random.default_rng(seed)
    result = []
    radars = tracker.store.settings.radars
    for k in range(round((200.0 - start_m) / SPEED_MPS / PERIOD_S)):
        if not looks:
            radars[0, at.R_FLANKS] = LEAST * radars[0, at.R_FLANKS_DUE]
        x = start_m + k * PERIOD_S * SPEED_MPS
        along = x / math.hypot(x, 14.0)
        if k % 10 == 0:
            is_flank, where = rng.uniform() < by_lambert.py_func(along), rng.uniform(-0.4, 0.4)
        ahead = where * LENGTH_M if is_flank else -math.copysign(SHARE * LENGTH_M, x) + 0.4 * rng.normal()
        p = np.array([x + ahead, 14.0 - (0.45 * WIDTH_M if is_flank else 0.2 * rng.normal())])
        slant = math.hypot(*p, 5.0)
        noise = rng.normal(size=3) * [0.25, 0.0035, 0.1]
        stamp_ns = T0_NS + k * 50_000_000
        tracks = tracker.step(stamp_ns, RadarScan(
            sensor="R", stamp_ns=stamp_ns, arrived_ns=stamp_ns, scan=k, range_m=np.array([slant + noise[0]]),
            azimuth_rad=np.array([math.atan2(p[1], p[0]) - math.pi / 2.0 + noise[1]]),
            range_rate_mps=np.array([SPEED_MPS * p[0] / slant + noise[2]]), rcs_dbsm=np.array([20.0]),
        )).touched  # fmt: skip
        if len(tracks):
            result.append((x, tracks.x[0, 1], math.sqrt(tracks.P[0, 1, 1] + tracks.bias_m[0] ** 2)))
    return result[60:] if start_m < -100.0 else result


def test_a_lorry_that_shows_its_flank_is_not_drawn_to_the_radars_side():
    bias_m = [
        np.mean([error for seed in range(4) for x, error, _ in lorry(seed, looks) if abs(x) < 60.0])
        for looks in (True, False)
    ]
    assert abs(bias_m[0]) < 0.75 * abs(bias_m[1])


def test_a_track_that_begins_beside_a_radar_is_as_uncertain_as_its_face():
    """Until its end alone shows; one that came from afar has shown it already."""
    begun_beside, from_afar = lorry(1, True, start_m=-20.0), lorry(1, True)
    assert min(sigma for x, _, sigma in begun_beside if -15.0 < x < 40.0) > 0.4
    assert np.median([sigma for x, _, sigma in begun_beside if 70.0 < x < 150.0]) < 0.3
    assert np.median([sigma for x, _, sigma in from_afar if abs(x) < 20.0]) < 0.3


@pytest.mark.parametrize(("shown", "low", "high"), [(0.0, 0.0, 0.03), (1.0, 0.8, 1.0)])
def test_how_much_a_radar_shows_of_flanks_is_learnt(shown, low, high):
    store, rng = TrackStore(FusionConfig(tracks_max=2), [RADAR]), np.random.default_rng(3)
    radars, states = store.settings.radars, store.tracks.states
    states.X[0, : at.N_RADAR] = 30.0, 4.0, 15.0, 0.0, 0.0, 5.0
    chance = by_lambert.py_func(30.0 / math.hypot(30.0, 18.0))
    for _ in range(1_000):
        learn_flanks(states, 0, radars, 0, bool(rng.uniform() < shown * chance))
    assert low <= radars[0, at.R_FLANKS] / radars[0, at.R_FLANKS_DUE] <= high
    assert radars[0, at.R_FLANKS_DUE] <= DUE_MAX
    assert radars[0, at.R_FLANKS] >= 0.99 * LEAST * radars[0, at.R_FLANKS_DUE]


def test_a_state_that_is_restored_among_flanks_continues_exactly():
    def play(restarts: bool) -> bytes:
        tracker, out = Tracker(FusionConfig(), [RADAR], [], id_base=0, lanes=LANES), b""
        rng = np.random.default_rng(1)
        for k in range(160):
            x, is_flank = -60.0 + k * PERIOD_S * SPEED_MPS, (k // 8) % 2 == 0
            p = np.array([x, 12.9]) if is_flank else np.array([x - math.copysign(5.7, x), 14.0])
            slant, stamp_ns = math.hypot(*p, 5.0), T0_NS + k * 50_000_000
            if restarts and k == 80:
                state = tracker.state()
                tracker = Tracker(FusionConfig(), [RADAR], [], id_base=0, lanes=LANES)
                tracker.restore(state)
            batch = tracker.step(stamp_ns, RadarScan(
                sensor="R", stamp_ns=stamp_ns, arrived_ns=stamp_ns, scan=k,
                range_m=np.array([slant + 0.2 * rng.normal()]),
                azimuth_rad=np.array([math.atan2(p[1], p[0]) - math.pi / 2.0]),
                range_rate_mps=np.array([SPEED_MPS * p[0] / slant]), rcs_dbsm=np.array([20.0]),
            )).touched  # fmt: skip
            out += batch.x.tobytes() + batch.P.tobytes()
        assert tracker.store.rings.meas[0, :, at.Z_FLANK].any(), "the test needs flanks"
        return out

    assert play(restarts=True) == play(restarts=False)
