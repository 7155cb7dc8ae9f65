"""Pages of rows that are numbered as they come, newest first: a page begins before a number."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa


def page_of(
    db: sa.Connection, query: sa.Select[Any], number: sa.Column[int], limit: int, before: int | None
) -> tuple[Sequence[sa.Row[Any]], int | None]:
    """Return the rows of a page, and `before` of the page after it; None: it is the last.

    query : has the column `number`; neither its order nor its limit
    """
    if before is not None:
        query = query.where(number < before)
    found = db.execute(query.order_by(number.desc()).limit(limit + 1)).all()
    shown = found[:limit]
    return shown, int(getattr(shown[-1], number.name)) if len(found) > limit else None
