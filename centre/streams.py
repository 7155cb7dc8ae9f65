"""The two streams to the page as plain ASGI: server-sent events and binary snapshots; both end at a stop."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any
from urllib.parse import parse_qs

from litestar.types import Receive, Scope, Send

from centre.hall import Hall

SEND_TIMEOUT_S = 10.0  # a client that takes nothing for so long is cut; it comes back and resumes
CLIENTS_MAX = 64


class Streams:
    """Serves the streams of one hall."""

    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        self._listeners = 0

    async def events(self, scope: Scope, receive: Receive, send: Send) -> None:
        """GET /api/events."""
        if self._listeners >= CLIENTS_MAX:
            await _plain(send, 503, "too many listeners")
            return
        try:
            after = _cursor(scope)
        except ValueError:
            await _plain(send, 400, "Last-Event-ID and after are whole numbers")
            return
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        self._listeners += 1
        try:
            if await self._until_gone(self._write_events(after, send), receive, "http.disconnect"):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._listeners -= 1

    async def tracks(self, scope: Scope, receive: Receive, send: Send) -> None:
        """WebSocket /api/tracks."""
        await receive()  # websocket.connect
        viewer = self._hall.tracks.join()
        if viewer is None:
            await send({"type": "websocket.close", "code": 1013, "reason": "too many viewers"})
            return
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})

        async def write() -> None:
            while True:
                frame = await viewer.take()
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await send({"type": "websocket.send", "bytes": frame, "text": None})

        try:
            if await self._until_gone(write(), receive, "websocket.disconnect"):
                await send({"type": "websocket.close", "code": 1001, "reason": "the centre stops"})
        finally:
            self._hall.tracks.leave(viewer)

    async def _write_events(self, after: int | None, send: Send) -> None:
        stream: AsyncIterator[bytes] = self._hall.feed.follow(after)
        async for lines in stream:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await send({"type": "http.response.body", "body": lines, "more_body": True})

    async def _until_gone(self, writing: Coroutine[Any, Any, None], receive: Receive, gone: str) -> bool:
        """Write until the client leaves, is cut or the centre stops; return whether the end can be told."""

        async def left() -> None:
            while (await receive())["type"] != gone:
                pass

        writer, reader = asyncio.create_task(writing), asyncio.create_task(left())
        stop = asyncio.create_task(self._hall.stop.wait())
        tasks = (writer, reader, stop)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if (
            writer.done()
            and not writer.cancelled()
            and isinstance(writer.exception(), (TimeoutError, OSError))
        ):
            self._hall.feed.counts["stream.cut"] += 1
            return True
        if writer.done() and not writer.cancelled() and writer.exception() is not None:
            raise writer.exception()  # type: ignore[misc]
        return reader.cancelled()


def _cursor(scope: Scope) -> int | None:
    """Return the client's cursor: the browser's own word goes before the address's."""
    headers: Mapping[bytes, bytes] = dict(scope["headers"])
    text = headers.get(b"last-event-id", b"").decode("latin-1")
    text = text or parse_qs(scope["query_string"].decode("latin-1")).get("after", [""])[0]
    if not text:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise ValueError(text)
    return int(text)


async def _plain(send: Send, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode(), "more_body": False})
