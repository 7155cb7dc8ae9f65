"""What time does: deadlines, escalation, shelves; and what a shift has to know. On both databases."""

import pytest
import sqlalchemy as sa

from centre.accounts.tables import ACCOUNT
from centre.audit.log import Act, append, check
from centre.desk import figures, health, relief, shifts, timing
from centre.desk.faults import RefusedError
from centre.desk.health import Raised
from centre.desk.radars import Radars
from centre.desk.shelving import WantedShelf, add_shelf, remove_shelf, shelf, shelves
from centre.desk.shifts import WantedShift
from edge.sections import DeskConfig
from geofence.violation import ViolationVehicle
from tests.support.centre_samples import T0_NS
from tests.support.desk_stage import LI, WANG, ZHAO, DeskStage, S, acts_of

CALM = DeskConfig(deadlines_s=(30.0, 60.0, 180.0, 600.0), escalate_s=300.0)


@pytest.fixture
def desk(engine):
    return DeskStage(engine, CALM)


def account(name, role="operator"):
    return {
        "name": name, "display": name, "role": role, "hash": "-", "disabled": False, "generation": 1,
        "created_ns": 1, "changed_ns": 1, "failed": 0,
    }  # fmt: skip


def wait_until(desk, at_ns):
    desk.wait((at_ns - desk.at.now_ns) / S)
    desk.at.now_ns = at_ns


def test_an_alarm_escalates_at_its_deadlines_and_not_before(desk):
    alarm = desk.send(1)
    due_ns = int(desk.one(alarm)["deadline_ns"])
    desk.at.now_ns = due_ns - 1
    desk.wait(0)
    assert desk.one(alarm)["escalated"] == 0
    desk.at.now_ns = due_ns
    desk.wait(0)
    first = desk.one(alarm)
    assert (first["escalated"], first["state"]) == (1, "new")
    assert int(first["deadline_ns"]) == due_ns + 300 * S
    desk.begin()  # a restart changes nothing
    desk.at.now_ns = due_ns + 300 * S
    desk.wait(0)
    assert desk.one(alarm)["escalated"] == 2
    assert desk.one(alarm)["deadline_ns"] is None
    desk.wait(10_000)
    with desk.at.engine.begin() as db:
        assert [(act["act"], act["user"]) for act in acts_of(db, alarm)] == [("escalate", "")] * 2
        assert check(db) is None


def test_what_is_acknowledged_but_not_handled_escalates_to_two_and_handling_ends_it(desk):
    alarm, other = desk.send(1), desk.send(2, vehicle=ViolationVehicle(plate="B"))
    desk.act(alarm, "acknowledge")
    desk.act(other, "handle")
    desk.wait(301)
    assert desk.one(alarm)["escalated"] == 2
    assert desk.one(other)["escalated"] == 0
    (handled,) = desk.act(alarm, "handle")
    assert (handled["escalated"], handled["deadline_ns"]) == (0, None)


def test_a_deadline_of_a_clock_that_was_ahead_is_due_at_once(desk):
    """Else nobody would be asked again for years about what came under it."""
    right_ns = desk.at.now_ns
    desk.at.now_ns += 6 * 366 * 86_400 * S
    alarm = desk.send(1)
    shelf_n = put(desk, rule="overspeed")["n"]
    desk.at.now_ns = right_ns + 3_600 * S
    with desk.at.engine.begin() as db:
        assert next_due_ns(db, desk) == desk.at.now_ns
    desk.wait(0)
    found = desk.one(alarm)
    assert found["escalated"] == 1
    assert int(found["deadline_ns"]) <= desk.at.now_ns + 600 * S
    with desk.at.engine.begin() as db:
        assert shelf(db, str(shelf_n))["ended_ns"] is not None
        assert next_due_ns(db, desk) > desk.at.now_ns


def next_due_ns(db, desk):
    beyond_ns = timing.far_ns(desk.at.now_ns, is_clock_right=desk.is_clock_right)
    return timing.next_due_ns(db, desk.at.now_ns, beyond_ns)


def test_a_clock_that_is_behind_ends_no_shelf_and_escalates_nothing(desk):
    """Each deadline lies years ahead of it, and none was set by a clock that was wrong."""
    alarm = desk.send(1)
    shelf_n = put(desk, rule="overspeed")["n"]
    right_ns, desk.is_clock_right = desk.at.now_ns, False
    desk.at.now_ns -= 6 * 366 * 86_400 * S
    with desk.at.engine.begin() as db:
        assert next_due_ns(db, desk) > desk.at.now_ns
    desk.wait(0)
    assert desk.one(alarm)["escalated"] == 0
    with desk.at.engine.begin() as db:
        assert shelf(db, str(shelf_n))["ended_ns"] is None
    desk.at.now_ns, desk.is_clock_right = right_ns, True
    desk.wait(601)
    assert desk.one(alarm)["escalated"] == 1


