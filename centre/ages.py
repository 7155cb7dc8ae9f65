"""The time by which rows of the database grow old. Blocking."""

import sqlalchemy as sa

from centre.own_clock import OwnClock
from centre.store import EPISODE, VERSION
from core.times import NS
from edge.age_clock import AgeClock

LOOKED_AT = 100  # the newest episodes: a board of 2020 may have raised the newest of all


class Ages:
    """As `AgeClock`, with the RSUs as its witnesses; the writer's thread uses it."""

    def __init__(self, own_clock: OwnClock) -> None:
        self._own_clock, self._clock = own_clock, AgeClock()

    def now_ns(self, db: sa.Connection, now_ns: int) -> int:
        """Return the time to count ages by, where our clock shows `now_ns`."""
        is_shown_right = self._own_clock.agrees(now_ns)
        known_s = known_ns(db) / NS
        return int(self._clock.now_s(now_ns / NS, known_s, is_shown_right=is_shown_right) * NS)


def known_ns(db: sa.Connection) -> int:
    """Return a time that has passed for sure, by an RSU's clock and by ours; 0: nothing says so.

    The newest row's arrival alone proves nothing: a start under a wrong clock may have written it.
    """
    same = (VERSION.c.id == EPISODE.c.id) & (VERSION.c.version == EPISODE.c.version)
    joined = EPISODE.join(VERSION, same & (VERSION.c.esn == EPISODE.c.esn))
    newest = sa.select(VERSION.c.detected_ns, VERSION.c.received_ns).select_from(joined)
    rows = db.execute(newest.order_by(EPISODE.c.n.desc()).limit(LOOKED_AT)).all()
    return max((min(row.detected_ns or 0, row.received_ns) for row in rows), default=0)
