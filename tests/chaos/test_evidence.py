"""What the product writes is read back without its code: outbox, recording, batches; also cut off."""

import sqlite3

import pytest

from centre.batch_decoder import decode_batch
from centre.store import open_database
from centre.violation_writer import ViolationWriter
from edge import topics
from edge.recording.recorder import Recorder
from edge.wire import ViolationBatch, ViolationItem, encode
from geofence import violation as codec
from petroroad.chaos.evidence import (
    n_stored,
    n_waiting,
    newest_change,
    read_centre,
    read_outbox,
    read_recording,
    read_wire,
)
from petroroad.chaos.fleet import copy_outbox
from petroroad.chaos.history import History
from petroroad.chaos.ledger import sqlite_ledger
from tests.support.centre_samples import T0_NS, item, payload, violation
from tests.support.outbox_end import NS, running, until

pytestmark = pytest.mark.anyio

ESN = "RSU001"
NS_A_SECOND = 1_000_000_000
BODIES = [codec.encode(violation(1, version=version)) for version in (1, 2, 3)]


async def test_an_outbox_shows_what_was_raised_and_what_waits(tmp_path):
    history = History((ESN,))
    path = tmp_path / "outbox" / f"{ESN}.sqlite"
    async with running(path) as (outbox, wire):
        for body in BODIES:
            outbox.put(body, NS, "e", None)
        await until(lambda: len(wire.keys()) == 3)
        assert n_waiting(path) == 3
        wire.ack(outbox)
        outbox.put(BODIES[0], NS, "e", None)
        await until(lambda: n_waiting(path) == 1)
        copy_outbox(path.parent, tmp_path / "copy")  # in use, as the files of a killed process are
        epoch = outbox.epoch
    assert read_outbox(tmp_path / "copy" / path.name, ESN, history) == [(ESN, epoch, 4)]
    assert history.last_seqs == {(ESN, epoch): 4}
    assert history.bodies == {(ESN, epoch, 4): BODIES[0]}


def test_an_outbox_that_can_not_be_read_is_not_taken_for_an_empty_one(tmp_path):
    (tmp_path / "bad.sqlite").write_bytes(b"no database" * 1_000)
    sqlite3.connect(tmp_path / "empty.sqlite").close()
    for name in ("bad", "empty", "missing"):
        assert read_outbox(tmp_path / f"{name}.sqlite", ESN, History((ESN,))) == [(ESN, -1, -1)]
    assert n_waiting(tmp_path / "bad.sqlite") is None


def test_a_recording_is_read_up_to_where_a_kill_cut_it_off(tmp_path):
    path = tmp_path / "a.mcap"
    recorder = Recorder(path)
    for i, body in enumerate(BODIES):
        recorder.write(f"/violation/{ESN}", body, NS + i)
        recorder.write(f"/tracks/{ESN}", body, NS + i)
        recorder.close_chunk()
    history = History((ESN,))
    read_recording(path, history)  # never closed
    recorder.close()
    assert [one.body for one in history.recorded] == BODIES
    assert [one.identity[1] for one in history.recorded] == [1, 2, 3]
    assert [one.log_ns for one in history.recorded] == [NS, NS + 1, NS + 2]
    whole = path.read_bytes()
    for n_bytes in (0, 5, len(whole) // 3, len(whole) // 2):
        path.write_bytes(whole[:n_bytes])
        history = History((ESN,))
        read_recording(path, history)
        assert len(history.recorded) < 3


def test_batches_are_read_from_the_wire_whatever_else_is_said_there():
    stamps = {"detected_ns": NS, "sent_ns": NS}
    items = tuple(ViolationItem(seq=i + 1, violation=BODIES[i], **stamps) for i in range(3))
    batch = encode(ViolationBatch(epoch=7, items=(*items, ViolationItem(seq=4, void="why"))))
    history = History((ESN,))
    noise = [b"", b"\x88\x91", b"\x91" * 5_000, b"\xc1", encode(ViolationBatch(epoch=7, items=items))[:50]]
    up = topics.violation_up(ESN)
    read_wire([*((up, body) for body in noise), (up, batch), (topics.violation_up("X"), batch)], history)
    assert history.bodies == {(ESN, 7, seq): body for seq, body in enumerate(BODIES, 1)}


def test_the_centres_database_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "centre.sqlite"
    engine = open_database(f"sqlite:///{path}")
    first, second = violation(1), violation(1, version=2, grade="violation")
    body = payload(7, item(1, first), item(2, "lost: a damaged page"), item(3, second))
    ViolationWriter(engine, lambda: T0_NS + NS_A_SECOND).commit(
        [decode_batch(topics.violation_up(ESN), ESN, body, T0_NS)], []
    )
    engine.dispose()
    history = History((ESN,))
    read_centre(sqlite_ledger(path), history)
    assert history.transport == {(ESN, 7, 1): None, (ESN, 7, 2): "lost: a damaged page", (ESN, 7, 3): None}
    assert [(one.identity, one.hop, one.body) for one in history.stored] == [
        ((first.id, 1, ESN), 0, codec.encode(first)),
        ((second.id, 2, ESN), 0, codec.encode(second)),
    ]
    assert all(0 < one.waited_ns < NS_A_SECOND for one in history.stored)
    assert history.episodes == [(first.id, (0, 2), 2)]
    assert [name for _, name in history.feed] == [first.id, first.id]
    assert (newest_change(sqlite_ledger(path)), n_stored(sqlite_ledger(path))) == (history.feed[-1][0], 2)
    none = sqlite_ledger(tmp_path / "none")
    assert (newest_change(none), n_stored(none)) == (None, 0)
