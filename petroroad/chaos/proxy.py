"""A TCP proxy between one part and the broker: it can cut, swallow, delay and throttle what passes."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

Direction = Literal["up", "down"]  # up: from the part to the broker
CHUNK_BYTES = 16_384
AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: closing resets the connection


class _Way:
    """One direction, of all connections."""

    def __init__(self) -> None:
        self.n_holes = 0
        self.delays_s: list[float] = []
        self.rates: list[float] = []  # bytes per second
        self.open = asyncio.Event()
        self.open.set()

    async def passed(self, n_bytes: int) -> None:
        """Return when a piece may go on."""
        if self.delays_s:
            await asyncio.sleep(max(self.delays_s))
        if self.rates:
            await asyncio.sleep(n_bytes / min(self.rates))
        await self.open.wait()


class Proxy:
    """Serves one port; what is wrong with the way is one context each, and several may overlap.

    A hole holds bytes back, as the network's buffers and TCP's repeats do: what a dead connection sent before
    it was given up may arrive after its successor's first messages.
    """

    def __init__(self, host: str, port: int, target: tuple[str, int]) -> None:
        self.host, self.port, self.target = host, port, target
        self._ways: dict[Direction, _Way] = {"up": _Way(), "down": _Way()}
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen; OSError where the port is taken."""
        self._server = await asyncio.start_server(self._serve, self.host, self.port)

    async def close(self) -> None:
        """End every connection and stop listening."""
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def cut(self) -> None:
        """Reset all connections; new ones are accepted."""
        for writer in list(self._writers):
            sock = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):  # it is closing
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            writer.transport.abort()

    @contextlib.contextmanager
    def hole(self, *directions: Direction) -> Iterator[None]:
        """Let nothing through in these directions; connections stay open, and new ones are accepted."""
        ways = [self._ways[direction] for direction in directions]
        for way in ways:
            way.n_holes += 1
            way.open.clear()
        try:
            yield
        finally:
            for way in ways:
                way.n_holes -= 1
                if not way.n_holes:
                    way.open.set()

    @contextlib.contextmanager
    def delay(self, delay_s: float) -> Iterator[None]:
        """Hold each piece back for so long, both ways."""
        for way in self._ways.values():
            way.delays_s.append(delay_s)
        try:
            yield
        finally:
            for way in self._ways.values():
                way.delays_s.remove(delay_s)

    @contextlib.contextmanager
    def throttle(self, bytes_per_s: float) -> Iterator[None]:
        """Let so much through, both ways."""
        for way in self._ways.values():
            way.rates.append(bytes_per_s)
        try:
            yield
        finally:
            for way in self._ways.values():
                way.rates.remove(bytes_per_s)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "the server runs this as a task"
        self._serving.add(task)
        self._writers.add(writer)
        try:
            await self._join(reader, writer)
        except asyncio.CancelledError:  # only `close` cancels: asyncio would log it
            pass
        finally:
            self._serving.discard(task)
            self._writers.discard(writer)
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, onward = await asyncio.open_connection(*self.target)
        except OSError:  # the broker is away: so is what stands in for it
            return
        self._writers.add(onward)
        pumps = {
            asyncio.create_task(_pump(reader, onward, self._ways["up"])),
            asyncio.create_task(_pump(there, writer, self._ways["down"])),
        }
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._writers.discard(onward)
            onward.transport.abort()


@dataclass(slots=True)
class Ways:
    """All proxies of one part: what is wrong with its ways is wrong with each of them."""

    proxies: list[Proxy]

    def cut(self) -> None:
        """Reset all connections."""
        for proxy in self.proxies:
            proxy.cut()

    def hole(self, *directions: Direction) -> AbstractContextManager[Any]:
        """Let nothing through in these directions."""
        return self._all([proxy.hole(*directions) for proxy in self.proxies])

    def delay(self, delay_s: float) -> AbstractContextManager[Any]:
        """Hold each piece back for so long, both ways."""
        return self._all([proxy.delay(delay_s) for proxy in self.proxies])

    def throttle(self, bytes_per_s: float) -> AbstractContextManager[Any]:
        """Let so much through, both ways."""
        return self._all([proxy.throttle(bytes_per_s) for proxy in self.proxies])

    @contextlib.contextmanager
    def _all(self, wrongs: Sequence[AbstractContextManager[Any]]) -> Iterator[None]:
        with contextlib.ExitStack() as held:
            for wrong in wrongs:
                held.enter_context(wrong)
            yield


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: _Way) -> None:
    """Pass on until the sender ends, which is passed on too: MQTT knows no half-closed connection."""
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK_BYTES):
            await way.passed(len(data))
            writer.write(data)
            await writer.drain()
        writer.close()
        await writer.wait_closed()
