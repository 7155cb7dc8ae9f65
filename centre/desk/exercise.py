"""Exercises: made-up alarms that people handle as real ones, and that stay out of everything that counts.

They are never in the ledger: an exercise has rows of its own, and rows of handling that say `exercise`. One
runs at a time; it ends by itself or by a person, and survives a restart. Blocking, but for the scripts.
"""

import functools
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, NamedTuple

import msgspec
import sqlalchemy as sa
from msgspec import Meta

from centre.accounts.actor import Actor
from centre.audit.log import Act, append
from centre.changes import Change
from centre.desk.board import Board
from centre.desk.faults import RefusedError
from centre.desk.policy import Policy
from centre.desk.reading import columns_of, facts_of
from centre.desk_tables import EXERCISE, HANDLING
from centre.views import violations
from centre.views.violations import History
from edge.wire import Name
from geofence import violation as codec
from geofence.violation import GRADES, Rule, Stamps, Violation, ViolationVehicle

KIND = "exercise"  # of the feed's events
PREFIX = "exercise-"
FILE = Path(__file__).with_name("exercises.toml")
AFTER_S = 900.0  # from the last alarm's end, until the exercise ends by itself
NS = 1e9
WAITING, OPEN, ENDED, OVER = range(4)  # stages of a made-up alarm; over: its exercise has ended


class Made(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One made-up alarm of a script."""

    at_s: float
    lasts_s: float
    rule: Rule
    plate: str
    hazmat_class: str
    un: str
    place: Annotated[float, Meta(ge=0.0, le=1.0)]
    speed_mps: float


class Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an exercise plays."""

    name: Name
    zh: str
    en: str
    alarm: tuple[Made, ...]

    @property
    def lasts_s(self) -> float:
        """Until the end of its last alarm."""
        return max(each.at_s + each.lasts_s for each in self.alarm)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    script: tuple[Script, ...]


class WantedExercise(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /api/exercise`."""

    script: Name


class Axis(NamedTuple):
    """Places along the road, ascending."""

    s_m: tuple[float, ...]
    lon_deg: tuple[float, ...]
    lat_deg: tuple[float, ...]

    def at(self, share: float) -> tuple[float, float, float]:
        """Return station, longitude and latitude nearest to a share of the length."""
        wanted_m = self.s_m[0] + share * (self.s_m[-1] - self.s_m[0])
        i = min(range(len(self.s_m)), key=lambda each: abs(self.s_m[each] - wanted_m))
        return self.s_m[i], self.lon_deg[i], self.lat_deg[i]


@functools.cache
def scripts() -> dict[str, Script]:
    """Return the shipped scripts by name."""
    found = msgspec.toml.decode(FILE.read_bytes(), type=_File)
    return {each.name: each for each in found.script}


def axis_of(described: dict[str, Any]) -> Axis:
    """Return the road's axis of `/api/site`; without one, a point at the site's origin."""
    axis = described["axis"]
    if axis is None:
        return Axis((0.0,), (described["origin"][0],), (described["origin"][1],))
    return Axis(tuple(axis["s_m"]), tuple(axis["lon"]), tuple(axis["lat"]))


def begin(
    db: sa.Connection, found: list[Change], script: Script, actor: Actor, axis: Axis, now_ns: int
) -> dict[str, Any]:
    """Begin an exercise: all its alarms have rows, and each its time. Raises RefusedError."""
    if running(db) is not None:
        raise RefusedError(409, "an exercise is running: end it first")
    until_ns = now_ns + round((script.lasts_s + AFTER_S) * NS)
    for made in script.alarm:
        begin_ns = now_ns + round(made.at_s * NS)
        values = {
            "script": script.name, "by_user": actor.name, "until_ns": until_ns, "begin_ns": begin_ns,
            "end_ns": begin_ns + round(made.lasts_s * NS), "stage": WAITING,
            "body": codec.encode(_violation(made, axis, begin_ns)),
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
    return min((due for due in dues if due is not None), default=None)


def running(db: sa.Connection) -> dict[str, Any] | None:
    """Return the exercise that runs."""
    row = db.execute(sa.select(EXERCISE).where(EXERCISE.c.stage < OVER).order_by(EXERCISE.c.n)).first()
    if row is None:
        return None
    return {"script": row.script, "user": row.by_user, "until_ns": str(row.until_ns)}


def described(db: sa.Connection) -> dict[str, Any]:
    """Return `/api/exercise`."""
    rows = db.execute(
        sa.select(EXERCISE).where(EXERCISE.c.stage.in_((OPEN, ENDED))).order_by(EXERCISE.c.n.desc())
    )
    return {
        "scripts": [
            {
                "name": each.name, "zh": each.zh, "en": each.en, "alarms": len(each.alarm),
                "lasts_s": each.lasts_s,
            }
            for each in scripts().values()
        ],
        "running": running(db),
        "items": [_episode(row) for row in rows],
    }  # fmt: skip


def present(db: sa.Connection, key: str) -> dict[str, Any] | None:
    """Return what the feed's event carries: an alarm's Episode, or what runs."""
    if not key:
        return {"running": running(db)}
    row = db.execute(sa.select(EXERCISE).where(EXERCISE.c.n == int(key.removeprefix(PREFIX)))).first()
    return None if row is None else _episode(row)


def _violation(made: Made, axis: Axis, begin_ns: int) -> Violation:
    s_m, lon_deg, lat_deg = axis.at(made.place)
    vehicle = ViolationVehicle(plate=made.plate, hazmat_class=made.hazmat_class, un=made.un)
    return Violation(
        id=PREFIX, version=1, hop=0, phase="open", grade="violation", rule=made.rule, vehicle=vehicle,
        identity_p=1.0, track=0, esn="exercise", start_ns=begin_ns, confirmed_ns=begin_ns, end_ns=None,
        lon_deg=lon_deg, lat_deg=lat_deg, lane=None, zone=None, s_m=s_m, d_m=None, sigma_d_m=None,
        p_violation=1.0, speed_mps=made.speed_mps, limit_mps=None, map_version="", rules_version="",
        stamps=Stamps(measured_ns=begin_ns, arrived_ns=begin_ns),
    )  # fmt: skip


def _episode(row: Any) -> dict[str, Any]:
    """Return the Episode of a made-up alarm as it is now, marked as an exercise."""
    found = codec.decode(row.body)
    if row.stage != OPEN:
        found = msgspec.structs.replace(found, phase="close", end_ns=row.end_ns)
    body = codec.encode(msgspec.structs.replace(found, id=f"{PREFIX}{row.n}"))
    times = dict.fromkeys(("detected_ns", "sent_ns", "received_ns", "committed_ns", "first_committed_ns"))
    shown = SimpleNamespace(
        n=row.n, grade_max=GRADES.index("violation"), excess_m_max=None, p_violation_max=1.0, versions=1,
        latency_ns=None, decided_ns=None, **dict.fromkeys(times, row.begin_ns),
    )  # fmt: skip
    history = History(("exercise",), row.begin_ns, row.begin_ns, body)
    return violations.episode(shown, body, history) | {"exercise": True}
