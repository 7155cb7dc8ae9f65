"""What the recordings give back of the outbox: after damage, for altered rows, and where the centre asks.

Each mending looks at one recording after the other, the newest first, and yields rows to be put again. Under
the same key where a recording knows it; else under a new one, and the centre drops what it knows by
(id, version, esn).
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from edge.ask import LOST, RECOVERED
from edge.delivery_log import Given
from edge.outbox.changes import Key, Row
from edge.outbox.history import History, Identity, Recorded, identity_of
from geofence.journeys.journey import decoded

LOOK_BACK_NS = 24 * 3_600 * 10**9  # where nothing says how old the oldest waiting item was
EPOCH_MARGIN_S = 86_400  # an epoch is the wall time of its start, by a clock that may have been ahead
KEY_MAX = 2**63 - 1
JOURNEYS_MAX = 4_096  # that are sent once more; the centre drops those that it knows


@dataclass(slots=True)
class Mended:
    """A piece of what was found."""

    rows: list[Row] = field(default_factory=list)  # under their own keys
    unkeyed: list[tuple[int, bytes]] = field(default_factory=list)  # (log time, violation): for a new key
    gone: list[Key] = field(default_factory=list)  # rows whose key itself was altered
    episodes: dict[str, bytes] = field(default_factory=dict)  # open ones
    ended: dict[str, int] = field(default_factory=dict)  # episodes, and when they ended
    journeys: dict[str, bytes] = field(default_factory=dict)  # that have ended: their last versions
    is_asked: bool = False  # by the centre: what was acknowledged before is put again
    is_rebuild: bool = False  # after damage
    is_last: bool = False  # nothing more comes of this mending


class Mending(Protocol):
    """One reading of the recordings."""

    def visit(self, file: Recorded, history: History) -> Mended:
        """Return what this file gives."""

    def is_enough(self, file: Recorded) -> bool:
        """Say whether older files can be left unread."""

    def finish(self, history: History) -> Mended:
        """Return what remains to be said after the last file."""


def _ended(journeys: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield the journeys that have ended: of an open one the next version comes anyway."""
    for name, body in journeys.items():
        journey = decoded(body)
        if journey is not None and not journey.is_open:
            yield name, body


def row_of(given: Given, body: tuple[int, bytes]) -> Row:
    """Return the row that an item was."""
    log_ns, violation = body
    detected_ns = log_ns if given.detected_ns is None else given.detected_ns
    return Row.of(Key(given.epoch, given.seq), detected_ns, violation, None)


def void_of(key: Key, reason: str, detected_ns: int | None = None) -> Row:
    """Return a row that says why there is no violation."""
    return Row.of(key, detected_ns, None, reason)


@dataclass(slots=True)
class Rebuild:
    """All that is not known to be acknowledged.

    opened_ns : what is recorded from then on is this run's own.  epoch : of this run
    oldest_ns : when the oldest item that waited was detected; None: unknown
    unseen : episodes that are open in the file, and that no recording has mentioned yet: in a copy they may
        have ended long before the oldest item that waits, and would be closed once more
    """

    epoch: int
    opened_ns: int
    oldest_ns: int | None
    unseen: set[str] = field(default_factory=set)
    newest_ns: int = 0
    is_beyond: bool = False

    def visit(self, file: Recorded, history: History) -> Mended:
        """Return what of this file waits."""
        found = Mended(is_rebuild=True, ended=file.ended)
        self.newest_ns = max(self.newest_ns, file.last_ns)
        self.unseen -= history.episodes.keys()
        for sha256, body in file.bodies.items():
            keys = history.keys.get(sha256, set())
            waiting = [key for key in keys - history.done if key.epoch != self.epoch]
            found.rows += [row_of(history.given[key], body) for key in waiting]
            if not keys and body[0] < self.opened_ns:
                found.unkeyed.append(body)
        for given in file.given:
            key = Key(given.epoch, given.seq)
            if given.void is not None and key not in history.done and key.epoch != self.epoch:
                found.rows.append(void_of(key, given.void, given.detected_ns))
        return found

    def is_enough(self, file: Recorded) -> bool:
        """Say whether all that waited is younger; one file more, since a key may follow in the next."""
        was_beyond = self.is_beyond
        look_back_ns = self.newest_ns - LOOK_BACK_NS
        oldest_ns = look_back_ns if self.oldest_ns is None else self.oldest_ns
        if self.unseen:
            oldest_ns = min(oldest_ns, look_back_ns)
        self.is_beyond = file.last_ns < oldest_ns
        return was_beyond

    def finish(self, history: History) -> Mended:
        """Return voids for the keys whose violations no recording holds, and the open episodes."""
        lost = [
            void_of(key, f"{LOST}with the outbox: no recording holds it", given.detected_ns)
            for key, given in history.given.items()
            if given.sha256 is not None and given.sha256 not in history.found and key not in history.done
            and key.epoch != self.epoch
        ]  # fmt: skip
        episodes = {name: state for name, state in history.episodes.items() if state is not None}
        journeys = dict(list(_ended(history.journeys))[-JOURNEYS_MAX:])
        return Mended(rows=lost, episodes=episodes, journeys=journeys, is_rebuild=True, is_last=True)


