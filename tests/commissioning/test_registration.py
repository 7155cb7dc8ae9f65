"""The errors of a radar are found again from vehicles that drive by; what can't be known keeps its prior."""

import math
from dataclasses import replace

import numpy as np
import pytest

from fusion.config import RadarPose
from petroroad.commissioning.checks import ACCEPTED, REJECTED, UNDECIDED, commissioned
from petroroad.commissioning.fit import KNOTS, Prior, _scale2, fitted, unknown
from petroroad.commissioning.pairs import paired, predicted, thinned
from petroroad.commissioning.passes import Detections, Passes, Places
from petroroad.commissioning.registration import PRIOR, Registration, registered

POSE = RadarPose(
    sensor="R1", east_m=0.0, north_m=-8.0, height_m=6.0, boresight_rad=0.05, range_m_max=250.0,
    fov_rad=math.radians(100.0), sigma_range_m=0.25, sigma_azimuth_rad=math.radians(0.2),
    sigma_range_rate_mps=0.1, accepted=False,
)  # fmt: skip
ERRORS = (0.3, -0.4, math.radians(0.25), 0.02, 0.1, 0.3)
GNSS_SIGMA_M = 0.4


def drive_by(seed, errors=ERRORS, n=40, p_detect=0.9):
    """Return the passes of n vehicles, every other one oncoming, as a radar with `errors` sees them."""
    rng = np.random.default_rng(seed)
    stamp_s = np.arange(0.0, 90.0, 0.05)
    places, lengths, seen = {}, {}, [[] for _ in stamp_s]
    for v in range(n):
        length, ahead = rng.uniform(6.0, 17.0), 1 if v % 2 == 0 else -1
        begin_s, speed = rng.uniform(-5.0, 80.0), rng.uniform(12.0, 20.0)
        along = speed * (stamp_s - begin_s)
        east = -50.0 + along if ahead == 1 else 300.0 - along
        k = np.flatnonzero((east > 5.0) & (east < 250.0) & (stamp_s > begin_s))
        if len(k) < 20:
            continue
        wave = east[k] / 40.0
        north = (0.0 if ahead == 1 else 7.5) + 0.3 * np.sin(wave)
        v_east, v_north = np.full(len(k), ahead * speed), ahead * speed * 0.3 / 40.0 * np.cos(wave)
        true = Places(k, east[k], north, v_east, v_north)
        polar = np.stack(predicted(true, np.full(len(k), length), POSE, np.array(errors)), axis=1)
        noise = rng.normal(size=polar.shape) * (0.25, math.radians(0.2), 0.1)
        for scan, row in zip(k.tolist(), polar + noise, strict=True):
            if rng.random() < p_detect:
                seen[scan].append(row)
        off = GNSS_SIGMA_M * rng.normal(size=2)
        places[f"T{v}"] = true._replace(east_m=true.east_m + off[0], north_m=true.north_m + off[1])
        lengths[f"T{v}"] = length
    counts = [len(rows) for rows in seen]
    flat = np.array([row for rows in seen for row in rows]).reshape(-1, 3)
    return Passes(
        detections=Detections(
            np.repeat(np.arange(len(seen)), counts), flat[:, 0], flat[:, 1], flat[:, 2], stamp_s,
            stamp_s + 0.04, np.arange(len(seen)), np.concatenate([[0], np.cumsum(counts)]),
        ),
        places=places,
        sigma_m=dict.fromkeys(places, GNSS_SIGMA_M),
        length_m=lengths,
    )  # fmt: skip


def test_the_errors_are_found_and_sigma_is_honest():
    off = []
    for seed in range(8):
        found = registered(drive_by(seed), POSE)
        off.append((found.value - ERRORS) / found.sigma)
        assert (found.sigma < PRIOR).all()
    rms = np.sqrt(np.mean(np.square(off), axis=0))
    assert (rms < 1.8).all(), rms
    assert np.abs(off).max() < 4.0


