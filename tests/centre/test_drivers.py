"""A driver is warned once of one event, also where two alarms show it. On both databases."""

from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from centre.accounts.actor import Actor
from centre.outreach.drivers import SAME_EVENT_NS, Drivers, RefusedError, hindrance, warned
from centre.outreach_tables import DRIVER_WARNING
from geofence.violation import ViolationVehicle
from tests.support.centre_samples import violation
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


@pytest.mark.parametrize(
    ("gateway", "change", "want"),
    [
        ("GW", {}, None),
        (None, {}, "no_gateway"),
        ("GW", {"vehicle": None}, "no_terminal"),
        ("GW", {"vehicle": ViolationVehicle(plate="辽L·A0002")}, "no_terminal"),
        ("GW", {"late": True}, "late"),
    ],
)
def test_who_can_be_warned(gateway, change, want):
    assert hindrance(gateway, violation(**change)) == want


@pytest.mark.anyio
async def test_nobody_is_warned_of_what_stored_fixes_showed(desk):
    late, published = desk.send(1, late=True), []

    async def run(work, *_):
        with desk.at.engine.begin() as db:
            return work(db, [])

    async def read(work, *args):
        return work(*args)

    drivers = Drivers(
        "GW", SimpleNamespace(engine=desk.at.engine, read=read), SimpleNamespace(run=run),
        lambda *sent: published.append(sent) or True, lambda: desk.at.now_ns,
    )  # fmt: skip
    assert (await drivers.shown(late))["why_not"] == "late"
    with pytest.raises(RefusedError, match="nobody is warned"):
        await drivers.warn(late, None, Actor("wang", "operator"))
    assert published == []
