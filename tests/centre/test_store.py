"""A database of another version: completed where that is safe, else refused by name, never retried."""

import asyncio
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from centre import migrations
from centre.batch_decoder import decode_batch
from centre.faults import SchemaError, cause_of
from centre.process import CentreProcess
from centre.store import FEED, SETTING, centre_name, open_database, prepare_sqlite
from centre.violation_writer import ViolationWriter
from core.errors import ConfigError
from edge import log
from edge.clock import Clock
from edge.config import load_site
from petroroad.processes.ports import kept_port
from tests.support.centre_samples import T0_NS, item, payload, violation
from tests.support.centre_site import write_site


def _made(path: Path) -> str:
    url = f"sqlite:///{path}"
    engine = open_database(url)
    centre_name(engine)
    engine.dispose()
    return url


def _change(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as db:
        for statement in statements:
            db.execute(statement)


def _takes(engine: sa.Engine, seq: int = 1) -> tuple[int, ...]:
    batch = decode_batch("t", "RSU001", payload(10, item(seq, violation(seq))), T0_NS)
    return ViolationWriter(engine, lambda: T0_NS).commit([batch], []).acknowledgements[0].stored


def test_a_new_database_knows_its_version(tmp_path: Path) -> None:
    engine = open_database(_made(tmp_path / "a"))
    with engine.begin() as db:
        found = db.scalar(sa.select(SETTING.c.value).where(SETTING.c.key == "schema_version"))
    assert found == str(migrations.newest())
    engine.dispose()


def test_connections_to_a_new_database_wait_for_one_another(tmp_path: Path) -> None:
    """Two that switch a new database to the write-ahead log at once: SQLite says "locked" without waiting."""

    def connect(path: Path) -> str:
        start.wait()
        engine = sa.create_engine(f"sqlite:///{path}")
        sa.event.listen(engine, "connect", prepare_sqlite)
        with engine.connect() as db:
            mode = str(db.scalar(sa.text("PRAGMA journal_mode")))
        engine.dispose()
        return mode

    start = threading.Barrier(4)
    with ThreadPoolExecutor(4) as pool:
        for n in range(100):
            assert list(pool.map(connect, [tmp_path / f"{n}.sqlite"] * 4)) == ["wal"] * 4


@pytest.mark.parametrize(
    "statements",
    [
        ("DELETE FROM setting WHERE key = 'schema_version'",),  # from before versions were kept
        ("ALTER TABLE episode DROP COLUMN excess_m_max",),
        ("ALTER TABLE violation_version DROP COLUMN committed_ns", "ALTER TABLE feed DROP COLUMN esn"),
        ("DROP TABLE feed",),
        ("DROP TABLE quarantine", "UPDATE setting SET value = '0' WHERE key = 'schema_version'"),
        ("ALTER TABLE episode ADD COLUMN ours TEXT",),  # one more is no harm
    ],
)
def test_what_an_older_database_lacks_is_added_where_that_is_safe(
    tmp_path: Path, statements: tuple[str, ...]
) -> None:
    url = _made(tmp_path / "a")
    _change(tmp_path / "a", *statements)
    engine = open_database(url)
    assert _takes(engine) == (1,)
    engine.dispose()


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("ALTER TABLE episode DROP COLUMN p_violation_max", "table episode lacks column p_violation_max"),
        ("ALTER TABLE transport DROP COLUMN sha256", "table transport lacks column sha256"),
        ("ALTER TABLE quarantine RENAME COLUMN reason TO why", "quarantine has a column why that must be"),
        ("UPDATE setting SET value = '99' WHERE key = 'schema_version'", "schema is version 99"),
        ("UPDATE setting SET value = 'x' WHERE key = 'schema_version'", "schema_version is 'x'"),
        ("ALTER TABLE setting RENAME COLUMN value TO worth", "no such column"),
    ],
)
def test_what_does_not_fit_is_refused_by_name_and_left_as_it_is(
    tmp_path: Path, statement: str, says: str
) -> None:
    url = _made(tmp_path / "a")
    _change(tmp_path / "a", statement)
    before = _schema(tmp_path / "a")
    with pytest.raises(SchemaError, match=says):
        open_database(url)
    assert _schema(tmp_path / "a") == before


def _schema(path: Path) -> list[Any]:
    with sqlite3.connect(path) as db:
        return db.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()


def test_the_process_names_the_remedy_and_does_not_start(tmp_path: Path) -> None:
    with kept_port() as port:
        path = write_site(tmp_path, broker="127.0.0.1:1", http=f"127.0.0.1:{port}")
        _made(tmp_path / "centre.sqlite")
        _change(tmp_path / "centre.sqlite", "ALTER TABLE episode DROP COLUMN p_violation_max")
        service = CentreProcess(load_site(path), Clock.wall(), log.setup(part="test"))
        with pytest.raises(ConfigError) as refused:
            asyncio.run(service.run())
    text = str(refused.value)
    for part in ("centre.database", "episode", "p_violation_max", "centre.sqlite", "move the database aside"):
        assert part in text


