"""Reads a recording (MCAP) record by record: a damaged part costs itself alone, and its messages are counted.

A chunk whose checksum fails is left out; behind a damaged length or opcode reading resumes at the next whole
chunk, in a file without chunks at the next records that follow each other. Channels that a damaged chunk
named are read from the summary, or from another chunk.
"""

import os
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mcap.opcode import Opcode
from mcap.records import Channel, McapRecord, Message, MessageIndex, Metadata, Statistics

from core.errors import RecordingError
from edge.recording.damage import ENCODING, Damage, Reading
from edge.recording.records import DAMAGED, LENGTHS_MIN, RECORD_BYTES_MAX, is_attachment, opened, parsed

MAGIC = b"\x89MCAP0\r\n"
MAGIC_BYTES_MIN = 6  # equal ones by which a damaged magic is still known
BLOCK_BYTES = 2**20  # of a search
_HEAD = struct.Struct("<BQ")  # opcode, length of the content
_CHUNK = struct.Struct("<QQQI")  # first and last log time, uncompressed size, CRC-32 of that
_COMPRESSIONS = tuple(struct.pack("<I", len(name)) + name for name in (b"zstd", b"lz4", b""))
_COMPRESSION_AT = _HEAD.size + _CHUNK.size  # from a chunk record's first byte
# a head whose length is below RECORD_BYTES_MAX: of a chunk, of any record
_CHUNK_HEAD = re.compile(rb"\x06[\s\S]{3}[\x00-\x0f]\x00{4}")
_ANY_HEAD = re.compile(rb"[\x01-\x0f][\s\S]{3}[\x00-\x0f]\x00{4}")
_CHAIN = 3  # records that follow each other, by which a search knows the first
_INDEX = struct.Struct("<HI")  # channel, bytes of the entries: 16 for each message
_ENTRY_BYTES = 16
_FOOTER = struct.Struct("<BQQQI")  # opcode, length, start of the summary, of its offsets, CRC-32
_FOOTER_BYTES = _FOOTER.size - 4  # the part that the CRC covers


@dataclass(slots=True)
class Recorded:
    """One message of a recording."""

    topic: str
    body: bytes
    log_ns: int
    publish_ns: int
    encoding: str = ENCODING


def read_messages(
    path: Path | str, reading: Reading | None = None, *, foreign: bool = False
) -> Iterator[Recorded]:
    """Yield the messages in file order, never sorted; a cut file ends with its last whole chunk.

    Damaged parts are left out and noted in `reading`, so are messages of another encoding unless `foreign`.
    Raises OSError and RecordingError.
    """
    with open(path, "rb") as file:
        reader = _Reader(file, str(path), Reading() if reading is None else reading)
        for message in reader.messages():
            if foreign or message.encoding == ENCODING:
                yield message


def named_topics(path: Path | str) -> frozenset[str] | None:
    """Return the topics that a file's summary names; None without a sound summary: then read the messages."""
    with open(path, "rb") as file:
        reading = Reading()
        reader = _Reader(file, str(path), reading)
        return None if reading.cut or reading.n_damages else reader.topics()


def last_log_ns(path: Path | str) -> int | None:
    """Return the latest log time that a file's summary states; None without one."""
    with open(path, "rb") as file:
        return _Reader(file, str(path), Reading()).stated_end_ns


