"""Damaged recordings: one damaged part costs itself only, and what it costs is counted and named."""

import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcap.records import Channel, Chunk
from mcap.stream_reader import StreamReader, breakup_chunk
from mcap.writer import Writer

from core.errors import RecordingError
from edge.recording.recorder import Reading, Recorder, read_messages, recover

T0 = 1_790_000_000_000_000_000
STEP = 100_000_000
PER_CHUNK, N_CHUNKS = 10, 4


def body(i: int) -> bytes:
    return msgspec.msgpack.encode({"i": i})


def topic(i: int) -> str:
    return "/gnss" if i % 3 else "/radar/A"


WANT = [(topic(i), body(i), T0 + i * STEP) for i in range(PER_CHUNK * N_CHUNKS)]


def written(path) -> bytes:
    """Return a file of ours."""
    with Recorder(path) as recorder:
        for i, (name, content, log_ns) in enumerate(WANT):
            recorder.write(name, content, log_ns)
            if i % PER_CHUNK == PER_CHUNK - 1:
                recorder.close_chunk()
    return path.read_bytes()


def written_before(path, encoding="msgpack") -> bytes:
    """Return a file as the library writes it: a channel is named in the first chunk alone."""
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start()
        schema = writer.register_schema("s", "jsonschema", b"{}")
        keys = {name: writer.register_channel(name, encoding, schema) for name in ("/radar/A", "/gnss")}
        for i, (name, content, log_ns) in enumerate(WANT):
            writer.add_message(keys[name], log_ns, content, log_ns)
            if i % PER_CHUNK == PER_CHUNK - 1:
                writer.flush()
        writer.finish()
    return path.read_bytes()


def chunks(data: bytes) -> list[tuple[int, int]]:
    """Return (first byte, first byte of its data) of each chunk record."""
    found, at = [], data.find(b"\x04\x00\x00\x00zstd")
    while at >= 0:
        if data[at - 37] == 6:
            found.append((at - 37, at + 16))
        at = data.find(b"\x04\x00\x00\x00zstd", at + 1)
    return found[:N_CHUNKS]


def read(path, data: bytes) -> tuple[list, Reading]:
    path.write_bytes(data)
    reading = Reading()
    return [(m.topic, m.body, m.log_ns) for m in read_messages(path, reading)], reading


def flipped(data: bytes, at: int, bit: int = 0) -> bytes:
    damaged = bytearray(data)
    damaged[at] ^= 1 << bit
    return bytes(damaged)


def test_each_chunk_names_its_own_channels_and_schemas(tmp_path):
    written(tmp_path / "r.mcap")
    with (tmp_path / "r.mcap").open("rb") as file:
        found = [c for c in StreamReader(file, emit_chunks=True).records if isinstance(c, Chunk)]
    assert len(found) == N_CHUNKS
    for chunk in found:
        records = breakup_chunk(chunk, validate_crc=True)
        channels = {record.id: record for record in records if isinstance(record, Channel)}
        assert {channel.topic for channel in channels.values()} == {"/gnss", "/radar/A"}
        assert {channel.schema_id for channel in channels.values()} <= {
            record.id for record in records if type(record).__name__ == "Schema"
        }


@pytest.mark.parametrize("make", [written, written_before])
@pytest.mark.parametrize("k", range(N_CHUNKS))
def test_a_damaged_chunk_costs_itself_and_is_named_with_count_place_and_time(tmp_path, make, k):
    data = make(tmp_path / "r.mcap")
    at, data_at = chunks(data)[k]
    found, reading = read(tmp_path / "x.mcap", flipped(data, data_at + 20, 3))
    gone = range(k * PER_CHUNK, (k + 1) * PER_CHUNK)
    assert found == [row for i, row in enumerate(WANT) if i not in gone]
    assert (reading.lost, reading.damaged, reading.cut) == (PER_CHUNK, True, False)
    (damage,) = reading.damages
    assert (damage.part, damage.at_byte, damage.messages) == ("chunk", at, PER_CHUNK)
    assert (damage.from_ns, damage.to_ns) == (WANT[gone[0]][2], WANT[gone[-1]][2])
    assert "10 messages lost" in reading.text()


@given(share=st.floats(0.0, 0.99999), bit=st.integers(0, 7))
def test_one_flipped_bit_anywhere_costs_one_chunk_at_most_and_never_in_silence(tmp_path_factory, share, bit):
    folder = tmp_path_factory.getbasetemp()
    whole = folder / "whole.mcap"
    data = whole.read_bytes() if whole.exists() else written(whole)
    found, reading = read(folder / "x.mcap", flipped(data, int(share * len(data)), bit))
    lost = len(WANT) - len(found)
    assert found == [row for row in WANT if row in found]
    assert lost <= PER_CHUNK
    assert reading.lost == lost
    assert reading.damaged or not lost


@pytest.mark.parametrize("at", range(1, 53))
def test_a_damaged_chunk_head_hides_no_chunk_behind_it(tmp_path, at):
    """Lengths, times, checksum, compression: of a file that a crash cut, so no summary helps."""
    data = written(tmp_path / "r.mcap")
    places = chunks(data)
    cut = data[: places[3][0] + 30]
    found, reading = read(tmp_path / "x.mcap", flipped(cut, places[1][0] + at, 6))
    assert set(WANT[:PER_CHUNK] + WANT[2 * PER_CHUNK : 3 * PER_CHUNK]) <= set(found) <= set(WANT)
    assert reading.cut
    assert reading.damaged or len(found) == 3 * PER_CHUNK


