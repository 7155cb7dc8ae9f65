"""One act of a person on an alarm, or on all of its case: checked, carried out, logged. Blocking.

Of two people who act at the same moment the second is refused, and reads who was first. An act that is sent
again because its answer was lost changes nothing and gets the same answer.
"""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from msgspec import Meta

from centre.accounts.actor import Actor
from centre.audit.log import Act, append
from centre.audit.tables import AUDIT
from centre.changes import Change
from centre.desk.board import Board, Row
from centre.desk.faults import RefusedError
from centre.desk.intake import Intake
from centre.desk.machine import BESIDE, ActName, Step, may_act, step
from centre.desk.people import check_can_handle
from centre.desk.policy import Policy
from centre.desk.reading import PLATE_MAX
from centre.desk.reasons import Code, reasons
from centre.desk.rows import handling
from centre.desk_tables import HANDLING
from centre.store import EPISODE
from geofence.plausible import plain

TEXT_MAX = 500
TO_MAX = 64
NOTES_MAX = 400  # of one alarm: what is beyond belongs into a report
CASE_MAX = 500  # alarms that one act changes
AGAIN_NS = 60 * 10**9  # an act without a version that comes again within this time is the same act
NEEDS: dict[ActName, str] = {
    "close": "reason",
    "end": "reason",
    "note": "text",
    "assign": "to",
    "correct": "plate",
}
FALSE_CODE = "false_alarm"  # of an act `false` without a reason


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /api/alarms/{id}/acts`."""

    act: ActName
    version: Annotated[int, Meta(ge=0, le=2**53)] | None = None  # of the Handling that the desk saw
    reason: Code | None = None
    text: Annotated[str, Meta(max_length=TEXT_MAX)] | None = None
    to: Annotated[str, Meta(min_length=1, max_length=TO_MAX)] | None = None
    plate: Annotated[str, Meta(min_length=1, max_length=PLATE_MAX)] | None = None
    whole_case: bool = False

    @property
    def body(self) -> dict[str, Any]:
        """What of it the log keeps."""
        found: dict[str, Any] = {"reason": self.reason, "text": self.text and plain(self.text, TEXT_MAX)}
        found |= {
            "to": self.to and plain(self.to, TO_MAX),
            "plate": self.plate and plain(self.plate, PLATE_MAX),
        }
        found |= {"whole_case": self.whole_case or None}
        return {name: value for name, value in found.items() if value is not None}


class Acts:
    """Carries out acts with the policy of a site.

    is_dead(esn) : whether an RSU is off or silent, so that its open episodes can be ended by a person
    """

    def __init__(self, intake: Intake, policy: Policy, is_dead: Callable[[str], bool]) -> None:
        self._intake, self._policy, self._is_dead = intake, policy, is_dead

    def perform(
        self, db: sa.Connection, found: list[Change], alarm_id: str, wanted: Wanted, actor: Actor, now_ns: int
    ) -> list[str]:
        """Carry out an act; return the ids of the alarms that it changed. Raises RefusedError."""
        board = self._board_of(db, found, alarm_id, now_ns)
        row = board.rows[alarm_id]
        self._check_form(wanted, actor)
        repeated = self._repeated(db, row, wanted, actor, now_ns)
        if repeated:
            return repeated
        if wanted.act == "assign":
            check_can_handle(db, wanted.body["to"])
        self._check_first(db, row, wanted, actor)
        fitting = step(row["state"], wanted.act)
        if fitting is None:
            raise _conflict(db, row, f"{wanted.act} does not fit: the alarm is {row['state']}")
        if wanted.act == "end" and (fault := self._end_fault(row)) is not None:
            raise _conflict(db, row, fault)
        if wanted.act == "correct" and row["kind"] == "loss":
            raise _conflict(db, row, "a loss of view has no plate")
        if wanted.act == "note" and row["n_notes"] >= NOTES_MAX:
            raise _conflict(db, row, f"this alarm has {NOTES_MAX} notes, as many as one can have")
        self._apply(board, row, wanted, fitting, actor, now_ns)
        changed = [alarm_id]
        if wanted.whole_case and row["case_n"] > 1:
            same = (HANDLING.c.case_id == row["case_id"]) & (HANDLING.c.id != alarm_id)
            others = board.load_where(same)[:CASE_MAX]
            for other in board.those(others):
                fits = step(other["state"], wanted.act)
                if fits is not None and (wanted.act != "end" or self._end_fault(other) is None):
                    self._apply(board, other, wanted, fits, actor, now_ns)
                    changed.append(other["id"])
        board.flush()
        return changed

    def _board_of(self, db: sa.Connection, found: list[Change], alarm_id: str, now_ns: int) -> Board:
        board = Board(db, found)
        board.load([alarm_id])
        if alarm_id not in board.rows:  # the page was quicker than the intake
            self._intake.take(db, found, [alarm_id], now_ns)
            board.load([alarm_id])
        if alarm_id not in board.rows:
            raise RefusedError(404, f"no alarm of the id {plain(alarm_id)!r}")
        return board

    def _check_form(self, wanted: Wanted, actor: Actor) -> None:
        if not may_act(actor, wanted.act):
            raise RefusedError(403, f"{wanted.act}: a {actor.role} has no right to it")
        needed = NEEDS.get(wanted.act)
        if needed is not None and not (getattr(wanted, needed) or "").strip():
            raise RefusedError(400, f"{wanted.act} needs {needed}")
        if wanted.reason is not None and wanted.reason not in reasons():
            raise RefusedError(400, f"reason: {wanted.reason!r} is none of /api/desk")
        if wanted.act == "false" and not reasons()[wanted.reason or FALSE_CODE].is_false:
            raise RefusedError(400, f"reason: {wanted.reason!r} is not one of a false alarm")

    def _repeated(self, db: sa.Connection, row: Row, wanted: Wanted, actor: Actor, now_ns: int) -> list[str]:
        """Return what the same person changed by this act just before; empty: the act is a new one."""
        if wanted.version is not None and wanted.version >= row["version"]:
            return []
        own = AUDIT.c.user == actor.name
        later = sa.select(AUDIT).where(AUDIT.c.subject == row["id"], own)
        if wanted.version is not None:
            later = later.where(AUDIT.c.n > wanted.version)
        else:
            later = later.where(AUDIT.c.at_ns >= now_ns - AGAIN_NS, AUDIT.c.n == row["version"])
        for each in db.execute(later.order_by(AUDIT.c.n.desc()).limit(20)).all():
            if each.act != wanted.act or msgspec.json.decode(each.body) != wanted.body:
                continue
            if not wanted.whole_case:
                return [row["id"]]
            same = sa.select(AUDIT.c.subject).where(AUDIT.c.at_ns == each.at_ns, own, AUDIT.c.act == each.act)
            return list(db.scalars(same.order_by(AUDIT.c.n)).all())
        return []

    def _check_first(self, db: sa.Connection, row: Row, wanted: Wanted, actor: Actor) -> None:
        """Refuse an act where another person did something since the version that the desk saw.

        What nobody did (an escalation) and what says nothing against it (a note) is no reason; against a
        correction speaks another one alone.
        """
        if wanted.version is None or wanted.version >= row["version"] or wanted.act == "note":
            return
        is_against = AUDIT.c.act == "correct" if wanted.act == "correct" else AUDIT.c.act.not_in(BESIDE)
        others = sa.select(AUDIT.c.user, AUDIT.c.at_ns, AUDIT.c.act).where(
            AUDIT.c.subject == row["id"], AUDIT.c.n > wanted.version,
            AUDIT.c.user.not_in(("", actor.name)), is_against,
        )  # fmt: skip
        last = db.execute(others.order_by(AUDIT.c.n.desc()).limit(1)).first()
        if last is not None:
            raise _conflict(db, row, f"{last.user} was first: {last.act}", last.user, last.at_ns)

    def _end_fault(self, row: Row) -> str | None:
        if row["kind"] != "violation" or not row["is_open"] or row["exercise"]:
            return "only an open episode of the ledger can be ended"
        return None if self._is_dead(row["esn"]) else f"{row['esn']} is alive: it ends its episodes itself"

    def _apply(
        self, board: Board, row: Row, wanted: Wanted, fitting: Step, actor: Actor, now_ns: int
    ) -> None:
        n = append(board.db, Act(now_ns, actor, wanted.act, row["id"], wanted.body))
        values: Row = {"version": n, "by_user": actor.name}
        if fitting.state != row["state"]:
            values |= {"state": fitting.state, "since_ns": now_ns, "shelf": None}
            values |= self._times_of(row, fitting, now_ns)
        if fitting.acknowledges:
            values["acknowledged_ns"] = now_ns
        if fitting.assigns:
            values["assigned"] = actor.name
        board.change(row["id"], **values, **self._stated(board.db, row, wanted, actor, now_ns))

    def _times_of(self, row: Row, fitting: Step, now_ns: int) -> Row:
        """Return the next deadline of an alarm whose state changes."""
        if fitting.restarts:
            due_ns = self._policy.acknowledge_by(row["priority"], now_ns)
            return {
                "deadline_ns": due_ns, "escalated": 0, "reason": None, "is_false": False, "assigned": None,
                "acknowledged_ns": None, "ended_by": None, "ended_ns": None, "ended_at": None,
                "resumed_ns": None,
            }  # fmt: skip
        if fitting.state == "acknowledged":
            return {"deadline_ns": self._policy.handle_by(now_ns)}
        return {"deadline_ns": None, "escalated": 0}

    def _stated(self, db: sa.Connection, row: Row, wanted: Wanted, actor: Actor, now_ns: int) -> Row:
        """Return the values that the act states itself."""
        match wanted.act:
            case "close" | "end" | "false":
                code = wanted.reason or FALSE_CODE
                values: Row = {"reason": code, "is_false": wanted.act == "false" or reasons()[code].is_false}
                if wanted.act == "end":
                    values |= {"ended_by": actor.name, "ended_ns": now_ns, "ended_at": _shown(db, row["id"])}
                    values["resumed_ns"] = None
                return values
            case "assign":
                return {"assigned": wanted.body["to"]}
            case "correct":
                return {"plate": wanted.body["plate"]}
            case "note":
                return {"n_notes": row["n_notes"] + 1}
        return {}


def _shown(db: sa.Connection, violation_id: str) -> str | None:
    """Return version and RSU that an episode shows now."""
    row = db.execute(sa.select(EPISODE.c.version, EPISODE.c.esn).where(EPISODE.c.id == violation_id)).first()
    return None if row is None else f"{row.version} {row.esn}"


def _conflict(
    db: sa.Connection, row: Row, detail: str, by: str | None = None, at_ns: int | None = None
) -> RefusedError:
    """Return the refusal of an act that another one has overtaken, with the present Handling."""
    first_ns = at_ns or row["since_ns"]
    return RefusedError(
        409, detail,
        {
            "handling": handling(db, row["id"]), "by": by or row["by_user"],
            "at_ns": None if first_ns is None else str(first_ns),
        },
    )  # fmt: skip
