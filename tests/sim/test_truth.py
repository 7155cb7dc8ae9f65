"""True violations against brute force: the footprint as a Shapely polygon on a fine clock."""

import numpy as np
import pytest
import shapely

from core.classes import HAZMAT
from core.times import NS
from geofence.map.reading import Zone
from sim.manoeuvre import Manoeuvre
from sim.site import section as sec
from sim.traffic import SIM_TICK_NS, Traffic
from sim.truth import TrueViolation, TruthKeeper
from tests.support.sim_world import quiet, world


def lane_polygon(traffic: Traffic, way: int) -> shapely.Polygon:
    s = np.arange(21_000.0, 24_500.0, 0.5)
    edges = [way * (-sec.EDGE_M + k * sec.LANE_M) for k in (0, 1)]
    sides = [np.column_stack(traffic.road.axis.at(s, np.full_like(s, d))[:2]) for d in edges]
    return shapely.Polygon(np.vstack([sides[0], sides[1][::-1]]))


def footprint(traffic: Traffic, i: int, after_s: float) -> shapely.Polygon:
    rows = np.array([i])
    pose = traffic.poses(rows, after_s)
    half_l, half_w = traffic.fleet.length_m[i] / 2, traffic.fleet.width_m[i] / 2
    box = shapely.box(-half_l, -half_w, half_l, half_w)
    turned = shapely.affinity.rotate(box, float(pose.heading_rad[0]), origin=(0, 0), use_radians=True)
    return shapely.affinity.translate(turned, float(pose.east_m[0]), float(pose.north_m[0]))


def truck_in_the_middle(traffic: Traffic) -> int:
    rows = traffic.active_rows()
    rows = rows[traffic.fleet.kind[rows] == HAZMAT]
    s = traffic.state.way[rows] * traffic.state.along_m[rows]
    plain = [
        int(i)
        for i, at in zip(rows, s, strict=True)
        if not traffic.road.near_ramp(int(traffic.state.way[i]), at, at + 400.0 * int(traffic.state.way[i]))
    ]
    return min(plain, key=lambda i: abs(traffic.state.way[i] * traffic.state.along_m[i] - 22_900.0))


@pytest.mark.parametrize("side", [1, -1])
def test_a_departure_begins_and_ends_with_the_footprint(side: int) -> None:
    traffic = world(quiet(), seed=11).traffic
    truth = TruthKeeper(traffic, world(quiet()).site.config.rules)
    i = truck_in_the_middle(traffic)
    lane = lane_polygon(traffic, int(traffic.state.way[i]))
    traffic.begin(
        Manoeuvre(
            kind="departure", vehicle=i, start_s=1.0, out_s=3.0, hold_s=4.0, back_s=3.0, offset_m=side * 1.7
        )
    )
    found: list[TrueViolation] = []
    out_s: list[float] = []
    for tick in range(16 * 20):
        found += truth.follow(tick * SIM_TICK_NS)
        if not lane.covers(footprint(traffic, i, 0.0)):
            out_s.append(traffic.t_s)
        traffic.step()
    (violation,) = [v for v in found if v.vehicle == i + 1]
    assert violation.rule == "lane_departure"
    assert violation.terminal == traffic.fleet.terminal[i]
    # the polygon leaves the lane within the tick that truth interpolates in
    assert 0.0 <= out_s[0] - violation.start_ns / NS <= 0.0501
    assert 0.0 <= violation.end_ns / NS - out_s[-1] <= 0.0501
    assert violation.detail["deepest"] == pytest.approx(1.7 - 0.625, abs=0.12)  # and a bend's bulge
    # 0.3 m over the line for half a second; on the way out, which takes 3 s for 1.7 m
    assert 0.6 <= (violation.detail["due_ns"] - violation.start_ns) / NS <= 1.2