@pytest.mark.parametrize("seed", range(3, 6))
def test_sigma_is_that_of_the_end_of_a_fit_not_of_its_beginning(seed):
    """At its first steps all residuals of a vehicle are alike, since its own error is not known yet."""
    passes, start = drive_by(seed), np.array(ERRORS)
    pairs = thinned(paired(passes, POSE, start, 5.0), passes.detections)
    prior = Prior(np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.3]), np.asarray(PRIOR))
    first = fitted(passes, pairs, POSE, start, prior, unknown(len(passes.places)))
    again = fitted(passes, pairs, POSE, first.value, prior, first.errors)
    ratio = np.sqrt(np.diag(first.covariance) / np.diag(again.covariance))
    assert (ratio < 1.3).all(), ratio


@pytest.mark.parametrize("errors", [
    (1.4, -1.4, 0.0, 0.0, 0.0, 0.3),  # the antenna stands two metres beside its survey
    (0.0, 0.0, math.radians(2.0), 0.0, 0.0, 0.3),  # at 200 m the next lane but one
    (0.0, 0.0, math.radians(-3.5), 0.0, 0.0, 0.3),
    (0.0, 0.0, 0.0, 0.08, 0.0, 0.3),
    (0.0, 0.0, 0.0, 0.0, 1.0, 0.3),  # three sigmas of the prior
    (-1.0, 1.0, math.radians(-1.5), -0.05, 0.5, 0.4),
])  # fmt: skip
def test_a_survey_that_is_far_off_is_put_right(errors):
    found = registered(drive_by(11, errors=errors), POSE)
    for of, limit in (
        ((0.0, 1.0, 30.0, 0.0, 0.0, 0.0), 0.5), ((0.0, 1.0, 150.0, 0.0, 0.0, 0.0), 0.5),
        ((-1.0, 0.0, 0.0, 0.0, 1.0, 0.0), 1.5), ((0.0, 0.0, 0.0, 1.0, 0.0, 0.0), 0.05),
    ):  # fmt: skip
        off, sigma = np.array(of) @ (found.value - errors), math.sqrt(of @ found.covariance @ of)
        assert abs(off) < min(4.0 * sigma, limit), (of, off, sigma)


@pytest.mark.parametrize(("forward_m", "range_m", "off_m"), [
    (0.8, 0.8, 0.0),  # ranges are measured as much too long as the antenna is nearer: places are right
    (-0.8, 0.8, 1.6),
])  # fmt: skip
def test_along_the_beam_the_displacement_counts(forward_m, range_m, off_m):
    passes = drive_by(12, errors=(forward_m, 0.0, 0.0, 0.0, range_m, 0.3))
    (check,) = [check for check in commissioned(passes, POSE).checks if check.name == "survey: along"]
    off, sigma = (float(word) for word in check.text.split(" m")[0].removeprefix("off by ").split(" ± "))
    assert abs(off - off_m) < 3.0 * sigma
    assert abs(off - off_m) < 1.0


def test_what_one_way_traffic_of_one_length_does_not_show_is_named():
    passes = drive_by(13, errors=(0.0,) * 5 + (0.3,), n=12)
    away = {t: places for t, places in passes.places.items() if places.v_east_mps[0] > 0.0}
    alike = replace(passes, places=away, length_m=dict.fromkeys(away, 12.0))
    (check,) = [check for check in commissioned(alike, POSE).checks if check.name == "survey: along"]
    assert check.verdict == UNDECIDED
    assert "not observable" in check.text
    assert "all vehicles recede, lengths are alike" in check.text


