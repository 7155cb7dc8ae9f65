"""What a PostgreSQL database needs where SQLite has one process: settings of a session, locks, notifications.

Several processes may write one database. A transaction locks what it is going to read and change before it
reads, by name, in the order of the locks' numbers: so no two wait for each other, and each sees what the one
before it committed. The locks are PostgreSQL's advisory ones, which end with the transaction.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

OPENING_LOCK = 8_081_078  # of whoever opens a database; any number of our own
FEED_LOCK = 8_081_079  # of whoever adds rows to the feed: held until they are committed
CHANNEL = "petroroad_feed"  # each commit of the feed notifies it, with its newest number
# A process that is frozen or cut off in a transaction holds its locks. The server ends it after this time,
# and whoever waits for a lock waits a little longer than that.
SESSION = (
    "SET idle_in_transaction_session_timeout = '5s'",
    "SET lock_timeout = '6s'",
    # "off" would acknowledge what a crash of the server loses; "local" and stronger ones stay as they are
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') = 'off'",
)
FEED_WAIT = "SET LOCAL lock_timeout = '250ms'"
LITTLE_WAIT = "SET LOCAL lock_timeout = '1s'"
HELD = "55P03"  # a lock that did not become free in time
# found dead after some 11 s, however long the kernel would wait; the address's own values come first
CONNECTION: dict[str, int] = {
    "connect_timeout": 5, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}  # fmt: skip
UNSAFE = ("fsync", "full_page_writes")  # settings without which the server loses commits
TRANSIENT = ("40001", "40P01")  # serialization failure, deadlock: the same transaction may succeed at once


def is_postgresql(engine: sa.Engine | sa.Connection) -> bool:
    return engine.dialect.name == "postgresql"


def engine_arguments(url: sa.URL) -> dict[str, Any]:
    """Return what an engine of `url` is created with; nothing for another database."""
    if not url.drivername.startswith("postgresql"):
        return {}
    connection: dict[str, int] = {}
    if "psycopg" in url.get_driver_name():  # another driver has other names
        connection = {name: value for name, value in CONNECTION.items() if name not in url.query}
    return {"isolation_level": "READ COMMITTED", "connect_args": connection}  # what the locks rely on


def prepare_session(connection: Any, _record: Any) -> None:
    """Prepare each new connection of the pool."""
    with connection.cursor() as cursor:
        for statement in SESSION:
            cursor.execute(statement)
    connection.commit()


def snapshots(engine: sa.Engine) -> sa.Engine:
    """Return an engine whose transactions read one moment of the database, as SQLite's do."""
    if not is_postgresql(engine):
        return engine
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def unsafe_settings(engine: sa.Engine) -> list[str]:
    """Return the server's settings under which a loss of power may take what is committed."""
    with engine.connect() as db:
        rows = db.exec_driver_sql("SELECT name FROM pg_settings WHERE setting = 'off'").scalars()
        return [name for name in rows if name in UNSAFE]


def sqlstate_of(error: BaseException) -> str:
    """Return PostgreSQL's code of an error; empty for any other."""
    found = getattr(error, "orig", error)
    return str(getattr(found, "sqlstate", None) or getattr(found, "pgcode", None) or "")


def lock(db: sa.Connection, names: Iterable[str]) -> None:
    """Lock what has these names until the end of the transaction."""
    numbers = _numbers(names)
    if numbers:
        db.exec_driver_sql("SELECT pg_advisory_xact_lock(n) FROM unnest(%s::bigint[]) AS n", (numbers,)).all()


def wait_little(db: sa.Connection) -> None:
    """Let no lock hold up this transaction for long; an OperationalError where another one keeps it."""
    db.exec_driver_sql(LITTLE_WAIT)


def is_held(error: BaseException) -> bool:
    """Say whether a transaction failed since another one kept a lock."""
    return sqlstate_of(error) == HELD


def try_lock(db: sa.Connection, names: Iterable[str]) -> bool:
    """Lock what has these names, without waiting; return whether all of it is locked now."""
    query = "SELECT coalesce(bool_and(pg_try_advisory_xact_lock(n)), true) FROM unnest(%s::bigint[]) AS n"
    return bool(db.exec_driver_sql(query, (_numbers(names),)).scalar())


def lock_feed(db: sa.Connection) -> None:
    """Lock the feed until the end of the transaction; an OperationalError where another one keeps it."""
    db.exec_driver_sql(FEED_WAIT)
    db.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (FEED_LOCK,))


def notify(db: sa.Connection, newest_n: int) -> None:
    """Wake the processes that serve pages, once this transaction is committed."""
    db.exec_driver_sql("SELECT pg_notify(%s, %s)", (CHANNEL, str(newest_n)))


def _numbers(names: Iterable[str]) -> list[int]:
    return sorted(
        int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)
        for name in names
    )
