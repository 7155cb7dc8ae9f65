"""CommonRoad files that contradict or repeat themselves: each doubt is counted, nothing that moves stands."""

from collections import Counter
from pathlib import Path

import pytest

from importers.commonroad import Scene, read

BOX = "<rectangle><length>4.5</length><width>1.8</width></rectangle>"
SHAPE = f"<shape>{BOX}</shape>"
LIMIT = "<trafficSignElement><trafficSignID>274</trafficSignID>{}</trafficSignElement>"


def point(x: float, y: float) -> str:
    return f"<point><x>{x}</x><y>{y}</y></point>"


def state(step: int, place: str, tag: str = "state", speed: float = 10.0) -> str:
    return (
        f"<{tag}><position>{place}</position><orientation><exact>0</exact></orientation>"
        f"<time><exact>{step}</exact></time><velocity><exact>{speed}</exact></velocity></{tag}>"
    )


def obstacle(name: int, tag: str, more: str = "", shape: str = SHAPE, step_m: float = 1.0) -> str:
    rows = [state(k, point(k * step_m, 0.0), "state" if k else "initialState") for k in range(20)]
    trajectory = f"<trajectory>{''.join(rows[1:])}</trajectory>"
    return f'<{tag} id="{name}"><type>car</type>{more}{shape}{rows[0]}{trajectory}</{tag}>'


def lanelet(name: int, y: float, more: str = "") -> str:
    left, right = (point(0, b) + point(100, b) for b in (y + 3.5, y))
    bounds = f"<leftBound>{left}</leftBound><rightBound>{right}</rightBound>"
    return f'<lanelet id="{name}">{bounds}{more}</lanelet>'


def scene_of(tmp_path: Path, *parts: str) -> tuple[Scene, Counter[str]]:
    text = f'<commonRoad timeStepSize="0.1">{"".join(parts)}</commonRoad>'
    (tmp_path / "s.xml").write_text(text, encoding="utf-8")
    counts: Counter[str] = Counter()
    return read(tmp_path / "s.xml", counts), +counts


@pytest.mark.parametrize(("tag", "role"), [("staticObstacle", ""), ("obstacle", "<role>static</role>")])
def test_what_is_called_static_and_moves_is_played(tmp_path, tag, role):
    scene, counts = scene_of(tmp_path, obstacle(1, "dynamicObstacle"), obstacle(2, tag, role))
    assert [vehicle.x_m[-1] for vehicle in scene.vehicles] == [19.0, 19.0]
    assert counts == {"obstacle.static_moves": 1}


def test_a_speed_of_what_stays_in_its_place_is_a_doubt(tmp_path):
    scene, counts = scene_of(
        tmp_path, obstacle(1, "dynamicObstacle"), obstacle(2, "staticObstacle", step_m=0.0)
    )
    assert scene.vehicles[1].speed_mps.tolist() == [0.0, 0.0]
    assert counts == {"obstacle.static_with_speed": 1}


@pytest.mark.parametrize("value", ["50 km/h", "nan", ""])
def test_a_limit_that_is_no_number_is_counted(tmp_path, value):
    sign = f'<trafficSign id="5">{LIMIT.format(f"<additionalValue>{value}</additionalValue>")}</trafficSign>'
    lane = lanelet(1, 0.0, '<trafficSignRef ref="5"/>')
    scene, counts = scene_of(tmp_path, lane, sign, obstacle(1, "dynamicObstacle"))
    assert scene.lanelets[0].speed_limit_mps is None
    assert counts == {"lanelet.speed_limit": 1}


def test_what_bears_an_id_twice_is_counted_and_the_lower_limit_holds(tmp_path):
    signs = [
        f'<trafficSign id="5">{LIMIT.format(f"<additionalValue>{mps}</additionalValue>")}</trafficSign>'
        for mps in (10.0, 20.0)
    ]
    lanes = [lanelet(1, y, '<trafficSignRef ref="5"/>') for y in (0.0, 3.5)]
    scene, counts = scene_of(tmp_path, *lanes, *signs, obstacle(1, "dynamicObstacle"))
    assert [lane.speed_limit_mps for lane in scene.lanelets] == [10.0]
    assert counts == {"lanelet.duplicate_id": 1, "sign.duplicate_id": 1}


@pytest.mark.parametrize("shape", [
    f"<shape>{BOX}<circle><radius>3</radius></circle></shape>",
    f"<shape>{BOX.replace('</width>', '</width><center><x>5</x><y>0</y></center>')}</shape>",
])  # fmt: skip
def test_a_shape_of_which_only_a_part_is_read_is_counted(tmp_path, shape):
    scene, _ = scene_of(tmp_path, obstacle(1, "dynamicObstacle", shape=shape))
    assert scene.skipped["obstacle.shape: further parts or an offset"] == 1


def test_a_place_as_a_polygon_is_its_middle(tmp_path):
    corners = "".join(point(x, y) for x, y in ((4, -1), (6, -1), (6, 1), (4, 1)))
    more = f"<trajectory>{state(1, f'<polygon>{corners}</polygon>', speed=50.0)}</trajectory>"
    start = state(0, point(0, 0), "initialState", 50.0)
    scene, counts = scene_of(
        tmp_path, f'<dynamicObstacle id="1"><type>car</type>{SHAPE}{start}{more}</dynamicObstacle>'
    )
    assert scene.vehicles[0].x_m.tolist() == [0.0, 5.0]
    assert counts == {"state.uncertain": 1}
