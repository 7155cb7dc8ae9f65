"""Databases for tests: SQLite ones that are made quickly, and a PostgreSQL server that is theirs alone."""

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
from itertools import count
from pathlib import Path

import sqlalchemy as sa

from centre.store import META, open_database
from tests.conftest import find_program


@functools.cache
def _empty_ledger() -> Path:
    """Return a SQLite database that has all tables and nothing else, made once in this process."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    path = folder / "centre.sqlite"
    open_database(f"sqlite:///{path}").dispose()
    return path


def ledger_at(path: Path) -> sa.Engine:
    """Open a centre's database; a new one begins as a copy, which costs a third of the migrations."""
    if not path.exists():
        shutil.copy(_empty_ledger(), path)
    return open_database(f"sqlite:///{path}")


class PostgresqlServer:
    """A server that only this session reaches, through a socket in its own folder."""

    def __init__(self, initdb: str, *, fsync: bool) -> None:
        """fsync : whether a commit waits for the disk; a centre warns of a server where none does"""
        self._fsync = "on" if fsync else "off"
        self._programs = Path(initdb).parent
        # a socket's path has 107 bytes at most, and another user has to reach it
        self.folder = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
        self._user = "postgres" if os.geteuid() == 0 else None  # the server refuses to run as root
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        self.folder.chmod(0o755)
        self._run("initdb", "-A", "trust", "-U", "petroroad", "-E", "UTF8", "--no-sync")
        self.start()
        self._admin = sa.create_engine(self._url("postgres"), isolation_level="AUTOCOMMIT")
        self._numbers = count()
        self._shared: sa.Engine | None = None

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), "-D", str(self.folder / "data"), *arguments]
        subprocess.run(command, check=True, user=self._user, cwd=self.folder, stdout=subprocess.DEVNULL)

    def _url(self, name: str) -> str:
        return f"postgresql+psycopg://petroroad@/{name}?host={self.folder}"

    def start(self) -> None:
        options = f"-c listen_addresses='' -c fsync={self._fsync} -k {self.folder}"
        self._run("pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        """Stop the server as a crash does."""
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def empty(self) -> str:
        """Create a database without tables; return its address."""
        name = f"db_{next(self._numbers)}"
        with self._admin.connect() as db:
            db.exec_driver_sql(f"CREATE DATABASE {name}")
        return self._url(name)

    def cleared(self) -> sa.Engine:
        """Return the engine of a database with all tables and without rows, the same for all tests.

        To delete the rows costs a tenth of what a database from a template does.
        """
        if self._shared is None:
            self._shared = open_database(self.empty())
        tables = ", ".join(table.name for table in META.sorted_tables if table.name != "setting")
        with self._shared.begin() as db:
            db.exec_driver_sql(f"TRUNCATE {tables} RESTART IDENTITY")
        return self._shared

    def close(self) -> None:
        if self._shared is not None:
            self._shared.dispose()
        self._admin.dispose()
        self.stop()
        shutil.rmtree(self.folder)


def started(*, fsync: bool = False) -> PostgresqlServer | None:
    """Return a running server; None where PostgreSQL is not installed."""
    initdb = find_program("initdb")
    return None if initdb is None else PostgresqlServer(initdb, fsync=fsync)
