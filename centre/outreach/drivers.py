"""Warns drivers by the gateway's command, and keeps what became of each warning."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
import sqlalchemy as sa

from centre.accounts.actor import Actor
from centre.audit.log import Act, append
from centre.changes import Change
from centre.database import Database
from centre.desk_tables import HANDLING
from centre.faults import NotWrittenError, UnreadableError
from centre.outreach.warning import AGAIN, ANSWER_NS, WAITING, checked, template
from centre.outreach_tables import DRIVER_WARNING
from centre.store import EPISODE, VERSION
from centre.writer import Writer
from core.times import NS
from edge import topics
from edge.gateway_command import Command, CommandOutcome, decode_outcome
from edge.subscriptions import Incoming
from edge.wire import encode
from geofence import violation as codec

KIND = "warning"  # of the feed
LOCK = "driver_warning"
LOOK_S = 1.0  # between looks for warnings without an answer
OUTCOMES_MAX = 1_000  # that wait for the database
SAME_EVENT_NS = 120 * NS  # as long after a warning, other alarms of its case need no second one


# Reasons why no warning can be sent for a violation, whether or not one was sent before
HINDRANCES = {
    "no_gateway": "the site has no gateway",
    "no_terminal": "the vehicle has no known terminal",
    "late": "it was found in stored fixes, long after: nobody is warned of it",
}


class RefusedError(Exception):
    """Nothing is sent.  status : of HTTP"""

    def __init__(self, status: int, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status, self.detail, self.more = status, detail, more


@dataclass(slots=True)
class Drivers:
    """The warnings of one centre.

    gateway : its id; None: the site has none
    """

    gateway: str | None
    database: Database
    writer: Writer
    publish: Callable[[str, bytes, int], bool]
    now_ns: Callable[[], int]
    counts: Counter[str] = field(default_factory=Counter)
    _outcomes: asyncio.Queue[CommandOutcome] = field(default_factory=lambda: asyncio.Queue(OUTCOMES_MAX))

    async def shown(self, violation: str) -> dict[str, Any] | None:
        """Return the warnings of a violation, the text that it would get, and why none can be sent now."""
        return await self.database.read(self._shown, violation)

    def _shown(self, violation: str) -> dict[str, Any] | None:
        with self.database.engine.begin() as db:
            found = _episode(db, violation)
            if found is None:
                return None
            terminal = None if found.vehicle is None else found.vehicle.terminal
            rows = [_json(row) for row in _rows(db, violation)]
            before = None if terminal is None else warned(db, violation, terminal, self.now_ns())
        why = hindrance(self.gateway, found) or (None if before is None else "warned")
        return {"terminal": terminal, "text": template(found.rule), "why_not": why, "items": rows}

    async def warn(self, violation: str, text: str | None, actor: Actor) -> dict[str, Any]:
        """Send a warning and return its row; raises RefusedError, TextError, NotWrittenError."""
        now_ns, key = self.now_ns(), str(uuid.uuid4())
        chosen = None if text is None else checked(text)

        def note(db: sa.Connection, found: list[Change]) -> tuple[str, str]:
            episode = _episode(db, violation)
            if episode is None:
                raise RefusedError(404, "no violation of this id")
            if (why := hindrance(self.gateway, episode)) is not None:
                raise RefusedError(409, HINDRANCES[why])
            terminal = episode.vehicle.terminal if episode.vehicle else None
            assert terminal is not None, "else it was refused"
            if (before := warned(db, violation, terminal, now_ns)) is not None:
                detail = "this terminal was warned of this event already"
                raise RefusedError(409, detail, warning=_json(before))
            words = chosen or template(episode.rule)
            db.execute(sa.insert(DRIVER_WARNING).values(
                id=key, violation=violation, terminal=terminal, text=words, user=actor.name, sent_ns=now_ns,
                outcome="sending",
            ))  # fmt: skip
            body = {"warning": key, "terminal": terminal, "text": words}
            append(db, Act(now_ns, actor, "warn_driver", violation, body))
            found.append(Change(KIND, key))
            return terminal, words

        terminal, words = await self.writer.run(note, LOCK, f"episode {violation}")
        assert self.gateway is not None, "else it was refused"
        command = encode(Command(id=key, kind="text", terminal=terminal, text=words))
        is_sent = self.publish(topics.gateway_command_down(self.gateway), command, 1)
        self.counts["warning.sent" if is_sent else "warning.unsent"] += 1
        await self._settle(key, "sent" if is_sent else "unsent", None if is_sent else self.now_ns())
        found = await self.row(key)
        assert found is not None, "rows are never deleted"
        return found

    async def row(self, key: str) -> dict[str, Any] | None:
        """Return one warning as the page shows it."""

        def read() -> dict[str, Any] | None:
            with self.database.engine.begin() as db:
                found = db.execute(sa.select(DRIVER_WARNING).where(DRIVER_WARNING.c.id == key)).first()
            return None if found is None else _json(found)

        return await self.database.read(read)

    def receive(self, message: Incoming) -> None:
        """Receive a gateway's `command/up`."""
        try:
            outcome = decode_outcome(message.payload)
            if message.topic.name != self.gateway:
                raise ValueError("another gateway")
            self._outcomes.put_nowait(outcome)
        except asyncio.QueueFull:
            self.counts["warning.full"] += 1
        except (msgspec.DecodeError, ValueError):
            self.counts["warning.unreadable"] += 1

    async def run(self) -> None:
        """Store outcomes, and close warnings without one, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(LOOK_S):
                    outcome = await self._outcomes.get()
            except TimeoutError:
                await self._close_unanswered()
                continue
            self.counts[f"warning.{outcome.outcome}"] += 1
            while True:
                try:
                    await self._settle(outcome.id, outcome.outcome, self.now_ns())
                    break
                except NotWrittenError:
                    await asyncio.sleep(LOOK_S)

    async def _close_unanswered(self) -> None:
        """Close what the gateway left without an outcome; so does a start, for those before it."""
        try:
            keys = await self.database.read(self._overdue, self.now_ns() - ANSWER_NS)
            for key in keys:
                self.counts["warning.unanswered"] += 1
                await self._settle(key, "unanswered", self.now_ns())
        except (UnreadableError, NotWrittenError):  # the next look tries again
            return

    def _overdue(self, before_ns: int) -> list[str]:
        waits = DRIVER_WARNING.c.outcome.in_(sorted(WAITING)) & (DRIVER_WARNING.c.sent_ns < before_ns)
        with self.database.engine.begin() as db:
            return list(db.scalars(sa.select(DRIVER_WARNING.c.id).where(waits)))

    async def _settle(self, key: str, outcome: str, answered_ns: int | None) -> None:
        await self.writer.run(partial(_settle, key, outcome, answered_ns), LOCK)


def _settle(key: str, outcome: str, answered_ns: int | None, db: sa.Connection, found: list[Change]) -> None:
    """Note an outcome; one that is known already stays, and so does one that came before `sent`."""
    row = db.execute(sa.select(DRIVER_WARNING).where(DRIVER_WARNING.c.id == key)).first()
    if (
        row is None
        or row.outcome not in WAITING | {"unanswered"}
        or (outcome == "sent" != row.outcome != "sending")
    ):
        return
    values = {"outcome": outcome, "answered_ns": answered_ns}
    db.execute(sa.update(DRIVER_WARNING).where(DRIVER_WARNING.c.id == key).values(**values))
    if answered_ns is not None:
        body = {"warning": key, "outcome": outcome}
        append(db, Act(answered_ns, None, "warn_outcome", row.violation, body))
    found.append(Change(KIND, key))


def hindrance(gateway: str | None, violation: codec.Violation) -> str | None:
    """Return why nobody can be warned of a violation, a key of HINDRANCES; None: its driver can."""
    if gateway is None:
        return "no_gateway"
    if violation.vehicle is None or violation.vehicle.terminal is None:
        return "no_terminal"
    return "late" if violation.late else None


def _rows(db: sa.Connection, violation: str) -> list[Any]:
    query = sa.select(DRIVER_WARNING).where(DRIVER_WARNING.c.violation == violation)
    return list(db.execute(query.order_by(DRIVER_WARNING.c.n.desc()).limit(50)).all())


def warned(db: sa.Connection, violation: str, terminal: str, now_ns: int) -> Any | None:
    """Return the warning that a terminal has of this event: this violation, or lately another of its case.

    Two RSUs that see one departure, and a departure that is repeated at once, are one event for the driver.
    """
    case = sa.select(HANDLING.c.case_id).where(HANDLING.c.id == violation).scalar_subquery()
    others = sa.select(HANDLING.c.id).where(HANDLING.c.case_id == case)
    just_now = DRIVER_WARNING.c.violation.in_(others) & (DRIVER_WARNING.c.sent_ns > now_ns - SAME_EVENT_NS)
    query = sa.select(DRIVER_WARNING).where(
        DRIVER_WARNING.c.terminal == terminal, DRIVER_WARNING.c.outcome.not_in(sorted(AGAIN)),
        (DRIVER_WARNING.c.violation == violation) | just_now,
    )  # fmt: skip
    return db.execute(query.order_by(DRIVER_WARNING.c.n.desc()).limit(1)).first()


def _episode(db: sa.Connection, violation: str) -> codec.Violation | None:
    """Return the newest version of a violation."""
    same = (VERSION.c.id == EPISODE.c.id) & (VERSION.c.version == EPISODE.c.version)
    joined = EPISODE.join(VERSION, same & (VERSION.c.esn == EPISODE.c.esn))
    body = db.scalar(sa.select(VERSION.c.body).select_from(joined).where(EPISODE.c.id == violation))
    if body is None:
        return None
    try:
        return codec.decode(body)
    except (msgspec.DecodeError, ValueError):
        return None


def _json(row: Any) -> dict[str, Any]:
    return {
        "id": row.id, "violation": row.violation, "terminal": row.terminal, "text": row.text,
        "user": row.user, "sent_ns": str(row.sent_ns), "outcome": row.outcome,
        "answered_ns": None if row.answered_ns is None else str(row.answered_ns),
    }  # fmt: skip
