"""Pages that follow all vehicles, for `benchmarks.tracks`: each a plain WebSocket that reads frames."""

import asyncio
import base64
import os
import time
from dataclasses import dataclass, field

import numpy as np

from core.arrays import I64

SAMPLE_S = 0.05
STAMP = b"\xa8stamp_ns\xcf"  # MessagePack: a text of eight bytes, then the head of an unsigned 64-bit integer
PLACE = b"T-"  # in the name of each RSU, before three digits


@dataclass(slots=True)
class Page:
    """One page: the newest stamp that it has of each RSU."""

    newest_ns: I64
    ways_ms: list[float] = field(default_factory=list)  # from a frame's stamp until it is here
    n_bytes: int = 0

    async def read(self, host: str, port: int) -> None:
        """Connect and read until cancelled."""
        reader, writer = await asyncio.open_connection(host, port, limit=2**20)
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET /api/tracks HTTP/1.1\r\nHost: {host}:{port}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head.partition(b"\r\n")[0]:
            raise ConnectionError(head.decode(errors="replace"))
        try:
            while True:
                self._take(await _frame(reader))
        finally:
            writer.close()

    def _take(self, frame: bytes) -> None:
        now_ns = time.time_ns()
        at = frame.find(STAMP) + len(STAMP)
        name = frame.find(PLACE) + len(PLACE)
        stamp_ns = int.from_bytes(frame[at : at + 8])
        self.newest_ns[int(frame[name : name + 3])] = stamp_ns
        self.ways_ms.append((now_ns - stamp_ns) / 1e6)
        self.n_bytes += len(frame)


async def _frame(reader: asyncio.StreamReader) -> bytes:
    """Return the payload of a whole unmasked frame (RFC 6455, sec. 5.2); a server's control frames too."""
    head = await reader.readexactly(2)
    size = head[1] & 0x7F
    if size >= 126:
        size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8))
    return await reader.readexactly(size)


async def watch(host: str, port: int, n_pages: int, n_rsus: int, seconds: float) -> tuple[list[Page], I64]:
    """Read as so many pages; return them, and sampled ages of the newest frame of each RSU and page [ns]."""
    pages = [Page(np.zeros(n_rsus, dtype=np.int64)) for _ in range(n_pages)]
    reading = [asyncio.create_task(page.read(host, port)) for page in pages]
    try:
        while not all(page.newest_ns.all() for page in pages):
            if any(task.done() for task in reading):
                await asyncio.gather(*reading)
            await asyncio.sleep(SAMPLE_S)
        for page in pages:
            page.ways_ms.clear()
            page.n_bytes = 0
        ages, end_s = [], time.monotonic() + seconds
        while time.monotonic() < end_s:
            await asyncio.sleep(SAMPLE_S * (0.5 + int.from_bytes(os.urandom(2)) / 65_535))  # not in step
            now_ns = time.time_ns()
            ages += [now_ns - page.newest_ns for page in pages]
    finally:
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    return pages, np.concatenate(ages)
