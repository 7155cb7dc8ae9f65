"""The lateral measurement beside a track: what the filter took in, fresh, and at its own time."""

import math

import numpy as np
import pytest
from filterpy.kalman import KalmanFilter
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion import layout as at
from fusion.config import QUANTUM_M, WHITE_SHARE, FusionConfig, RadarPose, Terminal
from fusion.lateral import lateral_of
from fusion.measurement import apply
from fusion.observations import GnssFixes, ObjectScan, RadarScan
from fusion.radar_update import object_rows, polar_rows
from fusion.track_store import TrackStore, tuning_of
from fusion.tracker import Tracker
from fusion.tracks import TrackBatch
from tests.support.examples import examples
from tests.support.fusion_world import NAN, T0_NS, fix, pose, scan

SPEED_MPS = 20.0
SIGMA_M, TAU_S = 0.5, 10.0  # of the terminal
TERMINAL = Terminal(terminal="T")


def without_rates(seen: RadarScan) -> RadarScan:
    """Range rates say something of the place too, by the correlations of the state: not here."""
    return RadarScan(
        sensor=seen.sensor, stamp_ns=seen.stamp_ns, arrived_ns=seen.arrived_ns, scan=0, range_m=seen.range_m,
        azimuth_rad=seen.azimuth_rad, range_rate_mps=np.full(len(seen.range_m), NAN), rcs_dbsm=seen.rcs_dbsm,
    )  # fmt: skip


def object_at(radar: RadarPose, x: np.ndarray) -> ObjectScan:
    """Return a scan of one object with state x (4,), of a radar that looks east."""
    values = [np.array([value]) for value in (x - [radar.east_m, radar.north_m, 0.0, 0.0])]
    return ObjectScan(
        sensor=radar.sensor, stamp_ns=T0_NS, arrived_ns=T0_NS, scan=0, object_id=np.zeros(1, np.int64),
        x_m=values[0], y_m=values[1], vx_mps=values[2], vy_mps=values[3], length_m=np.array([NAN]),
        width_m=np.array([NAN]), kind=np.zeros(1, dtype=np.int64),
    )  # fmt: skip


def set_random_state(store: TrackStore, rng: np.random.Generator, *, bound: bool) -> None:
    """Set row 0 to a random vehicle near (100, 0) m, correlated in all dimensions."""
    X, P, n = store.X, store.P, at.N_DIM if bound else at.N_RADAR
    X[0], P[0] = 0.0, 0.0
    X[0, : at.N_CV] = 100.0, rng.uniform(-30.0, 30.0), SPEED_MPS, rng.uniform(-3.0, 3.0)
    X[0, at.HEADING] = NAN
    root = rng.normal(size=(n, n))
    P[0, :n, :n] = 0.02 * (root @ root.T) + 0.01 * np.eye(n)
    P[0, at.EXTENT, :] = P[0, :, at.EXTENT] = 0.0  # its radar reports centres
    if bound:
        X[0, at.BOUND], X[0, at.BIAS_SIGMA], X[0, at.BIAS_TAU] = 1.0, SIGMA_M, TAU_S
        X[0, at.BIAS_EAST : at.N_DIM] = rng.normal(size=2)


def measure(store: TrackStore, rng: np.random.Generator, what: str) -> None:
    """Write a measurement of row 0 to row 0 of M."""
    radar, M = pose("R", 0.0, 40.0, 0.0), store.detections.M
    truth = store.X[0, : at.N_CV] + [*0.02 * rng.normal(size=2), 0.0, 0.0]
    if what == "polar":
        polar_rows(store, without_rates(scan(radar, T0_NS, truth[None])), 0)
    elif what == "object":
        object_rows(store, object_at(radar, truth), 0, np.zeros(1, dtype=np.bool_))
        store.settings.radars[0, at.R_S_RATE] = 1e6  # its velocity says nothing
    else:
        M[0] = 0.0
        M[0, at.WHAT], M[0, at.Z_SIGMA], M[0, at.Z_TAU] = at.FIX, SIGMA_M, TAU_S
        M[0, [at.Z_EAST, at.Z_NORTH]] = truth[:2] + store.X[0, at.BIAS_EAST : at.N_DIM]
        M[0, at.Z_SPEED] = M[0, at.Z_HEADING] = NAN