@pytest.mark.parametrize(("factor", "shown", "want"), [
    (2.0, 1.0, 4.0),  # receivers that claim half their errors
    (0.5, 1.0, 1.0),  # claims that are too large cost little
    (2.0, 0.0, 1.0),  # no detection shows any: as stated
])  # fmt: skip
def test_the_scale_of_the_claims_is_found(factor, shown, want):
    rng, lag = np.random.default_rng(1), np.abs(np.subtract.outer(np.arange(KNOTS), np.arange(KNOTS)))
    cov = np.kron(0.5**2 * np.exp(-lag / 6.0), np.eye(2))
    off = shown * factor * rng.multivariate_normal(np.zeros(2 * KNOTS), cov, size=400)
    errors = unknown(400)._replace(off_m=off.reshape(400, KNOTS, 2))
    stated = np.tile(np.linalg.inv(cov), (400, 1, 1))
    assert _scale2(stated, errors, (1.0 - shown) * np.tile(cov, (400, 1, 1))) == pytest.approx(want, rel=0.1)


def test_without_vehicles_everything_stays_at_its_prior():
    found = registered(drive_by(1, n=0), POSE)
    assert isinstance(found, Registration)
    assert found.n_vehicles == 0
    np.testing.assert_array_equal(found.sigma, PRIOR)


def test_one_vehicle_teaches_less_than_forty():
    few, many = registered(drive_by(2, n=2), POSE), registered(drive_by(2), POSE)
    assert (few.sigma[:2] > 2.0 * many.sigma[:2]).all(), (few.sigma, many.sigma)


def verdicts(found):
    return {check.name: check.verdict for check in found.checks}


def test_a_good_radar_is_accepted_and_a_wrong_survey_rejected():
    good = commissioned(drive_by(3, errors=(0.0, 0.05, 0.0, 0.0, 0.0, 0.3)), POSE)
    assert good.verdict == ACCEPTED, good.checks
    bad = commissioned(drive_by(3, errors=(0.0, 0.0, math.radians(1.5), 0.0, 0.0, 0.3)), POSE)
    assert verdicts(bad)["survey: across, far"] == REJECTED
    late = commissioned(drive_by(3, errors=(0.0, 0.0, 0.0, 0.12, 0.0, 0.3)), POSE)
    assert verdicts(late)["survey: time"] == REJECTED


def test_too_little_traffic_is_undecided():
    found = commissioned(drive_by(4, errors=(0.0,) * 6, n=6), POSE)
    assert found.verdict == UNDECIDED
    assert verdicts(found)["traffic"] == UNDECIDED


@pytest.mark.parametrize(
    ("turn", "mirrored", "name"), [(math.pi, False, "turned round"), (0.0, True, "mirrored")]
)
def test_a_radar_mounted_the_other_way_is_named(turn, mirrored, name):
    passes = drive_by(5, errors=(0.0,) * 5 + (0.3,))
    azimuth = passes.detections.azimuth_rad
    azimuth = -azimuth if mirrored else np.arctan2(np.sin(azimuth - turn), np.cos(azimuth - turn))
    turned = replace(passes, detections=passes.detections._replace(azimuth_rad=azimuth))
    (check,) = [check for check in commissioned(turned, POSE).checks if check.name == "mounting"]
    assert check.verdict == REJECTED
    assert name in check.text


def test_range_rates_with_the_wrong_sign_are_named():
    passes = drive_by(6, errors=(0.0,) * 5 + (0.3,))
    wrong = replace(passes, detections=passes.detections._replace(rate_mps=-passes.detections.rate_mps))
    assert verdicts(commissioned(wrong, POSE))["range rate"] == REJECTED


def test_a_radar_that_sees_little_and_pauses_is_named():
    passes = drive_by(7, p_detect=0.1)
    gaps = passes.detections.stamp_s + np.floor(np.arange(len(passes.detections.stamp_s)) / 20.0)
    late = passes.detections._replace(stamp_s=gaps, arrived_s=gaps + 0.04)
    found = commissioned(replace(passes, detections=late), POSE)
    assert verdicts(found)["timing"] == REJECTED
    assert verdicts(found)["detection"] == REJECTED
