"""The rows of handling that one transaction reads and changes: read at once, written at once, announced.

Each row whose Handling changed is announced; a change of the facts alone (`last_ns`) is not.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from centre.changes import Change
from centre.desk import statements as sql
from centre.desk_tables import HANDLING
from centre.search.notes import annotate

KIND = "handling"  # of the feed's events
_FACTS = frozenset((
    "rule", "vehicle", "marked", "esn", "start_ns", "last_ns", "is_open", "over_ns", "lon_deg", "lat_deg",
    "s_m", "ended_at",
))  # fmt: skip
Row = dict[str, Any]
# what a row has before anybody acted
FRESH: Mapping[str, Any] = {
    "exercise": False, "state": "new", "by_user": None, "assigned": None, "since_ns": None,
    "acknowledged_ns": None, "deadline_ns": None, "escalated": 0, "reason": None, "is_false": False,
    "plate": None, "n_notes": 0, "shelf": None, "ended_by": None, "ended_ns": None, "ended_at": None,
    "resumed_ns": None, "version": 0, "case_n": 1, "vehicle": None, "marked": None, "over_ns": None,
    "lon_deg": None, "lat_deg": None, "s_m": None,
}  # fmt: skip


class Board:
    """Rows of handling in one transaction; `flush` writes what changed and adds it to `found`."""

    def __init__(self, db: sa.Connection, found: list[Change]) -> None:
        self.db, self._found = db, found
        self.rows: dict[str, Row] = {}
        self._sql = sql.statements_of(db.dialect.name)
        self._added: dict[str, None] = {}
        self._changed: dict[str, set[str]] = {}  # names of columns, by id
        self._announced: dict[str, None] = {}
        self.held: set[int] = set()  # shelves that took an alarm

    def load(self, ids: Collection[str]) -> None:
        """Read these rows, where there are such and they were not read before."""
        unread = [each for each in dict.fromkeys(ids) if each not in self.rows]
        if unread:
            self._load(self._sql.of_ids, self._sql.listed(unread))

    def load_where(self, condition: sa.ColumnElement[bool]) -> list[str]:
        """Read the rows of a condition; return the ids of all that it finds."""
        ids = []
        for row in self.db.execute(sa.select(HANDLING).where(condition)).mappings():
            ids.append(row["id"])
            self.rows.setdefault(row["id"], dict(row))
        return ids

    def load_cases(self, case_ids: Collection[str]) -> list[str]:
        """Read all alarms of these cases; return their ids."""
        return self._load(self._sql.of_cases, self._sql.listed(list(case_ids))) if case_ids else []

    def load_near(self, of_vehicles: Sequence[sql.Window], of_rules: Sequence[sql.Window]) -> None:
        """Read what may be in one case with alarms in these windows (`statements.OF_VEHICLE`, `OF_RULE`)."""
        steps = ((self._sql.of_vehicles, of_vehicles), (self._sql.of_rules, of_rules))
        for statement, windows in steps:
            if windows:
                self._load(statement, self._sql.windows(windows))

    def _load(self, statement: str, values: tuple[Any, ...]) -> list[str]:
        ids = []
        for found in self.db.exec_driver_sql(statement, values).all():
            ids.append(found[0])
            if found[0] not in self.rows:
                self.rows[found[0]] = sql.row_of(found)
        return ids

    def add(self, values: Row) -> None:
        """Add a row; what `values` lacks is as before anybody acted."""
        row = {**FRESH, **values}
        self.rows[row["id"]] = row
        self._added[row["id"]] = self._announced[row["id"]] = None

    def change(self, alarm_id: str, **values: Any) -> None:
        """Change values of a row that was loaded or added."""
        row = self.rows[alarm_id]
        differing = [name for name, value in values.items() if row[name] != value]
        if not differing:
            return
        row |= values
        if alarm_id not in self._added:
            self._changed.setdefault(alarm_id, set()).update(differing)
        if not _FACTS.issuperset(differing):
            self._announced[alarm_id] = None

    def flush(self) -> None:
        """Write all changes, and announce those that a page shows."""
        if self._added:
            rows = [sql.values_of(self.rows[each]) for each in self._added]
            self.db.exec_driver_sql(self._sql.add, rows)
        self._write_changes()
        for row in self.those(self._announced):
            if row["version"] and row["kind"] == "violation" and not row["exercise"]:
                _note(self.db, row)
        self._found += (Change(KIND, each) for each in self._announced)
        self._found += (Change("shelf", str(n)) for n in sorted(self.held))
        self._added, self._changed, self._announced, self.held = {}, {}, {}, set()

    def _write_changes(self) -> None:
        """Write what changed of the rows, those with changes of the same columns together."""
        alike: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
        for each, names in self._changed.items():
            columns = tuple(sorted(names))
            alike.setdefault(columns, []).append(sql.values_of(self.rows[each], (*columns, "id")))
        for columns, rows in alike.items():
            self.db.exec_driver_sql(sql.change_of(columns, self._sql.is_postgresql), rows)

    def those(self, ids: Iterable[str]) -> list[Row]:
        return [self.rows[each] for each in ids if each in self.rows]


def _note(db: sa.Connection, row: Row) -> None:
    """Note what people said of an episode where search and statistics find it."""
    annotate(db, row["id"], handling=row["state"], is_false=row["is_false"], corrected=row["plate"])
