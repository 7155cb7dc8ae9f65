"""Sessions and failed sign-ins in the database; each function is part of a transaction. Blocking."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import sqlalchemy as sa

from centre.access import account_rows
from centre.access.account_rows import By
from centre.access.errors import WaitError, WrongPasswordError
from centre.accounts import waits
from centre.accounts.actor import Actor
from centre.accounts.tables import ACCOUNT, ATTEMPT, SESSION
from centre.audit.log import Act, append

SESSIONS_OF_ACCOUNT_MAX = 16  # the oldest ends where one more begins
ATTEMPTS_MAX = 10_000  # keys of failed sign-ins; the oldest go first


class StoredSession(NamedTuple):
    """A session without its token."""

    sha256: bytes
    name: str
    generation: int
    created_ns: int
    seen_ns: int
    desk: str


class Try(NamedTuple):
    """A sign-in that is being checked: it counts as failed until it has succeeded."""

    name: str
    address: str
    key: str  # under which the account's failures count for this address
    hash: str | None  # None: an unknown name
    generation: int
    at_ns: int


_columns = [SESSION.c[name] for name in StoredSession._fields]


def sessions(db: sa.Connection) -> list[StoredSession]:
    """Return all sessions whose account is as it was at their sign-in."""
    if not sa.inspect(db).has_table(SESSION.name):
        return []
    live = sa.select(*_columns).join(ACCOUNT, ACCOUNT.c.name == SESSION.c.name)
    live = live.where(ACCOUNT.c.generation == SESSION.c.generation, ACCOUNT.c.disabled.is_(False))
    return [StoredSession(*row) for row in db.execute(live)]


def check_wait(db: sa.Connection, name: str, address: str, now_ns: int) -> None:
    """Raise WaitError where a sign-in has to wait; reads only, so that a flood of them costs no writing."""
    _counted(db, name, address, now_ns)


def begin_try(db: sa.Connection, name: str, address: str, now_ns: int) -> Try:
    """Count a sign-in as failed before it is checked, so that no two count as one; raises WaitError."""
    account_rows.lock(db)
    found = _counted(db, name, address, now_ns)
    for key, (n, at_ns) in found.items():
        _set_attempt(db, key, waits.count_now(key, n, at_ns, now_ns) + 1, now_ns)
    _trim_attempts(db)
    digest, generation = account_rows.hash_of(db, name) or (None, 0)
    db.execute(sa.update(ACCOUNT).where(ACCOUNT.c.name == name).values(failed=ACCOUNT.c.failed + 1))
    return Try(name, address, next(iter(found)), digest, generation, now_ns)


def _counted(db: sa.Connection, name: str, address: str, now_ns: int) -> dict[str, tuple[int, int]]:
    """Return the failures that count for a sign-in, the account's first; raises WaitError."""
    usual = waits.usual_key(name, address)
    keys = [
        usual if _attempt(db, usual) is not None else waits.stranger_key(name),
        waits.address_key(address),
    ]
    found = {key: _attempt(db, key) or (0, now_ns) for key in keys}
    wait_s = max(waits.wait_s(key, *found[key], now_ns) for key in keys)
    if wait_s > 0.0:
        raise WaitError(wait_s)
    return found


def note_refused(db: sa.Connection, tried: Try, now_ns: int) -> None:
    """Log that a sign-in under a known name failed; unknown ones are counted only: some are passwords."""
    account_rows.lock(db)
    if tried.hash is not None:
        append(db, Act(now_ns, None, "sign_in_refused", tried.name, {"address": tried.address}))


def begin_session(
    db: sa.Connection, tried: Try, sha256: bytes, desk: str, now_ns: int, replaced: bytes | None
) -> tuple[StoredSession, Actor]:
    """Begin a session after the password was found right; that of the same browser before it ends.

    Raises WrongPasswordError where the account was changed or disabled meanwhile.
    """
    account_rows.lock(db)
    found = account_rows.account(db, tried.name)
    if found is None or found.disabled or found.generation != tried.generation:
        raise WrongPasswordError
    actor = Actor(found.name, found.role, desk)
    _forgive(db, tried)
    db.execute(sa.update(ACCOUNT).where(ACCOUNT.c.name == found.name).values(signed_in_ns=now_ns, failed=0))
    if replaced is not None:
        db.execute(sa.delete(SESSION).where(SESSION.c.sha256 == replaced))
    made = StoredSession(sha256, found.name, found.generation, now_ns, now_ns, desk)
    insert_session(db, made)
    append(db, Act(now_ns, actor, "sign_in", found.name, {"address": tried.address, "desk": desk}))
    account_rows.raise_revision(db)
    return made, actor


