"""The outbox: committed before sent, sent until held, never deleted otherwise; real disks and kills."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge import outbox as outbox_module
from edge import outbox_keeper
from edge.clock import Clock
from edge.outbox import Outbox
from edge.outbox_store import Store
from edge.wire import ViolationAck, decode_batch

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).resolve().parents[1]
NS = 1_790_000_000_000_000_000
CLOCK = Clock.paced(NS)


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Wire:
    """Takes what the outbox sends; `up` False refuses it."""

    def __init__(self):
        self.batches, self.up = [], True
        self.news = asyncio.Event()

    def send(self, body):
        if self.up:
            self.batches.append(decode_batch(body))
            self.news.set()
        return self.up

    def keys(self):
        return [(batch.epoch, item.seq) for batch in self.batches for item in batch.items]

    def ack(self, outbox, *, conflict=()):
        """Answer everything received as a centre would."""
        batches, self.batches = self.batches, []
        for batch in batches:
            seqs = [item.seq for item in batch.items]
            outbox.acknowledge(
                ViolationAck(
                    centre="c",
                    epoch=batch.epoch,
                    stored=tuple(seq for seq in seqs if seq not in conflict),
                    conflict=tuple(seq for seq in seqs if seq in conflict),
                )
            )


@contextlib.asynccontextmanager
async def running(path, **options):
    """A running outbox and the wire that it sends into."""
    outbox, wire = await Outbox.open(path, clock=CLOCK, **options), Wire()
    task = asyncio.create_task(outbox.run(wire.send))
    try:
        yield outbox, wire
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await outbox.close()


async def until(condition):
    async with asyncio.timeout(10.0):
        while not condition():
            await asyncio.sleep(0.002)


def put(outbox, body=b"v", episode=None, episode_id="e"):
    outbox.put(body, CLOCK.now_ns(), episode_id, episode)


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
    monkeypatch.setattr(outbox_module, "RESEND_S_MAX", 0.1)
    async with running(tmp_path / "o.sqlite") as (outbox, wire):
        put(outbox)
        await until(lambda: wire.batches)
        waiting = next(iter(outbox._waiting.values()))
        assert waiting.due_s - asyncio.get_running_loop().time() == pytest.approx(1.0, abs=0.3)
        waiting.due_s, waiting.backoff_s = 0.0, 0.04
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
    heard = []
    async with running(tmp_path / "o.sqlite", on_epoch=lambda: heard.append(1)) as (outbox, wire):
        first = outbox.epoch
        for body in (b"a", b"b", b"c"):
            put(outbox, body)
        await until(lambda: len(wire.keys()) == 3)
        wire.ack(outbox, conflict=(2,))
        await until(lambda: wire.batches)
        (batch,) = wire.batches
        assert batch.epoch == outbox.epoch > first
        assert [(item.seq, item.violation) for item in batch.items] == [(1, b"b")]
        assert (heard, outbox.depth, outbox.last_seq) == ([1], 1, 1)
        put(outbox, b"d")
        await until(lambda: len(wire.keys()) == 2)
        assert wire.keys()[-1] == (outbox.epoch, 2)
        wire.ack(outbox)
        await asyncio.wait_for(outbox.drained(), 5.0)


async def test_a_backlog_larger_than_memory_drains(tmp_path, monkeypatch):
    monkeypatch.setattr(outbox_module, "LOADED_MAX", 20)
    path = tmp_path / "o.sqlite"
    store = Store(path, 5)
    for i in range(90):
        store.commit(store.put(NS, b"%d" % i, None)[1])
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


async def test_a_damaged_file_is_set_aside_and_memory_restored(tmp_path):
    path = tmp_path / "o.sqlite"
    path.write_bytes(b"this is no database, whatever it was" * 200)
    async with running(path) as (outbox, wire):
        assert outbox.counts["outbox.damaged"] == 1
        put(outbox)
        await until(lambda: wire.batches)
    assert len(list(tmp_path.glob("o.sqlite.damaged-*"))) == 1


async def test_damage_while_running_keeps_what_memory_has(tmp_path):
    path = tmp_path / "o.sqlite"
    async with running(path) as (outbox, wire):
        put(outbox, b"before")
        await until(lambda: wire.batches)
        first, real = outbox.epoch, outbox._keeper.store.commit

        def corrupt(statements):
            outbox._keeper.store.commit = real
            error = sqlite3.DatabaseError("database disk image is malformed")
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error

        outbox._keeper.store.commit = corrupt
        put(outbox, b"after")
        await until(lambda: outbox.epoch > first and outbox.depth == 2)
        assert outbox.counts["outbox.damaged"] == 1
    store = Store(path, 0)
    assert {(row.key, row.violation) for row in store.load(9, ())} == {
        ((first, 1), b"before"),
        ((first, 2), b"after"),
    }
    store.close()


async def test_a_directory_that_refuses_is_met_with_memory(tmp_path):
    path = tmp_path / "o.sqlite"
    path.mkdir()  # root may write anywhere: only this can't be opened
    async with running(path) as (outbox, wire):
        put(outbox)
        await until(lambda: wire.batches)
        assert "outbox_in_memory" in outbox.degraded


async def test_no_room_anywhere_sends_a_void(tmp_path, monkeypatch):
    def full(statements):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(outbox_module, "WAITING_MAX", 1)
    async with running(tmp_path / "o.sqlite") as (outbox, wire):
        commit, outbox._keeper.store.commit = outbox._keeper.store.commit, full
        put(outbox, b"kept")
        await until(lambda: wire.batches)
        assert outbox.degraded == ("disk_full",)
        put(outbox, b"lost")
        await until(lambda: len(wire.batches) == 2)
        (item,) = wire.batches[1].items
        assert (item.seq, item.violation) == (2, None)
        assert "no room" in item.void
        assert outbox.counts["outbox.dropped"] == 1
        outbox._keeper.store.commit = commit


async def test_a_bug_in_the_thread_ends_the_loop(tmp_path):
    def fail():
        raise ZeroDivisionError

    outbox = await Outbox.open(tmp_path / "o.sqlite", clock=CLOCK, before_commit=fail)
    put(outbox)
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(outbox.run(lambda body: True), 5.0)
    await outbox.close()


KILLED = """
import asyncio, os, signal, sys, pathlib
from edge.clock import Clock
from edge.outbox import Outbox
from edge.wire import decode_batch

