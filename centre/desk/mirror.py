"""Says on the broker what was handled at this desk: the page of the site's other centre shows it.

The message is retained, so that a centre that starts, or whose other one has died, still knows. It is a
statement, no copy: no desk changes by what the other one says.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import sqlalchemy as sa

from centre.audit.log import head
from centre.desk_tables import HANDLING
from centre.faults import UnreadableError
from edge import topics
from edge.desk_state import ALARMS_MAX, DeskState, HandledAlarm, encode

LOOK_S = 1.0
AGAIN_NS = 30 * 10**9  # the stamp says until when it is true: without an act, too
SPAN_NS = 24 * 3_600 * 10**9
STATES = ("acknowledged", "handled", "closed")


class Publish(Protocol):
    """As `BrokerLink.publish`."""

    def __call__(self, topic: str, payload: bytes, qos: int, *, retain: bool = False) -> bool: ...


def handled(db: sa.Connection, now_ns: int) -> tuple[tuple[HandledAlarm, ...], bool]:
    """Return what is not new any more, the newest first, and whether there is more than is returned."""
    c = HANDLING.c
    query = sa.select(c.id, c.state, c.by_user, c.since_ns, c.reason).where(
        c.state.in_(STATES), c.since_ns >= now_ns - SPAN_NS, c.kind == "violation", ~c.exercise
    )
    rows = db.execute(query.order_by(c.since_ns.desc()).limit(ALARMS_MAX + 1)).all()
    found = tuple(
        HandledAlarm(
            violation=row.id, state=row.state, user=row.by_user or "", at_ns=row.since_ns, reason=row.reason
        )
        for row in rows[:ALARMS_MAX]
    )
    return found, len(rows) > ALARMS_MAX


class DeskMirror:
    """Publishes this desk's state after each act, and each 30 s."""

    def __init__(
        self,
        centre: str,
        epoch: int,
        ask: Callable[..., Awaitable[Any]],
        publish: Publish,
        now_ns: Callable[[], int],
        counts: Counter[str],
    ) -> None:
        """`ask(query, …)`: as `Desk.ask`.  epoch : of this start of the centre."""
        self._centre, self._epoch, self._ask, self._publish = centre, epoch, ask, publish
        self._now_ns, self._counts = now_ns, counts
        self._sent = (-1, 0)  # the newest act that was sent, and when
        self._stamp_ns = 0  # of the newest statement: only one with a later stamp takes its place

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            try:
                await self._look()
            except UnreadableError:
                self._counts["desk.mirror_failed"] += 1
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> None:
        now_ns = self._now_ns()
        n, _ = await self._ask(head)
        n_sent, sent_ns = self._sent
        if n == n_sent and 0 <= now_ns - sent_ns < AGAIN_NS:
            return
        state = await self._ask(self._state, now_ns)
        if self._publish(topics.centre_desk(self._centre), encode(state), 1, retain=True):
            self._sent, self._stamp_ns = (state.n, now_ns), state.stamp_ns
            self._counts["desk.mirrored"] += 1

    def _state(self, db: sa.Connection, now_ns: int) -> DeskState:
        n, sha256 = head(db)
        alarms, cut = handled(db, now_ns)
        stamp_ns = max(now_ns, self._stamp_ns + 1)  # the clock may have been set back
        return DeskState(
            centre=self._centre, epoch=self._epoch, stamp_ns=stamp_ns, n=n, sha256=sha256, alarms=alarms,
            cut=cut,
        )  # fmt: skip
