"""What one violation batch changes in the database, item by item: transport keys, versions, episodes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import sqlalchemy as sa

from centre.attempts import Attempt
from centre.batch_decoder import Batch, Item
from centre.commands import Acknowledgement, CommitResult
from centre.faults import reason_of
from centre.quarantine import has_room, quarantine
from centre.statements import WARNING
from centre.transaction_rows import Rows
from centre.unset_clocks import righted
from centre.views.excess import excess_m_max
from edge.ask import LOST
from edge.latency import Delivered
from geofence.plausible import WITHHELD
from geofence.violation import GRADES, Violation


@dataclass(slots=True)
class _Answer:
    """Seqs of one batch for its acknowledgement."""

    stored: dict[int, None] = field(default_factory=dict)
    conflict: dict[int, None] = field(default_factory=dict)

    def of(self, batch: Batch) -> Acknowledgement:
        return Acknowledgement(
            esn=batch.esn, epoch=batch.epoch, stored=tuple(self.stored), conflict=tuple(self.conflict)
        )


def store_together(
    db: sa.Connection, result: CommitResult, batches: Sequence[Batch]
) -> list[Acknowledgement]:
    """Store batches with a few statements for all; return what the database holds of each."""
    rows = Rows(db)
    rows.load((batch, batch.items) for batch in batches)
    answers = []
    for batch in batches:
        answer = _Answer()
        for item in batch.items:
            _store_item(db, result, rows, batch, item, answer)
        for body, reason in batch.strays:
            _quarantine_stray(db, result, batch=batch, body=body, reason=reason)
        answers.append(answer.of(batch))
    rows.flush()
    result.changes += rows.changes.values()
    return answers


def store_alone(db: sa.Connection, result: CommitResult, batch: Batch, attempt: Attempt) -> Acknowledgement:
    """Store a batch item by item; return which items the database holds, and which conflict."""
    answer = _Answer()
    for item in batch.items:
        error = attempt(db, result, partial(_store_one, batch=batch, item=item, answer=answer))
        if error is None:
            continue
        unstorable = replace(item, kind="unstorable", violation=None, reason=reason_of(error))
        if attempt(db, result, partial(_store_one, batch=batch, item=unstorable, answer=answer)) is not None:
            result.counts["item.untakable"] += 1  # not acknowledged: its RSU keeps it
    for body, reason in batch.strays:
        attempt(db, result, partial(_quarantine_stray, batch=batch, body=body, reason=reason))
    return answer.of(batch)


def _store_one(db: sa.Connection, result: CommitResult, *, batch: Batch, item: Item, answer: _Answer) -> None:
    """Store an item with statements of its own; `answer` changes last, since an error undoes the others."""
    rows, found = Rows(db), _Answer()
    rows.load([(batch, [item])])
    _store_item(db, result, rows, batch, item, found)
    rows.flush()
    result.changes += rows.changes.values()
    answer.stored |= found.stored
    answer.conflict |= found.conflict


def _quarantine_stray(
    db: sa.Connection, result: CommitResult, *, batch: Batch, body: bytes, reason: str
) -> None:
    result.counts["item.stray"] += 1
    if has_room(result, batch):
        quarantine(db, result, batch, batch.epoch, None, body, reason)


def _store_item(
    db: sa.Connection, result: CommitResult, rows: Rows, batch: Batch, item: Item, answer: _Answer
) -> None:
    """Store or quarantine an item; answer its seq as stored, or as a conflict of bytes."""
    at = (batch.esn, batch.epoch, item.seq)
    known = rows.keys.get(at)
    if known is not None and (item.kind == "void" or known == item.sha256):
        result.counts["item.repeated"] += 1  # a void never replaces an item
        answer.stored[item.seq] = None
        return
    if known:
        result.counts["item.conflict"] += 1
        if has_room(result, batch):
            reason = "conflict: the key holds other bytes"
            quarantine(db, result, batch, batch.epoch, item.seq, item.body, reason)
        answer.conflict[item.seq] = None
        return
    if not _may_add(db, result, batch, item, known):
        if item.kind == "void":
            answer.stored[item.seq] = None  # it holds nothing that could be lost: its key stays a gap
        return
    if known is None:
        rows.add_key(at, item.sha256, item.reason if item.kind == "void" else None, batch.received_ns)
    else:  # the key holds a void: an item replaces it
        rows.replace_void(at, item.sha256, batch.received_ns)
    if item.violation is None:
        result.counts[f"item.{item.kind}"] += 1
        if item.kind != "void" or (item.reason or "").startswith((WITHHELD, LOST)):
            quarantine(db, result, batch, batch.epoch, item.seq, item.body, f"{item.kind}: {item.reason}")
    else:
        _store_version(db, result, rows, batch, item, item.violation)
    answer.stored[item.seq] = None


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
    db: sa.Connection, result: CommitResult, rows: Rows, batch: Batch, item: Item, found: Violation
) -> None:
    """Store one version of a violation; quarantine it where the same version has other bytes already."""
    known = rows.versions.get((found.id, found.version, found.esn))
    if known == item.sha256:
        result.counts["violation.resent"] += 1  # the RSU sent it again in a new epoch, under another key
        return
    if known is not None:
        quarantine(
            db, result, batch, batch.epoch, item.seq, item.body, f"contradicts {found.id} v{found.version}"
        )
        result.counts["violation.contradicting"] += 1
        return
    rows.add_version({
        "id": found.id, "version": found.version, "esn": found.esn, "hop": found.hop,
        "grade": GRADES.index(found.grade), "body": item.body, "sha256": item.sha256, "epoch": batch.epoch,
        "seq": item.seq, "decided_ns": _decided_ns(found, is_timed=item.is_clock_set),
        "detected_ns": item.detected_ns, "sent_ns": item.sent_ns, "received_ns": batch.received_ns,
    })  # fmt: skip
    rows.change_of(found.id).versions.append((found.version, found.esn))
    result.delivered.append(_delivered(batch, item, found))
    result.counts["violation.stored"] += 1
    if not item.is_clock_set:
        result.counts["violation.clock_unset"] += 1
        rows.shifts_ns[found.id, found.version, found.esn] = batch.received_ns - item.detected_ns
    _update_episode(result, rows, batch, found)


def _delivered(batch: Batch, item: Item, found: Violation) -> Delivered:
    received_ns, grade = batch.received_ns, found.grade if found.phase == "close" else None
    detected_ns, sent_ns = item.detected_ns or received_ns, item.sent_ns or received_ns
    return Delivered(
        batch.esn, found.stamps, found.late, detected_ns, sent_ns, received_ns, grade,
        is_timed=item.is_clock_set,
    )  # fmt: skip


def _decided_ns(found: Violation, *, is_timed: bool) -> int | None:
    """Return the arrival that a latency is counted from.

    None where a tick decided, or long after, or where the clock that showed it was never set.
    """
    is_timed = is_timed and found.stamps.by is None and not found.late
    return found.stamps.arrived_ns if is_timed else None


def _update_episode(result: CommitResult, rows: Rows, batch: Batch, found: Violation) -> None:
    """Show the newest version, the highest (hop, version), in the episode's row, and note the change.

    By that order any higher hop replaces a `handover_lost` close, whichever arrives first. An older version
    that arrives late is announced too: it can raise the maxima and so turn a record into an alarm.
    """
    grade = GRADES.index(found.grade)
    deepest_m = excess_m_max(found.rule, found.grade, found.evidence, found.start_ns, found.end_ns)
    newest: dict[str, object] = {
        "version": found.version, "hop": found.hop, "esn": found.esn, "open": found.phase != "close",
        "grade": grade, "rule": found.rule,
    }  # fmt: skip
    shown, change = rows.episodes.get(found.id), rows.change_of(found.id)
    shift_ns = rows.shifts_ns.get((found.id, found.version, found.esn))
    decided_ns = _decided_ns(found, is_timed=shift_ns is None) if grade >= WARNING else None
    sample = None if decided_ns is None else (decided_ns, found.esn)
    # it is searched by when it was, not by what a clock shows that was never set
    searched = found if shift_ns is None else righted(found, shift_ns)
    if shown is None:
        first: dict[str, object] = {
            "grade_max": grade, "versions": 1, "first_received_ns": batch.received_ns,
            "excess_m_max": deepest_m, "p_violation_max": found.p_violation,
        }  # fmt: skip
        rows.write_episode(found.id, first | newest)
        rows.write_key(searched, is_newest=True)
        change.is_new, change.sample = True, sample
        change.shown.append((found.version, found.esn))
        return
    is_overtaken = (found.hop, found.version) <= (shown["hop"], shown["version"])
    # one that is newer than all others is not the first of them, from which the latency is
    has_sample = change.sample is not None or shown["latency_ns"] is not None
    change.has_sample |= sample is not None and (is_overtaken or not has_sample)
    lengths_m = [each for each in (deepest_m, shown["excess_m_max"]) if each is not None]
    changed: dict[str, object] = {
        "grade_max": max(shown["grade_max"], grade), "versions": shown["versions"] + 1,
        "excess_m_max": max(lengths_m, default=None),
        "p_violation_max": max(shown["p_violation_max"], found.p_violation),
    }  # fmt: skip
    if is_overtaken:
        result.counts["violation.overtaken"] += 1
    else:
        changed |= newest
    rows.write_episode(found.id, changed)
    rows.write_key(searched, is_newest=not is_overtaken)
    change.shown.append((shown["version"], shown["esn"]))
