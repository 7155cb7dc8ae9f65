"""Stores what was watched and counted, and drops what is old. Blocking, in the writer's transactions."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

import msgspec
import sqlalchemy as sa

from centre.numbered import page_of
from centre.statistics.passages import Passage
from centre.statistics.tables import PASSAGE, UNIT_HOUR, UNIT_STATE
from centre.statistics.watch import Hour, StateChange

KEPT_NS = 800 * 86_400_000_000_000  # hours: two years to compare with
STATES_MAX = 2_000  # rows of one RSU
HOUR_COLUMNS = ("watched_s", "online_s", "road_km_h", "judged_km_h")


def store(
    db: sa.Connection,
    changes: Sequence[StateChange],
    hours: Mapping[tuple[int, str], Hour],
    passages: Counter[Passage],
    now_ns: int,
) -> int:
    """Add to what is stored; return how many rows were dropped for their age."""
    if changes:
        rows = [
            {"esn": each.esn, "at_ns": each.at_ns, "state": each.state, "body": _encoded(each.facts)}
            for each in changes
        ]
        db.execute(sa.insert(UNIT_STATE), rows)
    _add_up(
        db, UNIT_HOUR, HOUR_COLUMNS,
        [
            {"hour_ns": hour_ns, "esn": esn} | {name: getattr(hour, name) for name in HOUR_COLUMNS}
            for (hour_ns, esn), hour in hours.items()
        ],
    )  # fmt: skip
    _add_up(
        db, PASSAGE, ("n",),
        [
            {"hour_ns": each.hour_ns, "esn": each.esn, "lane": each.lane, "class": each.kind, "n": n}
            for each, n in passages.items()
        ],
    )  # fmt: skip
    return _trim(db, {each.esn for each in changes}, now_ns)


def _add_up(db: sa.Connection, table: sa.Table, columns: Iterable[str], rows: list[dict[str, Any]]) -> None:
    """Add each row's numbers to those of its key."""
    if not rows:
        return
    # SQLAlchemy has an INSERT of its own for each kind of database; only the one in use is loaded, since
    # the other one's part would take 2 MiB of memory for nothing
    insert = import_module(f"sqlalchemy.dialects.{db.dialect.name}").insert(table)
    sums = {name: table.c[name] + insert.excluded[name] for name in columns}
    keys = [column.name for column in table.primary_key]
    db.execute(insert.on_conflict_do_update(index_elements=keys, set_=sums), rows)


def _trim(db: sa.Connection, esns: Iterable[str], now_ns: int) -> int:
    dropped = 0
    for table in (UNIT_HOUR, PASSAGE):
        dropped += db.execute(sa.delete(table).where(table.c.hour_ns < now_ns - KEPT_NS)).rowcount
    for esn in esns:
        own = sa.select(UNIT_STATE.c.n).where(UNIT_STATE.c.esn == esn)
        oldest = db.scalar(own.order_by(UNIT_STATE.c.n.desc()).offset(STATES_MAX).limit(1))
        if oldest is not None:
            old = (UNIT_STATE.c.esn == esn, UNIT_STATE.c.n <= oldest)
            dropped += db.execute(sa.delete(UNIT_STATE).where(*old)).rowcount
    return dropped


def newest_states(db: sa.Connection) -> list[tuple[str, str, dict[str, Any]]]:
    """Return the newest change of each RSU: esn, state, facts."""
    newest = sa.select(sa.func.max(UNIT_STATE.c.n)).group_by(UNIT_STATE.c.esn)
    query = sa.select(UNIT_STATE).where(UNIT_STATE.c.n.in_(newest))
    return [(row.esn, row.state, _decoded(row.body)) for row in db.execute(query).all()]


def states(db: sa.Connection, esn: str, limit: int, before: int | None = None) -> dict[str, Any]:
    """Return a page of the changes of one RSU, newest first, and `next`: `before` of the page after it."""
    query = sa.select(UNIT_STATE).where(UNIT_STATE.c.esn == esn)
    found, older = page_of(db, query, UNIT_STATE.c.n, limit, before)
    rows = [{"at_ns": row.at_ns, "state": row.state, **_decoded(row.body)} for row in found]
    return {"states": rows, "next": older}


def hours_of(db: sa.Connection, esn: str, since_ns: int) -> list[dict[str, Any]]:
    """Return one RSU's hours since then, ascending."""
    query = sa.select(UNIT_HOUR).where(UNIT_HOUR.c.esn == esn, UNIT_HOUR.c.hour_ns >= since_ns)
    rows = db.execute(query.order_by(UNIT_HOUR.c.hour_ns)).mappings().all()
    return [dict(row) for row in rows]


def _encoded(facts: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(dict(facts))


def _decoded(body: bytes) -> dict[str, Any]:
    found = msgspec.json.decode(body)
    return found if isinstance(found, dict) else {}
