"""The page beyond this machine: TLS by the site's authority, accounts, hosts, a renewed certificate."""

import asyncio
import contextlib
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import websockets.asyncio.client as ws

from centre.access import page_tls
from centre.process import CentreProcess
from centre.store import open_database
from core.errors import ConfigError
from edge import log
from edge.clock import Clock
from edge.config import Site, load_site
from petroroad.pki import authority as pki
from tests.support.centre_site import write_site
from tests.support.signed_in import PASSWORD, add_accounts

pytestmark = pytest.mark.anyio
HOST = "centre.example"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def site_of(folder: Path, more: str = "", *, port: int | None = None, issued: bool = True) -> Site:
    """Write a site whose page is served on every address, with a certificate of its own authority."""
    path = write_site(folder, broker="127.0.0.1:1", http=f"0.0.0.0:{port or free_port()}")
    text = path.read_text(encoding="utf-8").replace("[centre]\n", f"[centre]\n{more}", 1)
    path.write_text(text, encoding="utf-8")
    if issued:
        pki.create(folder / "pki", "test", None)
        issue(folder)
    return load_site(path)


def issue(folder: Path) -> None:
    with pki.opened(folder / "pki", None) as authority:
        part = authority.identity("page", "centre-page")
        if (folder / "pki" / "page-centre-page.crt").exists():
            authority.renew(part, 365)
        else:
            authority.issue(part, (HOST, "127.0.0.1"), 365)


@contextlib.asynccontextmanager
async def serving(site: Site) -> AsyncIterator[str]:
    """Run the whole process; yields the page's address on this machine."""
    process = CentreProcess(site, Clock.wall(), log.setup(part="test"))
    running = asyncio.create_task(process.run())
    port = site.config.centre.http.rpartition(":")[2]
    try:
        async with asyncio.timeout(20.0):
            while not running.done():
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", int(port))
                    writer.close()
                    break
                await asyncio.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.stop.set()
        await running


def trust(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "pki" / "ca.crt"))


def with_account(site: Site) -> Site:
    engine = open_database(site.config.centre.database)
    add_accounts(engine, ["ada"])
    engine.dispose()
    return site


async def refusal(site: Site) -> str:
    with pytest.raises(ConfigError) as error:
        await CentreProcess(site, Clock.wall(), log.setup(part="test")).run()
    return str(error.value)


async def test_it_does_not_start_without_certificate_or_account(tmp_path: Path) -> None:
    said = await refusal(site_of(tmp_path / "a", issued=False))
    assert "petroroad pki issue page centre-page --host" in said
    said = await refusal(site_of(tmp_path / "b"))
    assert "petroroad centre user add NAME --role administrator --config" in said
    said = await refusal(site_of(tmp_path / "c", 'certificate = "page.crt"\n', issued=False))
    assert "both or neither" in said
    said = await refusal(site_of(tmp_path / "d", 'certificate = "x.crt"\nkey = "x.key"\n', issued=False))
    assert "can't be used" in said
    assert "x.crt" in said


async def test_it_is_served_over_tls_only_to_whom_it_knows_under_its_own_names(tmp_path: Path) -> None:
    site = with_account(site_of(tmp_path, f'hosts = ["alias.example"]\nhealth = "127.0.0.1:{free_port()}"\n'))
    async with serving(site) as address, httpx.AsyncClient(verify=trust(tmp_path), timeout=30.0) as http:
        url = f"https://{address}"
        for path in ("/api/summary", "/api/me", "/api/events"):
            assert (await http.get(url + path)).status_code == 401
        for path in ("/metrics", "/healthz", "/readyz"):
            assert (await http.get(url + path)).status_code == 403, "at [centre] health alone"
        health = await http.get(f"http://{site.config.centre.health}/healthz")
        assert health.status_code == 200
        port = address.rpartition(":")[2]
        for host, status in ((f"{HOST}:{port}", 401), ("alias.example", 401), ("evil.example", 403)):
            assert (await http.get(f"{url}/api/me", headers={"host": host})).status_code == status, host
        answer = await http.post(f"{url}/api/sign-in", json={"name": "ada", "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        flags = answer.headers["set-cookie"]
        assert flags.startswith("__Host-petroroad-centre=")
        assert {"Secure", "HttpOnly", "Path=/"} <= {part.strip() for part in flags.split(";")}
        assert (await http.get(f"{url}/api/summary")).status_code == 200
        plain = {"origin": f"http://{address}", "x-csrf": answer.json()["csrf"]}
        assert (await http.post(f"{url}/api/sign-out", headers=plain)).status_code == 403, (
            "a page without TLS"
        )
        cookie = flags.partition(";")[0]
        async with ws.connect(
            f"wss://{address}/api/stream", ssl=trust(tmp_path), additional_headers={"cookie": cookie},
            origin=f"https://{address}",  # type: ignore[arg-type]
        ) as stream:  # fmt: skip
            assert "summary" in str([await stream.recv() for _ in range(3)])
        with pytest.raises(httpx.HTTPError):
            await http.get(f"http://{address}/api/me")
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("DEFAULT:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, OSError)):
            await asyncio.open_connection(*address.split(":"), ssl=old)


async def serial(folder: Path, address: str) -> str:
    host, _, port = address.partition(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=trust(folder))
    found: str = writer.get_extra_info("peercert")["serialNumber"]
    writer.close()
    await writer.wait_closed()
    return found


async def test_a_renewed_certificate_is_served_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("centre.process.REFRESH_S", 0.1)
    site = with_account(site_of(tmp_path))
    certificate, key = page_tls.page_files(site)
    async with serving(site) as address:
        first = await serial(tmp_path, address)
        kept = key.read_bytes()
        issue(tmp_path)
        key.write_bytes(kept)  # half of the pair is copied yet
        await asyncio.sleep(0.5)
        assert await serial(tmp_path, address) == first, "the pair before is served meanwhile"
        issue(tmp_path)
        async with asyncio.timeout(10.0):
            while await serial(tmp_path, address) == first:
                await asyncio.sleep(0.1)
    tls = page_tls.page_tls(site)
    assert tls is not None
    shutil.copy(tmp_path / "pki" / "ca.crt", certificate)
    assert not tls.refresh()
    assert tls.counts["page_tls.reload_failed"] == 1
    assert "can't be used" in str(tls.problem)


def test_a_wildcard_covers_one_label(tmp_path: Path) -> None:
    site = site_of(tmp_path)
    tls = page_tls.page_tls(site)
    assert tls is not None
    assert tls.covers(HOST)
    assert not tls.covers("example")
    tls.names = frozenset(("*.example.cn",))
    assert tls.covers("centre.example.cn")
    assert not tls.covers("a.b.example.cn")
    assert not tls.covers("example.cn")


def test_on_this_machine_it_needs_neither(tmp_path: Path) -> None:
    path = write_site(tmp_path, broker="127.0.0.1:1", http="127.0.0.1:8080")
    assert page_tls.page_tls(load_site(path)) is None
