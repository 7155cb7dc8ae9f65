"""What the recordings of an RSU hold of its deliveries, file by file, the newest first.

A recording has each violation's bytes (`/violation/{esn}`), and from this version on the keys that they got
and those that wait no longer (`/delivery/{esn}`).
"""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from edge.decoding import decoder
from edge.delivery_log import Delivery, Given, decode_delivery
from edge.outbox.changes import Key
from edge.recording.names import files_of
from edge.recording.reader import read_messages

WORK_S = 0.005  # of reading, between pauses
JOURNEYS_MAX = 8_192  # some 1 kB each; and those of one more file
PAUSE_FACTOR = 3.0  # a pause is so much longer than the work before it: a quarter of a core at most


class Identity(msgspec.Struct, frozen=True):
    """The parts of a violation by which the centre knows it."""

    id: str
    version: int


class Began(msgspec.Struct, frozen=True, tag="start"):
    """The `start` of `/input`, as far as it is needed here."""

    epoch: int


_read_identity = decoder(msgspec.msgpack.Decoder(Identity))
_read_start = decoder(msgspec.msgpack.Decoder(Began))


def identity_of(body: object) -> Identity | None:
    """Return who a violation is; None where the bytes don't say."""
    try:
        return _read_identity(body) if isinstance(body, bytes) else None
    except (msgspec.DecodeError, ValueError):
        return None


@dataclass(slots=True)
class Recorded:
    """The violations of one recording, by the SHA-256 of their bytes, in order."""

    bodies: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)  # log time, bytes
    given: list[Given] = field(default_factory=list)
    # log time of the end of each episode that ended in this recording, and that no newer recording mentions
    ended: dict[str, int] = field(default_factory=dict)
    epoch: int | None = None  # of the run that wrote it
    last_ns: int = 0
    written_s: float = 0.0  # wall time when it was written last


@dataclass(slots=True)
class History:
    """The keys of all files that were read so far; files are added from the newest to the oldest."""

    given: dict[Key, Given] = field(default_factory=dict)
    done: set[Key] = field(default_factory=set)
    keys: dict[bytes, set[Key]] = field(default_factory=dict)  # by the SHA-256 of the violation's bytes
    episodes: dict[str, bytes | None] = field(default_factory=dict)  # newest state by id
    found: set[bytes] = field(default_factory=set)  # SHA-256 of the bodies of all files
    journeys: dict[str, bytes] = field(default_factory=dict)  # newest version by id

    def read(self, path: Path, esn: str) -> Recorded:
        """Read one file, at a quarter of a core at most; raises OSError and RecordingError."""
        file = Recorded(written_s=path.stat().st_mtime)
        episodes: dict[str, bytes | None] = {}
        changed_ns: dict[str, int] = {}
        journeys: dict[str, bytes] = {}
        channels = (f"/violation/{esn}", f"/delivery/{esn}", "/input", f"/journey/{esn}")
        for topic, body, log_ns in _paced(path):
            file.last_ns = max(file.last_ns, log_ns)
            if topic not in channels:
                continue
            try:
                if topic == channels[0]:
                    file.bodies[hashlib.sha256(body).digest()] = (log_ns, body)
                elif topic == channels[1]:
                    delivery = decode_delivery(body)
                    self._add(file, delivery)
                    episodes |= delivery.episodes
                    changed_ns |= dict.fromkeys(delivery.episodes, log_ns)
                elif topic == channels[3]:
                    journeys[_read_identity(body).id] = body
                elif file.epoch is None:
                    file.epoch = _read_start(body).epoch
            except (msgspec.DecodeError, ValueError):  # another input, or damaged
                continue
        file.ended = {
            name: changed_ns[name]
            for name, state in episodes.items()
            if state is None and name not in self.episodes
        }
        self.episodes = episodes | self.episodes
        if len(self.journeys) < JOURNEYS_MAX:  # the newest
            self.journeys = journeys | self.journeys
        self.found |= file.bodies.keys()
        return file

    def _add(self, file: Recorded, delivery: Delivery) -> None:
        for given in delivery.given:
            key = Key(given.epoch, given.seq)
            self.given.setdefault(key, given)
            file.given.append(given)
            if given.sha256 is not None:
                self.keys.setdefault(given.sha256, set()).add(key)
        self.done.update(Key(*key) for key in delivery.done)


def _paced(path: Path) -> Iterator[tuple[str, bytes, int]]:
    """Yield topic, bytes and log time of each message; it pauses, since live traffic needs the same cores."""
    begun_s = time.thread_time()
    for message in read_messages(path):
        yield message.topic, message.body, message.log_ns
        worked_s = time.thread_time() - begun_s  # of a core: not what other processes held it up
        if worked_s > WORK_S:
            time.sleep(PAUSE_FACTOR * worked_s)
            begun_s = time.thread_time()


def newest_first(folder: Path, esn: str) -> list[Path]:
    """Return an RSU's recordings in a directory; none where that can't be read."""
    try:
        return files_of(folder, esn)[::-1]
    except OSError:
        return []
