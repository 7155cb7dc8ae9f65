"""Traffic and script: nobody overlaps, lane wander is as said, and the scenario keeps what it promises."""

import itertools

import numpy as np
import pytest

from core.times import NS
from sim.cover import cover_of
from sim.manoeuvre import Manoeuvre, crossing_s, sideways_s, smooth
from sim.scenario import load_scenario
from sim.script import Script
from sim.traffic import DT_S, SIM_TICK_NS, Traffic
from sim.truth import TrueViolation, TruthKeeper
from sim.world import World, boundaries_m
from tests.support.sim_world import quiet, world


def clearances_m(traffic: Traffic) -> float:
    """Return the smallest gap between any two vehicles of a carriageway, along or sideways."""
    state, fleet, least = traffic.state, traffic.fleet, np.inf
    for way in (1, -1):
        rows = traffic.active_rows()
        rows = rows[state.way[rows] == way]
        along, left = state.along_m[rows], traffic.left_m(rows)
        length = (fleet.length_m[rows][:, None] + fleet.length_m[rows][None, :]) / 2
        width = (fleet.width_m[rows][:, None] + fleet.width_m[rows][None, :]) / 2
        gap = np.maximum(np.abs(along[:, None] - along) - length, np.abs(left[:, None] - left) - width)
        least = min(least, gap[~np.eye(len(rows), dtype=np.bool_)].min())
    return float(least)


def play(
    made: World, seconds: int, look_every: int = 10
) -> tuple[list[TrueViolation], Script, float, list[float]]:
    """Run without sensors; returns violations, script, smallest gap, starts of who crossed a boundary."""
    traffic, script = made.traffic, made._script
    truth = TruthKeeper(traffic, made.site.config.rules)
    found: list[TrueViolation] = []
    least, crossing = np.inf, []
    for tick in range(seconds * 20):
        if tick % look_every == 0:
            least = min(least, clearances_m(traffic))
        found += truth.follow(tick * SIM_TICK_NS)
        before = traffic.state.way * traffic.state.along_m
        traffic.step()
        script.begin_due()
        after = traffic.state.way * traffic.state.along_m
        for vehicle, doing in traffic.manoeuvres.items():
            low, high = sorted((float(before[vehicle]), float(after[vehicle])))
            if doing.kind == "departure" and any(low < b <= high for b in script.boundaries_m):
                crossing.append(doing.start_s)
    return found + truth.finish(seconds * 20 * SIM_TICK_NS), script, least, crossing


@pytest.mark.parametrize(("seed", "seconds", "setting"), [
    (1, 46, {}),
    (2, 26, {"vehicles": 60, "esns": ("RSU-23", "RSU-23-5")}),  # few trucks on a short stretch
    (3, 26, {"vehicles": 400}),  # as many as fit
])  # fmt: skip
def test_every_20_s_keep_what_the_scenario_promises(
    seed: int, seconds: int, setting: dict[str, object]
) -> None:
    found, script, least_m, crossing = play(world(seed=seed, **setting), seconds)
    assert least_m > 0.3
    begins_s = np.array([v.start_ns / NS for v in found if v.rule == "lane_departure"])
    misses_s = np.array([m.start_s + m.out_s for m in script.started if m.kind == "near_miss"])
    starts_s = {m.start_s: m for m in script.started if m.kind == "departure"}
    assert {v.rule for v in found} == {"lane_departure"}
    for from_s in range(5, seconds - 20, 20):
        inside = (begins_s >= from_s) & (begins_s < from_s + 20.0)
        assert inside.sum() >= 5
        assert ((misses_s >= from_s) & (misses_s < from_s + 20.0)).any()
        assert any(from_s - 3.0 <= s < from_s + 18.0 for s in crossing if s in starts_s)
    assert all(0.3 <= 1.875 * abs(m.offset_m) / m.out_s <= 1.5 for m in starts_s.values())
    whole = [v for v in found if v.end_ns < (seconds - 1) * NS]  # none of them near a threshold
    assert all(v.detail["deepest"] > 0.6 and v.end_ns - v.start_ns > 4 * NS for v in whole)


