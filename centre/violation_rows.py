"""What one violation batch changes in the database, item by item: transport keys, versions, episodes."""

from dataclasses import replace
from functools import partial

import sqlalchemy as sa

from centre import statements as sql
from centre.attempts import Attempt
from centre.batch_decoder import Batch, Item
from centre.commands import Acknowledgement, CommitResult
from centre.faults import reason_of
from centre.quarantine import has_room, quarantine
from centre.views.excess import excesses_m
from edge.ask import LOST
from geofence.plausible import WITHHELD
from geofence.violation import GRADES, Violation


def store_batch(db: sa.Connection, result: CommitResult, batch: Batch, attempt: Attempt) -> Acknowledgement:
    """Store a batch item by item; return which items the database holds, and which conflict."""
    stored: list[int] = []
    conflict: list[int] = []
    seqs = [item.seq for item in batch.items]
    found = db.execute(sql.FIND_KEYS, {"k_esn": batch.esn, "k_epoch": batch.epoch, "k_seqs": seqs})
    keys = {row.seq: row.sha256 for row in found}
    for item in batch.items:
        store = partial(_store_item, batch=batch, keys=keys, stored=stored, conflict=conflict)
        error = attempt(db, result, partial(store, item=item))
        if error is None:
            continue
        unstorable = replace(item, kind="unstorable", violation=None, reason=reason_of(error))
        if attempt(db, result, partial(store, item=unstorable)) is not None:
            result.counts["item.untakable"] += 1  # not acknowledged: its RSU keeps it
    for body, reason in batch.strays:
        attempt(db, result, partial(_quarantine_stray, batch=batch, body=body, reason=reason))
    return Acknowledgement(
        esn=batch.esn,
        epoch=batch.epoch,
        stored=tuple(dict.fromkeys(stored)),
        conflict=tuple(dict.fromkeys(conflict)),
    )


def _quarantine_stray(
    db: sa.Connection, result: CommitResult, *, batch: Batch, body: bytes, reason: str
) -> None:
    result.counts["item.stray"] += 1
    if has_room(result, batch):
        quarantine(db, result, batch, batch.epoch, None, body, reason)


def _store_item(
    db: sa.Connection,
    result: CommitResult,
    *,
    batch: Batch,
    item: Item,
    keys: dict[int, bytes],
    stored: list[int],
    conflict: list[int],
) -> None:
    """Store or quarantine an item; add its seq to `stored`, or where its key has other bytes to `conflict`.

    keys : SHA-256 by seq of what the database holds of this batch (empty: a void). It and the two lists are
        changed last: a failure before that undoes the step through its savepoint.
    """
    known = keys.get(item.seq)
    if known is not None and (item.kind == "void" or known == item.sha256):
        result.counts["item.repeated"] += 1  # a void never replaces an item
        stored.append(item.seq)
        return
    if known:
        result.counts["item.conflict"] += 1
        if has_room(result, batch):
            reason = "conflict: the key holds other bytes"
            quarantine(db, result, batch, batch.epoch, item.seq, item.body, reason)
        conflict.append(item.seq)
        return
    if not _may_add(db, result, batch, item, known):
        if item.kind == "void":
            stored.append(item.seq)  # it holds nothing that could be lost: its key stays a gap
        return
    if known is None:
        row = {"esn": batch.esn, "epoch": batch.epoch, "seq": item.seq, "received_ns": batch.received_ns}
        row |= {"sha256": item.sha256, "void": item.reason if item.kind == "void" else None}
        db.execute(sql.ADD_KEY, row)
    else:  # the key holds a void: an item replaces it
        at = {"k_esn": batch.esn, "k_epoch": batch.epoch, "k_seq": item.seq}
        db.execute(sql.REPLACE_VOID, at | {"new_sha256": item.sha256, "new_received_ns": batch.received_ns})
    if item.violation is None:
        result.counts[f"item.{item.kind}"] += 1
        if item.kind != "void" or (item.reason or "").startswith((WITHHELD, LOST)):
            quarantine(db, result, batch, batch.epoch, item.seq, item.body, f"{item.kind}: {item.reason}")
    else:
        _store_version(db, result, batch, item, item.violation)
    keys[item.seq] = item.sha256
    stored.append(item.seq)


