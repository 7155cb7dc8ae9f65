"""How long an HTTP port waits for its clients, for how many at once, and who leaves first.

uvicorn alone waits for ever for the end of a request, of a TLS handshake, or for a client that reads. A few
hundred such connections would shut the page to everybody, or take all files that a process may open.
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_S = 10.0  # from the connection, or the last answer, to the end of a request
READ_S = 30.0  # that a client reads nothing of its answer
WAITING_MAX = 256  # connections that make us wait; of those that don't, a centre serves as many more
NO_REQUEST = "no_request"  # why a connection ended
OnEnd = Callable[[str, str], None]  # why, and the address of the client


class Abortable(Protocol):
    """A connection."""

    def abort(self) -> None:
        """End it at once."""


class Patience:
    """The connections that make us wait.

    Where they are too many, the oldest of the address that has most leaves. A sound client makes us wait for
    a round trip, so it is met last even beside clients of many addresses.
    """

    def __init__(
        self,
        on_end: OnEnd = lambda _why, _address: None,
        *,
        request_s: float = REQUEST_S,
        read_s: float = READ_S,
        waiting_max: int = WAITING_MAX,
    ) -> None:
        self.request_s, self.read_s = request_s, read_s
        self._on_end, self._waiting_max = on_end, waiting_max
        self._loop = asyncio.get_running_loop()
        self._ends: dict[Abortable, tuple[str, asyncio.TimerHandle]] = {}  # oldest first

    def wait(self, one: Abortable, address: str, time_s: float, why: str) -> None:
        """Begin to wait for a client, where that has not begun before."""
        if one in self._ends:
            return
        self._ends[one] = (address, self._loop.call_later(time_s, self._end, one, why))
        if len(self._ends) > self._waiting_max:
            most, _ = Counter(address for address, _ in self._ends.values()).most_common(1)[0]
            self._end(next(each for each, (address, _) in self._ends.items() if address == most), "crowded")

    def stop(self, one: Abortable) -> None:
        """Wait no longer: the client did what it should, or is gone."""
        found = self._ends.pop(one, None)
        if found is not None:
            found[1].cancel()

    def close(self) -> None:
        """End all that wait."""
        for one in list(self._ends):
            self.stop(one)
            one.abort()

    def _end(self, one: Abortable, why: str) -> None:
        address, _ = self._ends[one]
        self.stop(one)
        one.abort()
        self._on_end(why, address)


class PatientProtocol(H11Protocol):
    """uvicorn's side of an HTTP connection, under a `Patience`."""

    def __init__(self, patience: Patience, **given: Any) -> None:
        super().__init__(**given)
        self._patience, self._address = patience, ""
        self._is_made = False
        self._early = b""  # came with the end of the TLS handshake

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        self._is_made, self._address = True, address_of(transport)
        self._look()
        if self._early:
            self.data_received(self._early)

    def data_received(self, data: bytes) -> None:
        if not self._is_made:
            self._early += data
            return
        super().data_received(data)
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.stop(self)
        if self._is_made:
            super().connection_lost(exc)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look()

    def handle_websocket_upgrade(self, event: Any) -> None:
        super().handle_websocket_upgrade(event)
        self._patience.stop(self)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._patience.wait(self, self._address, self._patience.read_s, "unread")

    def resume_writing(self) -> None:
        super().resume_writing()
        self._patience.stop(self)
        self._look()

    def abort(self) -> None:
        self.transport.abort()

    def _look(self) -> None:
        """Find out who waits for whom."""
        if self.transport.get_protocol() is not self:  # a WebSocket now
            return
        cycle = cast(Any, self.cycle)  # none before the first request
        if cycle is not None and not cycle.more_body and not cycle.response_complete:
            if not self.flow.write_paused:
                self._patience.stop(self)
        elif self.transport.get_write_buffer_size():
            self._patience.wait(self, self._address, self._patience.read_s, "unread")
        else:
            self._patience.wait(self, self._address, self._patience.request_s, NO_REQUEST)


class Handshake(asyncio.Protocol):
    """A connection until its TLS is agreed on; then it is its successor's."""

    def __init__(
        self, patience: Patience, tls: ssl.SSLContext, successor: Callable[[], PatientProtocol]
    ) -> None:
        self._patience, self._tls, self._successor = patience, tls, successor
        self._transport: asyncio.Transport
        self._task: asyncio.Task[None] | None = None  # the loop alone would let it be collected

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.pause_reading()
        self._patience.wait(self, address_of(transport), self._patience.request_s, "no_handshake")
        self._task = asyncio.get_running_loop().create_task(self._agree(), name="http.handshake")

    async def _agree(self) -> None:
        successor, loop = self._successor(), asyncio.get_running_loop()
        try:
            made = await loop.start_tls(self._transport, successor, self._tls, server_side=True)
        except OSError:  # no TLS, one that we refuse, or the client left
            self._transport.abort()
            return
        finally:
            self._patience.stop(self)
        if made is not None and not made.is_closing():
            successor.connection_made(made)

    def abort(self) -> None:
        self._transport.abort()


def protocol_of(patience: Patience, tls: ssl.SSLContext | None = None) -> Any:
    """Return what uvicorn's `http` is: makes the protocol of each connection.

    tls : of our certificate; None: without TLS. uvicorn itself gets none
    """

    def make(**given: Any) -> asyncio.Protocol:
        if tls is None:
            return PatientProtocol(patience, **given)
        return Handshake(patience, tls, lambda: PatientProtocol(patience, **given))

    return make


def address_of(transport: asyncio.BaseTransport) -> str:
    """Return the address of a connection's other side."""
    return str((transport.get_extra_info("peername") or ("",))[0])
