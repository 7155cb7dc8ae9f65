"""Queries of the workers' rows. Blocking."""

from collections.abc import Mapping

import msgspec
import sqlalchemy as sa

from centre import postgresql
from centre.workers.tables import WORKER
from centre.workers.watch import NO_COUNTS, Beat

WORKERS_MAX = 64  # rows; beyond it those go whose last beat is the oldest
FORGET_NS = 86_400 * 10**9  # after so long without a beat a row goes: somebody took the worker away
FAULT_MAX = 200  # characters


def beat(db: sa.Connection, found: Beat) -> None:
    """Store what a worker says of itself, in place of what it said before."""
    values = {
        "started_ns": found.started_ns, "beat_ns": found.beat_ns, "queued": found.queued,
        "fault": None if found.fault is None else found.fault[:FAULT_MAX],
        "counts": msgspec.json.encode(dict(found.counts)).decode() if found.counts else None,
    }  # fmt: skip
    if db.execute(sa.update(WORKER).where(WORKER.c.id == found.id).values(**values)).rowcount:
        return
    db.execute(sa.insert(WORKER).values(id=found.id, **values))
    db.execute(sa.delete(WORKER).where(WORKER.c.beat_ns < found.beat_ns - FORGET_NS))
    newest = sa.select(WORKER.c.id).order_by(WORKER.c.beat_ns.desc(), WORKER.c.id)
    beyond = db.scalars(newest.offset(WORKERS_MAX)).all()
    if beyond:
        db.execute(sa.delete(WORKER).where(WORKER.c.id.in_(beyond)))


def forget(db: sa.Connection, name: str) -> None:
    """Delete a worker's row: it ends as it was asked to."""
    db.execute(sa.delete(WORKER).where(WORKER.c.id == name))


def beats(engine: sa.Engine) -> list[Beat]:
    """Return the newest beat of each worker."""
    with postgresql.snapshots(engine).begin() as db:
        rows = db.execute(sa.select(WORKER).order_by(WORKER.c.id)).all()
    return [
        Beat(row.id, row.started_ns, row.beat_ns, row.queued, row.fault, _counts(row.counts)) for row in rows
    ]


def _counts(text: str | None) -> Mapping[str, int]:
    return NO_COUNTS if text is None else msgspec.json.decode(text, type=dict[str, int])
