"""A chunk's records, cut out of its bytes, against the library's own reading of a stream."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcap.records import Channel, Chunk, Message, Schema
from mcap.stream_reader import breakup_chunk

from edge.recording.records import DAMAGED, broken_up

BODY = st.binary(max_size=20)
MESSAGE = st.builds(
    lambda channel, sequence, times, body: struct.pack(
        "<BQHIQQ", 5, 22 + len(body), channel, sequence, *times
    ) + body,
    st.integers(0, 3), st.integers(0, 2**32 - 1), st.tuples(*[st.integers(0, 2**64 - 1)] * 2), BODY,
)  # fmt: skip


def text(value: bytes) -> bytes:
    return struct.pack("<I", len(value)) + value


def record(opcode: int, content: bytes) -> bytes:
    return struct.pack("<BQ", opcode, len(content)) + content


CHANNEL = record(4, struct.pack("<HH", 1, 2) + text(b"/gnss") + text(b"msgpack") + struct.pack("<I", 0))
SCHEMA = record(3, struct.pack("<H", 2) + text(b"Fix") + text(b"jsonschema") + text(b"{}"))
UNKNOWN = st.builds(record, st.integers(0x80, 0xFF), BODY)
DATA = st.lists(st.one_of(MESSAGE, UNKNOWN, st.just(CHANNEL), st.just(SCHEMA)), max_size=6).map(b"".join)


def outcome(of, *args):
    try:
        return of(*args)
    except DAMAGED:
        return "damaged"


def by_library(data):
    return breakup_chunk(Chunk("", data, 0, 0, 0, len(data)))


@given(data=DATA)
def test_sound_data_gives_the_same_records(data):
    assert broken_up(data) == by_library(data)


@given(data=DATA, cut=st.integers(0, 40))
def test_cut_data_gives_the_same_or_is_refused_alike(data, cut):
    part = data[: max(0, len(data) - cut)]
    assert outcome(broken_up, part) == outcome(by_library, part)


@given(data=DATA, where=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_damaged_byte_raises_nothing_else(data, where, value):
    if data:
        damaged = bytearray(data)
        damaged[where % len(data)] = value
        outcome(broken_up, bytes(damaged))


def test_a_message_shorter_than_its_head_is_refused():
    data = struct.pack("<BQHIQQ", 5, 21, 1, 1, 1, 1)
    with pytest.raises(ValueError, match="shorter"):
        broken_up(data)


def test_kinds():
    kinds = [type(found) for found in broken_up(SCHEMA + CHANNEL + struct.pack("<BQHIQQ", 5, 22, 1, 1, 1, 1))]
    assert kinds == [Schema, Channel, Message]
