"""Which alarms are one case: a pure rule, and the same on the database whatever the order of arrival."""

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from centre.desk import statements
from centre.desk.cases import Alarm, cases_of
from centre.desk_tables import ALARMS_MAX, DESK_CURSOR, HANDLING
from centre.store import META, open_database
from geofence.violation import Stamps, ViolationVehicle
from tests.support.centre_samples import T0_NS, episode_id
from tests.support.desk_stage import DeskStage, S

LAT_M = 1 / 111_320.0


def alarm(n, start_s=0.0, last_s=None, rule="lane_departure", vehicle="A", esn="RSU001", north_m=0.0):
    start_ns = T0_NS + round(start_s * S)
    last_ns = start_ns if last_s is None else T0_NS + round(last_s * S)
    return Alarm(str(n), rule, vehicle, esn, start_ns, last_ns, 122.0, 41.0 + north_m * LAT_M)


@pytest.mark.parametrize(
    ("alarms", "cases"),
    [
        ([alarm(1), alarm(2, 60, rule="overspeed")], [["1", "2"]]),  # several rules within a minute
        ([alarm(1), alarm(2, 61, rule="overspeed")], [["1"], ["2"]]),
        ([alarm(1, 0, 100), alarm(2, 220)], [["1", "2"]]),  # flapping: again within two minutes of the end
        ([alarm(1, 0, 100), alarm(2, 221)], [["1"], ["2"]]),
        ([alarm(1, 0, 500), alarm(2, 10, 20), alarm(3, 600)], [["1", "2", "3"]]),  # of the longest one's end
        ([alarm(1, esn="RSU001", last_s=200), alarm(2, 100, esn="RSU002")], [["1", "2"]]),  # seen by two RSUs
        ([alarm(1, vehicle="A"), alarm(2, vehicle="B")], [["1"], ["2"]]),
        ([alarm(1, vehicle="A"), alarm(2, 3, vehicle=None, north_m=14)], [["1", "2"]]),
        ([alarm(1, vehicle="A"), alarm(2, 3, vehicle=None, north_m=16)], [["1"], ["2"]]),
        ([alarm(1, vehicle="A"), alarm(2, 3.1, vehicle=None)], [["1"], ["2"]]),
        ([alarm(1, vehicle="A"), alarm(2, 0, vehicle=None, rule="overspeed")], [["1"], ["2"]]),
        # an unidentified one between two trucks belongs to the nearer, and does not join them
        (
            [alarm(1), alarm(2, vehicle=None, north_m=9), alarm(3, vehicle="B", north_m=14)],
            [["1"], ["2", "3"]],
        ),
        ([alarm(1, vehicle=None), alarm(2, 1, vehicle=None, esn="RSU002")], [["1", "2"]]),
        ([alarm(1, vehicle=None), alarm(2, 1, vehicle=None)], [["1"], ["2"]]),  # of one RSU: two
    ],
)  # fmt: skip
def test_cases(alarms, cases):
    assert sorted(cases_of(alarms).values()) == cases
    assert sorted(cases_of(alarms[::-1]).values()) == cases
    assert all(ids[0] == first for first, ids in cases_of(alarms).items())


EPISODE = st.tuples(
    st.sampled_from([0, 2, 30, 65, 130, 260]),  # start [s]
    st.sampled_from([1, 20, 125]),  # how long
    st.sampled_from(["lane_departure", "overspeed"]),
    st.sampled_from(["A", "B", None]),
    st.sampled_from(["RSU001", "RSU002"]),
    st.sampled_from([0.0, 9.0, 14.0, 40.0]),
)
VERSIONS = 3


