"""Episodes of the database as pages are shown them, each made once while nothing of it changes. Blocking.

The list, the search and the feed show the same episodes again and again. What an Episode says follows from
the version that is shown, and from how many versions there are: versions are added, never changed.
"""

import json
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from centre.beside import OnBug, uncared
from centre.statements import statements_of
from centre.store import EPISODE, VERSION
from centre.views import violations
from centre.views.violations import History

KEPT_MAX = 512  # Episodes in memory, some 4 kB each: what a list shows, and what the feed brought last
WORK = "list"  # what fails where an episode can't be shown
Key = tuple[Any, ...]
VersionAt = tuple[str, int, str]  # id, version, esn

# what a query selects of EPISODE and of the VERSION that is shown; the body is read where it is needed
SHOWN = (
    EPISODE.c.n, EPISODE.c.grade_max, EPISODE.c.excess_m_max, EPISODE.c.p_violation_max, EPISODE.c.versions,
    EPISODE.c.latency_ns, EPISODE.c.first_committed_ns, VERSION.c.id.label("at_id"),
    VERSION.c.version.label("at_version"), VERSION.c.esn.label("at_esn"), VERSION.c.detected_ns,
    VERSION.c.sent_ns, VERSION.c.received_ns, VERSION.c.committed_ns, VERSION.c.decided_ns,
)  # fmt: skip


class EpisodeViews:
    """The Episodes of API.md, the newest used ones kept; threads may use it at once."""

    def __init__(self, counts: Counter[str], on_bug: OnBug = uncared) -> None:
        """`counts` says how many rows could not be shown; `on_bug(work, error)`, of any thread, why."""
        self._counts, self._on_bug = counts, on_bug
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, dict[str, Any]] = OrderedDict()

    def of(self, db: sa.Connection, rows: Sequence[Any]) -> list[dict[str, Any] | None]:
        """Return the Episode of each row with the columns SHOWN; None, counted, where it can't be shown.

        The Episodes are shared: nobody changes one.
        """
        keys = [_key(row) for row in rows]
        with self._lock:
            found = {key: self._kept[key] for key in keys if key in self._kept}
        missing = {key: row for key, row in zip(keys, rows, strict=True) if key not in found}
        if missing:
            made = self._made(db, missing)
            found |= made
            with self._lock:
                self._kept |= made
                while len(self._kept) > KEPT_MAX:
                    self._kept.popitem(last=False)
        with self._lock:
            for key in keys:
                if key in self._kept:
                    self._kept.move_to_end(key)
        return [found.get(key) for key in keys]

    def _made(self, db: sa.Connection, missing: dict[Key, Any]) -> dict[Key, dict[str, Any]]:
        several = {row.at_id: None for row in missing.values() if row.at_id is not None and row.versions != 1}
        histories = _histories(db, list(several))
        bodies = _bodies(db, [_at(row) for row in missing.values() if row.at_id is not None])
        made = {}
        for key, row in missing.items():
            try:  # whatever is wrong with one row, the others are shown
                body = bodies[_at(row)]
                history = histories.get(row.at_id) or _history_of_one(row, body)
                made[key] = violations.episode(row, body, history)
            except Exception as error:
                with self._lock:
                    self._counts["row.unreadable"] += 1
                self._on_bug(WORK, error)
        return made


def _key(row: Any) -> Key:
    """Return what an Episode follows from; its times are written after its commit."""
    times = (row.committed_ns, row.first_committed_ns, row.latency_ns)
    return (*_at(row), row.versions, *times)


def _at(row: Any) -> VersionAt:
    return row.at_id, row.at_version, row.at_esn


def _history_of_one(row: Any, body: bytes) -> History:
    """Return the history of an episode that has this version only."""
    return History((row.at_esn,), row.detected_ns, row.sent_ns, body)


def _bodies(db: sa.Connection, places: Sequence[VersionAt]) -> dict[VersionAt, bytes]:
    """Return the bodies of these versions, each by a look into the index."""
    statement = statements_of(db.dialect.name).find_bodies
    rows = db.exec_driver_sql(statement, (json.dumps(places),)).all()
    return {(found_id, version, esn): body for found_id, version, esn, body in rows}


def _histories(db: sa.Connection, ids: Sequence[str]) -> dict[str, History]:
    """Return the history of each id over all its versions."""
    if not ids:
        return {}
    lowest = [sa.func.min(VERSION.c[name]).label(name) for name in ("hop", "detected_ns", "sent_ns")]
    query = sa.select(VERSION.c.id, VERSION.c.esn, *lowest)
    query = query.where(VERSION.c.id.in_(dict.fromkeys(ids))).group_by(VERSION.c.id, VERSION.c.esn)
    rows: dict[str, list[Any]] = {violation_id: [] for violation_id in ids}
    for row in db.execute(query.order_by("hop", VERSION.c.esn)).all():
        rows[row.id].append(row)
    deciding = deciding_bodies(db, ids)
    return {
        violation_id: History(
            tuple(row.esn for row in found),
            min((row.detected_ns for row in found), default=None),
            min((row.sent_ns for row in found), default=None),
            deciding.get(violation_id),
        )
        for violation_id, found in rows.items()
    }


def deciding_bodies(db: sa.Connection, ids: Iterable[str]) -> dict[str, bytes]:
    """Return by id the body of the first version at the episode's highest grade."""
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        return {}
    order = (VERSION.c.hop, VERSION.c.version, VERSION.c.esn)
    turn = sa.func.row_number().over(partition_by=VERSION.c.id, order_by=order).label("turn")
    at_top = (EPISODE.c.id == VERSION.c.id) & (EPISODE.c.grade_max == VERSION.c.grade)
    keys = sa.select(VERSION.c.id, VERSION.c.version, VERSION.c.esn, turn).select_from(
        VERSION.join(EPISODE, at_top)
    )
    first = keys.where(VERSION.c.id.in_(wanted)).subquery()
    same = (
        (VERSION.c.id == first.c.id) & (VERSION.c.version == first.c.version) & (VERSION.c.esn == first.c.esn)
    )
    query = sa.select(VERSION.c.id, VERSION.c.body).join(first, same).where(first.c.turn == 1)
    return {row.id: row.body for row in db.execute(query).all()}
