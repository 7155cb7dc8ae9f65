"""A vehicle that creeps moves along its axis: against a plain Kalman update, and in a queue."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion import layout as at
from fusion.config import FusionConfig, Terminal
from fusion.layout import States
from fusion.models.creeping import HOLDS_S, SLIP_RAD, STANDS_MPS, hold_course
from fusion.tracker import Tracker
from tests.support.fusion_world import T0_NS, fix, pose, scan

LENGTH_M, PERIOD_S = 15.0, 0.1
RADAR = pose("R", 0.0, -8.0, 0.0, range_m_max=300.0, fov_rad=2.0, sigma_azimuth_rad=0.003, reflects="bodies")


def random_state(rng: np.random.Generator, *, bound: bool) -> States:
    n = at.N_DIM if bound else at.N_RADAR
    root = rng.normal(size=(n, n))
    states = States(np.zeros((1, at.N_X)), np.zeros((1, at.N_DIM, at.N_DIM)))
    states.P[0, :n, :n] = root @ root.T + 0.1 * np.eye(n)
    states.X[0, :n] = rng.normal(size=n)
    states.X[0, at.HEADING], states.X[0, at.BOUND] = rng.uniform(-3.0, 3.0), float(bound)
    return states


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from([0.01, 0.1, 2.0]))
def test_the_axis_is_fused_as_a_measurement_of_no_velocity_across(seed, bound, dt_s):
    """Oracle: x + K (0 - h x), P - K h P with dense matrices."""
    states = random_state(np.random.default_rng(seed), bound=bound)
    x, P, heading = states.X[0, : at.N_DIM].copy(), states.P[0].copy(), states.X[0, at.HEADING]
    h = np.zeros(at.N_DIM)
    h[at.V_EAST], h[at.V_NORTH] = -math.sin(heading), math.cos(heading)
    along = math.cos(heading) * x[at.V_EAST] + math.sin(heading) * x[at.V_NORTH]
    r = (STANDS_MPS + SLIP_RAD * abs(along)) ** 2 * HOLDS_S / dt_s
    gain = P @ h / (h @ P @ h + r)
    hold_course(states, 0, dt_s)
    if math.hypot(x[at.V_EAST], x[at.V_NORTH]) > 3.0:
        gain[:] = 0.0
    np.testing.assert_allclose(states.X[0, : at.N_DIM], x - gain * (h @ x), atol=1e-9)
    np.testing.assert_allclose(states.P[0], P - np.outer(gain, h @ P), atol=1e-9)
    np.testing.assert_array_equal(states.P[0], states.P[0].T)


def test_who_has_no_axis_is_not_held():
    states = random_state(np.random.default_rng(1), bound=True)
    states.X[0, at.HEADING] = math.nan
    before = states.X.copy(), states.P.copy()
    hold_course(states, 0, 0.1)
    np.testing.assert_array_equal(states.X, before[0])
    np.testing.assert_array_equal(states.P, before[1])


def queue_speed_mps(t_s: float) -> float:
    """Return the speed of a truck that brakes for a queue, creeps, stands and drives off."""
    knots = [0.0, 4.0, 9.0, 13.0, 18.0, 20.0, 26.0]
    return float(np.interp(t_s, knots, [10.0, 10.0, 1.2, 0.7, 0.0, 0.0, 6.0]))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("reports", [False, True])
def test_a_truck_in_a_queue_does_not_turn_aside(seed, reports):
    """Radar sees its rear from far behind; its fixes err by half a metre from one to the next."""
    rng = np.random.default_rng(seed)
    about = [Terminal(terminal="T", length_m=LENGTH_M)] if reports else []
    tracker = Tracker(FusionConfig(), [RADAR], about, id_base=0)
    s_m, worst_m, worst_rad = 60.0, 0.0, 0.0
    slow, keep = 0.0, math.exp(-PERIOD_S / 1.0)
    for k in range(260):
        t_s = k * PERIOD_S
        v_mps, now_ns = queue_speed_mps(t_s), T0_NS + round(t_s * 1e9)
        s_m += v_mps * PERIOD_S
        slow = keep * slow + math.sqrt(1.0 - keep**2) * 0.15 * rng.normal()
        rear = np.array([[s_m - 0.42 * LENGTH_M, slow, v_mps, 0.0]])
        tracker.step(now_ns, scan(RADAR, now_ns, rear, rng.normal(size=(1, 3))))
        if reports and k % 5 == 0:
            east_m, north_m = s_m + 0.5 * rng.normal(), 0.5 * rng.normal()
            course = 0.0 if v_mps > 1.0 else rng.uniform(-3.0, 3.0)
            tracker.step(
                now_ns + 50_000_000,
                fix("T", now_ns, east_m, north_m, speed_mps=v_mps, heading_rad=course, sigma_m=0.5),
            )
        tracker.tick(now_ns)
        if t_s > 5.0:
            batch = tracker.at(now_ns)
            east_mps, north_mps = batch.x[np.argmax(batch.radar_ns), 2:]
            worst_m = max(worst_m, abs(batch.x[np.argmax(batch.radar_ns), 1]))
            if math.hypot(east_mps, north_mps) > 1.0:
                worst_rad = max(worst_rad, abs(math.atan2(north_mps, east_mps)))
    assert worst_m < 1.0
    assert worst_rad < 0.3
