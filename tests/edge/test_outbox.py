"""The outbox: committed before sent, sent until held, never deleted otherwise."""

import asyncio
import sqlite3
import threading
import time

import pytest

from edge.outbox import outbox as outbox_module
from edge.outbox import window as window_module
from edge.outbox.changes import Changes
from edge.outbox.outbox import Outbox
from edge.outbox.store import Store
from edge.wire import ViolationAck
from tests.support.outbox_end import CLOCK, NS, put, running, until

pytestmark = pytest.mark.anyio


async def test_committed_before_sent_and_deleted_once_held(tmp_path):
    path = tmp_path / "o.sqlite"
    order = []
    async with running(path, before_commit=lambda: order.append("chunk")) as (outbox, wire):
        put(outbox, b"one")
        await until(lambda: wire.batches)
        with sqlite3.connect(path) as db:
            assert db.execute("SELECT seq, violation FROM item").fetchall() == [(1, b"one")]
        db.close()
        assert order == ["chunk"]
        (item,) = wire.batches[0].items
        assert item.detected_ns <= item.sent_ns
        wire.ack(outbox)
        await asyncio.wait_for(outbox.drained(), 5.0)
    store = Store(path, 0)
    assert store.load(9, ()) == []
    store.close()


async def test_a_void_is_kept_and_sent_like_a_violation(tmp_path):
    async with running(tmp_path / "o.sqlite") as (outbox, wire):
        outbox.put_void("implausible overspeed: speed_mps", CLOCK.now_ns(), "e", b"state")
        put(outbox, b"two", episode_id="f")
        await until(lambda: sum(len(batch.items) for batch in wire.batches) == 2)
        items = [item for batch in wire.batches for item in batch.items]
        assert [(item.seq, item.void, item.violation) for item in items] == [
            (1, "implausible overspeed: speed_mps", None), (2, None, b"two"),
        ]  # fmt: skip
    store = Store(tmp_path / "o.sqlite", 0)
    assert store.episode_ids == {"e"}  # what a restart resumes is kept too
    store.close()


async def test_seqs_have_no_gaps_and_batches_are_bounded(tmp_path):
    async with running(tmp_path / "o.sqlite") as (outbox, wire):
        for i in range(100):
            put(outbox, b"%d" % i)
        await until(lambda: len(wire.keys()) == 100)
        assert wire.keys() == [(outbox.epoch, seq) for seq in range(1, 101)]
        assert max(len(batch.items) for batch in wire.batches) == 32
        assert (outbox.last_seq, outbox.depth) == (100, 100)


async def test_bytes_bound_a_batch_too(tmp_path):
    async with running(tmp_path / "o.sqlite") as (outbox, wire):
        for _ in range(5):
            put(outbox, bytes(100_000))
        await until(lambda: len(wire.keys()) == 5)
        assert [len(batch.items) for batch in wire.batches] == [2, 2, 1]


async def test_acks_that_mean_nothing_are_counted_and_change_nothing(tmp_path):
    async with running(tmp_path / "o.sqlite") as (outbox, wire):
        put(outbox)
        await until(lambda: wire.batches)
        ack = ViolationAck(centre="c", epoch=outbox.epoch, stored=(1,))
        outbox.acknowledge(ViolationAck(centre="c", epoch=outbox.epoch, stored=(2,)))  # never sent
        outbox.acknowledge(ViolationAck(centre="c", epoch=outbox.epoch - 1, stored=(1,)))  # nor that
        assert outbox.depth == 1
        outbox.acknowledge(ack)
        outbox.acknowledge(ack)  # late, and again
        assert outbox.depth == 0
        assert outbox.counts == {"outbox.ack_never_sent": 2, "outbox.ack_repeated": 1}


async def test_what_was_not_sent_can_not_be_acknowledged(tmp_path):
    async with running(tmp_path / "o.sqlite") as (outbox, wire):
        wire.up = False
        put(outbox)
        await until(lambda: outbox.last_seq == 1)
        outbox.acknowledge(ViolationAck(centre="c", epoch=outbox.epoch, stored=(1,)))
        assert outbox.depth == 1
        wire.up = True
        outbox.resend()
        await until(lambda: wire.batches)


async def test_unanswered_items_are_sent_again_ever_more_slowly(tmp_path, monkeypatch):
    monkeypatch.setattr(window_module, "RESEND_S_MAX", 0.1)
    async with running(tmp_path / "o.sqlite", resends=True) as (outbox, wire):
        put(outbox)
        await until(lambda: wire.batches)
        waiting = next(iter(outbox._waiting.values()))
        assert waiting.due_s - asyncio.get_running_loop().time() == pytest.approx(1.0, abs=0.3)
        waiting.due_s, waiting.backoff_s = 0.0, 0.04
        outbox._window.look_again()
        outbox._wake.set()
        begun_s = time.monotonic()
        await until(lambda: len(wire.batches) == 5)  # after 0.04, 0.08, 0.1 s: the limit holds
        assert 0.2 < time.monotonic() - begun_s < 2.0
        assert outbox.counts["outbox.resent"] == 4


