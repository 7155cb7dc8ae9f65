"""What an evidence file is made of, from the database; and the rows of the files themselves. Blocking."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from centre.accounts.actor import Actor
from centre.audit.log import Act, append
from centre.audit.tables import AUDIT
from centre.evidence.manifest import AuditRow, Missing
from centre.evidence_tables import EVIDENCE
from centre.store import VERSION

WAITING_MAX = 32  # files that wait to be made
ACTS_MAX = 1_000  # of one violation
LOCK = "evidence"


class StoredBody(NamedTuple):
    """One committed version: its row of VERSION."""

    id: str
    version: int
    esn: str
    hop: int
    body: bytes
    sha256: bytes
    epoch: int
    seq: int
    detected_ns: int
    sent_ns: int
    received_ns: int
    committed_ns: int | None
    decided_ns: int | None


class FullError(Exception):
    """Too many files wait already."""


def versions_of(db: sa.Connection, violation: str) -> list[StoredBody]:
    """Return all versions in the order in which they follow each other."""
    columns = [VERSION.c[name] for name in StoredBody._fields]
    query = sa.select(*columns).where(VERSION.c.id == violation)
    rows = db.execute(query.order_by(VERSION.c.hop, VERSION.c.version, VERSION.c.esn)).all()
    return [StoredBody(*row) for row in rows]


def acts_of(db: sa.Connection, violation: str) -> list[AuditRow]:
    """Return the acts whose subject is a violation, each with the digest before it."""
    query = sa.select(AUDIT).where(AUDIT.c.subject == violation).order_by(AUDIT.c.n).limit(ACTS_MAX)
    return [_audit_row(db, row) for row in db.execute(query)]


def audit_row(db: sa.Connection, n: int) -> AuditRow:
    """Return one row of the log."""
    return _audit_row(db, db.execute(sa.select(AUDIT).where(AUDIT.c.n == n)).one())


def _audit_row(db: sa.Connection, row: Any) -> AuditRow:
    before = db.scalar(sa.select(AUDIT.c.sha256).where(AUDIT.c.n == row.n - 1)) or b""
    return AuditRow(
        n=row.n, at_ns=row.at_ns, user=row.user, role=row.role, act=row.act, subject=row.subject,
        body=row.body.decode(), before=before.hex(), sha256=row.sha256.hex(),
    )  # fmt: skip


def ask(db: sa.Connection, violation: str, actor: Actor, now_ns: int) -> tuple[dict[str, Any], bool]:
    """Return the row of a file that waits to be made, and whether it is new; raises FullError."""
    waiting = EVIDENCE.c.state == "waiting"
    found = (
        db.execute(sa.select(EVIDENCE).where(waiting, EVIDENCE.c.violation == violation)).mappings().first()
    )
    if found is not None:
        return dict(found), False
    if (db.scalar(sa.select(sa.func.count()).select_from(EVIDENCE).where(waiting)) or 0) >= WAITING_MAX:
        raise FullError
    key = str(uuid.uuid4())
    values = {"id": key, "violation": violation, "state": "waiting", "user": actor.name, "asked_ns": now_ns}
    db.execute(sa.insert(EVIDENCE).values(values))
    append(db, Act(now_ns, actor, "evidence_ask", violation, {"job": key}))
    return job(db, key) or {}, True


def job(db: sa.Connection, key: str) -> dict[str, Any] | None:
    """Return one file's row."""
    found = db.execute(sa.select(EVIDENCE).where(EVIDENCE.c.id == key)).mappings().first()
    return None if found is None else dict(found)


def jobs_of(db: sa.Connection, violation: str, limit: int = 20) -> list[dict[str, Any]]:
    """Return the files of a violation, newest first."""
    query = sa.select(EVIDENCE).where(EVIDENCE.c.violation == violation)
    rows = db.execute(query.order_by(EVIDENCE.c.n.desc()).limit(limit)).mappings()
    return [dict(row) for row in rows]


def waiting(db: sa.Connection) -> list[dict[str, Any]]:
    """Return the files that are still to be made, oldest first: a restart continues them."""
    query = sa.select(EVIDENCE).where(EVIDENCE.c.state == "waiting").order_by(EVIDENCE.c.n)
    return [dict(row) for row in db.execute(query).mappings()]


def held(db: sa.Connection) -> list[dict[str, Any]]:
    """Return the files that lie on the disk, oldest first."""
    query = sa.select(EVIDENCE).where(EVIDENCE.c.state == "ready").order_by(EVIDENCE.c.n)
    return [dict(row) for row in db.execute(query).mappings()]


def seal(db: sa.Connection, violation: str, body: Mapping[str, Any], act: str, now_ns: int) -> AuditRow:
    """Add the act that names a file's members; return its row, the head of the log then."""
    return audit_row(db, append(db, Act(now_ns, None, act, violation, body)))


def finish(
    db: sa.Connection, key: str, made_ns: int, n_bytes: int, sha256: bytes, missing: Sequence[Missing]
) -> None:
    """Note that a file is ready."""
    values = {
        "state": "ready", "made_ns": made_ns, "n_bytes": n_bytes, "sha256": sha256,
        "missing": msgspec.json.encode(list(missing)),
    }  # fmt: skip
    _update(db, key, values)


def fail(db: sa.Connection, key: str, fault: str) -> None:
    """Note why there is no file."""
    _update(db, key, {"state": "failed", "fault": fault[:300]})


def delete(db: sa.Connection, key: str, violation: str, why: str, now_ns: int) -> None:
    """Note that a file was deleted, and why."""
    _update(db, key, {"state": "deleted", "fault": why[:300]})
    append(db, Act(now_ns, None, "evidence_deleted", violation, {"job": key, "why": why}))


def _update(db: sa.Connection, key: str, values: Mapping[str, Any]) -> None:
    db.execute(sa.update(EVIDENCE).where(EVIDENCE.c.id == key).values(**values))
