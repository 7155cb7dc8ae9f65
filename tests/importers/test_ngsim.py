"""CommonRoad files to recordings: truth as in the file, sensors that see it, files with faults."""

import math
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge.config import parse_site
from edge.recording.recorder import read_messages
from edge.wire import decode_fix, decode_site
from geofence.map.roadmap import load_map
from importers.commonroad import read
from importers.ngsim import import_ngsim

DT_S, STEPS, SPEED_MPS = 0.1, 20, 15.0


def bound(name: str, left_m: float, shift: float) -> str:
    points = "".join(f"<point><x>{shift + x}</x><y>{shift + left_m}</y></point>" for x in range(0, 201, 20))
    return f"<{name}>{points}</{name}>"


def lanelet(name: int, right_m: float, more: str = "", shift: float = 0.0) -> str:
    left, right = bound("leftBound", right_m + 3.5, shift), bound("rightBound", right_m, shift)
    return f'<lanelet id="{name}">{left}{right}{more}</lanelet>'


def state(step: int, x: float, y: float, tag: str = "state") -> str:
    return (
        f"<{tag}><position><point><x>{x}</x><y>{y}</y></point></position>"
        f"<orientation><exact>0.0</exact></orientation><time><exact>{step}</exact></time>"
        f"<velocity><exact>{SPEED_MPS}</exact></velocity></{tag}>"
    )


def obstacle(name: int, x: float, y: float, kind: str = "car", shift: float = 0.0) -> str:
    rows = [
        state(k, shift + x + k * DT_S * SPEED_MPS, shift + y, "state" if k else "initialState")
        for k in range(STEPS + 1)
    ]
    shape = "<shape><rectangle><length>4.5</length><width>1.8</width></rectangle></shape>"
    return (
        f'<obstacle id="{name}"><role>dynamic</role><type>{kind}</type>{shape}{rows[0]}'
        f"<trajectory>{''.join(rows[1:])}</trajectory></obstacle>"
    )


def scenario(*parts: str) -> str:
    return f'<commonRoad timeStepSize="{DT_S}" benchmarkID="T-1">{"".join(parts)}</commonRoad>'


LANES = (
    lanelet(1, 0.0, '<adjacentLeft ref="2" drivingDir="same"/>'),
    lanelet(2, 3.5, '<adjacentRight ref="1" drivingDir="same"/><speedLimit>25</speedLimit>'),
)
TWO = (obstacle(7, 20.0, 1.75), obstacle(8, 50.0, 5.25, "truck"))


SWAPPED = (  # left and right
    lanelet(3, 7.0).replace("leftBound", "L").replace("rightBound", "leftBound").replace("L>", "rightBound>")
)


def imported(tmp_path: Path, text: str, **changes) -> tuple[dict, list]:
    source, out = tmp_path / "s.xml", tmp_path / "r.mcap"
    source.write_text(text, encoding="utf-8")
    shown = import_ngsim(source, out, **({"noise": 1.0, "seed": 1, "n_terminals": 0} | changes))
    return shown, list(read_messages(out))


def site_of(messages: list):
    record = decode_site(messages[0].body)
    return parse_site(record.config, record.map, record.registry, "test")


def test_truth_is_what_the_file_says(tmp_path):
    shown, messages = imported(tmp_path, scenario(*LANES, *TWO))
    assert (shown["vehicles"], shown["duration_s"], shown["truth"]) == (2, 2.0, STEPS + 1)
    frames = [msgspec.msgpack.decode(m.body) for m in messages if m.topic == "/truth"]
    site = site_of(messages)
    for k, frame in enumerate(frames):
        east, north = site.frame.site_from_lonlat(frame["lon_deg"], frame["lat_deg"])
        assert east == pytest.approx([20.0 + 1.5 * k, 50.0 + 1.5 * k], abs=1e-3)
        assert north == pytest.approx([1.75, 5.25], abs=1e-3)
        assert frame["lane"] == ["L1", "L2"]
        assert frame["course_deg"] == pytest.approx([90.0, 90.0], abs=0.01)
    assert {m.log_ns - m.publish_ns for m in messages if m.topic == "/truth"} == {0}


def test_lanelets_become_lanes_at_a_stated_synthetic_origin(tmp_path):
    _, messages = imported(tmp_path, scenario(*LANES, *TWO))
    text = decode_site(messages[0].body).map
    assert "SYNTHETIC" in text
    road = load_map(text, site_of(messages).frame)
    lanes = {lane.lane: lane for lane in road.lanes}
    assert (lanes["L1"].index, lanes["L2"].index) == (0, 1)
    assert (lanes["L1"].left, lanes["L2"].right) == ("L2", "L1")
    assert lanes["L2"].speed_limit_mps == 25.0
    np.testing.assert_allclose(lanes["L1"].right_boundary[-1], [200.0, 0.0], atol=1e-3)


