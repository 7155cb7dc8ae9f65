"""The rows that some items read and change, read at once and written at once.

A statement costs far more than the row it writes, so a transaction reads what is there of all its items,
changes that in memory, and writes each table with one statement of many rows.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from centre import statements as sql
from centre.batch_decoder import Batch, Item

KeyAt = tuple[str, int, int]  # esn, epoch, seq
VersionAt = tuple[str, int, str]  # id, version, esn
Values = dict[str, Any]


class Rows:
    """What the database holds of the items that were loaded, with what they change; `flush` writes that."""

    def __init__(self, db: sa.Connection) -> None:
        self._db = db
        self.keys: dict[KeyAt, bytes] = {}  # SHA-256; empty: a void
        self.versions: dict[VersionAt, bytes] = {}  # SHA-256
        self.episodes: dict[str, Values] = {}
        self._new_keys: list[Values] = []
        self._replaced: list[Values] = []
        self._new_versions: list[Values] = []
        self._new_episodes: dict[str, None] = {}
        self._changed_episodes: dict[str, None] = {}
        self._feed: list[Values] = []

    def load(self, sources: Iterable[tuple[Batch, Iterable[Item]]]) -> None:
        """Read what the database holds of these items."""
        seqs: dict[tuple[str, int], list[int]] = defaultdict(list)
        ids: dict[str, None] = {}
        versions: dict[int, None] = {}
        for batch, items in sources:
            for item in items:
                seqs[batch.esn, batch.epoch].append(item.seq)
                if item.violation is not None:
                    ids[item.violation.id] = versions[item.violation.version] = None
        for (esn, epoch), found in seqs.items():
            at = {"k_esn": esn, "k_epoch": epoch, "k_seqs": found}
            for row in self._db.execute(sql.FIND_KEYS, at):
                self.keys[esn, epoch, row.seq] = row.sha256
        if not ids:
            return
        for at_id, version, esn, sha256 in self._db.execute(
            sql.FIND_VERSIONS, {"k_ids": list(ids), "k_versions": list(versions)}
        ):
            self.versions[at_id, version, esn] = sha256
        for values in self._db.execute(sql.FIND_EPISODES, {"k_ids": list(ids)}).mappings():
            self.episodes[values["id"]] = dict(values)

    def add_key(self, at: KeyAt, sha256: bytes, void: str | None, received_ns: int) -> None:
        row = dict(zip(("esn", "epoch", "seq"), at, strict=True))
        self._new_keys.append(row | {"sha256": sha256, "void": void, "received_ns": received_ns})
        self.keys[at] = sha256

    def replace_void(self, at: KeyAt, sha256: bytes, received_ns: int) -> None:
        """Let a key that holds a void hold an item."""
        row = dict(zip(("k_esn", "k_epoch", "k_seq"), at, strict=True))
        self._replaced.append(row | {"new_sha256": sha256, "new_received_ns": received_ns})
        self.keys[at] = sha256

    def add_version(self, row: Values) -> None:
        self._new_versions.append(row)
        self.versions[row["id"], row["version"], row["esn"]] = row["sha256"]

    def write_episode(self, violation_id: str, values: Values) -> None:
        """Add an episode, or change the values of one that is there."""
        known = self.episodes.get(violation_id)
        if known is None:
            self.episodes[violation_id] = {"id": violation_id, **values}
            self._new_episodes[violation_id] = None
            return
        known |= values
        if violation_id not in self._new_episodes:
            self._changed_episodes[violation_id] = None

    def add_to_feed(self, violation_id: str, version: int, esn: str) -> None:
        self._feed.append({"kind": "violation", "key": violation_id, "version": version, "esn": esn})

    def flush(self) -> None:
        """Write all changes, each table by one statement; keys are added before they are replaced."""
        changed = [
            {"k_id": each} | {f"new_{name}": self.episodes[each][name] for name in sql.CHANGING}
            for each in self._changed_episodes
        ]
        steps = (
            (sql.ADD_KEY, self._new_keys),
            (sql.REPLACE_VOID, self._replaced),
            (sql.ADD_VERSION, self._new_versions),
            (sql.ADD_EPISODE, [self.episodes[each] for each in self._new_episodes]),
            (sql.CHANGE_EPISODE, changed),
            (sql.ADD_FEED, self._feed),
        )
        for statement, rows in steps:
            if rows:
                self._db.execute(statement, rows)
