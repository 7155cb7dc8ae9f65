"""`petroroad centre user` and `petroroad centre audit`: accounts and acts, also while a centre runs."""

import getpass
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import sqlalchemy as sa
from cyclopts import App, Parameter
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from centre import secrets
from centre.access import account_rows
from centre.access.account_rows import Account, By
from centre.access.errors import AccountError
from centre.accounts import passwords
from centre.accounts.actor import Actor, Role
from centre.audit.proofs import state
from centre.audit.queries import all_rows
from centre.faults import SchemaError
from centre.store import exclusive, open_database
from core.errors import CommandError, ConfigError, UsageError
from edge.clock import Clock
from edge.config import Site, load_site

user = App(name="user", help="Who may use the page: names, roles, passwords.")
audit = App(name="audit", help="The log of acts: check its chain, export it.")
Result = TypeVar("Result")
AsJson = Annotated[bool, Parameter(name="--json", negative=())]
PasswordFile = Annotated[str | None, Parameter(name="--password-file", allow_leading_hyphen=True)]
FILE_BYTES_MAX = 4_096


@user.command
def add(
    name: str, /, *, role: Role, config: Path, display: str = "", password_file: PasswordFile = None
) -> None:
    """Add an account; its password is asked for twice, or read from a file.

    Parameters
    ----------
    name
        What the person types to sign in: a-z 0-9 . _ -
    role
        What the person may do; the first account is an administrator's.
    config
        The site file.
    display
        The person's name as the page shows it.
    password_file
        A file with the password; - is stdin.
    """
    site = load_site(config)
    _check(passwords.name_fault(name), "NAME")
    _check(passwords.display_fault(display), "--display")
    digest = passwords.digest(_password(password_file))
    _changed(
        site, lambda db, by: account_rows.add(db, by, name=name, display=display, role=role, digest=digest)
    )
    print(f"{name}: added as {role}")


@user.command(name="list")
def list_(*, config: Path, as_json: AsJson = False) -> None:
    """Show all accounts.

    Parameters
    ----------
    config
        The site file.
    as_json
        One JSON object on stdout.
    """
    with _opened(load_site(config)) as engine, engine.begin() as db:
        found = account_rows.accounts(db)
    if as_json:
        print(json.dumps({"users": [_row(each) for each in found]}, ensure_ascii=False))
        return
    for each in found:
        state = "disabled" if each.disabled else "active"
        failed = f"  {each.failed} failed sign-ins" if each.failed else ""
        print(f"{each.name:20} {each.role:14} {state:9} {each.display}{failed}")


@user.command
def disable(name: str, /, *, config: Path) -> None:
    """Let an account sign in no more; its sessions end at once.

    Parameters
    ----------
    name
        The account.
    config
        The site file.
    """
    _changed(load_site(config), lambda db, by: account_rows.change(db, by, name, disabled=True))
    print(f"{name}: disabled")


@user.command
def enable(name: str, /, *, config: Path) -> None:
    """Let a disabled account sign in again.

    Parameters
    ----------
    name
        The account.
    config
        The site file.
    """
    _changed(load_site(config), lambda db, by: account_rows.change(db, by, name, disabled=False))
    print(f"{name}: enabled")


@user.command(name="role")
def role_(name: str, role: Role, /, *, config: Path) -> None:
    """Give an account another role; its sessions end at once.

    Parameters
    ----------
    name
        The account.
    role
        The new role.
    config
        The site file.
    """
    _changed(load_site(config), lambda db, by: account_rows.change(db, by, name, role=role))
    print(f"{name}: {role}")


@user.command
def password(name: str, /, *, config: Path, password_file: PasswordFile = None) -> None:
    """Set another password; the account's sessions end at once.

    Parameters
    ----------
    name
        The account.
    config
        The site file.
    password_file
        A file with the password; - is stdin.
    """
    site = load_site(config)
    with _opened(site) as engine, engine.begin() as db:
        if account_rows.account(db, name) is None:  # before anybody types a password for nothing
            raise CommandError(f"{name}: {account_rows.UNKNOWN}")
    digest = passwords.digest(_password(password_file))
    _changed(site, lambda db, by: account_rows.change(db, by, name, digest=digest))
    print(f"{name}: has another password")


