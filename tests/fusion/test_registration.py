"""Self-calibration: pose errors are learnt from traffic, or stay at the survey where nothing shows them."""

import math

import msgspec
import numpy as np
import pytest

from fusion import layout as at
from fusion.columns import columns_of
from fusion.config import FusionConfig, Terminal
from fusion.flank import by_lambert
from fusion.registration import BOUND, PRIOR, Registration
from fusion.registration_sight import RANGE
from fusion.survey_quality import LOG_PRIOR, SCALES
from fusion.tracker import Tracker
from fusion.tracker_state import TrackerState
from tests.support.fusion_world import T0_NS, fix, pose, scan

FIX_SIGMA_M = 0.4
UNKNOWN = {"sigma_place_m": None, "sigma_boresight_rad": None}  # how good the survey was
POLES = (pose("A", 0.0, -8.0, 0.0, **UNKNOWN), pose("B", 260.0, 8.0, math.pi, **UNKNOWN))


def run(errors, seed, *, seconds=150, mode="report", n_reporting=1_000, radars=POLES, restore_at=None):
    """Trucks pass both radars in either direction, one each 4 s; `errors` (m, 3) east, north, rotation."""
    rng = np.random.Generator(np.random.Philox(seed))
    true = [
        msgspec.structs.replace(
            radar,
            east_m=radar.east_m + e,
            north_m=radar.north_m + n,
            boresight_rad=radar.boresight_rad + turn,
        )
        for radar, (e, n, turn) in zip(radars, errors, strict=True)
    ]
    n_trucks = seconds // 4
    terminals = [Terminal(terminal=f"t{k}", length_m=12.0, width_m=2.5) for k in range(n_trucks)]
    tracker = Tracker(FusionConfig(self_calibration=mode), radars, terminals, id_base=1 << 32)
    bias = FIX_SIGMA_M * rng.normal(size=(n_trucks, 2))
    lane = np.where(np.arange(n_trucks) % 2 == 0, -2.0, 5.0)
    speed = np.where(np.arange(n_trucks) % 2 == 0, 20.0, -20.0)
    born = 4.0 * np.arange(n_trucks)
    for step in range(1, seconds * 10):
        t_s, now_ns = step * 0.1, T0_NS + step * 100_000_000
        x = np.where(speed > 0, -20.0, 280.0) + speed * (t_s - born)
        here = np.flatnonzero((born <= t_s) & (x > -25.0) & (x < 285.0))
        targets = np.stack([x[here], lane[here], speed[here], np.zeros(len(here))], axis=1)
        for stated, radar in zip(radars, true, strict=True):
            d = targets[:, :2] - [radar.east_m, radar.north_m]
            ahead = d @ [math.cos(radar.boresight_rad), math.sin(radar.boresight_rad)]
            near = targets[(ahead > 5.0) & (np.hypot(*d.T) < radar.range_m_max)]
            seen = scan(radar, now_ns, near, rng.normal(size=(len(near), 3)))
            tracker.step(now_ns, seen)
            assert stated.sensor == radar.sensor
        if step % 5 == 0:
            for k in here[here < n_reporting].tolist():
                e, n = np.array([x[k], lane[k]]) + bias[k] + 0.1 * rng.normal(size=2)
                heading = 0.0 if speed[k] > 0 else math.pi
                tracker.step(now_ns, fix(
                    f"t{k}", now_ns, e, n, speed_mps=abs(speed[k]), heading_rad=heading, sigma_m=FIX_SIGMA_M,
                    tau_s=1_000.0,
                ))  # fmt: skip
        tracker.tick(now_ns)
        if restore_at is not None and step == restore_at:
            body = msgspec.msgpack.encode(tracker.state())
            tracker = Tracker(FusionConfig(self_calibration=mode), radars, terminals, id_base=1 << 32)
            tracker.restore(msgspec.msgpack.decode(body, type=TrackerState))
    return tracker


def errors_of(tracker, sensor):
    found = tracker.registration_report()[sensor]
    return np.array(found.estimate), np.array(found.sigma)


@pytest.mark.parametrize("seed", range(4))
def test_pose_errors_are_found_within_three_sigmas(seed):
    rng = np.random.Generator(np.random.Philox(1_000 + seed))
    # beyond two sigmas of azimuth (0.4 degrees) the gate refuses the worst detections: docs/fusion.md, limits
    errors = rng.uniform(-1.5, 1.5, size=(2, 3)) * [0.4, 0.4, math.radians(0.25)]
    tracker = run(errors, seed)
    for q, sensor in enumerate("AB"):
        mean, sigma = errors_of(tracker, sensor)
        off = (mean[:3] - errors[q]) / sigma[:3]
        assert np.abs(off).max() < 3.0, (sensor, mean, sigma, errors[q])
        assert (sigma[1], sigma[2]) < (0.6 * PRIOR[1], 0.5 * PRIOR[2])  # across the road and the boresight


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4, 20))
def test_pose_errors_are_found_within_three_sigmas_over_more_seeds(seed):
    test_pose_errors_are_found_within_three_sigmas(seed)


