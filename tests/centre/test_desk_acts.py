"""Acts on alarms, on both databases: who was first, what is sent again, what the log keeps."""

import pytest
import sqlalchemy as sa

from centre.access import account_rows
from centre.access.account_rows import By
from centre.audit.log import check
from centre.audit.tables import AUDIT
from centre.desk import intake
from centre.desk.faults import RefusedError
from centre.desk.people import users
from centre.search.query import Search
from centre.store import FEED
from geofence.violation import ViolationVehicle
from tests.support.centre_database import Centre
from tests.support.centre_samples import T0_NS, episode_id, violation
from tests.support.desk_stage import LI, WANG, ZHAO, DeskStage, S, acts_of


@pytest.fixture
def desk(engine):
    return DeskStage(engine)


def refused(desk, *args, **wanted):
    with pytest.raises(RefusedError) as caught:
        desk.act(*args, **wanted)
    return caught.value


def test_an_alarm_that_comes_is_new_with_a_priority_a_case_and_a_deadline(desk):
    alarm = desk.send(1)
    found = desk.one(alarm)
    assert found["state"] == "new"
    assert found["version"] == 0
    assert found["case"] == alarm
    assert found["case_n"] == 1
    assert found["priority"] in (1, 2, 3, 4)
    raised_ns = int(found["raised_ns"])
    assert int(found["deadline_ns"]) == raised_ns + [30, 60, 180, 600][found["priority"] - 1] * S
    assert [kind for _, kind, key in desk.announced() if key == alarm] == ["violation", "handling"]


def test_a_record_below_warning_is_no_alarm_until_it_reaches_it(desk):
    desk.send(1, grade="notice")
    assert desk.listed() == {}
    assert refused(desk, episode_id(1), "acknowledge").status == 404
    desk.send(1, grade="warning", version=2)
    assert list(desk.listed()) == [episode_id(1)]


def test_the_life_of_an_alarm_is_in_the_log(desk):
    alarm = desk.send(1)
    (taken,) = desk.act(alarm, "acknowledge", version=0)
    assert (taken["state"], taken["user"], taken["assigned"]) == ("acknowledged", "wang", None)
    (worked,) = desk.act(alarm, "handle", version=taken["version"])
    assert (worked["state"], worked["assigned"], worked["deadline_ns"]) == ("handled", "wang", None)
    (noted,) = desk.act(alarm, "note", version=worked["version"], text="司机已接电话")
    assert (noted["state"], noted["n_notes"]) == ("handled", 1)
    (given,) = desk.act(alarm, "assign", version=noted["version"], to="li")
    assert given["assigned"] == "li"
    (right,) = desk.act(alarm, "correct", LI, version=given["version"], plate="辽L·B0002")
    assert right["plate"] == "辽L·B0002"
    (closed,) = desk.act(alarm, "close", LI, version=right["version"], reason="driver_warned")
    assert (closed["state"], closed["reason"], closed["is_false"]) == ("closed", "driver_warned", False)
    (again,) = desk.act(alarm, "reopen", ZHAO, version=closed["version"])
    assert (again["state"], again["reason"], again["acknowledged_ns"]) == ("new", None, None)
    assert again["deadline_ns"] is not None
    with desk.at.engine.begin() as db:
        acts = acts_of(db, alarm)
        assert check(db) is None
    assert [(act["act"], act["user"]) for act in acts] == [
        ("acknowledge", "wang"), ("handle", "wang"), ("note", "wang"), ("assign", "wang"),
        ("correct", "li"), ("close", "li"), ("reopen", "zhao"),
    ]  # fmt: skip
    assert acts[2]["text"] == "司机已接电话"
    assert acts[3]["to"] == "li"
    assert acts[5]["reason"] == "driver_warned"


def test_of_two_people_the_second_reads_who_was_first(desk):
    alarm = desk.send(1)
    (taken,) = desk.act(alarm, "handle", WANG, version=0)
    fault = refused(desk, alarm, "handle", LI, version=0)
    assert fault.status == 409
    assert fault.extra["by"] == "wang"
    assert fault.extra["at_ns"] == taken["since_ns"]
    assert fault.extra["handling"] == taken == desk.one(alarm)
    assert refused(desk, alarm, "close", LI, version=0, reason="other").extra["by"] == "wang"
    assert refused(desk, alarm, "acknowledge", LI).extra["by"] == "wang"  # without a version: it doesn't fit


@pytest.mark.parametrize("version", [0, None])
def test_an_act_whose_answer_was_lost_is_sent_again_and_done_once(desk, version):
    alarm = desk.send(1)
    first = desk.act(alarm, "note", version=version, text="x")
    assert desk.act(alarm, "note", version=version, text="x") == first
    done = desk.act(alarm, "close", version=version, reason="other")
    assert desk.act(alarm, "close", version=version, reason="other") == done
    assert done[0]["n_notes"] == 1
    with desk.at.engine.begin() as db:
        assert [act["act"] for act in acts_of(db, alarm)] == ["note", "close"]


