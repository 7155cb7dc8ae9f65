"""Bodies as radar targets, and radars that are not as stated, against the statistics of their settings."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from core.arrays import F64
from core.classes import HAZMAT, TRUCK
from fusion.config import RadarPose
from sim.sensors.radar import Radars
from sim.sensors.reflection import Bodies, behind_bodies, body_points
from sim.settings import RadarSettings
from sim.traffic import SIM_TICK_NS
from sim.world import World
from tests.support.sim_world import quiet, world

LENGTH_M, WIDTH_M = 16.0, 2.5
SCANS = 3_000


def reflections(forward_m: float, left_m: float, **settings: float) -> tuple[F64, F64]:
    """Return points along and across of one truck over many scans; the radar is so far from it."""
    made, keys = RadarSettings(reflection="body", **settings), np.arange(20)[None, :]  # type: ignore[arg-type]
    sight = np.full((1, 20), forward_m), np.full((1, 20), left_m)
    size = np.full(20, LENGTH_M), np.full(20, WIDTH_M)
    found = [body_points(made, 3, keys, scan, sight, size) for scan in range(SCANS)]
    along, across = np.array(found).transpose(1, 0, 2, 3)
    return along[:, 0], across[:, 0]


@pytest.mark.parametrize("way", [1.0, -1.0])  # the radar ahead of the truck, and behind it
def test_the_end_that_faces_the_radar_reflects_half_normally(way: float) -> None:
    along, across = reflections(way * 200.0, 0.0)
    depth = LENGTH_M / 2 - way * along
    sigma = 0.1 * LENGTH_M
    assert depth.min() >= 0.0  # never before the bumper
    # half-normal: mean sqrt(2/pi) sigma, 68 % within one sigma, skewed by 0.995
    assert depth.mean() == pytest.approx(np.sqrt(2 / np.pi) * sigma, rel=0.03)
    assert np.mean(depth < sigma) == pytest.approx(0.683, abs=0.02)
    assert stats.skew(depth.ravel()) == pytest.approx(0.995, abs=0.08)
    assert across.std() == pytest.approx(0.2 * WIDTH_M, rel=0.05)
    assert np.abs(across).max() <= WIDTH_M / 2


def test_the_side_reflects_where_the_radar_looks_across() -> None:
    along, across = reflections(0.0, -30.0)
    assert across.max() <= -WIDTH_M / 2 + WIDTH_M * 0.1 * 6  # the right side
    assert along.std() == pytest.approx(0.2 * LENGTH_M, rel=0.05)
    assert along.mean() == pytest.approx(0.0, abs=0.2)


@pytest.mark.parametrize(("degrees", "share"), [
    (3.0, 0.017),  # 200 m ahead: nearly always the end
    (15.0, 0.315),
    (45.0, 0.865),  # 16 m against 2.5 m
])  # fmt: skip
def test_the_face_depends_on_the_aspect(degrees: float, share: float) -> None:
    angle = np.radians(degrees)
    _, across = reflections(100.0 * np.cos(angle), 100.0 * np.sin(angle), depth_share=0.0, wander_share=0.1)
    assert np.mean(across == WIDTH_M / 2) == pytest.approx(share, abs=0.03)


def test_half_of_the_wandering_is_slow() -> None:
    _, across = reflections(200.0, 0.0, wander_share=0.1, wander_s=0.5)
    scatter = across.var()
    assert np.mean(across[1:] * across[:-1]) / scatter == pytest.approx(0.5, abs=0.03)
    assert np.mean(across[20:] * across[:-20]) / scatter == pytest.approx(0.0, abs=0.03)


@pytest.mark.parametrize(("east_m", "north_m", "tall", "hidden"), [
    (40.0, 0.0, True, True),    # straight before it
    (40.0, 0.0, False, False),  # a car hides nothing
    (40.0, 2.0, True, False),   # its edge passes 0.75 m beside the line at half the range
    (40.0, 1.0, True, True),    # its edge still crosses the line
    (120.0, 0.0, True, False),  # behind it
])  # fmt: skip
def test_a_tall_body_hides_what_is_behind_it(east_m: float, north_m: float, tall: bool, hidden: bool) -> None:
    bodies = Bodies(
        east_m=np.array([80.0, east_m]), north_m=np.array([0.0, north_m]), heading_rad=np.zeros(2),
        length_m=np.array([4.5, 16.0]), width_m=np.array([1.8, 2.5]), tall=np.array([False, tall]),
    )  # fmt: skip
    assert behind_bodies(np.array([78.0, east_m]), np.array([0.0, north_m]), bodies)[0] == hidden


def scans_of(made: World, ticks: int, noise: float = 1.0, **settings: Any) -> list[tuple[RadarPose, F64]]:
    """Return (the surveyed pose, range and azimuth) of each scan of standing traffic."""
    radars = Radars(made.radars, made.traffic.fleet, 1, noise, RadarSettings(**settings))
    found = []
    for tick in range(ticks):
        made.traffic.tick = tick
        for scan in radars.observe(made.traffic, tick * SIM_TICK_NS):
            seen = scan.payload.detections
            assert seen is not None
            found.append((made.radars[scan.radar], np.array([seen.range_m, seen.azimuth_rad])))
    return found


def test_clutter_has_the_stated_density() -> None:
    made = world(quiet(), seed=31, vehicles=2)
    counts: dict[str, list[int]] = {}
    for pose, seen in scans_of(
        made, 200, clutter_per_m2=(1e-4, 1e-4), detection_near=(0.0, 0.0), detection_far=(0.0, 0.0)
    ):
        counts.setdefault(pose.sensor, []).append(seen.shape[1])
    pose = made.radars[0]
    due = 1e-4 * pose.fov_rad / 2 * pose.range_m_max**2
    for n in counts.values():
        assert np.mean(n) == pytest.approx(due, rel=0.08)
        assert np.var(n) == pytest.approx(0.9 * due, rel=0.35)  # a tenth short of a Poisson number's


def test_each_radar_has_its_own_clutter_and_detection() -> None:
    made = world(quiet(), seed=32)
    nothing = (0.0, 0.0)
    alone = scans_of(made, 40, clutter_per_m2=(1e-5, 5e-4), detection_near=nothing, detection_far=nothing)
    per_radar = {p.sensor: np.mean([s.shape[1] for q, s in alone if q is p]) for p in made.radars}
    assert max(per_radar.values()) > 3 * min(per_radar.values())
    full, half = (
        sum(
            s.shape[1]
            for _, s in scans_of(
                made, 40, clutter_per_m2=nothing, detection_near=(p, p), detection_far=(p, p)
            )
        )
        for p in (1.0, 0.5)
    )
    assert half / full == pytest.approx(0.5, abs=0.03)


def test_radars_stand_and_look_beside_their_survey() -> None:
    made = world(quiet(), seed=33)
    plain = Radars(made.radars, made.traffic.fleet, 1, 1.0)
    moved = Radars(
        made.radars, made.traffic.fleet, 1, 1.0, RadarSettings(pose_offset_m=0.5, pose_rotation_deg=0.4)
    )
    for name, sigma in (("east_m", 0.5), ("north_m", 0.5), ("boresight_rad", np.radians(0.4))):
        off = moved._column[name] - plain._column[name]
        assert 0.4 * sigma < np.sqrt(np.mean(off**2)) < 1.8 * sigma  # eight radars: chi-square's 1 in 1 000
    assert moved.poses == plain.poses  # what the site's file says stays
    ranges = [
        np.sort(
            np.concatenate(
                [
                    s[0]
                    for p, s in scans_of(made, 1, noise=0.0, clutter_per_m2=(0.0, 0.0), **more)
                    if p is made.radars[0]
                ]
            )
        )
        for more in ({}, {"range_offset_m": 0.8})
    ]
    off = ranges[1] - ranges[0]
    assert np.ptp(off) < 1e-4
    assert 0.01 < abs(off[0]) < 3.2


def test_a_trailer_reflects_behind_its_truck_alone() -> None:
    made = world(quiet(), seed=35)
    rows = made.traffic.active_rows()
    settings = {"reflection": "body", "depth_share": 0.0, "wander_share": 0.0}
    plain, towing = (
        Radars(made.radars, made.traffic.fleet, 1, 0.0, RadarSettings(**settings, **more))
        for more in ({}, {"trailer_share": 1.0, "trailer_m": 7.0})
    )
    keys = np.zeros((len(made.radars), len(rows)), dtype=np.int64)
    before, after = (radars._sight(made.traffic, rows, keys, 0) for radars in (plain, towing))
    moved = np.hypot(after.east_m - before.east_m, after.north_m - before.north_m)
    pose = before.pose
    ahead = before.east_m * np.cos(pose.heading_rad) + before.north_m * np.sin(pose.heading_rad) < 0.0
    reach = np.hypot(before.east_m, before.north_m)
    aside = before.north_m * np.cos(pose.heading_rad) - before.east_m * np.sin(pose.heading_rad)
    far = np.abs(aside) < 0.05 * reach  # the end reflects, not the side
    trucks = np.isin(made.traffic.fleet.kind[rows], (TRUCK, HAZMAT))[None, :] & far
    assert moved[trucks & ahead].max() < 1e-9  # the radar ahead of them sees the cab
    assert moved[trucks & ~ahead] == pytest.approx(7.0)
    assert moved[~trucks & far].max() < 1e-9


def test_a_shadow_leaves_the_stated_share() -> None:
    made = world(quiet(), seed=34, vehicles=300)
    seen = {
        share: sum(s.shape[1] for _, s in scans_of(
            made, 30, shadow="body", hidden_detection=share, clutter_per_m2=(0.0, 0.0)))
        for share in (0.0, 0.5, 1.0)
    }  # fmt: skip
    assert seen[0.0] < 0.97 * seen[1.0]  # some are hidden
    assert (seen[0.5] - seen[0.0]) / (seen[1.0] - seen[0.0]) == pytest.approx(0.5, abs=0.06)
