"""The centre's own retained status: that it serves, from which database, and since which start."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from centre.store import SETTING, centre_name
from core.times import NS
from edge import topics
from edge.centre_status import CentreStatus, encode
from edge.link import Outgoing
from edge.service import Presence
from edge.versions import versions

START_KEY = "start_epoch"  # in SETTING: of the newest start
START_MAX = 2**32 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CentrePresence:
    """What the status of one centre is made of.

    database : its name.  epoch : of this start, higher than those of all starts before on this database
    acks : how many centres must acknowledge a violation.  ready : whether the database works now
    """

    centre: str
    database: str
    epoch: int
    acks: int
    now_ns: Callable[[], int]
    ready: Callable[[], bool]

    def status(self, presence: Presence) -> Outgoing:
        """Return birth, heartbeat or will."""
        status = CentreStatus(
            centre=self.centre,
            state=presence.state,
            database=self.database,
            epoch=self.epoch,
            connection=presence.connection,
            stamp_ns=presence.stamp_ns,
            version=versions()["petroroad"],
            ready=self.ready(),
            acks=self.acks,
        )
        return Outgoing(topics.centre_status(self.centre), encode(status), 1, True)


def begin_presence(
    engine: sa.Engine, *, centre: str, acks: int, now_ns: Callable[[], int], ready: Callable[[], bool]
) -> CentrePresence:
    """Return the presence of a centre that starts on this database now."""
    return CentrePresence(
        centre=centre,
        database=centre_name(engine),
        epoch=_begin_epoch(engine, time.time_ns() // NS),  # real, also under a simulated clock
        acks=acks,
        now_ns=now_ns,
        ready=ready,
    )


def _begin_epoch(engine: sa.Engine, wall_s: int) -> int:
    """Keep and return the epoch of this start: the wall second, or one more than that of the last start.

    Where the database can't be written now, it is not kept: the next start has its own wall second.
    """
    row = SETTING.c.key == START_KEY
    try:
        with engine.begin() as db:
            kept = db.scalar(sa.select(SETTING.c.value).where(row))
            last = int(kept) if kept is not None and kept.isdecimal() else 0
            epoch = wall_s if last >= START_MAX else max(wall_s, last + 1)
            if kept is None:
                db.execute(sa.insert(SETTING).values(key=START_KEY, value=str(epoch)))
            else:
                db.execute(sa.update(SETTING).where(row).values(value=str(epoch)))
            return epoch
    except SQLAlchemyError:
        return wall_s
