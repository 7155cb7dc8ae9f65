"""The other centres on the broker: a second one, or one that must not be there."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from edge.centre_status import CENTRES_MAX, Centres, CentreStatus, decode_centre_status
from edge.desk_state import DeskState, HandledAlarm, decode_desk_state
from edge.subscriptions import Incoming
from geofence.plausible import plain


class Peers:
    """What the other centres report.

    own, database : this centre's id, and the name of its database
    main : the id of the site's first centre.  While it lives, only that one answers the units' clock probes
    """

    def __init__(self, *, own: str, database: str, main: str, counts: Counter[str]) -> None:
        self.own, self._database, self.main, self._counts = own, database, main, counts
        self._centres = Centres()
        self._desks: dict[str, DeskState] = {}
        self.on_replayed: Callable[[str, str], None] = lambda _who, _reason: None  # ROLE/NAME, and why

    def receive(self, message: Incoming) -> None:
        """Receive a status of any centre, this one's own included."""
        status = _status(message)
        if status is None:
            self._counts["centres.unreadable"] += 1
            return
        if status.centre == self.own:
            if not message.retained and status.database != self._database:
                self._counts["centres.twin"] += 1  # another centre has our id, and takes our connection
            return
        receipt = self._centres.receive(status, retained=message.retained, now_s=time.monotonic())
        if receipt == "replayed":
            self.on_replayed(f"centre/{status.centre}", "repeated")
        if receipt in ("replayed", "refused"):
            return
        if status.state == "online" and status.database == self._database:
            self._counts["centres.shares_database"] += 1  # a copy of the file, or the file itself

    def receive_desk(self, message: Incoming) -> None:
        """Receive what was handled at another centre's desk; only a newer statement replaces one.

        After another start of that centre any does: its clock may have been ahead before. A lower epoch is
        that of a new database, which its status then shows, too.
        """
        try:
            state = decode_desk_state(message.payload)
        except (msgspec.DecodeError, ValueError):  # a peer's fault
            self._counts["centres.desk_unreadable"] += 1
            return
        known = self._desks.get(state.centre)
        if state.centre != message.topic.name:
            self._counts["centres.desk_unreadable"] += 1
        elif state.centre == self.own or (known is not None and self._is_old(state, known)):
            return
        elif known is None and len(self._desks) >= CENTRES_MAX:
            self._counts["centres.too_many"] += 1
        else:
            self._desks[state.centre] = state

    def _is_old(self, state: DeskState, known: DeskState) -> bool:
        """Say whether a statement is no newer, or of a start that has ended: somebody may send it again."""
        if state.epoch < known.epoch:
            return state.epoch != self._centres.epoch(state.centre)
        return state.epoch == known.epoch and state.stamp_ns <= known.stamp_ns

    def desks(self) -> list[dict[str, Any]]:
        """Return `/api/desk/others`: what was handled at each other centre, as it said last."""
        return [
            {
                "centre": each.centre,
                "stamp_ns": str(each.stamp_ns),
                "n": each.n,
                "sha256": each.sha256.hex(),
                "cut": each.cut,
                "alarms": [_shown(one) for one in each.alarms],
            }
            for _, each in sorted(self._desks.items())
        ]

    def answers_clocks(self) -> bool:
        """Say whether this centre answers clock probes."""
        return self.own == self.main or not self._centres.lives(self.main, time.monotonic())

    def rows(self) -> list[dict[str, Any]]:
        """Return `centres` of `/api/summary`: this one, then the others."""
        own = {"centre": self.own, "state": "online", "database": self._database, "own": True}
        others = self._centres.seen(time.monotonic())
        return [own] + [
            {"centre": each.centre, "state": each.state, "database": each.database, "own": False}
            | self._desk_of(each.centre)
            for each in others
        ]

    def _desk_of(self, centre: str) -> dict[str, Any]:
        known = self._desks.get(centre)
        return {"desk": None if known is None else {"n": known.n, "stamp_ns": str(known.stamp_ns)}}


def _shown(one: HandledAlarm) -> dict[str, Any]:
    return {
        "id": plain(one.violation), "state": one.state, "user": plain(one.user), "at_ns": str(one.at_ns),
        "reason": None if one.reason is None else plain(one.reason),
    }  # fmt: skip


def _status(message: Incoming) -> CentreStatus | None:
    try:
        status = decode_centre_status(message.payload)
    except (msgspec.DecodeError, ValueError):  # a peer's fault
        return None
    return status if status.centre == message.topic.name else None
