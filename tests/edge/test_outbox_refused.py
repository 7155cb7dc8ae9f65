"""An outbox whose disk refuses at the start: it serves what the file holds, and opens the file later."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from edge.outbox import keeper as outbox_keeper
from edge.outbox import outbox as outbox_module
from edge.outbox.store import Store
from tests.support.outbox_end import put, running, until
from tests.support.small_disk import small_disk

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).resolve().parents[2]
N_WAITING = 15
LEFT = """
import asyncio, os, pathlib, sys
from edge.clock import Clock
from edge.outbox.outbox import Outbox

async def main():
    outbox = await Outbox.open(pathlib.Path(sys.argv[1]), clock=Clock.wall())
    outbox.start()
    for i in range(int(sys.argv[2])):
        outbox.put(b"%d " % i + bytes(3_000), 1_790_000_000_000_000_000, f"e{i}", b"open")
    while outbox.last_seq < int(sys.argv[2]):
        await asyncio.sleep(0.01)
    print("stored", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def leave_behind(path, n=N_WAITING):
    """Let a process store n items, and kill it."""
    with subprocess.Popen(
        [sys.executable, "-c", LEFT, str(path), str(n)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "stored\n"
        child.send_signal(signal.SIGKILL)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(outbox_keeper, "DISK_RETRY_S", 0.02)


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "small") as disk:
        yield disk


def bodies(wire):
    return [item.violation for batch in wire.batches for item in batch.items]


async def refuses_at_start(disk, left, refuse, reason, allow):
    """Start on a disk that refuses; what waits is sent, new items too, and the file gets all of it later."""
    path = disk.folder / "o.sqlite"
    leave_behind(path)
    if left == "without shm":
        os.unlink(f"{path}-shm")
    elif left == "closed":
        sqlite3.connect(path).close()
        db = sqlite3.connect(path)
        assert db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
        db.close()
        assert not Path(f"{path}-wal").exists()
    refuse()
    async with running(path) as (outbox, wire):
        assert (outbox.depth, len(outbox.pending), len(outbox.episodes)) == (N_WAITING, 1, N_WAITING)
        assert set(outbox.degraded) >= {"outbox_in_memory", reason}
        ((before, n_before),) = outbox.pending
        assert n_before == N_WAITING
        await until(lambda: len(wire.keys()) == N_WAITING)
        assert wire.keys() == [(before, seq) for seq in range(1, N_WAITING + 1)]
        assert [body.split(b" ")[0] for body in bodies(wire)] == [b"%d" % i for i in range(N_WAITING)]
        wire.ack(outbox)
        assert (outbox.depth, outbox.pending) == (0, ())
        put(outbox, b"new", episode=b"new open", episode_id="new")
        await until(lambda: wire.batches)
        assert bodies(wire) == [b"new"]
        outbox.resend()  # a reconnect brings nothing back that the centre has
        outbox._load()
        await until(lambda: len(wire.keys()) == 2 and not outbox._loading)
        assert set(wire.keys()) == {(outbox.epoch, 1)}
        assert set(outbox.degraded) >= {"outbox_in_memory", reason}
        allow()
        await until(lambda: not set(outbox.degraded) & {"outbox_in_memory", reason})
        assert (outbox.depth, outbox.last_seq) == (1, 1)
        put(outbox, b"newer")
        await until(lambda: outbox.last_seq == 2)
        epoch = outbox.epoch
    assert epoch > before
    store = Store(path, 0)
    assert [(row.key, row.violation) for row in store.load(99, ())] == [
        ((epoch, 1), b"new"), ((epoch, 2), b"newer"),
    ]  # fmt: skip
    assert len(store.episode_ids) == N_WAITING + 1
    store.close()


@pytest.mark.parametrize("left", ["killed", "without shm", "closed"])
async def test_a_disk_that_is_full_at_the_start_strands_nothing(disk, left):
    """The backlog was replaced by an empty memory: depth 0, nothing sent until a restart with room."""
    filler = disk.folder / "filler"
    await refuses_at_start(disk, left, disk.fill, "disk_full", filler.unlink)


@pytest.mark.parametrize("left", ["killed", "without shm", "closed"])
async def test_a_disk_that_is_read_only_at_the_start_strands_nothing(disk, left):
    await refuses_at_start(
        disk, left, lambda: disk.remount("ro"), "disk_read_only", lambda: disk.remount("rw")
    )


async def test_what_the_centre_has_not_acknowledged_on_a_refusing_disk_is_on_it_afterwards(disk):
    path = disk.folder / "o.sqlite"
    leave_behind(path)
    disk.fill()
    async with running(path) as (outbox, wire):
        await until(lambda: len(wire.keys()) == N_WAITING)
        first = outbox.pending[0][0]
    async with running(path) as (outbox, wire):  # killed or ended before there was room: all of it again
        await until(lambda: len(wire.keys()) == N_WAITING)
        assert outbox.pending == ((first, N_WAITING),)
        wire.ack(outbox, conflict=(3,))
        await until(lambda: outbox.depth == 1 and len(wire.keys()) == 1)
        assert wire.keys() == [(outbox.epoch, 1)]
        assert outbox.pending == ()
        (disk.folder / "filler").unlink()
        await until(lambda: "outbox_in_memory" not in outbox.degraded)
    store = Store(path, 0)
    assert [row.violation.split(b" ")[0] for row in store.load(99, ())] == [b"2"]
    store.close()


async def test_a_backlog_larger_than_memory_drains_from_a_full_disk(disk, monkeypatch):
    """Nothing can be deleted: each row is read once all the same, and sent once."""
    monkeypatch.setattr(outbox_module, "LOADED_MAX", 20)
    path = disk.folder / "o.sqlite"
    leave_behind(path, 100)
    disk.fill()
    async with running(path) as (outbox, wire):
        assert outbox.depth == 100
        seen = []
        while len(seen) < 100:
            await until(lambda: wire.batches)
            assert len(outbox._waiting) <= 30
            seen += wire.keys()
            wire.ack(outbox)
        assert len(set(seen)) == 100
        assert (outbox.depth, outbox.pending) == (0, ())


async def test_an_empty_full_disk_serves_from_memory_and_makes_its_file_later(disk):
    filler = disk.fill()
    async with running(disk.folder / "o.sqlite") as (outbox, wire):
        assert set(outbox.degraded) == {"disk_full", "outbox_in_memory"}
        put(outbox, b"kept")
        await until(lambda: wire.batches)
        assert outbox.depth == 1
        filler.unlink()
        await until(lambda: outbox.degraded == ())
    store = Store(disk.folder / "o.sqlite", 0)
    assert [row.violation for row in store.load(9, ())] == [b"kept"]
    store.close()


async def test_a_file_that_nobody_may_read_is_never_said_to_be_empty(tmp_path):
    """What can't be looked at counts as one item at least; its rows are counted and sent once it can be."""
    path = tmp_path / "o.sqlite"
    leave_behind(path)
    hidden = tmp_path / "hidden"
    for suffix in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{path}{suffix}", f"{hidden}{suffix}")
    os.replace(path, hidden)
    path.symlink_to(path)  # root may read anything but this
    async with running(path) as (outbox, wire):
        assert outbox.depth == 1
        assert "outbox_unread" in outbox.degraded
        put(outbox, b"meanwhile")
        await until(lambda: wire.batches)
        assert outbox.depth == 2
        for suffix in ("-wal", ""):
            os.replace(f"{hidden}{suffix}", f"{path}{suffix}")
        await until(lambda: outbox.depth == N_WAITING + 1)
        assert outbox.degraded == ()
        await until(lambda: len(set(wire.keys())) == N_WAITING + 1)


async def test_an_unread_file_with_newer_epochs_costs_no_key(tmp_path):
    """The clock was behind: our epoch may be one that the file has used, and each key must mean one item."""
    path, hidden = tmp_path / "o.sqlite", tmp_path / "hidden"
    store = Store(hidden, 4_000_000_000)
    store.close()
    path.symlink_to(path)
    async with running(path) as (outbox, wire):
        put(outbox, b"meanwhile")
        await until(lambda: wire.batches)
        assert outbox.epoch < 4_000_000_000
        os.replace(hidden, path)
        await until(lambda: outbox.epoch == 4_000_000_001 and outbox.depth == 1)
        await until(lambda: (outbox.epoch, 1) in set(wire.keys()))
    store = Store(path, 0)
    assert [row.key for row in store.load(9, ())] == [(4_000_000_001, 1)]
    store.close()


def test_files_are_their_owners_only(tmp_path):
    path = tmp_path / "deep" / "o.sqlite"
    leave_behind(path)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()} == {
        "o.sqlite": 0o600, "o.sqlite-wal": 0o600, "o.sqlite-shm": 0o600, "o.sqlite.mark": 0o600,
    }  # fmt: skip
