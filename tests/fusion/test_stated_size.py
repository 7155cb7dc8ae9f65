"""A radar's objects state bodies too short: by how much is learnt of identified vehicles."""

import math

import numpy as np
import pytest

from fusion import layout as at
from fusion.config import FusionConfig
from fusion.observations import ObjectScan
from fusion.stated_size import FACTOR_MAX, FACTOR_MIN, SURE, learn_size, length_of, size_cost, stated_of
from fusion.track_store import poses_of
from fusion.tracker import Tracker
from tests.support.fusion_world import T0_NS, pose

OFTEN = 28.0  # scans for which one place counts, at 14 Hz


def learnt(shares: np.ndarray, length_m: float = 14.0) -> np.ndarray:
    """Return what the radar has learnt from vehicles that it saw for ten seconds each.

    shares : of each vehicle, the length that the radar states over the true one
    """
    radars = poses_of([pose("R", 0.0, 0.0, 0.0)])
    radars[0, at.R_OFTEN] = OFTEN
    for share in shares.tolist():
        for _ in range(140):
            learn_size.py_func(radars, 0, share * length_m, length_m)
    return radars


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_lengths_are_right_in_the_mean_after_a_minute_of_traffic(seed):
    shares = np.random.default_rng(seed).uniform(0.55, 0.95, 12)
    radars = learnt(shares)
    assert length_of.py_func(radars, 0, 0.75 * 14.0) == pytest.approx(14.0, rel=0.12)


def test_a_new_radar_is_believed_and_an_absurd_size_bounds_nothing_else():
    radars = learnt(np.zeros(0))
    assert length_of.py_func(radars, 0, 12.0) == 12.0
    radars = learnt(np.full(40, 1e-3))
    assert FACTOR_MIN <= radars[0, at.R_SIZE] <= FACTOR_MAX
    assert radars[0, at.R_SIZE_N] == SURE


def overtaken(stated_m: tuple[float, float]) -> bool:
    """Return whether car and lorry keep their tracks side by side, neither of them seen for a second.

    stated_m : lengths that the radar states of the car and the lorry, NaN none
    Afterwards the radar places both wrongly: the car where the lorry should be, a metre further the lorry.
    """
    radar = pose("R", 0.0, 0.0, 0.0, height_m=1.0, range_m_max=400.0, sigma_azimuth_rad=0.006)
    tracker, of_car = Tracker(FusionConfig(), [radar], [], id_base=0), -1
    for k in range(60):
        t_s = 0.1 * k
        stamp_ns = T0_NS + round(t_s * 1e9)
        east = np.array([100.0, 100.0]) + 20.0 * t_s
        if 42 <= k < 50:
            tracker.tick(stamp_ns)
            continue
        north = np.array([3.75, 0.0]) if k < 42 else np.array([1.0, 2.8])
        seen = ObjectScan(
            sensor="R", stamp_ns=stamp_ns, arrived_ns=stamp_ns, scan=k, object_id=np.array([k, 100 + k]),
            x_m=east, y_m=north + 0.05 * math.sin(k), vx_mps=np.full(2, 20.0 + 0.01 * math.sin(k)),
            vy_mps=np.zeros(2), length_m=np.array(stated_m), width_m=np.full(2, math.nan),
            kind=np.zeros(2, dtype=np.int64),
        )  # fmt: skip
        tracker.step(stamp_ns, seen)
        tracker.tick(stamp_ns)
        if k in (41, 59):
            rows = np.flatnonzero(tracker.store.ints[:, at.STATUS] == at.CONFIRMED)
            near = rows[np.argmin(np.abs(tracker.store.X[rows, :2] - [east[0], north[0]]).sum(axis=1))]
            serial = int(tracker.store.ints[near, at.SERIAL])
            if k == 59:
                return serial == of_car and len(rows) == 2
            of_car = serial
    return False


def test_stated_lengths_tell_a_car_from_the_lorry_that_it_passes():
    assert overtaken((4.4, 11.0))
    assert not overtaken((math.nan, math.nan)), "by their places they are exchanged"


def test_a_length_that_fits_is_worth_little_and_one_that_does_not_costs_little():
    radars = learnt(np.zeros(0))
    car, lorry = (stated_of.py_func(radars, 0, length_m, 0.0) for length_m in (4.6, 15.0))
    assert size_cost.py_func(car, 4.6) < 0.0 < size_cost.py_func(car, 15.0) < 4.0
    assert size_cost.py_func(lorry, 15.0) < 0.0 < size_cost.py_func(lorry, 4.6) < 4.0
    assert size_cost.py_func(lorry, math.nan) == size_cost.py_func((math.nan, math.nan), 4.6) == 0.0
    assert size_cost.py_func(lorry, 0.0) == 0.0
