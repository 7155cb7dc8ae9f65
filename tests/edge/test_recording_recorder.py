"""Recordings: what the stock library reads, what is left of a cut file, and a disk that refuses."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcap.reader import NonSeekingReader, make_reader

from core.errors import RecordingError
from edge.recording import recorder as recording
from edge.recording.recorder import Reading, Recorder, named_topics, read_messages, recover
from edge.schemas import SCHEMAS, schema_of
from edge.wire import GnssFix, encode

ROOT = Path(__file__).resolve().parents[2]
T0 = 1_790_000_000_000_000_000
STEP = 100_000_000


def fix(i):
    return GnssFix(terminal="1", stamp_ns=T0 + i * STEP, lon_deg=122.0, lat_deg=41.0)


def write(path, n=50, **options):
    with Recorder(path, **options) as recorder:
        for i in range(n):
            recorder.write("/gnss", encode(fix(i)), T0 + i * STEP + 7, T0 + i * STEP)
    return path


def test_the_stock_library_reads_it(tmp_path):
    path = write(tmp_path / "r.mcap")
    with path.open("rb") as file:
        reader = make_reader(file)
        found = list(reader.iter_messages())
        summary = reader.get_summary()
        (metadata,) = reader.iter_metadata()
    assert len(found) == summary.statistics.message_count == 50
    assert summary.statistics.chunk_count >= 4  # 5 s of log time
    schema, channel, message = found[3]
    assert (channel.topic, channel.message_encoding) == ("/gnss", "msgpack")
    assert (schema.encoding, schema.name) == ("jsonschema", "petroroad.gnss")
    assert msgspec.json.decode(schema.data)["properties"]["lon_deg"] == {"type": "number"}
    assert (message.log_time, message.publish_time) == (T0 + 3 * STEP + 7, T0 + 3 * STEP)
    assert msgpack.unpackb(message.data)["stamp_ns"] == T0 + 3 * STEP
    assert {"cpu", "numba", "petroroad", "python"} <= set(metadata.metadata)


def test_file_order_is_kept_though_log_times_run_back(tmp_path):
    path = tmp_path / "r.mcap"
    times = [5, 3, 9, 1]
    with Recorder(path) as recorder:
        for t in times:
            recorder.write("/input", b"\x80", t)
    assert [message.log_ns for message in read_messages(path)] == times


def test_times_before_the_epoch_are_clamped_not_fatal(tmp_path):
    path = tmp_path / "r.mcap"
    with Recorder(path) as recorder:
        recorder.write("/gnss", b"\x80", 5, -9)
    assert [message.publish_ns for message in read_messages(path)] == [0]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """(bytes of a sound file, log time after which each chunk is whole)."""
    path = tmp_path_factory.mktemp("whole") / "r.mcap"
    ends = []
    with Recorder(path) as recorder:
        for i in range(30):
            recorder.write("/gnss", encode(fix(i)), T0 + i * STEP)
            if i % 10 == 9:
                recorder.close_chunk()
                ends.append((path.stat().st_size, i + 1))
    return path.read_bytes(), ends


@given(share=st.floats(0.0, 1.0))
def test_a_file_cut_anywhere_gives_every_whole_chunk(whole, tmp_path_factory, share):
    data, ends = whole
    cut = 8 + int(share * (len(data) - 9))
    path = tmp_path_factory.getbasetemp() / "cut.mcap"
    path.write_bytes(data[:cut])
    reading = Reading()
    found = [message.body for message in read_messages(path, reading)]
    sure = max((n for size, n in ends if size <= cut), default=0)
    assert len(found) >= sure
    assert found == [encode(fix(i)) for i in range(len(found))]
    assert reading.cut


@given(at=st.integers(0, 5_000), bit=st.integers(0, 7))
def test_a_flipped_bit_never_yields_a_false_message(whole, tmp_path_factory, at, bit):
    data, _ = whole
    damaged = bytearray(data)
    damaged[at % len(damaged)] ^= 1 << bit
    path = tmp_path_factory.getbasetemp() / "flipped.mcap"
    path.write_bytes(bytes(damaged))
    right = {encode(fix(i)) for i in range(30)}
    try:
        found = [message.body for message in read_messages(path)]
    except RecordingError:  # the magic itself
        return
    assert set(found) <= right


def test_what_is_no_recording_is_said(tmp_path):
    path = tmp_path / "r.mcap"
    path.write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(RecordingError, match="no MCAP"):
        list(read_messages(path))


def test_recover_makes_a_sound_file(whole, tmp_path):
    data, _ = whole
    source, target = tmp_path / "cut.mcap", tmp_path / "sound.mcap"
    source.write_bytes(data[: len(data) * 6 // 10])
    n_messages, reading = recover(source, target)
    assert reading.cut
    assert n_messages > 0
    with target.open("rb") as file:
        assert make_reader(file).get_summary().statistics.message_count == n_messages


def test_kill_9_leaves_every_closed_chunk(tmp_path):
    path = tmp_path / "r.mcap"
    code = f"""
