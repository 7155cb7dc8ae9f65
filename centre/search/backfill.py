"""Fills `episode_key` for the episodes of an older database, some at a time while the centre serves."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from centre.search.keys import Values, key_of
from centre.search.tables import EPISODE_KEY
from centre.unset_clocks import righted, shift_of_ns
from geofence import violation as codec
from geofence.violation import Violation

AT_ONCE = 100
LOOKED_AT = 5_000  # numbers of episodes that one query compares
# what is read of the tables of the ledger
EPISODE = sa.table("episode", sa.column("n", sa.BigInteger), sa.column("id", sa.String))
VERSION = sa.table(
    "violation_version", sa.column("id", sa.String), sa.column("body", sa.LargeBinary),
    sa.column("detected_ns", sa.BigInteger), sa.column("received_ns", sa.BigInteger),
    sa.column("decided_ns", sa.BigInteger),
)  # fmt: skip


class Missing(NamedTuple):
    """Ids that have no row, and from which number on to look further; None: that was the end."""

    ids: tuple[str, ...]
    after: int | None


def is_complete(db: sa.Connection) -> bool:
    """Return whether each episode has its row; two counts, no comparison."""
    counts = [db.scalar(sa.select(sa.func.count()).select_from(each)) for each in (EPISODE, EPISODE_KEY)]
    return counts[0] == counts[1]


def missing(db: sa.Connection, after: int) -> Missing:
    """Return the next episodes without a row, by their numbers after `after`."""
    newest = db.scalar(sa.select(sa.func.max(EPISODE.c.n))) or 0
    has_no_row = sa.select(EPISODE.c.n, EPISODE.c.id).select_from(
        EPISODE.outerjoin(EPISODE_KEY, EPISODE_KEY.c.id == EPISODE.c.id)
    )
    looked = has_no_row.where(
        EPISODE.c.n > after, EPISODE.c.n <= after + LOOKED_AT, EPISODE_KEY.c.id.is_(None)
    )
    rows = db.execute(looked.order_by(EPISODE.c.n).limit(AT_ONCE)).all()
    if len(rows) == AT_ONCE:
        return Missing(tuple(row.id for row in rows), rows[-1].n)
    up_to = after + LOOKED_AT
    return Missing(tuple(row.id for row in rows), None if up_to >= newest else up_to)


def fill(db: sa.Connection, ids: Sequence[str], counts: Counter[str] | None = None) -> int:
    """Add the rows of these episodes where they are missing still; return how many were added."""
    has = set(db.scalars(sa.select(EPISODE_KEY.c.id).where(EPISODE_KEY.c.id.in_(ids))))
    wanted = [each for each in ids if each not in has]
    rows = [{"id": violation_id, **values} for violation_id, values in computed(db, wanted, counts).items()]
    if rows:
        db.execute(sa.insert(EPISODE_KEY), rows)
    return len(rows)


def computed(db: sa.Connection, ids: Sequence[str], counts: Counter[str] | None = None) -> dict[str, Values]:
    """Return the rows of these episodes from all versions that the database has of them.

    An episode of which no version can be read is left out, and counted.
    """
    versions: dict[str, list[Violation]] = {violation_id: [] for violation_id in ids}
    found: Any = db.execute(sa.select(VERSION).where(VERSION.c.id.in_(ids)))
    for row in found:
        try:
            versions[row.id].append(righted(codec.decode(row.body), shift_of_ns(row)))
        except (msgspec.MsgspecError, ValueError):
            if counts is not None:
                counts["search.unreadable"] += 1
    return {violation_id: key_of(each) for violation_id, each in versions.items() if each}
