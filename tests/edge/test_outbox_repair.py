"""The parts of a repair: altered rows, the mark, a killed rebuilding, items that a full disk refused."""

import asyncio
import os
import shutil
import sqlite3
from dataclasses import replace

import pytest

from edge.outbox import keeper as outbox_keeper
from edge.outbox.changes import Key, Row
from edge.outbox.mark import Mark, MarkFile, read_mark
from edge.outbox.mending import Mended, pieces, void_of
from edge.outbox.salvage import salvage
from edge.outbox.store import Store
from edge.recording.recorder import Recorder
from tests.edge.test_outbox_power_loss import file_of, half_a_file, restarted
from tests.support.outbox_end import CLOCK, put, running, until
from tests.support.outbox_killed import ESN, WAITING, leave_behind
from tests.support.small_disk import small_disk

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "change",
    [
        {"violation": b"w"}, {"detected_ns": 6}, {"key": Key(1, 3)}, {"key": Key(2, 2)},
        {"violation": None, "void": "v"}, {"sha256": bytes(32)}, {"violation": "v"}, {"void": 7},
        {"key": Key("1", 2)}, {"detected_ns": 5.0},
    ],
)  # fmt: skip
def test_a_row_that_is_altered_anywhere_is_not_sound(change):
    row = Row.of(Key(1, 2), 5, b"v", None)
    assert row.is_sound
    assert not replace(row, **change).is_sound


def test_a_row_of_an_older_file_has_no_checksum_and_is_believed():
    assert Row(Key(1, 2), 5, b"v", None).is_sound


@pytest.mark.parametrize("column", ["violation", "detected_ns", "seq", "sha256"])
async def test_an_altered_column_is_put_right_from_the_recording(tmp_path, left, column):
    folder = shutil.copytree(left, tmp_path / "state")
    db = sqlite3.connect(file_of(folder))
    value = {
        "violation": "CAST(replace(violation, x'a5', x'a4') AS BLOB)",
        "detected_ns": "detected_ns + 4", "seq": "seq + 1024", "sha256": "zeroblob(32)",
    }[column]  # fmt: skip
    db.execute(f"UPDATE item SET {column} = {value} WHERE seq = 20")
    db.commit()
    db.close()
    arrived, voids, outbox = await restarted(folder)
    assert arrived == WAITING
    assert (voids, outbox.depth, outbox.degraded) == ([], 0, ("outbox_altered",))
    assert outbox.counts["outbox.altered"] == 1


async def test_what_is_altered_in_memory_is_taken_from_the_disk(tmp_path):
    async with running(tmp_path / "o.sqlite") as (outbox, wire):
        wire.up = False
        put(outbox, b"true")
        await until(lambda: outbox._waiting)
        (item,) = outbox._waiting.values()
        item.row = replace(item.row, violation=b"fals")
        wire.up = True
        outbox.resend()
        await until(lambda: wire.batches)
        assert [item.violation for item in wire.batches[0].items] == [b"true"]
        assert (outbox.depth, outbox.degraded) == (1, ("outbox_altered",))


async def test_an_altered_row_without_a_recording_is_a_void_under_its_key(tmp_path):
    path = tmp_path / "o.sqlite"
    async with running(path) as (outbox, wire):
        for body in (b"a", b"b", b"c"):
            put(outbox, body)
        await until(lambda: len(wire.keys()) == 3)
        epoch = outbox.epoch
    db = sqlite3.connect(path)
    db.execute("UPDATE item SET violation = x'00' WHERE seq = 2")
    db.commit()
    db.close()
    async with running(path) as (outbox, wire):
        await until(lambda: len(wire.keys()) == 3)
        sent = {(batch.epoch, item.seq): item for batch in wire.batches for item in batch.items}
        assert sent[epoch, 2].void == "lost altered on the disk"
        assert (sent[epoch, 1].violation, sent[epoch, 3].violation) == (b"a", b"c")
        assert outbox.depth == 3
        wire.ack(outbox)
        assert outbox.depth == 0
    async with running(path) as (outbox, _):
        assert (outbox.depth, outbox.degraded) == (0, ())


def test_the_newest_whole_mark_counts(tmp_path):
    path = tmp_path / "m"
    marks = MarkFile(path)
    for seq in (1, 2, 3):
        marks.write(Mark(epoch=7, last_seq=seq))
    marks.sync()
    marks.close()
    assert (read_mark(path).last_seq, read_mark(path).n) == (3, 3)
    raw = bytearray(path.read_bytes())
    raw[512 + 20] ^= 1  # the newer slot is torn
    path.write_bytes(raw)
    assert read_mark(path).last_seq == 2
    path.write_bytes(os.urandom(700))
    assert read_mark(path) is None
    path.unlink()
    assert read_mark(path) is None
    with MarkFileClosed(path) as again:
        again.write(Mark(epoch=8, last_seq=0))
    assert read_mark(path) == Mark(n=1, epoch=8, last_seq=0)


class MarkFileClosed:
    """A mark file that is closed afterwards."""

    def __init__(self, path):
        self.marks = MarkFile(path)

    def __enter__(self):
        return self.marks

    def __exit__(self, *_):
        self.marks.close()


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    folder = tmp_path_factory.mktemp("left")
    leave_behind(folder, idle_s=1.5)
    return folder


