"""The quarantine: bytes that can't be stored, for the operator to see; and the limits of the tables."""

import hashlib
from collections import Counter

import sqlalchemy as sa

from centre import statements as sql
from centre.batch_decoder import Batch, UnreadableBatch
from centre.commands import CommitResult
from centre.store import QUARANTINE

QUARANTINE_ROWS_MAX = 10_000
SENDER_ROWS_MAX = 1_000  # of one RSU, the newest
QUARANTINE_BODY_BYTES_MAX = 65_536
FEED_ROWS_MAX = 100_000


def quarantine(
    db: sa.Connection,
    result: CommitResult,
    source: Batch | UnreadableBatch,
    epoch: int | None,
    seq: int | None,
    body: bytes,
    reason: str,
) -> None:
    """Keep bytes that can't be stored, for the operator to see; the same bytes under one key are kept once.

    source : the message that held them.  epoch, seq : their transport key as far as it is known
    """
    sha256 = hashlib.sha256(body).digest()
    same = sa.select(QUARANTINE.c.n).where(
        QUARANTINE.c.sha256 == sha256, QUARANTINE.c.topic == source.topic,
        QUARANTINE.c.epoch.is_not_distinct_from(epoch), QUARANTINE.c.seq.is_not_distinct_from(seq),
    )  # fmt: skip
    if db.scalar(same.limit(1)) is not None:
        result.counts["quarantine.repeated"] += 1
        return
    db.execute(
        sa.insert(QUARANTINE).values(
            received_ns=source.received_ns, topic=source.topic[:200], esn=source.esn, epoch=epoch, seq=seq,
            reason=reason[:200], sha256=sha256, size_bytes=len(body), body=body[:QUARANTINE_BODY_BYTES_MAX],
        )
    )  # fmt: skip
    dropped = drop_excess(db, source.esn)
    if dropped:
        result.counts["quarantine.dropped"] += dropped
    result.counts["quarantine.kept"] += 1


def quarantine_message(db: sa.Connection, result: CommitResult, *, batch: UnreadableBatch) -> None:
    """Quarantine a whole message; nothing of it can be acknowledged."""
    result.counts["batch.unreadable"] += 1
    if has_room(result, batch):
        quarantine(db, result, batch, None, None, batch.body, batch.reason)


def has_room(result: CommitResult, source: Batch | UnreadableBatch) -> bool:
    """Return whether more bytes of this RSU may be kept now; where not, that is counted."""
    if result.limits.may_quarantine(source.esn, source.received_ns):
        return True
    result.counts["quarantine.full"] += 1
    return False


def drop_excess(db: sa.Connection, esn: str) -> int:
    """Delete an RSU's oldest rows beyond its limit; return how many."""
    own = QUARANTINE.c.esn == esn
    newest = sa.select(QUARANTINE.c.n).where(own).order_by(QUARANTINE.c.n.desc())
    beyond = db.scalar(newest.offset(SENDER_ROWS_MAX).limit(1))
    if beyond is None:
        return 0
    return db.execute(sa.delete(QUARANTINE).where(own, QUARANTINE.c.n <= beyond)).rowcount


def trim_table(db: sa.Connection, counts: Counter[str], table: sa.Table) -> int:
    """Delete the oldest rows of the quarantine or of the feed beyond its limit; return its newest number."""
    rows_max = QUARANTINE_ROWS_MAX if table is QUARANTINE else FEED_ROWS_MAX
    newest: int = db.scalar(sql.NEWEST_NUMBER[table.name]) or 0
    if newest > rows_max:
        dropped = db.execute(sa.delete(table).where(table.c.n <= newest - rows_max)).rowcount
        if dropped:
            counts[f"{table.name}.dropped"] += dropped
    return newest