def test_a_calm_road_has_one_violation_in_minutes() -> None:
    made = world(load_scenario("calm"), seed=1)
    found, script, least_m, _ = play(made, 185, look_every=100)
    assert least_m > 0.3
    (only,) = found
    assert only.rule == "lane_departure"
    assert 120.0 < only.start_ns / NS < 180.0
    assert [each.kind for each in script.started].count("near_miss") >= 2


def test_events_stay_under_cover() -> None:
    made = world(seed=4)
    cover, traffic = cover_of(made.road, made.radars), made.traffic
    for _ in range(20 * 25):
        traffic.step()
        made._script.begin_due()
        for vehicle, doing in traffic.manoeuvres.items():
            if doing.kind == "departure":
                s = float(traffic.state.way[vehicle] * traffic.state.along_m[vehicle])
                assert cover.throughout(int(traffic.state.way[vehicle]), s, s), (vehicle, s)


def test_lane_wander_has_its_spread_and_never_leaves_the_lane() -> None:
    made = world(quiet(), seed=5)
    side, truth = [], TruthKeeper(made.traffic, made.site.config.rules)
    for tick in range(20 * 20):
        made.traffic.step()
        assert truth.follow(tick * SIM_TICK_NS) == []
        if tick % 10 == 0:
            rows = made.traffic.active_rows()
            side.append(made.traffic.state.side_m[rows])
            assert np.abs(made.traffic.state.side_mps[rows]).max() < 0.6
    assert np.std(np.concatenate(side)) == pytest.approx(0.2, abs=0.03)
    assert truth.finish(10**12) == []


def test_vehicles_come_and_go_and_their_number_stays() -> None:
    made = world(quiet(), seed=6)
    first = set(made.traffic.active_rows().tolist())
    for _ in range(20 * 60):
        made.traffic.step()
    now = set(made.traffic.active_rows().tolist())
    assert len(first - now) > 20  # trips end
    assert abs(len(now) - len(first)) < 15
    assert all(made.traffic.t_s - made.traffic.state.entered_s[i] < 61.0 for i in now)


def test_speeds_stay_below_the_limits() -> None:
    made = world(quiet(), seed=7)
    for _ in range(20 * 10):
        made.traffic.step()
    rows = made.traffic.active_rows()
    limit = np.where(made.traffic.state.lane[rows] == 0, 60 / 3.6, 80 / 3.6)
    assert (made.traffic.state.speed_mps[rows] < limit).all()


def test_equal_seeds_drive_alike_and_others_do_not() -> None:
    runs = []
    for seed in (8, 8, 9):
        made = world(seed=seed)
        for _ in range(60):
            made.traffic.step()
            made._script.begin_due()
        runs.append(made.traffic.state.along_m.tobytes())
    assert runs[0] == runs[1] != runs[2]


def test_a_swing_has_the_asked_speed_and_crosses_when_said() -> None:
    out_s = sideways_s(2.0, 0.8)
    swing = Manoeuvre(
        kind="departure", vehicle=0, start_s=3.0, out_s=out_s, hold_s=4.0, back_s=3.0, offset_m=2.0
    )
    t = np.arange(0.0, 20.0, 1e-3)
    offset = np.array([swing.offset_m * swing.share(float(at)) for at in t])
    assert np.abs(np.diff(offset[t < 3.0 + out_s]) / 1e-3).max() == pytest.approx(0.8, abs=1e-3)
    assert t[np.argmax(offset > 0.625)] == pytest.approx(3.0 + crossing_s(0.625, 2.0, out_s), abs=2e-3)
    assert offset[-1] == 0.0
    assert all(a <= b for a, b in itertools.pairwise(smooth(x) for x in np.linspace(-0.5, 1.5, 50)))


def test_boundaries_are_those_between_neighbours() -> None:
    made = world()
    assert boundaries_m(made.site, made.esns) == [22_250.0, 22_750.0, 23_250.0]
    assert boundaries_m(made.site, ("RSU-5", "RSU-7")) == []
    assert DT_S == 0.05