def test_without_terminals_no_common_error_is_invented():
    """Radar against radar shows differences only; the survey keeps what both have in common."""
    shift = np.array([[0.0, 0.4, 0.0], [0.0, 0.4, 0.0]])
    tracker = run(shift, 3, n_reporting=0, seconds=80)
    for sensor in "AB":
        mean, _ = errors_of(tracker, sensor)
        assert tracker.registration_report()[sensor].state == "learning"
        assert abs(mean[1]) < 0.2


def test_without_traffic_the_survey_stays():
    tracker = Tracker(FusionConfig(), POLES, [], id_base=1 << 32)
    for k in range(1, 101):
        tracker.tick(T0_NS + k * 100_000_000)
    mean, sigma = errors_of(tracker, "A")
    assert (mean == 0.0).all()
    weights = np.exp(LOG_PRIOR) / np.exp(LOG_PRIOR).sum()
    np.testing.assert_allclose(sigma, PRIOR * math.sqrt((weights * SCALES**2).sum()))


def test_right_poses_are_left_alone():
    tracker = run(np.zeros((2, 3)), 11, mode="apply")
    report = tracker.registration_report()
    assert {found.state for found in report.values()} == {"fits"}
    assert all(found.applied == (0.0,) * 5 for found in report.values())


def test_wrong_poses_are_moved_to_the_truth_in_small_steps():
    errors = np.array([[0.0, 0.7, math.radians(0.4)], [0.0, -0.9, 0.0]])
    report = run(errors, 5, mode="apply", seconds=300).registration_report()
    for q, (sensor, at_m) in enumerate((("A", 130.0), ("B", -130.0))):  # across the road, mid-field
        e, n, turn, *_ = report[sensor].applied
        left = abs(n + turn * at_m - errors[q, 1] - errors[q, 2] * at_m)
        assert report[sensor].state == "corrected"
        assert left < 0.25 * abs(errors[q, 1] + errors[q, 2] * at_m)
        assert np.abs([e, n]).max() <= BOUND[0]


@pytest.mark.parametrize("mode", ["report", "apply"])
def test_a_restored_state_continues_exactly(mode):
    errors = np.array([[0.0, 0.8, math.radians(0.5)], [0.2, -0.7, 0.0]])
    whole = run(errors, 7, seconds=70, mode=mode)
    again = run(errors, 7, seconds=70, mode=mode, restore_at=613)
    assert msgspec.msgpack.encode(again.state()) == msgspec.msgpack.encode(whole.state())


def test_a_pose_far_beyond_the_survey_is_an_alarm():
    found = run(
        np.array([[0.0, 0.0, math.radians(1.6)]]), 9, radars=POLES[:1], seconds=300
    ).registration_report()
    assert found["A"].state == "beyond"
    assert found["A"].is_alarm


def unknown(tracker, q, at_m=100.0):
    """Return the sigma across the road of what radar q displaces so far down it, as the tracks get it."""
    radar = tracker.store.settings.radars[q]
    ahead_m = at_m * math.cos(radar[at.R_BORESIGHT])
    return math.sqrt(radar[at.R_C_NN] + 2.0 * ahead_m * radar[at.R_C_NT] + ahead_m**2 * radar[at.R_C_TT])


def test_a_radar_that_is_known_to_be_wrong_is_stated_as_such():
    """In `report` nobody moves its pose: its tracks must not claim what the survey claims."""
    errors = np.array([[0.0, 0.9, 0.0], [0.0, 0.0, 0.0]])
    tracker = run(errors, 5)
    assert tracker.registration_report()["A"].state == "wrong"
    _, n, turn, *_ = tracker.registration_report()["A"].estimate
    assert unknown(tracker, 0) > abs(n + turn * 100.0) > 0.5
    assert unknown(run(np.zeros((2, 3)), 11), 0) < 0.06, "radars that agree with each other and with fixes"


def test_radars_that_disagree_are_soon_stated_as_such_without_any_terminal():
    """Long before a truck has passed: what two radars see of the same vehicles."""
    right = run(np.zeros((2, 3)), 12, n_reporting=0, seconds=24)
    wrong = run(np.array([[0.0, 0.5, 0.0], [0.0, -0.5, 0.0]]), 12, n_reporting=0, seconds=24)
    before = unknown(run(np.zeros((2, 3)), 12, n_reporting=0, seconds=1), 0)
    assert unknown(right, 0) < 0.8 * before, (unknown(right, 0), before)
    assert unknown(wrong, 0) > 2.0 * before, (unknown(wrong, 0), before)
    mean = wrong.registration.estimate()[0]
    assert mean[0, 1] - mean[1, 1] + 130.0 * (mean[0, 2] + mean[1, 2]) == pytest.approx(1.0, abs=0.25)