def test_radar_without_noise_sees_where_the_truth_is(tmp_path):
    _, messages = imported(tmp_path, scenario(*LANES, *TWO), noise=0.0)
    (pose,) = site_of(messages).radar_poses("IMPORT")
    seen = 0
    for message in messages:
        if not message.topic.startswith("/radar/"):
            continue
        scan = msgspec.msgpack.decode(message.body)
        at_s = (scan["stamp_ns"] - messages[0].publish_ns) / 1e9
        for reach, azimuth in zip(
            scan["detections"]["range_m"], scan["detections"]["azimuth_rad"], strict=True
        ):
            ground = math.sqrt(reach**2 - (pose.height_m - 1.0) ** 2) if reach > pose.height_m else 0.0
            east = pose.east_m + ground * math.cos(pose.boresight_rad + azimuth)
            north = pose.north_m + ground * math.sin(pose.boresight_rad + azimuth)
            true = [(x + SPEED_MPS * at_s, y) for x, y in ((20.0, 1.75), (50.0, 5.25))]
            # the reflecting point moves about the centre by 0.1 m
            seen += min(math.dist((east, north), place) for place in true) < 0.5
    assert seen >= 1.6 * 2 * STEPS  # of two vehicles at 20 Hz over 2 s, a few missed


def test_equal_seeds_give_equal_bytes_and_others_others(tmp_path):
    def inputs(seed: int) -> list[bytes]:
        _, messages = imported(tmp_path, scenario(*LANES, *TWO), seed=seed)
        return [m.body for m in messages if m.topic.startswith("/radar/")]

    assert inputs(1) == inputs(1) != inputs(2)


def test_some_vehicles_carry_terminals(tmp_path):
    shown, messages = imported(tmp_path, scenario(*LANES, *TWO), n_terminals=1)
    assert shown["fixes"] == 3  # one vehicle, seconds 0, 1, 2
    fixes = [decode_fix(m.body) for m in messages if m.topic == "/gnss"]
    assert {fix.terminal for fix in fixes} == {"V7"}
    assert [vehicle.terminal for vehicle in site_of(messages).vehicles] == ["V7"]
    inputs = [m.log_ns for m in messages if m.topic.startswith(("/gnss", "/radar", "/input"))]
    assert inputs == sorted(set(inputs))


def test_large_coordinates_are_brought_near_the_origin(tmp_path):
    far = 600_000.0
    lanes = (lanelet(1, 0.0, shift=far),)
    shown, messages = imported(tmp_path, scenario(*lanes, obstacle(7, 20.0, 1.75, shift=far)))
    assert (shown["lanes"], shown["rejected"]) == (1, {})
    site = site_of(messages)
    frame = msgspec.msgpack.decode(next(m.body for m in messages if m.topic == "/truth"))
    east, north = site.frame.site_from_lonlat(frame["lon_deg"], frame["lat_deg"])
    assert abs(east[0]) < 200.0
    assert abs(north[0]) < 200.0
    assert frame["lane"] == ["L1"]


def test_scene_without_lanes_is_seen_all_around(tmp_path):
    shown, messages = imported(tmp_path, scenario(*TWO))
    assert (shown["lanes"], shown["radars"]) == (0, 1)
    (pose,) = site_of(messages).radar_poses("IMPORT")
    assert pose.fov_rad == pytest.approx(2 * math.pi)


def test_standing_obstacle_is_there_throughout(tmp_path):
    parked = (
        '<obstacle id="9"><role>static</role><type>parkedVehicle</type>'
        "<shape><rectangle><length>4.0</length><width>2.0</width></rectangle></shape>"
        f"{state(0, 90.0, 1.0, 'initialState').replace('<velocity><exact>15.0</exact></velocity>', '')}"
        "</obstacle>"
    )
    shown, messages = imported(tmp_path, scenario(*LANES, *TWO, parked))
    assert (shown["vehicles"], shown["rejected"]) == (3, {})
    frames = [msgspec.msgpack.decode(m.body) for m in messages if m.topic == "/truth"]
    assert all(frame["id"] == [7, 8, 9] and frame["speed_mps"][2] == 0.0 for frame in frames)