def version(n, found, number):
    start_s, lasts_s, rule, plate, esn, north_m = found
    start_ns = T0_NS + start_s * S
    end_ns = start_ns + lasts_s * S
    measured_ns = start_ns + lasts_s * S * number // VERSIONS
    return {
        "n": n, "esn": esn, "version": number, "rule": rule, "start_ns": start_ns,
        "confirmed_ns": start_ns, "end_ns": end_ns if number == VERSIONS else None,
        "phase": ("open", "update", "close")[number - 1],
        "vehicle": None if plate is None else ViolationVehicle(plate=plate, terminal=plate),
        "lat_deg": 41.0 + north_m * LAT_M,
        "stamps": Stamps(measured_ns=measured_ns, arrived_ns=measured_ns),
    }  # fmt: skip


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_the_cases_of_the_database_are_those_of_the_rule_in_any_order_of_arrival(engine, data):
    """Law: versions overtaken, alarms of one case taken in one by one or together: the cases are the same."""
    with engine.begin() as db:
        for table in reversed(META.sorted_tables):
            if table.name != "setting":
                db.execute(sa.delete(table))
    found = data.draw(st.lists(EPISODE, min_size=1, max_size=6))
    arriving = [version(n, each, number) for n, each in enumerate(found) for number in range(1, VERSIONS + 1)]
    desk = DeskStage(engine)
    for each in data.draw(st.permutations(arriving)):
        desk.arrive(**each)
        if data.draw(st.booleans()):
            desk.take_in()
    desk.take_in()
    expected = cases_of([
        Alarm(
            episode_id(n), rule, plate, esn, T0_NS + start_s * S, T0_NS + (start_s + lasts_s) * S, 122.0,
            41.0 + north_m * LAT_M,
        )
        for n, (start_s, lasts_s, rule, plate, esn, north_m) in enumerate(found)
    ])  # fmt: skip
    with engine.begin() as db:
        rows = db.execute(sa.select(HANDLING.c.id, HANDLING.c.case_id, HANDLING.c.case_n)).all()
        assert db.scalar(sa.select(DESK_CURSOR.c.n)) > 0
    assert {row.id: (row.case_id, row.case_n) for row in rows} == {
        each: (first, len(ids)) for first, ids in expected.items() for each in ids
    }


def test_an_act_on_the_whole_case_closes_what_it_fits(engine):
    desk = DeskStage(engine)
    one = desk.send(1)
    two = desk.send(2, rule="overspeed", start_ns=T0_NS + 5 * S)
    other = desk.send(3, vehicle=ViolationVehicle(plate="辽L·X0009"), start_ns=T0_NS + 6 * S)
    desk.act(two, "handle")
    changed = desk.act(one, "close", version=0, reason="driver_warned", whole_case=True)
    assert {each["id"]: each["state"] for each in changed} == {one: "closed", two: "closed"}
    assert desk.one(other)["state"] == "new"
    late = desk.send(4, rule="too_slow", start_ns=T0_NS + 40 * S)
    assert {desk.one(each)["case_n"] for each in (one, two, late)} == {3}
    assert desk.one(late)["state"] == "new"  # what comes later is noticed too
    announced = [key for _, kind, key in desk.announced() if kind == "handling"]
    assert set(announced[-3:]) == {one, two, late}


def test_a_vehicle_that_flaps_for_hours_costs_no_more_with_each_alarm(engine):
    """A full case takes no more alarms: else each new one would change and announce all before it."""
    desk = DeskStage(engine)
    for n in range(ALARMS_MAX + 10):
        desk.arrive(n=n, start_ns=T0_NS + n * S)
    desk.take_in()
    announced = len(desk.announced())
    last = [desk.send(ALARMS_MAX + 10 + n, start_ns=T0_NS + (100 + n) * S) for n in range(3)]
    assert desk.one(last[0])["case"] == last[0], "the full case stays as it is"
    assert [desk.one(each)["case_n"] for each in last] == [3, 3, 3], "the next ones are a case again"
    changed = [each for each in desk.announced()[announced:] if each[1] == "handling"]
    assert len(changed) == 1 + 2 + 3


def test_a_flood_at_one_place_passes_over_the_alarms_that_join_no_more(tmp_path):
    """Windows find alarms by indexes without those of full cases: else each new one reads the flood."""
    engine = open_database(f"sqlite:///{tmp_path / 'centre.sqlite'}")
    sql = statements.statements_of("sqlite")
    looks = (
        (sql.of_rules, [("overspeed", 0, 9, 40.0, 42.0, 121.0, 123.0)], "ix_handling_rule_joins"),
        (sql.of_vehicles, [("A", 0, 9)], "ix_handling_vehicle_joins"),
    )
    with engine.begin() as db:
        for statement, windows, index in looks:
            plan = db.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", sql.windows(windows)).all()
            assert any(index in row[3] for row in plan), plan
        for condition, index in (("shelf = 3", "shelved"), ("state = ? AND since_ns >= ?", "changed")):
            values = ("closed", 5)[: condition.count("?")]
            query = f"EXPLAIN QUERY PLAN SELECT id FROM handling WHERE {condition}"
            plan = db.exec_driver_sql(query, values).all()
            assert any(f"ix_handling_{index}" in row[3] for row in plan), plan
    engine.dispose()
