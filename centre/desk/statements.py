"""The statements of the desk's intake, as text for the driver: SQLAlchemy's way costs more than the row.

They are the same for both databases but for the mark of a parameter, and how a list is one.
"""

# ruff: noqa: S608 - the texts are made of our own names only

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from centre.desk.cases import LASTS_NS
from centre.desk_tables import ALARMS_MAX, HANDLING
from centre.statements import WARNING

NAMES = tuple(column.name for column in HANDLING.columns)
_BOOLEANS = tuple(column.name for column in HANDLING.columns if isinstance(column.type, sa.Boolean))
# the columns of windows in which alarms are looked for, with PostgreSQL's types
OF_VEHICLE = (("vehicle", "text"), ("from_ns", "bigint"), ("until_ns", "bigint"))
OF_RULE = (
    ("rule", "text"), ("from_ns", "bigint"), ("until_ns", "bigint"), ("south", "float8"), ("north", "float8"),
    ("west", "float8"), ("east", "float8"),
)  # fmt: skip
Window = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements for one kind of database; each takes a tuple of values in the order of its text."""

    newest: str
    of_ids: str
    of_cases: str
    of_vehicles: str
    of_rules: str
    add: str
    is_postgresql: bool

    def listed(self, values: Sequence[str]) -> tuple[Any, ...]:
        """Return a list of values as one parameter."""
        return (list(values) if self.is_postgresql else json.dumps(list(values)),)

    def windows(self, found: Sequence[Window]) -> tuple[Any, ...]:
        """Return the parameters of a statement that looks in these windows; `found` must not be empty."""
        if self.is_postgresql:
            return tuple(list(column) for column in zip(*found, strict=True))
        return (json.dumps(found),)


@functools.cache
def statements_of(dialect: str) -> Statements:
    """Return the statements for `sqlite` or `postgresql`, by the name of SQLAlchemy's dialect."""
    is_postgresql = dialect == "postgresql"
    mark = "%s" if is_postgresql else "?"
    among = f"= ANY({mark})" if is_postgresql else f"IN (SELECT value FROM json_each({mark}))"
    rows = f"SELECT {', '.join(f'h.{name}' for name in NAMES)} FROM"
    may_join = f"h.kind = 'violation' AND h.case_n < {ALARMS_MAX}"

    def windows(columns: Sequence[tuple[str, str]]) -> str:
        """Return the windows as a table that is read first: each finds its rows by an index."""
        if is_postgresql:
            lists = ", ".join(f"{mark}::{kind}[]" for _, kind in columns)
            return f"unnest({lists}) AS w ({', '.join(name for name, _ in columns)}) JOIN handling AS h ON"
        parts = ", ".join(f"json_extract(value, '$[{i}]') AS {name}" for i, (name, _) in enumerate(columns))
        return f"(SELECT {parts} FROM json_each({mark})) AS w CROSS JOIN handling AS h ON"

    return Statements(
        newest="SELECT e.id, e.version, e.esn, e.first_received_ns, e.versions, v.body,"
        " v.detected_ns, v.received_ns, v.decided_ns FROM episode AS e"
        " JOIN violation_version AS v ON v.id = e.id AND v.version = e.version AND v.esn = e.esn"
        f" WHERE e.id {among} AND e.grade_max >= {WARNING} ORDER BY e.n",
        of_ids=f"{rows} handling AS h WHERE h.id {among}",
        of_cases=f"{rows} handling AS h WHERE h.case_id {among}",
        of_vehicles=f"{rows} {windows(OF_VEHICLE)} h.vehicle = w.vehicle"
        f" AND h.start_ns BETWEEN w.from_ns - {LASTS_NS} AND w.until_ns AND h.last_ns >= w.from_ns"
        f" AND {may_join}",
        of_rules=f"{rows} {windows(OF_RULE)} h.rule = w.rule"
        " AND h.start_ns BETWEEN w.from_ns AND w.until_ns"
        " AND h.lat_deg BETWEEN w.south AND w.north AND h.lon_deg BETWEEN w.west AND w.east"
        f" AND {may_join}",
        add=f"INSERT INTO handling ({', '.join(NAMES)}) VALUES ({', '.join([mark] * len(NAMES))})",
        is_postgresql=is_postgresql,
    )


@functools.lru_cache(256)
def change_of(names: tuple[str, ...], is_postgresql: bool) -> str:
    """Return what changes these columns of a row; an index of other columns stays as it is."""
    mark = "%s" if is_postgresql else "?"
    changes = ", ".join(f"{name} = {mark}" for name in names)
    return f"UPDATE handling SET {changes} WHERE id = {mark}"


def row_of(values: Sequence[Any]) -> dict[str, Any]:
    """Return a row of these statements by its columns' names; SQLite has no booleans."""
    return typed(dict(zip(NAMES, values, strict=True)))


def typed(row: dict[str, Any]) -> dict[str, Any]:
    for name in _BOOLEANS:
        row[name] = bool(row[name])
    return row


def values_of(row: Mapping[str, Any], names: Sequence[str] = NAMES) -> tuple[Any, ...]:
    return tuple([row[name] for name in names])
