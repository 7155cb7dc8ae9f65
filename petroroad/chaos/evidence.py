"""Reads what a run left: copies of outboxes, recordings, the centre's database, what was heard on the wire.

With sqlite3, raw MessagePack and the mcap library only: a reader of the product may share its faults.
"""

import sqlite3
import struct
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path

import msgspec
from mcap.exceptions import McapError
from mcap.records import Channel, Message
from mcap.stream_reader import StreamReader

from petroroad.chaos.checker import UNREADABLE, identity_of
from petroroad.chaos.history import History, Recorded, Stored
from petroroad.chaos.ledger import Connect, figure

CUT_OFF = (McapError, EOFError, OSError, ValueError, struct.error)  # a file that a kill cut off ends anywhere
UP = "/violation/up"  # how the topic of batches ends


def read_outbox(path: Path, esn: str, history: History) -> list[tuple[str, int, int]]:
    """Add what a copied outbox proves to have been raised; return its unacknowledged keys.

    One that can't be read is returned as a key of its own: nobody knows it to be empty.
    """
    try:
        with closing(sqlite3.connect(path)) as db:
            last_seqs = db.execute("SELECT epoch, last_seq FROM epoch").fetchall()
            rows = db.execute("SELECT epoch, seq, violation FROM item").fetchall()
    except sqlite3.Error:
        return [(esn, -1, -1)]
    for epoch, last_seq in last_seqs:
        known = history.last_seqs.get((esn, epoch), 0)
        history.last_seqs[esn, epoch] = max(known, last_seq)
    for epoch, seq, body in rows:
        if body is not None:
            history.bodies[esn, epoch, seq] = bytes(body)
    return [(esn, epoch, seq) for epoch, seq, _ in rows]


def n_waiting(path: Path) -> int | None:
    """Return how many items an outbox in use holds; None where it can't be read now."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1.0)) as db:
            found: int = db.execute("SELECT count(*) FROM item").fetchone()[0]
            return found
    except sqlite3.Error:
        return None


def n_stored(connect: Connect) -> int:
    """Return how many versions a centre in use holds; 0 where it can't be read now."""
    return figure(connect, "SELECT count(*) FROM violation_version") or 0


def newest_change(connect: Connect) -> int | None:
    """Return the number of the newest change of a violation at the centre; None where it can't be read."""
    return figure(connect, "SELECT coalesce(max(n), 0) FROM feed WHERE kind = 'violation'")


def read_recording(path: Path, history: History) -> None:
    """Add the violations of a recording, up to its last whole chunk."""
    topics: dict[int, str] = {}
    with path.open("rb") as file, suppress(*CUT_OFF):
        for record in StreamReader(file).records:
            if isinstance(record, Channel):
                topics[record.id] = record.topic
            elif isinstance(record, Message) and topics.get(record.channel_id, "").startswith("/violation/"):
                identity = identity_of(record.data)
                if identity is not None:
                    history.recorded.append(Recorded(identity, record.data, record.log_time))


def read_wire(heard: Iterable[tuple[str, bytes]], history: History) -> None:
    """Add the violations of the batches that were heard from RSUs of the site."""
    for topic, payload in heard:
        esn = topic.removesuffix(UP).rpartition("/")[2]
        if not topic.endswith(UP) or esn not in history.esns:
            continue
        with suppress(*UNREADABLE):
            batch = msgspec.msgpack.decode(payload)
            for item in batch["items"]:
                if item.get("violation"):
                    history.bodies.setdefault((esn, batch["epoch"], item["seq"]), item["violation"])


def read_centre(connect: Connect, history: History) -> None:
    """Add what the centre holds."""
    with connect() as db:
        for esn, epoch, seq, void in db.execute("SELECT esn, epoch, seq, void FROM transport"):
            history.transport[esn, epoch, seq] = void
        for name, version, esn, hop, body, detected_ns, committed_ns in db.execute(
            "SELECT id, version, esn, hop, body, detected_ns, committed_ns FROM violation_version"
        ):
            waited_ns = (committed_ns or detected_ns) - detected_ns
            history.stored.append(Stored((name, version, esn), hop, bytes(body), waited_ns))
        for name, hop, version, versions in db.execute("SELECT id, hop, version, versions FROM episode"):
            history.episodes.append((name, (hop, version), versions))
        history.feed += db.execute("SELECT n, key FROM feed WHERE kind = 'violation' ORDER BY n").fetchall()