@audit.command
def check(*, config: Path, as_json: AsJson = False) -> int:
    """Check that no row of the log was changed, taken out or put in; prints the newest row's digest.

    Parameters
    ----------
    config
        The site file.
    as_json
        One JSON object on stdout.
    """
    with _opened(load_site(config)) as engine, engine.begin() as db:
        found = state(db, whole=True)
    fault = found["fault"]
    if as_json:
        print(json.dumps(found))
    elif fault is None:
        print(f"whole up to row {found['n']}, digest {found['sha256']}")
    if fault is not None:
        raise CommandError(f"the log of acts: row {fault['n']} {fault['reason']}")
    return 0


@audit.command
def export(*, config: Path, to: Path) -> None:
    """Write the whole log as JSON lines; prints the number and digest of its last row.

    Parameters
    ----------
    config
        The site file.
    to
        The file; one of this name is replaced once the export is whole.
    """
    part = to.with_name(f".{to.name}.{os.getpid()}")
    n, digest = 0, ""
    try:
        with _opened(load_site(config)) as engine, engine.begin() as db, part.open("wb") as out:
            for row in all_rows(db):
                out.write(msgspec.json.encode(row) + b"\n")
                n, digest = row["n"], row["sha256"]
            out.flush()
            os.fsync(out.fileno())
        part.replace(to)
    except OSError as error:
        raise CommandError(f"{to}: can't be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    print(f"{to}: {n} rows, the last one's digest {digest or 'none'}")


def _changed(site: Site, work: Callable[[sa.Connection, By], Result]) -> Result:
    """Change accounts in one transaction, whether or not a centre runs on the database."""
    by = By(Actor("console", "administrator"), Clock.wall().now_ns())
    with _opened(site) as engine:
        try:
            with exclusive(engine) as db:
                return work(db, by)
        except AccountError as error:
            raise (UsageError if error.status == 400 else CommandError)(str(error)) from error


@contextmanager
def _opened(site: Site) -> Iterator[sa.Engine]:
    """Open the site's database; CommandError, without its password, where that or a query fails."""
    url, shown = site.config.centre.database, secrets.as_written(site)
    try:
        engine = open_database(url)
        try:
            yield engine
        finally:
            engine.dispose()
    except (ArgumentError, ValueError):
        raise ConfigError(site.where, "centre.database", "is no address of a database", shown) from None
    except ImportError as error:
        raise CommandError(f"{shown}: can't be opened: {secrets.DRIVER}") from error
    except SchemaError as error:
        raise CommandError(f"{shown}: does not fit: {error}") from error
    except SQLAlchemyError as error:
        text = secrets.without(url, str(getattr(error, "orig", error)).splitlines()[0])
        raise CommandError(f"{shown}: {text}") from None


def _password(file: str | None) -> str:
    """Return a new password; UsageError where it can't be one. It is never an argument: those are public."""
    if file is None:
        if not sys.stdin.isatty():
            raise UsageError("there is no terminal to ask for the password: use --password-file")
        found = getpass.getpass("password: ")
        if getpass.getpass("again: ") != found:
            raise UsageError("the two passwords differ")
    else:
        found = _read(file)
    fault = passwords.password_fault(found)
    if fault is not None:
        raise UsageError(f"the password {fault}")
    return found


def _read(file: str) -> str:
    try:
        if file == "-":
            text = sys.stdin.buffer.read(FILE_BYTES_MAX)
        else:
            with Path(file).open("rb") as source:
                text = source.read(FILE_BYTES_MAX)
        return text.decode().splitlines()[0] if text else ""
    except OSError as error:
        raise UsageError(f"--password-file {file}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise UsageError(f"--password-file {file}: is no text in UTF-8") from None


def _check(fault: str | None, what: str) -> None:
    if fault is not None:
        raise UsageError(f"{what} {fault}")


def _row(account: Account) -> dict[str, Any]:
    row = account._asdict()
    del row["generation"]
    return {key: str(value) if key.endswith("_ns") and value else value for key, value in row.items()}
