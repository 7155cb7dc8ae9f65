"""Losses of view in the database: a row each, and one of handling, as any alarm has. Blocking."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from centre.changes import Change
from centre.desk.board import Board
from centre.desk.intake import active_shelves, shelve_or_time
from centre.desk.losses import Key, Loss, Turn
from centre.desk.policy import Policy
from centre.desk.priority import priority_of_loss
from centre.desk_tables import LOSS
from geofence.plausible import plain

KIND = "loss"  # of the feed's events
PREFIX = "loss-"
LISTED_MAX = 500


def id_of(n: int) -> str:
    return f"{PREFIX}{n}"


def open_losses(db: sa.Connection) -> tuple[dict[Key, Loss], int]:
    """Return the open losses, and the number of the next one."""
    rows = db.execute(sa.select(LOSS).where(LOSS.c.end_ns.is_(None)).order_by(LOSS.c.n)).all()
    found = {
        (row.kind, row.part): Loss(row.n, row.kind, row.part, row.start_ns, row.detail, row.base_m, True)
        for row in rows
    }
    return found, (db.scalar(sa.select(sa.func.max(LOSS.c.n))) or 0) + 1


def write_turns(
    db: sa.Connection, found: list[Change], turns: Sequence[Turn], policy: Policy, now_ns: int
) -> None:
    """Write what some looks changed, in their order.

    What is written already stays: a commit can succeed whose answer is lost, and then it comes again.
    """
    board = Board(db, found)
    shelves = active_shelves(db)
    known = _known(db, [loss.n for turn in turns for loss in turn.opened])
    for turn in turns:
        for loss in turn.opened:
            if known.get(loss.n) == (loss.kind, loss.part, loss.start_ns):
                continue
            _open(board, loss, now_ns)
            shelve_or_time(board, id_of(loss.n), shelves, policy, now_ns)
            found.append(Change(KIND, id_of(loss.n)))
        board.flush()
        board.load([id_of(loss.n) for loss, _ in turn.closed])
        for loss, end_ns in turn.closed:
            db.execute(sa.update(LOSS).where(LOSS.c.n == loss.n).values(end_ns=end_ns))
            if id_of(loss.n) in board.rows:
                board.change(id_of(loss.n), is_open=False, over_ns=now_ns, last_ns=end_ns)
            found.append(Change(KIND, id_of(loss.n)))
        board.flush()


def _known(db: sa.Connection, numbers: Sequence[int]) -> dict[int, tuple[str, str, int]]:
    """Return what the database has under these numbers, which follow each other."""
    if not numbers:
        return {}
    query = sa.select(LOSS.c.n, LOSS.c.kind, LOSS.c.part, LOSS.c.start_ns)
    between = LOSS.c.n.between(min(numbers), max(numbers))
    return {row.n: (row.kind, row.part, row.start_ns) for row in db.execute(query.where(between))}


def _open(board: Board, loss: Loss, now_ns: int) -> None:
    values = {name: getattr(loss, name) for name in ("n", "kind", "part", "start_ns", "detail", "base_m")}
    board.db.execute(sa.insert(LOSS).values(values))
    ranked = priority_of_loss(loss.kind)
    board.add({
        "id": id_of(loss.n), "kind": "loss", "raised_ns": now_ns, "priority": ranked.priority,
        "why": " ".join(ranked.why), "case_id": id_of(loss.n), "rule": loss.kind, "esn": loss.part[:64],
        "start_ns": loss.start_ns, "last_ns": loss.start_ns, "is_open": True,
    })  # fmt: skip


def shown(loss: Any, end_ns: int | None) -> dict[str, Any]:
    """Return the Loss of API.md, of a row or of one that is not written yet."""
    return {
        "id": id_of(loss.n), "kind": loss.kind, "part": plain(loss.part), "start_ns": str(loss.start_ns),
        "end_ns": None if end_ns is None else str(end_ns), "detail": plain(loss.detail),
    }  # fmt: skip


def losses(db: sa.Connection, state: str, limit: int) -> list[dict[str, Any]]:
    """Return `items` of `/api/losses`, newest first."""
    query = sa.select(LOSS).order_by(LOSS.c.n.desc()).limit(limit)
    if state == "open":
        query = query.where(LOSS.c.end_ns.is_(None))
    return [shown(row, row.end_ns) for row in db.execute(query)]


def loss(db: sa.Connection, alarm_id: str) -> dict[str, Any] | None:
    """Return one Loss."""
    number = alarm_id.removeprefix(PREFIX)
    if not number.isdecimal():
        return None
    row = db.execute(sa.select(LOSS).where(LOSS.c.n == int(number))).first()
    return None if row is None else shown(row, row.end_ns)
