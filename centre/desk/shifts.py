"""Who is on duty, and what one shift hands to the next. Blocking."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from msgspec import Meta

from centre.accounts.actor import Actor
from centre.audit.log import Act, append
from centre.audit.tables import AUDIT
from centre.changes import Change
from centre.desk.acts import AGAIN_NS
from centre.desk.board import Board
from centre.desk.faults import RefusedError
from centre.desk.figures import DeskFigures
from centre.desk.loss_rows import losses
from centre.desk.people import check_can_handle
from centre.desk.rows import acts_row, handlings, parts_of
from centre.desk.shelving import shelves
from centre.desk_tables import HANDLING, SHIFT
from geofence.plausible import plain

KIND = "shift"  # of the feed's events
NOTE_MAX = 2_000
NAME_MAX = 64  # of a person, or a desk
ON_DUTY_MAX = 200
SHEET_ROWS_MAX = 500


class WantedShift(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /api/shift`."""

    act: Literal["begin", "end", "hand_over"]
    to: Annotated[str, Meta(min_length=1, max_length=NAME_MAX)] | None = None
    text: Annotated[str, Meta(max_length=NOTE_MAX)] | None = None
    desk: Annotated[str, Meta(max_length=NAME_MAX)] | None = None


def change_shift(
    db: sa.Connection, found: list[Change], wanted: WantedShift, actor: Actor, now_ns: int
) -> dict[str, Any]:
    """Begin, end or hand over somebody's own shift; what is so already stays so. Raises RefusedError."""
    on_duty = sa.select(SHIFT.c.n).where(SHIFT.c.by_user == actor.name, SHIFT.c.ended_ns.is_(None))
    own = db.scalars(on_duty).all()
    if wanted.act == "begin":
        if not own:
            _begin(db, found, actor, wanted.desk or actor.desk, now_ns)
        return shift(db)
    values: dict[str, Any] = {"ended_ns": now_ns}
    if wanted.act == "hand_over":
        if wanted.to is None or not (wanted.text or "").strip():
            raise RefusedError(400, "hand_over needs to and text")
        values |= {"given_to": plain(wanted.to, NAME_MAX), "note": plain(wanted.text or "", NOTE_MAX)}
        if not own:
            if _is_handed(db, actor, values):
                return shift(db)
            raise RefusedError(409, f"{actor.name} is not on duty: there is no shift to hand over")
        check_can_handle(db, values["given_to"])
    if own:
        db.execute(sa.update(SHIFT).where(SHIFT.c.n.in_(own)).values(values))
        body = {"to": values.get("given_to"), "text": values.get("note")}
        act = "shift_end" if wanted.act == "end" else "hand_over"
        append(db, Act(now_ns, actor, act, actor.name, body))
        found.append(Change(KIND, "shift"))
    if wanted.to is not None and wanted.act == "hand_over":
        _hand_alarms(db, found, actor, values["given_to"], now_ns)
    return shift(db)


def _is_handed(db: sa.Connection, actor: Actor, values: Mapping[str, Any]) -> bool:
    """Say whether a person's last shift was handed over in these words: the answer was lost."""
    own = sa.select(SHIFT.c.ended_ns, SHIFT.c.given_to, SHIFT.c.note).where(SHIFT.c.by_user == actor.name)
    last = db.execute(own.order_by(SHIFT.c.n.desc()).limit(1)).first()
    if last is None or last.ended_ns < values["ended_ns"] - AGAIN_NS:
        return False
    return (last.given_to, last.note) == (values["given_to"], values["note"])


def _begin(db: sa.Connection, found: list[Change], actor: Actor, desk: str, now_ns: int) -> None:
    if (db.scalar(_count_on_duty) or 0) >= ON_DUTY_MAX:
        raise RefusedError(409, f"{ON_DUTY_MAX} people are on duty, as many as there can be")
    shown = plain(desk, NAME_MAX)
    db.execute(sa.insert(SHIFT).values(by_user=actor.name, desk=shown, begun_ns=now_ns))
    append(db, Act(now_ns, actor, "shift_begin", actor.name, {"desk": shown}))
    found.append(Change(KIND, "shift"))


_count_on_duty = sa.select(sa.func.count()).select_from(SHIFT).where(SHIFT.c.ended_ns.is_(None))