def run(kind: str, **numbers: float) -> list[TrueViolation]:
    made = world(quiet(), seed=12)
    traffic = made.traffic
    truth = TruthKeeper(traffic, made.site.config.rules)
    i = truck_in_the_middle(traffic)
    # nobody else about: the manoeuvre alone decides
    traffic.state.active[[j for j in traffic.active_rows().tolist() if j != i]] = False
    traffic.wanted = dict.fromkeys(traffic.wanted, 0)
    if kind == "dark_vehicle":
        traffic.state.silent[i] = True
    else:
        shape = {"start_s": 0.5, "out_s": 0.0, "hold_s": 1.0, "back_s": 0.0} | numbers
        traffic.begin(Manoeuvre(kind=kind, vehicle=i, **shape))  # type: ignore[arg-type]
    found: list[TrueViolation] = []
    doing = traffic.manoeuvres.get(i)
    for tick in range(round(20 * (15.0 if doing is None else doing.end_s + 4.0))):
        found += truth.follow(tick * SIM_TICK_NS)
        traffic.step()
    return found + truth.finish(traffic.tick * SIM_TICK_NS)


@pytest.mark.parametrize(("kind", "numbers", "rules"), [
    ("overspeed", {"out_s": 8.0, "hold_s": 15.0, "speed_mps": 23.0}, ["overspeed"]),
    ("overspeed", {"out_s": 8.0, "hold_s": 15.0, "speed_mps": 17.2}, []),  # 3 % above: below every grade
    ("illegal_stop", {"out_s": 15.0, "hold_s": 40.0, "speed_mps": 0.0}, ["illegal_stop"]),
    ("illegal_stop", {"out_s": 15.0, "hold_s": 15.0, "speed_mps": 0.0}, []),  # half a minute is allowed
    ("wrong_way", {"out_s": 13.0, "hold_s": 8.0, "speed_mps": -5.0}, ["wrong_way"]),
    ("wrong_way", {"out_s": 13.0, "hold_s": 8.0, "speed_mps": -1.5}, []),  # slow reversing
    ("off_road", {"out_s": 12.0, "hold_s": 4.0, "back_s": 12.0, "offset_m": -45.0},
     ["lane_departure", "off_dedicated_road"]),
    ("near_miss", {"out_s": 4.0, "hold_s": 3.0, "back_s": 4.0, "offset_m": 0.42}, []),
    ("dark_vehicle", {}, ["dark_vehicle"]),
])  # fmt: skip
def test_each_rule_needs_its_depth_and_duration(
    kind: str, numbers: dict[str, float], rules: list[str]
) -> None:
    assert sorted(v.rule for v in run(kind, **numbers)) == rules


@pytest.mark.parametrize(("role", "rule"), [("no_entry", "zone_entry"), ("no_exit", "zone_exit")])
def test_a_zone_on_the_way_is_entered_and_left(role: str, rule: str) -> None:
    made = world(quiet(), seed=12)
    traffic = made.traffic
    i = truck_in_the_middle(traffic)
    traffic.state.active[[j for j in traffic.active_rows().tolist() if j != i]] = False
    traffic.wanted = dict.fromkeys(traffic.wanted, 0)
    pose = traffic.poses(np.array([i]))
    ahead_m = 0.0 if role == "no_exit" else 60.0  # it begins in the one that it must stay in
    east = float(pose.east_m[0] + ahead_m * np.cos(pose.heading_rad[0]))
    north = float(pose.north_m[0] + ahead_m * np.sin(pose.heading_rad[0]))
    area = shapely.Point(east, north).buffer(20.0)
    zones = [Zone(zone="Z", role=role, polygon=area), Zone(zone="P", role="parking", polygon=area)]
    truth = TruthKeeper(traffic, made.site.config.rules, zones)
    inside_s, found = [], []
    for tick in range(20 * 12):
        found += truth.follow(tick * SIM_TICK_NS)
        at = traffic.poses(np.array([i]))
        if shapely.covers(area, shapely.Point(at.east_m[0], at.north_m[0])):
            inside_s.append(traffic.t_s)
        traffic.step()
    found += truth.finish(traffic.tick * SIM_TICK_NS)
    (violation,) = found
    assert violation.rule == rule
    begins_s = inside_s[0] if role == "no_entry" else inside_s[-1]
    assert violation.start_ns / NS == pytest.approx(begins_s, abs=0.06)
    if role == "no_entry":
        assert violation.end_ns / NS == pytest.approx(inside_s[-1], abs=0.06)
