"""What outlives journeys: used permits and driving time, over restarts and at neighbours."""

import msgspec
import numpy as np
import pytest

from geofence.journeys.driving import Driving
from geofence.journeys.past import DAY_NS, ROWS_MAX, SEND_NS, Past, PastTrips, decoded
from tests.geofence.journeys.test_breaking import EXPLOSIVE, broken, permit
from tests.geofence.journeys.test_journeys import Drive
from tests.support.geofence_world import T0_NS

NS = 10**9
TICK_NS = T0_NS // SEND_NS * SEND_NS
HOUR = T0_NS // (3_600 * NS)
LATER = {"start": "2026-09-22T20:00:00+08:00", "end": "2026-09-23T06:00:00+08:00"}
encode = msgspec.msgpack.Encoder().encode


def past(neighbours=(), *more):
    return Past([permit(), *more], neighbours)


def driving(stamp_ns=T0_NS, seconds=600.0):
    return Driving(stamp_ns=stamp_ns, driven_s=seconds, hours=[(stamp_ns // (3_600 * NS), seconds)])


def again(drive, esn="RSU-1", **more):
    """A process that starts with what the disk of another has."""
    other = Drive(esn=esn, vehicles=(EXPLOSIVE,), permits=[permit()], **more)
    rows = [body for _, body in drive.journeys.past.to_save()]
    assert other.journeys.past.start([b"\x00", *rows]) == (b"\x00",)
    return other


def enter(drive, from_s=60):
    for t_s in range(from_s, from_s + 20):
        drive.look(t_s, {"east": 20.0 + 16.0 * (t_s - from_s), "track": 2})


def sent_as(past, t_ns, seq):
    """The rows that go to each neighbour at a tick, in messages of this seq."""
    due = past.due(t_ns)
    for esn, rows in due.items():
        past.note_sent(esn, rows, seq)
    return {esn: list(rows.values()) for esn, rows in due.items()}


def test_a_restart_remembers_used_permits_and_driving_time():
    first = Drive(vehicles=(EXPLOSIVE,), permits=[permit()])
    first.along(0, 60)
    driven_s = first.out[-1].driving.driven_s
    assert driven_s > 45.0
    second = again(first)
    enter(second)
    assert broken(second) == {"permit/permit_used"}
    (journey,) = second.journeys.open.values()
    assert driven_s + 10.0 < journey.driving.driven_s < driven_s + 20.0


def test_a_trip_that_ended_elsewhere_is_known_after_one_message_each_way():
    """A, B and C in a row: the trip ends at A, the vehicle enters again at C."""
    at_a, at_b, at_c = past(["B"]), past(["A", "C"]), past(["B"])
    at_a.use("P1", "J1")
    at_a.leave("13900000001", driving())
    at_a.spread("13900000001")
    sent = sent_as(at_a, TICK_NS, 1)
    assert list(sent) == ["B"]
    assert sent_as(at_a, TICK_NS + NS, 2) == {}
    assert sent_as(at_a, TICK_NS + SEND_NS, 2) == sent  # nobody has confirmed it
    at_a.confirm("B", at_b.receive("A", sent["B"], TICK_NS), 1)
    assert at_a.due(TICK_NS + SEND_NS) == {}
    onward = sent_as(at_b, TICK_NS, 1)
    assert list(onward) == ["C"]  # not back to where it is from
    at_b.confirm("C", at_c.receive("B", onward["C"], TICK_NS), 1)
    assert at_c.used == {"P1": "J1"}
    assert at_c.driving == {"13900000001": driving()}
    # a repeat is confirmed again and goes no further
    assert at_b.receive("A", sent["B"], TICK_NS) == ["13900000001"]
    assert at_b.due(TICK_NS) == {}


def test_an_answer_confirms_what_its_message_carried_and_no_later_change():
    """The driving time grows between the message and its answer, and never again."""
    giver, taker = past(["B"]), past(["A"])
    giver.leave("7", driving(T0_NS, 100.0))
    giver.spread("7")
    first = sent_as(giver, TICK_NS, 5)
    giver.leave("7", driving(T0_NS + NS, 200.0))
    giver.spread("7")
    giver.confirm("B", taker.receive("A", first["B"], T0_NS), 5)
    second = sent_as(giver, TICK_NS + SEND_NS, 6)
    giver.confirm("B", ["7"], 5)  # the first answer once more
    assert giver.unsent == {"B": {"7": 6}}
    assert sent_as(giver, TICK_NS + 2 * SEND_NS, 7) == second
    giver.confirm("B", taker.receive("A", second["B"], T0_NS + NS), 6)  # older than the repeat, the same row
    assert taker.driving["7"].driven_s == 200.0
    assert giver.unsent == {"B": {}}


def test_the_newer_driving_time_is_kept():
    one, other = past(["B"]), past(["A"])
    one.leave("7", driving(T0_NS, 100.0))
    other.leave("7", driving(T0_NS + 60 * NS, 30.0))
    one.spread("7")
    assert other.receive("A", sent_as(one, TICK_NS, 1)["B"], T0_NS + 61 * NS) == ["7"]
    assert other.driving["7"].driven_s == 30.0


@pytest.mark.parametrize(
    "row",
    [
        PastTrips(terminal="13900000001", used={"P9": "J"}),  # no permit of the site
        PastTrips(terminal="2", used={"P1": "J"}),  # of another vehicle
        PastTrips(terminal="3", driving=driving(T0_NS + DAY_NS)),  # of the future
        PastTrips(terminal="3", driving=Driving(stamp_ns=T0_NS, hours=[(HOUR, float("nan"))])),
        PastTrips(terminal="3", driving=Driving(stamp_ns=T0_NS, hours=[(HOUR, 1e6)])),
        PastTrips(terminal="3", driving=Driving(stamp_ns=T0_NS, hours=[(HOUR + 9, 5.0)])),
    ],
)
def test_what_cannot_be_true_accuses_nobody(row):
    known = past()
    known.receive("A", [encode(row)], T0_NS)
    assert (known.used, known.driving) == ({}, {})


def test_a_clock_that_is_behind_at_a_start_loses_no_driving_time():
    known, ahead = past(), driving(T0_NS + DAY_NS)
    assert known.start([encode(PastTrips(terminal="3", driving=ahead))]) == ()
    assert known.driving["3"].driven_s == ahead.driven_s
    assert known.to_save() == [], "the disk keeps its row"


def test_driving_time_that_is_not_of_now_is_not_confirmed_and_none_goes_back():
    known, row = past(), PastTrips(terminal="3", driving=driving(T0_NS + DAY_NS))
    assert known.receive("A", [encode(row)], T0_NS) == []
    known.leave("4", driving(T0_NS + 10 * NS, 900.0))
    known.leave("4", driving(T0_NS, 600.0))
    assert known.driving["4"].driven_s == 900.0


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x90", encode({"type": "trips"}), b"\x91" * 5_000])
def test_bytes_that_are_no_row_are_not_confirmed(body):
    known = past()
    assert known.receive("A", [body], T0_NS) == []
    assert known.start([body]) == (body,)


def test_many_rows_are_sent_in_turn():
    many = past(["B"])
    for k in range(ROWS_MAX + 5):
        many.leave(f"T{k}", driving())
        many.spread(f"T{k}")
    first, second = (sent_as(many, TICK_NS + k * SEND_NS, k + 1)["B"] for k in range(2))
    assert len(first) == len(second) == ROWS_MAX
    assert {decoded(body).terminal for body in (*first, *second)} == set(many.driving)


def test_who_left_nothing_behind_is_no_row():
    known = past(["B"])
    known.spread("a car")
    known.leave("7", driving())
    known.spread("7")
    known.forget(T0_NS + 2 * DAY_NS)
    assert known.due(TICK_NS) == {}
    assert known.unsent == {"B": {}}


def test_the_disk_forgets_what_counts_no_more():
    known = past((), permit(permit="P2", **LATER))
    known.use("P1", "J1")
    known.use("P2", "J2")
    known.leave("7", driving())
    assert [key for key, _ in known.to_save()] == ["trips/13900000001", "trips/7"]
    known.forget(T0_NS + DAY_NS + 12 * 3_600 * NS)  # P1 has ended for a day, P2 has not
    assert known.used == {"P2": "J2"}
    saved = dict(known.to_save())
    assert saved["trips/7"] is None
    assert decoded(saved["trips/13900000001"]).used == {"P2": "J2"}
    assert known.to_save() == []


def test_a_state_continues_exactly():
    first = Drive(vehicles=(EXPLOSIVE,), permits=[permit()])
    first.journeys.past.unsent["B"] = {}
    first.along(0, 60)
    state = first.journeys.state()
    second = Drive(vehicles=(EXPLOSIVE,), permits=[permit()])
    second.journeys.past.unsent["B"] = {}
    second.journeys.restore(msgspec.msgpack.decode(encode(state), type=type(state)))
    rows = [sent_as(one.journeys.past, TICK_NS, 3) for one in (first, second)]
    assert rows[0] == rows[1] != {}
    again = msgspec.msgpack.decode(encode(first.journeys.state()), type=type(state))
    second.journeys.past.unsent["B"] = {}
    second.journeys.restore(again)
    assert second.journeys.past.unsent == first.journeys.past.unsent == {"B": {"13900000001": 3}}
    assert first.journeys.past.to_save() == second.journeys.past.to_save() != []


def test_rows_survive_what_they_are_sent_as():
    rng = np.random.default_rng(5)
    for _ in range(50):
        at_ns = T0_NS - int(rng.integers(0, DAY_NS))
        one = driving(at_ns, float(rng.uniform(0, 3_600)))
        row = PastTrips(terminal=str(rng.integers(1, 99)), driving=one)
        assert decoded(encode(row)) == row
