"""The other centres on the broker: a second one, or one that must not be there."""

import time
from collections import Counter
from typing import Any

import msgspec

from edge.centre_status import Centres, CentreStatus, decode_centre_status
from edge.subscriptions import Incoming


class Peers:
    """What the other centres report.

    own, database : this centre's id, and the name of its database
    main : the id of the site's first centre.  While it lives, only that one answers the units' clock probes
    """

    def __init__(self, *, own: str, database: str, main: str, counts: Counter[str]) -> None:
        self.own, self._database, self.main, self._counts = own, database, main, counts
        self._centres = Centres()

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
        self._centres.receive(status, retained=message.retained, now_s=time.monotonic())
        if status.state == "online" and status.database == self._database:
            self._counts["centres.shares_database"] += 1  # a copy of the file, or the file itself

    def answers_clocks(self) -> bool:
        """Say whether this centre answers clock probes."""
        return self.own == self.main or not self._centres.lives(self.main, time.monotonic())

    def rows(self) -> list[dict[str, Any]]:
        """Return `centres` of `/api/summary`: this one, then the others."""
        own = {"centre": self.own, "state": "online", "database": self._database, "own": True}
        others = self._centres.seen(time.monotonic())
        return [own] + [
            {"centre": each.centre, "state": each.state, "database": each.database, "own": False}
            for each in others
        ]


def _status(message: Incoming) -> CentreStatus | None:
    try:
        status = decode_centre_status(message.payload)
    except (msgspec.DecodeError, ValueError):  # a peer's fault
        return None
    return status if status.centre == message.topic.name else None