def test_an_act_on_a_whole_case_is_no_repetition_of_one_on_an_alarm(desk):
    first, second = desk.send(1), desk.send(2)
    assert desk.one(first)["case_n"] == 2
    desk.act(first, "note", version=0, text="x")
    done = desk.act(first, "note", version=0, text="x", whole_case=True)
    assert [item["id"] for item in done] == [first, second]
    assert desk.act(first, "note", version=0, text="x", whole_case=True) == done
    assert [item["n_notes"] for item in done] == [2, 1]


def test_an_alarm_is_given_only_to_somebody_who_can_handle_it(desk):
    alarm = desk.send(1)
    desk.act(alarm, "assign", to="anybody")  # without accounts
    with desk.at.engine.begin() as db:
        by = By(ZHAO, T0_NS)
        for name, role in (
            ("root", "administrator"),
            ("li", "operator"),
            ("vera", "viewer"),
            ("mo", "operator"),
        ):
            account_rows.add(db, by, name=name, display="", role=role, digest="x")
        account_rows.change(db, by, "mo", disabled=True)
        assert [each["name"] for each in users(db)] == ["li", "root"]
    for name in ("vera", "mo", "nobody"):
        assert refused(desk, alarm, "assign", to=name).status == 400
    assert desk.act(alarm, "assign", to="li")[0]["assigned"] == "li"


def test_a_text_with_control_characters_is_no_longer_than_its_column(desk):
    alarm = desk.send(1)
    (found,) = desk.act(alarm, "correct", plate="\x01" * 32)
    assert len(found["plate"]) == 32
    (found,) = desk.act(alarm, "assign", to="\x01" * 64)
    assert len(found["assigned"]) == 64


def test_notes_and_escalations_of_others_stop_nobody(desk):
    alarm = desk.send(1)
    desk.act(alarm, "note", LI, text="seen on camera 3")
    desk.wait(700)
    assert desk.one(alarm)["escalated"] >= 1
    (taken,) = desk.act(alarm, "acknowledge", WANG, version=0)
    assert taken["state"] == "acknowledged"


@pytest.mark.parametrize(
    ("act", "wanted", "status"),
    [
        ("close", {}, 400),
        ("close", {"reason": "no_such_reason"}, 400),
        ("false", {"reason": "driver_warned"}, 400),
        ("note", {"text": "  "}, 400),
        ("assign", {}, 400),
        ("correct", {}, 400),
        ("reopen", {}, 403),
        ("end", {"reason": "unit_dead"}, 403),
    ],
)
def test_a_refused_act_changes_nothing_and_is_not_logged(desk, act, wanted, status):
    alarm = desk.send(1)
    before = desk.one(alarm)
    assert refused(desk, alarm, act, **wanted).status == status
    assert desk.one(alarm) == before
    assert desk.at.rows(AUDIT) == 1  # the desk's own begin


def test_of_two_people_who_correct_a_plate_at_once_the_second_reads_who_was_first(desk):
    alarm_id = desk.send()
    (seen,) = desk.act(alarm_id, "note", text="the plate is another one")
    desk.act(alarm_id, "correct", plate="辽B·C0042", version=seen["version"])
    desk.act(alarm_id, "acknowledge", LI, version=seen["version"])  # says nothing against it
    fault = refused(desk, alarm_id, "correct", LI, plate="辽B·C0048", version=seen["version"])
    assert (fault.status, fault.extra["by"], fault.extra["handling"]["plate"]) == (409, "wang", "辽B·C0042")
    (again,) = desk.act(alarm_id, "correct", LI, plate="辽B·C0048", version=desk.one(alarm_id)["version"])
    assert again["plate"] == "辽B·C0048"


def test_a_false_alarm_is_closed_with_its_reason(desk):
    alarm = desk.send(1)
    (closed,) = desk.act(alarm, "false", version=0)
    assert (closed["state"], closed["is_false"], closed["reason"]) == ("closed", True, "false_alarm")
    other = desk.send(2)
    (closed,) = desk.act(other, "close", reason="sensor_fault")
    assert closed["is_false"]


def test_the_episode_of_a_dead_rsu_is_ended_by_a_supervisor_and_its_return_wins(desk):
    alarm = desk.send(1)
    assert refused(desk, alarm, "end", ZHAO, reason="unit_dead").status == 409  # it lives
    desk.dead.add("RSU001")
    (ended,) = desk.act(alarm, "end", ZHAO, reason="unit_dead", text="mast fell")
    assert (ended["state"], ended["ended"]["user"], ended["resumed_ns"]) == ("closed", "zhao", None)
    assert desk.at.shown()[0]["open"]  # the ledger's fact stays
    (again,) = desk.act(alarm, "reopen", ZHAO, text="the mast stands")
    assert (again["state"], again["ended"]) == ("new", None)  # nobody has ended it now
    desk.act(alarm, "end", ZHAO, reason="unit_dead")
    desk.dead.clear()
    desk.send(1, version=2, phase="update")
    back = desk.one(alarm)
    assert (back["state"], back["ended"]["user"]) == ("new", "zhao")
    assert back["resumed_ns"] is not None
    assert back["deadline_ns"] is not None


