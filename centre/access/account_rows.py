"""Accounts in the database: each change is one transaction with its row in the audit log. Blocking."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa

from centre import postgresql
from centre.access.errors import AccountError
from centre.accounts.actor import Actor, Role
from centre.accounts.passwords import ROLES, display_fault, name_fault
from centre.accounts.tables import ACCOUNT, REVISION, SESSION
from centre.audit.log import Act, append

LOCK = "accounts"  # of whoever changes accounts or sessions, where several processes write
ACCOUNTS_MAX = 500
FIRST_ADMINISTRATOR = "the first account must be an administrator's: only that one can add the others"
LAST_ADMINISTRATOR = "is the last administrator: name another one first"
UNKNOWN = "there is no account of this name"
ADMINISTRATOR: Role = "administrator"


class Account(NamedTuple):
    """One person's account, without its hash."""

    name: str
    display: str
    role: Role
    disabled: bool
    generation: int
    created_ns: int
    changed_ns: int
    signed_in_ns: int | None
    failed: int


class By(NamedTuple):
    """Who changes something, and when."""

    actor: Actor
    now_ns: int


_columns = [ACCOUNT.c[name] for name in Account._fields]


def accounts(db: sa.Connection) -> list[Account]:
    """Return all accounts by name; none in a database that was opened to be read and has no such table."""
    if not sa.inspect(db).has_table(ACCOUNT.name):
        return []
    return [Account(*row) for row in db.execute(sa.select(*_columns).order_by(ACCOUNT.c.name))]


def account(db: sa.Connection, name: str) -> Account | None:
    row = db.execute(sa.select(*_columns).where(ACCOUNT.c.name == name)).first()
    return None if row is None else Account(*row)


def hash_of(db: sa.Connection, name: str) -> tuple[str, int] | None:
    """Return an account's hash and generation; None for an unknown name."""
    row = db.execute(sa.select(ACCOUNT.c.hash, ACCOUNT.c.generation).where(ACCOUNT.c.name == name)).first()
    return None if row is None else (row[0], row[1])


def lock(db: sa.Connection) -> None:
    """Let no other process change accounts or sessions until the end of this transaction."""
    if postgresql.is_postgresql(db):
        postgresql.lock(db, (LOCK,))


def add(db: sa.Connection, by: By, *, name: str, display: str, role: str, digest: str) -> Account:
    """Add an account; AccountError."""
    lock(db)
    _check("name", name_fault(name))
    _check("display", display_fault(display))
    checked = _role(role)
    n = db.scalar(sa.select(sa.func.count()).select_from(ACCOUNT)) or 0
    if n >= ACCOUNTS_MAX:
        raise AccountError("name", f"there are {n} accounts, which is the limit")
    if n == 0 and role != ADMINISTRATOR:
        raise AccountError("role", FIRST_ADMINISTRATOR)
    if account(db, name) is not None:
        raise AccountError("name", "there is an account of this name")
    made = Account(name, display or name, checked, False, 1, by.now_ns, by.now_ns, None, 0)
    db.execute(sa.insert(ACCOUNT).values(**made._asdict(), hash=digest))
    _note(db, by, "user_add", name, {"role": role, "display": made.display})
    return made


def change(
    db: sa.Connection,
    by: By,
    name: str,
    *,
    display: str | None = None,
    role: str | None = None,
    disabled: bool | None = None,
    digest: str | None = None,
) -> Account:
    """Change what is given of an account; what its sessions stand on ends them all. AccountError."""
    lock(db)
    _check("display", None if display is None else display_fault(display))
    wanted_role = None if role is None else _role(role)
    found = account(db, name)
    if found is None:
        raise AccountError("name", UNKNOWN, 404)
    new_role, new_disabled = wanted_role or found.role, found.disabled if disabled is None else disabled
    if (new_role != ADMINISTRATOR or new_disabled) and _is_last_administrator(db, found):
        raise AccountError("role" if new_role != ADMINISTRATOR else "disabled", LAST_ADMINISTRATOR)
    values: dict[str, Any] = {}
    if display is not None and (display or name) != found.display:
        values["display"] = display or name
        _note(db, by, "user_display", name, {"from": found.display, "to": values["display"]})
    if new_role != found.role:
        values["role"] = new_role
        _note(db, by, "user_role", name, {"from": found.role, "to": new_role})
    if new_disabled != found.disabled:
        values["disabled"] = new_disabled
        _note(db, by, "user_disable" if new_disabled else "user_enable", name, {})
    if digest is not None:
        values["hash"], values["failed"] = digest, 0
        _note(db, by, "user_password", name, {})
    if not values:
        return found
    if values.keys() & {"role", "disabled", "hash"}:
        values["generation"] = found.generation + 1
        db.execute(sa.delete(SESSION).where(SESSION.c.name == name))
    values["changed_ns"] = by.now_ns
    db.execute(sa.update(ACCOUNT).where(ACCOUNT.c.name == name).values(values))
    changed = account(db, name)
    assert changed is not None, "it is never deleted"
    return changed


def revision(db: sa.Connection) -> int:
    """Return the number that grows with each change of accounts and sessions; 0: none was ever made."""
    if not sa.inspect(db).has_table(REVISION.name):
        return 0
    return db.scalar(sa.select(REVISION.c.n).where(REVISION.c.id == 1)) or 0


def raise_revision(db: sa.Connection) -> None:
    """Let every process read accounts and sessions anew; in the transaction of the change, after `lock`."""
    changed = sa.update(REVISION).where(REVISION.c.id == 1).values(n=REVISION.c.n + 1)
    if db.execute(changed).rowcount == 0:
        db.execute(sa.insert(REVISION).values(id=1, n=1))


def _is_last_administrator(db: sa.Connection, found: Account) -> bool:
    if found.role != ADMINISTRATOR or found.disabled:
        return False
    active = ACCOUNT.c.role == ADMINISTRATOR, ACCOUNT.c.disabled.is_(False), ACCOUNT.c.name != found.name
    return db.scalar(sa.select(ACCOUNT.c.name).where(*active).limit(1)) is None


def _check(key: str, fault: str | None) -> None:
    if fault is not None:
        raise AccountError(key, fault, 400)


def _role(text: str) -> Role:
    found = next((role for role in ROLES if role == text), None)
    if found is None:
        raise AccountError("role", f"must be one of {', '.join(ROLES)}", 400)
    return found


def _note(db: sa.Connection, by: By, act: str, name: str, body: Mapping[str, Any]) -> None:
    append(db, Act(by.now_ns, by.actor, act, name, body))
    raise_revision(db)
