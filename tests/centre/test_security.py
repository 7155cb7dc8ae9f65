"""The guard: another host or origin is refused on every route, HTTP and WebSocket alike."""

from pathlib import Path
from typing import Any

import pytest
import websockets.asyncio.client as ws
from websockets.exceptions import InvalidStatus

from centre.api import build, routes
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
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_another_host_or_origin_is_refused_on_every_route(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    """A page of the internet must not read the centre through the visitor's browser."""
    async with running(tmp_path) as centre:
        app = routes(centre.app, tmp_path / "static")
        paths = [route.path for route in app.routes]
        assert {"/", "/api/events", "/api/stream", "/api/tracks", "/healthz"} <= set(paths)
        for path in [*paths, "/no/such/route"]:
            for method in ("GET", "HEAD", "POST", "OPTIONS"):
                answer = await centre.http.request(method, path, headers=headers)
                assert answer.status_code in (400, 403), (method, path)  # 400: uvicorn, no host at all
        guarded = build(centre.app, tmp_path / "static")
        for path in [*paths, "/no/such/route"]:
            sent = await _handshake(guarded, path, headers)
            assert [message["type"] for message in sent] == ["websocket.close"], path


async def _handshake(app: Any, path: str, headers: dict[str, str]) -> list[Any]:
    """Return what the app answers to a WebSocket's first message."""
    sent: list[Any] = []
    given = {"host": "127.0.0.1"} | headers

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
