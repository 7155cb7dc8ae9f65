"""Watches what the road is seen by, each second, and writes the losses; what can't be written waits here."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import sqlalchemy as sa

from centre.changes import Change
from centre.desk.loss_rows import open_losses, shown, write_turns
from centre.desk.losses import LossWatch, Turn
from centre.desk.policy import Policy
from centre.desk.view import View
from centre.faults import NotWrittenError

WAITING_MAX = 1_000  # turns that wait for the database; the oldest openings are never dropped, so it stops


class Watching:
    """The losses of view of one centre."""

    def __init__(
        self,
        view: View,
        policy: Policy,
        write: Callable[[Callable[[sa.Connection, list[Change]], dict[int, int]]], Awaitable[dict[int, int]]],
        publish: Callable[[dict[str, Any]], None],
        counts: Counter[str],
    ) -> None:
        """`publish(loss)`: shows a loss to all pages though it can't be written."""
        self._view, self._policy, self._write, self._publish = view, policy, write, publish
        self._watch: LossWatch | None = None
        self._waiting: list[Turn] = []
        self.counts = counts

    def restore(self, db: sa.Connection) -> LossWatch:
        """Read the losses that were open when the centre ended."""
        found, next_n = open_losses(db)
        self._view.restore(found)
        return LossWatch(found, next_n)

    def begin(self, watch: LossWatch) -> None:
        self._watch = watch

    @property
    def is_begun(self) -> bool:
        return self._watch is not None

    async def look(self, now_ns: int) -> None:
        """Look once, and write what changed and what waits."""
        assert self._watch is not None, "it was restored"
        if len(self._waiting) < WAITING_MAX:
            turn = self._watch.look(self._view.look(self._watch.open, now_ns), now_ns)
            if turn.opened or turn.closed:
                self._waiting.append(turn)
                self.counts["losses.opened"] += len(turn.opened)
                self.counts["losses.closed"] += len(turn.closed)
        if not self._waiting:
            return
        turns = list(self._waiting)
        try:
            given = await self._write(lambda db, found: write_turns(db, found, turns, self._policy, now_ns))
        except NotWrittenError:
            self.counts["losses.unwritten"] += 1
            for item in self.unwritten():
                self._publish(item)
            return
        self._watch.renumber(given)
        del self._waiting[: len(turns)]

    def unwritten(self) -> list[dict[str, Any]]:
        """Return the losses that wait for the database, newest first."""
        ends = {loss.n: end_ns for turn in self._waiting for loss, end_ns in turn.closed}
        opened = [loss for turn in self._waiting for loss in turn.opened]
        return [shown(loss, ends.get(loss.n)) for loss in reversed(opened)]
