"""The append-only log of acts: each row's digest covers the row before it. Blocking."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from centre import postgresql
from centre.accounts.actor import Actor
from centre.audit.chain import digest_of
from centre.audit.tables import AUDIT

LOCK = "audit"  # of whoever adds a row, where several processes write
ROWS_AT_ONCE = 1_000
FIELDS = ("n", "at_ns", "user", "role", "act", "subject")  # that a digest covers, with the body
_encode = msgspec.json.Encoder(order="sorted").encode
_last = sa.select(AUDIT.c.n, AUDIT.c.sha256).order_by(AUDIT.c.n.desc()).limit(1)


class Act(NamedTuple):
    """What somebody did."""

    at_ns: int
    actor: Actor | None  # None: the centre itself
    act: str
    subject: str
    body: Mapping[str, Any] = {}


class Fault(NamedTuple):
    """The first row that doesn't fit."""

    n: int
    reason: str


def append(db: sa.Connection, act: Act) -> int:
    """Add an act in the transaction of what it does; return its number."""
    if postgresql.is_postgresql(db):
        postgresql.lock(db, (LOCK,))
    last = db.execute(_last).first()
    before = b"" if last is None else last.sha256
    row: dict[str, Any] = {
        "at_ns": act.at_ns,
        "user": "" if act.actor is None else act.actor.name,
        "role": "" if act.actor is None else act.actor.role,
        "act": act.act,
        "subject": act.subject,
        "body": _encode(dict(act.body)),
    }
    # the number is part of the digest: it is given here, as the table would
    row["n"] = 1 if last is None else last.n + 1
    row["sha256"] = _digest(before, row)
    db.execute(sa.insert(AUDIT).values(row))
    n: int = row["n"]
    return n


def check(db: sa.Connection) -> Fault | None:
    """Return the first row that was changed, taken out or put in; None where the chain is whole.

    Rows that were taken from the end leave no trace in the table: compare with a number and digest that were
    written down elsewhere (`head`).
    """
    before: bytes = b""
    expected = 1
    for row in rows(db):
        if row["n"] != expected:
            return Fault(expected, f"is missing: row {row['n']} follows")
        if row["sha256"] != _digest(before, row):
            return Fault(row["n"], "was changed: its digest does not fit")
        before, expected = row["sha256"], row["n"] + 1
    return None


def head(db: sa.Connection) -> tuple[int, bytes]:
    """Return number and digest of the newest row; (0, b"") of an empty log."""
    last = db.execute(_last).first()
    return (0, b"") if last is None else (last.n, last.sha256)


def rows(db: sa.Connection) -> Iterator[Mapping[str, Any]]:
    """Yield the whole log, oldest first, without holding more than a part of it."""
    after = 0
    while True:
        query = sa.select(AUDIT).where(AUDIT.c.n > after).order_by(AUDIT.c.n).limit(ROWS_AT_ONCE)
        found = db.execute(query).mappings().all()
        if not found:
            return
        for row in found:
            yield dict(row)
        after = found[-1]["n"]


def _digest(before: bytes, row: Mapping[str, Any]) -> bytes:
    return digest_of(before, [row[name] for name in FIELDS], row["body"])
