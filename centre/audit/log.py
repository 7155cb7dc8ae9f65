"""The append-only log of acts: each row's digest covers the row before it. Blocking."""

from collections.abc import Iterator, Mapping
from itertools import islice
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


def as_stored(column: sa.ColumnElement[bytes], name: str) -> sa.Label[Any]:
    """Return a column of bytes as the database has it: SQLite keeps a text that somebody puts there."""
    return sa.type_coerce(column, sa.types.NullType()).label(name)


RAW = tuple(as_stored(each, each.name) if each.name in ("body", "sha256") else each for each in AUDIT.c)
_encode = msgspec.json.Encoder(order="sorted").encode
_last = sa.select(AUDIT.c.n, as_stored(AUDIT.c.sha256, "sha256")).order_by(AUDIT.c.n.desc()).limit(1)


class Act(NamedTuple):
    """What somebody did."""

    at_ns: int
    actor: Actor | None  # None: the centre itself
    act: str
    subject: str
    body: Mapping[str, Any] = {}


class Proven(NamedTuple):
    """Up to which row the chain was found whole, and the digest of that row."""

    n: int
    sha256: bytes


START = Proven(0, b"")


class Fault(NamedTuple):
    """The first row that doesn't fit."""

    n: int
    reason: str


def append(db: sa.Connection, act: Act) -> int:
    """Add an act in the transaction of what it does; return its number."""
    if postgresql.is_postgresql(db):
        postgresql.lock(db, (LOCK,))
    last = db.execute(_last).first()
    before = (None if last is None else bytes_of(last.sha256)) or b""
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
    row["sha256"] = digest_of(before, [row[name] for name in FIELDS], row["body"])
    db.execute(sa.insert(AUDIT).values(row))
    n: int = row["n"]
    return n


def check(db: sa.Connection) -> Fault | None:
    """Return the first row that was changed, taken out or put in; None where the chain is whole.

    Rows that were taken from the end leave no trace in the table: compare with a number and digest that were
    written down elsewhere (`head`).
    """
    found = verify(db, START)
    return found if isinstance(found, Fault) else None


def verify(db: sa.Connection, proven: Proven, rows_max: int | None = None) -> Proven | Fault:
    """Return up to which row the chain is whole, or the first row that doesn't fit.

    proven   : where to begin: the digest of that row must still be the same
    rows_max : how many rows to read; None: all
    """
    n, before = proven
    if proven != START:
        last = db.execute(sa.select(*RAW).where(AUDIT.c.n == n)).first()
        if last is None:
            return Fault(n, "is missing: the log was whole up to it")
        if bytes_of(last.sha256) != before:
            return Fault(n, "was changed: the log was whole up to it with another digest")
    for row in islice(rows(db, n), rows_max):
        if row["n"] != n + 1:
            return Fault(n + 1, f"is missing: row {row['n']} follows")
        digest = _digest(before, row)
        if digest is None or bytes_of(row["sha256"]) != digest:
            return Fault(row["n"], "was changed: its digest does not fit")
        n, before = row["n"], digest
    return Proven(n, before)


def head(db: sa.Connection) -> tuple[int, bytes]:
    """Return number and digest of the newest row; (0, b"") of an empty log."""
    last = db.execute(_last).first()
    return (0, b"") if last is None else (last.n, bytes_of(last.sha256) or b"")


def rows(db: sa.Connection, after: int = 0) -> Iterator[Mapping[str, Any]]:
    """Yield the log after a row, oldest first, without holding more than a part of it.

    A row that can't be read has its number only.
    """
    while True:
        query = sa.select(*RAW).where(AUDIT.c.n > after).order_by(AUDIT.c.n).limit(ROWS_AT_ONCE)
        found = list(each_row(db, query))
        for n, row in found:
            yield {"n": n} if row is None else dict(row._mapping)
        if not found:
            return
        after = found[-1][0]


def each_row(db: sa.Connection, query: sa.Select[Any]) -> Iterator[tuple[int, sa.Row[Any] | None]]:
    """Yield number and row of a query of the log; None for one whose text is no text any more.

    SQLite keeps whatever somebody writes into it with another program: one such row must not hide the others.
    """
    try:
        yield from ((row.n, row) for row in db.execute(query).all())
        return
    except sa.exc.DBAPIError as error:
        if not _is_undecodable(error):
            raise
    for n in db.scalars(query.with_only_columns(AUDIT.c.n, maintain_column_froms=True)).all():
        try:
            yield n, db.execute(query.where(AUDIT.c.n == n)).one()
        except sa.exc.DBAPIError as error:
            if not _is_undecodable(error):
                raise
            yield n, None


def _is_undecodable(error: sa.exc.DBAPIError) -> bool:
    return "could not decode" in str(error.orig).lower()


def bytes_of(value: object) -> bytes | None:
    """Return what a column of bytes holds; None where somebody has put something else there."""
    return bytes(value) if isinstance(value, (bytes, memoryview)) else None


def _digest(before: bytes, row: Mapping[str, Any]) -> bytes | None:
    """Return the digest that a row ought to have; None where it is no row any more."""
    body = bytes_of(row.get("body"))
    return None if body is None else digest_of(before, [row[name] for name in FIELDS], body)
