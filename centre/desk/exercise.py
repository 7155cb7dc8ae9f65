"""Exercises: made-up alarms that people handle as real ones, and that stay out of everything that counts.

They are never in the ledger: an exercise has rows of its own, and rows of handling that say `exercise`. One
runs at a time; it ends by itself or by a person, and survives a restart. Blocking, but for the scripts.
"""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import msgspec
import sqlalchemy as sa

from centre.accounts.actor import Actor
from centre.audit.log import Act, append
from centre.changes import Change
from centre.desk.board import Board
from centre.desk.faults import RefusedError
from centre.desk.film import UPDATE_S, Ground, S, film, versions
from centre.desk.policy import Policy
from centre.desk.reading import columns_of, facts_of
from centre.desk.scripts import alarms_of, lasts_s
from centre.desk_tables import EXERCISE, HANDLING
from centre.views import violations
from centre.views.violations import History
from edge.sections import ExerciseConfig
from edge.wire import Name
from geofence import violation as codec
from geofence.violation import GRADES, Violation

KIND = "exercise"  # of the feed's events
PREFIX = "exercise-"
AFTER_S = 900.0  # from the last alarm's end, until the exercise ends by itself
NS = 1e9
WAITING, OPEN, ENDED, OVER = range(4)  # stages of a made-up alarm; over: its exercise has ended


