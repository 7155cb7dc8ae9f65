"""Which centres must hold an item, when one of two is not waited for, and since when nobody answers."""

import asyncio
import sqlite3

import pytest

from edge.outbox import destinations
from edge.outbox.destinations import AWAY_S, ONE_CENTRE, Destinations
from edge.wire import ViolationAck
from tests.support.outbox_end import put, running, until

TWO = ("a", "b")


def two(connected_s: float = 0.0) -> Destinations:
    it = Destinations(TWO)
    it.connected(connected_s)
    return it


@pytest.mark.parametrize(
    ("wanted", "held_by", "want"),
    [
        ((), {"anyone"}, True),
        (TWO, {"a"}, False),
        (TWO, {"b"}, False),
        (TWO, {"a", "b"}, True),
        (TWO, {"stranger"}, False),  # such as a third centre, or an older one without `by`
    ],
)
def test_who_must_hold_an_item(wanted, held_by, want):
    it = Destinations(wanted)
    it.connected(0.0)
    assert it.suffices(held_by, 1.0) is want


def test_one_suffices_while_the_other_one_is_away_and_no_longer():
    it = two()
    it.heard("a", 50.0)
    assert not it.suffices({"a"}, AWAY_S)
    assert it.suffices({"a"}, AWAY_S + 0.1)
    assert not it.suffices({"b"}, AWAY_S + 0.1), "the one that lives must hold it"
    assert it.degraded(AWAY_S + 0.1) == (ONE_CENTRE,)
    it.heard("b", 70.0)
    assert not it.suffices({"a"}, 71.0)
    assert it.degraded(71.0) == ()


def test_time_without_a_link_makes_no_centre_away():
    it = two()
    it.disconnected()
    assert it.away(1_000.0) == ()
    it.connected(1_000.0)
    assert it.away(1_000.0 + AWAY_S) == ()
    assert it.away(1_000.1 + AWAY_S) == TWO
    assert it.suffices({"anyone"}, 1_000.1 + AWAY_S), "both are away: who answers holds it"


def test_since_when_nobody_answers():
    it = Destinations()
    it.connected(0.0)
    assert it.unanswered_s(99.0) == 0.0, "nothing was sent"
    it.sent(100.0)
    it.sent(105.0)
    assert it.unanswered_s(107.0) == 7.0
    it.answered("a", 108.0, waits=True)
    assert it.unanswered_s(109.0) == 1.0
    it.answered("a", 109.0, waits=False)
    assert it.unanswered_s(200.0) == 0.0
    it.sent(201.0)
    it.connected(205.0)
    assert it.unanswered_s(300.0) == 0.0, "all is sent again"


def ack(outbox, by, *seqs, database=None):
    outbox.acknowledge(ViolationAck(centre=database or f"db-{by}", by=by, epoch=outbox.epoch, stored=seqs))


def rows(path):
    with sqlite3.connect(path) as db:
        found = [seq for (seq,) in db.execute("SELECT seq FROM item ORDER BY seq")]
    db.close()
    return found


@pytest.mark.anyio
async def test_an_outbox_keeps_what_only_one_of_two_centres_holds(tmp_path):
    path = tmp_path / "o.sqlite"
    async with running(path) as (outbox, wire):
        outbox.destinations.wanted = TWO
        outbox.destinations.connected(asyncio.get_running_loop().time())
        for _ in range(3):
            put(outbox)
        await until(lambda: len(wire.keys()) == 3)
        ack(outbox, "a", 1, 2)
        ack(outbox, "b", 2, 3)
        ack(outbox, "b", 2)  # again
        assert outbox.depth == 2
        ack(outbox, "a", 1)
        assert outbox.depth == 2, "twice the same one"
        await until(lambda: rows(path) == [1, 3])
        ack(outbox, "b", 1)
        assert outbox.depth == 1
    assert rows(path) == [3], "and a restart sends it again, to both"


@pytest.mark.anyio
async def test_it_sends_again_what_a_centre_held_in_a_database_that_is_gone(tmp_path):
    async with running(tmp_path / "o.sqlite") as (outbox, wire):
        outbox.destinations.wanted = TWO
        put(outbox)
        await until(lambda: len(wire.keys()) == 1)
        ack(outbox, "a", 1)
        wire.batches.clear()
        put(outbox)
        await until(lambda: outbox.last_seq == 2 and len(wire.keys()) == 1)
        ack(outbox, "a", 2, database="db-new")
        await until(lambda: (outbox.epoch, 1) in set(wire.keys()))
        ack(outbox, "b", 1, 2)
        assert outbox.depth == 1, "the new database of a lacks the first"
        ack(outbox, "a", 1, database="db-new")
        assert outbox.depth == 0


@pytest.mark.anyio
async def test_it_deletes_what_one_holds_once_the_other_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(destinations, "AWAY_S", 0.3)
    async with running(tmp_path / "o.sqlite") as (outbox, wire):
        outbox.destinations.wanted = TWO
        loop = asyncio.get_running_loop()
        outbox.destinations.connected(loop.time())
        put(outbox)
        await until(lambda: len(wire.keys()) == 1)
        ack(outbox, "a", 1)
        assert outbox.depth == 1
        while not outbox.destinations.away(loop.time()):
            outbox.destinations.heard("a", loop.time())
            await asyncio.sleep(0.01)
        outbox._wake.set()  # as the next thing that is due does
        await until(lambda: outbox.depth == 0)
