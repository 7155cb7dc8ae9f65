"""Schema migrations: a stored database of version 1 is opened and keeps its rows, on both databases."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from centre import migrations
from centre.batch_decoder import decode_batch
from centre.faults import SchemaError
from centre.reader import Reader
from centre.store import EPISODE, META, SETTING, VERSION_KEY, centre_name, open_database
from centre.violation_writer import ViolationWriter
from tests.support.centre_samples import T0_NS, episode_id, item, payload, violation

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
# opens the database of argv[1] with the revisions of argv[2], once a line arrives
OPENS = """
import sys
from pathlib import Path
from centre import migrations, store
upgrade = migrations.upgrade
migrations.upgrade = lambda db: upgrade(db, Path(sys.argv[2]))
print("ready", flush=True)
sys.stdin.readline()
print(store.centre_name(store.open_database(sys.argv[1])))
"""
NEXT = '''"""A later schema."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0006", "0005"


def upgrade():
    with op.batch_alter_table("episode", table_kwargs={"sqlite_autoincrement": True}) as table:
        table.add_column(sa.Column("worked_by", sa.String(64), nullable=False, server_default="nobody"))
        table.alter_column("rule", existing_type=sa.String(32), type_=sa.String(64))
'''
Fresh = Callable[[], str]  # creates a database and returns its address


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def empty(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Return the address of an empty database."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'centre.sqlite'}"
    create: Fresh = request.getfixturevalue("postgresql")
    return create()


@pytest.fixture
def stored(kind: str, empty: str) -> str:
    """Return the address of a database as version 1 left it, before Alembic was used."""
    _restore(kind, empty)
    return empty


def _restore(kind: str, url: str) -> None:
    script = (DATA / f"centre_schema_1.{kind}.sql").read_text()
    if kind == "sqlite":
        with sqlite3.connect(url.removeprefix("sqlite:///")) as db:
            db.executescript(script)
        db.close()
        return
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in script.split(";\n"):
            connection.exec_driver_sql(statement)
    engine.dispose()


FIRST = frozenset((
    "transport", "violation_version", "episode", "feed", "quarantine", "status", "epoch", "setting",
))  # fmt: skip  # the tables of version 1


def _rows(url: str) -> dict[str, list[Any]]:
    engine = sa.create_engine(url)
    with engine.connect() as db:
        kept = [t for t in META.sorted_tables if t.name in FIRST]
        found = {t.name: sorted(map(tuple, db.execute(sa.select(t))), key=repr) for t in kept}
    engine.dispose()
    return found


def _differences(engine: sa.Engine) -> list[Any]:
    with engine.connect() as db:
        found: list[Any] = compare_metadata(MigrationContext.configure(db), META)
    return found


def _takes(engine: sa.Engine, seq: int) -> tuple[int, ...]:
    batch = decode_batch("t", "RSU001", payload(11, item(seq, violation(20 + seq))), T0_NS)
    return ViolationWriter(engine, lambda: T0_NS).commit([batch], []).acknowledgements[0].stored


def test_a_stored_database_is_migrated_and_keeps_each_row(stored: str) -> None:
    before = _rows(stored)
    assert all(before.values()), "each table has rows"
    engine = open_database(stored)
    before["setting"] = [
        (k, str(migrations.newest()) if k == VERSION_KEY else v) for k, v in before["setting"]
    ]
    assert _rows(stored) == before
    assert _differences(engine) == []
    assert centre_name(engine) == dict(before["setting"])["centre"]
    found = Reader(engine).violation(episode_id(1))
    assert found is not None
    assert len(found["versions"]) == 2
    assert _takes(engine, 1) == (1,)
    engine.dispose()
    open_database(stored).dispose()  # nothing is left to do


def test_a_new_database_is_made_without_migrating_and_equals_a_migrated_one(
    empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alembic would stay in the memory of a centre for as long as it runs."""
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "upgrade", lambda db: pytest.fail("nothing is there to migrate"))
        engine = open_database(empty)
    assert _differences(engine) == []
    with engine.begin() as db:
        migrations.upgrade(db)  # nothing is left to do
        assert db.scalar(sa.text("SELECT version_num FROM alembic_version")) == f"{migrations.newest():04}"
    assert _takes(engine, 1) == (1,)
    engine.dispose()


def test_the_revisions_make_the_tables_of_this_version(empty: str) -> None:
    engine = sa.create_engine(empty)
    with engine.begin() as db:
        migrations.upgrade(db)
        META.create_all(db)  # the tables of parts that came later stand beside the revisions' own
    assert _differences(engine) == []
    with engine.connect() as db:
        assert db.scalar(sa.text("SELECT version_num FROM alembic_version")) == f"{migrations.newest():04}"
    engine.dispose()


def test_a_later_revision_changes_a_stored_database_and_keeps_its_rows(stored: str, tmp_path: Path) -> None:
    before = _rows(stored)
    versions = _later(tmp_path)
    open_database(stored).dispose()
    engine = sa.create_engine(stored)
    with engine.begin() as db:
        migrations.upgrade(db, versions)
        assert set(db.scalars(sa.text("SELECT worked_by FROM episode"))) == {"nobody"}
        assert db.scalar(sa.text("SELECT version_num FROM alembic_version")) == "0006"
    assert _rows(stored)["episode"] == before["episode"]
    assert _takes(engine, 2) == (2,)
    with engine.begin() as db:  # numbers go on: a browser's cursor and the list's order need that
        assert db.scalar(sa.select(sa.func.max(EPISODE.c.n))) == 1 + max(row[0] for row in before["episode"])
    engine.dispose()


def _later(folder: Path) -> Path:
    versions = folder / "versions"
    shutil.copytree(migrations.FOLDER / "versions", versions)
    (versions / "v0006_later.py").write_text(NEXT)
    return versions


def test_a_revision_that_fails_leaves_the_database_as_it_was(stored: str, tmp_path: Path) -> None:
    versions = _later(tmp_path)
    broken = NEXT.replace('"0006", "0005"', '"0007", "0006"') + "    op.drop_table('none_such')\n"
    (versions / "v0007_broken.py").write_text(broken.replace("worked_by", "seen_by"))
    engine = open_database(stored)
    before = _rows(stored)
    with pytest.raises(sa.exc.DBAPIError), engine.begin() as db:
        migrations.upgrade(db, versions)
    assert _rows(stored) == before
    assert _differences(engine) == []
    engine.dispose()


def _opening(url: str, versions: Path) -> "subprocess.Popen[str]":
    """Start a process that is about to open the database."""
    argv = (sys.executable, "-c", OPENS, url, str(versions))
    opening = subprocess.Popen(
        argv, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert opening.stdout is not None
    assert opening.stdout.readline() == "ready\n"
    return opening


def test_a_migration_that_is_killed_changes_nothing_and_the_next_start_does_it(
    stored: str, tmp_path: Path
) -> None:
    before = _rows(stored)
    versions = _later(tmp_path)
    later = versions / "v0006_later.py"
    later.write_text(NEXT + "    import os, signal\n    os.kill(os.getpid(), signal.SIGKILL)\n")
    killed = _opening(stored, versions)
    killed.communicate("\n", timeout=60.0)
    assert killed.returncode == -signal.SIGKILL
    engine = sa.create_engine(stored)
    assert not sa.inspect(engine).has_table("alembic_version")
    assert not sa.inspect(engine).has_table("journey")
    assert _rows(stored) == before
    later.write_text(NEXT)
    _, errors = (again := _opening(stored, versions)).communicate("\n", timeout=60.0)
    assert again.returncode == 0, errors
    with engine.begin() as db:
        assert set(db.scalars(sa.text("SELECT worked_by FROM episode"))) == {"nobody"}
    assert _rows(stored)["episode"] == before["episode"]
    engine.dispose()


@pytest.mark.parametrize("is_new", [True, False])
def test_centres_that_start_at_once_make_or_migrate_one_database(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, *, is_new: bool
) -> None:
    url: str = request.getfixturevalue("empty")
    if not is_new:
        _restore(kind, url)
    versions = _later(tmp_path)
    processes = [_opening(url, versions) for _ in range(3)]
    for each in processes:
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()
    said = [each.communicate(timeout=60.0) for each in processes]
    assert [each.returncode for each in processes] == [0, 0, 0], said
    assert len({name for name, _ in said}) == 1
    engine = sa.create_engine(url)
    with engine.begin() as db:
        assert list(db.scalars(sa.text("SELECT version_num FROM alembic_version"))) == ["0006"]
    engine.dispose()


def test_a_revision_that_this_version_does_not_know_is_refused_by_name(empty: str) -> None:
    engine = open_database(empty)
    with engine.begin() as db:
        db.execute(sa.text("UPDATE alembic_version SET version_num = '0099'"))
    engine.dispose()
    with pytest.raises(SchemaError, match=r"alembic_version.*0099.*install the petroroad that wrote it"):
        open_database(empty)


def test_a_database_of_a_newer_version_is_refused_before_anything_changes(stored: str) -> None:
    engine = sa.create_engine(stored)
    with engine.begin() as db:
        db.execute(sa.update(SETTING).where(SETTING.c.key == "schema_version").values(value="99"))
    with pytest.raises(SchemaError, match="schema is version 99"):
        open_database(stored)
    assert not sa.inspect(engine).has_table("alembic_version")
    engine.dispose()


def test_a_missing_column_is_named_and_is_no_full_disk(stored: str) -> None:
    engine = sa.create_engine(stored)
    with engine.begin() as db:
        db.execute(sa.text("ALTER TABLE episode DROP COLUMN p_violation_max"))
    engine.dispose()
    with pytest.raises(SchemaError, match="table episode lacks column p_violation_max"):
        open_database(stored)