class WantedExercise(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /api/exercise`."""

    script: Name


def begin(
    db: sa.Connection, found: list[Change], script: ExerciseConfig, actor: Actor, ground: Ground, now_ns: int
) -> dict[str, Any]:
    """Begin an exercise: all its alarms have rows, and each its time. Raises RefusedError."""
    if running(db) is not None:
        raise RefusedError(409, "an exercise is running: end it first")
    until_ns = now_ns + round((lasts_s(script) + AFTER_S) * NS)
    for made in alarms_of(script):
        begin_ns = now_ns + round(made.at_s * NS)
        values = {
            "script": script.name, "by_user": actor.name, "until_ns": until_ns, "begin_ns": begin_ns,
            "end_ns": begin_ns + round(made.lasts_s * NS), "stage": WAITING,
            "body": codec.encode(film(made, ground, begin_ns)),
        }  # fmt: skip
        db.execute(sa.insert(EXERCISE).values(values))
    append(db, Act(now_ns, actor, "exercise_begin", script.name))
    found.append(Change(KIND, ""))
    state = running(db)
    assert state is not None, "it was begun in this transaction"
    return state


def play(db: sa.Connection, found: list[Change], policy: Policy, now_ns: int) -> None:
    """Raise what is due, end what has lasted, and end the exercise at its time."""
    query = sa.select(EXERCISE).where(EXERCISE.c.stage < OVER).order_by(EXERCISE.c.n)
    for row in db.execute(query).all():
        alarm_id = f"{PREFIX}{row.n}"
        if row.until_ns <= now_ns:
            end(db, found, None, now_ns)
            return
        stage = ENDED if row.end_ns <= now_ns else OPEN if row.begin_ns <= now_ns else WAITING
        if stage == row.stage:
            if stage == OPEN:
                _renew(db, found, alarm_id, now_ns)
            continue
        db.execute(sa.update(EXERCISE).where(EXERCISE.c.n == row.n).values(stage=stage))
        board = Board(db, found)
        if row.stage == WAITING:
            facts = facts_of(alarm_id, row.body, row.body)
            ranked = policy.rank(facts)
            board.add({
                **columns_of(facts), "id": alarm_id, "kind": "violation", "exercise": True,
                "raised_ns": now_ns, "case_id": alarm_id, "priority": ranked.priority,
                "why": " ".join(ranked.why),
                "deadline_ns": policy.acknowledge_by(ranked.priority, now_ns),
            })  # fmt: skip
        if stage == ENDED:
            board.load([alarm_id])
            board.change(alarm_id, is_open=False, over_ns=now_ns, last_ns=row.end_ns)
        board.flush()
        found.append(Change(KIND, alarm_id))


def _renew(db: sa.Connection, found: list[Change], alarm_id: str, now_ns: int) -> None:
    """Announce the newest version of an alarm that lasts, where one is due."""
    board = Board(db, found)
    board.load([alarm_id])
    if all(now_ns - row["last_ns"] < UPDATE_S * S for row in board.rows.values()):
        return
    board.change(alarm_id, last_ns=now_ns)
    board.flush()
    found.append(Change(KIND, alarm_id))


def end(db: sa.Connection, found: list[Change], actor: Actor | None, now_ns: int) -> None:
    """End the exercise: its alarms are closed, and those to come don't."""
    if running(db) is None:
        return
    append(db, Act(now_ns, actor, "exercise_end", "exercise"))
    board = Board(db, found)
    for each in board.load_where(HANDLING.c.exercise & (HANDLING.c.state != "closed")):
        board.change(each, state="closed", since_ns=now_ns, deadline_ns=None, escalated=0, is_open=False)
    board.flush()
    played = sa.select(EXERCISE.c.n).where(EXERCISE.c.stage == OPEN)
    found += [Change(KIND, f"{PREFIX}{n}") for n in db.scalars(played)]
    db.execute(sa.update(EXERCISE).where(EXERCISE.c.stage < OVER).values(stage=OVER))
    found.append(Change(KIND, ""))


def next_due_ns(db: sa.Connection) -> int | None:
    """Return when the next step of the exercise is due; None: none runs."""
    dues = [
        db.scalar(sa.select(sa.func.min(column)).where(EXERCISE.c.stage == stage))
        for stage, column in ((WAITING, EXERCISE.c.begin_ns), (OPEN, EXERCISE.c.end_ns))
    ]
    dues.append(db.scalar(sa.select(sa.func.min(EXERCISE.c.until_ns)).where(EXERCISE.c.stage < OVER)))
    playing = [f"{PREFIX}{n}" for n in db.scalars(sa.select(EXERCISE.c.n).where(EXERCISE.c.stage == OPEN))]
    if playing:
        last_ns = db.scalar(sa.select(sa.func.min(HANDLING.c.last_ns)).where(HANDLING.c.id.in_(playing)))
        dues.append(None if last_ns is None else last_ns + UPDATE_S * S)
    return min((due for due in dues if due is not None), default=None)


def running(db: sa.Connection) -> dict[str, Any] | None:
    """Return the exercise that runs."""
    row = db.execute(sa.select(EXERCISE).where(EXERCISE.c.stage < OVER).order_by(EXERCISE.c.n)).first()
    if row is None:
        return None
    return {"script": row.script, "user": row.by_user, "until_ns": str(row.until_ns)}


def described(db: sa.Connection, scripts: Mapping[str, ExerciseConfig], now_ns: int) -> dict[str, Any]:
    """Return `/api/exercise`."""
    rows = db.execute(
        sa.select(EXERCISE).where(EXERCISE.c.stage.in_((OPEN, ENDED))).order_by(EXERCISE.c.n.desc())
    )
    return {
        "scripts": [
            {
                "name": each.name, "zh": each.zh, "en": each.en, "alarms": len(alarms_of(each)),
                "lasts_s": lasts_s(each),
            }
            for each in scripts.values()
        ],
        "running": running(db),
        "items": [_episode(row, now_ns) for row in rows],
    }  # fmt: skip


def present(db: sa.Connection, key: str, now_ns: int) -> dict[str, Any] | None:
    """Return what the feed's event carries: an alarm's Episode, or what runs."""
    if not key:
        return {"running": running(db)}
    row = _row(db, key)
    return None if row is None else _episode(row, now_ns)


def alarm(db: sa.Connection, alarm_id: str, now_ns: int) -> dict[str, Any] | None:
    """Return `/api/exercise/{id}`: an alarm that was raised, with its versions; None: there is none."""
    row = _row(db, alarm_id)
    if row is None or row.stage == WAITING:
        return None
    found = _versions(row, now_ns)
    rows = [
        SimpleNamespace(body=codec.encode(each), epoch=0, seq=each.version, **_times(each)) for each in found
    ]
    return {"episode": _episode(row, now_ns), "versions": [violations.version(each) for each in rows]}


def _row(db: sa.Connection, alarm_id: str) -> Any | None:
    number = alarm_id.removeprefix(PREFIX)
    if not (number.isascii() and number.isdecimal()) or len(number) > 18:
        return None
    return db.execute(sa.select(EXERCISE).where(EXERCISE.c.n == int(number))).first()


def _versions(row: Any, now_ns: int) -> list[Violation]:
    whole = msgspec.structs.replace(codec.decode(row.body), id=f"{PREFIX}{row.n}")
    return versions(whole, now_ns, row.end_ns, is_open=row.stage == OPEN)


def _times(found: Violation) -> dict[str, int | None]:
    times = ("detected_ns", "sent_ns", "received_ns", "committed_ns")
    return dict.fromkeys(times, found.stamps.measured_ns) | {"decided_ns": None}


def _episode(row: Any, now_ns: int) -> dict[str, Any]:
    """Return the Episode of a made-up alarm as it is now, marked as an exercise."""
    found = _versions(row, now_ns)
    newest = found[-1]
    depths = [x for each in found for x in each.evidence.get("excess_m", ()) if x is not None]
    shown = SimpleNamespace(
        n=row.n, grade_max=GRADES.index("violation"), excess_m_max=max(depths, default=None),
        p_violation_max=max(each.p_violation for each in found), versions=len(found), latency_ns=None,
        first_committed_ns=row.begin_ns, **_times(newest),
    )  # fmt: skip
    history = History(("exercise",), row.begin_ns, row.begin_ns, codec.encode(found[0]))
    return violations.episode(shown, codec.encode(newest), history) | {"exercise": True}
