"""A WebSocket that sends many messages at once: a page receives hundreds in a second, and pages are many.

Each message alone costs a pass through the server's own machine and a system call. Here the messages of one
moment leave in one write, in the very bytes that all pages share; all else is uvicorn's.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Any, cast

from litestar.types import Message
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

TEXT, BINARY = 0x81, 0x82  # the first octet of a frame that is a whole message (RFC 6455, section 5.2)
MANY = "petroroad.send_many"
PART_BYTES = 65_536  # of one write: what a slow page has not read yet waits here, not in its buffers


def many(frames: bytes) -> Message:
    """Return the ASGI message that sends these frames, which may be shared by many pages."""
    return cast(Message, {"type": MANY, "frames": frames})


def framed(kind: int, payloads: Iterable[bytes]) -> bytes:
    """Return messages as frames; texts are UTF-8.  kind : TEXT or BINARY"""
    frames: list[bytes] = []
    for payload in payloads:
        frames += (head_of(kind, len(payload)), payload)
    return b"".join(frames)


def parts_of(payloads: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield payloads in parts of PART_BYTES, one payload at least."""
    part: list[bytes] = []
    n_bytes = 0
    for payload in payloads:
        if part and n_bytes + len(payload) > PART_BYTES:
            yield part
            part, n_bytes = [], 0
        part.append(payload)
        n_bytes += len(payload)
    if part:
        yield part


def head_of(kind: int, n_bytes: int) -> bytes:
    """Return the head of an unmasked frame."""
    if n_bytes < 126:
        return bytes((kind, n_bytes))
    if n_bytes < 65_536:
        return struct.pack("!BBH", kind, 126, n_bytes)
    return struct.pack("!BBQ", kind, 127, n_bytes)


class Socket(WebSocketsSansIOProtocol):
    """The server's side of one WebSocket."""

    async def send(self, message: Any) -> None:
        """Send an ASGI message, or those of `many`."""
        if message["type"] != MANY:
            await super().send(message)
            return
        await self.writable.wait()
        if self.disconnected or self.close_sent or self.conn.state is not State.OPEN:
            raise ClientDisconnected
        self.transport.write(message["frames"])
