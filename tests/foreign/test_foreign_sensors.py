"""The foreign generator's receivers and radars against their own claims."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from tests.support.foreign.chance import random_of, wander
from tests.support.foreign.motion import motion_of
from tests.support.foreign.radars import Radar
from tests.support.foreign.receivers import all_reports, gnss_errors
from tests.support.foreign.road import Road
from tests.support.foreign.scenario import SCENARIOS, GnssPlan, RadarPlan
from tests.support.foreign.shadows import hidden


@pytest.fixture(scope="module")
def easy():
    return motion_of(Road(replace(SCENARIOS["easy"], duration_s=30.0)), 5)


@pytest.fixture(scope="module")
def hard():
    return motion_of(Road(replace(SCENARIOS["hard"], duration_s=30.0)), 5)


def test_gnss_errors_have_the_sigma_and_the_memory_that_they_say():
    plan = GnssPlan(sigma_m=1.5, tau_s=20.0)
    stamps = np.arange(0.0, 90.0, 0.5)
    errors = np.stack([gnss_errors(plan, random_of(7, f"r{k}"), stamps) for k in range(600)])
    assert errors.std() == pytest.approx(1.5, rel=0.05)
    lag = 40  # 20 s: the constant part, and 1/e of the slow one
    shared = (errors[:, :-lag] * errors[:, lag:]).mean() / 1.5**2
    want = plan.constant_share + (1 - plan.constant_share - plan.white_share) / np.e
    assert shared == pytest.approx(want, abs=0.05)


def test_wander_is_stationary_over_uneven_steps():
    steps = np.tile([0.1, 3.0], 50)
    out = wander(random_of(1, "w"), (101, 4000), steps, 2.0)
    np.testing.assert_allclose(out.std(axis=1), 1.0, atol=0.06)
    assert (out[1] * out[2]).mean() == pytest.approx(np.exp(-3.0 / 2.0), abs=0.05)


def test_late_reports_outliers_and_rates(hard):
    reports = list(all_reports(hard, 5))
    delay = np.concatenate([r.arrival_s - r.stamp_s for r in reports])
    error = np.concatenate([r.error_m for r in reports])
    plan = hard.road.scenario.gnss
    assert (delay >= plan.late_s[0]).mean() == pytest.approx(plan.late_share, abs=0.03)
    assert delay.max() <= plan.late_s[1]
    assert (np.abs(error) > 4.5 * plan.sigma_m).any(axis=1).mean() == pytest.approx(0.007, abs=0.006)
    for made in reports:
        period = np.diff(made.stamp_s)
        assert {round(float(p), 6) for p in period} <= {1.0, 0.5}


def test_reports_are_where_the_antenna_is(easy):
    """Mean over all of the antenna's place against the registered lever arm, in the vehicle's frame."""
    off = []
    for made in all_reports(easy, 5):
        moment = easy.at(np.full(len(made.stamp_s), made.row), made.stamp_s)
        e, n = made.east_m - moment.east_m, made.north_m - moment.north_m
        cos, sin = np.cos(moment.heading_rad), np.sin(moment.heading_rad)
        arm = easy.fleet.antenna_m[made.row]
        off.append(np.mean([e * cos + n * sin - arm[0], -e * sin + n * cos - arm[1]], axis=1))
    assert np.abs(np.mean(off, axis=0)).max() < 4 * 0.4 / np.sqrt(len(off))


def test_dark_has_ghosts_dragged_and_silent_ones():
    motion = motion_of(Road(SCENARIOS["dark"]), 5)
    reports = list(all_reports(motion, 5))
    ghosts = [r for r in reports if r.row < 0]
    assert len(ghosts) == 4
    dragged = [r for r in reports if np.isfinite(r.drag_from_s) and r.stamp_s[-1] > r.drag_from_s + 20.0]
    assert dragged
    for made in dragged:
        assert np.hypot(*made.error_m[-1]) > 0.35 * 20.0 - 3.0
    assert motion.fleet.silent.sum() >= 4
    assert not (motion.fleet.silent & motion.fleet.reports).any()


@pytest.mark.parametrize("name", ["easy", "hard"])
def test_radars_detect_miss_and_err_as_they_say(name, easy, hard):
    motion = {"easy": easy, "hard": hard}[name]
    plan = motion.road.scenario.radar
    radar = Radar(motion, motion.road.poles[2], 5)
    free, lost, errors, n_clutter, n_scans = [], [], [], 0, 0
    for scan in radar.scans():
        seen = radar.see(scan.stamp_s, motion.active(scan.stamp_s))
        at = {int(row): k for k, row in enumerate(scan.row) if row >= 0}
        hit = np.isin(seen.row, list(at))
        free += hit[~seen.hidden].tolist()
        lost += hit[seen.hidden].tolist()
        k = np.array([at[int(row)] for row in seen.row[hit]], dtype=np.int64)
        pairs = zip(
            (scan.range_m[k], scan.azimuth_rad[k], scan.range_rate_mps[k]),
            (seen.range_m[hit], seen.azimuth_rad[hit], seen.range_rate_mps[hit]),
            strict=True,
        )
        errors.append(np.stack([measured - true for measured, true in pairs]))
        n_clutter += int((scan.row < 0).sum())
        n_scans += 1
    assert n_scans == pytest.approx(30 * plan.rate_hz, abs=1)
    assert np.mean(free) == pytest.approx(plan.detection_p, abs=0.01)
    assert np.mean(lost) == pytest.approx(plan.detection_p * plan.hidden_p, abs=0.03)
    sigma = np.concatenate(errors, axis=1).std(axis=1)
    stated = [plan.sigma_range_m, np.radians(plan.sigma_azimuth_deg), plan.sigma_rate_mps]
    np.testing.assert_allclose(sigma, stated, rtol=0.08)
    area = np.radians(plan.fov_deg) / 2 * plan.range_m**2
    assert n_clutter / n_scans / area == pytest.approx(plan.clutter_per_m2, rel=0.15)


@pytest.mark.parametrize("name", ["easy", "sharp-bend", "easy-bodies", "sharp-bend-bodies"])
def test_range_rate_is_the_derivative_of_range(name):
    """In bends too, and for a point of a turning body: its spot stays while nobody steps the radar."""
    motion = motion_of(Road(SCENARIOS[name]), 2)
    for pole in motion.road.poles:
        radar = Radar(motion, pole, 2)
        for t in (15.0, 45.0):
            rows = motion.active(t)
            before, now, after = (radar.see(t + h, rows) for h in (-0.002, 0.0, 0.002))
            if not np.array_equal(before.row, now.row) or not np.array_equal(after.row, now.row):
                continue  # somebody just entered the field
            slope = (after.range_m - before.range_m) / 0.004
            # abeam the near end changes: the reflection slides along the body
            straight = np.abs(slope) > 8.0
            np.testing.assert_allclose(slope[straight], now.range_rate_mps[straight], atol=0.03)


def test_bodies_reflect_near_their_near_end():
    motion = motion_of(Road(SCENARIOS["easy-bodies"]), 2)
    plan, share = motion.road.scenario.radar, []
    for pole in motion.road.poles:
        radar = Radar(motion, pole, 2)
        for t in (10.0, 30.0, 50.0, 70.0):
            seen = radar.see(t, motion.active(t))
            moment = motion.at(seen.row, t)
            flat = np.hypot(moment.east_m - radar.east_m, moment.north_m - radar.north_m)
            nearer = np.hypot(flat, plan.height_m - 1.0) - seen.range_m
            far = motion.fleet.is_truck[seen.row] & (flat > 120.0)
            share += (nearer / motion.fleet.length_m[seen.row])[far].tolist()
    assert len(share) > 100
    assert np.mean(share) == pytest.approx(0.5 - 0.1 * np.sqrt(2 / np.pi), abs=0.03)
    assert np.std(share) == pytest.approx(0.1 * np.sqrt(1 - 2 / np.pi), abs=0.02)
    assert max(share) < 0.51


def test_glint_stays_longer_where_the_aspect_turns_slowly():
    plan = replace(SCENARIOS["easy-glint"], radar=RadarPlan(sigma_azimuth_deg=1e-6, sigma_range_m=1e-6))
    motion = motion_of(Road(plan), 2)
    radar = Radar(motion, motion.road.poles[0], 2)
    last: dict[int, float] = {}
    found: list[tuple[float, float, float]] = []  # away; offset across, now and before
    for scan in itertools.islice(radar.scans(), 60):
        row = scan.row[scan.row >= 0]
        moment, of = motion.at(row, scan.stamp_s), scan.row >= 0
        bearing, flat = scan.azimuth_rad[of] + radar.boresight_rad, np.sqrt(scan.range_m[of] ** 2 - 5.5**2)
        east = radar.east_m + flat * np.cos(bearing) - moment.east_m
        north = radar.north_m + flat * np.sin(bearing) - moment.north_m
        across = north * np.cos(moment.heading_rad) - east * np.sin(moment.heading_rad)
        left = across / motion.fleet.width_m[row]
        found += [(d, x, last[k]) for k, d, x in zip(row.tolist(), flat, left, strict=True) if k in last]
        last = dict(zip(row.tolist(), left.tolist(), strict=True))
    away, now, before = np.array(found).T
    assert np.std(now) == pytest.approx(0.2 * 0.96, abs=0.02)  # cut off at two sigmas
    alike = [np.corrcoef(now[k], before[k])[0, 1] for k in (away > 180.0, away < 80.0)]
    assert alike[0] > 0.35
    assert alike[0] - 0.1 > alike[1]


@pytest.mark.parametrize(
    ("target", "antenna_m", "want"),
    [
        ((40.0, 0.0), 4.5, True),  # close behind a truck's back
        ((40.0, 0.0), 30.0, False),  # seen over it from a high pole
        ((40.0, 12.0), 4.5, False),  # beside it
        ((15.0, 0.0), 4.5, False),  # before it
        ((150.0, 0.0), 4.5, False),  # far behind: the line of sight passes over it
    ],
)
def test_who_is_hidden(target, antenna_m, want):
    """A truck from 22 to 38 m ahead, 2.5 m wide, and a car."""
    targets = np.array([[30.0, 0.0], target])
    truck = [[38.0, 1.25], [38.0, -1.25], [22.0, 1.25], [22.0, -1.25]]
    corners = np.array([truck, [list(target)] * 4])
    found = hidden(targets, corners, np.array([True, False]), antenna_m)
    assert found.tolist() == [False, want]


def test_wrong_poses_are_wrong_by_what_they_say():
    road = Road(replace(SCENARIOS["wrong-poses"], duration_s=1.0))
    motion = motion_of(road, 1)
    radars = [(Radar(motion, pole, seed), pole) for seed in range(40) for pole in road.poles]
    off_m = [(radar.east_m - pole.east_m, radar.north_m - pole.north_m) for radar, pole in radars]
    off_rad = [radar.boresight_rad - pole.boresight_rad for radar, pole in radars]
    assert np.std(off_m) == pytest.approx(0.4, rel=0.1)
    assert np.degrees(np.std(off_rad)) == pytest.approx(0.25, rel=0.15)


def test_no_radar_sees_the_blind_stretch():
    road = Road(SCENARIOS["handover"])
    motion = motion_of(road, 1)
    assert road.plan.blind_m is not None
    for pole in road.poles:
        radar = Radar(motion, pole, 1)
        for t in (10.0, 40.0, 70.0):
            seen = radar.see(t, motion.active(t))
            moment = motion.at(seen.row, t)
            main = np.array([road.lanes[i].road in ("main", "back") for i in moment.lane.tolist()])
            inside = (moment.s_m > road.plan.blind_m[0] + 15.0) & (moment.s_m < road.plan.blind_m[1] - 15.0)
            assert not (main & inside).any()
