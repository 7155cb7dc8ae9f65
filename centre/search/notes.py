"""What people say of an episode, noted where it is searched and counted by. Blocking."""

from typing import Any

import sqlalchemy as sa

from centre.search.backfill import fill
from centre.search.keys import folded
from centre.search.tables import EPISODE_KEY

UNCHANGED: Any = object()


def annotate(
    db: sa.Connection,
    violation_id: str,
    *,
    handling: str | None = UNCHANGED,
    is_false: bool | None = UNCHANGED,
    corrected: str | None = UNCHANGED,
) -> bool:
    """Note an act in its transaction; return whether there is such an episode.

    handling : its state as the desk names it.  is_false : a false alarm, which no statistic counts as a
    violation.  corrected : the right plate, which it is found by too
    """
    values: dict[str, Any] = {}
    if handling is not UNCHANGED:
        values["handling"] = handling
    if is_false is not UNCHANGED:
        values["is_false"] = is_false
    if corrected is not UNCHANGED:
        values["corrected"] = None if corrected is None else folded(corrected)
    if not values:
        return False
    change = sa.update(EPISODE_KEY).where(EPISODE_KEY.c.id == violation_id).values(values)
    if db.execute(change).rowcount:
        return True
    # an episode of an older database, which is not filled yet
    return bool(fill(db, (violation_id,))) and bool(db.execute(change).rowcount)