def test_deadlines_that_the_site_file_shortens_do_not_end_those_that_run(engine):
    desk = DeskStage(engine, DeskConfig(deadlines_s=(86_400.0,) * 4, escalate_s=300.0))
    alarm = desk.send(1)
    desk.policy = DeskStage(engine, CALM).policy
    desk.wait(3_600)
    assert desk.one(alarm)["escalated"] == 0
    desk.wait(86_400)
    assert desk.one(alarm)["escalated"] == 1


def put(desk, hours=1.0, actor=ZHAO, until_ns=None, **what):
    until = str(until_ns or desk.at.now_ns + round(hours * 3_600 * S))
    wanted = WantedShelf(until_ns=until, reason="radar 3", **what)

    def work(db, found):
        return add_shelf(db, found, wanted, actor, desk.policy, desk.at.now_ns)

    return desk.run(work)


def test_a_shelf_takes_what_fits_and_gives_it_back_as_new(desk):
    before = desk.send(1)
    made = put(desk, rule="lane_departure", from_m=50.0, to_m=150.0)
    held = desk.one(before)
    assert (held["shelf"], held["state"], held["deadline_ns"]) == (made["n"], "new", None)
    later = desk.send(2)
    elsewhere = desk.send(3, s_m=151.0)
    urgent = desk.send(4, rule="wrong_way")
    assert [desk.one(each)["shelf"] for each in (later, elsewhere, urgent)] == [made["n"], None, None]
    with desk.at.engine.begin() as db:
        assert shelf(db, str(made["n"]))["n_held"] == 2
    desk.act(later, "handle")
    desk.wait(3_601)
    back = desk.one(before)
    assert (back["shelf"], back["state"]) == (None, "new")
    assert int(back["deadline_ns"]) > desk.at.now_ns
    assert desk.one(later)["state"] == "handled"
    with desk.at.engine.begin() as db:
        assert shelves(db)[0]["ended_ns"] is not None
        assert check(db) is None


def test_an_alarm_that_becomes_urgent_leaves_its_shelf(desk):
    alarm = desk.send(1)
    put(desk, esn="RSU001")
    assert desk.one(alarm)["shelf"] is not None
    gas = ViolationVehicle(plate="辽L·A0001", terminal="13900000001", hazmat_class="2.1")
    desk.send(1, version=2, phase="update", grade="violation", vehicle=gas, speed_mps=20.0)
    found = desk.one(alarm)
    assert (found["priority"], found["shelf"]) == (1, None)
    assert found["deadline_ns"] is not None


def test_a_shelf_that_is_sent_twice_is_one(desk):
    desk.send(1)
    until_ns = desk.at.now_ns + 3_600 * S
    made = put(desk, until_ns=until_ns, rule="lane_departure", from_m=0.0, to_m=500.0)
    again = put(desk, until_ns=until_ns, rule="lane_departure", from_m=0.0, to_m=500.0)
    assert again == made  # its answer was lost
    with pytest.raises(
        RefusedError, match=f"shelf {made['n']} of zhao takes the same: end it first"
    ) as refused:
        put(desk, hours=2.0, rule="lane_departure", from_m=0.0, to_m=500.0)
    assert (refused.value.status, refused.value.extra["shelf"]["n"]) == (409, made["n"])
    wider = put(desk, rule="lane_departure")  # not the same
    assert wider["n"] != made["n"]
    desk.run(lambda db, found: remove_shelf(db, found, made["n"], ZHAO, desk.policy, desk.at.now_ns))
    assert put(desk, hours=2.0, rule="lane_departure", from_m=0.0, to_m=500.0)["n"] > wider["n"]