def test_zeros_over_a_whole_chunk_are_passed_over_and_lost_messages_come_from_the_statistics(tmp_path):
    data = written(tmp_path / "r.mcap")
    places = chunks(data)
    begin, end = places[1][0], places[2][0]
    found, reading = read(tmp_path / "x.mcap", data[:begin] + bytes(end - begin) + data[end:])
    assert found == WANT[:PER_CHUNK] + WANT[2 * PER_CHUNK :]
    (damage,) = reading.damages
    assert (damage.messages, reading.lost, reading.lost_is_least) == (PER_CHUNK, PER_CHUNK, False)
    assert (damage.from_ns, damage.to_ns) == (WANT[PER_CHUNK - 1][2], WANT[2 * PER_CHUNK][2])


def test_two_damaged_chunks_and_a_damaged_summary_are_counted_by_the_index_records(tmp_path):
    data = written(tmp_path / "r.mcap")
    places = chunks(data)
    for k in (0, 2):
        data = flipped(data, places[k][1] + 20)
    data = flipped(data, len(data) - 60)  # within the summary: its checksum fails
    found, reading = read(tmp_path / "x.mcap", data)
    assert found == WANT[PER_CHUNK : 2 * PER_CHUNK] + WANT[3 * PER_CHUNK :]
    assert (reading.lost, reading.lost_is_least, reading.stated) == (2 * PER_CHUNK, False, None)
    assert [damage.part for damage in reading.damages] == ["summary", "chunk", "chunk"]


def test_messages_whose_channel_nothing_names_are_counted(tmp_path):
    """An old file, cut, whose first chunk is damaged: only that one named the channels."""
    data = written_before(tmp_path / "r.mcap")
    places = chunks(data)
    cut = flipped(data, places[0][1] + 20)[: places[3][0]]
    found, reading = read(tmp_path / "x.mcap", cut)
    assert found == []
    assert (reading.unknown_channel, reading.lost, reading.damaged) == (2 * PER_CHUNK, 3 * PER_CHUNK, True)
    assert "channel that nothing names" in reading.text()


def test_a_channel_that_a_damaged_chunk_named_is_read_from_a_later_one(tmp_path):
    """The messages of the second chunk need the channel, which only the third names again."""
    data = written_before(tmp_path / "a.mcap")
    again = written(tmp_path / "b.mcap")
    (first, _), (second, _), (third, _), _ = chunks(data)
    with (tmp_path / "b.mcap").open("rb") as file:
        named = [c for c in StreamReader(file, emit_chunks=True).records if isinstance(c, Chunk)]
    assert {r.topic: r.id for r in breakup_chunk(named[0]) if isinstance(r, Channel)} == {
        "/radar/A": 1, "/gnss": 2,
    }  # fmt: skip
    begin = chunks(again)[2][0]
    joined = data[:first] + data[second:third] + again[begin : chunks(again)[3][0]]
    found, reading = read(tmp_path / "x.mcap", joined)
    assert found == WANT[PER_CHUNK : 3 * PER_CHUNK]
    assert reading.unknown_channel == 0


def test_messages_of_another_encoding_are_left_out_and_counted_by_channel(tmp_path):
    found, reading = read(tmp_path / "x.mcap", written_before(tmp_path / "r.mcap", encoding="json"))
    assert found == []
    assert reading.foreign == {"/gnss (json)": 26, "/radar/A (json)": 14}
    assert not reading.damaged
    assert "not in msgpack" in reading.text()


@pytest.mark.parametrize("at", range(8))
def test_a_flipped_bit_in_the_magic_costs_nothing(tmp_path, at):
    found, reading = read(tmp_path / "x.mcap", flipped(written(tmp_path / "r.mcap"), at))
    assert found == WANT
    assert reading.damages[0].part == "magic"


def test_an_empty_file_is_said_to_be_empty(tmp_path):
    (tmp_path / "r.mcap").write_bytes(b"")
    with pytest.raises(RecordingError, match="is empty"):
        list(read_messages(tmp_path / "r.mcap"))


def test_a_size_that_no_memory_holds_is_a_damage(tmp_path):
    data = bytearray(written(tmp_path / "r.mcap"))
    at, _ = chunks(bytes(data))[1]
    data[at + 25 : at + 33] = (2**40).to_bytes(8, "little")
    found, reading = read(tmp_path / "x.mcap", bytes(data))
    assert found == WANT[:PER_CHUNK] + WANT[2 * PER_CHUNK :]
    assert reading.lost == PER_CHUNK


def test_recover_writes_what_is_left_as_a_sound_file(tmp_path):
    data = written_before(tmp_path / "r.mcap")
    (tmp_path / "x.mcap").write_bytes(flipped(data, chunks(data)[0][1] + 20))
    n_messages, reading = recover(tmp_path / "x.mcap", tmp_path / "sound.mcap")
    assert (n_messages, reading.lost) == (30, 10)
    again = Reading()
    assert len(list(read_messages(tmp_path / "sound.mcap", again))) == 30
    assert again.text() == "whole"


def test_the_checksum_of_our_summaries_is_what_the_reader_expects(tmp_path):
    data = written(tmp_path / "r.mcap")
    start = int.from_bytes(data[-28:-20], "little")
    assert zlib.crc32(data[start:-12]) == int.from_bytes(data[-12:-8], "little")