async def test_a_rebuilding_that_is_killed_begins_again(tmp_path, left):
    folder = shutil.copytree(left, tmp_path / "state")
    half_a_file(folder)
    hidden = folder / "hidden"
    path = file_of(folder)
    os.rename(folder / "recordings", hidden)
    keeper = outbox_keeper.Keeper(path, wall_s=7, ballast_bytes=0, recordings=hidden, esn=ESN, opened_ns=1)
    keeper.repair.end()
    keeper.store.close()  # killed before anything was read
    mark = read_mark(file_of(folder, ".mark"))
    assert mark.rebuilding
    os.rename(hidden, folder / "recordings")
    arrived, voids, outbox = await restarted(folder)
    assert arrived == WAITING
    assert (voids, outbox.depth) == ([], 0)
    assert not read_mark(file_of(folder, ".mark")).rebuilding


KILLED_FULL = """
import asyncio, os, pathlib, sys
from edge.clock import Clock
from edge.outbox import keeper
from edge.outbox.outbox import Outbox
from edge.recording.recorder import Recorder
from tests.support.outbox_killed import ESN, body
keeper.DISK_RETRY_S = 0.05

async def main(disk, recordings):
    clock = Clock.wall()
    outbox = await Outbox.open(disk / "o.sqlite", clock=clock, recordings=recordings, esn=ESN)
    recorder = Recorder(recordings / f"{ESN}-{outbox.epoch}.mcap", live=True)
    outbox.start(
        recorder.close_chunk, record=lambda body: recorder.write(f"/delivery/{ESN}", body, clock.now_ns())
    )
    with open(disk / "filler", "wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
    for i in range(10, 25):
        recorder.write(f"/violation/{ESN}", body(i), clock.now_ns())
        outbox.put(body(i), clock.now_ns(), f"id-{i}", None)
    while outbox.last_seq < 15 or "disk_full" not in outbox.degraded:
        await asyncio.sleep(0.01)
    os.kill(os.getpid(), 9)

asyncio.run(main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])))
"""


async def test_items_that_a_full_disk_refused_until_a_kill_come_from_the_recording(tmp_path):
    """They lay in memory only; they were recorded, and never on the outbox's disk."""
    folder = tmp_path / "state"
    folder.mkdir()
    with small_disk(folder / "outbox") as disk:
        (disk.folder / "keep").write_bytes(bytes(64))
        command = [os.sys.executable, "-c", KILLED_FULL, str(disk.folder), str(folder / "recordings")]
        child = await asyncio.create_subprocess_exec(*command, env=os.environ)
        assert await child.wait() == -9
        (disk.folder / "filler").unlink()
        arrived, voids, outbox = await restarted(folder)
    assert arrived == WAITING
    assert (voids, outbox.depth, outbox.degraded) == ([], 0, ()), "nothing was damaged"
    assert outbox.counts["outbox.ended_unsaved"] == 1
    assert outbox.epochs_behind >= 1, "memory sent versions whose numbers the file does not know"


async def test_the_wal_is_moved_into_the_file_when_there_is_nothing_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(outbox_keeper, "CHECKPOINT_S", 0.05)
    path = tmp_path / "o.sqlite"
    async with running(path) as (outbox, wire):
        put(outbox, b"kept")
        await until(lambda: wire.batches)
        await until(lambda: (tmp_path / "o.sqlite-wal").stat().st_size == 0)
        reader = sqlite3.connect(f"file:{path}?immutable=1", uri=True)
        assert reader.execute("SELECT violation FROM item").fetchall() == [(b"kept",)]
        reader.close()


def test_salvage_reads_around_a_damaged_page(tmp_path):
    path = tmp_path / "o.sqlite"
    store = Store(path, 7)
    changes = outbox_keeper.Changes()
    for i in range(400):
        store.put(changes, 5, bytes([i % 256]) * 900, None)
    store.commit(changes)
    store.checkpoint()
    store.close()
    n_pages = path.stat().st_size // 4_096
    with path.open("r+b") as file:
        file.seek(n_pages // 2 * 4_096)
        file.write(bytes(4_096))
    found = salvage(path)
    assert 350 < len(found.rows) < 400
    assert all(row.is_sound for row in found.rows.values())
    assert found.last_seqs[7] == 400
    assert {key.epoch for key in found.rows} == {7}


def test_a_long_answer_is_split_and_ends_once():
    found = Mended(rows=[void_of(Key(1, seq), "lost") for seq in range(1, 8)], is_last=True, gone=[Key(1, 9)])
    parts = list(pieces(found, 3))
    assert [len(part.rows) for part in parts] == [3, 3, 1]
    assert [part.is_last for part in parts] == [False, False, True]
    assert [part.gone for part in parts] == [[Key(1, 9)], [], []]


async def test_damaged_files_that_are_set_aside_are_few(tmp_path, monkeypatch):
    path = tmp_path / "o.sqlite"
    for n in range(5):
        path.write_bytes(b"no database" * 500)
        monkeypatch.setattr("edge.outbox.outbox.time.time_ns", lambda n=n: (2_000_000_000 + n) * 10**9)
        async with running(path):
            pass
    kept = sorted(each.name for each in tmp_path.glob("o.sqlite.damaged-*"))
    assert kept == [f"o.sqlite.damaged-200000000{n}" for n in (2, 3, 4)]


async def test_a_restart_without_damage_reads_no_recording(tmp_path):
    recordings = tmp_path / "recordings"
    with Recorder(recordings / f"{ESN}-5.mcap") as recorder:
        recorder.write(f"/violation/{ESN}", b"old", CLOCK.now_ns() - 10**9)
    path = tmp_path / "o.sqlite"
    async with running(path) as (outbox, wire):
        put(outbox, b"new")
        await until(lambda: wire.batches)
    async with running(path, recordings=recordings, esn=ESN) as (outbox, wire):
        await until(lambda: wire.batches)
        assert not outbox._keeper.repair._mender.is_alive()
        assert outbox.depth == 1
