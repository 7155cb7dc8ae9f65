"""Sensor models against what the site states of them."""

import numpy as np
import pytest

from core.arrays import F64
from roadside.devices import radar_udp
from sim.scenario import load_scenario
from sim.sensors.gnss import Receivers, as_reported, terminal_delay_ns
from sim.sensors.radar import POINT_ACROSS_M, POINT_ALONG_M, Radars
from sim.settings import TERMINALS
from sim.traffic import SIM_TICK_NS
from sim.world import ScanSent, World
from tests.support.sim_world import quiet, world

BIAS_M, BIAS_TAU_S, WHITE_M = TERMINALS.sigma_m, TERMINALS.tau_s, TERMINALS.white_m
T0_NS = 1_800_000_000 * 10**9


def residuals(made: World, noise: float, ticks: int) -> dict[str, F64]:
    """Return detections minus the nearest true vehicle, and how far away that was."""
    radars = Radars(made.radars, made.traffic.fleet, 1, noise)
    rows, found = made.traffic.active_rows(), []
    for tick in range(ticks):
        made.traffic.tick = tick
        now_ns = T0_NS + tick * SIM_TICK_NS
        for scan in radars.observe(made.traffic, now_ns):
            pose = made.radars[scan.radar]
            where = made.traffic.poses(rows, (scan.payload.stamp_ns - now_ns) / 1e9)
            dx, dy = where.east_m - pose.east_m, where.north_m - pose.north_m
            reach = np.sqrt(dx**2 + dy**2 + (pose.height_m - 1.0) ** 2)
            off = np.arctan2(dy, dx) - pose.boresight_rad
            azimuth = np.arctan2(np.sin(off), np.cos(off))
            rate = (dx * np.cos(where.heading_rad) + dy * np.sin(where.heading_rad)) * where.speed_mps / reach
            seen = scan.payload.detections
            assert seen is not None
            for r, a, v in zip(seen.range_m, seen.azimuth_rad, seen.range_rate_mps, strict=True):
                k = int(np.argmin((reach - r) ** 2 + (reach * (azimuth - a)) ** 2))
                found.append((r - reach[k], a - azimuth[k], v - rate[k], reach[k]))
    return dict(zip(("range", "azimuth", "rate", "reach"), np.array(found).T, strict=True))


@pytest.mark.parametrize("noise", [1.0, 1.5])
def test_radar_errors_are_the_stated_ones_times_the_noise(noise: float) -> None:
    made = world(quiet(), seed=21)
    error = residuals(made, noise, 60)
    far = (error["reach"] > 150.0) & (np.abs(error["range"]) < 3.0) & (np.abs(error["azimuth"]) < 0.025)
    far &= np.abs(error["rate"]) < 1.5  # the rest is clutter
    assert far.sum() > 1_500
    pose = made.radars[0]
    across = POINT_ACROSS_M / 220.0
    assert np.std(error["range"][far]) == pytest.approx(
        np.hypot(noise * pose.sigma_range_m, POINT_ALONG_M), rel=0.06
    )
    assert np.std(error["azimuth"][far]) == pytest.approx(
        np.hypot(noise * pose.sigma_azimuth_rad, across), rel=0.06
    )
    assert np.std(error["rate"][far]) == pytest.approx(noise * pose.sigma_range_rate_mps, rel=0.06)
    assert abs(np.mean(error["azimuth"][far])) < 4 * pose.sigma_azimuth_rad * noise / np.sqrt(far.sum())


def test_radar_scans_come_at_20_hz_each_at_its_own_phase_and_survive_the_wire() -> None:
    made = world(quiet(), seed=22)
    for _ in range(20):
        made.step()
    scans = [due for due in made.pop_due(2**63) if isinstance(due.item, ScanSent)]
    stamps = [due.item.payload.stamp_ns for due in scans if due.item.radar == 3]  # type: ignore[union-attr]
    assert np.unique(np.diff(stamps)).tolist() == [SIM_TICK_NS]
    assert len({due.item.payload.stamp_ns for due in scans if due.item.payload.scan == 0}) == 8  # type: ignore[union-attr]
    for due in scans[:50]:
        assert isinstance(due.item, ScanSent)
        assert radar_udp.decode(radar_udp.encode(due.item.payload)) == due.item.payload
        assert 3_000_000 <= due.due_ns - due.item.payload.stamp_ns <= 8_000_000


