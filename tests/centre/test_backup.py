"""Backup and restore: one moment of the database, whole or not at all; nothing is destroyed."""

import os
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from centre.backup import back_up, restore
from centre.database_file import PART, READY, beside
from centre.settings import ASK_SINCE, ask_since_ns, value
from centre.storage import TakenError
from centre.store import FEED, centre_name
from core.errors import CommandError, UsageError
from petroroad.__main__ import main
from petroroad.processes.ports import kept_port
from tests.centre.test_storage import OLDEST_NS, opened, store, stored
from tests.support.centre_samples import T0_NS, episode_id
from tests.support.centre_site import write_site


def test_a_backup_of_an_open_database_is_one_sound_file_for_its_user_only(tmp_path: Path) -> None:
    path, to = tmp_path / "centre.sqlite", tmp_path / "copy.sqlite"
    storage = opened(path)
    store(storage, 1, 60)
    assert back_up(path, to) == to.stat().st_size
    store(storage, 61, 80)
    storage.close()
    assert to.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(to) as db:
        assert db.execute("SELECT count(*) FROM violation_version").fetchone() == (60,)
    db.close()
    assert sorted(each.name for each in tmp_path.glob("copy*")) == ["copy.sqlite"]


def test_a_damaged_database_is_not_backed_up_over_a_sound_backup(tmp_path: Path) -> None:
    path, to = tmp_path / "centre.sqlite", tmp_path / "copy.sqlite"
    storage = opened(path)
    store(storage, 1, 60)
    storage.close()
    back_up(path, to)
    sound = to.read_bytes()
    with path.open("rb+") as file:
        file.seek(40_000)
        file.write(os.urandom(60_000))
    with pytest.raises(CommandError, match=r"the backup failed|is damaged"):
        back_up(path, to)
    assert to.read_bytes() == sound
    with pytest.raises(UsageError, match="is the database itself"):
        back_up(path, beside(path, "-wal"))
    with pytest.raises(UsageError, match="there is no database"):
        back_up(tmp_path / "other", to)


def test_a_restored_database_asks_for_what_came_later_and_keeps_the_old_one(tmp_path: Path) -> None:
    path, to = tmp_path / "centre.sqlite", tmp_path / "copy.sqlite"
    storage = opened(path)
    store(storage, 1, 60)
    name = centre_name(storage.engine)
    back_up(path, to)
    store(storage, 61, 80)
    with pytest.raises(TakenError, match="another centre runs"):
        restore(path, to)
    storage.close()
    (aside,) = restore(path, to)
    assert not any(beside(path, suffix).exists() for suffix in (PART, READY))
    held = opened(path)
    assert stored(held) == [episode_id(n) for n in range(1, 61)]
    assert ask_since_ns(held.engine, OLDEST_NS) == T0_NS - 3_600 * 10**9
    assert centre_name(held.engine) != name
    store(held, 61, 80)
    with held.engine.begin() as db:
        assert (db.scalar(sa.select(sa.func.max(FEED.c.n))) or 0) > 10**12, "no page has such a cursor"
        assert value(db, ASK_SINCE) is not None
    assert held.notices() == [], "it was asked for"
    held.close()
    old = opened(aside)
    assert len(stored(old)) == 80
    old.close()


def test_the_commands_name_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = write_site(tmp_path / "site", broker="127.0.0.1:1", http="127.0.0.1:2")
    assert main(["centre", "backup", "--config", str(site), "--to", str(tmp_path / "b")]) == 2
    assert "there is no database" in capsys.readouterr().err
    storage = opened(tmp_path / "site" / "centre.sqlite")
    store(storage, 1, 20)
    assert main(["centre", "backup", "--config", str(site), "--to", str(tmp_path / "b")]) == 0
    assert main(["centre", "restore", "--config", str(site), "--from", str(tmp_path / "b")]) == 1
    assert "stop it first" in capsys.readouterr().err
    storage.close()
    (tmp_path / "wrong").write_bytes(b"no database at all" * 1_000)
    assert main(["centre", "restore", "--config", str(site), "--from", str(tmp_path / "wrong")]) == 1
    assert "is damaged" in capsys.readouterr().err
    assert main(["centre", "restore", "--config", str(site), "--from", str(tmp_path / "b")]) == 0
    monkeypatch.setenv("DB", "postgresql://road:s3cr3t@PW@db.example/x")
    text = site.read_text(encoding="utf-8")
    begin = text.index("database = ")
    other = text[:begin] + 'database = "${DB}"' + text[text.index("\n", begin) :]
    site.write_text(other, encoding="utf-8")
    assert main(["centre", "backup", "--config", str(site), "--to", str(tmp_path / "c")]) == 2
    said = capsys.readouterr().err
    assert "pg_dump" in said
    assert "s3cr3t" not in said
    assert "${DB}" in said


@pytest.mark.parametrize(
    ("url", "named"),
    [
        (
            "postgresql+psycopg2://road:s3cr3t@PW@h:1/x",
            "install petroroad[postgresql]",
        ),  # no driver
        ("postgresql+psycopg://road:s3cr3t@PW@127.0.0.1:no/x", "can't be opened"),  # no port
        ("nosuch://road:s3cr3t@PW@127.0.0.1/x", "can't be opened"),
    ],
)
def test_no_message_of_a_wrong_address_has_its_password(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, url: str, named: str
) -> None:
    with kept_port() as port:
        site = write_site(tmp_path, broker="127.0.0.1:1", http=f"127.0.0.1:{port}")
    text = site.read_text(encoding="utf-8")
    begin = text.index("database = ")
    site.write_text(text[:begin] + 'database = "${DB}"' + text[text.index("\n", begin) :], encoding="utf-8")
    monkeypatch.setenv("DB", url)
    assert main(["centre", "--config", str(site)]) == 2
    said = capfd.readouterr()
    assert named in said.err
    assert "${DB}" in said.err
    assert "s3cr3t" not in said.err + said.out
    assert "PW" not in said.err + said.out
    assert "Traceback" not in said.err
