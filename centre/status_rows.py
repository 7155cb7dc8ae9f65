"""What the database keeps of each unit: its last status, its epochs' highest seqs, what it was asked for."""

import sqlalchemy as sa

from centre.changes import Change
from centre.commands import EPOCHS_MAX, CommitResult, StatusChange, StoreAsk
from centre.store import ASK, EPOCH, STATUS


def store_status(db: sa.Connection, result: CommitResult, change: StatusChange) -> None:
    """Store a unit's status in place of its last one, its last seqs, and where asked a row of the feed."""
    at = (STATUS.c.kind == change.kind, STATUS.c.id == change.id)
    values: dict[str, int | bytes] = {
        "epoch": change.epoch,
        "connection": change.connection,
        "since_ns": change.since_ns,
        "body": change.body,
    }
    if db.execute(sa.update(STATUS).where(*at).values(**values)).rowcount == 0:
        db.execute(sa.insert(STATUS).values(kind=change.kind, id=change.id, **values))
    _store_last_seqs(db, result, change)
    if change.announce:
        result.changes.append(Change(change.kind, change.id))


def rsu_statuses(db: sa.Connection) -> list[tuple[str, int, bytes]]:
    """Return name, since when, and bytes of each RSU's last stored status."""
    query = sa.select(STATUS.c.id, STATUS.c.since_ns, STATUS.c.body).where(STATUS.c.kind == "rsu")
    return [(row.id, row.since_ns, row.body) for row in db.execute(query).all()]


def store_ask(db: sa.Connection, _result: CommitResult, *, ask: StoreAsk) -> None:
    """Store that an RSU was asked, in place of when it was asked last."""
    db.execute(sa.delete(ASK).where(ASK.c.esn == ask.esn))
    db.execute(
        sa.insert(ASK).values(esn=ask.esn, since_ns=ask.since_ns, times=ask.times, asked_ns=ask.asked_ns)
    )


def _store_last_seqs(db: sa.Connection, result: CommitResult, change: StatusChange) -> None:
    """Store the highest seq of each epoch; delete an RSU's epochs beyond the newest EPOCHS_MAX."""
    added = False
    for epoch, last_seq in change.last_seqs:
        row = (EPOCH.c.esn == change.id, EPOCH.c.epoch == epoch)
        grown = sa.case((EPOCH.c.last_seq > last_seq, EPOCH.c.last_seq), else_=last_seq)
        if db.execute(sa.update(EPOCH).where(*row).values(last_seq=grown)).rowcount == 0:
            db.execute(sa.insert(EPOCH).values(esn=change.id, epoch=epoch, last_seq=last_seq))
            added = True
    if not added:
        return
    own = EPOCH.c.esn == change.id
    newest = sa.select(EPOCH.c.epoch).where(own).order_by(EPOCH.c.epoch.desc())
    beyond = db.scalar(newest.offset(EPOCHS_MAX).limit(1))
    if beyond is not None:
        old = sa.delete(EPOCH).where(own, EPOCH.c.epoch <= beyond)
        result.counts["epoch.dropped"] += db.execute(old).rowcount
