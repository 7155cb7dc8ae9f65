"""Exercises: alarms that are handled as real ones, and that nothing counts."""

import asyncio

import pytest

from centre.audit.log import check
from centre.desk import exercise, figures, shifts
from centre.desk.faults import RefusedError
from centre.desk.film import Axis, Ground, Lane, film, versions
from centre.desk.keeping import trim
from centre.desk.radars import Radars
from centre.desk.scripts import alarms_of, lasts_s, scripts_with
from centre.store import EPISODE, VERSION
from edge.sections import ExerciseConfig
from tests.support.desk_stage import WANG, ZHAO, DeskStage, S
from tests.support.serving_centre import running, streaming

AXIS = Axis((0.0, 5_000.0, 10_000.0), (122.0, 122.05, 122.1), (41.0, 41.0, 41.0))
GROUND = Ground(AXIS, (Lane("north", 1, 0.0, 10_000.0, 4.0, 3.75, 22.2, True),))
SCRIPT = scripts_with(())["wrong_way"]


@pytest.fixture
def desk(engine):
    return DeskStage(engine)


def begin(desk):
    return desk.run(lambda db, found: exercise.begin(db, found, SCRIPT, ZHAO, GROUND, desk.at.now_ns))


def test_an_exercise_is_handled_and_never_counted(desk):
    begin(desk)
    assert desk.listed() == {}
    desk.wait(3)
    (alarm,) = desk.listed()
    found = desk.one(alarm)
    assert alarm.startswith("exercise-")
    assert (found["exercise"], found["priority"], found["state"]) == (True, 1, "new")
    (taken,) = desk.act(alarm, "handle", WANG, version=0)
    assert taken["assigned"] == "wang"
    desk.wait(20)
    second = next(each for each in desk.listed() if each != alarm)
    desk.begin()  # a restart does not end it
    desk.wait(200)
    assert desk.one(second)["escalated"] == 1  # nobody acknowledged it
    assert desk.one(second)["case_n"] == 1
    with desk.at.engine.begin() as db:
        items = exercise.described(db, {}, desk.at.now_ns)["items"]
        counted = figures.DeskFigures().read(db, desk.at.now_ns)
        sheet = shifts.sheet(db, 0, desk.at.now_ns)
        report = figures.false_report(db, 7, desk.at.now_ns, Radars({"rsus": []}))
    assert {(each["id"], each["exercise"], each["open"]) for each in items} == {
        (alarm, True, False), (second, True, False)
    }  # fmt: skip
    assert (counted["last_10_min"], counted["handled"], sum(counted["new"].values())) == (0, 0, 0)
    assert (sheet["new"], sheet["handled"], report["raised"]) == ([], [], 0)
    assert desk.at.rows(EPISODE) == desk.at.rows(VERSION) == 0


def shown(desk, alarm):
    with desk.at.engine.begin() as db:
        return exercise.alarm(db, alarm, desk.at.now_ns)


def test_its_alarm_moves_and_has_what_a_real_one_has(desk):
    begin(desk)
    desk.wait(3)
    (alarm,) = desk.listed()
    first = shown(desk, alarm)["episode"]
    after = desk.announced()[-1][0]
    for _ in range(12):
        desk.wait(1)
    assert [key for _, kind, key in desk.announced(after) if kind == "exercise"] == [alarm] * 2  # each 5 s
    found = shown(desk, alarm)
    episode = found["episode"]
    assert (episode["lane"], episode["sigma_d_m"], episode["open"]) == ("north", 0.15, True)
    assert episode["versions"] == len(found["versions"]) == 1 + (15 - 2) // 5
    assert first["s_m"] - episode["s_m"] == pytest.approx(SCRIPT.alarm[0].speed_mps * 10)  # against its lane
    assert desk.at.now_ns - int(episode["received_ns"]) < 5 * S  # not overdue
    stamps = [stamp for each in found["versions"] for stamp in each["evidence"]["stamp_ns"]]
    assert max(map(int, stamps)) <= desk.at.now_ns, "nothing of what comes is shown"
    desk.wait(130)
    ended = shown(desk, alarm)
    assert (ended["episode"]["phase"], ended["versions"][-1]["phase"]) == ("close", "close")
    assert int(ended["episode"]["end_ns"]) - int(ended["episode"]["start_ns"]) == 120 * S
    assert shown(desk, "exercise-99") is shown(desk, "exercise-x") is None


