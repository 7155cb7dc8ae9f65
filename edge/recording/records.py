"""The records of an MCAP file: bytes to records, one at a time; a damaged one raises one of DAMAGED."""

import struct
from collections.abc import Callable
from io import BytesIO
from typing import Any

import zstandard
from mcap.data_stream import ReadDataStream
from mcap.exceptions import EndOfFile, McapError
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, McapRecord, Message, MessageIndex, Metadata, Schema, Statistics
from mcap.stream_reader import get_chunk_data_stream

RECORD_BYTES_MAX = 2**28
# how the libraries say that a record makes no sense
DAMAGED = (
    McapError, struct.error, zstandard.ZstdError, ValueError, MemoryError, OverflowError,
    RuntimeError,  # lz4's
)  # fmt: skip
# of the content: a shorter one is no such record
LENGTHS_MIN = {Opcode.MESSAGE: 22, Opcode.CHUNK: 40, Opcode.MESSAGE_INDEX: 6, Opcode.DATA_END: 4}
_PARSERS: dict[int, Callable[[ReadDataStream], Any]] = {
    Opcode.CHANNEL: Channel.read,
    Opcode.METADATA: Metadata.read,
    Opcode.STATISTICS: Statistics.read,
}


_NAMES: dict[int, Callable[[ReadDataStream], Any]] = {
    Opcode.CHANNEL: Channel.read,
    Opcode.SCHEMA: Schema.read,
}
_HEAD = struct.Struct("<BQ")  # opcode, length of the content
_MESSAGE = struct.Struct("<HIQQ")  # channel, sequence, log and publish time; then the body
_INDEX = struct.Struct("<HI")  # channel, bytes of the entries that follow
_ENTRY = struct.Struct("<QQ")  # log time of a message, where it is in its chunk


def parsed(opcode: int, length: int, content: bytes) -> Any:
    """Return one record outside chunks; None for kinds that a reading does not need."""
    if opcode == Opcode.MESSAGE_INDEX:
        return _index_of(content)
    stream = ReadDataStream(BytesIO(content))
    if opcode == Opcode.MESSAGE:
        return Message.read(stream, length)
    parser = _PARSERS.get(opcode)
    return None if parser is None else parser(stream)


def _index_of(content: bytes) -> MessageIndex:
    """Return the index record of a channel; the library reads each number of it from a stream."""
    channel_id, n_bytes = _INDEX.unpack_from(content)
    n_bytes += -n_bytes % _ENTRY.size  # the library as well reads a damaged length to the end of an entry
    entries = content[_INDEX.size : _INDEX.size + n_bytes]
    if len(entries) < n_bytes:
        raise EndOfFile
    return MessageIndex(channel_id, list(_ENTRY.iter_unpack(entries)))


def is_attachment(content: bytes) -> bool:
    """Say whether the lengths within an attachment add up to its own."""
    at = 16  # two times; then name and media type, the data, its CRC-32
    for width in (4, 4, 8):
        at += width + int.from_bytes(content[at : at + width], "little")
    return at + 4 == len(content)


def opened(content: bytes, *, is_sure: bool) -> list[McapRecord]:
    """Return the records of a chunk; raises one of DAMAGED.

    is_sure : both lengths of the chunk agree; else bytes behind the compressed data refuse this one
    """
    chunk = Chunk.read(ReadDataStream(BytesIO(content)))
    n_bytes = chunk.uncompressed_size
    if chunk.compression == "zstd":
        n_bytes = max(n_bytes, zstandard.frame_content_size(chunk.data))
    if n_bytes > RECORD_BYTES_MAX:
        raise ValueError("a damaged size must not be allocated first")
    data = _data_of(chunk)
    records = broken_up(data)
    if chunk.compression == "zstd" and not is_sure:
        frame = zstandard.ZstdDecompressor().decompressobj()
        frame.decompress(chunk.data)
        if frame.unused_data:
            raise ValueError("the compressed data is shorter")
    return records


def _data_of(chunk: Chunk) -> bytes:
    """Return a chunk's data, decompressed; raises one of DAMAGED where its checksum fails."""
    stream, length = get_chunk_data_stream(chunk, validate_crc=True)
    return stream.read(length)


def broken_up(data: bytes) -> list[McapRecord]:
    """Return the records in a chunk's data, as the library's `breakup_chunk` does; raises one of DAMAGED.

    Messages are cut out of the bytes: the library reads each of their seven numbers from a stream (30 us).
    """
    records: list[McapRecord] = []
    at, end = 0, len(data)
    while at < end:
        opcode, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        if opcode == Opcode.MESSAGE:
            channel_id, sequence, log_ns, publish_ns = _MESSAGE.unpack_from(data, at)
            if length < _MESSAGE.size:
                raise ValueError("a message shorter than its own head")
            body = data[at + _MESSAGE.size : at + length]
            if not body and length > _MESSAGE.size:
                raise EndOfFile
            records.append(Message(channel_id, log_ns, body, publish_ns, sequence))
            at += _MESSAGE.size + len(body)
        elif opcode in _NAMES:
            stream = ReadDataStream(BytesIO(data[at:]))
            records.append(_NAMES[opcode](stream))
            at += stream.count
        elif length and at == end:
            raise EndOfFile
        else:
            at += length
    return records
