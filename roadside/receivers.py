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
from roadside.devices.nmea import NmeaReader
from roadside.terminals import TerminalServer

OnFix = Callable[[GnssFix], None]
SENDERS_MAX = 16


class _Datagrams(asyncio.DatagramProtocol):
    """NMEA in datagrams: one reader per sender, since sentences of two receivers must not mix."""

    def __init__(self, name: str, clock: Clock, on_fix: OnFix, counts: Counter[str]) -> None:
        self._name, self._clock, self._on_fix, self._counts = name, clock, on_fix, counts
        self._readers: dict[object, NmeaReader] = {}

    def datagram_received(self, data: bytes, addr: object) -> None:
        reader = self._readers.get(addr)
        if reader is None:
            if len(self._readers) >= SENDERS_MAX:
                self._counts["nmea.senders"] += 1
                return
            reader = self._readers[addr] = NmeaReader(self._name, self._counts)
        for fix in reader.feed(data, self._clock.now_ns()):
            self._on_fix(fix)


class _Stream(asyncio.Protocol):
    """NMEA over one TCP connection."""

    def __init__(self, name: str, clock: Clock, on_fix: OnFix, counts: Counter[str]) -> None:
        self._clock, self._on_fix = clock, on_fix
        self._reader = NmeaReader(name, counts)

    def data_received(self, data: bytes) -> None:
        for fix in self._reader.feed(data, self._clock.now_ns()):
            self._on_fix(fix)


async def serve_receiver(url: str, clock: Clock, on_fix: OnFix, counts: Counter[str]) -> None:
    """Listen on one `nmea://` or `jt808://` address until cancelled; OSError where it is taken.

    A receiver has no name of its own: its fixes carry its address.
    """
    host, port = address_of(url)
    loop = asyncio.get_running_loop()
    if url.startswith("jt808://"):

        def deliver(fixes: list[GnssFix]) -> None:
            for fix in fixes:
                on_fix(fix)

        terminals = TerminalServer(SessionRules(), clock, counts, deliver)
        server = await terminals.listen(host, port)
        async with server:
            await terminals.run()
        return
    name = f"{host}:{port}"
    server = await loop.create_server(lambda: _Stream(name, clock, on_fix, counts), host, port)
    datagrams, _ = await loop.create_datagram_endpoint(
        lambda: _Datagrams(name, clock, on_fix, counts), local_addr=(host, port)
    )
    try:
        async with server:
            await server.serve_forever()
    finally:
        datagrams.close()