async def main():
    clock = Clock.wall()
    outbox = await Outbox.open(pathlib.Path(sys.argv[1]), clock=clock)

    def send(body):
        batch = decode_batch(body)
        for item in batch.items:  # one write each: what the parent reads was committed before
            os.write(1, f"{batch.epoch} {item.seq} {item.violation.decode()}\\n".encode())
        return True

    task = asyncio.create_task(outbox.run(send))
    for i in range(10_000):
        outbox.put(b"%d" % i, clock.now_ns(), "e", b"open")
        if i % 7 == 0:
            await asyncio.sleep(0)
    await task

asyncio.run(main())
"""


def test_kill_9_loses_nothing_that_was_sent(tmp_path):
    path = tmp_path / "o.sqlite"
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as child:
        lines = [child.stdout.readline() for _ in range(200)]
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines()
    sent = {tuple(line.split(" ")) for line in lines if line.endswith("\n")}
    store = Store(path, 0)
    kept = {(str(r.key.epoch), str(r.key.seq), r.violation.decode() + "\n") for r in store.load(10**6, ())}
    assert len(sent) >= 200
    assert sent <= kept
    seqs = sorted(int(seq) for _, seq, _ in kept)
    assert seqs == list(range(1, len(seqs) + 1))
    assert {int(epoch) for epoch, _, _ in kept} < {store.epoch, *store.remaining}
    assert store.epoch > max(store.remaining)  # a lost tail's keys are never used again
    assert store.episodes() == (b"open",)
    store.close()


@pytest.fixture
def small_disk(tmp_path):
    """A tmpfs of 3 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], check=False, capture_output=True
        ).returncode
    ):
        pytest.skip("needs root and the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def test_a_full_disk_frees_the_ballast_and_keeps_serving(small_disk, monkeypatch):
    monkeypatch.setattr(outbox_keeper, "RETRY_S", 0.02)
    async with running(small_disk / "o.sqlite", ballast_bytes=500_000) as (outbox, wire):
        ballast = small_disk / "o.sqlite.ballast"
        assert ballast.stat().st_size == 500_000
        n_put = 0
        while "disk_full" not in outbox.degraded:
            put(outbox, os.urandom(20_000))
            n_put += 1
            await until(lambda n=n_put: len(set(wire.keys())) == n)
        assert not ballast.exists()
        assert outbox.counts["outbox.ballast_freed"] == 1
        assert 50 < n_put < 150
        for _ in range(3):  # still takes them, still sends them
            put(outbox, os.urandom(20_000))
        await until(lambda: len(set(wire.keys())) == n_put + 3)
        assert outbox.depth == n_put + 3
        (small_disk / "more").mkdir(exist_ok=True)
        subprocess.run(["mount", "-o", "remount,size=9m", str(small_disk)], check=True)
        await until(lambda: "disk_full" not in outbox.degraded)
        first = outbox.epoch
    store = Store(small_disk / "o.sqlite", 0)
    assert [row.key for row in store.load(999, ())] == [(first, seq) for seq in range(1, n_put + 4)]
    store.close()
