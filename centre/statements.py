"""The statements of the database's writer, as text for the driver: SQLAlchemy's way costs as much as the row.

They are the same for both databases but for two things: the mark of a parameter, and how a list is one.
"""

# ruff: noqa: S608 - the texts are made of our own names only

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from centre.search.keys import CHANGING as KEY_CHANGING
from centre.search.tables import EPISODE_KEY
from centre.store import EPISODE, FEED, QUARANTINE, TRANSPORT, UNSETTLED, VERSION
from geofence.violation import GRADES

WARNING = GRADES.index("warning")
# columns of EPISODE that a newer version replaces
NEWEST = ("version", "hop", "esn", "open", "grade", "rule")
# columns of EPISODE that a further version changes
CHANGING = (*NEWEST, "grade_max", "versions", "excess_m_max", "p_violation_max")
KEY_COLUMNS = ("esn", "epoch", "seq", "sha256", "void", "received_ns")
VERSION_COLUMNS = (
    "id", "version", "esn", "hop", "grade", "body", "sha256", "epoch", "seq", "decided_ns", "detected_ns",
    "sent_ns", "received_ns",
)  # fmt: skip
EPISODE_COLUMNS = ("id", *CHANGING, "first_received_ns")
NEWEST_NUMBER = {table.name: sa.select(sa.func.max(table.c.n)) for table in (QUARANTINE, FEED)}
ADD_UNSETTLED = sa.insert(UNSETTLED)
ADD_EPISODE = sa.insert(EPISODE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """The statements for one kind of database; each takes a tuple of values in the order of its text."""

    find_keys: str
    add_key: str
    replace_void: str
    find_versions: str
    find_bodies: str
    add_version: str
    find_episodes: str
    add_episode: str
    change_episode: str
    stamp_version: str
    begin_episode: str
    sample_episode: str
    find_episode_keys: str
    add_episode_key: str
    change_episode_key: str
    announce_episode: str
    add_feed: str
    is_postgresql: bool

    def listed(self, values: Sequence[int | str]) -> Any:
        """Return a list of values as one parameter."""
        return list(values) if self.is_postgresql else json.dumps(list(values))


@functools.cache
def statements_of(dialect: str) -> Statements:
    """Return the statements for `sqlite` or `postgresql`, by the name of SQLAlchemy's dialect."""
    is_postgresql = dialect == "postgresql"
    mark = "%s" if is_postgresql else "?"
    among = f"= ANY({mark})" if is_postgresql else f"IN (SELECT value FROM json_each({mark}))"

    def insert(table: sa.Table, columns: Sequence[str]) -> str:
        return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({', '.join([mark] * len(columns))})"

    changes = ", ".join(f"{name} = {mark}" for name in CHANGING)
    key_changes = ", ".join(f"{name} = {mark}" for name in KEY_CHANGING)
    # the first version of grade warning or above that an observation decided
    sample = (
        f"FROM violation_version WHERE id = {mark} AND grade >= {WARNING} AND decided_ns IS NOT NULL"
        " ORDER BY hop, version LIMIT 1"
    )
    return Statements(
        find_keys=f"SELECT seq, sha256 FROM transport WHERE esn = {mark} AND epoch = {mark} AND seq {among}",
        add_key=insert(TRANSPORT, KEY_COLUMNS),
        replace_void=f"UPDATE transport SET sha256 = {mark}, void = NULL, received_ns = {mark}"
        f" WHERE esn = {mark} AND epoch = {mark} AND seq = {mark}",
        find_versions="SELECT id, version, esn, sha256 FROM violation_version"
        f" WHERE id {among} AND version {among}",
        find_bodies=_find_bodies(is_postgresql),
        add_version=insert(VERSION, VERSION_COLUMNS),
        find_episodes=f"SELECT id, {', '.join(CHANGING)}, latency_ns FROM episode WHERE id {among}",
        add_episode=insert(EPISODE, EPISODE_COLUMNS),
        change_episode=f"UPDATE episode SET {changes} WHERE id = {mark}",
        stamp_version=f"UPDATE violation_version SET committed_ns = {mark}"
        f" WHERE id = {mark} AND version = {mark} AND esn = {mark}",
        begin_episode=f"UPDATE episode SET first_committed_ns = {mark}, latency_ns = {mark},"
        f" latency_esn = {mark} WHERE id = {mark} AND first_committed_ns IS NULL",
        sample_episode="UPDATE episode SET (latency_ns, latency_esn) ="
        f" (SELECT committed_ns - decided_ns, esn {sample}) WHERE id = {mark}",
        find_episode_keys=f"SELECT id, {', '.join(KEY_CHANGING)} FROM episode_key WHERE id {among}",
        add_episode_key=insert(EPISODE_KEY, ("id", *KEY_CHANGING)),
        change_episode_key=f"UPDATE episode_key SET {key_changes} WHERE id = {mark}",
        announce_episode=insert(FEED, ("kind", "key", "version", "esn")),
        add_feed=insert(FEED, ("kind", "key")),
        is_postgresql=is_postgresql,
    )


def _find_bodies(is_postgresql: bool) -> str:
    """Return the statement that reads bodies by a JSON list of their keys.

    A condition on the three columns as one tuple would make SQLite look through the whole ledger.
    """
    if is_postgresql:
        keys, part = "json_array_elements(%s::json) AS k (value)", "(k.value ->> {})"
    else:  # in the order of its text: the list first
        keys, part = "json_each(?) AS k CROSS", "json_extract(k.value, '$[{}]')"
    kind = "::bigint" if is_postgresql else ""
    return (
        f"SELECT v.id, v.version, v.esn, v.body FROM {keys} JOIN violation_version AS v"
        f" ON v.id = {part.format(0)} AND v.version = {part.format(1)}{kind} AND v.esn = {part.format(2)}"
    )