def test_a_close_that_comes_after_a_person_ended_it_leaves_it_closed(desk):
    alarm = desk.send(1)
    desk.dead.add("RSU001")
    desk.act(alarm, "end", ZHAO, reason="unit_dead")
    desk.send(1, version=2, phase="close", end_ns=desk.at.now_ns)
    found = desk.one(alarm)
    assert found["state"] == "closed"
    assert found["resumed_ns"] is not None
    with desk.at.engine.begin() as db:
        assert [act["act"] for act in acts_of(db, alarm)] == ["end", "resume"]


def test_an_alarm_that_ends_unseen_stays_new(desk):
    alarm = desk.send(1)
    desk.send(1, version=2, phase="close", end_ns=desk.at.now_ns)
    assert desk.listed()[alarm]["state"] == "new"


def test_an_act_before_the_intake_has_seen_the_alarm_takes_it_in(desk):
    desk.at.send(1, violation(7))
    (taken,) = desk.act(episode_id(7), "acknowledge", version=0)
    assert taken["state"] == "acknowledged"
    desk.take_in()
    assert desk.one(episode_id(7)) == taken


def test_what_was_long_over_when_the_desk_first_started_is_closed_and_the_rest_is_new(engine):
    ledger = Centre(engine)
    ledger.send(1, violation(1, phase="close", end_ns=T0_NS + S))
    ledger.send(2, violation(2))
    ledger.now_ns += 3 * 3_600 * S
    ledger.send(3, violation(3, phase="close", end_ns=T0_NS + S))
    desk = DeskStage(engine, now_ns=ledger.now_ns)
    states = {alarm: found["state"] for alarm, found in desk.listed().items()}
    assert states == {episode_id(1): "closed", episode_id(2): "new", episode_id(3): "new"}
    assert desk.at.rows(AUDIT) == 1
    desk.begin()  # a later start: nothing is taken in twice
    assert {alarm: found["state"] for alarm, found in desk.listed().items()} == states


def test_what_the_feed_had_lost_before_it_was_read_is_taken_in_at_the_next_start(desk):
    desk.at.send(1, violation(1))
    with desk.at.engine.begin() as db:
        db.execute(sa.delete(FEED))
    desk.take_in()
    assert desk.listed() == {}
    desk.begin()
    assert desk.listed()[episode_id(1)]["state"] == "new"


def test_a_plate_longer_than_its_column_costs_no_alarm(desk):
    alarm = desk.send(1, vehicle=ViolationVehicle(plate="辽" * 150, terminal="9" * 150))
    assert desk.listed()[alarm]["state"] == "new"


def test_an_alarm_that_can_not_be_taken_in_ends_no_catching_up(desk, monkeypatch):
    rank = desk.policy.rank

    def failing(self, facts):
        if facts.id in (episode_id(1), episode_id(2)):
            raise ZeroDivisionError("a rule's own fault")
        return rank(facts)

    monkeypatch.setattr(intake, "BATCH_ROWS", 2)
    monkeypatch.setattr(type(desk.policy), "rank", failing)
    for n in range(1, 8):
        desk.arrive(n, vehicle=ViolationVehicle(plate=f"P{n}"))
    with desk.at.engine.begin() as db:
        db.execute(sa.delete(FEED))
    desk.begin()
    assert set(desk.listed()) == {episode_id(n) for n in range(3, 8)}
    assert desk.intake.counts["desk.refused"] == 2
    monkeypatch.undo()
    desk.begin()
    assert len(desk.listed()) == 7


def test_an_alarm_that_can_not_be_taken_in_holds_up_no_other(desk, monkeypatch):
    rank = desk.policy.rank
    bad = episode_id(2)

    def failing(self, facts):
        if facts.id == bad:
            raise ZeroDivisionError("a rule's own fault")
        return rank(facts)

    monkeypatch.setattr(type(desk.policy), "rank", failing)
    for n in (1, 2, 3):
        desk.arrive(n, vehicle=ViolationVehicle(plate=f"P{n}"))
    desk.take_in()
    assert set(desk.listed()) == {episode_id(1), episode_id(3)}
    assert desk.intake.counts["desk.refused"] == 1
    announced = [key for _, kind, key in desk.announced() if kind == "handling"]
    assert sorted(announced) == sorted([episode_id(1), episode_id(3)])
    monkeypatch.undo()
    desk.begin()
    assert bad in desk.listed()


def test_a_search_says_of_each_alarm_what_the_desk_says(desk):
    """Also of one that nobody has touched, and a corrected plate as it was written."""
    alarm_id, other = desk.send(), desk.send(2, grade="notice")
    found = {item["id"]: item for item in desk.at.reader.search(Search())["items"]}
    assert [found[each]["handling"] for each in (alarm_id, other)] == ["new", None]
    desk.act(alarm_id, "correct", plate="辽B·C0042")
    desk.act(alarm_id, "handle")
    (item,) = desk.at.reader.search(Search(plate="bc0042"))["items"]
    assert (item["handling"], item["corrected"]) == ("handled", "辽B·C0042")
