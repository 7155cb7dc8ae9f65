"""Shelves: alarms of a known cause wait aside for some hours; they are counted and listed. Blocking.

A shelf never takes an alarm of priority 1, needs a reason, and ends by itself.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from msgspec import Meta

from centre.accounts.actor import Actor
from centre.audit.log import Act, append
from centre.changes import Change
from centre.desk.board import Board
from centre.desk.faults import RefusedError
from centre.desk.intake import shelve_or_time
from centre.desk.policy import Policy
from centre.desk.reading import PLATE_MAX
from centre.desk.timing import SHELF_KIND, end_shelf
from centre.desk_tables import HANDLING, SHELF
from centre.numbered import page_of
from edge.wire import Plate
from geofence.plausible import plain

LONGEST_NS = 24 * 3_600 * 10**9
ACTIVE_MAX = 200
LISTED_MAX = 500
TEXT_MAX = 64
WHAT = ("plate", "terminal", "esn", "rule", "from_m", "to_m")
Text = Annotated[str, Meta(min_length=1, max_length=TEXT_MAX)]
# an RSU or a gateway, or one radar of an RSU as a loss names it: RSU/RADAR
Part = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}(/[^/]{1,32})?$")]
Station = Annotated[float, Meta(ge=-1e7, le=1e7)]


class WantedShelf(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /api/shelves`: whatever it names must fit, and it must name something."""

    until_ns: Annotated[str, Meta(pattern=r"^\d{1,19}$")]
    reason: Annotated[str, Meta(min_length=1, max_length=200)]
    plate: Annotated[Plate, Meta(min_length=1)] | None = None
    terminal: Text | None = None
    esn: Part | None = None
    rule: Text | None = None
    from_m: Station | None = None
    to_m: Station | None = None


def shown(row: Any) -> dict[str, Any]:
    """Return the Shelf of API.md."""
    found = {name: row[name] for name in ("n", *WHAT)}
    return found | {
        "until_ns": str(row["until_ns"]), "reason": row["reason"], "user": row["by_user"],
        "begun_ns": str(row["begun_ns"]), "n_held": row["n_held"],
        "ended_ns": None if row["ended_ns"] is None else str(row["ended_ns"]),
    }  # fmt: skip


def add_shelf(
    db: sa.Connection, found: list[Change], wanted: WantedShelf, actor: Actor, policy: Policy, now_ns: int
) -> dict[str, Any]:
    """Begin a shelf, and put on it what is new now. Raises RefusedError."""
    until_ns = int(wanted.until_ns)
    what = {name: getattr(wanted, name) for name in WHAT}
    if all(value is None for value in what.values()):
        raise RefusedError(400, f"a shelf names at least one of {', '.join(WHAT)}")
    if (wanted.from_m is None) != (wanted.to_m is None):
        raise RefusedError(400, "from_m and to_m belong together")
    if wanted.from_m is not None and wanted.to_m is not None and wanted.from_m > wanted.to_m:
        raise RefusedError(400, "from_m must not be greater than to_m")
    if not now_ns < until_ns <= now_ns + LONGEST_NS:
        raise RefusedError(400, "until_ns must lie within the next 24 hours")
    if not wanted.reason.strip():
        raise RefusedError(400, "a shelf needs a reason")
    texts = {
        name: plain(value, PLATE_MAX if name == "plate" else TEXT_MAX) if isinstance(value, str) else value
        for name, value in what.items()
    }
    values = texts | {
        "until_ns": until_ns, "reason": plain(wanted.reason), "by_user": actor.name, "begun_ns": now_ns,
        "n_held": 0,
    }  # fmt: skip
    if (same := _active_of(db, texts)) is not None:
        if all(same[name] == values[name] for name in ("by_user", "until_ns", "reason")):
            return shown(same)  # it is sent again: its answer was lost
        detail = f"shelf {same['n']} of {same['by_user']} takes the same: end it first"
        raise RefusedError(409, detail, {"shelf": shown(same)})
    active = db.scalar(sa.select(sa.func.count()).select_from(SHELF).where(SHELF.c.ended_ns.is_(None)))
    if (active or 0) >= ACTIVE_MAX:
        raise RefusedError(409, f"there are {ACTIVE_MAX} shelves, as many as there can be: end one first")
    key = db.execute(sa.insert(SHELF).values(values)).inserted_primary_key
    assert key is not None, "the row has a number"
    n: int = key[0]
    body = {name: value for name, value in values.items() if value is not None and name != "by_user"}
    append(db, Act(now_ns, actor, "shelve", str(n), body))
    found.append(Change(SHELF_KIND, str(n)))
    board = Board(db, found)
    shelf = {"n": n, **values}
    fresh = (HANDLING.c.state == "new") & HANDLING.c.shelf.is_(None)
    for each in board.load_where(fresh):
        if policy.held_by(board.rows[each], [shelf]) is not None:
            shelve_or_time(board, each, [shelf], policy, now_ns)
    board.flush()
    return _one(db, n)


def _active_of(db: sa.Connection, what: Mapping[str, Any]) -> Any | None:
    """Return the active shelf that takes just this; None: there is none."""
    same = [
        SHELF.c[name] == value if value is not None else SHELF.c[name].is_(None)
        for name, value in what.items()
    ]
    return db.execute(sa.select(SHELF).where(SHELF.c.ended_ns.is_(None), *same)).mappings().first()


def remove_shelf(
    db: sa.Connection, found: list[Change], n: int, actor: Actor, policy: Policy, now_ns: int
) -> dict[str, Any]:
    """End a shelf before its time; again: nothing changes. Raises RefusedError."""
    row = db.execute(sa.select(SHELF).where(SHELF.c.n == n)).mappings().first()
    if row is None:
        raise RefusedError(404, f"no shelf {n}")
    if row["ended_ns"] is None:
        append(db, Act(now_ns, actor, "shelf_end", str(n)))
        end_shelf(db, found, policy, n, now_ns)
    return _one(db, n)


def shelves(db: sa.Connection, since_ns: int | None = None) -> list[dict[str, Any]]:
    """Return the shelves, newest first; with `since_ns` only those that are active or ended since."""
    query = sa.select(SHELF).order_by(SHELF.c.n.desc()).limit(LISTED_MAX)
    if since_ns is not None:
        query = query.where(SHELF.c.ended_ns.is_(None) | (SHELF.c.ended_ns >= since_ns))
    return [shown(row) for row in db.execute(query).mappings()]


def page(db: sa.Connection, before: int | None) -> dict[str, Any]:
    """Return `/api/shelves`: the newest ones before a number, and `next`: `before` of older ones."""
    found, older = page_of(db, sa.select(SHELF), SHELF.c.n, LISTED_MAX, before)
    return {"items": [shown(row._mapping) for row in found], "next": older}


def shelf(db: sa.Connection, key: str) -> dict[str, Any] | None:
    """Return one Shelf, None where there is none."""
    row = db.execute(sa.select(SHELF).where(SHELF.c.n == int(key))).mappings().first()
    return None if row is None else shown(row)


def _one(db: sa.Connection, n: int) -> dict[str, Any]:
    found = shelf(db, str(n))
    assert found is not None, "it was written in this transaction"
    return found
