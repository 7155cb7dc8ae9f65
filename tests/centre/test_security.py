"""The guard: another host or origin is refused on every route, HTTP and WebSocket alike."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest
import websockets.asyncio.client as ws
from websockets.exceptions import InvalidStatus

from centre.api import build, routes
from centre.streams import STREAMS_OF_CLIENT_MAX
from tests.support.serving_centre import running

pytestmark = pytest.mark.anyio


FOREIGN = [
    {"host": "evil.example"},
    {"origin": "http://evil.example"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1.evil.example"},
    {"host": "127.0.0.1@evil.example"},
    {"host": ""},
    {"host": "[::1"},
    {"origin": "http://localhost:1"},  # another program of this machine
    {"origin": "http://127.0.0.1"},  # port 80
    {"origin": "http://localhost:99999"},
]
SOME = ["/", "/api/events", "/api/stream", "/api/site"]
ODD_PATHS = [
    "/%00", "/a%00b", "/api/violations/%00", "/%0a", "/%7f", "/%1b[31m", "/%ff", "/%e2%80%ae",
    "/..%2f..%2f", "//", "/%", "/%zz", "/api/violations/" + "x" * 5_000, "/" + "a/" * 2_000,
    "/api/violations/%ED%A0%80",
    "/assets/%5c..%5c", "/?%00=%00", "/api/violations?state=%00", "/api/events?after=%00",
]  # fmt: skip


async def test_another_host_or_origin_is_refused_on_every_route(tmp_path: Path) -> None:
    """A page of the internet must not read the centre through the visitor's browser."""
    async with running(tmp_path) as centre:
        every = [route.path for route in routes(centre.app, tmp_path / "static").routes]
        assert {"/", "/api/events", "/api/stream", "/api/tracks", "/healthz"} <= set(every)
        guarded = build(centre.app, tmp_path / "static")
        for headers in FOREIGN:
            # all paths for one of each kind: the guard has not looked at the path yet
            whole = headers in FOREIGN[:2]
            paths = [*(every if whole else SOME), "/no/such/route"]
            for path in paths:
                for method in ("GET", "POST") if whole else ("GET",):
                    answer = await centre.http.request(method, path, headers=headers)
                    said = (headers, method, path)
                    assert answer.status_code in (400, 403), said  # 400: uvicorn, no host at all
                sent = await _handshake(guarded, path, headers)
                assert [message["type"] for message in sent] == ["websocket.close"], (headers, path)


async def _handshake(app: Any, path: str, headers: dict[str, str]) -> list[Any]:
    """Return what the app answers to a WebSocket's first message."""
    sent: list[Any] = []
    given = {"host": "127.0.0.1:8080"} | headers

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "websocket", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "subprotocols": [], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "scheme": "ws",
    }  # fmt: skip
    await app(scope, receive, send)
    return sent


@pytest.mark.parametrize("name", ["tracks", "stream"])
async def test_a_stream_is_not_found_by_a_request_of_the_other_kind(tmp_path: Path, name: str) -> None:
    async with running(tmp_path) as centre:
        answer = await centre.http.get(f"/api/{name}")
        assert (answer.status_code, answer.headers["x-content-type-options"]) == (404, "nosniff")
        with pytest.raises(InvalidStatus):
            await ws.connect(f"ws://127.0.0.1:{centre.port}/api/events")


async def test_our_own_page_is_served_under_each_name_of_this_machine(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        for host in ("127.0.0.1", "localhost", "[::1]"):
            headers = {"host": f"{host}:{centre.port}", "origin": f"http://{host}:{centre.port}"}
            assert (await centre.http.get("/api/summary", headers=headers)).status_code == 200


async def test_no_path_is_the_servers_fault(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "index.html").write_text("page")
    async with running(tmp_path) as centre:
        for path in ODD_PATHS:
            reader, writer = await asyncio.open_connection("127.0.0.1", centre.port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{centre.port}\r\n\r\n".encode())
            async with asyncio.timeout(10.0):
                line = await reader.readline()
            writer.close()
            assert line.split()[1] in (b"200", b"400", b"404", b"414"), (path[:50], line)


async def test_one_program_leaves_streams_to_others(tmp_path: Path) -> None:
    async with running(tmp_path) as centre, contextlib.AsyncExitStack() as opened:
        address = f"ws://127.0.0.1:{centre.port}/api"
        for name in ("tracks", "stream"):
            for _ in range(STREAMS_OF_CLIENT_MAX):
                await opened.enter_async_context(ws.connect(f"{address}/{name}"))
            with pytest.raises(InvalidStatus):
                await ws.connect(f"{address}/{name}")
            async with ws.connect(f"{address}/{name}", user_agent_header="another"):
                pass
        assert centre.app.feed.counts["stream.refused"] == 1
        assert centre.app.tracks.counts["track.viewers_refused"] == 1