def measured_place(store: TrackStore, *, is_fix: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and covariance of what is measured: the place, of a fix together with the bias."""
    H = np.zeros((2, at.N_DIM))
    H[0, at.EAST] = H[1, at.NORTH] = 1.0
    if is_fix:
        H[0, at.BIAS_EAST] = H[1, at.BIAS_NORTH] = 1.0
    return H @ store.X[0, : at.N_DIM], H @ store.P[0] @ H.T


@settings(deadline=None, max_examples=examples(15))
@given(seed=st.integers(0, 2**32 - 1), what=st.sampled_from(["polar", "object", "fix"]), bound=st.booleans())
def test_it_is_the_information_that_the_filter_took_in(seed, what, bound):
    """Oracle: Y = P+^-1 - P-^-1, y = P+^-1 x+ - P-^-1 x- in 2-D; the marginal across the course."""
    rng = np.random.default_rng(seed)
    store = TrackStore(FusionConfig(tracks_max=4), [pose("R", 0.0, 40.0, 0.0)])
    is_fix = what == "fix"
    set_random_state(store, rng, bound=bound or is_fix)
    measure(store, rng, what)
    x0, P0 = measured_place(store, is_fix=is_fix)
    M = store.detections.M
    assert apply(store.tracks.states, 0, M, 0, store.settings, store.scratch.vector) == 0
    x1, P1 = measured_place(store, is_fix=is_fix)
    Y = np.linalg.inv(P1) - np.linalg.inv(P0)
    z = np.linalg.solve(Y, np.linalg.solve(P1, x1) - np.linalg.solve(P0, x0))
    numbers = np.zeros((at.N_LATERAL, 1))
    lateral_of(store.tracks.states, 0, M, 0, store.settings, numbers, 0)
    angle = numbers[at.Y_AXIS, 0]
    axis, velocity = np.array([math.cos(angle), math.sin(angle)]), store.X[0, at.V_EAST : at.N_CV]
    assert abs(axis @ velocity) < 1e-9
    assert axis[1] * velocity[0] > 0.0, "left of the course"
    # azimuth and range are linearised one after the other, here both at the new state
    sigma_tolerance, tolerance_m = (1e-2, 2e-3) if what == "polar" else (1e-6, 1e-6)
    want = math.sqrt(axis @ np.linalg.inv(Y) @ axis)
    assert numbers[at.Y_SIGMA, 0] == pytest.approx(want, rel=sigma_tolerance)
    assert numbers[at.Y_OFFSET, 0] == pytest.approx(axis @ (z - store.X[0, :2]), abs=tolerance_m)


def across_filter(with_bias: bool) -> KalmanFilter:
    """Return an independent filter across the road: offset, speed, bend, the terminal's lasting error."""
    peer = KalmanFilter(dim_x=4, dim_z=1)
    peer.H = np.array([[1.0, 0.0, 0.0, 1.0 if with_bias else 0.0]])
    return peer


def advance(peer: KalmanFilter, dt_s: float) -> None:
    """Predict as docs/fusion.md states it: white acceleration, a Singer bend, a Gauss-Markov error."""
    config, tuning = FusionConfig(), tuning_of(FusionConfig())
    keep, stay = math.exp(-dt_s / config.bend_tau_s), math.exp(-dt_s / TAU_S)
    q = tuning[at.Q_CROSS]
    F = np.array(
        [[1.0, dt_s, dt_s**2 / 2.0, 0.0], [0.0, 1.0, dt_s, 0.0], [0.0, 0.0, keep, 0.0], [0.0, 0.0, 0.0, stay]]
    )
    Q = np.zeros((4, 4))
    Q[:2, :2] = q * np.array([[dt_s**3 / 3.0, dt_s**2 / 2.0], [dt_s**2 / 2.0, dt_s]])
    Q[2, 2] = (1.0 - keep**2) * config.accel_bend_mps2**2
    Q[3, 3] = (1.0 - stay**2) * SIGMA_M**2
    peer.predict(F=F, Q=Q)


def place_across(batch: TrackBatch) -> float:
    """Return what the first track's lateral measurement says of its place north: the road leads east."""
    one = batch.lateral
    return float(one.north_m[0] + math.sin(one.axis_rad[0]) * one.offset_m[0])


@pytest.mark.parametrize("source", ["radar", "terminal"])
def test_an_independent_filter_of_them_is_the_trackers_lateral_estimate(source):
    """Along the road, seen from far behind: there the two axes do not mix, and nothing is lost."""
    rng = np.random.default_rng(3)
    radar = pose("R", -3_000.0, 0.0, 0.0, range_m_max=5_000.0, height_m=1.0, sigma_azimuth_rad=1e-4)
    seen: list[tuple[int, RadarScan | GnssFixes]] = []
    for k in range(100):
        t_s = 0.1 * k
        t_ns, x = (
            T0_NS + k * 100_000_000,
            np.array([SPEED_MPS * t_s, 0.3 * math.sin(0.5 * t_s), SPEED_MPS, 0.0]),
        )
        noise = rng.normal(size=(1, 3))
        if source == "radar":
            seen.append((t_ns, without_rates(scan(radar, t_ns, x[None], noise))))
        else:
            at_m = x[:2] + 0.3 + WHITE_SHARE * SIGMA_M * noise[0, :2]
            seen.append((t_ns, fix("T", t_ns, *at_m, sigma_m=SIGMA_M, tau_s=TAU_S)))
    peer = across_filter(with_bias=source == "terminal")
    calm = FusionConfig(accel_calm_along_mps2=1.0, accel_calm_cross_mps2=0.35)  # one noise, as the peer's
    tracker = Tracker(calm, [radar], [TERMINAL], id_base=0)
    for t_ns, observation in seen[:40]:  # by then the course is known
        tracker.step(t_ns, observation)
    row = int(np.flatnonzero(tracker.store.ints[:, at.STATUS] != at.FREE)[0])
    own = [at.NORTH, at.V_NORTH, at.BEND, at.BIAS_NORTH]
    peer.x = tracker.store.X[row, own][:, None].copy()
    peer.P = tracker.store.P[row][np.ix_(own, own)].copy()
    for t_ns, observation in seen[40:]:
        batch = tracker.step(t_ns, observation).touched
        one = batch.lateral
        assert one.is_fix[0] == (source == "terminal")
        assert one.stamp_ns[0] == batch.stamp_ns[0]
        advance(peer, 0.1)
        peer.update(np.array([[place_across(batch)]]), R=np.array([[one.sigma_m[0] ** 2]]))
        sigma_m = math.sqrt(batch.P[0, 1, 1] + batch.bias_m[0] ** 2)
        assert math.sqrt(peer.P[0, 0]) == pytest.approx(sigma_m, rel=0.02)
        assert peer.x[0, 0] == pytest.approx(batch.x[0, 1], abs=0.05 * sigma_m)


def test_its_errors_average_out_where_beam_and_road_cross():
    """An average of 3 s has the error that it states; of the lateral variances alone it has more."""
    radar = pose("R", 0.0, -40.0, math.pi / 4.0, sigma_range_m=0.5)
    squares = []
    for seed in range(120):
        rng, tracker = np.random.default_rng(seed), Tracker(FusionConfig(), [radar], [], id_base=0)
        fresh, alone = [], []
        for k in range(80):
            t_ns, x = T0_NS + k * 50_000_000, np.array([20.0 + SPEED_MPS * 0.05 * k, 0.0, SPEED_MPS, 0.0])
            before = tracker.at(t_ns)
            after = tracker.step(t_ns, scan(radar, t_ns, x[None], rng.normal(size=(1, 3)))).touched
            if k < 20 or not len(after):  # one in a thousand lies outside the gate
                continue
            fresh.append((place_across(after), after.lateral.sigma_m[0] ** 2))
            p0, p1 = before.P[0, 1, 1], after.P[0, 1, 1]
            r = 1.0 / (1.0 / p1 - 1.0 / p0)
            alone.append((r * (after.x[0, 1] / p1 - before.x[0, 1] / p0), r))
        squares.append([normalised_average(np.array(pairs)) ** 2 for pairs in (fresh, alone)])
    ours, other = np.mean(squares, axis=0)
    assert 0.7 < ours < 1.4
    assert other > 1.4, "why it was rejected"


def normalised_average(pairs: np.ndarray) -> float:
    """Return the weighted average of values (n, 0) with variances (n, 1) in its stated sigmas."""
    weights = 1.0 / pairs[:, 1]
    return float(weights @ pairs[:, 0] / math.sqrt(weights.sum()))


def drive(tracker: Tracker, radar: RadarPose, t_s: float) -> TrackBatch:
    """Show the vehicle at t_s to the radar; return the touched tracks."""
    t_ns = T0_NS + round(t_s * 1e9)
    x = np.array([20.0 + SPEED_MPS * t_s, 0.0, SPEED_MPS, 0.0])
    return tracker.step(t_ns, scan(radar, t_ns, x[None])).touched


def reported(tracker: Tracker, t_s: float, now_s: float, north_m: float = 0.0) -> TrackBatch:
    """Let the terminal report where it was at t_s; return the touched tracks."""
    t_ns = T0_NS + round(t_s * 1e9)
    message = fix(
        "T", t_ns, 20.0 + SPEED_MPS * t_s, north_m, sigma_m=SIGMA_M, tau_s=TAU_S, speed_mps=SPEED_MPS,
        heading_rad=0.0,
    )  # fmt: skip
    return tracker.step(T0_NS + round(now_s * 1e9), message).touched


RADAR = pose("R", 0.0, -10.0, 0.0)


def bound_tracker() -> Tracker:
    """Return a tracker that knows the terminal's truck after 6 s."""
    tracker = Tracker(FusionConfig(), [RADAR], [TERMINAL], id_base=0)
    for k in range(120):
        drive(tracker, RADAR, 0.05 * k)
        if k % 10 == 0:
            reported(tracker, 0.05 * k, 0.05 * k)
        tracker.tick(T0_NS + k * 50_000_000)
    assert tracker.counts["identity.bound"] == 1
    return tracker


def test_a_late_measurement_is_of_its_own_time():
    """Late or in time, the fix says the same of the same moment."""
    late, timely = bound_tracker(), bound_tracker()
    in_time = reported(timely, 6.0, 6.0, 0.4)
    for k in range(121, 124):
        drive(late, RADAR, 0.05 * k)
    too_late = reported(late, 6.0, 6.2, 0.4)
    assert too_late.stamp_ns[0] > too_late.lateral.stamp_ns[0] == T0_NS + 6_000_000_000
    assert too_late.lateral.is_fix[0]
    for one, other in zip(too_late.lateral, in_time.lateral, strict=True):
        np.testing.assert_array_equal(one, other)
    assert place_across(too_late) == pytest.approx(0.4, abs=1e-3), (
        "with the terminal's error: nothing subtracted"
    )
    least_m = math.hypot(WHITE_SHARE * SIGMA_M, QUANTUM_M)
    assert least_m < too_late.lateral.sigma_m[0] < 1.1 * least_m, "what is new in each fix is learnt"
    assert too_late.gnss_bias_m[0] == too_late.lateral.lasting_m[0] == SIGMA_M
    assert too_late.gnss_tau_s[0] == TAU_S


def test_a_late_scan_is_of_its_own_time():
    late, timely = (Tracker(FusionConfig(), [RADAR], [], id_base=0) for _ in range(2))
    for k in range(40):
        drive(late, RADAR, 0.05 * k)
        drive(timely, RADAR, 0.05 * k)
    in_time = drive(timely, RADAR, 2.0)
    drive(late, RADAR, 2.05)
    seen = scan(RADAR, T0_NS + 2_000_000_000, np.array([[60.0, 0.0, SPEED_MPS, 0.0]]))
    too_late = late.step(T0_NS + 2_100_000_000, seen).touched
    assert too_late.stamp_ns[0] == T0_NS + 2_050_000_000
    for one, other in zip(too_late.lateral, in_time.lateral, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_nothing_measured_has_none():
    tracker = bound_tracker()
    tracks = tracker.at(T0_NS + 6_200_000_000)
    assert np.isnan(tracks.lateral.offset_m).all(), "a tick measures nothing"
    assert not tracks.lateral.stamp_ns.any()
    assert tracks.gnss_bias_m[0] == SIGMA_M, "but the terminal's lasting error stays"
    outlier = reported(tracker, 6.0, 6.0, 60.0)
    assert len(outlier) == 1
    assert np.isnan(outlier.lateral.sigma_m[0]), "what the gate refused is no measurement"
    lone = Tracker(FusionConfig(), [RADAR], [], id_base=0)
    first = drive(lone, RADAR, 0.0)
    assert np.isnan(first.lateral.offset_m[0]), "nobody knows its course yet"
    assert np.isnan(first.gnss_bias_m[0])


def test_of_several_fixes_the_last_counts():
    tracker = Tracker(FusionConfig(), [], [TERMINAL, Terminal(terminal="U")], id_base=0)
    stamps = T0_NS + np.array([0, 0, 1_000_000_000, 1_000_000_000, 2_000_000_000])
    n, t_s, speed_mps = len(stamps), (stamps - T0_NS) * 1e-9, np.full(len(stamps), SPEED_MPS)
    message = GnssFixes(
        terminal=("T", "U", "T", "U", "T"), stamp_ns=stamps, arrived_ns=stamps, source_seq=np.full(n, -1),
        east_m=SPEED_MPS * t_s, north_m=np.array([0.0, 50.0, 0.0, 50.0, 0.0]), speed_mps=speed_mps,
        heading_rad=np.zeros(n), sigma_m=np.full(n, SIGMA_M), tau_s=np.full(n, TAU_S), usable=np.ones(n),
    )  # fmt: skip
    batch = tracker.step(int(stamps[-1]), message).touched
    np.testing.assert_array_equal(batch.lateral.stamp_ns, T0_NS + np.array([2_000_000_000, 1_000_000_000]))
    np.testing.assert_allclose(batch.lateral.north_m, [0.0, 50.0], atol=0.01)
    np.testing.assert_array_equal(batch.lateral.is_fix, True)


def test_what_a_pose_leaves_unknown_lasts():
    """Across the road, which the beam crosses at an angle: the place, and the turn times the way along it."""
    radar = pose("R", -30.0, -40.0, math.pi / 4.0, sigma_place_m=0.05, sigma_boresight_rad=0.001)
    tracker = Tracker(FusionConfig(), [radar], [], id_base=0)
    sure = Tracker(FusionConfig(), [pose("R", -30.0, -40.0, math.pi / 4.0)], [], id_base=0)
    for k in range(40):
        batch, other = drive(tracker, radar, 0.05 * k), drive(sure, radar, 0.05 * k)
    want = math.hypot(0.05, 0.001 * (batch.x[0, 0] + 30.0))
    assert batch.lateral.lasting_m[0] == pytest.approx(want, rel=1e-3)
    assert other.lateral.lasting_m[0] < 1e-3
    assert batch.lateral.sigma_m[0] == other.lateral.sigma_m[0], "it is not in the fresh part"
