"""Losses of view in the database: a row each, and one of handling, as any alarm has. Blocking."""

import itertools
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
from centre.numbered import page_of
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
) -> dict[int, int]:
    """Write what some looks changed, in their order; return the numbers that losses got instead of their own.

    What is written already stays: a commit can succeed whose answer is lost, and then it comes again. Another
    desk on the same database may have given a number to a loss of its own: then the next free one is given.
    """
    board = Board(db, found)
    shelves = active_shelves(db)
    numbers = _numbers(db, [loss for turn in turns for loss in turn.opened])
    written = {n for n, is_written in numbers.values() if is_written}
    given = {old: n for old, (n, _) in numbers.items() if old != n}
    for turn in turns:
        for loss in turn.opened:
            n, _ = numbers[loss.n]
            if n in written:
                continue
            _open(board, loss._replace(n=n), now_ns)
            shelve_or_time(board, id_of(n), shelves, policy, now_ns)
            found.append(Change(KIND, id_of(n)))
        board.flush()
        closed = [(given.get(loss.n, loss.n), end_ns) for loss, end_ns in turn.closed]
        board.load([id_of(n) for n, _ in closed])
        for n, end_ns in closed:
            db.execute(sa.update(LOSS).where(LOSS.c.n == n).values(end_ns=end_ns))
            if id_of(n) in board.rows:
                board.change(id_of(n), is_open=False, over_ns=now_ns, last_ns=end_ns)
            found.append(Change(KIND, id_of(n)))
        board.flush()
    return given


def _numbers(db: sa.Connection, opened: Sequence[Loss]) -> dict[int, tuple[int, bool]]:
    """Return by each loss's own number the one that the database has for it, and whether it is written."""
    if not opened:
        return {}
    query = sa.select(LOSS.c.n, LOSS.c.kind, LOSS.c.part, LOSS.c.start_ns)
    starts_ns, own = {loss.start_ns for loss in opened}, [loss.n for loss in opened]
    near = LOSS.c.n.between(min(own), max(own)) | LOSS.c.start_ns.in_(starts_ns)
    rows = db.execute(query.where(near)).all()
    taken, known = {row.n for row in rows}, {(row.kind, row.part, row.start_ns): row.n for row in rows}
    free = itertools.count(max(*own, db.scalar(sa.select(sa.func.max(LOSS.c.n))) or 0) + 1)
    numbers: dict[int, tuple[int, bool]] = {}
    for loss in opened:
        written = known.get((loss.kind, loss.part, loss.start_ns))
        if written is not None:
            numbers[loss.n] = written, True
        else:
            numbers[loss.n] = next(free) if loss.n in taken else loss.n, False
    return numbers


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
    """Return the newest losses, `all` or `open`."""
    return losses_page(db, state, limit, None)[0]


def losses_page(
    db: sa.Connection, state: str, limit: int, before: int | None
) -> tuple[list[dict[str, Any]], int | None]:
    """Return a page of `items` of `/api/losses`, newest first, and `before` of the page after it."""
    query = sa.select(LOSS)
    if state == "open":
        query = query.where(LOSS.c.end_ns.is_(None))
    found, older = page_of(db, query, LOSS.c.n, limit, before)
    return [shown(row, row.end_ns) for row in found], older


def loss(db: sa.Connection, alarm_id: str) -> dict[str, Any] | None:
    """Return one Loss."""
    number = alarm_id.removeprefix(PREFIX)
    if not number.isdecimal():
        return None
    row = db.execute(sa.select(LOSS).where(LOSS.c.n == int(number))).first()
    return None if row is None else shown(row, row.end_ns)