def test_who_may_no_longer_handle_alarms_is_off_duty_and_hands_them_back(desk):
    with desk.at.engine.begin() as db:
        rows = [
            account("wang"),
            account("li"),
            account("zhao", role="supervisor"),
            account("gu", role="viewer"),
        ]
        db.execute(sa.insert(ACCOUNT), rows)
    mine, closed, other = (desk.send(n, vehicle=ViolationVehicle(plate=f"A{n}")) for n in (1, 2, 3))
    for alarm, actor in ((mine, WANG), (closed, WANG), (other, LI)):
        desk.act(alarm, "handle", actor)
        desk.run(lambda db, found, actor=actor: shifts.change_shift(
            db, found, WantedShift(act="begin"), actor, desk.at.now_ns
        ))  # fmt: skip
    desk.act(closed, "close", WANG, reason="patrol_informed")

    def relieved():
        with desk.at.engine.begin() as db:
            if not relief.is_due(db):
                return False
        desk.run(lambda db, found: relief.relieve(db, found, desk.policy, desk.at.now_ns))
        return True

    assert not relieved()
    with desk.at.engine.begin() as db:
        db.execute(sa.update(ACCOUNT).where(ACCOUNT.c.name == "wang").values(disabled=True))
    desk.at.now_ns += 5 * S
    assert relieved()
    assert not relieved()
    back, kept = desk.one(mine), desk.one(other)
    assert (back["state"], back["assigned"], back["user"]) == ("new", None, None)
    assert int(back["deadline_ns"]) > desk.at.now_ns  # somebody else has its whole time
    assert (kept["state"], kept["assigned"]) == ("handled", "li")
    assert desk.one(closed)["assigned"] == "wang"
    with desk.at.engine.begin() as db:
        assert [each["user"] for each in shifts.shift(db)["on_duty"]] == ["li"]
        assert [(act["act"], act["user"], act["text"]) for act in acts_of(db, mine)][-1] == (
            "hand_back",
            "",
            "wang",
        )
        assert check(db) is None
        db.execute(sa.update(ACCOUNT).where(ACCOUNT.c.name == "li").values(role="auditor"))
    assert relieved()
    assert desk.one(other)["state"] == "new"


def test_an_alarm_that_is_handed_back_stays_on_its_shelf_without_a_deadline(desk):
    with desk.at.engine.begin() as db:
        db.execute(sa.insert(ACCOUNT), [account("wang")])
    alarm = desk.send(1)
    desk.act(alarm, "handle", WANG)
    desk.dead.add("RSU001")
    desk.act(alarm, "end", ZHAO, reason="patrol_informed")
    desk.send(1, version=2, phase="update")  # its RSU is back, and the violation lasts: it is new again
    shelf = put(desk, esn="RSU001")
    held = desk.one(alarm)
    assert (held["shelf"], held["assigned"], held["deadline_ns"]) == (shelf["n"], "wang", None)
    with desk.at.engine.begin() as db:
        db.execute(sa.update(ACCOUNT).where(ACCOUNT.c.name == "wang").values(disabled=True))
    desk.run(lambda db, found: relief.relieve(db, found, desk.policy, desk.at.now_ns))
    back = desk.one(alarm)
    assert (back["state"], back["assigned"]) == ("new", None)
    assert (back["shelf"], back["deadline_ns"]) == (shelf["n"], None)
    desk.wait(1_200.0)
    assert desk.one(alarm)["escalated"] == 0, "a shelf has no deadlines"
    desk.wait(3_600.0)
    assert desk.one(alarm)["shelf"] is None
    assert int(desk.one(alarm)["deadline_ns"]) > 0, "its time begins when the shelf ends"


def test_a_shelf_can_be_ended_early_once(desk):
    alarm = desk.send(1)
    made = put(desk, plate="辽L·A0001")

    def work(db, found):
        return remove_shelf(db, found, made["n"], WANG, desk.policy, desk.at.now_ns)

    ended = desk.run(work)
    assert ended["ended_ns"] is not None
    assert desk.run(work) == ended
    assert desk.one(alarm)["shelf"] is None


@pytest.mark.parametrize(
    ("hours", "what"),
    [
        (1, {}),
        (25, {"rule": "x"}),
        (-1, {"rule": "x"}),
        (1, {"from_m": 1.0}),
        (1, {"from_m": 2.0, "to_m": 1.0}),
    ],
)
def test_a_shelf_without_limits_is_refused(desk, hours, what):
    with pytest.raises(RefusedError) as caught:
        put(desk, hours, **what)
    assert caught.value.status == 400


def change(desk, actor, act, **wanted):
    form = WantedShift(act=act, **wanted)
    return desk.run(lambda db, found: shifts.change_shift(db, found, form, actor, desk.at.now_ns))


