"""The streams to the page, as plain ASGI: events (SSE and WebSocket) and binary snapshots."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs

from litestar.exceptions import ClientException
from litestar.types import Message, Receive, Scope, Send

from centre.answers.delivery import HEAD_KEY
from centre.answers.problem import refuse
from centre.answers.query import refuse_names
from centre.app import Centre
from centre.sockets import BINARY, PART_BYTES, TEXT, framed, many, parts_of
from centre.track_viewer import stretches_of

SEND_TIMEOUT_S = 10.0  # a client that reads nothing for so long is cut; it connects again and resumes
END_S = 1.0  # for sending the close frame: a client that reads nothing would block it
CLIENTS_MAX = 64  # of the event streams, SSE and WebSocket together
STREAMS_OF_CLIENT_MAX = 16  # of either kind of stream: one program must leave some to the others
_Written = tuple[tuple[bytes, ...], list[bytes]]  # events, and the bytes of their writes
Client = tuple[str, bytes]  # its address and its program's name
BUSY = ((b"retry-after", b"10"),)
ENDED = "the centre stops, or the client was too slow"


class Cut:
    """Cuts the events of a moment into the bytes of writes: once, and not for each of the pages."""

    def __init__(self, join: Callable[[list[bytes]], bytes]) -> None:
        """join : makes the bytes of one write"""
        self._join = join
        # the last two: between committed events, which pages share, each page writes its own states
        self._kept: tuple[_Written, ...] = ()

    def parts(self, events: tuple[bytes, ...]) -> list[bytes]:
        """Return the writes; of one of the two objects that were last asked for, those made before."""
        made = next((each for each in self._kept if each[0] is events), None)
        if made is None:
            made = events, [self._join(part) for part in parts_of(events)]
        self._kept = (made, *(each for each in self._kept if each is not made))[:2]
        return made[1]


class Streams:
    """Serves the streams of one centre; each ends when the client leaves or the centre stops."""

    def __init__(self, centre: Centre) -> None:
        self._centre = centre
        self._event_clients: Counter[Client] = Counter()
        self._track_clients: Counter[Client] = Counter()
        self._bodies, self._texts = Cut(b"".join), Cut(lambda part: framed(TEXT, part))

    async def events(self, scope: Scope, receive: Receive, send: Send) -> None:
        """GET /api/events."""
        client = _client(scope)
        allowed, after = await self._begin(scope, send, client)
        if not allowed:
            return
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if HEAD_KEY in scope:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        writing = self._write_events(after, send, self._bodies, _body)
        with _counted(self._event_clients, client):
            if await self._until_gone(writing, receive, "http.disconnect"):
                async with _sending_end():
                    await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """WebSocket /api/stream: the events of `/api/events`, each a text message of the same lines.

        A browser opens at most six HTTP/1.1 connections to a host for all its windows together, and an SSE
        stream keeps one of them open. A WebSocket does not count.
        """
        await receive()  # websocket.connect
        client = _client(scope)
        allowed, after = await self._begin(scope, send, client)
        if not allowed:
            return
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        writing = self._write_events(after, send, self._texts, many)
        with _counted(self._event_clients, client):
            page = self._centre.shown.page()
            if await self._until_gone(writing, receive, "websocket.disconnect", page.receive):
                await _close(send, 1001, ENDED)

    async def tracks(self, scope: Scope, receive: Receive, send: Send) -> None:
        """WebSocket /api/tracks."""
        await receive()  # websocket.connect
        client = _client(scope)
        if self._track_clients[client] >= STREAMS_OF_CLIENT_MAX:
            self._centre.tracks.counts["track.viewers_refused"] += 1
            await refuse(scope, send, 503, "too many viewers of one client", BUSY)
            return
        if await _has_unknown(scope, send, ()):
            return
        viewer = self._centre.tracks.join()
        if viewer is None:
            await refuse(scope, send, 503, "too many viewers", BUSY)
            return
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})

        async def write() -> None:
            while True:
                frames = await viewer.next_frames(PART_BYTES)
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await send(many(framed(BINARY, frames)))

        def look(text: str) -> None:
            try:
                viewer.look_at(stretches_of(text))
            except ValueError:  # a client's mistake costs nothing but its wish
                self._centre.tracks.counts["track.view_refused"] += 1

        try:
            with _counted(self._track_clients, client):
                if await self._until_gone(write(), receive, "websocket.disconnect", look):
                    await _close(send, 1001, ENDED)
        finally:
            self._centre.tracks.leave(viewer)

    async def _write_events(
        self, after: int | None, send: Send, cut: Cut, message: Callable[[bytes], Message]
    ) -> None:
        """Send the events after a cursor; TimeoutError where the client reads nothing."""
        async for events in self._centre.feed.follow(after):
            for part in cut.parts(events):
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await send(message(part))

    async def _begin(self, scope: Scope, send: Send, client: Client) -> tuple[bool, int | None]:
        """Return whether a client may listen, else it has been refused with a problem; and its cursor."""
        if self._is_full(client):
            await refuse(scope, send, 503, "too many listeners", BUSY)
            return False, None
        if await _has_unknown(scope, send, ("after",)):
            return False, None
        try:
            return True, _cursor(scope)
        except ValueError:
            detail = "Last-Event-ID and after are whole numbers"
            await refuse(
                scope, send, 400, detail, errors=[{"name": "after", "in": "query", "reason": detail}]
            )
            return False, None

    def _is_full(self, client: Client) -> bool:
        own, total = self._event_clients[client], self._event_clients.total()
        if own < STREAMS_OF_CLIENT_MAX and total < CLIENTS_MAX:
            return False
        self._centre.feed.counts["stream.refused"] += 1
        return True

    async def _until_gone(
        self,
        writing: Coroutine[Any, Any, None],
        receive: Receive,
        gone: str,
        on_text: Callable[[str], None] = lambda text: None,
    ) -> bool:
        """Write until the client leaves, is cut or the centre stops.

        Return whether the connection is still open, so that the end of the stream can be sent.
        gone : the type of the message that reports a client that left.  `on_text` gets what it says
        """

        async def wait_until_gone() -> None:
            while (message := await receive())["type"] != gone:
                if message["type"] == "websocket.receive":
                    on_text(message.get("text") or "")  # bytes are no text

        writer, reader = asyncio.create_task(writing), asyncio.create_task(wait_until_gone())
        stop = asyncio.create_task(self._centre.stop.wait())
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
            self._centre.feed.counts["stream.cut"] += 1
            return True
        if writer.done() and not writer.cancelled() and writer.exception() is not None:
            raise writer.exception()  # type: ignore[misc]
        return reader.cancelled()


@contextlib.contextmanager
def _counted(clients: Counter[Client], client: Client) -> Iterator[None]:
    clients[client] += 1
    try:
        yield
    finally:
        clients[client] -= 1
        if clients[client] <= 0:
            del clients[client]


def _client(scope: Scope) -> Client:
    """Return a client's address and program, by its own word: another name counts as another client."""
    headers: Mapping[bytes, bytes] = dict(scope["headers"])
    host = (scope.get("client") or ("", 0))[0]
    return host, headers.get(b"user-agent", b"")[:200]