@dataclass(slots=True)
class Altered:
    """Rows whose bytes are not what they were."""

    rows: dict[Key, Row]

    def visit(self, file: Recorded, history: History) -> Mended:
        """Return the true rows that this file gives."""
        found = Mended()
        by_identity: dict[Identity, tuple[int, bytes]] = {}
        for _, body in file.bodies.values():
            identity = identity_of(body)
            if identity is not None:
                by_identity[identity] = (_, body)
        for key, row in list(self.rows.items()):
            true = self._true(row, file, history, by_identity)
            if true is None:
                continue
            del self.rows[key]
            found.rows.append(true)
            if true.key != key:
                found.gone.append(key)
        return found

    @staticmethod
    def _true(
        row: Row, file: Recorded, history: History, by_identity: dict[Identity, tuple[int, bytes]]
    ) -> Row | None:
        """Return the row by its key, else by its bytes, else by the violation's identity."""
        given = history.given.get(row.key)
        if given is not None:
            if given.void is not None:
                return void_of(row.key, given.void, given.detected_ns)
            body = file.bodies.get(given.sha256 or b"")
            return None if body is None else row_of(given, body)
        violation = row.violation if isinstance(row.violation, bytes) else b""
        sha256 = hashlib.sha256(violation).digest()
        body = file.bodies.get(sha256)
        if body is None:
            identity = identity_of(violation)
            body = None if identity is None else by_identity.get(identity)
            return None if body is None else Row.of(row.key, body[0], body[1], None)
        for key in sorted(history.keys.get(sha256, ())):
            return row_of(history.given[key], body)  # its key was altered
        return Row.of(row.key, body[0], body[1], None)

    def is_enough(self, file: Recorded) -> bool:
        """Say whether all are found."""
        return not self.rows

    def finish(self, history: History) -> Mended:
        """Return voids for the rest; a key that can't be one is forgotten."""
        found = Mended()
        for key in self.rows:
            if isinstance(key.epoch, int) and isinstance(key.seq, int) and 0 < key.seq <= KEY_MAX:
                found.rows.append(void_of(key, f"{LOST}altered on the disk, and no recording holds it"))
            else:
                found.gone.append(key)
        return found


@dataclass(slots=True)
class AskedKeys:
    """Items that the centre lacks, and the outbox has no more."""

    keys: set[Key]
    opened_ns: int
    n_unkeyed: dict[int, int] = field(default_factory=dict)  # put under new keys, by epoch
    is_beyond: bool = False

    def visit(self, file: Recorded, history: History) -> Mended:
        """Return the asked items that this file gives."""
        found = Mended(is_asked=True)
        for key in sorted(self.keys):
            given = history.given.get(key)
            if given is None:
                continue
            body = file.bodies.get(given.sha256 or b"")
            if given.void is not None:
                found.rows.append(void_of(key, given.void, given.detected_ns))
            elif body is not None:
                found.rows.append(row_of(given, body))
            else:
                continue
            self.keys.discard(key)
        known = any(key in history.given for key in self.keys)  # its violation may be older than its key
        epoch_min = min((key.epoch for key in self.keys), default=0)
        self.is_beyond = not known and file.written_s < epoch_min - EPOCH_MARGIN_S
        asked = {key.epoch for key in self.keys}
        if file.epoch in asked and not file.given:  # of a version that recorded no keys
            bodies = [body for sha256, body in file.bodies.items() if sha256 not in history.keys]
            found.unkeyed = [body for body in bodies if body[0] < self.opened_ns]
            self.n_unkeyed[file.epoch or 0] = self.n_unkeyed.get(file.epoch or 0, 0) + len(found.unkeyed)
        return found

    def is_enough(self, file: Recorded) -> bool:
        """Say whether all are found, or older files were written before these keys were given."""
        return not self.keys or self.is_beyond

    def finish(self, history: History) -> Mended:
        """Return voids for the rest."""
        found = Mended(is_asked=True)
        for key in sorted(self.keys):
            if key.seq <= self.n_unkeyed.get(key.epoch, 0):
                reason = f"{RECOVERED}from the recording of its time, under a new key"
            else:
                reason = f"{LOST}no outbox and no recording holds it"
            found.rows.append(void_of(key, reason))
        return found


@dataclass(slots=True)
class AskedSince:
    """Everything from a time on: the centre's database is new."""

    since_ns: int
    opened_ns: int
    is_beyond: bool = False

    def visit(self, file: Recorded, history: History) -> Mended:
        """Return the violations and voids of this file from that time on."""
        found = Mended(is_asked=True)
        for sha256, body in file.bodies.items():
            if body[0] < self.since_ns:
                continue
            keys = history.keys.get(sha256)
            if keys:
                found.rows.append(row_of(history.given[max(keys)], body))
            elif body[0] < self.opened_ns:
                found.unkeyed.append(body)
        for given in file.given:
            if given.void is not None and (given.detected_ns or 0) >= self.since_ns:
                found.rows.append(void_of(Key(given.epoch, given.seq), given.void, given.detected_ns))
        return found

    def is_enough(self, file: Recorded) -> bool:
        """Say whether the rest is older."""
        was_beyond = self.is_beyond
        self.is_beyond = file.last_ns < self.since_ns
        return was_beyond

    def finish(self, history: History) -> Mended:
        """Return nothing: the centre asks for keys that are still missing."""
        return Mended(is_asked=True)


def pieces(found: Mended, n_max: int) -> Iterator[Mended]:
    """Split what a file gives into pieces of at most n_max items."""
    for at in range(0, max(1, len(found.rows), len(found.unkeyed)), n_max):
        yield Mended(
            rows=found.rows[at : at + n_max],
            unkeyed=found.unkeyed[at : at + n_max],
            gone=found.gone if at == 0 else [],
            episodes=found.episodes if at == 0 else {},
            ended=found.ended if at == 0 else {},
            journeys=found.journeys if at == 0 else {},
            is_asked=found.is_asked,
            is_rebuild=found.is_rebuild,
            is_last=found.is_last and at + n_max >= len(found.rows),
        )
