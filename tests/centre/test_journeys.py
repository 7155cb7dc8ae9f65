"""Journeys at the centre: received, stored once and in order, joined over a failure, acknowledged, shown."""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from centre.commands import ReceivedJourney
from centre.journey_inbox import JourneyInbox, acks_of
from centre.reader import JourneyFilter
from centre.store import JOURNEY
from edge import topics, wire
from edge.journey_messages import JOURNEYS_MAX, JourneyBatch, JourneyShelf, decode_journey_ack
from geofence.journeys.journey import Journey, encoded
from geofence.violation import ViolationVehicle
from tests.support.centre_database import Centre
from tests.support.centre_samples import T0_NS
from tests.support.serving_centre import running

NS = 10**9


def journey(n: int = 1, **changes: Any) -> Journey:
    fields = {
        "id": f"00000000-0000-0000-0000-{n:012}", "version": 1, "esn": "RSU001", "terminal": "13900000001",
        "vehicle": ViolationVehicle(plate="辽L·A0001", terminal="13900000001"), "track": 7, "began": "gate",
        "start_ns": T0_NS, "entry": "in", "entry_s_m": 0.0, "exit": "out", "exit_s_m": 1_000.0,
        "stamp_ns": T0_NS, "seen_ns": T0_NS, "way_m": 400.0, "moving_s": 25.0, "s_m": 400.0,
    }  # fmt: skip
    return Journey(**(fields | changes))


def store(centre: Centre, *versions: Journey) -> None:
    received = [ReceivedJourney(one, encoded(one), T0_NS) for one in versions]
    centre.violation_writer.commit([], [], received)


def shown(centre: Centre, state: str = "all", offline: frozenset[str] = frozenset()) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = centre.reader.journeys(JourneyFilter(state=state), offline)["items"]
    return items


@pytest.fixture
def centre(engine: sa.Engine) -> Centre:
    return Centre(engine)


def test_the_newest_version_is_shown_whatever_the_order(centre: Centre) -> None:
    newest = journey(version=3, hop=1, esn="RSU002", seen_ns=T0_NS + 9 * NS, violations={"overspeed": 2})
    store(centre, newest, journey(version=9), journey(version=2, hop=1), newest)
    (row,) = shown(centre)
    assert (row["version"], row["hop"], row["esn"], row["violations"]) == (3, 1, "RSU002", {"overspeed": 2})
    assert (row["track"], row["start_ns"], row["open"], row["mean_mps"]) == ("7", str(T0_NS), True, 16.0)
    assert "counted" not in row


def test_a_page_holds_what_was_asked_for(centre: Centre) -> None:
    closed = journey(2, terminal="2", end_ns=T0_NS, reason="exit")
    store(centre, journey(1), closed, *(journey(n, terminal=str(n)) for n in range(3, 8)))
    assert [row["terminal"] for row in shown(centre, "closed")] == ["2"]
    first = centre.reader.journeys(JourneyFilter(limit=4), ())
    rest = centre.reader.journeys(JourneyFilter(limit=4, before=first["next"]), ())
    assert [row["terminal"] for row in first["items"] + rest["items"]] == [
        "7",
        "6",
        "5",
        "4",
        "3",
        "13900000001",
    ]
    assert rest["next"] is None
    (row,) = centre.reader.journeys(JourneyFilter(state="all", terminal="2"), ())["items"]
    assert row["reason"] == "exit"


def test_a_vehicle_of_an_rsu_that_is_off_is_lost(centre: Centre) -> None:
    store(centre, journey())
    (row,) = shown(centre, offline=frozenset({"RSU001"}))
    assert (row["contact"], row["cause"]) == ("lost", "rsu_off")


def test_the_rest_of_a_journey_that_nobody_handed_over_is_the_same_journey(centre: Centre) -> None:
    rest = journey(
        2, esn="RSU002", began="seen", start_ns=T0_NS + 60 * NS, stamp_ns=T0_NS + 70 * NS,
        seen_ns=T0_NS + 70 * NS, entry=None, entry_s_m=700.0, way_m=100.0, moving_s=10.0, s_m=800.0,
    )  # fmt: skip
    store(centre, journey(version=4), rest)
    (row,) = shown(centre)
    assert (row["id"], row["entry"], row["esn"], row["start_ns"]) == (
        journey().id,
        "in",
        "RSU002",
        str(T0_NS),
    )
    assert (row["way_m"], row["moving_s"], row["share"]) == (800.0, 95.0, 0.8)  # 300 m in between
    # the first RSU comes back, waits in vain and gives it up: what it last saw is older
    store(centre, journey(version=6, contact="lost", end_ns=T0_NS, reason="lost"))
    (row,) = shown(centre)
    assert row["open"]
    rest.version, rest.way_m, rest.end_ns, rest.reason = 2, 300.0, T0_NS + 90 * NS, "exit"
    rest.seen_ns = rest.end_ns
    store(centre, rest)
    (row,) = shown(centre, "closed")
    assert (row["id"], row["way_m"], row["reason"]) == (journey().id, 1_000.0, "exit")
    with centre.engine.begin() as db:
        assert db.scalar(sa.select(sa.func.count()).select_from(JOURNEY)) == 2


