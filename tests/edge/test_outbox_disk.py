"""The outbox on disks that refuse, are damaged or full, and under kill -9."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from edge.ask import ViolationAsk
from edge.outbox import keeper as outbox_keeper
from edge.outbox import outbox as outbox_module
from edge.outbox.keeper import Done, Keeper, Load
from edge.outbox.store import Ballast, Store
from tests.support.outbox_end import put, running, until

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).resolve().parents[2]


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


async def test_a_directory_that_can_not_be_moved_is_met_with_memory(tmp_path, monkeypatch):
    path = tmp_path / "o.sqlite"
    path.mkdir()  # root may write anywhere: only this can't be opened
    monkeypatch.setattr(outbox_keeper, "set_aside", lambda path, wall_s: None)  # a mount, say
    async with running(path) as (outbox, wire):
        put(outbox)
        await until(lambda: wire.batches)
        assert "outbox_in_memory" in outbox.degraded


class Disk:
    """The disk of a running outbox, which may refuse; both are told as SQLite would."""

    def __init__(self, outbox, monkeypatch):
        self.full, self._commit = True, outbox._keeper.store.commit
        monkeypatch.setattr(outbox._keeper.store, "commit", self.commit)
        monkeypatch.setattr(outbox_keeper, "DISK_RETRY_S", 0.005)

    def commit(self, changes):
        if self.full:
            raise sqlite3.OperationalError("database or disk is full")
        self._commit(changes)


async def test_no_room_anywhere_sends_a_void(tmp_path, monkeypatch):
    monkeypatch.setattr(outbox_module, "UNSAVED_MAX", 1)
    async with running(tmp_path / "o.sqlite") as (outbox, wire):
        disk = Disk(outbox, monkeypatch)
        put(outbox, b"kept")
        await until(lambda: wire.batches)
        assert outbox.degraded == ("disk_full",)
        put(outbox, b"lost")
        await until(lambda: len(wire.batches) == 2)
        (item,) = wire.batches[1].items
        assert (item.seq, item.violation) == (2, None)
        assert "no room" in item.void
        assert outbox.degraded == ("disk_full", "outbox_full")
        for _ in range(100):  # said already: a void each would need room too
            put(outbox, b"lost too", episode=b"goes on")
        assert (outbox.counts["outbox.dropped"], outbox.depth) == (101, 2)
        disk.full = False
        await until(lambda: outbox.degraded == ())
        put(outbox, b"kept again", episode_id="another")
        await until(lambda: len(wire.batches) == 3)
        assert [(item.seq, item.violation) for item in wire.batches[2].items] == [(3, b"kept again")]
    async with running(tmp_path / "o.sqlite") as (outbox, _):
        assert outbox.episodes == (b"goes on",)  # of what was dropped too


async def test_hours_on_a_full_disk_leave_nothing_behind_of_what_the_centre_has(tmp_path, monkeypatch):
    """The violations, and each state that their episodes had, stayed in memory until the disk took them."""
    path = tmp_path / "o.sqlite"
    async with running(path) as (outbox, wire):
        put(outbox, b"first", episode=b"old", episode_id="open before")
        put(outbox, b"second", episode=b"old", episode_id="ends meanwhile")
        outbox.keep_journey("ends too", b"open")
        await until(lambda: len(wire.keys()) == 2 and outbox._keeper.store.journey_ids)
        disk, unsaved = Disk(outbox, monkeypatch), lambda: outbox._keeper._unsaved
        outbox.keep_journey("ends too", None)
        for n in range(50):
            put(outbox, b"v", episode=b"%d" % n, episode_id="open before")
            put(outbox, b"v", episode=b"here", episode_id=f"short {n}")
            put(outbox, b"v", episode=None, episode_id=f"short {n}")
            put(outbox, b"v", episode=None, episode_id="ends meanwhile")
            outbox.keep_journey(f"journey {n}", b"open")
            outbox.keep_journey(f"journey {n}", None)
            await until(lambda n=n: outbox.last_seq == 4 * n + 6)
            wire.ack(outbox)
        await until(lambda: (wire.ack(outbox), unsaved().n_rows() == 0)[1])
        assert unsaved().forgotten() == {(outbox.epoch, 1), (outbox.epoch, 2)}  # the disk has these still
        assert unsaved().episodes == {"open before": b"49", "ends meanwhile": None}
        assert unsaved().journeys == {"ends too": None}
        assert unsaved().last_seqs == {outbox.epoch: 202}
        disk.full = False
        await until(lambda: outbox.degraded == ())
        epoch = outbox.epoch
    store = Store(path, 0)
    assert (store.load(9, ()), store.episodes(), store.last_seqs[epoch]) == ([], (b"49",), 202)
    assert store.journeys() == ()
    store.close()


async def test_what_was_acknowledged_on_a_full_disk_is_not_read_from_it_again(tmp_path, monkeypatch):
    """It was sent again and again, and each answer counted one item less that waits."""
    async with running(tmp_path / "o.sqlite") as (outbox, wire):
        put(outbox, b"a")
        put(outbox, b"b")
        await until(lambda: len(wire.keys()) == 2)
        disk = Disk(outbox, monkeypatch)
        wire.ack(outbox)
        put(outbox, b"c")
        outbox._load()
        await until(lambda: wire.batches and not outbox._loading)
        assert wire.keys() == [(outbox.epoch, 3)]
        assert outbox.depth == 1
        disk.full = False


async def test_what_a_new_centre_asks_for_on_a_full_disk_leaves_the_file_once_it_is_acknowledged(
    tmp_path, monkeypatch
):
    """It came back from the recordings in place of the order to delete it, and lay in the file for ever."""
    path = tmp_path / "o.sqlite"
    async with running(path) as (outbox, wire):
        put(outbox, b"a")
        await until(lambda: wire.batches)
        disk = Disk(outbox, monkeypatch)
        wire.ack(outbox)
        await until(lambda: outbox._keeper._unsaved.forgotten() == {(outbox.epoch, 1)})
        outbox.answer(ViolationAsk(centre="new", epoch=outbox.epoch, seqs=(1,)))
        await until(lambda: wire.batches)
        wire.ack(outbox)
        await until(lambda: outbox._keeper._unsaved.n_rows() == 0)
        disk.full = False
        await until(lambda: outbox.degraded == () and outbox.depth == 0)
    store = Store(path, 0)
    assert store.load(9, ()) == []
    store.close()


async def test_a_disk_that_is_nearly_full_stores_what_memory_need_not(tmp_path, monkeypatch):
    """Voids took the violations' place, though the disk had room for them."""
    monkeypatch.setattr(outbox_module, "WAITING_MAX", 2)
    monkeypatch.setattr(outbox_module, "UNSAVED_MAX", 2)
    monkeypatch.setattr(Ballast, "fill", lambda ballast: None)  # no room for so much
    path = tmp_path / "o.sqlite"
    async with running(path, ballast_bytes=1_000) as (outbox, wire):
        wire.up = False
        await until(lambda: outbox.degraded == ("disk_low",))
        for n in range(5):
            put(outbox, b"%d" % n)
            await until(lambda n=n: outbox.last_seq == n + 1)
        assert (len(outbox._waiting), outbox.depth, outbox.counts) == (2, 5, {})
    store = Store(path, 0)
    assert [row.violation for row in store.load(9, ())] == [b"0", b"1", b"2", b"3", b"4"]
    store.close()