@pytest.mark.parametrize("statement", ["DROP TABLE unsettled", "ALTER TABLE episode DROP COLUMN versions"])
def test_a_schema_that_changes_while_it_runs_is_no_full_disk_and_no_poisoned_item(
    tmp_path: Path, statement: str
) -> None:
    """Quarantining all would acknowledge what nobody stored; trying again would be for ever."""
    engine = open_database(_made(tmp_path / "a"))
    _takes(engine)
    _change(tmp_path / "a", statement)
    with pytest.raises(SchemaError, match=r"no such table|no column named|no such column"):
        _takes(engine, 2)
    with engine.begin() as db:
        assert db.scalar(sa.text("SELECT count(*) FROM transport")) == 1
        assert db.scalar(sa.text("SELECT count(*) FROM quarantine")) == 0
    engine.dispose()


def test_a_schema_that_changes_while_items_are_tried_one_by_one_ends_the_commit_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_database(_made(tmp_path / "a"))
    errors: list[Exception] = [
        TypeError("a poisoned item"),
        sa.exc.OperationalError("", {}, _SqliteError(1, "no such column: x")),
    ]

    def failing(*_: Any) -> None:
        raise errors.pop(0)

    monkeypatch.setattr("centre.violation_rows._update_episode", failing)
    with pytest.raises(SchemaError):
        _takes(engine)
    engine.dispose()


class _PostgresError(Exception):
    def __init__(self, sqlstate: str) -> None:
        super().__init__(f"state {sqlstate}")
        self.sqlstate = sqlstate


class _SqliteError(sqlite3.OperationalError):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.sqlite_errorcode = code


@pytest.mark.parametrize(
    ("error", "whose"),
    [
        (sa.exc.OperationalError("", {}, _SqliteError(sqlite3.SQLITE_FULL, "full")), "storage"),
        (sa.exc.OperationalError("", {}, _SqliteError(sqlite3.SQLITE_BUSY, "locked")), "storage"),
        (sa.exc.OperationalError("", {}, _SqliteError(sqlite3.SQLITE_IOERR | 3 << 8, "disk I/O")), "storage"),
        (sa.exc.OperationalError("", {}, _SqliteError(1, "no such savepoint: sa_1")), "storage"),
        (sa.exc.DatabaseError("", {}, _SqliteError(sqlite3.SQLITE_CORRUPT, "malformed")), "storage"),
        (sa.exc.OperationalError("", {}, _SqliteError(1, "no such column: x")), "schema"),
        (sa.exc.OperationalError("", {}, _SqliteError(1, "table feed has no column named x")), "schema"),
        (sa.exc.OperationalError("", {}, _SqliteError(1, "integer overflow")), "item"),
        (sa.exc.IntegrityError("", {}, _SqliteError(sqlite3.SQLITE_CONSTRAINT, "NOT NULL")), "item"),
        (sa.exc.InterfaceError("", {}, sqlite3.InterfaceError("can't bind")), "item"),
        (sa.exc.OperationalError("", {}, _PostgresError("53100")), "storage"),  # disk_full
        (sa.exc.OperationalError("", {}, _PostgresError("57P01")), "storage"),  # admin_shutdown
        (sa.exc.OperationalError("", {}, _PostgresError("40P01")), "storage"),  # deadlock_detected
        (sa.exc.InterfaceError("", {}, Exception("connection is closed")), "storage"),
        (sa.exc.ProgrammingError("", {}, _PostgresError("42703")), "schema"),  # undefined_column
        (sa.exc.ProgrammingError("", {}, _PostgresError("42P01")), "schema"),  # undefined_table
        (sa.exc.DataError("", {}, _PostgresError("22003")), "item"),  # numeric_value_out_of_range
        (sa.exc.IntegrityError("", {}, _PostgresError("23502")), "item"),  # not_null_violation
        (OverflowError("int too large"), "item"),
    ],
)
def test_each_error_has_its_cause(error: Exception, whose: str) -> None:
    assert cause_of(error) == whose


def test_a_number_of_the_feed_is_never_used_again(tmp_path: Path) -> None:
    """Completing a schema must not lose what a browser's cursor stands on."""
    engine = open_database(_made(tmp_path / "a"))
    _takes(engine)
    engine.dispose()
    engine = open_database(f"sqlite:///{tmp_path / 'a'}")
    _takes(engine, 2)
    with engine.begin() as db:
        assert list(db.scalars(sa.select(FEED.c.n).order_by(FEED.c.n))) == [1, 2]
    engine.dispose()
