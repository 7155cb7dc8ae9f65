"""The outbox on disks that refuse, are damaged or full, and under kill -9."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from edge import outbox as outbox_module
from edge import outbox_keeper
from edge.outbox_store import Store
from tests.outbox_end import put, running, until

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def anyio_backend():
    return "asyncio"


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