async def test_a_backlog_on_disk_leaves_memory_its_room(tmp_path, monkeypatch):
    """So many waiting ones were on the disk when it became full that new ones had no room at once."""
    monkeypatch.setattr(outbox_module, "WAITING_MAX", 2)
    monkeypatch.setattr(outbox_module, "UNSAVED_MAX", 2)
    async with running(tmp_path / "o.sqlite") as (outbox, wire):
        wire.up = False
        for n in range(2):
            put(outbox, b"%d" % n)
            await until(lambda n=n: outbox.last_seq == n + 1)
        disk = Disk(outbox, monkeypatch)
        put(outbox, b"2")
        await until(lambda: outbox.degraded == ("disk_full",))
        put(outbox, b"3")
        wire.up = True
        await until(lambda: outbox.last_seq == 4)
        outbox.resend()
        await until(lambda: len(wire.keys()) == 4)
        assert [item.violation for batch in wire.batches for item in batch.items] == [b"0", b"1", b"2", b"3"]
        disk.full = False


KILLED = """
import asyncio, os, signal, sys, pathlib
from edge.clock import Clock
from edge.outbox.outbox import Outbox
from tests.support.outbox_end import read_batch

async def main():
    clock = Clock.wall()
    outbox = await Outbox.open(pathlib.Path(sys.argv[1]), clock=clock)
    outbox.start()

    def send(body):
        batch = read_batch(body)
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
    monkeypatch.setattr(outbox_keeper, "DISK_RETRY_S", 0.02)
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


@pytest.mark.parametrize("call", ["commit", "load"])
@pytest.mark.parametrize("code", [sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_IOERR])
def test_who_asks_for_a_backlog_is_answered_whatever_the_disk_does(tmp_path, call, code):
    """Without an answer it would never ask again, and what lies on disk only waited for a restart."""
    done: list[Done] = []
    keeper = Keeper(tmp_path / "o.sqlite", wall_s=7, ballast_bytes=0)
    keeper.attach(before_commit=lambda: None, done=done.append)

    def refuse(*_):
        error = sqlite3.DatabaseError("the disk says no")
        error.sqlite_errorcode = code
        raise error

    setattr(keeper.store, call, refuse)
    keeper.jobs.put(Load(9, frozenset()))
    assert keeper._round()
    assert done[-1].loaded == []
    assert done[-1].lost == (code == sqlite3.SQLITE_CORRUPT)
    keeper.store.close()
