"""A terminal is bound where its truck is, also if where radars see bodies is learnt while it is weighed."""

import math

import numpy as np
import pytest

from fusion import layout as at
from fusion.config import FusionConfig, Terminal
from fusion.lanes import lane_cells
from fusion.tracker import Tracker
from tests.support.fusion_world import T0_NS, pose, scan
from tests.support.fusion_world import fix as fix_of

RADAR = pose("R", 0.0, -12.0, 0.0, reflects="bodies")
SPEED_MPS, LENGTH_M, SHARE = 16.0, 17.0, 0.42
LINE = np.array([np.linspace(0.0, 300.0, 151), np.zeros(151)]).T
LANES = lane_cells(LINE, np.zeros(151), np.array([0.0, -10.0]), np.array([300.0, 10.0]))


def bound_at(learnt: dict[int, tuple[float, float]]) -> tuple[float, float, float]:
    """Follow a truck that drives away and reports; return how far off it is bound, its sigma, its extent.

    learnt : by the number of a fix, what share (and sigma) radars are known to show from it on
    """
    terminals = [Terminal(terminal="A", length_m=LENGTH_M, width_m=2.5)]
    tracker = Tracker(FusionConfig(self_calibration="off"), [RADAR], terminals, id_base=0, lanes=LANES)
    rng, radars = np.random.default_rng(5), tracker.store.settings.radars
    for k in range(60):
        now_ns, centre_m = T0_NS + k * 50_000_000, 60.0 + 0.05 * k * SPEED_MPS
        x = np.array([[centre_m - SHARE * LENGTH_M, 0.0, SPEED_MPS, 0.0]])  # its rear
        tracker.step(now_ns, scan(RADAR, now_ns, x, rng.normal(size=(1, 3))))
        if k % 4 == 2:
            radars[:, at.R_SHARE], radars[:, at.R_SHARE_VAR] = learnt.get(
                k // 4, (radars[0, at.R_SHARE], math.sqrt(radars[0, at.R_SHARE_VAR]))
            )
            radars[:, at.R_SHARE_VAR] **= 2
            tracker.step(
                now_ns, fix_of("A", now_ns, centre_m, 0.0, speed_mps=SPEED_MPS, heading_rad=0.0, sigma_m=0.4)
            )
            if "identity.bound" in tracker.counts:
                break
    i = int(tracker.terminals.rows.ints[0, at.ROW])
    X, P = tracker.store.X[i], tracker.store.P[i]
    ago_s = (now_ns - int(tracker.store.ints[i, at.STAMP])) * 1e-9
    return X[at.EAST] + ago_s * X[at.V_EAST] - centre_m, math.sqrt(P[0, 0]), X[at.EXTENT]


@pytest.mark.parametrize(
    "learnt",
    [
        {0: (0.25, 0.144)},  # nothing is learnt
        {0: (0.25, 0.144), 1: (0.4, 0.08)},  # between the fixes and at the last one
        {0: (0.25, 0.144), 1: (0.3, 0.1), 2: (0.42, 0.05)},
    ],
)
def test_what_is_learnt_of_bodies_while_a_pair_is_weighed_is_no_error_of_the_terminal(learnt):
    off_m, sigma_m, extent_m = bound_at(learnt)
    assert abs(off_m) < 3.0 * sigma_m  # 3 to 5 sigmas, were the differences kept as they were
    assert abs(off_m) < 0.8
    assert extent_m == pytest.approx(SHARE * LENGTH_M, abs=0.8)