def _may_add(db: sa.Connection, result: CommitResult, batch: Batch, item: Item, known: bytes | None) -> bool:
    """Return whether a new item gets a row: the voids of an RSU are limited, and what is only quarantined.

    Bytes that find no room in the quarantine now are not acknowledged, so the RSU sends them again.
    """
    if item.violation is not None:
        return True
    if item.kind != "void":
        return has_room(result, batch)
    if known is not None or result.limits.may_void(db, batch.esn):
        return True
    result.counts["item.void_unstored"] += 1
    return False


def _store_version(
    db: sa.Connection, result: CommitResult, batch: Batch, item: Item, found: Violation
) -> None:
    """Store one version of a violation; quarantine it where the same version has other bytes already."""
    known = db.scalar(sql.FIND_VERSION, {"k_id": found.id, "k_version": found.version, "k_esn": found.esn})
    if known == item.sha256:
        result.counts["violation.resent"] += 1  # the RSU sent it again in a new epoch, under another key
        return
    if known is not None:
        quarantine(
            db, result, batch, batch.epoch, item.seq, item.body, f"contradicts {found.id} v{found.version}"
        )
        result.counts["violation.contradicting"] += 1
        return
    row = {
        "id": found.id, "version": found.version, "esn": found.esn, "hop": found.hop,
        "grade": GRADES.index(found.grade), "body": item.body, "sha256": item.sha256, "epoch": batch.epoch,
        "seq": item.seq, "decided_ns": _decided_ns(found),
        "detected_ns": item.detected_ns, "sent_ns": item.sent_ns, "received_ns": batch.received_ns,
    }  # fmt: skip
    db.execute(sql.ADD_VERSION, row)
    result.keys.append((found.id, found.version, found.esn))
    result.counts["violation.stored"] += 1
    _update_episode(db, result, batch, found)


def _decided_ns(found: Violation) -> int | None:
    """Return the arrival that a latency is counted from; None where a tick decided, or long after."""
    return None if found.stamps.by is not None or found.late else found.stamps.arrived_ns


def _update_episode(db: sa.Connection, result: CommitResult, batch: Batch, found: Violation) -> None:
    """Show the newest version, the highest (hop, version), in the episode's row, and add a row to the feed.

    By that order any higher hop replaces a `handover_lost` close, whichever arrives first. An older version
    that arrives late gets a row of the feed too: it can raise the maxima and so turn a record into an alarm.
    """
    grade = GRADES.index(found.grade)
    excesses = excesses_m(found.rule, found.grade, found.evidence, found.start_ns, found.end_ns)
    newest: dict[str, object] = {
        "version": found.version, "hop": found.hop, "esn": found.esn, "open": found.phase != "close",
        "grade": grade, "rule": found.rule,
    }  # fmt: skip
    shown = db.execute(sql.FIND_EPISODE, {"k_id": found.id}).first()
    if shown is None:
        first: dict[str, object] = {
            "grade_max": grade, "versions": 1, "first_received_ns": batch.received_ns,
            "excess_m_max": max(excesses, default=None), "p_violation_max": found.p_violation,
        }  # fmt: skip
        db.execute(sql.ADD_EPISODE, {"id": found.id} | first | newest)
        _add_to_feed(db, found.id, found.version, found.esn)
        return
    deepest = excesses if shown.excess_m_max is None else [*excesses, shown.excess_m_max]
    changed: dict[str, object] = {
        "k_id": found.id, "new_grade_max": max(shown.grade_max, grade),
        "new_excess_m_max": max(deepest, default=None),
        "new_p_violation_max": max(shown.p_violation_max, found.p_violation),
    }  # fmt: skip
    if (found.hop, found.version) <= (shown.hop, shown.version):
        db.execute(sql.COUNT_EPISODE, changed)
        result.counts["violation.overtaken"] += 1
        _add_to_feed(db, found.id, shown.version, shown.esn)
    else:
        db.execute(sql.RENEW_EPISODE, changed | {f"new_{name}": newest[name] for name in sql.NEWEST})
        _add_to_feed(db, found.id, found.version, found.esn)


def announce(db: sa.Connection, violation_id: str) -> None:
    """Add an episode to the feed again, at the version that its row shows."""
    shown = db.execute(sql.FIND_EPISODE, {"k_id": violation_id}).one()
    _add_to_feed(db, violation_id, shown.version, shown.esn)


def _add_to_feed(db: sa.Connection, violation_id: str, version: int, esn: str) -> None:
    db.execute(sql.ADD_FEED, {"kind": "violation", "key": violation_id, "version": version, "esn": esn})