import os, signal, pathlib
from edge.recording.recorder import Recorder
recorder = Recorder(pathlib.Path({str(path)!r}), live=True)
for i in range(1000):
    recorder.write("/input", b"\\x80", i + 1)
recorder.close_chunk()
recorder.write("/input", b"\\x80", 5000)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    reading = Reading()
    found = [message.log_ns for message in read_messages(path, reading)]
    assert found[:1000] == list(range(1, 1001))
    assert reading.cut


def test_a_live_recorder_closes_chunks_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "CHUNK_S", 0.01)
    path = tmp_path / "r.mcap"
    with Recorder(path, live=True) as recorder:
        recorder.write("/input", b"\x80", 1)
        for _ in range(1_000):
            if list(read_messages(path)):
                break
            recorder._stop.wait(0.005)
        assert [message.log_ns for message in read_messages(path)] == [1]


def test_a_full_disk_leaves_a_whole_file_and_is_counted(tmp_path, monkeypatch):
    path = tmp_path / "r.mcap"
    real, full = os.pwrite, [False]

    def pwrite(fd, data, offset):
        if full[0]:  # half of it gets through, as on a real disk
            real(fd, data[: len(data) // 2], offset)
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    monkeypatch.setattr(recording, "PENDING_BYTES_MAX", 2_000)
    with Recorder(path) as recorder:
        recorder.write("/input", b"\x80", 1)
        recorder.close_chunk()
        full[0] = True
        for i in range(2, 40):
            recorder.write("/input", b"\xc4\xc8" + os.urandom(200), i)
            recorder.close_chunk()
        assert [message.log_ns for message in read_messages(path)] == [1]
        assert recorder.counts["recording.disk"] > 0
        assert recorder.counts["recording.dropped"] > 0
        full[0] = False
        recorder.close_chunk()
        recorder.write("/input", b"\x80", 99)
    found = [message.log_ns for message in read_messages(path)]
    assert found[0] == 1
    assert found[-1] == 99
    assert found == sorted(found)  # what was kept in memory stands in its place
    with path.open("rb") as file:
        assert len(list(NonSeekingReader(file).iter_messages(log_time_order=False))) == len(found)


def test_one_long_message_costs_none_of_those_beside_it(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "PENDING_BYTES_MAX", 2_000)
    path = tmp_path / "r.mcap"
    with Recorder(path) as recorder:
        for i in range(1, 20):  # a state of 5 100 registered terminals alone is 13 MB, each minute
            recorder.write("/input", bytes(9_000 if i == 3 else 200), i)
        assert recorder.counts == {"recording.dropped": 7}  # 2 200 bytes of the others wait
    assert [(message.log_ns, len(message.body)) for message in read_messages(path)] == [
        (i, 9_000 if i == 3 else 200) for i in range(1, 13)
    ]


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_each_channel_has_its_schema(name):
    topic = {"truth.violation": "/truth/violation"}.get(name, f"/{name}/x")
    title, text = schema_of(topic)
    assert title == f"petroroad.{name}"
    assert msgspec.json.decode(text)["type"] == "object"


def test_named_topics_are_those_of_a_sound_summary(tmp_path):
    path = tmp_path / "a.mcap"
    with Recorder(path) as recorder:
        recorder.write("/gnss", b"\x80", 1_790_000_000_000_000_000)
        recorder.write("/radar/A", b"\x80", 1_790_000_000_000_000_001)
    assert named_topics(path) == {"/gnss", "/radar/A"}
    path.write_bytes(path.read_bytes()[:-10])  # cut, as by a crash
    assert named_topics(path) is None