def _hand_alarms(db: sa.Connection, found: list[Change], actor: Actor, to: str, now_ns: int) -> None:
    """Assign to the next one what the last one had not finished."""
    board = Board(db, found)
    own = (HANDLING.c.assigned == actor.name) & (HANDLING.c.state != "closed")
    for each in board.load_where(own):
        n = append(db, Act(now_ns, actor, "assign", each, {"to": to}))
        board.change(each, assigned=to, by_user=actor.name, version=n)
    board.flush()


def shift(db: sa.Connection) -> dict[str, Any]:
    """Return `/api/shift`: who is on duty, and the last hand-over."""
    on_duty = sa.select(SHIFT).where(SHIFT.c.ended_ns.is_(None)).order_by(SHIFT.c.n)
    given = sa.select(SHIFT).where(SHIFT.c.given_to.is_not(None)).order_by(SHIFT.c.ended_ns.desc()).limit(1)
    last = db.execute(given).first()
    return {
        "on_duty": [
            {"user": row.by_user, "desk": row.desk, "since_ns": str(row.begun_ns)}
            for row in db.execute(on_duty)
        ],
        "last": None if last is None else {
            "user": last.by_user, "to": last.given_to, "at_ns": str(last.ended_ns), "text": last.note,
        },
    }  # fmt: skip


def sheet(db: sa.Connection, since_ns: int, now_ns: int) -> dict[str, Any]:
    """Return `/api/shift/sheet`: all that the next shift has to know."""
    unfinished = sa.select(HANDLING.c.id).where(HANDLING.c.state != "closed", ~HANDLING.c.exercise)
    order = (HANDLING.c.priority, HANDLING.c.raised_ns.desc())
    ids = db.scalars(unfinished.order_by(*order).limit(SHEET_ROWS_MAX)).all()
    closed = sa.select(HANDLING.c.id).where(
        HANDLING.c.state == "closed", HANDLING.c.since_ns >= since_ns, ~HANDLING.c.exercise
    )
    done = db.scalars(closed.order_by(HANDLING.c.since_ns.desc()).limit(SHEET_ROWS_MAX)).all()
    open_now = handlings(db, ids)
    notes, escalations = _acts(db, since_ns, "note"), _acts(db, since_ns, "escalate")
    return {
        "since_ns": str(since_ns),
        "now_ns": str(now_ns),
        **{state: [each for each in open_now if each["state"] == state] for state in _STATES},
        "escalated": [each["id"] for each in open_now if each["escalated"]],
        "closed": handlings(db, done),
        "n_open": _counted(db, unfinished),
        "n_closed": _counted(db, closed),
        "escalations": escalations,
        "notes": notes,
        "about": _about(db, [*ids, *done, *(each["id"] for each in [*escalations, *notes])]),
        "hand_overs": _acts(db, since_ns, "hand_over"),
        "shelves": shelves(db, since_ns),
        "losses": [
            each for each in losses(db, "all", SHEET_ROWS_MAX)
            if each["end_ns"] is None or int(each["end_ns"]) >= since_ns
        ],
        "shift": shift(db),
        "health": DeskFigures().read(db, now_ns),
    }  # fmt: skip


_STATES = ("new", "acknowledged", "handled")


def _counted(db: sa.Connection, found: sa.Select[tuple[str]]) -> int:
    """Return how many there are, also beyond what is listed."""
    return db.scalar(sa.select(sa.func.count()).select_from(found.subquery())) or 0


def _about(db: sa.Connection, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return whose and what each alarm is: no page holds all alarms of a shift."""
    vehicle = sa.func.coalesce(HANDLING.c.plate, HANDLING.c.marked, HANDLING.c.vehicle)
    query = sa.select(HANDLING.c.id, vehicle, HANDLING.c.rule, HANDLING.c.esn, HANDLING.c.s_m)
    found: dict[str, dict[str, Any]] = {}
    for some in parts_of(dict.fromkeys(ids)):
        for each, name, rule, esn, s_m in db.execute(query.where(HANDLING.c.id.in_(some))):
            found[each] = {"vehicle": name, "rule": rule, "esn": esn, "s_m": s_m}
    return found


def _acts(db: sa.Connection, since_ns: int, act: str) -> list[dict[str, Any]]:
    query = sa.select(AUDIT).where(AUDIT.c.at_ns >= since_ns, AUDIT.c.act == act)
    rows = db.execute(query.order_by(AUDIT.c.n.desc()).limit(SHEET_ROWS_MAX)).all()
    return [acts_row(row) | {"id": row.subject} for row in rows]