def test_who_enters_anew_has_ended_the_journey_before(centre: Centre) -> None:
    store(centre, journey(), journey(2, start_ns=T0_NS + 60 * NS, seen_ns=T0_NS + 60 * NS))
    assert [row["id"] for row in shown(centre, "open")] == [journey(2).id]
    assert [row["reason"] for row in shown(centre, "closed")] == ["again"]


def test_what_can_not_be_true_is_refused_for_good_and_costs_nothing_else() -> None:
    counts: Counter[str] = Counter()
    inbox = JourneyInbox(counts)
    sound = encoded(journey())
    bad = [
        encoded(journey(2, esn="RSU009")),
        encoded(journey(3, way_m=-1.0)),
        b"\xc1",
        encoded(journey(4, terminal="x\u202e")),
    ]
    ack = inbox.receive("RSU001", wire.encode(JourneyBatch(journeys=(bad[0], sound, *bad[1:]))), T0_NS)
    assert ack is not None
    assert [key.id[-1] for key in ack.stored] == ["2", "3", "4"]
    assert [received.body for received in inbox.pop()] == [sound]
    assert inbox.receive("RSU001", b"\x91\x91", T0_NS) is None
    assert counts == {"journey.refused": 4, "journeys.unreadable": 1}


def test_only_the_newest_of_each_waits_and_is_acknowledged() -> None:
    inbox = JourneyInbox(Counter())
    for version in (1, 2):
        inbox.receive(
            "RSU001", wire.encode(JourneyBatch(journeys=(encoded(journey(version=version)),))), T0_NS
        )
    versions = inbox.pop()
    assert not inbox
    inbox.put_back(versions)
    ((key,),) = [ack.stored for ack in acks_of(inbox.pop())["RSU001"]]
    assert key.version == 2


def test_a_shelf_sends_until_the_centre_has_it() -> None:
    shelf = JourneyShelf()
    bodies = [encoded(journey(n)) for n in range(JOURNEYS_MAX + 1)]
    for n, body in enumerate(bodies):
        shelf.put(journey(n).id, 1, body, is_open=n > 0)
    messages = shelf.due(100.0)
    assert len(messages) == 2
    assert shelf.due(101.0) == []
    assert len(shelf.due(105.0)) == 2
    inbox = JourneyInbox(Counter())
    inbox.receive("RSU001", messages[0], T0_NS)
    (ack,) = acks_of([*inbox.pop(), *inbox.pop()])["RSU001"]  # two transactions
    assert not inbox
    assert shelf.acknowledge(ack) == [journey(0).id]  # the ended one; open ones stay for a restart
    assert len(shelf) == 1
    shelf.put(journey(JOURNEYS_MAX).id, 2, b"", is_open=True)
    assert shelf.acknowledge(ack) == []
    shelf.release(journey(JOURNEYS_MAX).id)
    assert len(shelf) == 0


def test_a_shelf_loads_what_the_run_before_left() -> None:
    shelf = JourneyShelf()
    ended = journey(2, end_ns=T0_NS, reason="exit")
    waiting = shelf.load((encoded(journey(1)), b"broken", encoded(ended)))
    assert [one.id for one in waiting] == [journey(1).id]
    assert len(shelf) == 2
    assert shelf.counts == {"journeys.unreadable": 1}


@pytest.mark.anyio
async def test_the_served_board_shows_what_came_over_the_broker(tmp_path: Path) -> None:
    async with running(tmp_path) as served:
        batch = JourneyBatch(journeys=(encoded(journey()),))
        served.app.ingest.subscriptions.receive(topics.journey_up("RSU001"), wire.encode(batch))
        await served.until_sent(1)
        topic, body = served.sent[0]
        assert topic == topics.journey_ack("RSU001")
        assert decode_journey_ack(body).stored[0].id == journey().id
        (row,) = (await served.get("/api/journeys"))["items"]
        assert (row["terminal"], row["vehicle"]["plate"]) == ("13900000001", "辽L·A0001")


def messages(inbox: JourneyInbox, *sent: tuple[Journey, ...]) -> list[int]:
    """Give an inbox these messages; return the list into which the numbers of those go that are settled."""
    settled: list[int] = []
    for n, journeys in enumerate(sent):
        body = wire.encode(JourneyBatch(journeys=tuple(encoded(one) for one in journeys)))
        inbox.receive("RSU001", body, T0_NS, partial(settled.append, n))
    return settled


def test_a_message_is_settled_once_none_of_its_versions_waits() -> None:
    inbox = JourneyInbox(Counter())
    settled = messages(inbox, (journey(1), journey(2)), (journey(2, version=2),), (journey(3, way_m=-1.0),))
    assert settled == [2], "what nobody can store is settled at once"
    first, second = inbox.pop()
    assert first.journey.id == journey(1).id
    first.settle()
    assert settled == [2, 0], "its other version was replaced by a newer one"
    inbox.put_back([second])  # the commit failed
    assert settled == [2, 0]
    (second,) = inbox.pop()
    later = messages(inbox, (journey(2, version=3),))
    inbox.put_back([second])
    assert (settled, later) == ([2, 0, 1], []), "a newer one waits"


def test_what_finds_no_room_is_settled_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("centre.journey_inbox.WAITING_MAX", 1)
    inbox = JourneyInbox(Counter())
    settled = messages(inbox, (journey(1), journey(2)), (journey(3),), ())
    assert settled == [1, 2]
    inbox.pop()[0].settle()
    assert settled == [1, 2, 0]
