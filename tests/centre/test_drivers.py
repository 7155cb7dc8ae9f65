"""A driver is warned once of one event, also where two alarms show it. On both databases."""

import pytest
import sqlalchemy as sa

from centre.outreach.drivers import SAME_EVENT_NS, warned
from centre.outreach_tables import DRIVER_WARNING
from geofence.violation import ViolationVehicle
from tests.support.desk_stage import DeskStage, S

TERMINAL = "13900000001"


@pytest.fixture
def desk(engine):
    return DeskStage(engine)


def test_one_event_is_one_warning(desk):
    first = desk.send(1)
    same = desk.send(
        2, "RSU002", rule="overspeed", d_m=None
    )  # of the same vehicle at the same time: one case
    other = desk.send(3, vehicle=ViolationVehicle(plate="辽L·A0002", terminal="13900000002"))
    assert desk.one(first)["case"] == desk.one(same)["case"] != desk.one(other)["case"]
    sent_ns = desk.at.now_ns

    def warns(alarm, terminal=TERMINAL, after_ns=S):
        with desk.at.engine.begin() as db:
            row = warned(db, alarm, terminal, sent_ns + after_ns)
        return None if row is None else row.violation

    assert warns(first) is None
    row = {
        "id": "w1",
        "violation": first,
        "terminal": TERMINAL,
        "text": "x",
        "user": "wang",
        "sent_ns": sent_ns,
    }
    with desk.at.engine.begin() as db:
        db.execute(sa.insert(DRIVER_WARNING).values(**row, outcome="delivered"))
    assert [warns(each) for each in (first, same, other)] == [first, first, None]
    assert warns(first, "13900000002") is None  # another driver
    assert warns(first, after_ns=SAME_EVENT_NS + S) == first  # of a violation once and for all
    assert warns(same, after_ns=SAME_EVENT_NS + S) is None  # who does it again later is warned again
    with desk.at.engine.begin() as db:
        db.execute(sa.update(DRIVER_WARNING).values(outcome="not_connected"))
    assert [warns(each) for each in (first, same)] == [None, None]  # it has not reached him
