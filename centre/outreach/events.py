"""The events that other platforms get of an alarm: raised, escalated, handled, closed. Pure."""

from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from edge.wire import Esn, Name
from geofence.violation import GRADES, Violation

WARNING = GRADES.index("warning")
Event = Literal["raised", "escalated", "handled", "closed"]
QUIET = ("evidence_", "warn_")  # acts that handle nothing


class AlarmEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event, as JSON. A reader ignores fields that it does not know."""

    v: Literal[1] = 1
    id: Annotated[str, Meta(min_length=1, max_length=160)]
    event: Event
    number: Annotated[int, Meta(ge=1)]
    at_ns: str
    site: str
    centre: Esn
    violation: Name
    grade: str
    rule: str
    esn: Esn
    start_ns: str
    end_ns: str | None
    plate: str | None
    terminal: str | None
    hazmat_class: str | None
    un: str | None
    carrier: str | None
    lon_deg: float
    lat_deg: float
    s_m: float | None
    lane: str | None
    zone: str | None
    speed_mps: float
    p_violation: float
    act: str | None = None
    user: str | None = None
    clock_unset: bool = False  # `start_ns` and `end_ns` are by the arrival: the RSU's clock was never set


class Known(NamedTuple):
    """What was said of an alarm so far."""

    grade: int
    closed: bool
    number: int


class Shown(NamedTuple):
    """An alarm's newest version, its times by its arrival where its RSU's clock was never set."""

    violation: Violation
    is_clock_unset: bool


class Moment(NamedTuple):
    """Where and when an event is made."""

    at_ns: int
    site: str
    centre: str


def next_events(known: Known | None, grade_max: int, is_open: bool) -> tuple[list[Event], Known | None]:
    """Return what has to be said of an alarm now, and what is said then; None: it is no alarm."""
    if grade_max < WARNING:
        return [], known
    said: list[Event] = []
    if known is None:
        said.append("raised")
    elif grade_max > known.grade:
        said.append("escalated")
    before = known or Known(grade_max, False, 0)
    if not is_open and not before.closed:
        said.append("closed")
    grade = max(grade_max, before.grade)
    return said, Known(grade, before.closed or not is_open, before.number + len(said))


def event_id(centre: str, violation: str, number: int) -> str:
    """Return the id of an event: a second centre counts its own."""
    return f"{centre}.{violation}.{number}"


def event_of(
    what: Event, number: int, shown: Shown, grade: int, moment: Moment, act: tuple[str, str] | None = None
) -> AlarmEvent:
    """Return one event.  act : what was done by whom, of `handled`"""
    found = shown.violation
    vehicle: Any = found.vehicle
    return AlarmEvent(
        id=event_id(moment.centre, found.id, number), event=what, number=number,
        at_ns=str(moment.at_ns), site=moment.site,
        centre=moment.centre, violation=found.id, grade=GRADES[grade], rule=found.rule, esn=found.esn,
        start_ns=str(found.start_ns), end_ns=None if found.end_ns is None else str(found.end_ns),
        plate=None if vehicle is None else vehicle.plate,
        terminal=None if vehicle is None else vehicle.terminal,
        hazmat_class=None if vehicle is None else vehicle.hazmat_class,
        un=None if vehicle is None else vehicle.un, carrier=None if vehicle is None else vehicle.carrier,
        lon_deg=found.lon_deg, lat_deg=found.lat_deg, s_m=found.s_m, lane=found.lane, zone=found.zone,
        speed_mps=found.speed_mps, p_violation=found.p_violation,
        act=None if act is None else act[0], user=None if act is None else act[1],
        clock_unset=shown.is_clock_unset,
    )  # fmt: skip


def handles(act: str, user: str) -> bool:
    """Say whether an act of the log handles an alarm: a person's, and no mere look at it."""
    return bool(user) and not act.startswith(QUIET)


encode = msgspec.json.Encoder().encode
