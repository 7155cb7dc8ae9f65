"""A fix's evidence of whose it is: against SciPy, and where a receiver is wildly wrong once."""

import math

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from fusion import layout as at
from fusion.config import QUANTUM_M, FusionConfig, Terminal
from fusion.identity_likelihood import NEW_SHARE, out_of_sight
from fusion.sigma_scale import ODD_SIGMAS, P_ODD, scale_of
from fusion.tracker import Tracker
from tests.support.fusion_world import T0_NS, fix, pose, scan

RADAR = pose("R", 0.0, -8.0, 0.0, range_m_max=900.0, sigma_azimuth_rad=0.001)
SIGMA_M, TAU_S = 0.4, 30.0


def report(tracker: Tracker, k: int, left_m: float) -> None:
    values = {"speed_mps": 20.0, "heading_rad": 0.0, "sigma_m": SIGMA_M, "tau_s": TAU_S}
    now = T0_NS + k * 50_000_000
    tracker.step(now, fix("A", now, 50.0 + k, left_m, **values))


def drive(tracker: Tracker, k: int, left_m: float | None, others: tuple[float, ...] = ()) -> int:
    """One radar period of a truck that drives 20 m/s east, beside others; its fix lies left_m off."""
    now = T0_NS + k * 50_000_000
    places = [[50.0 + k, left, 20.0, 0.0] for left in (0.0, *others)]
    tracker.step(now, scan(RADAR, now, np.array(places)))
    if left_m is not None:
        report(tracker, k, left_m)
    tracker.tick(now)
    return now


def tracker_of() -> Tracker:
    return Tracker(FusionConfig(), [RADAR], [Terminal(terminal="A")], id_base=7 << 32)


def pair_of(tracker: Tracker) -> np.ndarray:
    rows = tracker.terminals.rows
    (k,) = np.flatnonzero(rows.pair_ints[0, :, at.P_N])
    return rows.pairs[0, k].copy()


@pytest.mark.parametrize("left_m", [0.1, 1.0, 3.0, 12.0])
def test_a_further_fix_adds_its_likelihood_as_an_outlier_or_not(left_m):
    """Each axis: the lasting error decays, its filter predicts the next difference; a fix may be wild."""
    tracker = tracker_of()
    for k in range(41):
        drive(tracker, k, 0.1 if k == 40 else None)
    before = pair_of(tracker)
    drive(tracker, 41, None)
    drive(tracker, 42, None)
    (i,) = np.flatnonzero(tracker.store.ints[:, at.RADAR_NS] > 0)
    X, P = tracker.store.X[i].copy(), tracker.store.P[i].copy()
    sigma_m = SIGMA_M * scale_of(tracker.terminals.rows, 0)
    report(tracker, 42, left_m)
    after = pair_of(tracker)
    dt_s = 0.1
    keep, share = math.exp(-dt_s / TAU_S), dt_s / 0.5
    usual, odd, moved, moved_odd = 0.0, 0.0, 0.0, 0.0
    for a, offset_m in ((0, 0.0), (1, left_m)):  # east is along the course
        z = offset_m - X[a] + (50.0 + 42.0 if a == 0 else 0.0)
        r = (NEW_SHARE * sigma_m) ** 2 + QUANTUM_M**2 + P[a, a]
        mean, var = before[at.ONE + 2 * a : at.ONE + 2 * a + 2]
        var = keep**2 * var + (1.0 - keep**2) * sigma_m**2 + r
        wild = (ODD_SIGMAS * sigma_m) ** 2
        usual += norm.logpdf(z, keep * mean, math.sqrt(var))
        odd += norm.logpdf(z, keep * mean, math.sqrt(var + wild))
        since, spread = z - before[at.LAST + a], 2.0 * r + (3.0 * dt_s) ** 2
        moved += norm.logpdf(since, 0.0, math.sqrt(spread))
        moved_odd += norm.logpdf(since, 0.0, math.sqrt(spread + wild))
    weights = np.log([1.0 - P_ODD, P_ODD])
    want = share * logsumexp(weights + np.array([[usual, odd], [moved, moved_odd]]), axis=1)
    gained = after[at.L_ONE] - before[at.L_ONE], after[at.L_APART] - before[at.L_APART]
    np.testing.assert_allclose(gained, want, atol=1e-6)


@pytest.mark.parametrize(("looked_s", "is_known", "odds"), [
    (0.0, False, 20.0),                               # it stepped out of nothing: hidden explains it whole
    (2.0, False, 1.0 + 19.0 * math.exp(-1.0)),
    (10.0, False, 1.0 + 19.0 * math.exp(-5.0)),       # missed in plain sight: a shadow explains little
    (10.0, True, 20.0),                               # radar follows its own vehicle
])  # fmt: skip
def test_a_shadow_explains_no_track_only_as_far_as_radar_did_not_look_before(looked_s, is_known, odds):
    pair = np.zeros(at.N_PAIR_INT, dtype=np.int64)
    pair[at.P_SINCE] = T0_NS
    assert out_of_sight(pair, T0_NS + round(looked_s * 1e9), is_known) == pytest.approx(math.log(odds))


def test_one_wild_fix_lets_no_truck_go():
    tracker = tracker_of()
    for k in range(400):
        fixed = k >= 20 and k % 4 == 0
        drive(tracker, k, (12.0 if k == 200 else 0.2) if fixed else None)
        if k > 120:
            assert tracker.at(T0_NS + k * 50_000_000).terminal.tolist() == [0], k
    assert tracker.counts["identity.bound"] == 1
    assert "identity.rejected" not in tracker.counts


def test_a_truck_whose_first_fix_is_wild_is_bound_soon_after():
    tracker = tracker_of()
    for k in range(141):
        drive(tracker, k, (-9.0 if k == 20 else 0.2) if k >= 20 and k % 20 == 0 else None)
    assert tracker.counts["identity.bound"] == 1


def test_a_wild_fix_on_the_neighbour_binds_nobody_to_it():
    tracker = tracker_of()
    for k in range(200):
        fixed = k >= 20 and k % 20 == 0
        now = drive(tracker, k, (7.5 if k == 100 else 0.2) if fixed else None, others=(7.5,))
        tracks = tracker.at(now)
        named = tracks.x[tracks.terminal == 0, 1]
        if k > 60:
            assert abs(float(named[0])) < 1.0, k


@pytest.mark.parametrize("hz", [1, 5])
def test_an_oncoming_car_is_no_truck_s_that_radar_never_sees(hz):
    """Each report lies elsewhere beside it: wild ones, and none the likelier for that."""
    tracker = tracker_of()
    for k in range(100, 300):
        now, east = T0_NS + k * 50_000_000, 400.0 - k
        tracker.step(now, scan(RADAR, now, np.array([[east, 3.75, -20.0, 0.0]])))
        if k % (20 // hz) == 0:
            report(tracker, k, 0.0)  # eastwards
        tracker.tick(now)
        assert set(tracker.at(now).terminal[tracker.at(now).x[:, 2] < 0.0].tolist()) <= {-1}, k


def test_reports_that_leave_the_track_for_good_take_their_name_with_them():
    """Two wild fixes in one place are none: the truck that they were bound to is another one's."""
    tracker = tracker_of()
    for k in range(300):
        drive(tracker, k, (0.2 if k < 100 else 12.0) if k >= 20 and k % 10 == 0 else None)
    assert tracker.counts["identity.rejected"] == 1
