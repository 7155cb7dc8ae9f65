"""The databases that the tests of the centre run on: SQLite, and one PostgreSQL server for the session."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from centre.store import open_database
from tests.support.ledger_databases import PostgresqlServer, started


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    server = started()
    if server is None:
        pytest.skip("postgresql is missing: sudo apt-get install postgresql")
    yield server
    server.close()


@pytest.fixture(scope="session")
def postgresql(postgresql_server: PostgresqlServer) -> Callable[[], str]:
    """Create an empty database with each call; return its address."""
    return postgresql_server.empty


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """Give the engine of a database with all tables and without rows, of each kind in turn."""
    if request.param == "sqlite":
        found = open_database(f"sqlite:///{tmp_path / 'centre.sqlite'}")
    else:
        server: PostgresqlServer = request.getfixturevalue("postgresql_server")
        found = server.cleared()
    yield found
    found.dispose()
