"""The rows that some items read and change, read at once and written at once.

A statement costs far more than the row it writes, so a transaction reads what is there of all its items,
changes that in memory, and writes each table with one statement of many rows.
"""

from collections import defaultdict
from collections.abc import Iterable
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from centre import statements as sql
from centre.batch_decoder import Batch, Item
from centre.changes import Change
from centre.search import keys
from geofence.violation import Violation

KeyAt = tuple[str, int, int]  # esn, epoch, seq
VersionAt = tuple[str, int, str]  # id, version, esn
Values = dict[str, Any]

_version_row = itemgetter(*sql.VERSION_COLUMNS)
_episode_row = itemgetter(*sql.EPISODE_COLUMNS)
_changed_row = itemgetter(*sql.CHANGING, "id")
_key_row = itemgetter(*keys.CHANGING)


class Rows:
    """What the database holds of the items that were loaded, with what they change; `flush` writes that."""

    def __init__(self, db: sa.Connection) -> None:
        self._db = db
        self._sql = sql.statements_of(db.dialect.name)
        self.keys: dict[KeyAt, bytes] = {}  # SHA-256; empty: a void
        self.versions: dict[VersionAt, bytes] = {}  # SHA-256
        self.episodes: dict[str, Values] = {}
        self._searched: dict[str, Values] = {}  # of `episode_key`, by id
        self.changes: dict[str, Change] = {}  # by id, of the episodes that these items change
        # Of versions that an RSU detected before its clock was ever set: what must be added to their stamps.
        # It makes the time of detection that of the arrival
        self.shifts_ns: dict[VersionAt, int] = {}
        self._new_keys: list[tuple[Any, ...]] = []
        self._replaced: list[tuple[Any, ...]] = []
        self._new_versions: list[tuple[Any, ...]] = []
        self._new_episodes: dict[str, None] = {}
        self._changed_episodes: dict[str, None] = {}
        self._new_searched: dict[str, None] = {}
        self._changed_searched: dict[str, None] = {}

    def load(self, sources: Iterable[tuple[Batch, Iterable[Item]]]) -> None:
        """Read what the database holds of these items."""
        seqs: dict[tuple[str, int], list[int]] = defaultdict(list)
        ids: dict[str, None] = {}
        versions: dict[int, None] = {}
        for batch, items in sources:
            found = seqs[batch.esn, batch.epoch]
            for item in items:
                found.append(item.seq)
                if item.violation is not None:
                    ids[item.violation.id] = versions[item.violation.version] = None
        listed = self._sql.listed
        for (esn, epoch), found in seqs.items():
            for seq, sha256 in self._find(self._sql.find_keys, (esn, epoch, listed(found))):
                self.keys[esn, epoch, seq] = bytes(sha256)
        if not ids:
            return
        among = listed(tuple(ids))
        for at_id, version, esn, sha256 in self._find(
            self._sql.find_versions, (among, listed(tuple(versions)))
        ):
            self.versions[at_id, version, esn] = bytes(sha256)
        for row in self._find(self._sql.find_episodes, (among,)):
            values = dict(zip(("id", *sql.CHANGING, "latency_ns"), row, strict=True))
            values["open"] = bool(values["open"])  # SQLite has no such type
            self.episodes[values["id"]] = values
        if not self.episodes:
            return
        for at_id, *columns in self._find(self._sql.find_episode_keys, (listed(tuple(self.episodes)),)):
            known = self._searched[at_id] = dict(zip(keys.CHANGING, columns, strict=True))
            known["open"] = bool(known["open"])

    def _find(self, statement: str, values: tuple[Any, ...]) -> Iterable[Any]:
        return self._db.exec_driver_sql(statement, values).all()

    def add_key(self, at: KeyAt, sha256: bytes, void: str | None, received_ns: int) -> None:
        self._new_keys.append((*at, sha256, void, received_ns))
        self.keys[at] = sha256

    def replace_void(self, at: KeyAt, sha256: bytes, received_ns: int) -> None:
        """Let a key that holds a void hold an item."""
        self._replaced.append((sha256, received_ns, *at))
        self.keys[at] = sha256

    def add_version(self, row: Values) -> None:
        self._new_versions.append(_version_row(row))
        self.versions[row["id"], row["version"], row["esn"]] = row["sha256"]

    def write_episode(self, violation_id: str, values: Values) -> None:
        """Add an episode, or change the values of one that is there."""
        known = self.episodes.get(violation_id)
        if known is None:
            self.episodes[violation_id] = {"id": violation_id, "latency_ns": None, **values}
            self._new_episodes[violation_id] = None
            return
        known |= values
        if violation_id not in self._new_episodes:
            self._changed_episodes[violation_id] = None

    def write_key(self, found: Violation, *, is_newest: bool) -> None:
        """Note what an episode is searched by; one of an older database without a row is filled later."""
        known = self._searched.get(found.id)
        if known is None:
            if found.id in self._new_episodes:
                self._searched[found.id] = keys.first_key(found)
                self._new_searched[found.id] = None
            return
        changed = keys.merged(known, found, is_newest=is_newest)
        if changed is not None:
            self._searched[found.id] = changed
            if found.id not in self._new_searched:
                self._changed_searched[found.id] = None

    def change_of(self, violation_id: str) -> Change:
        """Return the note of what these items change of an episode, to be announced once it is committed."""
        change = self.changes.get(violation_id)
        if change is None:
            change = self.changes[violation_id] = Change("violation", violation_id)
        return change

    def flush(self) -> None:
        """Write all changes, each table by one statement; keys are added before they are replaced."""
        episodes, searched = self.episodes, self._searched
        steps = (
            (self._sql.add_key, self._new_keys),
            (self._sql.replace_void, self._replaced),
            (self._sql.add_version, self._new_versions),
            (self._sql.add_episode, [_episode_row(episodes[each]) for each in self._new_episodes]),
            (self._sql.change_episode, [_changed_row(episodes[each]) for each in self._changed_episodes]),
            (self._sql.add_episode_key, [(each, *_key_row(searched[each])) for each in self._new_searched]),
            (
                self._sql.change_episode_key,
                [(*_key_row(searched[each]), each) for each in self._changed_searched],
            ),
        )
        for statement, rows in steps:
            if rows:
                self._db.exec_driver_sql(statement, rows)