def change_own(db: sa.Connection, by: By, tried: Try, digest: str) -> Try:
    """Change one's own password after the old one was found right; return the sign-in with the new one.

    Raises WrongPasswordError where the account was changed meanwhile, and AccountError.
    """
    account_rows.lock(db)
    found = account_rows.hash_of(db, tried.name)
    if found != (tried.hash, tried.generation):
        raise WrongPasswordError
    changed = account_rows.change(db, by, tried.name, digest=digest)
    return tried._replace(hash=digest, generation=changed.generation)


def insert_session(db: sa.Connection, made: StoredSession) -> None:
    """Add a session's row, and end the oldest ones of an account that has too many."""
    own = sa.select(SESSION.c.sha256).where(SESSION.c.name == made.name)
    own = own.order_by(SESSION.c.seen_ns.desc(), SESSION.c.created_ns.desc())
    for sha256 in db.scalars(own.offset(SESSIONS_OF_ACCOUNT_MAX - 1)).all():
        db.execute(sa.delete(SESSION).where(SESSION.c.sha256 == sha256))
    db.execute(sa.insert(SESSION).values(**made._asdict()))


def end_session(db: sa.Connection, by: By, sha256: bytes) -> None:
    """End a session because its person asked for it."""
    account_rows.lock(db)
    db.execute(sa.delete(SESSION).where(SESSION.c.sha256 == sha256))
    append(db, Act(by.now_ns, by.actor, "sign_out", by.actor.name, {"desk": by.actor.desk}))
    account_rows.raise_revision(db)


def touch(db: sa.Connection, seen_ns: Mapping[bytes, int]) -> None:
    """Note when sessions were last used."""
    for sha256, at_ns in seen_ns.items():
        known = SESSION.c.sha256 == sha256, SESSION.c.seen_ns < at_ns
        db.execute(sa.update(SESSION).where(*known).values(seen_ns=at_ns))


def purge(db: sa.Connection, created_before_ns: int, seen_before_ns: int, now_ns: int) -> int:
    """Delete sessions that are over and failures that no longer count; return how many sessions."""
    account_rows.lock(db)
    over = sa.or_(SESSION.c.created_ns < created_before_ns, SESSION.c.seen_ns < seen_before_ns)
    n: int = db.execute(sa.delete(SESSION).where(over)).rowcount
    for prefix in "ank":
        kept_ns = now_ns - int(waits.rule_of(prefix).kept_s * waits.NS)
        db.execute(
            sa.delete(ATTEMPT).where(ATTEMPT.c.key.startswith(f"{prefix}:"), ATTEMPT.c.at_ns < kept_ns)
        )
    if n:
        account_rows.raise_revision(db)
    return n


def _forgive(db: sa.Connection, tried: Try) -> None:
    """Take back what `begin_try` counted: the account's failures from here, and one of the address."""
    if tried.key[0] == "n":
        db.execute(sa.delete(ATTEMPT).where(ATTEMPT.c.key == tried.key))
    _set_attempt(db, waits.usual_key(tried.name, tried.address), 0, tried.at_ns)
    at = waits.address_key(tried.address)
    db.execute(sa.update(ATTEMPT).where(ATTEMPT.c.key == at, ATTEMPT.c.n > 0).values(n=ATTEMPT.c.n - 1))


def _attempt(db: sa.Connection, key: str) -> tuple[int, int] | None:
    row = db.execute(sa.select(ATTEMPT.c.n, ATTEMPT.c.at_ns).where(ATTEMPT.c.key == key)).first()
    return None if row is None else (row[0], row[1])


def _set_attempt(db: sa.Connection, key: str, n: int, at_ns: int) -> None:
    values = {"n": n, "at_ns": at_ns}
    if db.execute(sa.update(ATTEMPT).where(ATTEMPT.c.key == key).values(values)).rowcount == 0:
        db.execute(sa.insert(ATTEMPT).values(key=key, **values))


def _trim_attempts(db: sa.Connection) -> None:
    n = db.scalar(sa.select(sa.func.count()).select_from(ATTEMPT)) or 0
    if n <= ATTEMPTS_MAX:
        return
    oldest: Iterable[str] = db.scalars(
        sa.select(ATTEMPT.c.key).order_by(ATTEMPT.c.at_ns).limit(n - ATTEMPTS_MAX)
    ).all()
    db.execute(sa.delete(ATTEMPT).where(ATTEMPT.c.key.in_(oldest)))
