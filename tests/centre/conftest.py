"""What the tests of the centre run on: SQLite, one PostgreSQL server for the session, a centre for a file."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.support.ledger_databases import PostgresqlServer, ledger_at, started
from tests.support.serving_centre import Running, running


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
        found = ledger_at(tmp_path / "centre.sqlite")
    else:
        server: PostgresqlServer = request.getfixturevalue("postgresql_server")
        found = server.cleared()
    yield found
    found.dispose()


@pytest.fixture(scope="module")
async def idle_centre(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """Give all tests of a file one centre that serves; for questions that change nothing in it."""
    async with running(tmp_path_factory.mktemp("idle")) as centre:
        yield centre
