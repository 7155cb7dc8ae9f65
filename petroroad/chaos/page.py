"""A page that follows the centre's events by Last-Event-ID, and keeps what it was shown, in order."""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import Any

from edge.config import address_of

AGAIN_S = 0.3  # until it connects again, as a browser does
SILENCE_S = 5.0  # the centre sends something each second
ANSWER_S = 10.0
LIMIT = 500
Place = tuple[int, int]  # (hop, version)


@dataclass(slots=True)
class Session:
    """What a page loaded, and what the events changed from then on."""

    cursor: int  # of the loaded list
    loaded: dict[str, Place]  # by the violation's id
    shown: list[tuple[int, str, Place]] = field(
        default_factory=list
    )  # number of the change, id, what it shows


class Page:
    """Use `run` until cancelled; a `reset` of the centre begins another session."""

    def __init__(self, address: str) -> None:
        self._host, self._port = address_of(address)
        self.sessions: list[Session] = []
        self.n_connected = 0
        self._cursor: int | None = None
        self._writer: asyncio.StreamWriter | None = None

    @property
    def cursor(self) -> int:
        """The number of the last change that it received; 0: none yet."""
        return self._cursor or 0

    def drop(self) -> None:
        """Lose the connection."""
        if self._writer is not None:
            self._writer.transport.abort()

    async def run(self) -> None:
        """Load, follow, and connect again, until cancelled."""
        while True:
            with contextlib.suppress(OSError, EOFError, TimeoutError, ValueError, KeyError):
                if self._cursor is None:
                    await self._load()
                await self._follow()
            await asyncio.sleep(AGAIN_S)

    async def _load(self) -> None:
        first = await self._get(f"/api/violations?state=all&limit={LIMIT}")
        found, answer = list(first["items"]), first
        while answer["next"] is not None:
            answer = await self._get(f"/api/violations?state=all&limit={LIMIT}&before={answer['next']}")
            found += answer["items"]
        loaded = {row["id"]: (row["hop"], row["version"]) for row in found}
        self._cursor = first["cursor"]
        self.sessions.append(Session(first["cursor"], loaded))

    async def _get(self, path: str) -> Any:
        async with asyncio.timeout(ANSWER_S), self._asked(path, "Connection: close\r\n") as body:
            return json.loads(b"".join([piece async for piece in body]))

    @contextlib.asynccontextmanager
    async def _asked(self, path: str, headers: str) -> Any:
        """Yield the pieces of an answer's body; ValueError where its status is not 200."""
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n{headers}\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in head.split(b"\r\n", 1)[0]:
                raise ValueError(head.split(b"\r\n", 1)[0].decode(errors="replace"))
            self._writer = writer
            yield _pieces(reader, head.lower())
        finally:
            self._writer = None
            writer.transport.abort()

    async def _follow(self) -> None:
        """Receive events until the connection ends."""
        headers = f"Accept: text/event-stream\r\nLast-Event-ID: {self._cursor}\r\n"
        async with self._asked("/api/events", headers) as body:
            self.n_connected += 1
            rest, pieces = b"", aiter(body)
            while True:
                async with asyncio.timeout(SILENCE_S):
                    piece = await anext(pieces, None)
                if piece is None:  # the centre ended it
                    return
                rest += piece
                *events, rest = rest.split(b"\n\n")
                for event in events:
                    self._receive(event)
                    if self._cursor is None:
                        return

    def _receive(self, event: bytes) -> None:
        fields = dict(line.split(b": ", 1) for line in event.split(b"\n") if b": " in line)
        if b"id" not in fields:
            return
        if fields[b"event"] == b"reset":
            self._cursor = None
            return
        self._cursor = int(fields[b"id"])
        if fields[b"event"] == b"violation":
            row = json.loads(fields[b"data"])
            self.sessions[-1].shown.append((self._cursor, row["id"], (row["hop"], row["version"])))


async def _pieces(reader: asyncio.StreamReader, head: bytes) -> Any:
    """Yield the body as it comes: chunked (RFC 9112, section 7.1), of a known length, or until the end."""
    if b"transfer-encoding: chunked" in head:
        while n_bytes := int(await reader.readline(), 16):
            yield await reader.readexactly(n_bytes)
            await reader.readline()
    elif b"content-length:" in head:
        yield await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
    else:
        while piece := await reader.read(65_536):
            yield piece
