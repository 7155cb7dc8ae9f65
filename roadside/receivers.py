"""Receivers and terminals of an RSU's own (`[[rsu.gnss]]`): NMEA over UDP or TCP, JT/T 808 over TCP.

A site's trucks come through the gateway; these are for a lab, a single pole, a surveyor's receiver.
"""

import asyncio
from collections import Counter
from collections.abc import Callable

from edge.clock import Clock
from edge.config import address_of
from edge.wire import GnssFix
from roadside.devices.jt808.session import SessionRules
from roadside.devices.nmea.reader import NmeaReader
from roadside.gateway.terminals import TerminalServer

OnFix = Callable[[GnssFix], None]
SENDERS_MAX = 16  # of one address, and connections
FORGET_NS = 10_000_000_000  # a sender that was silent for so long is replaced by a new one


class _NmeaDatagrams(asyncio.DatagramProtocol):
    """NMEA in datagrams: one reader per sender, since sentences of two receivers must not mix."""

    def __init__(self, name: str, clock: Clock, on_fix: OnFix, counts: Counter[str]) -> None:
        self._name, self._clock, self._on_fix, self._counts = name, clock, on_fix, counts
        self._readers: dict[object, tuple[NmeaReader, int]] = {}  # and last datagram, oldest first

    def datagram_received(self, data: bytes, addr: object) -> None:
        now_ns = self._clock.now_ns()
        if addr not in self._readers and not self._has_room(now_ns):
            self._counts["nmea.senders"] += 1
            return
        reader, _ = self._readers.pop(addr, (None, 0))
        if reader is None:
            reader = NmeaReader(self._name, self._counts, self._counts)
        self._readers[addr] = reader, now_ns
        for fix in reader.feed(data, now_ns):
            self._on_fix(fix)

    def _has_room(self, now_ns: int) -> bool:
        """Say whether one more sender may come; a receiver that restarts sends from another port."""
        if len(self._readers) >= SENDERS_MAX:
            oldest = next(iter(self._readers))
            if abs(now_ns - self._readers[oldest][1]) > FORGET_NS:
                reader, _ = self._readers.pop(oldest)
                for fix in reader.end(now_ns):
                    self._on_fix(fix)
        return len(self._readers) < SENDERS_MAX


class _NmeaStream(asyncio.Protocol):
    """NMEA over one TCP connection, of at most SENDERS_MAX."""

    def __init__(
        self, name: str, clock: Clock, on_fix: OnFix, counts: Counter[str], connected: set["_NmeaStream"]
    ) -> None:
        self._clock, self._on_fix, self._counts = clock, on_fix, counts
        self._connected = connected
        self._reader = NmeaReader(name, counts, counts)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self._connected) >= SENDERS_MAX:
            self._counts["nmea.connections"] += 1
            transport.close()
            return
        self._connected.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self not in self._connected:  # turned away
            return
        self._connected.discard(self)
        for fix in self._reader.end(self._clock.now_ns()):
            self._on_fix(fix)

    def data_received(self, data: bytes) -> None:
        for fix in self._reader.feed(data, self._clock.now_ns()):
            self._on_fix(fix)


async def serve_receiver(
    url: str,
    clock: Clock,
    on_fix: OnFix,
    counts: Counter[str],
    rules: SessionRules,
    on_open: Callable[[], None] = lambda: None,
) -> None:
    """Listen on one `nmea://` or `jt808://` address until cancelled; OSError where it is in use.

    A receiver has no name of its own: its fixes carry its address.  rules : of the terminals
    on_open : called once it listens
    """
    host, port = address_of(url)
    loop = asyncio.get_running_loop()
    if url.startswith("jt808://"):

        def deliver(fixes: list[GnssFix]) -> None:
            for fix in fixes:
                on_fix(fix)

        terminals = TerminalServer(rules, clock, counts, deliver)
        server = await terminals.listen(host, port)
        async with server:
            on_open()
            await terminals.run()
        return
    name = f"{host}:{port}"
    connected: set[_NmeaStream] = set()  # only counted, never iterated
    datagrams, _ = await loop.create_datagram_endpoint(
        lambda: _NmeaDatagrams(name, clock, on_fix, counts), local_addr=(host, port)
    )
    try:  # TCP second: who can connect can also send datagrams
        server = await loop.create_server(
            lambda: _NmeaStream(name, clock, on_fix, counts, connected), host, port
        )
        async with server:
            on_open()
            await server.serve_forever()
    finally:
        datagrams.close()
