"""The centre's only writer: puts batches and statuses into the database, once each, and says what it holds.

Blocking; it runs in one thread of its own. Everything given to one `commit` is one transaction.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import sqlalchemy as sa

from centre import statements as sql
from centre.batch_decoder import Batch, Item, Refused
from centre.commands import EPOCHS_MAX, Answer, Committed, StatusChange
from centre.faults import blame, reason_of, refused
from centre.store import EPOCH, FEED, QUARANTINE, STATUS
from centre.views.excess import excesses_m
from geofence.plausible import WITHHELD
from geofence.violation import GRADES, Violation

QUARANTINE_ROWS_MAX = 10_000
QUARANTINE_BODY_BYTES_MAX = 65_536
FEED_ROWS_MAX = 100_000
UNSTAMPED_MAX = 100  # commits whose time could not be written yet; of older ones it stays unknown


class Ledger:
    """Writes; see the module."""

    def __init__(self, engine: sa.Engine, now_ns: Callable[[], int]) -> None:
        self._engine = engine
        self._now_ns = now_ns
        self._unstamped: deque[Committed] = deque(maxlen=UNSTAMPED_MAX)
        # Rows of the feed up to here are final: their episodes carry the time of the commit, or it failed
        # to be written. A page's cursor stays below, so that it receives what the stamps change.
        self.settled_n = _newest_change(engine)

    def commit(self, batches: Sequence[Batch | Refused], statuses: Sequence[StatusChange]) -> Committed:
        """Commit all of it at once and return what is held now.

        An item, a batch or a status that the database does not take costs its neighbours nothing: it is
        quarantined alone. Raises SQLAlchemyError where the storage refuses (then nothing is stored), and
        SchemaError where the database is not of this version.
        """
        try:
            done = self._commit_in_parts(batches, statuses)
        except Exception as error:
            raise refused(error) from error
        done.committed_ns = self._now_ns()
        if done.keys:
            self._unstamped.append(done)
        self.settled_n = self._stamp(done)
        return done

    def _commit_in_parts(
        self, batches: Sequence[Batch | Refused], statuses: Sequence[StatusChange]
    ) -> Committed:
        """Commit all together, and where that fails through one item, whatever the error, one by one."""
        try:
            return self._commit(batches, statuses, _together)
        except Exception as error:
            if blame(error) != "item":
                raise
        return self._commit(batches, statuses, _alone)

    def _commit(
        self, batches: Sequence[Batch | Refused], statuses: Sequence[StatusChange], attempt: "Attempt"
    ) -> Committed:
        done = Committed()
        with self._engine.begin() as db:
            for batch in batches:
                if isinstance(batch, Refused):
                    attempt(db, done, partial(_refuse, batch=batch))
                    continue
                done.answers.append(_take(db, done, batch, attempt))
            for change in statuses:
                if attempt(db, done, partial(_keep_status, change=change)) is not None:
                    done.counts["status.unstorable"] += 1
            _trim(db, done)
            done.feed_n = db.scalar(sql.NEWEST_NUMBER[FEED.name]) or 0
        return done

    def _stamp(self, newest: Committed) -> int:
        """Write when each transaction was over, and return the newest row of the feed.

        Where that fails it is done after the next one, and the episodes are announced again: pages have them
        without. A crash in between only loses this time, not the violation.
        """
        if not self._unstamped:
            return newest.feed_n
        try:
            with self._engine.begin() as db:
                for done in self._unstamped:
                    ids = _write_stamps(db, done)
                    for violation_id in ids if done is not newest else ():
                        _announce(db, violation_id)
                feed_n: int = db.scalar(sql.NEWEST_NUMBER[FEED.name]) or 0
        except Exception as error:  # what is committed is to be answered all the same
            newest.counts["stamp.failed"] += 1
            if blame(error) == "item":  # would never get better: these times stay unknown
                self._unstamped.clear()
            return newest.feed_n
        self._unstamped.clear()
        return feed_n


def _newest_change(engine: sa.Engine) -> int:
    try:
        with engine.begin() as db:
            return db.scalar(sql.NEWEST_NUMBER[FEED.name]) or 0
    except Exception as error:
        raise refused(error) from error


Step = Callable[[sa.Connection, Committed], None]
Attempt = Callable[[sa.Connection, Committed, Step], Exception | None]


def _together(db: sa.Connection, done: Committed, step: Step) -> None:
    """Do a step as part of the whole, which fails with it."""
    step(db, done)


def _alone(db: sa.Connection, done: Committed, step: Step) -> Exception | None:
    """Do a step under a savepoint; where it fails through its own fault, nothing is done and this is why."""
    trial = Committed()
    try:
        with db.begin_nested():
            step(db, trial)
    except Exception as error:
        if blame(error) != "item":
            raise
        return error
    done.counts.update(trial.counts)
    done.keys += trial.keys
    return None


def _write_stamps(db: sa.Connection, done: Committed) -> list[str]:
    """Write the time of one commit; return the ids of its episodes."""
    at_ns = done.committed_ns
    stamps = [{"k_id": k[0], "k_version": k[1], "k_esn": k[2], "at_ns": at_ns} for k in done.keys]
    db.execute(sql.STAMP_VERSION, stamps)
    ids = list(dict.fromkeys(key[0] for key in done.keys))
    db.execute(sql.STAMP_EPISODE, [{"k_id": each, "at_ns": at_ns} for each in ids])
    return ids


def _announce(db: sa.Connection, violation_id: str) -> None:
    """Put an episode into the feed at the version that it shows."""
    shown = db.execute(sql.FIND_EPISODE, {"k_id": violation_id}).one()
    feed = {"kind": "violation", "key": violation_id, "version": shown.version, "esn": shown.esn}
    db.execute(sql.ADD_FEED, feed)


def _take(db: sa.Connection, done: Committed, batch: Batch, attempt: Attempt) -> Answer:
    """Take a batch item by item, and return which of them are held or conflict."""
    stored: list[int] = []
    conflict: list[int] = []
    seqs = [item.seq for item in batch.items]
    found = db.execute(sql.FIND_KEYS, {"k_esn": batch.esn, "k_epoch": batch.epoch, "k_seqs": seqs})
    keys = {row.seq: row.sha256 for row in found}
    for item in batch.items:
        take = partial(_take_item, batch=batch, keys=keys, stored=stored, conflict=conflict)
        error = attempt(db, done, partial(take, item=item))
        if error is None:
            continue
        poison = replace(item, kind="unstorable", violation=None, reason=reason_of(error))
        if attempt(db, done, partial(take, item=poison)) is not None:
            done.counts["item.untakable"] += 1  # not acknowledged: its RSU keeps it
    for body, reason in batch.strays:
        attempt(db, done, partial(_keep_stray, batch=batch, body=body, reason=reason))
    return Answer(
        esn=batch.esn,
        epoch=batch.epoch,
        stored=tuple(dict.fromkeys(stored)),
        conflict=tuple(dict.fromkeys(conflict)),
    )


def _refuse(db: sa.Connection, done: Committed, *, batch: Refused) -> None:
    _quarantine(db, done, batch, None, None, batch.body, batch.reason)
    done.counts["batch.unreadable"] += 1


def _keep_stray(db: sa.Connection, done: Committed, *, batch: Batch, body: bytes, reason: str) -> None:
    _quarantine(db, done, batch, batch.epoch, None, body, reason)
    done.counts["item.stray"] += 1


def _take_item(
    db: sa.Connection,
    done: Committed,
    *,
    batch: Batch,
    item: Item,
    keys: dict[int, bytes],
    stored: list[int],
    conflict: list[int],
) -> None:
    """Store an item, or quarantine it for ever; in `conflict`: its key has other bytes.

    keys : what the batch's seqs hold already, kept up to date; changed last, since a savepoint may undo this
    """
    known = keys.get(item.seq)
    if known is not None and (item.kind == "void" or known == item.sha256):
        done.counts["item.repeated"] += 1  # a void never replaces an item
        stored.append(item.seq)
        return
    if known:
        _quarantine(db, done, batch, batch.epoch, item.seq, item.body, "conflict: the key holds other bytes")
        done.counts["item.conflict"] += 1
        conflict.append(item.seq)
        return
    if known is None:
        row = {"esn": batch.esn, "epoch": batch.epoch, "seq": item.seq, "received_ns": batch.received_ns}
        row |= {"sha256": item.sha256, "void": item.reason if item.kind == "void" else None}
        db.execute(sql.ADD_KEY, row)
    else:  # a void: an item replaces it
        at = {"k_esn": batch.esn, "k_epoch": batch.epoch, "k_seq": item.seq}
        db.execute(sql.REPLACE_VOID, at | {"new_sha256": item.sha256, "new_received_ns": batch.received_ns})
    if item.violation is None:
        done.counts[f"item.{item.kind}"] += 1
        if item.kind != "void" or (item.reason or "").startswith(WITHHELD):
            _quarantine(db, done, batch, batch.epoch, item.seq, item.body, f"{item.kind}: {item.reason}")
    else:
        _take_version(db, done, batch, item, item.violation)
    keys[item.seq] = item.sha256
    stored.append(item.seq)


def _take_version(db: sa.Connection, done: Committed, batch: Batch, item: Item, found: Violation) -> None:
    known = db.scalar(sql.FIND_VERSION, {"k_id": found.id, "k_version": found.version, "k_esn": found.esn})
    if known == item.sha256:
        done.counts["violation.resent"] += 1  # under a new epoch's key
        return
    if known is not None:
        _quarantine(
            db, done, batch, batch.epoch, item.seq, item.body, f"contradicts {found.id} v{found.version}"
        )
        done.counts["violation.contradicting"] += 1
        return
    row = {
        "id": found.id, "version": found.version, "esn": found.esn, "hop": found.hop,
        "grade": GRADES.index(found.grade), "body": item.body, "sha256": item.sha256, "epoch": batch.epoch,
        "seq": item.seq, "decided_ns": None if found.stamps.by is not None else found.stamps.arrived_ns,
        "detected_ns": item.detected_ns, "sent_ns": item.sent_ns, "received_ns": batch.received_ns,
    }  # fmt: skip
    db.execute(sql.ADD_VERSION, row)
    done.keys.append((found.id, found.version, found.esn))
    done.counts["violation.stored"] += 1
    _show(db, done, batch, found)


def _show(db: sa.Connection, done: Committed, batch: Batch, found: Violation) -> None:
    """Let the episode's row show its newest version: the highest (hop, version).

    A `handover_lost` close gives way to any higher hop by that order alone, whichever comes first. Every
    change is announced: an overtaken version too can raise the row's maxima, and makes a record an alarm.
    """
    grade = GRADES.index(found.grade)
    excesses = excesses_m(found.rule, found.grade, found.evidence, found.start_ns, found.end_ns)
    shown = db.execute(sql.FIND_EPISODE, {"k_id": found.id}).first()
    newest: dict[str, object] = {
        "version": found.version, "hop": found.hop, "esn": found.esn, "open": found.phase != "close",
        "grade": grade, "rule": found.rule,
    }  # fmt: skip
    if shown is None:
        first: dict[str, object] = {
            "grade_max": grade, "versions": 1, "first_received_ns": batch.received_ns,
            "excess_m_max": max(excesses, default=None), "p_violation_max": found.p_violation,
        }  # fmt: skip
        db.execute(sql.ADD_EPISODE, {"id": found.id} | first | newest)
        overtaken = False
    else:
        overtaken = (found.hop, found.version) <= (shown.hop, shown.version)
        deepest = excesses if shown.excess_m_max is None else [*excesses, shown.excess_m_max]
        changed: dict[str, object] = {
            "k_id": found.id, "new_grade_max": max(shown.grade_max, grade),
            "new_excess_m_max": max(deepest, default=None),
            "new_p_violation_max": max(shown.p_violation_max, found.p_violation),
        }  # fmt: skip
        renewed = {f"new_{name}": newest[name] for name in sql.NEWEST}
        db.execute(
            sql.COUNT_EPISODE if overtaken else sql.RENEW_EPISODE, changed if overtaken else changed | renewed
        )
    if overtaken:
        done.counts["violation.overtaken"] += 1
    source = shown if shown is not None and overtaken else found
    feed = {"kind": "violation", "key": found.id, "version": source.version, "esn": source.esn}
    db.execute(sql.ADD_FEED, feed)


def _keep_status(db: sa.Connection, done: Committed, change: StatusChange) -> None:
    at = (STATUS.c.kind == change.kind, STATUS.c.id == change.id)
    values: dict[str, int | bytes] = {
        "epoch": change.epoch,
        "connection": change.connection,
        "since_ns": change.since_ns,
    }
    values |= {"body": change.body}
    if db.execute(sa.update(STATUS).where(*at).values(**values)).rowcount == 0:
        db.execute(sa.insert(STATUS).values(kind=change.kind, id=change.id, **values))
    _keep_last_seqs(db, done, change)
    if change.announce:
        db.execute(sql.ADD_FEED, {"kind": change.kind, "key": change.id})


def _keep_last_seqs(db: sa.Connection, done: Committed, change: StatusChange) -> None:
    """Keep the highest seq of each epoch; of an RSU that names ever new ones only the newest epochs."""
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
        done.counts["epoch.dropped"] += db.execute(old).rowcount


def _quarantine(
    db: sa.Connection,
    done: Committed,
    source: Batch | Refused,
    epoch: int | None,
    seq: int | None,
    body: bytes,
    reason: str,
) -> None:
    """Keep what can't be stored for the operator to see, the same bytes of the same sender once."""
    sha256 = hashlib.sha256(body).digest()
    same = sa.select(QUARANTINE.c.n).where(
        QUARANTINE.c.sha256 == sha256, QUARANTINE.c.topic == source.topic,
        QUARANTINE.c.epoch.is_not_distinct_from(epoch), QUARANTINE.c.seq.is_not_distinct_from(seq),
    )  # fmt: skip
    if db.scalar(same.limit(1)) is not None:
        done.counts["quarantine.repeated"] += 1
        return
    db.execute(
        sa.insert(QUARANTINE).values(
            received_ns=source.received_ns, topic=source.topic[:200], esn=source.esn, epoch=epoch, seq=seq,
            reason=reason[:200], sha256=sha256, size_bytes=len(body), body=body[:QUARANTINE_BODY_BYTES_MAX],
        )
    )  # fmt: skip
    done.counts["quarantine.kept"] += 1


def _trim(db: sa.Connection, done: Committed) -> None:
    """Forget the oldest beyond the tables' limits."""
    for table, rows_max in ((QUARANTINE, QUARANTINE_ROWS_MAX), (FEED, FEED_ROWS_MAX)):
        newest = db.scalar(sql.NEWEST_NUMBER[table.name]) or 0
        if newest <= rows_max:
            continue
        dropped = db.execute(sa.delete(table).where(table.c.n <= newest - rows_max)).rowcount
        if dropped:
            done.counts[f"{table.name}.dropped"] += dropped
