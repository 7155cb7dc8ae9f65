"""A series of recordings: seams, disks that refuse, kill -9, and what is deleted."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from mcap.data_stream import RecordBuilder
from mcap.reader import make_reader
from mcap.records import ChunkIndex

from edge.recording import recorder as recorder_module
from edge.recording.chain import Readings, chains, files_in, part_of, read_chain
from edge.recording.file import END, PackedIndexes
from edge.recording.names import FileName, files_of, parsed_name
from edge.recording.recorder import Reading, read_messages
from tests.support.series_made import EMPTY, SECOND, T0, feed, made, seconds_of

ROOT = Path(__file__).resolve().parents[2]


def test_a_file_ends_with_the_hour_and_the_next_begins_with_site_and_state(tmp_path):
    series = made(tmp_path)
    feed(series, 1, 2 * 3_600 + 30)
    series.close()
    files = files_of(tmp_path, "R1")
    assert [path.name for path in files] == [f"R1-7-{k:05d}.mcap" for k in range(3)]
    assert seconds_of(files) == list(range(1, 7_230))
    for k, path in enumerate(files):
        reading = Reading()
        messages = list(read_messages(path, reading))
        assert reading.text() == "whole"
        assert messages[0].topic == "/site"
        if k:
            assert (messages[1].topic, messages[1].body) == ("/state/R1", msgspec.msgpack.encode(k * 3_600))
        seam = {} if k == 2 else {"seam_ns": str(T0 + (k + 1) * 3_600 * SECOND)}
        assert reading.metadata[END] == seam | {"dropped": "0"}
        with path.open("rb") as file:  # the stock library reads each
            summary = make_reader(file).get_summary()
        assert summary.statistics.message_count == len(messages)
        assert len(summary.chunk_indexes) == summary.statistics.chunk_count > 10


def test_a_long_file_ends_with_the_next_state(tmp_path):
    series = made(tmp_path, file_bytes_max=200_000)
    for second in range(1, 300):
        now_ns = T0 + second * SECOND
        if second % 60 == 0:
            series.write_state("/state/R1", EMPTY, now_ns, now_ns)
        series.write("/input", b"\xc5\x27\x10" + os.urandom(10_000), now_ns)
    series.close()
    assert [path.stat().st_size > 500_000 for path in files_of(tmp_path, "R1")] == [True] * 5


def test_files_and_directory_are_for_the_service_alone(tmp_path):
    series = made(tmp_path / "recordings")
    feed(series, 1, 3)
    series.close()
    (path,) = files_of(tmp_path / "recordings", "R1")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


HOURS = """
import pathlib, sys
import psutil
from tests.support.series_made import EMPTY, SECOND, T0, made
series = made(pathlib.Path(sys.argv[1]))
def hours(begin, end):
    for second in range(begin * 3_600, end * 3_600):
        now_ns = T0 + second * SECOND
        if second % 60 == 0:
            series.write_state("/state/R1", EMPTY, now_ns, now_ns)
        for topic in range(12):
            series.write(f"/radar/{topic}", EMPTY, now_ns)
hours(0, 1)
before = psutil.Process().memory_info().rss
hours(1, 3)
print((psutil.Process().memory_info().rss - before) / 2**20)
series.close()
"""


def test_memory_does_not_grow_with_the_hours(tmp_path):
    """Each chunk's index was kept until the end: 10 MiB an hour. Measured without other tests' memory."""
    command = [sys.executable, "-c", HOURS, str(tmp_path)]
    grown_mib = float(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout)
    assert grown_mib < 2.0  # two hours
    assert sum(1 for _ in read_chain(files_of(tmp_path, "R1"))) == 3 + 180 + 3 * 3_600 * 12


CODE = """
import os, pathlib, sys, threading, time
import msgspec
from edge.recording import recorder, series
recorder.CHUNK_S = 0.002
series.FILE_NS = 20_000_000
made = series.Series(pathlib.Path(sys.argv[1]), "R1", int(sys.argv[2]), b"\\x80", 1)
made.start()
k = 0
while True:  # each "durable" number was on disk before it is said
    for _ in range(50):
        k += 1
        if k % 10 == 0:
            made.write_state("/state/R1", msgspec.msgpack.encode(k), k * 1_000_000, k * 1_000_000)
        made.write("/input", msgspec.msgpack.encode(k), k * 1_000_000)
    made.make_durable()
    os.write(1, b"%d\\n" % k)