@pytest.mark.parametrize("script", scripts_with(()).values(), ids=lambda script: script.name)
def test_each_shipped_alarm_has_columns_of_one_length_on_the_road(script):
    for made in alarms_of(script):
        whole = film(made, GROUND, 1_000 * S)
        assert {len(column) for column in whole.evidence.values()} == {round(made.lasts_s) + 1}
        assert made.plate.startswith("演练")
        last = versions(whole, 9_000 * S, 1_000 * S + round(made.lasts_s * S), is_open=False)[-1]
        assert (last.lane, last.phase) == ("north", "close")
        assert 0.0 <= last.s_m <= 10_000.0
        if made.rule == "lane_departure":
            assert last.evidence["excess_m"][-1] == pytest.approx(0.9, abs=0.01)
            assert last.d_m == pytest.approx(3.75 / 2 - 1.25 + 0.9, abs=0.01)
        elif made.rule == "wrong_way":
            assert last.evidence["over"][-1] == made.speed_mps


def test_a_flood_is_one_and_a_site_has_scripts_of_its_own():
    flood = alarms_of(scripts_with(())["flood"])
    assert len({each.plate for each in flood}) == len(flood) == 15
    own = ExerciseConfig(name="flood", zh="甲", en="own", alarm=SCRIPT.alarm)
    found = scripts_with((own,))
    assert found["flood"] is own
    assert set(found) == set(scripts_with(()))


def test_left_of_the_axis_is_left_of_growing_station():
    lon_deg, lat_deg = AXIS.at(2_500.0, 10.0)
    assert lon_deg == pytest.approx(122.025)
    assert (lat_deg - 41.0) * 111_320 == pytest.approx(10.0)


def test_it_ends_by_itself_or_by_a_person_and_closes_what_is_left(desk):
    begin(desk)
    desk.wait(3)
    with pytest.raises(RefusedError):
        begin(desk)
    desk.wait(lasts_s(SCRIPT) + exercise.AFTER_S)
    with desk.at.engine.begin() as db:
        assert exercise.running(db) is None
        assert exercise.next_due_ns(db) is None
    assert {each["state"] for each in desk.listed().values()} == {"closed"}
    begin(desk)
    desk.wait(3)
    desk.run(lambda db, found: exercise.end(db, found, ZHAO, desk.at.now_ns))
    desk.wait(60)
    with desk.at.engine.begin() as db:
        assert exercise.described(db, {}, desk.at.now_ns)["items"] == []
        assert check(db) is None
    later_ns = desk.at.now_ns + 400 * 86_400 * S
    desk.run(lambda db, _: trim(db, desk.intake.counts, 180.0, later_ns))
    assert desk.listed() == {}


def test_over_http_its_alarms_reach_an_open_page(tmp_path):
    async def play():
        async with running(tmp_path) as centre, streaming(centre) as page:
            assert (await centre.http.post("/api/exercise", json={"script": "none"})).status_code == 404
            begun = await centre.http.post("/api/exercise", json={"script": "wrong_way"})
            assert begun.status_code == 201
            assert (await centre.http.post("/api/exercise", json={"script": "wrong_way"})).status_code == 409
            shown = await anext(data async for _, name, data in page if name == "exercise" and "id" in data)
            assert shown["exercise"]
            assert shown["open"]
            assert (await centre.get("/api/exercise"))["items"] == [shown]
            assert (await centre.get("/api/violations"))["items"] == []
            ended = await centre.http.delete("/api/exercise")
            assert ended.json()["running"] is None

    asyncio.run(play())
