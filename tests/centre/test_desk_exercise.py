"""Exercises: alarms that are handled as real ones, and that nothing counts."""

import asyncio

import pytest

from centre.audit.log import check
from centre.desk import exercise, figures, shifts
from centre.desk.faults import RefusedError
from centre.desk.keeping import trim
from centre.store import EPISODE, VERSION
from tests.support.desk_stage import WANG, ZHAO, DeskStage, S
from tests.support.serving_centre import running, streaming

AXIS = exercise.Axis((0.0, 100.0, 200.0), (122.0, 122.1, 122.2), (41.0, 41.1, 41.2))
SCRIPT = exercise.scripts()["wrong_way"]


@pytest.fixture
def desk(engine):
    return DeskStage(engine)


def begin(desk):
    return desk.run(lambda db, found: exercise.begin(db, found, SCRIPT, ZHAO, AXIS, desk.at.now_ns))


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
        items = exercise.described(db)["items"]
        counted = figures.DeskFigures().read(db, desk.at.now_ns)
        sheet = shifts.sheet(db, 0, desk.at.now_ns)
        report = figures.false_report(db, 7, desk.at.now_ns)
    assert {(each["id"], each["exercise"], each["open"]) for each in items} == {
        (alarm, True, False), (second, True, False)
    }  # fmt: skip
    assert (counted["last_10_min"], counted["handled"], sum(counted["new"].values())) == (0, 0, 0)
    assert (sheet["new"], sheet["handled"], report["raised"]) == ([], [], 0)
    assert desk.at.rows(EPISODE) == desk.at.rows(VERSION) == 0


def test_it_ends_by_itself_or_by_a_person_and_closes_what_is_left(desk):
    begin(desk)
    desk.wait(3)
    with pytest.raises(RefusedError):
        begin(desk)
    desk.wait(SCRIPT.lasts_s + exercise.AFTER_S)
    with desk.at.engine.begin() as db:
        assert exercise.running(db) is None
        assert exercise.next_due_ns(db) is None
    assert {each["state"] for each in desk.listed().values()} == {"closed"}
    begin(desk)
    desk.wait(3)
    desk.run(lambda db, found: exercise.end(db, found, ZHAO, desk.at.now_ns))
    desk.wait(60)
    with desk.at.engine.begin() as db:
        assert exercise.described(db)["items"] == []
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