async def test_reconnecting_sends_the_rest_at_once(tmp_path):
    async with running(tmp_path / "o.sqlite") as (outbox, wire):
        put(outbox, b"a")
        put(outbox, b"b")
        await until(lambda: len(wire.keys()) == 2)
        outbox.acknowledge(ViolationAck(centre="c", epoch=outbox.epoch, stored=(1,)))
        wire.batches.clear()
        outbox.resend()
        await until(lambda: wire.batches)
        assert wire.keys() == [(outbox.epoch, 2)]


async def test_a_restart_sends_what_is_left_under_its_own_epoch(tmp_path):
    path = tmp_path / "o.sqlite"
    async with running(path) as (outbox, wire):
        first = outbox.epoch
        put(outbox, b"old", episode=b"state", episode_id="e1")
        put(outbox, b"closed", episode=None, episode_id="e2")
        await until(lambda: wire.batches)
    async with running(path) as (outbox, wire):
        assert outbox.epoch > first
        assert outbox.episodes == (b"state",)
        assert outbox.pending == ((first, 2),)
        wire.up = False
        put(outbox, b"new")
        await until(lambda: outbox.depth == 3 and outbox.last_seq == 1)
        wire.up = True
        outbox.resend()
        await until(lambda: len(wire.keys()) == 3)
        assert wire.keys() == [(outbox.epoch, 1), (first, 1), (first, 2)]  # live overtakes the backlog
        outbox.release("e1")
        wire.ack(outbox)
        await asyncio.wait_for(outbox.drained(), 5.0)
        assert outbox.pending == ()
    async with running(path) as (outbox, _):
        assert outbox.episodes == ()


async def test_a_conflict_moves_the_item_to_a_new_epoch(tmp_path):
    async with running(tmp_path / "o.sqlite") as (outbox, wire):
        first = outbox.epoch
        for body in (b"a", b"b", b"c"):
            put(outbox, body)
        await until(lambda: len(wire.keys()) == 3)
        wire.ack(outbox, conflict=(2,))
        await until(lambda: wire.batches)
        (batch,) = wire.batches
        assert batch.epoch == outbox.epoch > first
        assert [(item.seq, item.violation) for item in batch.items] == [(1, b"b")]
        assert (outbox.depth, outbox.last_seq) == (1, 1)
        put(outbox, b"d")
        await until(lambda: len(wire.keys()) == 2)
        assert wire.keys()[-1] == (outbox.epoch, 2)
        wire.ack(outbox)
        await asyncio.wait_for(outbox.drained(), 5.0)


async def test_an_answer_that_comes_twice_moves_the_item_once(tmp_path):
    async with running(tmp_path / "o.sqlite") as (outbox, wire):
        put(outbox, b"a")
        await until(lambda: wire.batches)
        first = outbox.epoch
        conflict = ViolationAck(centre="c", epoch=first, conflict=(1,))
        outbox.acknowledge(conflict)
        outbox.acknowledge(conflict)  # QoS 1 may deliver twice, before the disk has moved it
        outbox.acknowledge(ViolationAck(centre="c", epoch=first, stored=(1,)))
        wire.batches.clear()
        await until(lambda: wire.batches)
        assert wire.keys() == [(outbox.epoch, 1)]
        assert (outbox.depth, outbox.counts) == (1, {"outbox.conflict": 1, "outbox.ack_repeated": 2})
        wire.ack(outbox)
        await asyncio.wait_for(outbox.drained(), 5.0)


async def test_what_is_acknowledged_while_the_backlog_is_read_does_not_come_back(tmp_path, monkeypatch):
    asked, answer = threading.Event(), threading.Event()
    async with running(tmp_path / "o.sqlite") as (outbox, wire):
        load = outbox._keeper.store.load

        def slow(n_rows, known):
            rows = load(n_rows, ())  # it was put after the keeper was asked
            asked.set()
            answer.wait(5.0)
            return rows

        put(outbox, b"a")
        await until(lambda: wire.batches)
        monkeypatch.setattr(outbox._keeper.store, "load", slow)
        outbox._load()
        await until(asked.is_set)
        wire.ack(outbox)
        answer.set()
        put(outbox, b"b")
        await until(lambda: wire.batches)
        assert wire.keys() == [(outbox.epoch, 2)]
        assert outbox.depth == 1


async def test_a_backlog_larger_than_memory_drains(tmp_path, monkeypatch):
    monkeypatch.setattr(outbox_module, "LOADED_MAX", 20)
    path = tmp_path / "o.sqlite"
    store = Store(path, 5)
    changes = Changes()
    for i in range(90):
        store.put(changes, NS, b"%d" % i, None)
    store.commit(changes)
    store.close()
    async with running(path) as (outbox, wire):
        assert outbox.pending == ((5, 90),)
        seen = set()
        async with asyncio.timeout(10.0):
            while outbox.depth:
                await wire.news.wait()
                wire.news.clear()
                seen.update(wire.keys())
                wire.ack(outbox)
        assert seen == {(5, seq) for seq in range(1, 91)}


async def test_a_bug_in_the_thread_ends_the_loop(tmp_path):
    def fail():
        raise ZeroDivisionError

    outbox = await Outbox.open(tmp_path / "o.sqlite", clock=CLOCK)
    outbox.start(before_commit=fail)
    put(outbox)
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(outbox.run(lambda body: True), 5.0)
    await outbox.close()
