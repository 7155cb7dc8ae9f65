"""What a centre says of its desk, and what the other one makes of it. The desk's part on both databases."""

import asyncio
from collections import Counter

import msgspec
import pytest

from centre.audit.log import head
from centre.desk import mirror
from centre.desk.mirror import DeskMirror, handled
from centre.peers import Peers
from edge import topics
from edge.centre_status import CentreStatus
from edge.centre_status import encode as encode_status
from edge.desk_state import DeskState, HandledAlarm, decode_desk_state, encode
from edge.subscriptions import Incoming
from geofence.violation import ViolationVehicle
from tests.support.desk_stage import DeskStage


@pytest.fixture
def desk(engine):
    return DeskStage(engine)


def test_what_was_handled_is_said_the_newest_first_and_never_more_than_fits(desk, monkeypatch):
    ids = [desk.send(n, vehicle=ViolationVehicle(plate=f"P{n}")) for n in range(1, 5)]
    desk.act(ids[0], "acknowledge")
    desk.act(ids[1], "close", reason="driver_warned")
    desk.act(ids[2], "note", text="seen")  # handles nothing
    with desk.at.engine.begin() as db:
        found, cut = handled(db, desk.at.now_ns)
        assert [(each.violation, each.state, each.user, each.reason) for each in found] == [
            (ids[1], "closed", "wang", "driver_warned"),
            (ids[0], "acknowledged", "wang", None),
        ]
        assert not cut
        monkeypatch.setattr(mirror, "ALARMS_MAX", 1)
        assert [each.violation for each in handled(db, desk.at.now_ns)[0]] == [ids[1]]
        assert handled(db, desk.at.now_ns)[1]
        assert handled(db, desk.at.now_ns + 2 * mirror.SPAN_NS) == ((), False)


def test_it_is_said_after_each_act_and_again_so_that_it_stays_known(desk, monkeypatch):
    monkeypatch.setattr(mirror, "LOOK_S", 0.0)
    alarm, sent, now_ns = desk.send(1), [], [desk.at.now_ns]
    began_ns = now_ns[0]

    async def ask(query, *arguments):
        with desk.at.engine.begin() as db:
            return query(db, *arguments)

    def publish(topic, payload, qos, *, retain=False):
        sent.append((topic, qos, retain, decode_desk_state(payload)))
        return len(sent) > 1  # the first one finds no connection

    async def play():
        it = DeskMirror("centre", 7, ask, publish, lambda: now_ns[0], Counter())
        work = asyncio.create_task(it.run())

        async def until(n):
            async with asyncio.timeout(8.0):
                while len(sent) < n:
                    await asyncio.sleep(0)

        await until(2)
        desk.act(alarm, "acknowledge")
        await until(3)
        now_ns[0] += mirror.AGAIN_NS
        await until(4)
        now_ns[0] -= 3_600 * 10**9  # the clock was ahead
        await until(5)
        work.cancel()

    asyncio.run(play())
    assert {each[:3] for each in sent} == {(topics.centre_desk("centre"), 1, True)}
    assert [len(state.alarms) for *_, state in sent] == [0, 0, 1, 1, 1]
    with desk.at.engine.begin() as db:
        assert (sent[-1][3].n, sent[-1][3].sha256) == head(db)
    assert {state.epoch for *_, state in sent} == {7}
    stamps = [state.stamp_ns for *_, state in sent]
    assert stamps[1:4] == [began_ns, began_ns + 1, began_ns + mirror.AGAIN_NS]
    assert stamps[4] == stamps[3] + 1, "an older one would be passed over"


def test_only_a_newer_statement_of_the_centre_itself_counts():
    counts = Counter()
    peers = Peers(own="standby", database="b", main="centre", counts=counts)

    def receive(stamp_ns, *, centre="centre", epoch=7, topic=None, payload=None, user="wang"):
        alarm = HandledAlarm(violation="v1", state="handled", user=user, at_ns=5)
        state = DeskState(
            centre=centre, epoch=epoch, stamp_ns=stamp_ns, n=7, sha256=b"\x01" * 32, alarms=(alarm,)
        )
        parts = topics.parse(topics.centre_desk(topic or centre))
        peers.receive_desk(Incoming(parts, payload or encode(state), retained=True))

    assert peers.desks() == []
    receive(100)
    receive(90, user="an older one")
    receive(200, centre="standby")  # our own comes back to us
    receive(300, topic="other")
    receive(300, payload=b"\xc1")
    receive(300, payload=msgspec.msgpack.encode({"centre": "centre"}))
    assert counts == {"centres.desk_unreadable": 3}
    (found,) = peers.desks()
    assert (found["centre"], found["stamp_ns"], found["n"], found["sha256"]) == (
        "centre",
        "100",
        7,
        "01" * 32,
    )
    assert found["alarms"] == [{"id": "v1", "state": "handled", "user": "wang", "at_ns": "5", "reason": None}]
    receive(101, user="li\u202e")
    assert peers.desks()[0]["alarms"][0]["user"].startswith("li")
    receive(50, epoch=8)  # it has restarted, and its clock was ahead before
    receive(49, epoch=8)
    assert peers.desks()[0]["stamp_ns"] == "50"
    receive(999, epoch=7)  # a recorded one of the start that has ended
    assert peers.desks()[0]["stamp_ns"] == "50"
    status = CentreStatus(
        centre="centre", state="online", database="new", epoch=3, connection=1, stamp_ns=1, version="1"
    )
    peers.receive(
        Incoming(topics.parse(topics.centre_status("centre")), encode_status(status), retained=False)
    )
    receive(4, epoch=3)  # its database is new, and its clock behind
    assert peers.desks()[0]["stamp_ns"] == "4"
    for n in range(20):
        receive(1, centre=f"c{n}")
    assert len(peers.desks()) == 8
