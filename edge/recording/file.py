"""One MCAP file that is being written: chunks that can each be read alone, and whole flushes only."""

import contextlib
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mcap.data_stream import RecordBuilder
from mcap.records import Channel, ChunkIndex, Schema
from mcap.writer import Writer

from edge.recording.damage import ENCODING
from edge.recording.reader import Recorded
from edge.schemas import schema_of
from edge.versions import versions

CHUNK_BYTES = 2**20
BLOCK_BYTES = 2**16  # of the indexes, before they are compressed
FILE_MODE = 0o600  # plates and places of vehicles: for the service's own user
SERIES, END = "petroroad:series", "petroroad:end"  # metadata of a file in a series (edge.recording.series)


class RecordingFile:
    """Adds messages to the file of a path; one thread at a time. OSError where it can't be made.

    exclusive : refuse (FileExistsError) a file that is there, else begin it anew
    """

    def __init__(
        self, path: Path, series: Mapping[str, str] | None = None, *, exclusive: bool = False
    ) -> None:
        self.path = path
        self._stream = _WholeWrites(path, exclusive=exclusive)
        self._writer: Any = Writer(self._stream, chunk_size=4 * CHUNK_BYTES)  # type: ignore[arg-type]
        vars(self._writer)["_Writer__chunk_indices"] = PackedIndexes()  # it has no option for this
        self._channels: dict[tuple[str, str], Channel] = {}  # by topic and encoding
        self._schemas: dict[int, Schema] = {}  # by id
        self._channels_in_chunk: set[int] = set()  # ids that the open chunk names; only asked
        self._schemas_in_chunk: set[int] = set()
        self._is_ended = False
        self._writer.start(profile="petroroad")
        self._writer.add_metadata("petroroad", versions())
        if series is not None:
            self._writer.add_metadata(SERIES, dict(series))

    @property
    def n_bytes(self) -> int:
        """Return its size, with what the disk has not taken yet."""
        return self._stream.tell()

    @property
    def pending_bytes(self) -> int:
        """Return how much the disk has refused so far."""
        return self._stream.pending_bytes

    def add(self, message: Recorded) -> None:
        """Put a message into the open chunk."""
        key = (message.topic, message.encoding)
        if key not in self._channels:
            self._register(*key)
        channel = self._channels[key]
        self._name_in_chunk(channel)
        self._writer.add_message(
            channel.id, max(0, message.log_ns), message.body, max(0, message.publish_ns)
        )  # MCAP's times are unsigned

    def flush(self) -> None:
        """Close the chunk and give all to the operating system; OSError where it refuses: try it again."""
        if not self._is_ended:
            self._writer.flush()
        else:
            self._stream.flush()

    def sync(self) -> None:
        """Wait until the flushed bytes are on the medium; OSError where that fails."""
        self._stream.sync()

    def end(self, last: Mapping[str, str] | None = None) -> None:
        """Add summary and index; `flush` writes them. Nothing can be added afterwards."""
        if self._is_ended:
            return
        if last is not None:
            self._writer._Writer__finalize_chunk()  # else the record would stand before the chunk
            self._writer.add_metadata(END, dict(last))
        self._writer.finish()
        self._is_ended = True

    def close(self) -> None:
        """Give the file back; what was not flushed is lost."""
        self._stream.close()

    def _register(self, topic: str, encoding: str) -> None:
        schema_id = self._schema(topic) if encoding == ENCODING else 0  # none: not ours to describe
        key = self._writer.register_channel(topic, encoding, schema_id)
        self._channels[topic, encoding] = Channel(
            id=key, topic=topic, message_encoding=encoding, metadata={}, schema_id=schema_id
        )

    def _schema(self, topic: str) -> int:
        """Return the id of a topic's schema, registered with its first channel."""
        name, text = schema_of(topic)
        for schema in self._schemas.values():
            if schema.name == name:
                return schema.id
        key: int = self._writer.register_schema(name, "jsonschema", text)
        self._schemas[key] = Schema(id=key, name=name, encoding="jsonschema", data=text)
        return key

    def _name_in_chunk(self, channel: Channel) -> None:
        """Repeat the channel and its schema in each chunk that has messages of it: a chunk is read alone.

        The library writes them once, so a damaged first chunk would make all others unreadable.
        """
        chunk = self._writer._Writer__chunk_builder  # it has no method for this
        if chunk.num_messages == 0:  # a new one
            self._channels_in_chunk.clear()
            self._schemas_in_chunk.clear()
        if channel.id in self._channels_in_chunk:
            return
        if channel.schema_id and channel.schema_id not in self._schemas_in_chunk:
            chunk.add_schema(self._schemas[channel.schema_id])
            self._schemas_in_chunk.add(channel.schema_id)
        chunk.add_channel(channel)
        self._channels_in_chunk.add(channel.id)


class PackedIndexes:
    """The chunks' indexes as the bytes that the summary will hold, in compressed blocks.

    The library keeps an object with a dict for each chunk, 1.3 kB, until the file ends: 10 MB an hour. The
    bytes alone are 130 of each of 11 000 chunks, 1.4 MB an hour; they compress to two fifths.
    """

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._open = bytearray()

    def append(self, index: ChunkIndex) -> None:
        """Add one chunk's index."""
        builder: Any = RecordBuilder()
        index.write(builder)
        self._open += builder.end()
        if len(self._open) >= BLOCK_BYTES:
            self._blocks.append(zlib.compress(self._open))
            self._open = bytearray()

    @property
    def held_bytes(self) -> int:
        """How much memory they take."""
        return len(self._open) + sum(map(len, self._blocks))

    def __iter__(self) -> "Iterator[PackedIndexes]":
        """Yield itself as the one index there is: the library writes each of them."""
        yield self

    def write(self, builder: RecordBuilder) -> None:
        """Write all records."""
        for block in self._blocks:
            builder.write(zlib.decompress(block))
        builder.write(self._open)


class _WholeWrites:
    """A file that holds whole flushes only: one that fails is undone and kept for the next try."""

    def __init__(self, path: Path, *, exclusive: bool) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_EXCL if exclusive else os.O_TRUNC)
        self._fd = os.open(path, flags, FILE_MODE)
        self._directory = path.parent
        self._written = 0
        self._pending = bytearray()
        self._unsynced = True  # its own entry in the directory too
        self._is_entered = False

    @property
    def pending_bytes(self) -> int:
        return len(self._pending)

    def write(self, data: bytes) -> int:
        self._pending += data
        return len(data)

    def tell(self) -> int:
        return self._written + len(self._pending)

    def flush(self) -> None:
        done = 0
        view = memoryview(bytes(self._pending))
        try:
            while done < len(view):
                done += os.pwrite(self._fd, view[done:], self._written + done)
        except OSError:
            # half a chunk would hide all that follows; a device has no end
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._written)
            raise
        self._unsynced |= done > 0
        self._written += done
        self._pending.clear()

    def sync(self) -> None:
        if not self._unsynced:
            return
        os.fdatasync(self._fd)  # of the times of the file nothing depends: the size it writes as well
        self._unsynced = False
        if not self._is_entered:
            directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
            self._is_entered = True

    def close(self) -> None:
        os.close(self._fd)
