"""The rows of handling that one transaction reads and changes: read at once, written at once, announced.

Each row whose Handling changed is announced; a change of the facts alone (`last_ns`) is not.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from centre.changes import Change
from centre.desk.rows import parts_of
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
_names = [column.name for column in HANDLING.columns]
_change = (
    sa.update(HANDLING)
    .where(HANDLING.c.id == sa.bindparam("k_id"))
    .values({name: sa.bindparam(f"v_{name}") for name in _names if name != "id"})
)


class Board:
    """Rows of handling in one transaction; `flush` writes what changed and adds it to `found`."""

    def __init__(self, db: sa.Connection, found: list[Change]) -> None:
        self.db, self._found = db, found
        self.rows: dict[str, Row] = {}
        self._added: dict[str, None] = {}
        self._changed: dict[str, None] = {}
        self._announced: dict[str, None] = {}
        self.held: set[int] = set()  # shelves that took an alarm

    def load(self, ids: Collection[str]) -> None:
        """Read these rows, where there are such and they were not read before."""
        for some in parts_of([each for each in dict.fromkeys(ids) if each not in self.rows]):
            self.load_where(HANDLING.c.id.in_(some))

    def load_where(self, condition: sa.ColumnElement[bool], **values: Any) -> list[str]:
        """Read the rows of a condition with these values; return the ids of all that it finds."""
        ids = []
        for row in self.db.execute(sa.select(HANDLING).where(condition), values).mappings():
            ids.append(row["id"])
            self.rows.setdefault(row["id"], dict(row))
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
            self._changed[alarm_id] = None
        if not _FACTS.issuperset(differing):
            self._announced[alarm_id] = None

    def flush(self) -> None:
        """Write all changes, and announce those that a page shows."""
        if self._added:
            self.db.execute(sa.insert(HANDLING), [self.rows[each] for each in self._added])
        if self._changed:
            self.db.execute(_change, [_parameters(self.rows[each]) for each in self._changed])
        for row in self.those(self._announced):
            if row["version"] and row["kind"] == "violation" and not row["exercise"]:
                _note(self.db, row)
        self._found += (Change(KIND, each) for each in self._announced)
        self._found += (Change("shelf", str(n)) for n in sorted(self.held))
        self._added, self._changed, self._announced, self.held = {}, {}, {}, set()

    def those(self, ids: Iterable[str]) -> list[Row]:
        return [self.rows[each] for each in ids if each in self.rows]


def _parameters(row: Row) -> Row:
    return {f"v_{name}": value for name, value in row.items() if name != "id"} | {"k_id": row["id"]}


def _note(db: sa.Connection, row: Row) -> None:
    """Note what people said of an episode where search and statistics find it."""
    annotate(db, row["id"], handling=row["state"], is_false=row["is_false"], corrected=row["plate"])
