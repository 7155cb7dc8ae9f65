"""Which radar track is whose: bound when sure, to the right one, kept through gaps, let go when wrong."""

import math

import numpy as np
import pytest

from fusion.config import FusionConfig, Terminal
from fusion.tracker import Tracker
from tests.support.fusion_world import T0_NS, Vehicle, World, fix, pose, scan

HALVES = [pose("R", 0.0, -8.0, 0.0), pose("S", 590.0, 140.0, math.pi + 0.5)]
RADAR = [pose("R", 0.0, -8.0, 0.0, range_m_max=900.0, sigma_azimuth_rad=0.001)]


def run(world: World, seconds: float) -> None:
    for _ in range(round(seconds * 20)):
        world.step()


def near(world: World, terminal: str) -> float:
    found = world.error_of(terminal)
    assert found is not None
    return math.hypot(found[0][0], found[0][1])


def ids_of(world: World) -> dict[str, int]:
    tracks = world.tracker.at(world.now_ns)
    names = world.tracker.terminal_ids
    return {names[w]: int(k) for w, k in zip(tracks.terminal, tracks.track, strict=True) if w >= 0}


def test_a_lone_truck_is_bound_soon_under_its_older_id():
    world = World([Vehicle(10.0, 0.0, 20.0, "A")], RADAR, 1)
    run(world, 6.0)
    assert world.tracker.counts["identity.bound"] == 1
    tracks = world.tracker.at(world.now_ns)
    assert len(tracks) == 1
    assert world.merged == [((7 << 32) + 2, (7 << 32) + 1)]
    assert tracks.track[0] == (7 << 32) + 1  # radar's, since it saw the truck before its first fix
    assert tracks.identity_p[0] > 0.99
    assert (tracks.length_m[0], tracks.kind[0]) == (14.0, 4)
    assert tracks.radar_ns[0] == world.now_ns
    assert near(world, "A") < 1.2  # what radar sees may be an end of the body


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_truck_beside_a_car_is_bound_to_the_truck_or_not_yet(seed):
    world = World([Vehicle(0.0, 0.0, 20.0, "A"), Vehicle(1.0, 3.75, 22.0)], RADAR, seed)
    for _ in range(16):
        run(world, 1.0)
        tracks = world.tracker.at(world.now_ns)
        by_radar = (tracks.terminal == 0) & (tracks.radar_ns == world.now_ns)
        if by_radar.any():
            assert near(world, "A") < 1.5
    assert by_radar.any()


@pytest.mark.parametrize("seed", [4, 5])
def test_a_platoon_is_bound_each_to_its_own_and_never_swapped(seed):
    vehicles = [Vehicle(-25.0 * i, 0.0, 20.0, f"T{i}") for i in range(4)]
    world = World(vehicles, RADAR, seed)
    run(world, 8.0)
    known = ids_of(world)
    for _ in range(10):
        run(world, 1.0)
        assert ids_of(world) == known or not set(known) <= set(ids_of(world))
        for name in known:
            assert near(world, name) < 8.0  # GNSS at worst, never the next truck
    bound = world.tracker.counts["identity.bound"]
    assert bound >= 3
    assert "identity.rejected" not in world.tracker.counts


@pytest.mark.parametrize("off", [(0.0, 4.8), (0.0, -4.8), (5.0, 2.5)])
def test_a_truck_far_off_its_fixes_is_bound_once_radar_had_time_to_find_another(off):
    """Three times the stated error: at first a vehicle beside explains as much, but its own never shows."""
    world = World([Vehicle(0.0, 0.0, 16.0, "A")], RADAR, 12, bias_m=0.3)
    for _ in range(16):
        world.vehicles[0].bias_m = np.array(off)
        run(world, 1.0)
    assert world.tracker.counts["identity.bound"] == 1
    assert near(world, "A") < 1.2  # what radar sees may be an end of the body


def test_a_truck_that_radar_does_not_see_is_not_bound_to_the_car_in_the_next_lane():
    """The car passes slowly: for some seconds its place alone says little."""
    world = World([Vehicle(0.0, 0.0, 20.0, "A"), Vehicle(-9.0, 3.75, 21.5)], list(RADAR), 13, bias_m=0.5)
    world.radars.clear()
    for k in range(20 * 12):
        world.step()
        car, noise = world.truth[1:], world.rng.normal(size=(1, 3))
        world.tracker.step(world.now_ns, scan(RADAR[0], world.now_ns, car, noise))
        assert "identity.bound" not in world.tracker.counts, k / 20


def test_the_id_lives_on_through_a_gap_without_radar_and_its_error_is_told():
    world = World([Vehicle(0.0, 0.0, 25.0, "A")], list(HALVES), 6)
    run(world, 5.0)
    known = ids_of(world)
    world.radars[:] = []
    run(world, 4.0)
    tracks = world.tracker.at(world.now_ns)
    assert ids_of(world) == known
    error, covariance, _ = world.error_of("A")
    assert tracks.bias_m[0] > 0.25
    assert error[:2] @ np.linalg.solve(covariance[:2, :2], error[:2]) < 13.8
    world.radars[:] = HALVES
    run(world, 3.0)
    assert ids_of(world) == known
    tracks = world.tracker.at(world.now_ns)
    assert len(tracks) == 1
    assert tracks.radar_ns[0] > world.now_ns - 1_000_000_000
    assert near(world, "A") < 1.2  # what radar sees may be an end of the body