@pytest.mark.parametrize("name", ["panjin", "board_hard", "board_bodies"])
def test_a_further_radar_changes_nothing_that_others_see(name: str) -> None:
    scenario = load_scenario(name)
    few, more = world(scenario, seed=23, esns=("RSU-23",)), world(scenario, seed=23, esns=("RSU-23",))
    more._radars = Radars(
        [*more.radars, *more.site.radar_poses("RSU-24")], more.traffic.fleet, 23, 1.0, scenario.radar
    )
    seen = []
    for made in (few, more):
        for _ in range(10):
            made.step()
        scans = [due.item for due in made.pop_due(2**63) if isinstance(due.item, ScanSent)]
        seen.append([scan.payload for scan in scans if scan.payload.sensor.startswith("R23-")])
    assert seen[0] == seen[1]
    assert len(seen[0]) == 20


def test_gnss_errors_stay_for_their_time() -> None:
    made = world(quiet(), seed=24)
    receivers = Receivers(made.traffic.fleet, made.road, 24, 1.0, ())
    rows = np.array(made.reporting())
    poses, errors = made.traffic.poses(rows), []
    forward, left = made.traffic.fleet.antenna_forward_m[rows], made.traffic.fleet.antenna_left_m[rows]
    cos, sin = np.cos(poses.heading_rad), np.sin(poses.heading_rad)
    antenna = np.array(
        [poses.east_m + forward * cos - left * sin, poses.north_m + forward * sin + left * cos]
    )
    for second in range(400):  # the truck stands still for the test's sake: all that moves is the error
        fixes = receivers.observe(second * 10**9, second, rows, poses)
        place = made.road.frame.site_from_lonlat([f.lon_deg for f in fixes], [f.lat_deg for f in fixes])
        errors.append(np.array(place) - antenna)
    error = np.array(errors).transpose(1, 2, 0)  # axis, receiver, second
    spread = np.sqrt(np.mean(error**2))
    assert spread == pytest.approx(
        np.hypot(np.sqrt(np.mean(np.linspace(*BIAS_M, 50) ** 2)), WHITE_M), rel=0.08
    )
    lag_s = 20
    kept = np.mean(error[:, :, lag_s:] * error[:, :, :-lag_s]) / (spread**2 - WHITE_M**2)
    low, high = (np.exp(-lag_s / tau) for tau in BIAS_TAU_S)
    assert low - 0.06 < kept < high + 0.06


def test_a_report_carries_what_the_protocol_can() -> None:
    made = world(quiet(), seed=25)
    rows = np.array(made.reporting())
    receivers = Receivers(made.traffic.fleet, made.road, 25, 1.0, ())
    fix = receivers.observe(1_767_225_601 * 10**9, 0, rows, made.traffic.poses(rows))[0]
    sent = as_reported(fix, fix.stamp_ns + 90_000_000, 7)
    assert sent.lon_deg == pytest.approx(fix.lon_deg, abs=5.1e-7)
    assert round(sent.lon_deg * 1e6) == pytest.approx(sent.lon_deg * 1e6, abs=1e-4)
    assert sent.stamp_ns == fix.stamp_ns
    assert sent.course_deg == int(sent.course_deg or 0)
    assert (sent.sigma_m, sent.tau_s, sent.source_seq, sent.quality) == (None, None, 7, "single")


def test_5g_delays_have_their_tail() -> None:
    delay_ms = np.concatenate([terminal_delay_ns(1, np.arange(500), s) for s in range(200)]) / 1e6
    receiver = np.tile([np.min(delay_ms[i::500]) for i in range(500)], 200)
    air = delay_ms - receiver
    assert 40.0 < delay_ms.min() < delay_ms.max() < 400.0
    assert np.median(air) < 12.0
    assert 25.0 < np.percentile(air, 99) < 45.0
