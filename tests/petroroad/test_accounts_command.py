"""`petroroad centre user` and `centre audit`: on a new database and beside a running centre."""

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from centre.accounts import passwords
from centre.accounts.tables import ACCOUNT
from centre.audit.tables import AUDIT
from centre.store import open_database
from edge.config import load_site
from petroroad.cli import run
from petroroad.doctor.page_checks import page_checks
from tests.support.centre_site import write_site

PASSWORD = "correct horse battery"
Site = Callable[..., int]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_site(tmp_path, broker="127.0.0.1:1", http="127.0.0.1:8080")
    (tmp_path / "password").write_text(PASSWORD + "\n")
    return tmp_path


def on(folder: Path, *words: str) -> int:
    return run(["centre", *words, "--config", str(folder / "site.toml")])


def add(folder: Path, name: str, role: str = "administrator") -> int:
    return on(folder, "user", "add", name, "--role", role, "--password-file", str(folder / "password"))


def stored(folder: Path) -> dict[str, sa.RowMapping]:
    engine = open_database(f"sqlite:///{folder / 'centre.sqlite'}")
    with engine.begin() as db:
        rows = db.execute(sa.select(ACCOUNT)).mappings().all()
    engine.dispose()
    return {row["name"]: row for row in rows}


def test_accounts_are_made_and_changed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert add(folder, "ada") == 0
    assert add(folder, "wang", "operator") == 0
    assert on(folder, "user", "role", "wang", "supervisor") == 0
    assert on(folder, "user", "disable", "wang") == 0
    assert on(folder, "user", "enable", "wang") == 0
    (folder / "password").write_text("another long password")
    assert on(folder, "user", "password", "wang", "--password-file", str(folder / "password")) == 0
    found = stored(folder)
    assert found["wang"]["role"] == "supervisor"
    assert passwords.fits(found["wang"]["hash"], "another long password")
    assert passwords.fits(found["ada"]["hash"], PASSWORD)
    capsys.readouterr()
    assert on(folder, "user", "list", "--json") == 0
    users = json.loads(capsys.readouterr().out)["users"]
    assert [(each["name"], each["role"], each["disabled"]) for each in users] == [
        ("ada", "administrator", False), ("wang", "supervisor", False),
    ]  # fmt: skip
    assert "hash" not in users[0]
    assert on(folder, "user", "list") == 0
    assert "wang                 supervisor     active" in capsys.readouterr().out
    assert on(folder, "audit", "check") == 0
    assert capsys.readouterr().out.startswith("whole up to row 6, digest ")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("user", "add", "Ada", "--role", "viewer"), 2, "NAME must be"),
        (("user", "add", "local", "--role", "viewer"), 2, "the centre itself"),
        (("user", "add", "ada", "--role", "viewer"), 1, "there is an account"),
        (("user", "disable", "nobody"), 1, "no account of this name"),
        (("user", "password", "nobody"), 1, "no account of this name"),
        (("user", "disable", "ada"), 1, "last administrator"),
        (("user", "role", "ada", "viewer"), 1, "last administrator"),
        (("user", "add", "eve", "--role", "king"), 2, ""),
        (("user", "add", "eve"), 2, ""),
    ],
)
def test_what_is_impossible_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], status: int, said: str
) -> None:
    assert add(folder, "ada") == 0
    file = ("--password-file", str(folder / "password")) if words[1] in ("add", "password") else ()
    assert on(folder, *words, *file) == status
    assert said in capsys.readouterr().err
    assert set(stored(folder)) == {"ada"}


@pytest.mark.parametrize("text", ["short\n", "x" * 129, "", "\n" + PASSWORD])
def test_a_password_of_the_wrong_length_makes_no_account(folder: Path, text: str) -> None:
    (folder / "password").write_text(text)
    assert add(folder, "ada") == 2
    assert not (folder / "centre.sqlite").exists() or stored(folder) == {}


def test_a_password_comes_from_stdin(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(PASSWORD.encode() + b"\r\n")))
    assert on(folder, "user", "add", "ada", "--role", "administrator", "--password-file", "-") == 0
    assert passwords.fits(stored(folder)["ada"]["hash"], PASSWORD)


def test_without_a_terminal_it_says_how_to_give_the_password(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    assert on(folder, "user", "add", "ada", "--role", "administrator") == 2
    assert "--password-file" in capsys.readouterr().err


def test_on_a_terminal_the_password_is_asked_for_twice_and_not_shown(folder: Path) -> None:
    leader, follower = pty.openpty()
    command = [
        sys.executable, "-m", "petroroad", "centre", "user", "add", "ada", "--role", "administrator",
        "--config", str(folder / "site.toml"),
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=follower, start_new_session=True
    )
    os.close(follower)
    shown = b""
    for question in (b"password: ", b"again: "):
        while not shown.endswith(question):
            shown += os.read(leader, 1_000)
        os.write(leader, PASSWORD.encode() + b"\n")
    assert process.wait(30.0) == 0
    shown += os.read(leader, 1_000)
    os.close(leader)
    assert b"ada: added as administrator" in shown
    assert PASSWORD.encode() not in shown
    assert passwords.fits(stored(folder)["ada"]["hash"], PASSWORD)


def test_a_changed_log_is_found_and_an_export_names_its_last_digest(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ada", "bea", "cid"):
        assert add(folder, name) == 0
    out = folder / "audit.jsonl"
    capsys.readouterr()
    assert on(folder, "audit", "export", "--to", str(out)) == 0
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [(row["n"], row["act"], row["subject"]) for row in rows] == [
        (1, "user_add", "ada"), (2, "user_add", "bea"), (3, "user_add", "cid"),
    ]  # fmt: skip
    assert rows[-1]["sha256"] in capsys.readouterr().out
    engine = open_database(f"sqlite:///{folder / 'centre.sqlite'}")
    with engine.begin() as db:
        db.execute(sa.update(AUDIT).where(AUDIT.c.n == 2).values(subject="eve"))
    engine.dispose()
    assert on(folder, "audit", "check") == 1
    assert "row 2 was changed" in capsys.readouterr().err
    assert on(folder, "audit", "export", "--to", str(folder / "no" / "folder")) == 1


def test_doctor_says_who_can_sign_in(folder: Path) -> None:
    def checks() -> dict[str, tuple[str, str]]:
        found = page_checks(load_site(folder / "site.toml"))
        return {check.name: (check.level, check.detail) for check in found}

    assert checks()["page.accounts"][0] == "ok"
    assert "whoever sits at this machine" in checks()["page.accounts"][1]
    assert not (folder / "centre.sqlite").exists(), "it only looks"
    assert add(folder, "ada") == 0
    assert checks()["page.accounts"] == ("ok", "1 administrator")
    path = folder / "site.toml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("127.0.0.1:8080", "0.0.0.0:8443"), encoding="utf-8"
    )
    assert checks()["page"][0] == "fail"
    assert "needs TLS" in checks()["page"][1]
