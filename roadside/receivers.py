"""Receivers and terminals of an RSU's own (`[[rsu.gnss]]`): NMEA over UDP or TCP, JT/T 808 over TCP.

A site's trucks come through the gateway; these are for a lab, a single pole, a surveyor's receiver.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from core.times import NS
from edge.clock import Clock
from edge.config import address_of
from edge.sections import GnssInputConfig
from edge.strangers import Strangers
from edge.wire import GnssFix
from roadside.devices.jt808.session import SessionRules
from roadside.devices.nmea.reader import NmeaReader
from roadside.devices.sources import plain_host
from roadside.gateway.terminals import Limits, TerminalServer

OnFix = Callable[[GnssFix], None]
SENDERS_MAX = 16  # of one address, and connections
FORGET_NS = 10_000_000_000  # a sender that was silent for so long is replaced by a new one
IDLE_S = 60.0  # a connection without a sentence for so long is ended: a receiver sends each second
SWEEP_S = 5.0


@dataclass(frozen=True, slots=True)
class Terminals:
    """What an RSU's own terminals are held to: as at the gateway.

    strangers : by terminal, who else wanted to report under its number
    """

    rules: SessionRules
    limits: Limits | None = None
    strangers: Strangers = field(default_factory=Strangers)


@dataclass(slots=True)
class _Receiver:
    """What all senders of one address share.

    source : the only host that may send; None: any
    """

    name: str
    clock: Clock
    on_fix: OnFix
    counts: Counter[str]
    source: str | None
    streams: dict["_NmeaStream", None] = field(default_factory=dict)  # connected, the oldest first

    def admits(self, host: object) -> bool:
        """Say whether a host may send; a stranger is counted."""
        if self.source is None or plain_host(str(host)) == self.source:
            return True
        self.counts["nmea.stranger"] += 1
        return False

    def make_room(self, now_s: float) -> bool:
        """Say whether one more connection may come: where there is none, one that says nothing leaves."""
        if len(self.streams) < SENDERS_MAX:
            return True
        quietest = min(self.streams, key=lambda each: each.spoke_s or float("-inf"))
        if quietest.spoke_s is not None and now_s - quietest.spoke_s <= FORGET_NS / NS:
            return False
        self.counts["nmea.crowded"] += 1
        quietest.end()
        return True

    async def sweep(self) -> None:
        """End the connections that send no sentence, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_S)
            for stream in [each for each in self.streams if each.is_idle(loop.time())]:
                self.counts["nmea.idle"] += 1
                stream.end()


class _NmeaDatagrams(asyncio.DatagramProtocol):
    """NMEA in datagrams: one reader per sender, since sentences of two receivers must not mix."""

    def __init__(self, receiver: _Receiver) -> None:
        self._receiver = receiver
        self._readers: dict[tuple[Any, ...], tuple[NmeaReader, int]] = {}  # and last datagram, oldest first

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        it = self._receiver
        if not it.admits(addr[0]):
            return
        now_ns = it.clock.now_ns()
        if addr not in self._readers and not self._has_room(now_ns):
            it.counts["nmea.senders"] += 1
            return
        reader, _ = self._readers.pop(addr, (None, 0))
        if reader is None:
            reader = NmeaReader(it.name, it.counts, it.counts)
        self._readers[addr] = reader, now_ns
        for fix in reader.feed(data, now_ns):
            it.on_fix(fix)

    def _has_room(self, now_ns: int) -> bool:
        """Say whether one more sender may come; a receiver that restarts sends from another port."""
        if len(self._readers) >= SENDERS_MAX:
            oldest = next(iter(self._readers))
            if abs(now_ns - self._readers[oldest][1]) > FORGET_NS:
                reader, _ = self._readers.pop(oldest)
                for fix in reader.end(now_ns):
                    self._receiver.on_fix(fix)
        return len(self._readers) < SENDERS_MAX


class _NmeaStream(asyncio.Protocol):
    """NMEA over one TCP connection, of at most SENDERS_MAX."""

    def __init__(self, receiver: _Receiver) -> None:
        self._receiver = receiver
        self._reader = NmeaReader(receiver.name, receiver.counts, receiver.counts)
        self._loop = asyncio.get_running_loop()
        self._since_s = self._loop.time()
        self.spoke_s: float | None = None  # its last whole sentence
        self._transport: asyncio.BaseTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, it = transport, self._receiver
        if not it.admits(transport.get_extra_info("peername")[0]):
            transport.close()
        elif not it.make_room(self._since_s):
            it.counts["nmea.connections"] += 1
            transport.close()
        else:
            it.streams[self] = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()

    def data_received(self, data: bytes) -> None:
        before = self._reader.n_sentences
        for fix in self._reader.feed(data, self._receiver.clock.now_ns()):
            self._receiver.on_fix(fix)
        if self._reader.n_sentences != before:
            self.spoke_s = self._loop.time()

    def is_idle(self, now_s: float) -> bool:
        """Say whether it has sent no sentence for IDLE_S."""
        return now_s - (self._since_s if self.spoke_s is None else self.spoke_s) > IDLE_S

    def end(self) -> None:
        """End the connection."""
        self._leave()
        self._transport.close()

    def _leave(self) -> None:
        if self not in self._receiver.streams:  # turned away, or ended
            return
        del self._receiver.streams[self]
        for fix in self._reader.end(self._receiver.clock.now_ns()):
            self._receiver.on_fix(fix)


async def serve_receiver(
    config: GnssInputConfig,
    clock: Clock,
    on_fix: OnFix,
    counts: Counter[str],
    terminals: Terminals,
    on_open: Callable[[], None] = lambda: None,
) -> None:
    """Listen on one `nmea://` or `jt808://` address until cancelled; OSError where it is in use.

    A receiver has no name of its own: its fixes carry its address.
    on_open : called once it listens
    """
    host, port = address_of(config.input)
    loop = asyncio.get_running_loop()
    if config.input.startswith("jt808://"):

        def deliver(fixes: list[GnssFix]) -> None:
            for fix in fixes:
                on_fix(fix)

        server = TerminalServer(terminals.rules, clock, counts, deliver, limits=terminals.limits)
        server.strangers = terminals.strangers
        async with await server.listen(host, port):
            on_open()
            await server.run()
        return
    source = None if config.source is None else plain_host(config.source)
    receiver = _Receiver(f"{host}:{port}", clock, on_fix, counts, source)
    datagrams, _ = await loop.create_datagram_endpoint(
        lambda: _NmeaDatagrams(receiver), local_addr=(host, port)
    )
    try:  # TCP second: who can connect can also send datagrams
        async with await loop.create_server(lambda: _NmeaStream(receiver), host, port):
            on_open()
            await receiver.sweep()
    finally:
        datagrams.close()