def test_what_is_unknown_shrinks_as_trucks_pass():
    lone = POLES[:1]
    sigmas = [unknown(run(np.zeros((1, 3)), 13, radars=lone, seconds=s), 0) for s in (1, 40, 120)]
    assert sigmas[0] > 1.3 * sigmas[1] > 1.3 * sigmas[2], sigmas


def test_a_survey_that_the_site_states_is_no_scale():
    """With sigmas from the site nothing is learnt of how good surveys are; an exact pose stays."""
    stated = [pose("A", 0.0, -8.0, 0.0), pose("B", 260.0, 8.0, math.pi, sigma_place_m=0.3)]
    tracker = run(np.array([[0.0, 0.0, 0.0], [0.0, 0.4, 0.0]]), 14, radars=stated, seconds=60, mode="apply")
    mean, _ = tracker.registration.estimate()
    assert np.abs(mean[0, :3]).max() < 1e-4
    assert mean[1, 1] == pytest.approx(0.4, abs=0.15)
    assert unknown(tracker, 0) < 1e-3


def test_the_states_of_other_versions_start_fresh():
    tracker = run(np.zeros((2, 3)), 15, seconds=20)
    state = tracker.registration.state()
    older = msgspec.structs.replace(state, vector=columns_of(("east_m",), np.ones((2, 1))))
    fresh = Registration(POLES, "report")
    fresh.restore(older)
    np.testing.assert_array_equal(fresh.estimate()[1], Registration(POLES, "report").estimate()[1])


ROUND = {"fov_rad": 2.0 * math.pi, "reflects": "bodies", "reflection_s": 0.3}
POLE = pose("P", 0.0, -8.0, math.pi / 2.0, **ROUND, **UNKNOWN)


def lorries_past_a_pole(seed, n_lorries=20, length_m=14.0, share=0.42, *, flanks=True):
    """Lorries pass a right radar that sees their ends, and their flanks as often as rough faces show them.

    flanks : False: it sees the end alone, until they are abreast
    """
    rng = np.random.default_rng(seed)
    names = [f"t{k}" for k in range(n_lorries)]
    lorries = [Terminal(terminal=name, length_m=length_m, width_m=2.5) for name in names]
    tracker = Tracker(FusionConfig(self_calibration="report"), [POLE], lorries, id_base=1 << 32)
    for step in range(n_lorries * 320):
        k, t_s, now_ns = step // 320, (step % 320) * 0.05, T0_NS + step * 50_000_000
        way = 1.0 if k % 2 == 0 else -1.0
        x = way * (-160.0 + 20.0 * t_s)
        if step % 320 == 0:
            bias = FIX_SIGMA_M * rng.normal(size=2)
        if step % 6 == 0:
            chance, where = by_lambert.py_func(x / math.hypot(x, 8.0)), rng.uniform(-0.4, 0.4)
            is_flank = flanks and rng.uniform() < chance
        ahead = where * length_m if is_flank else -math.copysign(share * length_m, x) + 0.6 * rng.normal()
        beside = 1.1 if is_flank else 0.2 * rng.normal()
        point = np.array([[x + ahead, -beside, way * 20.0, 0.0]])
        tracker.step(now_ns, scan(POLE, now_ns, point, rng.normal(size=(1, 3))))
        if step % 20 == 0:
            east, north = np.array([x, 0.0]) + bias + 0.1 * rng.normal(size=2)
            tracker.step(now_ns, fix(
                names[k], now_ns, east, north, speed_mps=20.0, heading_rad=0.0 if way > 0.0 else math.pi,
                sigma_m=FIX_SIGMA_M, tau_s=1_000.0,
            ))  # fmt: skip
        if step % 2 == 0:
            tracker.tick(now_ns)
    return tracker


@pytest.mark.parametrize("seed", [1, 2])
def test_flanks_are_no_error_of_the_ranges(seed):
    """Askew some points of the flank pass for the end: by metres in the mean, where the beam turns."""
    mean, sigma = errors_of(lorries_past_a_pole(seed), "P")
    assert abs(mean[RANGE]) < 3.0 * sigma[RANGE]
    assert abs(mean[RANGE]) < 0.3


@pytest.mark.parametrize("seed", [1, 2])
def test_ends_that_stay_in_sight_until_abreast_are_no_error_of_the_ranges(seed):
    """Where vehicles were seen askew, an ellipse that they are not made right radars wrong by metres."""
    mean, sigma = errors_of(lorries_past_a_pole(seed, flanks=False), "P")
    assert abs(mean[RANGE]) < 3.0 * sigma[RANGE]
    assert abs(mean[RANGE]) < 0.3