def test_a_lasting_error_of_three_metres_does_not_pull_a_bound_track_off_radar():
    world = World([Vehicle(0.0, 0.0, 20.0, "A")], RADAR, 7)
    run(world, 5.0)
    assert world.tracker.counts["identity.bound"] == 1
    for _ in range(10):
        world.vehicles[0].bias_m = world.vehicles[0].bias_m * 0.5 + np.array([0.0, 1.5])
        run(world, 1.0)
        assert near(world, "A") < 1.2  # what radar sees may be an end of the body
    assert world.tracker.counts["identity.bound"] == 1


def test_ten_fixes_that_are_wrong_alike_do_not_look_certain():
    tracker = Tracker(FusionConfig(), [], [Terminal(terminal="A")], id_base=0)
    for k in range(10):
        t = T0_NS + k * 1_000_000_000
        tracker.step(t, fix("A", t, 20.0 * k, 3.0, speed_mps=20.0, heading_rad=0.0))
    tracks = tracker.at(t)
    sigma_m = math.sqrt(tracks.P[0, 1, 1] + tracks.bias_m[0] ** 2)
    assert 1.2 < sigma_m < 1.6  # averaged as white noise it would claim 0.5
    assert tracks.tau_s[0] > 20.0


def test_the_antenna_s_place_on_the_vehicle_is_taken_off():
    terminal = Terminal(terminal="A", antenna_forward_m=5.0, antenna_left_m=-1.0)
    tracker = Tracker(FusionConfig(), [], [terminal], id_base=0)
    north = math.pi / 2
    for k in range(5):
        t = T0_NS + k * 1_000_000_000
        tracker.step(t, fix("A", t, 1.0, 5.0 + 20.0 * k, speed_mps=20.0, heading_rad=north))
    np.testing.assert_allclose(tracker.at(t).x[0], [0.0, 80.0, 0.0, 20.0], atol=0.05)


def test_a_receiver_that_jumps_for_good_is_followed_after_three_fixes():
    tracker = Tracker(FusionConfig(), [], [], id_base=0)
    for k in range(12):
        t = T0_NS + k * 1_000_000_000
        off = 0.0 if k < 6 else 300.0
        tracker.step(t, fix("A", t, 20.0 * k, off, speed_mps=20.0, heading_rad=0.0))
        flagged = tracker.at(t).integrity[0]
        assert flagged == (6 <= k < 9)
    assert tracker.counts["gnss.outlier"] == 3
    assert abs(tracker.at(t).x[0, 1] - 300.0) < 1.0
    assert tracker.at(t).track.tolist() == [1]


def test_a_terminal_whose_track_leaves_its_fixes_is_let_go():
    world = World([Vehicle(0.0, 0.0, 20.0, "A")], RADAR, 8)
    run(world, 5.0)
    bound = ids_of(world)["A"]
    for k in range(10):  # the receiver drifts away by 4 m/s, its vehicle does not
        world.vehicles[0].bias_m = np.array([0.0, 8.0 + 4.0 * k])
        run(world, 1.0)
    tracks = world.tracker.at(world.now_ns)
    assert world.tracker.counts["identity.rejected"] == 1
    alone = np.flatnonzero(tracks.terminal < 0)
    assert bound in tracks.track[alone].tolist()
    assert not tracks.kind[alone].any(), "what the registry says goes with the terminal"
    assert np.isnan(tracks.length_m[alone]).all()
    assert ids_of(world)["A"] != bound


def test_a_truck_that_backs_keeps_its_antenna_in_front():
    """It brakes and drives backwards: its fixes must not seem to jump by twice the antenna's place."""
    tracker = Tracker(
        FusionConfig(), RADAR, [Terminal(terminal="A", length_m=16.0, antenna_forward_m=6.0)], id_base=0
    )
    east, rng = 60.0, np.random.Generator(np.random.Philox(2))
    truck = Terminal(terminal="A", length_m=16.0, antenna_forward_m=6.0)
    tracker = Tracker(FusionConfig(), RADAR, [truck], id_base=0)
    east, rng = 60.0, np.random.Generator(np.random.Philox(1))
    for step in range(20 * 24):
        t_s, now = 0.05 * step, T0_NS + step * 50_000_000
        speed = min(12.0, max(-4.0, 12.0 - 2.0 * (t_s - 6.0)))
        east += 0.05 * speed
        noise = rng.normal(size=(1, 3)) * [1.5, 4.0, 1.5]
        tracker.step(now, scan(RADAR[0], now, np.array([[east, 0.0, speed, 0.0]]), noise))
        if step % 20 == 0:
            course = 0.0 if speed >= 0.0 else math.pi
            tracker.step(now, fix("A", now, east + 6.0, 0.3, speed_mps=abs(speed), heading_rad=course))
    assert tracker.counts["identity.bound"] == 1
    assert "identity.rejected" not in tracker.counts
    bound = tracker.at(now).terminal >= 0
    assert (now - tracker.at(now).radar_ns[bound] < 1_000_000_000).tolist() == [True], "radar never lost it"


def test_two_terminals_never_share_a_track():
    """Both report from one cab: the second must not take the first one's vehicle."""
    tracker, radar = Tracker(FusionConfig(), RADAR, [], id_base=0), RADAR[0]
    for step in range(240):
        t, now = 0.05 * step, T0_NS + step * 50_000_000
        tracker.step(now, scan(radar, now, np.array([[50.0 + 20.0 * t, 0.0, 20.0, 0.0]])))
        if step % 20 == 0:
            for name in ("A", "B"):
                tracker.step(now, fix(name, now, 50.0 + 20.0 * t, 0.3, speed_mps=20.0, heading_rad=0.0))
    tracks = tracker.at(now)
    owners = tracks.terminal[tracks.terminal >= 0].tolist()
    assert sorted(owners) == [0, 1]
