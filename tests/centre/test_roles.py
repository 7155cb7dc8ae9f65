"""Every route of the app, for every role and for nobody: HTTP, SSE and WebSockets."""

from pathlib import Path

import anyio
import pytest
import websockets.asyncio.client as ws
from litestar import Litestar, post
from litestar.routes import HTTPRoute
from websockets.exceptions import InvalidStatus

from centre.access.rules import authorize, check_routes
from centre.accounts.rights import RIGHTS, may
from centre.api import routes
from tests.support.route_rights import ROWS, Row
from tests.support.serving_centre import Running, running
from tests.support.signed_in import NAMES, Browser, add_accounts, sign_in

pytestmark = pytest.mark.anyio
STREAMS = ("/api/events", "/api/stream", "/api/tracks")


def page(directory: Path) -> None:
    (directory / "static").mkdir()
    (directory / "static" / "index.html").write_text("the page")
    (directory / "static" / "signin.html").write_text("sign in")
    (directory / "static" / "icon.svg").write_text("<svg/>")


def served(app: Litestar) -> set[tuple[str, str]]:
    """Return (method, path) of everything that the app answers."""
    found: set[tuple[str, str]] = set()
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            found |= {(method, route.path) for method in route.methods - {"OPTIONS"}}
        else:  # the streams: plain ASGI, each of one kind
            found.add(("GET" if route.path == "/api/events" else "WS", route.path))
    return found


async def status(centre: Running, row: Row, browser: Browser | None) -> int:
    """Return how a request of a browser, or of nobody, is answered; 200 for a WebSocket that is accepted."""
    path, headers = row.path or row.route, {} if browser is None else {"cookie": browser.cookie}
    if row.method == "WS":
        try:
            async with ws.connect(f"ws://127.0.0.1:{centre.port}{path}", additional_headers=headers):
                return 200
        except InvalidStatus as error:
            return error.response.status_code
    if browser is not None:
        headers["x-csrf"] = browser.me["csrf"]
    body = {"json": {}} if row.method in ("POST", "PATCH", "PUT") else {}
    http = centre.http if browser is None else browser.http
    async with http.stream(row.method, path, headers=headers, **body) as answer:
        return answer.status_code


def expected(row: Row, role: str | None) -> set[int]:
    """Return the answers that refuse; empty where the request has to pass."""
    if row.needs == "public":
        return set()
    if role is None:
        return {403} if row.method == "WS" else {401}  # a handshake that is refused is a 403
    return set() if row.needs == "own" or may(role, row.needs) else {403}  # type: ignore[arg-type]


async def test_no_route_is_forgotten(tmp_path: Path) -> None:
    page(tmp_path)
    async with running(tmp_path) as centre:
        assert {(row.method, row.route) for row in ROWS} == served(routes(centre.app, tmp_path / "static"))


@pytest.mark.parametrize("name", [None, *NAMES])
async def test_each_route_answers_whom_it_should(tmp_path: Path, name: str | None) -> None:
    page(tmp_path)
    async with running(tmp_path) as centre:
        add_accounts(centre.app.database.engine)
        await centre.app.access.start()
        browser = None if name is None else await sign_in(centre.port, name)
        role = None if name is None else NAMES[name]
        wrong = []
        last = [row for row in ROWS if row.route == "/api/sign-out"]
        for row in [*(row for row in ROWS if row not in last), *last]:
            got, refusals = await status(centre, row, browser), expected(row, role)
            ready = row.route == "/readyz"  # there is no broker: not ready
            if got not in refusals if refusals else got in (401, 403) or (got >= 500 and not ready):
                wrong.append((row.method, row.route, got))
        assert wrong == []
        if browser is not None:
            assert browser.me["role"] == role
            assert set(browser.me["rights"]) == RIGHTS[NAMES[name or ""]]
            assert (await browser.http.get("/api/me")).status_code == 401, "it has signed out"
            await browser.http.aclose()
        kept = await centre.http.get("/")
        assert kept.text == "sign in", "nobody gets the page itself without a session"


async def test_without_accounts_all_is_open_on_this_machine(tmp_path: Path) -> None:
    page(tmp_path)
    async with running(tmp_path) as centre:
        me = await centre.get("/api/me")
        assert (me["name"], me["role"], me["accounts"], me["demo"]) == (
            "local",
            "administrator",
            False,
            False,
        )
        for row in ROWS:
            assert await status(centre, row, None) not in (401, 403), row
        assert (await centre.http.get("/")).text == "the page"


def test_a_route_that_changes_something_must_name_its_right() -> None:
    @post("/api/forgotten", sync_to_thread=False)
    def forgotten() -> None: ...

    @post("/api/misspelt", opt={"right": "handel"}, sync_to_thread=False)
    def misspelt() -> None: ...

    for handler in (forgotten, misspelt):
        with pytest.raises(AssertionError):
            check_routes(Litestar([handler], guards=[authorize], openapi_config=None))


async def test_the_streams_are_in_the_table() -> None:
    assert {row.route for row in ROWS if row.route in STREAMS} == set(STREAMS)
    await anyio.sleep(0)
