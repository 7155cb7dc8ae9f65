"""Faulty copies of the product: `python -m tests.chaos.mutants NAME WORDS…` is petroroad with one fault.

Each fault is put into the process by replacing a function, so the product has no switch for it. The checker
must find every one; otherwise its silence about the product proves nothing.
"""

import sys
import threading
from functools import wraps

import sqlalchemy as sa

from petroroad import numba_cache
from petroroad.__main__ import program

numba_cache.prepare()  # before a fault imports what declares kernels: they would be compiled anew


def acknowledge_before_commit():
    """The centre answers at once, and commits a second later."""
    from centre.batch_decoder import UnreadableBatch
    from centre.commands import Acknowledgement
    from centre.violation_writer import ViolationWriter

    commit, lock, late_s = ViolationWriter.commit, threading.Lock(), 1.0

    def commit_later(writer, batches):
        with lock:
            commit(writer, batches, ())

    @wraps(commit)
    def answered_first(self, batches, statuses, journeys=()):
        with lock:
            result = commit(self, (), statuses, journeys)
        whole = [batch for batch in batches if not isinstance(batch, UnreadableBatch)]
        for batch in whole:
            seqs = tuple(dict.fromkeys(item.seq for item in batch.items))
            result.acknowledgements.append(
                Acknowledgement(esn=batch.esn, epoch=batch.epoch, stored=seqs, conflict=())
            )
        if whole:
            timer = threading.Timer(late_s, commit_later, (self, whole))
            timer.daemon = True
            timer.start()
        return result

    ViolationWriter.commit = answered_first


def delete_before_ack():
    """The outbox takes a message that left for one that arrived."""
    from edge.outbox.outbox import Outbox
    from edge.wire import ViolationAck

    send_due = Outbox._send_due

    @wraps(send_due)
    def send_and_forget(self, send):
        send_due(self, send)
        for key in [key for key, item in self._waiting.items() if item.n_sent]:
            self.acknowledge(ViolationAck(centre="nobody", epoch=key.epoch, stored=(key.seq,)))

    Outbox._send_due = send_and_forget


def forget_cursor():
    """The feed begins at the present, whatever the page had last."""
    from centre import streams

    streams._cursor = lambda scope: None


def _after_store(change):
    """Call change(db, batch, known) after each batch; `known`: the keys that the database held before."""
    from centre import violation_rows, violation_writer

    store_batch = violation_rows.store_batch
    at_batch = sa.text("SELECT seq FROM transport WHERE esn = :esn AND epoch = :epoch")

    @wraps(store_batch)
    def stored(db, result, batch, attempt):
        known = set(db.scalars(at_batch, {"esn": batch.esn, "epoch": batch.epoch}))
        answer = store_batch(db, result, batch, attempt)
        change(db, batch, known)
        return answer

    for module in (violation_rows, violation_writer):
        module.store_batch = stored


def show_older():
    """The version that came last is shown, though a newer one is known."""
    newer = sa.text(
        "SELECT count(*) FROM violation_version WHERE id = :id"
        " AND (hop > :hop OR hop = :hop AND version > :version)"
    )
    show = sa.text("UPDATE episode SET hop = :hop, version = :version, esn = :esn WHERE id = :id")
    announce = sa.text("INSERT INTO feed (kind, key, version, esn) VALUES ('violation', :id, :version, :esn)")

    def change(db, batch, known):
        for item in batch.items:
            found = item.violation
            if found is not None:
                row = {"id": found.id, "hop": found.hop, "version": found.version, "esn": found.esn}
                if db.scalar(newer, row):
                    db.execute(show, row)
                    db.execute(announce, row)

    _after_store(change)


def insert_repeats():
    """A batch that comes again is taken for news."""
    count = sa.text("UPDATE episode SET versions = versions + 1 WHERE id = :id")
    announce = sa.text(
        "INSERT INTO feed (kind, key, version, esn) SELECT 'violation', id, version, esn FROM episode"
        " WHERE id = :id"
    )

    def change(db, batch, known):
        for item in batch.items:
            if item.violation is not None and item.seq in known:
                db.execute(count, {"id": item.violation.id})
                db.execute(announce, {"id": item.violation.id})

    _after_store(change)


def change_byte():
    """One violation in five is stored with another last digit of its speed."""
    read = sa.text("SELECT body FROM violation_version WHERE id = :id AND version = :version AND esn = :esn")
    write = sa.text(
        "UPDATE violation_version SET body = :body WHERE id = :id AND version = :version AND esn = :esn"
    )
    mark = b"\xa9speed_mps\xcb"

    def change(db, batch, known):
        for item in batch.items:
            found = item.violation
            if found is None or item.seq % 5:
                continue
            at = {"id": found.id, "version": found.version, "esn": found.esn}
            body = bytearray(db.scalar(read, at) or b"")
            i = body.find(mark) + len(mark) + 7
            if i < len(body):
                body[i] ^= 1
                db.execute(write, at | {"body": bytes(body)})

    _after_store(change)


def record_late():
    """The recording's chunk is closed by its beat alone, after the violation was committed and sent."""
    from edge.outbox.outbox import Outbox

    start = Outbox.start

    @wraps(start)
    def without_recording(self, *_, **__):
        start(self)

    Outbox.start = without_recording


MUTANTS = {  # name: (its fault, what the checker must count)
    "acknowledge_before_commit": (acknowledge_before_commit, "lost"),
    "delete_before_ack": (delete_before_ack, "lost"),
    "forget_cursor": (forget_cursor, "skipped"),
    "show_older": (show_older, "out_of_order"),
    "insert_repeats": (insert_repeats, "twice"),
    "change_byte": (change_byte, "altered"),
    "record_late": (record_late, "unrecorded"),
}


def main():
    """Put the fault in, then be petroroad."""
    name, *words = sys.argv[1:]
    MUTANTS[name][0]()
    sys.argv = ["petroroad", *words]
    program()


if __name__ == "__main__":
    main()