def _body(part: bytes) -> Message:
    return {"type": "http.response.body", "body": part, "more_body": True}


@contextlib.asynccontextmanager
async def _sending_end() -> AsyncIterator[None]:
    """Limit the time for sending the end of a stream; a client that reads nothing does not receive it."""
    with contextlib.suppress(TimeoutError, OSError):
        async with asyncio.timeout(END_S):
            yield


async def _close(send: Send, code: int, reason: str) -> None:
    async with _sending_end():
        await send({"type": "websocket.close", "code": code, "reason": reason})


def _cursor(scope: Scope) -> int | None:
    """Return the client's cursor: Last-Event-ID, else `after` of the query; ValueError for no number."""
    headers: Mapping[bytes, bytes] = dict(scope["headers"])
    text = headers.get(b"last-event-id", b"").decode("latin-1")
    text = text or parse_qs(scope["query_string"].decode("latin-1")).get("after", [""])[0]
    if not text:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise ValueError(text)
    return int(text)


async def _has_unknown(scope: Scope, send: Send, known: tuple[str, ...]) -> bool:
    """Return whether a query has a parameter that the stream does not know; then it has been refused."""
    given = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    try:
        refuse_names(sorted(set(given) - set(known)), known)
    except ClientException as error:
        members = error.extra if isinstance(error.extra, dict) else {}
        await refuse(scope, send, 400, error.detail, **members)
        return True
    return False