@pytest.mark.parametrize(("part", "reason"), [
    (obstacle(7, 80.0, 1.75), "obstacle.duplicate_id"),
    (obstacle(9, 80.0, 1.75).replace('id="9"', 'id="nine"'), "obstacle.id"),
    (obstacle(9, 80.0, 1.75).replace("<length>4.5<", "<length>NaN<"), "obstacle.shape"),
    (obstacle(9, 80.0, 1.75).replace("<x>80.0<", "<x>inf<"), "state.broken"),
    (obstacle(9, 80.0, 1.75).replace("<exact>3<", "<exact>2<"), "state.duplicate"),
    (lanelet(3, 7.0).replace("<x>20.0<", "<x>?<"), "lanelet.bound"),
    (SWAPPED, "lanelet.refused"),
    (obstacle(9, 80.0, 1.75).replace("<exact>15.0<", "<exact>150.0<", 1), "state.too_fast"),
    (lanelet(3, 7.0, "<speedLimit>120</speedLimit>"), "lanelet.speed_limit"),  # km/h
    (lanelet(3, 7.0, '<trafficSignRef ref="5"/>'), "lanelet.sign_missing"),
])  # fmt: skip
def test_fault_is_counted_by_reason(tmp_path, part, reason):
    shown, _ = imported(tmp_path, scenario(*LANES, *TWO, part))
    assert reason in shown["rejected"]
    assert shown["lanes"] in (2, 3)


def test_file_that_ends_too_early_gives_what_is_whole(tmp_path):
    text = scenario(*LANES, *TWO)
    shown, _ = imported(tmp_path, text[: text.index('<obstacle id="8"') + 500])
    assert (shown["vehicles"], shown["rejected"]) == (1, {"xml_broken": 1})


@pytest.mark.parametrize("text", ["", "no XML", "<osm></osm>", scenario(*LANES)])
def test_what_is_no_traffic_is_refused(tmp_path, text):
    with pytest.raises(ValueError, match=r"no CommonRoad|no vehicle"):
        imported(tmp_path, text)


def test_newer_form_of_the_file_is_read(tmp_path):
    text = scenario(
        TWO[0].replace("<obstacle", "<dynamicObstacle").replace("</obstacle", "</dynamicObstacle")
    )
    (tmp_path / "s.xml").write_text(text, encoding="utf-8")
    scene = read(tmp_path / "s.xml", Counter())
    assert [vehicle.id for vehicle in scene.vehicles] == [7]


SHAPE = "<shape><rectangle><length>12.0</length><width>2.5</width></rectangle></shape>"
START = state(0, 90.0, 1.0, "initialState")
OCCUPANCY = (
    "<occupancySet><occupancy><shape><rectangle><length>12.2</length><width>2.5</width>"
    "<orientation>0.0</orientation><center><x>91.5</x><y>1.0</y></center></rectangle></shape>"
    "<time><exact>1</exact></time></occupancy></occupancySet>"
)


def thing(tag: str, *parts: str, kind: str = "truck") -> str:
    return f'<{tag} id="9"><type>{kind}</type>{"".join(parts)}</{tag}>'


@pytest.mark.parametrize(("part", "reason"), [
    (thing("dynamicObstacle", SHAPE, START, OCCUPANCY), "obstacle.predicted_occupancySet"),
    (thing("obstacle", "<role>dynamic</role>", SHAPE, START, OCCUPANCY), "obstacle.predicted_occupancySet"),
    (thing("obstacle", SHAPE, START, OCCUPANCY), "obstacle.predicted_occupancySet"),
    (thing("phantomObstacle", OCCUPANCY), "obstacle.phantom"),
    (thing("environmentObstacle", SHAPE, kind="building"), "obstacle.environment"),
    (thing("dynamicObstacle", SHAPE, START), "obstacle.single_state"),  # no future at all
    (thing("dynamicObstacle", SHAPE, START, "<trajectory></trajectory>"), "obstacle.single_state"),
    (thing("dynamicObstacle", SHAPE, START, f"<trajectory>{state(1, 91, 1)}</trajectory>".replace(
        "<x>91<", "<x>?<")), "obstacle.single_state"),  # the rest can't be read
    (thing("dynamicObstacle", SHAPE, *(START + f"<trajectory>{state(1, 91, 1)}</trajectory>").split(
        f"<velocity><exact>{SPEED_MPS}</exact></velocity>")), "obstacle.no_state"),
    (thing("obstacle", SHAPE, START), "obstacle.role"),  # neither role nor future
])  # fmt: skip
def test_what_moves_unrecorded_never_becomes_a_standing_vehicle(tmp_path, part, reason):
    shown, messages = imported(tmp_path, scenario(*LANES, *TWO, part))
    assert shown["vehicles"] == 2
    assert shown["rejected"][reason] == 1
    frames = [msgspec.msgpack.decode(m.body) for m in messages if m.topic == "/truth"]
    assert all(frame["id"] == [7, 8] for frame in frames)