def test_a_shift_is_handed_over_with_what_is_not_finished(desk):
    since_ns = desk.at.now_ns
    change(desk, WANG, "begin")
    assert change(desk, WANG, "begin")["on_duty"] == [
        {"user": "wang", "desk": "desk-1", "since_ns": str(since_ns)}
    ]
    work, done = desk.send(1), desk.send(2, vehicle=ViolationVehicle(plate="B"))
    desk.act(work, "handle")
    desk.act(work, "note", text="waits for the tow truck")
    desk.act(done, "close", reason="driver_warned")
    with pytest.raises(RefusedError):
        change(desk, WANG, "hand_over", to="li")
    found = change(desk, WANG, "hand_over", to="li", text="K12 is wet")
    assert found["on_duty"] == []
    assert change(desk, WANG, "hand_over", to="li", text="K12 is wet") == found  # its answer was lost
    with pytest.raises(RefusedError):
        change(desk, WANG, "hand_over", to="li", text="K12 is dry")
    assert (found["last"]["user"], found["last"]["to"], found["last"]["text"]) == ("wang", "li", "K12 is wet")
    assert desk.one(work)["assigned"] == "li"
    put(desk, rule="overspeed")
    with desk.at.engine.begin() as db:
        sheet = shifts.sheet(db, since_ns, desk.at.now_ns)
        away = figures.away(db, since_ns, "li", desk.at.now_ns)
        assert check(db) is None
    assert [each["id"] for each in sheet["handled"]] == [work]
    assert [each["id"] for each in sheet["closed"]] == [done]
    assert [each["text"] for each in sheet["notes"]] == ["waits for the tow truck"]
    assert len(sheet["shelves"]) == 1
    assert sheet["hand_overs"][0]["text"] == "K12 is wet"
    assert (sheet["n_open"], sheet["n_closed"], set(sheet["about"])) == (1, 1, {work, done})
    assert (sheet["about"][done]["vehicle"], sheet["about"][done]["rule"]) == ("B", "lane_departure")
    assert (away["raised"], away["unacknowledged"], away["acts_of_others"]) == (2, [], 4)
    assert (away["not_closed"], away["since_ns"]) == (1, str(since_ns))


def test_who_signs_in_reads_what_happened_since_his_last_act(desk):
    def sign_in(actor):
        with desk.at.engine.begin() as db:
            append(db, Act(desk.at.now_ns, actor, "sign_in", actor.name))

    def away():
        with desk.at.engine.begin() as db:
            return figures.away(db, None, "wang", desk.at.now_ns)

    sign_in(WANG)
    (done,) = desk.act(desk.send(1), "acknowledge")
    left_ns = int(done["acknowledged_ns"])
    desk.wait(3_600)
    missed, other = desk.send(2), desk.send(3)
    desk.act(other, "handle", LI)
    sign_in(WANG)
    found = away()
    assert (found["since_ns"], found["raised"], found["not_closed"]) == (str(left_ns), 2, 2)
    assert (found["unacknowledged"], found["acts_of_others"]) == ([missed], 1)
    desk.act(missed, "acknowledge")
    assert away()["since_ns"] == str(left_ns), "what he does in this session is no absence"
    desk.wait(3 * 86_400)  # no more than a day: what is older is in the log
    sign_in(WANG)
    assert away()["since_ns"] == str(desk.at.now_ns - 86_400 * S)


def test_the_figures_of_the_desk(desk):
    change(desk, WANG, "begin")
    change(desk, LI, "begin")
    for n in range(12):
        desk.send(n, vehicle=ViolationVehicle(plate=f"P{n % 4}"), rule="overspeed", start_ns=T0_NS + n * S)
    alarms = sorted(desk.listed())
    desk.at.now_ns += 10 * S
    desk.act(alarms[0], "acknowledge")
    desk.act(alarms[1], "false", reason="sensor_fault")
    desk.act(alarms[2], "close", reason="other")
    counted = figures.DeskFigures()
    with desk.at.engine.begin() as db:
        found = counted.read(db, desk.at.now_ns)
        report = figures.false_report(db, 7, desk.at.now_ns, Radars({"rsus": []}))
        groups = figures.groups(db)
    assert found["new"] == {"violation": 0, "warning": 9, "loss": 0}
    assert (found["acknowledged"], found["last_10_min"], found["flood"]) == (1, 12, True)
    assert (found["operators"], found["per_operator_hour"]) == (2, 6.0)
    assert found["chattering"] == 4
    assert 10.0 <= found["ack_s_mean"] <= 11.0
    assert found["false_share_7d"] == 0.5
    assert (report["closed"], report["false"], report["by_rule"][0]["key"]) == (2, 1, "overspeed")
    assert report["by_radar"] == [{"key": "RSU001", "n": 2, "false": 1, "share": 0.5}]
    assert groups["by_rule"][0]["n"] == 10
    desk.wait(601)
    with desk.at.engine.begin() as db:
        assert not counted.read(db, desk.at.now_ns)["flood"]


def test_a_flood_ends_below_five_and_chattering_needs_three_in_a_minute():
    assert [health.is_flood(n, before=False) for n in (9, 10)] == [False, True]
    assert [health.is_flood(n, before=True) for n in (4, 5)] == [False, True]
    stamps = [0, 30, 61, 200]
    assert health.chattering(Raised(s * S, "a", "x") for s in stamps) == set()
    assert health.chattering(Raised(s * S, "a", "x") for s in [0, 30, 60]) == {("a", "x")}
    assert health.flood_share([i * S for i in range(10)], 0, 1_200 * S) == 0.5