"""


def test_kill_9_at_a_seam_costs_nothing_that_was_made_durable(tmp_path):
    dice = np.random.default_rng(3)
    for epoch in range(1, 7):
        child = subprocess.Popen(
            [sys.executable, "-c", CODE, str(tmp_path), str(epoch)], cwd=ROOT, stdout=subprocess.PIPE
        )
        first = [int(child.stdout.readline()) for _ in range(3)]  # two seams before each, at the least
        time.sleep(dice.uniform(0.01, 0.2))
        child.send_signal(signal.SIGKILL)
        said = child.stdout.read().split()
        child.wait()
        child.stdout.close()
        files = [path for path in files_of(tmp_path, "R1") if parsed_name(path.name, "R1").epoch == epoch]
        assert len(files) > 2
        held = [part.path for part in map(part_of, files) if not part.is_void]
        found = seconds_of(held)
        assert found == list(range(1, len(found) + 1))  # none is lost, none is there twice
        assert len(found) >= int(said[-1] if said else first[-1])
        (chain,) = chains(map(part_of, held))
        readings = Readings()
        assert len(list(read_chain([part.path for part in chain], readings))) > len(found)
        *others, _ = readings.parts.values()
        assert not any(reading.cut for reading in others)  # the newest one alone may be
        assert not readings.damaged


@pytest.fixture
def refusing(monkeypatch):
    """A disk that has no room while `refusing[0]` is set."""
    real, full = os.pwrite, [False]

    def pwrite(fd, data, offset):
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    return full


def test_a_full_disk_is_reported_while_it_lasts(tmp_path, refusing):
    series = made(tmp_path)
    feed(series, 1, 10)
    assert series.degraded == ()
    refusing[0] = True
    feed(series, 10, 100)
    series.close_chunk()
    assert series.degraded == ("recording_full",)
    refusing[0] = False
    series.close_chunk()
    assert series.degraded == ()
    series.close()
    assert seconds_of(files_of(tmp_path, "R1")) == list(range(1, 100))


def test_a_seam_on_a_full_disk_waits_for_room(tmp_path, refusing):
    series = made(tmp_path)
    feed(series, 3_500, 3_590)
    refusing[0] = True
    feed(series, 3_590, 3_720)
    assert len(files_of(tmp_path, "R1")) == 1
    refusing[0] = False
    feed(series, 3_720, 3_730)
    series.close()
    files = files_of(tmp_path, "R1")
    assert [part_of(path).continues for path in files] == [False, True]
    assert seconds_of(files) == list(range(3_500, 3_730))
    assert seconds_of(files[1:]) == list(range(3_600, 3_730))


def test_after_messages_were_dropped_a_sound_file_begins_with_the_next_state(tmp_path, refusing, monkeypatch):
    monkeypatch.setattr(recorder_module, "PENDING_BYTES_MAX", 2_000)
    series = made(tmp_path)
    feed(series, 1, 5)
    refusing[0] = True
    feed(series, 5, 2_000)
    refusing[0] = False
    series.close_chunk()
    feed(series, 2_000, 2_100)
    series.close()
    files = files_of(tmp_path, "R1")
    assert seconds_of(files[-1:]) == list(range(2_040, 2_100))  # whole from the first state on
    readings = Readings()
    list(read_chain(files, readings))
    assert readings.dropped == series.counts["recording.dropped"] > 100


def test_a_directory_that_can_not_be_made_at_start_is_tried_again(tmp_path):
    place = tmp_path / "recordings"
    place.write_text("in the way")
    series = made(place)
    feed(series, 1, 50)
    series.close_chunk()
    assert series.degraded == ("recording_error",)
    assert series.counts["recording.disk"] > 1
    place.unlink()
    feed(series, 50, 60)
    series.make_durable()
    assert series.degraded == ()
    series.close()
    assert seconds_of(files_of(place, "R1")) == list(range(1, 60))


def test_a_file_that_is_there_is_never_overwritten(tmp_path):
    (tmp_path / "R1-7-00000.mcap").write_bytes(b"an earlier run of a lost outbox")
    series = made(tmp_path)
    feed(series, 1, 5)
    series.close()
    assert (tmp_path / "R1-7-00000.mcap").read_bytes() == b"an earlier run of a lost outbox"
    assert seconds_of([tmp_path / "R1-7-00001.mcap"]) == [1, 2, 3, 4]


def test_durable_is_on_the_medium_with_its_entry_in_the_directory(tmp_path, monkeypatch):
    synced = []
    real_data, real = os.fdatasync, os.fsync
    monkeypatch.setattr(
        os, "fdatasync", lambda fd: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), real_data(fd))
    )
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), real(fd)))
    series = made(tmp_path)
    feed(series, 1, 3)
    assert synced == []
    series.make_durable()
    assert synced == [str(tmp_path / "R1-7-00000.mcap"), str(tmp_path)]
    series.make_durable()  # nothing new
    assert len(synced) == 2
    feed(series, 3, 4)
    series.make_durable()
    assert synced[2:] == [str(tmp_path / "R1-7-00000.mcap")]
    series.close()


@pytest.mark.parametrize(
    ("name", "esn", "want"),
    [
        ("R1-7-00003.mcap", "R1", FileName(7, 3)),
        ("R1-1790000000.mcap", "R1", FileName(1_790_000_000, 0)),  # of an earlier version
        ("R1-7-00003.mcap", "R", None),
        ("R1-2-7-00003.mcap", "R1", None),  # of RSU R1-2
        ("R1-2-7-00003.mcap", "R1-2", FileName(7, 3)),
        ("R1-7-00003.mcap.part", "R1", None),
        ("R1-x.mcap", "R1", None),
    ],
)
def test_a_name_says_whose_and_which_file_it_is(name, esn, want):
    assert parsed_name(name, esn) == want


def test_the_series_of_a_directory_is_found_in_order(tmp_path):
    for esn, epoch in (("R2", 9), ("R1", 10), ("R1", 9)):
        series = made(tmp_path, esn=esn, epoch=epoch)
        feed(series, 3_500, 3_700)
        series.close()
    (tmp_path / "R1-11-00000.mcap").write_bytes(b"")  # killed before its first bytes
    found = files_in([tmp_path])
    assert [path.name for path in found if path.stat().st_size] == [
        f"{name}-{part:05d}.mcap" for name in ("R1-9", "R1-10", "R2-9") for part in (0, 1)
    ]
    runs = chains(part_of(path) for path in found if path.stat().st_size)
    assert [[part.part for part in run] for run in runs] == [[0, 1]] * 3
    broken = chains(
        part_of(path) for path in found if path.name not in ("R1-9-00000.mcap",) and path.stat().st_size
    )
    assert [len(run) for run in broken] == [1, 2, 2]
    assert broken[0][0].continues


def test_the_indexes_of_a_long_file_are_kept_small_and_written_whole():
    """Some 11 000 chunks an hour: their bytes alone let an RSU grow by 1.4 MB within it."""
    chance = np.random.Generator(np.random.Philox(5))
    kept, true, start = PackedIndexes(), RecordBuilder(), 1_000
    for n in range(4_000):
        length = int(chance.integers(5_000, 20_000))
        offsets = {channel: start + length + 200 * channel for channel in range(1, 6)}
        index = ChunkIndex(
            chunk_start_offset=start, chunk_length=length, compression="zstd", compressed_size=length - 60,
            message_index_length=900, message_index_offsets=offsets, uncompressed_size=3 * length,
            message_start_time=10**18 + n * 300_000_000, message_end_time=10**18 + (n + 1) * 300_000_000,
        )  # fmt: skip
        kept.append(index)
        index.write(true)
        start += length + 1_000
    written = RecordBuilder()
    for each in kept:
        each.write(written)
    whole = true.end()
    assert written.end() == whole
    assert kept.held_bytes < len(whole) / 2
