"""The centre's database: its tables, and how it is opened. `violation_writer` writes, `reader` reads."""

import contextlib
import os
import secrets
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from centre import desk_tables as _desk
from centre import evidence_tables as _evidence  # noqa: F401
from centre import migrations, postgresql
from centre import outreach_tables as _outreach  # noqa: F401
from centre.accounts import tables as _accounts  # noqa: F401  its tables belong to the database
from centre.audit import tables as _audit  # noqa: F401  its tables belong to the database
from centre.database_file import MODE, path_of, restrict
from centre.faults import SchemaError, as_schema_error
from centre.meta import META, NUMBER, let_postgresql_have_partial_indexes, partial_index
from centre.search import tables as _search  # noqa: F401
from centre.statistics import tables as _statistics  # noqa: F401
from centre.workers import tables as _workers  # noqa: F401

VERSION_KEY = "schema_version"  # in SETTING; a petroroad without Alembic reads it to refuse a newer database
SQLITE_WAIT_S = 5  # for a lock of another process
CACHE_KIB = 1_024  # of pages in memory, of each of five connections; SQLite would take twice as much
LOG_BYTES_KEPT = 4_194_304  # of the write-ahead log after a checkpoint: a long reader lets it grow


# One row per transport key that ever arrived: what an RSU's batch is compared with.
TRANSPORT = sa.Table(
    "transport", META,
    sa.Column("esn", sa.String(64), primary_key=True),
    sa.Column("epoch", sa.BigInteger, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("sha256", sa.LargeBinary(32), nullable=False),  # empty for a void
    sa.Column("void", sa.String(200)),  # the reason of a void
    sa.Column("received_ns", sa.BigInteger, nullable=False),
)  # fmt: skip

_is_void = TRANSPORT.c.void.is_not(None)  # few rows: the page counts them each second
partial_index("ix_transport_void", TRANSPORT.c.esn, where=_is_void)

VERSION = sa.Table(
    "violation_version", META,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True),
    sa.Column("esn", sa.String(64), primary_key=True),
    sa.Column("hop", sa.BigInteger, nullable=False),
    sa.Column("grade", sa.SmallInteger, nullable=False),  # index into geofence.violation.GRADES
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("sha256", sa.LargeBinary(32), nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("decided_ns", sa.BigInteger),  # the deciding observation's arrival; nil where a tick decided
    sa.Column("detected_ns", sa.BigInteger, nullable=False),
    sa.Column("sent_ns", sa.BigInteger, nullable=False),
    sa.Column("received_ns", sa.BigInteger, nullable=False),
    sa.Column("committed_ns", sa.BigInteger),  # written right after the commit
)  # fmt: skip

# One row per episode: the version that is shown, and figures over all its versions.
EPISODE = sa.Table(
    "episode", META,
    sa.Column("n", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("hop", sa.BigInteger, nullable=False),
    sa.Column("esn", sa.String(64), nullable=False),
    sa.Column("open", sa.Boolean, nullable=False, index=True),
    sa.Column("grade", sa.SmallInteger, nullable=False),
    sa.Column("grade_max", sa.SmallInteger, nullable=False),
    sa.Column("rule", sa.String(32), nullable=False),
    sa.Column("versions", sa.Integer, nullable=False),
    sa.Column("first_received_ns", sa.BigInteger, nullable=False),
    sa.Column("first_committed_ns", sa.BigInteger),
    # from the deciding observation's arrival to the commit, of the first version of grade warning or above
    # that an observation decided, and the RSU that sent that version
    sa.Column("latency_ns", sa.BigInteger),
    sa.Column("latency_esn", sa.String(64)),
    sa.Column("p_violation_max", sa.Float, nullable=False),  # over all versions: a close has a low one
    sa.Column("excess_m_max", sa.Float),  # over all versions; nil where the rule measures no length
    sqlite_autoincrement=True,
)  # fmt: skip
sa.Index("ix_episode_section", EPISODE.c.grade_max, EPISODE.c.open)  # the page counts by it each second

# One row per committed change of a violation, RSU or gateway; the number is the id of the server-sent event.
# Rows are added in the order of their numbers, also where several processes write (`settling`).
FEED = sa.Table(
    "feed", META,
    sa.Column("n", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("kind", sa.String(16), nullable=False),  # violation, rsu, gateway
    sa.Column("key", sa.String(64), nullable=False),  # the violation's id, the esn, the gateway's id
    sa.Column("version", sa.BigInteger),
    sa.Column("esn", sa.String(64)),
    sqlite_autoincrement=True,
)  # fmt: skip

# One row per transaction whose changes have no rows of the feed yet; who adds those deletes it (`settling`).
UNSETTLED = sa.Table(
    "unsettled", META,
    sa.Column("n", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("changes", sa.LargeBinary, nullable=False),  # of `changes`
    sqlite_autoincrement=True,
)  # fmt: skip

QUARANTINE = sa.Table(
    "quarantine", META,
    sa.Column("n", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("received_ns", sa.BigInteger, nullable=False),
    sa.Column("topic", sa.String(200), nullable=False),
    sa.Column("esn", sa.String(64), nullable=False),
    sa.Column("epoch", sa.BigInteger),
    sa.Column("seq", sa.BigInteger),
    sa.Column("reason", sa.String(200), nullable=False),
    sa.Column("sha256", sa.LargeBinary(32), nullable=False, index=True),
    sa.Column("size_bytes", sa.Integer, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)  # fmt: skip
sa.Index("ix_quarantine_esn", QUARANTINE.c.esn, QUARANTINE.c.n)  # each RSU's rows are limited

# The last status of each RSU and gateway that changed something; other heartbeats stay in memory.
STATUS = sa.Table(
    "status", META,
    sa.Column("kind", sa.String(16), primary_key=True),  # rsu, gateway
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("connection", sa.BigInteger, nullable=False),
    sa.Column("since_ns", sa.BigInteger, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)  # fmt: skip

# The highest seq that each RSU reported for each of its epochs: compared with TRANSPORT it shows a gap.
EPOCH = sa.Table(
    "epoch", META,
    sa.Column("esn", sa.String(64), primary_key=True),
    sa.Column("epoch", sa.BigInteger, primary_key=True),
    sa.Column("last_seq", sa.BigInteger, nullable=False),
)  # fmt: skip

# One row per journey: its newest version. A row that `joined` another one continues that one's journey: its
# RSU did not know of it. `base` is what was known of that one then; the joined one's row shows both together.
JOURNEY = sa.Table(
    "journey", META,
    sa.Column("n", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("terminal", sa.String(64), nullable=False),
    sa.Column("open", sa.Boolean, nullable=False),
    sa.Column("start_ns", sa.BigInteger, nullable=False),
    sa.Column("seen_ns", sa.BigInteger, nullable=False),
    sa.Column("hop", sa.BigInteger, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("esn", sa.String(64), nullable=False),
    sa.Column("joined", sa.String(36)),
    sa.Column("base", sa.LargeBinary),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("received_ns", sa.BigInteger, nullable=False),
    sqlite_autoincrement=True,
)  # fmt: skip
sa.Index("ix_journey_terminal", JOURNEY.c.terminal, JOURNEY.c.open)
sa.Index("ix_journey_shown", JOURNEY.c.open, JOURNEY.c.joined, JOURNEY.c.n)

# RSUs that were asked for all their violations since a time, because the database had lost its own.
ASK = sa.Table(
    "ask", META,
    sa.Column("esn", sa.String(64), primary_key=True),
    sa.Column("since_ns", sa.BigInteger, nullable=False),
    sa.Column("times", sa.Integer, nullable=False),
    sa.Column("asked_ns", sa.BigInteger, nullable=False),
)  # fmt: skip

SETTING = sa.Table(
    "setting", META,
    sa.Column("key", sa.String(32), primary_key=True),
    sa.Column("value", sa.String(200), nullable=False),
)  # fmt: skip


def open_database(url: str | sa.URL) -> sa.Engine:
    """Return an engine on `url` with all tables of this version.

    An older schema is migrated; whole tables and columns that may be nil are added where they are missing.
    All of it is one transaction, which no other process that opens the database overlaps: a refused database
    stays as it was, and so does one where the process is killed meanwhile. SQLite keeps what it committed
    through a loss of power.
    Raises sqlalchemy.exc.SQLAlchemyError where it can't be opened, SchemaError where its tables don't fit.
    """
    address = sa.make_url(url)
    engine = sa.create_engine(address, **postgresql.engine_arguments(address))
    if postgresql.is_postgresql(engine):
        sa.event.listen(engine, "connect", postgresql.prepare_session)
        let_postgresql_have_partial_indexes()
    if engine.dialect.name == "sqlite":
        keep_private(engine.url)
        sa.event.listen(engine, "connect", prepare_sqlite)
        sa.event.listen(engine, "begin", _begin)
    try:
        with exclusive(engine) as db:
            _check_version(db)
            if sa.inspect(db).get_table_names():
                migrations.upgrade(db)
            else:
                migrations.begin_at_newest(db)
            META.create_all(db)
            # a database of an earlier version has these tables, but not each index
            for index in (*EPISODE.indexes, *QUARANTINE.indexes, *_desk.HANDLING.indexes):
                index.create(db, checkfirst=True)
            _complete_columns(db)
            _write_version(db)
    except Exception as error:
        engine.dispose()
        raise as_schema_error(error) from error
    return engine


@contextlib.contextmanager
def exclusive(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Begin a transaction that waits until no other process opens the database."""
    with engine.connect().execution_options(exclusive=True) as db, db.begin():
        if postgresql.is_postgresql(db):
            db.execute(sa.select(sa.func.pg_advisory_xact_lock(postgresql.OPENING_LOCK)))
        yield db


def _check_version(db: sa.Connection) -> None:
    """Refuse a database of a newer version before anything is changed in it."""
    if not sa.inspect(db).has_table(SETTING.name):
        return
    found = db.scalar(sa.select(SETTING.c.value).where(SETTING.c.key == VERSION_KEY))
    if found is None:  # from before versions were kept
        return
    if not found.isascii() or not found.isdigit():
        raise SchemaError(f"table {SETTING.name}: {VERSION_KEY} is {found!r:.60}, no number")
    if int(found) > migrations.newest():
        raise SchemaError(
            f"table {SETTING.name}: its schema is version {found}, this petroroad knows up to "
            f"{migrations.newest()}: install the newer petroroad again, or name another database"
        )


def _complete_columns(db: sa.Connection) -> None:
    """Add missing columns that may be nil; raise one SchemaError that names everything that does not fit."""
    found = sa.inspect(db)
    faults: list[str] = []
    for table in META.sorted_tables:
        columns = found.get_columns(table.name)
        has = {column["name"] for column in columns}
        faults += [  # each insert would fail, since we have no value for such a column
            f"table {table.name} has a column {other['name']} that must be filled"
            for other in columns
            if other["name"] not in table.columns and not other["nullable"] and other["default"] is None
        ]
        for column in table.columns:
            if column.name in has:
                continue
            if not column.nullable:
                faults.append(f"table {table.name} lacks column {column.name}")
                continue
            quoted = db.dialect.identifier_preparer
            kind = column.type.compile(db.dialect)
            name = f"{quoted.format_table(table)} ADD COLUMN {quoted.format_column(column)}"
            db.exec_driver_sql(f"ALTER TABLE {name} {kind}")
    if faults:
        raise SchemaError(
            f"{'; '.join(faults)}: it is not of this version: restore the version that wrote it, or move "
            "the database aside to begin a new one (the RSUs keep what is not acknowledged)"
        )


def _write_version(db: sa.Connection) -> None:
    newest = str(migrations.newest())
    known = db.scalar(sa.select(SETTING.c.value).where(SETTING.c.key == VERSION_KEY))
    if known is None:
        db.execute(sa.insert(SETTING).values(key=VERSION_KEY, value=newest))
    elif known != newest:
        db.execute(sa.update(SETTING).where(SETTING.c.key == VERSION_KEY).values(value=newest))


def keep_private(url: sa.URL) -> None:
    """Let only the centre's own user read the file; SQLite gives its logs the same mode."""
    path = path_of(url)
    if path is None:
        return
    with contextlib.suppress(OSError):  # SQLite will say what is wrong with the path
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, MODE))
    restrict(path)


def prepare_sqlite(connection: Any, _record: Any) -> None:
    """Prepare each new connection to a file: a commit outlives a loss of power, and a lock is waited for."""
    connection.isolation_level = None  # else the driver begins transactions itself, and not for reads or DDL
    connection.execute(f"PRAGMA busy_timeout={SQLITE_WAIT_S * 1000}")
    _switch_to_wal(connection)
    for pragma in (
        "synchronous=FULL",
        "foreign_keys=ON",
        f"journal_size_limit={LOG_BYTES_KEPT}",
        f"cache_size=-{CACHE_KIB}",
        "wal_autocheckpoint=0",  # it would hold up a commit: `Storage` does it each second
    ):
        connection.execute(f"PRAGMA {pragma}")


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Turn the write-ahead log on. A new database that several processes open at once has to be asked again.

    SQLite reports "locked" without waiting where two connections that both read want to switch.
    """
    last_s = time.monotonic() + SQLITE_WAIT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > last_s:
                raise
            time.sleep(0.01)


def _begin(connection: sa.Connection) -> None:
    exclusive = connection.get_execution_options().get("exclusive")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if exclusive else "BEGIN")


def centre_name(engine: sa.Engine) -> str:
    """Return the name of this database, drawn at random when it was created; acknowledgements carry it."""
    named = sa.select(SETTING.c.value).where(SETTING.c.key == "centre")
    with engine.begin() as db:  # one that can't be written has its name, too
        known = db.scalar(named)
        if known is not None:
            return str(known)
    with exclusive(engine) as db:
        known = db.scalar(named)
        if known is not None:
            return str(known)
        name = f"centre-{secrets.token_hex(4)}"
        db.execute(sa.insert(SETTING).values(key="centre", value=name))
        return name
