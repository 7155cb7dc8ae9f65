"""A database server that starts after us is waited for; a mistake of the site file ends the process."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from centre.database_faults import is_away
from centre.process import CentreProcess
from core.errors import ConfigError
from edge import log
from edge.clock import Clock
from edge.config import load_site
from petroroad.processes.children import is_ready
from petroroad.processes.ports import kept_port
from tests.support.centre_site import write_site
from tests.support.ledger_databases import PostgresqlServer, started

pytestmark = pytest.mark.anyio
TEST_S = 60.0


@pytest.fixture
def own_server() -> Iterator[PostgresqlServer]:
    server = started()
    if server is None:
        pytest.skip("postgresql is missing: sudo apt-get install postgresql")
    yield server
    server.close()


@contextlib.contextmanager
def site_on(folder: Path, address: str) -> Iterator[CentreProcess]:
    with kept_port() as port:
        path = write_site(folder, broker="127.0.0.1:1", http=f"127.0.0.1:{port}")
        text = path.read_text(encoding="utf-8")
        begin = text.index("database = ")
        other = text[:begin] + f'database = "{address}"' + text[text.index("\n", begin) :]
        path.write_text(other, encoding="utf-8")
        yield CentreProcess(load_site(path), Clock.wall(), log.setup(part="test"))


async def test_the_centre_waits_for_a_server_that_starts_later(
    tmp_path: Path, own_server: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("centre.database_faults.AGAIN_S", 0.2)
    address = own_server.empty()
    own_server.stop()
    with site_on(tmp_path, address) as process:
        running = asyncio.create_task(process.run())
        await asyncio.sleep(1.0)
        assert not running.done()
        await asyncio.to_thread(own_server.start)
        async with asyncio.timeout(TEST_S):
            while not await answers(process.site.config.centre.http):
                assert not running.done(), running.exception()
                await asyncio.sleep(0.05)
        process.stop.set()
        await asyncio.wait_for(running, TEST_S)


async def answers(address: str) -> bool:
    """Say whether the page is served; without a broker it is never ready."""
    host, _, port = address.partition(":")
    try:
        reader, writer = await asyncio.open_connection(host, int(port))
    except ConnectionRefusedError:  # it listens once it has its database
        return False
    try:
        writer.write(f"GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
        async with asyncio.timeout(5.0):  # who keeps the port accepts, too, and never answers
            return b" 200 " in await reader.readline()
    except TimeoutError:
        return False
    finally:
        writer.close()


async def test_it_can_be_stopped_meanwhile_and_its_log_has_no_password(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "s3cr3t@PW")
    with site_on(tmp_path, "postgresql+psycopg://road:${SECRET}@127.0.0.1:1/x?connect_timeout=1") as process:
        running = asyncio.create_task(process.run())
        await asyncio.sleep(0.5)
        assert not running.done()
        assert not await is_ready(process.site.config.centre.http)
        process.stop.set()
        await asyncio.wait_for(running, TEST_S)
    said = capfd.readouterr()
    assert "database.away" in said.err + said.out
    assert "s3cr3t" not in said.err + said.out
    assert "PW" not in said.err + said.out


async def test_a_database_that_does_not_exist_is_a_mistake(
    tmp_path: Path, postgresql: Callable[[], str]
) -> None:
    with site_on(tmp_path, postgresql().replace("/db_", "/none_")) as process:
        with pytest.raises(ConfigError, match=r"centre\.database: can't be opened"):
            await asyncio.wait_for(process.run(), TEST_S)
        error = OperationalError("", {}, Exception("FATAL:  the database system is starting up"))
        assert is_away(process.site, error)