def test_static_obstacle_of_the_newer_form_stays(tmp_path):
    start = START.replace(f"<velocity><exact>{SPEED_MPS}</exact></velocity>", "")
    shown, _ = imported(tmp_path, scenario(*LANES, *TWO, thing("staticObstacle", SHAPE, start)))
    assert (shown["vehicles"], shown["rejected"]) == (3, {})


def sign(name: int, *elements: tuple[str, str]) -> str:
    rows = "".join(
        f"<trafficSignElement><trafficSignID>{number}</trafficSignID>{more}</trafficSignElement>"
        for number, more in elements
    )
    return f'<trafficSign id="{name}">{rows}</trafficSign>'


def value(mps: float) -> str:
    return f"<additionalValue>{mps}</additionalValue>"


@pytest.mark.parametrize(("more", "signs", "limit_mps"), [
    ("", (sign(77, ("274", value(13.88888888888889))),), 13.88888888888889),
    ("", (sign(77, ("R2-1", value(20.0))),), 20.0),
    ("", (sign(77, ("276", ""), ("r301", value(25.0))),), 25.0),       # two signs on one post
    ("", (sign(77, ("274", value(20.0)), ("274", value(10.0))),), 10.0),  # the lower holds
    ("<speedLimit>8</speedLimit>", (sign(77, ("274", value(20.0))),), 8.0),
    ("", (sign(77, ("275", value(13.0))),), None),                       # a minimum speed
    ("", (sign(77, ("274", value(50.0))),), None),                       # km/h
])  # fmt: skip
def test_a_limit_by_traffic_sign_holds_where_a_lanelet_refers_to_it(tmp_path, more, signs, limit_mps):
    lanes = (lanelet(1, 0.0, f'<trafficSignRef ref="77"/>{more}'), lanelet(2, 3.5))
    _, messages = imported(tmp_path, scenario(*lanes, *signs, *TWO))
    road = load_map(decode_site(messages[0].body).map, site_of(messages).frame)
    assert [lane.speed_limit_mps for lane in road.lanes] == [limit_mps, None]


def test_what_is_not_read_is_counted_by_kind(tmp_path):
    parts = (
        sign(77, ("276", ""), ("310", "<additionalValue>Town</additionalValue>"), ("274", "")),
        '<trafficLight id="4"/>', "<location/>",
        lanelet(3, 7.0, '<stopLine/><laneletType>sidewalk</laneletType>'),
        obstacle(9, 80.0, 5.25, "hovercraft").replace("<trajectory>", "<signalSeries/><trajectory>"),
    )  # fmt: skip
    shown, _ = imported(tmp_path, scenario(*LANES, *TWO, *parts))
    assert shown["skipped"] == {
        "lanelet of type sidewalk": 1, "lanelet.stopLine": 1, "location": 1, "obstacle type hovercraft": 1,
        "obstacle.signalSeries": 1, "sign.274 without value": 1, "sign.276": 1, "sign.310": 1,
        "trafficLight": 1,
    }  # fmt: skip
    assert (shown["lanes"], shown["vehicles"]) == (2, 3)


def test_succession_and_neighbours_are_read_at_either_end(tmp_path):
    lanes = (
        lanelet(1, 0.0, '<adjacentLeft ref="2" drivingDir="same"/>'),
        lanelet(2, 3.5),
        lanelet(3, 0.0, '<predecessor ref="1"/>').replace("<x>", "<x>2"),
    )
    source = tmp_path / "s.xml"
    source.write_text(scenario(*lanes, *TWO), encoding="utf-8")
    found = {row.id: row for row in read(source, Counter()).lanelets}
    assert (found["1"].successors, found["2"].right) == (("3",), "1")


@pytest.mark.parametrize(("factor", "reason"), [(3.28, "motion_doubtful"), (0.3, "motion_doubtful")])
def test_lengths_in_another_unit_are_a_doubt(tmp_path, factor, reason):
    """Feet under the name of metres: 3.28 times as fast as stated."""
    text = scenario(obstacle(7, 20.0, 1.75).replace(">15.0<", f">{15.0 / factor}<"))
    shown, _ = imported(tmp_path, text)
    assert shown["rejected"][reason] == 1
    assert shown["motion_ratio"] == pytest.approx(factor, rel=0.01)


def test_a_time_step_that_contradicts_the_motion_is_refused(tmp_path):
    with pytest.raises(ValueError, match="as fast as it states"):
        imported(tmp_path, scenario(*TWO).replace(f'timeStepSize="{DT_S}"', 'timeStepSize="0.001"'))
