"""The changes that the outbox's database still lacks: the newest of each row, episode and epoch. Pure.

While a disk refuses, this is all that is kept of hours of traffic: acknowledged items and earlier states of
an episode leave nothing behind.
"""

import hashlib
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any, NamedTuple

INSERT = """INSERT OR REPLACE INTO item (epoch, seq, detected_ns, violation, void, sha256)
    VALUES (?, ?, ?, ?, ?, ?)"""
DELETE = "DELETE FROM item WHERE epoch = ? AND seq = ?"
KEEP_EPISODE = "INSERT OR REPLACE INTO episode (id, state) VALUES (?, ?)"
FORGET_EPISODE = "DELETE FROM episode WHERE id = ?"
KEEP_JOURNEY = "INSERT OR REPLACE INTO journey (id, state) VALUES (?, ?)"
FORGET_JOURNEY = "DELETE FROM journey WHERE id = ?"
KEEP_LAST_SEQ = """INSERT INTO epoch (epoch, last_seq) VALUES (?, ?)
    ON CONFLICT (epoch) DO UPDATE SET last_seq = max(last_seq, excluded.last_seq)"""
FORGET_EPOCHS = "DELETE FROM epoch WHERE epoch < ? AND epoch NOT IN (SELECT epoch FROM item)"
Statement = tuple[str, tuple[Any, ...]]


class Key(NamedTuple):
    """The transport key, beside the esn."""

    epoch: int
    seq: int


@dataclass(frozen=True, slots=True)
class Row:
    """One item that the centre has not acknowledged; `violation` or `void`.

    sha256 : over all the others, by which an alteration on the disk is noticed; None: of an older file
    """

    key: Key
    detected_ns: int | None
    violation: bytes | None
    void: str | None
    sha256: bytes | None = None

    @staticmethod
    def of(key: Key, detected_ns: int | None, violation: bytes | None, void: str | None) -> "Row":
        """Return a row with its checksum."""
        return Row(key, detected_ns, violation, void, _digest(key, detected_ns, violation, void))

    @property
    def is_sound(self) -> bool:
        """Say whether each part is of its kind, and all of them what they were when the row was made."""
        parts: tuple[tuple[object, type], ...] = (
            (self.key.epoch, int), (self.key.seq, int), (self.detected_ns, int), (self.violation, bytes),
            (self.void, str),
        )  # fmt: skip
        if any(part is not None and not isinstance(part, kind) for part, kind in parts):
            return False  # a flipped bit can make a text of a number
        expected = _digest(self.key, self.detected_ns, self.violation, self.void)
        return self.sha256 is None or self.sha256 == expected


def _digest(key: Key, detected_ns: int | None, violation: bytes | None, void: str | None) -> bytes:
    """Return the SHA-256 over a row's key, time, kind and bytes."""
    kind, body = ("void", (void or "").encode()) if violation is None else ("violation", violation)
    head = f"{key.epoch} {key.seq} {detected_ns} {kind} "
    return hashlib.sha256(head.encode() + body).digest()


@dataclass(slots=True)
class Changes:
    """Planned, and committed as one."""

    rows: dict[Key, Row | None] = field(default_factory=dict)  # None: acknowledged, to be deleted
    episodes: dict[str, bytes | None] = field(default_factory=dict)  # open ones' states; None: closed or gone
    last_seqs: dict[int, int] = field(default_factory=dict)
    begun: int | None = None  # an epoch: earlier ones without items are forgotten
    journeys: dict[str, bytes | None] = field(default_factory=dict)  # None: not ours any more
    replaced: set[Key] = field(default_factory=set)  # of `rows`: the disk has an earlier row of that key

    def keep(self, row: Row, *, is_stored: bool = False) -> None:
        """Put a row.  is_stored : in place of one that the disk has."""
        if is_stored or self.rows.get(row.key, row) is None:  # or has: its deletion is only planned
            self.replaced.add(row.key)
        self.rows[row.key] = row

    def forget(self, key: Key) -> None:
        """Delete an acknowledged row; one that never reached the disk is as if it had not been."""
        if self.rows.pop(key, None) is None or key in self.replaced:
            self.rows[key] = None

    def keep_episode(self, episode_id: str, state: bytes | None, saved: Container[str]) -> None:
        """Keep an open episode's state; None: it closed or a neighbour continues it.

        saved : episodes that the disk has; another one that closed needs no change
        """
        if state is None and episode_id not in saved:
            self.episodes.pop(episode_id, None)
        else:
            self.episodes[episode_id] = state

    def keep_journey(self, journey_id: str, state: bytes | None, saved: Container[str]) -> None:
        """Keep a journey's newest version; None: it is not ours any more.  saved : what the disk has"""
        if state is None and journey_id not in saved:
            self.journeys.pop(journey_id, None)
        else:
            self.journeys[journey_id] = state

    def n_rows(self) -> int:
        """Return how many rows only memory has."""
        return sum(row is not None for row in self.rows.values())

    def forgotten(self) -> frozenset[Key]:
        """Return the keys of acknowledged rows that the disk still has."""
        return frozenset(key for key, row in self.rows.items() if row is None)

    def statements(self) -> list[Statement]:
        """Return the SQL statements; no two of them touch one row."""
        found: list[Statement] = []
        for key, row in self.rows.items():
            if row is None:
                found.append((DELETE, tuple(key)))
            else:
                found.append((INSERT, (*row.key, row.detected_ns, row.violation, row.void, row.sha256)))
        for episode_id, state in self.episodes.items():
            if state is None:
                found.append((FORGET_EPISODE, (episode_id,)))
            else:
                found.append((KEEP_EPISODE, (episode_id, state)))
        for journey_id, version in self.journeys.items():
            if version is None:
                found.append((FORGET_JOURNEY, (journey_id,)))
            else:
                found.append((KEEP_JOURNEY, (journey_id, version)))
        found += [(KEEP_LAST_SEQ, pair) for pair in self.last_seqs.items()]
        if self.begun is not None:
            found.append((FORGET_EPOCHS, (self.begun,)))
        return found