class _Reader:
    """One pass over one file."""

    def __init__(self, file: IO[bytes], name: str, reading: Reading) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self._reading = reading
        self._channels: dict[int, Channel] = {}  # as the chunks name them
        self._others: dict[int, Channel] | None = None  # of the whole file; None: not yet asked
        self._last_ns: int | None = None
        self._open: list[Damage] = []  # end or number of messages not yet known
        self.stated_end_ns: int | None = None  # the latest log time, as the summary states it
        self._chunked: bool | None = None  # whether messages are in chunks; None: not yet asked
        if self._size == 0:
            raise RecordingError(f"{name} is empty: nothing was recorded")
        magic, end = self._at(0, len(MAGIC)), self._at(max(0, self._size - len(MAGIC)), len(MAGIC))
        equal = sum(a == b for a, b in zip(magic, MAGIC, strict=False))
        if magic != MAGIC and (equal < MAGIC_BYTES_MIN or self._size <= len(MAGIC)):
            raise RecordingError(f"{name} is no MCAP recording")
        self._reading.cut = end != MAGIC or self._size <= len(MAGIC)
        if magic != MAGIC:
            self._reading.add(Damage("magic", 0, messages=0))
        self._summary_at, self._summary = self._read_summary()

    def messages(self) -> Iterator[Recorded]:
        """Yield the messages of the file."""
        for record in self._records():
            if isinstance(record, Message):  # nearly all are
                message = self._message(record)
                if message is not None:
                    yield message
            elif isinstance(record, Channel):
                self._channels[record.id] = record
            elif isinstance(record, Metadata):
                self._reading.metadata[record.name] = dict(record.metadata)
        if self._reading.stated is not None and self._reading.n_messages > self._reading.stated:
            self._reading.add(Damage("summary", self._summary_at, messages=0))  # or one message is none
        self._reading.share_lost()

    def topics(self) -> frozenset[str] | None:
        """Return the topics that the summary names; None without one."""
        return frozenset(channel.topic for channel in self._summary.values()) or None

    def _message(self, record: Message) -> Recorded | None:
        self._reading.n_messages += 1
        self._last_ns = record.log_time
        if self._open:
            for damage in self._open:
                damage.to_ns = record.log_time if damage.to_ns is None else damage.to_ns
            self._open.clear()
        channel = self._channels.get(record.channel_id) or self._channel(record.channel_id)
        if channel is None:
            self._reading.unknown_channel += 1
            return None
        if channel.message_encoding != ENCODING:
            name = f"{channel.topic} ({channel.message_encoding or 'no encoding'})"
            self._reading.foreign[name] = self._reading.foreign.get(name, 0) + 1
        return Recorded(
            channel.topic, record.data, record.log_time, record.publish_time, channel.message_encoding
        )

    def _channel(self, key: int) -> Channel | None:
        found = self._channels.get(key) or self._summary.get(key)
        if found is None and self._others is None:  # its chunk is damaged: another may name it
            again = _Reader(self._file, "", Reading())
            self._others = {}
            for record in again._records():
                if isinstance(record, Channel):
                    self._others[record.id] = record
        return found or (self._others or {}).get(key)

    def _records(self) -> Iterator[McapRecord]:
        """Yield the records of the data section, those within chunks too."""
        at = len(MAGIC)
        while at < self._summary_at:
            end, records, is_end = self._record(at)
            yield from records
            if is_end:
                return
            at = end

    def _record(self, at: int) -> tuple[int, list[McapRecord], bool]:
        """Return the record's end, the records in it, and whether the data section ends with it."""
        head = self._at(at, _HEAD.size)
        if len(head) < _HEAD.size:
            return self._size, [], True  # a cut within a record's head
        opcode, length = _HEAD.unpack(head)
        end = at + _HEAD.size + length
        if opcode == Opcode.CHUNK or self._chunk_end(at) is not None:
            return self._chunk(at, is_named=opcode == Opcode.CHUNK)
        is_within = opcode > 0 and end <= self._size and length <= RECORD_BYTES_MAX
        content = self._at(at + _HEAD.size, length) if is_within else b""
        if not is_within or not self._is_whole(at, opcode, content, end):  # its head is damaged
            following = self._resumes(at + 1)
            if following is not None or not self._reading.cut:
                self._open.append(self._reading.add(Damage("record", at, self._last_ns)))
            return (self._summary_at, [], True) if following is None else (following, [], False)
        try:
            record = parsed(opcode, length, content)
        except DAMAGED:
            self._reading.add(Damage("record", at, messages=1 if opcode == Opcode.MESSAGE else 0))
            return end, [], False
        if self._is_false(at, record, content):
            self._reading.add(Damage("record", at, messages=0))
            return end, [], False
        if isinstance(record, MessageIndex):
            self._count_lost(record)
        else:
            self._settle()
        return end, [] if record is None else [record], opcode == Opcode.DATA_END and length == 4

    def _chunk(self, at: int, *, is_named: bool) -> tuple[int, list[McapRecord], bool]:
        self._settle()
        head = self._at(at, _COMPRESSION_AT + 16)
        for end, content in self._chunk_contents(at, head):
            try:
                records = opened(content, is_sure=end == self._chunk_end(at))
            except DAMAGED:
                continue
            if not is_named or end != self._chunk_end(at):  # its head is damaged, its content is not
                self._reading.add(Damage("record", at, messages=0))
            return end, records, False
        end_or_none = self._chunk_end(at)
        following = None
        if end_or_none is None:  # cut within its data, which its checksum no longer covers
            is_chunk = self._chunk_end(at, is_cut=True) is not None
            following = self._next_chunk(at + 1, self._summary_at) if is_chunk else self._resumes(at + 1)
        if end_or_none is None and following is None and self._reading.cut:
            return self._size, [], True
        damage = self._reading.add(Damage("chunk", at, self._last_ns))
        self._open.append(damage)
        if end_or_none is not None:
            first_ns, last_ns, _, _ = _CHUNK.unpack_from(head, _HEAD.size)
            damage.from_ns, damage.to_ns = first_ns, last_ns
            return end_or_none, [], False
        return (self._summary_at, [], True) if following is None else (following, [], False)

    def _chunk_contents(self, at: int, head: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the possible ends of a chunk with its content: by the length of its data, by the record's."""
        for compression in _COMPRESSIONS:
            data_at = _COMPRESSION_AT + len(compression) + 8
            if head.startswith(compression, _COMPRESSION_AT) and len(head) >= data_at:
                lengths = (
                    struct.unpack_from("<Q", head, data_at - 8)[0],
                    _HEAD.unpack_from(head)[1] - data_at + _HEAD.size,
                )
                for n_bytes in dict.fromkeys(lengths):
                    if 0 < n_bytes <= min(self._size - at - data_at, RECORD_BYTES_MAX):
                        data = self._at(at + data_at, n_bytes)
                        before = head[_HEAD.size : data_at - 8]
                        yield at + data_at + n_bytes, before + struct.pack("<Q", n_bytes) + data
                return

    def _chunk_end(self, at: int, *, is_cut: bool = False) -> int | None:
        """Return where a chunk ends if both of its lengths agree; None where there is no such chunk.

        is_cut : it may end beyond the file
        """
        head = self._at(at, _COMPRESSION_AT + 16)
        for compression in _COMPRESSIONS:
            data_at = _COMPRESSION_AT + len(compression) + 8
            if head.startswith(compression, _COMPRESSION_AT) and len(head) >= data_at:
                n_bytes = struct.unpack_from("<Q", head, data_at - 8)[0]
                end = at + data_at + n_bytes
                is_one = data_at - _HEAD.size + n_bytes == _HEAD.unpack_from(head)[1]
                return int(end) if n_bytes and is_one and (is_cut or end <= self._size) else None
        return None

    def _is_whole(self, at: int, opcode: int, content: bytes, end: int) -> bool:
        """Say whether a record's length can be right."""
        if opcode == Opcode.ATTACHMENT:  # may hold anything, a recording too
            return is_attachment(content)
        if self._is_chunked():
            return opcode == Opcode.MESSAGE or self._next_chunk(at + 1, end) is None
        if end == self._summary_at or self._record_end(end) is not None:
            return True
        following = self._next_record(at + 1)
        return following is None or following >= end  # the one behind is damaged

    def _is_false(self, at: int, record: McapRecord | None, content: bytes) -> bool:
        """Say whether a record of this kind can't be here: its opcode, or its content, is damaged."""
        if isinstance(record, Message):
            _, n_bytes = _INDEX.unpack_from(content)
            is_index = n_bytes % _ENTRY_BYTES == 0 and n_bytes + _INDEX.size == len(content)
            return at == len(MAGIC) or (is_index and self._is_chunked())
        return isinstance(record, Channel) and self._summary.get(record.id, record) != record

    def _is_chunked(self) -> bool:
        if self._chunked is None:
            self._chunked = self._next_chunk(len(MAGIC), self._summary_at) is not None
        return self._chunked

    def _resumes(self, start: int) -> int | None:
        """Return where sound records resume; None where none do."""
        if self._is_chunked():
            return self._next_chunk(start, self._summary_at)
        return self._next_record(start)

    def _next_chunk(self, start: int, end: int) -> int | None:
        """Return the first byte of the next chunk record within [start, end); None where there is none."""
        return self._search(_CHUNK_HEAD, start, end, lambda at: self._chunk_end(at) is not None)

    def _next_record(self, start: int) -> int | None:
        """Return the first byte of the next records that follow each other; None where there are none."""
        return self._search(_ANY_HEAD, start, self._summary_at, self._is_chain)

    def _is_chain(self, at: int) -> bool:
        for _ in range(_CHAIN):
            end = self._record_end(at)
            if end is None:
                return False
            if end == self._summary_at:
                return not self._reading.cut
            at = end
        return True

    def _record_end(self, at: int) -> int | None:
        """Return where a record ends, as its head says; None where that is no head."""
        head = self._at(at, _HEAD.size)
        if len(head) < _HEAD.size or not 0 < head[0] <= Opcode.DATA_END:
            return None
        opcode, length = _HEAD.unpack(head)
        end = at + _HEAD.size + int(length)
        is_one = length >= LENGTHS_MIN.get(opcode, 0) and end <= self._summary_at
        return end if is_one else None

    def _search(
        self, pattern: re.Pattern[bytes], start: int, end: int, is_one: Callable[[int], bool]
    ) -> int | None:
        """Return the first byte within [start, end) that begins a head and is one; None where none is."""
        for at in range(start, end, BLOCK_BYTES):
            block = self._at(at, min(BLOCK_BYTES, end - at) + _HEAD.size - 1)
            found = pattern.search(block)
            while found is not None:
                if is_one(at + found.start()):
                    return at + found.start()
                found = pattern.search(block, found.start() + 1)
        return None

    def _count_lost(self, index: MessageIndex) -> None:
        """Count the messages of a damaged chunk by the index records behind it."""
        damage = self._open[-1] if self._open else None
        if damage is None or damage.part != "chunk" or not index.records:
            return
        times = [time_ns for time_ns, _ in index.records]
        known = damage.messages is not None
        damage.messages = (damage.messages or 0) + len(times)
        damage.from_ns = min(times) if not known or damage.from_ns is None else min(damage.from_ns, *times)
        damage.to_ns = max(times) if not known or damage.to_ns is None else max(damage.to_ns, *times)

    def _settle(self) -> None:
        """Close the damages whose end is known before another part begins."""
        self._open = [damage for damage in self._open if damage.to_ns is None]

    def _read_summary(self) -> tuple[int, dict[int, Channel]]:
        """Return where the data section ends at the latest, and the channels that the summary names."""
        nothing: dict[int, Channel] = {}
        at = self._size - len(MAGIC) - _FOOTER.size
        if self._reading.cut or at < len(MAGIC):
            return self._size, nothing
        footer = self._at(at, _FOOTER.size)
        opcode, length, start, _, crc = _FOOTER.unpack(footer)
        if (opcode, length) == (Opcode.FOOTER, 20) and start == 0:
            return at, nothing  # a file without a summary
        is_footer = (opcode, length) == (Opcode.FOOTER, 20) and len(MAGIC) <= start <= at
        content = self._at(start, at - start) if is_footer else b""
        if not is_footer or crc not in (0, zlib.crc32(content + footer[:_FOOTER_BYTES])):
            self._reading.add(Damage("summary", at if not is_footer else start, messages=0))
            return at, nothing
        channels: dict[int, Channel] = {}
        i = 0
        try:
            while i + _HEAD.size <= len(content):
                opcode, length = _HEAD.unpack_from(content, i)
                record = parsed(opcode, length, content[i + _HEAD.size : i + _HEAD.size + length])
                i += _HEAD.size + length
                if isinstance(record, Channel):
                    channels[record.id] = record
                elif isinstance(record, Statistics):
                    counts = record.channel_message_counts.values()
                    if counts and sum(counts) != record.message_count:
                        raise ValueError("the statistics contradict themselves")
                    self._reading.stated = record.message_count
                    self.stated_end_ns = record.message_end_time
                    self._chunked = record.chunk_count > 0
        except DAMAGED:
            self._reading.add(Damage("summary", start, messages=0))
        return int(start), channels

    def _at(self, at: int, n_bytes: int) -> bytes:
        self._file.seek(at)
        return self._file.read(max(0, min(n_bytes, self._size - at)))
