"""Recordings that other programs wrote, damaged: other compressions, no chunks, no checksums, attachments."""

import struct
from io import BytesIO

import msgspec
import pytest
from mcap.opcode import Opcode
from mcap.writer import CompressionType, Writer

from edge.recording.recorder import Reading, read_messages

T0 = 1_790_000_000_000_000_000
PER_CHUNK, N = 10, 40
HEAD = struct.Struct("<BQ")


def body(i: int) -> bytes:
    return msgspec.msgpack.encode({"i": i, "pad": "x" * (i % 7)})


WANT = [("/gnss" if i % 3 else "/radar/A", body(i), T0 + i * 100_000_000) for i in range(N)]


def written(**settings) -> bytes:
    file = BytesIO()
    writer = Writer(file, chunk_size=2**20, **settings)
    writer.start(profile="another")
    schema = writer.register_schema("s", "jsonschema", b"{}")
    keys = {name: writer.register_channel(name, "msgpack", schema) for name in ("/radar/A", "/gnss")}
    writer.add_attachment(1, 1, "a", "text/plain", b"hello")
    for i, (name, content, log_ns) in enumerate(WANT):
        writer.add_message(keys[name], log_ns, content, log_ns)
        if i % PER_CHUNK == PER_CHUNK - 1 and settings.get("use_chunking", True):
            writer.flush()
    writer.finish()
    return file.getvalue()


def records(data: bytes, kind: Opcode) -> list[tuple[int, int]]:
    """Return (first byte, end) of each record of a kind outside chunks."""
    found, at = [], 8
    while at < len(data) - 8:
        opcode, length = HEAD.unpack_from(data, at)
        if opcode == kind:
            found.append((at, at + HEAD.size + length))
        at += HEAD.size + length
    return found


def read(path, data: bytes) -> tuple[list, Reading]:
    path.write_bytes(data)
    reading = Reading()
    return [(m.topic, m.body, m.log_ns) for m in read_messages(path, reading)], reading


def flipped(data: bytes, at: int, bit: int = 0) -> bytes:
    damaged = bytearray(data)
    damaged[at] ^= 1 << bit
    return bytes(damaged)


LZ4 = {"compression": CompressionType.LZ4}
NONE = {"compression": CompressionType.NONE}
PLAIN = {"use_chunking": False}


@pytest.mark.parametrize("settings", [{}, LZ4, NONE])
@pytest.mark.parametrize(
    "place",
    [
        0,  # the opcode
        2,  # the length: beyond the next chunk
        8,  # the length: beyond the file
        37,  # the compression
        60,  # the data
    ],
)
def test_a_damaged_chunk_of_any_compression_costs_itself_alone(tmp_path, settings, place):
    data = written(**settings)
    begin, _ = records(data, Opcode.CHUNK)[1]
    got, reading = read(tmp_path / "r.mcap", flipped(data, begin + place))
    assert [m for m in WANT if m not in got] in ([], WANT[PER_CHUNK : 2 * PER_CHUNK])
    assert all(m in WANT for m in got)
    assert reading.damaged
    assert reading.lost == N - len(got)


@pytest.mark.parametrize("settings", [{}, LZ4, NONE, PLAIN])
@pytest.mark.parametrize("bit", range(16))
def test_a_damaged_length_of_an_attachment_hides_no_message(tmp_path, settings, bit):
    data = written(**settings)
    begin, _ = records(data, Opcode.ATTACHMENT)[0]
    got, reading = read(tmp_path / "r.mcap", flipped(data, begin + 1 + bit // 8, bit % 8))
    assert got == WANT
    assert reading.damaged
    assert reading.lost == 0


@pytest.mark.parametrize("kind", [Opcode.MESSAGE, Opcode.CHANNEL, Opcode.SCHEMA, Opcode.HEADER])
@pytest.mark.parametrize("bit", [0, 6, 9, 20, 40, 63])
def test_a_damaged_length_in_a_file_without_chunks_costs_that_record_alone(tmp_path, kind, bit):
    data = written(**PLAIN)
    begin, _ = records(data, kind)[0]
    got, reading = read(tmp_path / "r.mcap", flipped(data, begin + 1 + bit // 8, bit % 8))
    assert [m for m in WANT[1:] if m not in got] == []
    assert reading.damaged


def test_an_index_whose_opcode_became_that_of_a_message_is_no_message(tmp_path):
    data = written()
    begin, _ = records(data, Opcode.MESSAGE_INDEX)[0]
    got, reading = read(tmp_path / "r.mcap", flipped(data, begin, 1))
    assert got == WANT
    assert reading.damaged


def test_a_topic_that_differs_from_the_summarys_is_the_damaged_one(tmp_path):
    data = written(**PLAIN)
    begin, _ = records(data, Opcode.CHANNEL)[0]
    got, reading = read(tmp_path / "r.mcap", flipped(data, data.index(b"/radar/A", begin)))
    assert got == WANT
    assert reading.damaged


def test_statistics_that_contradict_themselves_count_nothing_as_lost(tmp_path):
    data = written(enable_crcs=False)
    begin, _ = records(data, Opcode.STATISTICS)[0]
    got, reading = read(tmp_path / "r.mcap", flipped(data, begin + HEAD.size + 7, 7))  # of the count
    assert got == WANT
    assert reading.damaged
    assert reading.lost == 0


@pytest.mark.parametrize("settings", [{}, LZ4, NONE, PLAIN])
def test_a_file_cut_anywhere_gives_what_was_whole_and_is_not_called_damaged(tmp_path, settings):
    data = written(**settings)
    for begin, end in records(data, Opcode.CHUNK) + records(data, Opcode.MESSAGE):
        n_before = read(tmp_path / "r.mcap", data[:begin])[0]
        for cut in (begin + 1, begin + HEAD.size, end - 1):
            got, reading = read(tmp_path / "r.mcap", data[:cut])
            assert got == n_before
            assert (reading.cut, reading.damaged) == (True, False)
