"""Recordings as MCAP (docs/design.md section 6): a writer that survives kill -9 and full disks; recovery."""

import contextlib
import os
import threading
from pathlib import Path
from typing import Any

from mcap.records import Channel, Schema
from mcap.writer import Writer

from edge.recording.damage import ENCODING, Damage, Reading
from edge.recording.reader import Recorded, named_topics, read_messages
from edge.schemas import schema_of
from edge.versions import versions

__all__ = ["Damage", "Reading", "Recorded", "Recorder", "named_topics", "read_messages", "recover"]

CHUNK_NS = 1_000_000_000
CHUNK_S = 0.5  # a live recorder closes its chunk this often; at most a second is lost with the process
CHUNK_BYTES = 2**20
PENDING_BYTES_MAX = 16 * 2**20  # in memory, while a disk is full


class Recorder:
    """Writes one file. `write` only queues; the chunk is closed by time, by size and on demand.

    Any thread may call any method. Messages that a full disk refuses wait in memory up to PENDING_BYTES_MAX,
    beyond it they are dropped and counted; the file stays whole. The longest one does not count: a state
    alone may be longer, and must not cost the messages before its chunk is closed.
    """

    def __init__(self, path: Path, *, live: bool = False) -> None:
        """Create the file; `live`: a thread closes the chunk each CHUNK_S, else log times alone do."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.counts: dict[str, int] = {}
        self._refusal: OSError | None = None  # the disk's last one
        self._queue: list[Recorded] = []
        self._queued_bytes = self._longest_bytes = 0
        self._chunk_ns: int | None = None  # log time of the first queued message
        self._queue_lock = threading.Lock()  # held for an append: the event loop never waits for the disk
        self._file_lock = threading.Lock()
        self._stream = _WholeWrites(path)
        self._writer: Any = Writer(self._stream, chunk_size=4 * CHUNK_BYTES)  # type: ignore[arg-type]
        self._channels: dict[tuple[str, str], Channel] = {}  # by topic and encoding
        self._schemas: dict[int, Schema] = {}  # by id
        self._channels_in_chunk: set[int] = set()  # ids that the open chunk names; only asked
        self._schemas_in_chunk: set[int] = set()
        self._writer.start(profile="petroroad")
        self._writer.add_metadata("petroroad", versions())
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="recorder", daemon=True) if live else None
        self.close_chunk()
        if self._thread is not None:
            self._thread.start()

    def write(
        self,
        topic: str,
        body: bytes,
        log_ns: int,
        publish_ns: int | None = None,
        *,
        encoding: str = ENCODING,
    ) -> None:
        """Record one message; `publish_ns` is the time of measurement where it has one.

        encoding : another one than ours is a recovered message of another program
        """
        if self._queued_bytes - self._longest_bytes + self._stream.pending_bytes > PENDING_BYTES_MAX:
            self._count("recording.dropped")
            return
        if self._thread is None and self._is_due(log_ns):
            self.close_chunk()
        message = Recorded(topic, body, log_ns, log_ns if publish_ns is None else publish_ns, encoding)
        with self._queue_lock:
            if self._chunk_ns is None:
                self._chunk_ns = log_ns
            self._queued_bytes += len(body)
            self._longest_bytes = max(self._longest_bytes, len(body))
            self._queue.append(message)

    def close_chunk(self) -> None:
        """Write all queued messages to the operating system, as one whole chunk."""
        with self._file_lock:
            with self._queue_lock:
                messages, self._queue = self._queue, []
                self._queued_bytes, self._longest_bytes, self._chunk_ns = 0, 0, None
            for message in messages:
                self._add(message)
            self._flush()

    def close(self) -> None:
        """End the file with its summary and index."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
        self.close_chunk()
        with self._file_lock:
            self._writer.finish()
            self._flush()
            self._stream.close()

    @property
    def refused(self) -> OSError | None:
        """The disk's error where it did not store all of a closed file; None: it is whole."""
        if self._refusal is None or not (self._stream.pending_bytes or "recording.dropped" in self.counts):
            return None
        return OSError(self._refusal.errno, self._refusal.strerror, str(self.path))

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _is_due(self, log_ns: int) -> bool:
        old = self._chunk_ns is not None and log_ns - self._chunk_ns >= CHUNK_NS
        return old or self._queued_bytes >= CHUNK_BYTES

    def _beat(self) -> None:
        while not self._stop.wait(CHUNK_S):
            self.close_chunk()

    def _add(self, message: Recorded) -> None:
        key = (message.topic, message.encoding)
        if key not in self._channels:
            self._register(*key)
        channel = self._channels[key]
        self._name_in_chunk(channel)
        self._writer.add_message(
            channel.id, max(0, message.log_ns), message.body, max(0, message.publish_ns)
        )  # MCAP's times are unsigned

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

    def _flush(self) -> None:
        try:
            self._writer.flush()
        except OSError as error:  # a full or failing disk: the next chunk tries the rest again
            self._refusal = error
            self._count("recording.disk")

    def _count(self, reason: str) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1


class _WholeWrites:
    """A file that holds whole flushes only: one that fails is undone and kept for the next try."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        self._written = 0
        self._pending = bytearray()

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
        self._written += done
        self._pending.clear()

    def close(self) -> None:
        os.close(self._fd)


def recover(source: Path, target: Path) -> tuple[int, Reading]:
    """Copy every whole message of a cut or damaged file into a sound one; returns (messages, findings).

    Raises OSError where the disk does not store all of it.
    """
    reading = Reading()
    n_messages = 0
    with Recorder(target) as recorder:
        for message in read_messages(source, reading, foreign=True):
            recorder.write(
                message.topic, message.body, message.log_ns, message.publish_ns, encoding=message.encoding
            )
            n_messages += 1
    if recorder.refused is not None:
        raise recorder.refused
    return n_messages, reading
