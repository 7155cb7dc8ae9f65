"""Accounts, sessions and failed sign-ins on both databases."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from centre.access import account_rows, session_rows
from centre.access.account_rows import By
from centre.access.errors import AccountError, WaitError, WrongPasswordError
from centre.accounts import passwords
from centre.accounts.actor import Actor
from centre.accounts.tables import ATTEMPT, SESSION
from centre.accounts.waits import NS
from centre.audit.log import check
from centre.audit.queries import Wanted, page
from centre.store import exclusive

NOW_NS = 1_800_000_000 * NS
BY = By(Actor("console", "administrator"), NOW_NS)
HERE, THERE = "10.0.0.5", "203.0.113.9"


def add(db: sa.Connection, name: str, role: str = "administrator") -> account_rows.Account:
    return account_rows.add(db, BY, name=name, display="", role=role, digest=f"hash of {name}")


def acts(engine: sa.Engine) -> list[tuple[str, str]]:
    with engine.begin() as db:
        assert check(db) is None
        return [(row["act"], row["subject"]) for row in reversed(page(db, Wanted())["items"])]


def test_each_change_is_one_row_of_the_log_and_raises_the_revision(engine: sa.Engine) -> None:
    with exclusive(engine) as db:
        assert account_rows.revision(db) == 0
        add(db, "ada")
        add(db, "ola", "operator")
        account_rows.change(db, BY, "ola", role="supervisor", display="Ola")
        account_rows.change(db, BY, "ola", disabled=True)
        account_rows.change(db, BY, "ola", disabled=True)  # nothing new
        account_rows.change(db, BY, "ola", digest="another")
        assert account_rows.revision(db) == 6
        ola = account_rows.account(db, "ola")
    assert ola is not None
    assert (ola.display, ola.role, ola.disabled, ola.generation) == ("Ola", "supervisor", True, 4)
    assert acts(engine) == [
        ("user_add", "ada"), ("user_add", "ola"), ("user_display", "ola"), ("user_role", "ola"),
        ("user_disable", "ola"), ("user_password", "ola"),
    ]  # fmt: skip


def refused(engine: sa.Engine, work: Callable[[sa.Connection], Any]) -> str:
    with pytest.raises(AccountError) as error, exclusive(engine) as db:
        work(db)
    return error.value.rule


def test_what_is_impossible_is_refused_and_changes_nothing(engine: sa.Engine) -> None:
    assert refused(engine, lambda db: add(db, "ola", "operator")) == account_rows.FIRST_ADMINISTRATOR
    with exclusive(engine) as db:
        add(db, "ada")
    for change in ({"role": "viewer"}, {"disabled": True}):
        rule = refused(engine, lambda db, change=change: account_rows.change(db, BY, "ada", **change))
        assert rule == account_rows.LAST_ADMINISTRATOR
    assert "of this name" in refused(engine, lambda db: add(db, "ada"))
    assert (
        refused(engine, lambda db: account_rows.change(db, BY, "eve", role="viewer")) == account_rows.UNKNOWN
    )
    for name in ("", "Ada", "a b", "x" * 33, "-a", "local", "console", "a/b", "王"):
        assert refused(engine, lambda db, name=name: add(db, name))
    assert "one of" in refused(engine, lambda db: add(db, "ola", "king"))
    with exclusive(engine) as db:  # the other one is disabled: it does not count
        add(db, "bea")
        account_rows.change(db, BY, "bea", disabled=True)
    rule = refused(engine, lambda db: account_rows.change(db, BY, "ada", disabled=True))
    assert rule == account_rows.LAST_ADMINISTRATOR
    assert acts(engine) == [("user_add", "ada"), ("user_add", "bea"), ("user_disable", "bea")]


def test_there_is_a_limit_of_accounts(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_rows, "ACCOUNTS_MAX", 2)
    with exclusive(engine) as db:
        add(db, "ada")
        add(db, "bea")
    assert "limit" in refused(engine, lambda db: add(db, "cid"))


def session(engine: sa.Engine, name: str, n: int, at_ns: int = NOW_NS) -> None:
    with exclusive(engine) as db:
        tried = session_rows.begin_try(db, name, HERE, at_ns)
        session_rows.begin_session(db, tried, bytes([n]) * 32, "", at_ns, None)


@pytest.mark.parametrize("change", [{"role": "viewer"}, {"disabled": True}, {"digest": "another"}])
def test_a_changed_account_ends_its_sessions_and_no_others(engine: sa.Engine, change: Any) -> None:
    with exclusive(engine) as db:
        add(db, "ada")
        add(db, "ola", "operator")
    session(engine, "ada", 1)
    session(engine, "ola", 2)
    with exclusive(engine) as db:
        tried = session_rows.begin_try(db, "ola", HERE, NOW_NS)
        account_rows.change(db, BY, "ola", **change)
        assert [each.name for each in session_rows.sessions(db)] == ["ada"]
        with pytest.raises(WrongPasswordError):  # the password was being checked meanwhile
            session_rows.begin_session(db, tried, bytes(32), "", NOW_NS, None)


def test_an_account_has_few_sessions_and_the_oldest_ends(engine: sa.Engine) -> None:
    with exclusive(engine) as db:
        add(db, "ada")
    for n in range(session_rows.SESSIONS_OF_ACCOUNT_MAX + 2):
        session(engine, "ada", n, NOW_NS + n)
    with engine.begin() as db:
        found = {each.sha256[0] for each in session_rows.sessions(db)}
    assert found == set(range(2, session_rows.SESSIONS_OF_ACCOUNT_MAX + 2))


def failed(engine: sa.Engine, name: str, address: str, at_ns: int) -> float:
    """Fail to sign in; return how long that has to wait instead, 0 where it was checked."""
    try:
        with exclusive(engine) as db:
            session_rows.begin_try(db, name, address, at_ns)
    except WaitError as error:
        return error.wait_s
    return 0.0


def test_a_stranger_keeps_nobody_out_of_the_usual_desk(engine: sa.Engine) -> None:
    with exclusive(engine) as db:
        add(db, "ada")
    session(engine, "ada", 1)  # from HERE
    at_ns = NOW_NS
    waited = [failed(engine, "ada", f"203.0.113.{i}", at_ns) for i in range(40)]  # each another address
    assert waited[:5] == [0.0] * 5
    assert all(waited[5:])
    assert failed(engine, "ada", HERE, at_ns) == 0.0
    session(engine, "ada", 2, at_ns)
    for _ in range(5):  # but there, too, tries are limited
        assert failed(engine, "ada", HERE, at_ns) == 0.0
    assert failed(engine, "ada", HERE, at_ns) == 1.0
    assert failed(engine, "ada", HERE, at_ns + NS) == 0.0
    assert failed(engine, "ada", HERE, at_ns + 2 * NS) == 1.0


def test_an_address_that_tries_many_names_waits(engine: sa.Engine) -> None:
    waited = [failed(engine, f"name{i}", THERE, NOW_NS) for i in range(25)]
    assert waited == [0.0] * 20 + [1.0] * 5
    assert failed(engine, "name0", HERE, NOW_NS) == 0.0


def test_unknown_names_take_few_rows(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_rows, "ATTEMPTS_MAX", 8)
    for i in range(30):
        failed(engine, f"name{i}", f"198.51.100.{i}", NOW_NS + i)
    with engine.begin() as db:
        assert db.scalar(sa.select(sa.func.count()).select_from(ATTEMPT)) == 8


def test_what_is_over_is_deleted(engine: sa.Engine) -> None:
    with exclusive(engine) as db:
        add(db, "ada")
    session(engine, "ada", 1)
    session(engine, "ada", 2, NOW_NS + 100 * NS)
    failed(engine, "eve", THERE, NOW_NS)
    with exclusive(engine) as db:
        session_rows.touch(db, {bytes([1]) * 32: NOW_NS + 200 * NS})
        later_ns = NOW_NS + 25 * 3_600 * NS
        assert session_rows.purge(db, NOW_NS - NS, NOW_NS + 150 * NS, later_ns) == 1
        assert [each.sha256[0] for each in session_rows.sessions(db)] == [1]
        assert session_rows.purge(db, NOW_NS + NS, NOW_NS, later_ns) == 1
        assert db.scalars(sa.select(ATTEMPT.c.key)).all() == [f"k:ada@{HERE}"]
        assert db.scalar(sa.select(sa.func.count()).select_from(SESSION)) == 0


def test_a_hash_fits_its_password_only_and_costs_what_nobodys_does() -> None:
    made = passwords.digest("correct horse battery")
    assert passwords.fits(made, "correct horse battery")
    assert not passwords.fits(made, "correct horse batterz")
    assert not passwords.fits("no hash at all", "correct horse battery")
    assert not passwords.fits(passwords.NOBODYS, "")
    assert passwords.NOBODYS.split("$")[1:4] == made.split("$")[1:4], "the same work for unknown names"
    full_width = "ｃorrect horse battery"
    assert passwords.fits(made, full_width), "what a Chinese keyboard types in another form"


@pytest.mark.parametrize(
    ("password", "is_right"), [("x" * 9, False), ("x" * 10, True), ("一" * 128, True), ("x" * 129, False)]
)
def test_passwords_are_judged_by_their_length_alone(password: str, is_right: bool) -> None:
    assert (passwords.password_fault(password) is None) is is_right


def test_hashes_give_their_memory_back() -> None:
    """In a process of its own: what two threads need for a while must not stay with the centre."""
    script = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from centre.accounts import passwords\n"
        "def rss(): return int(open('/proc/self/statm').read().split()[1]) * 4 // 1024\n"
        "made = passwords.digest('x' * 12)\n"
        "before = rss()\n"
        "with ThreadPoolExecutor(2) as threads:\n"
        "    list(threads.map(lambda i: passwords.fits(made, 'y' * 12), range(6)))\n"
        "print(rss() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 6, "MiB; it was 38"
