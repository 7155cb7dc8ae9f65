"""The TCP server that JT/T 808 terminals connect to: sockets, limits and time-outs around `Session`.

One process carries thousands of connections, so each is a bare asyncio.Protocol without a task of its own.
Time-outs are real time, stamps are the Clock's. A peer's fault is counted and ends its own connection only.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from edge.clock import Clock
from edge.config import is_loopback
from edge.strangers import Strangers
from edge.token_bucket import TokenBucket
from edge.wire import GnssFix
from roadside.devices.jt808.packages import Packages
from roadside.devices.jt808.salvage import salvage
from roadside.devices.jt808.session import MakeMessages, Session, SessionRules
from roadside.gateway.rhythm import Rhythm

Deliver = Callable[[list[GnssFix]], None]
Answered = Callable[[str, int, int], None]  # terminal, serial number of our message, result


ADDRESS_MAX = 64  # connections of one address, without a setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one peer, and of all together."""

    connections_max: int = 20_000
    address_max: int | None = None  # connections of one address; None: ADDRESS_MAX, and any number of our own
    login_s: float = 15.0  # from connecting to authenticated
    idle_s: float = 180.0  # three heartbeats of a usual terminal
    rate_bytes_hz: float = 20_000.0  # some 200 reports a second; a truck sends one
    burst_bytes: float = 256_000.0  # a blind area's stored reports at once
    rate_frames_hz: float = 100.0
    burst_frames: float = 4_000.0
    unsent_bytes_max: int = 16_384  # answers that the peer does not read: beyond, we stop reading
    unsent_s: float = 15.0  # after this we close the connection


class TerminalServer:
    """All terminals that are connected to one process, on any port."""

    def __init__(
        self,
        rules: SessionRules,
        clock: Clock,
        counts: Counter[str],
        deliver: Deliver,
        *,
        limits: Limits | None = None,
        answered: Answered | None = None,
    ) -> None:
        self.rules, self.clock, self.counts = rules, clock, counts
        self.deliver = deliver
        self.limits = limits or Limits()
        self.answered = answered
        self.connections: set[Connection] = set()
        self.strangers = Strangers()  # refused since the terminal reports on another connection
        self._of_terminal: dict[str, Connection] = {}  # authenticated, the newest of each
        self._of_address: Counter[str] = Counter()  # connections
        # not logged in, the oldest first: of all, and by address
        self._strangers: dict[Connection, None] = {}
        self._strangers_of: dict[str, dict[Connection, None]] = {}
        self.packages = Packages(counts)  # of all connections: a message may end on another than it began on

    @property
    def n_terminals(self) -> int:
        return len(self._of_terminal)

    async def listen(self, host: str, port: int) -> asyncio.Server:
        """Return a server that accepts already; the caller closes it. OSError where the port is in use."""
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: Connection(self), host, port, backlog=1_024)

    async def run(self) -> None:
        """End overdue connections until cancelled."""
        try:
            while True:
                await asyncio.sleep(1.0)
                self.sweep(asyncio.get_running_loop().time())
                self.chase_packages(self.clock.now_ns())
        finally:
            for connection in list(self.connections):
                connection.abort()

    def sweep(self, now_s: float) -> None:
        """End the connections that are silent, never log in or never read."""
        for connection in list(self.connections):
            reason = connection.overdue(now_s)
            if reason is not None:
                self.counts[f"connection.{reason}"] += 1
                connection.abort()

    def chase_packages(self, now_ns: int) -> None:
        """Request missing packages again; deliver the received part of messages that expired."""
        for terminal in self.packages.waiting(now_ns):
            if terminal in self._of_terminal:
                self._of_terminal[terminal].request_packages(now_ns)
        for terminal, message in self.packages.expire(now_ns):
            connection = self._of_terminal.get(terminal)
            plate = connection.session.plate if connection is not None else None
            fixes = salvage(message, terminal, plate, self.counts)
            if fixes:
                self.deliver(fixes)

    def send_text(self, terminal: str, text: str) -> int | None:
        """Send an urgent text to a driver; return its serial number, None when he is not connected."""
        connection = self._of_terminal.get(terminal)
        if connection is None or connection.session.phase != "authenticated":  # it may have logged out
            return None
        return connection.send_text(text)

    def send_messages(self, terminal: str, make: MakeMessages) -> list[int] | None:
        """Send messages to a terminal; return their serial numbers, None when it is not connected."""
        connection = self._of_terminal.get(terminal)
        if connection is None or connection.session.phase != "authenticated":
            return None
        return connection.send_messages(make)

    def enter(self, connection: "Connection", address: str) -> str | None:
        """Add a connection; return why it is turned away, if it is.

        Behind a mobile operator's NAT many terminals share an address: then the site file allows more. Where
        there is no place, the oldest that has not logged in leaves: a terminal needs a second for that.
        """
        if len(self.connections) >= self.limits.connections_max and not self._make_room(self._strangers):
            return "full"
        address_max = self.limits.address_max
        if address_max is None and not is_loopback(address):
            address_max = ADDRESS_MAX
        strangers = self._strangers_of.get(address, {})
        is_full = address_max is not None and self._of_address[address] >= address_max
        if is_full and not self._make_room(strangers):
            return "address_full"
        self._of_address[address] += 1
        self.connections.add(connection)
        self._strangers[connection] = None
        self._strangers_of.setdefault(address, {})[connection] = None
        return None

    def _make_room(self, strangers: "dict[Connection, None]") -> bool:
        """End the oldest of these; return whether there was one."""
        oldest = next(iter(strangers), None)
        if oldest is None:
            return False
        self.counts["connection.crowded"] += 1
        self.left(oldest)
        oldest.abort()
        return True

    def _is_no_stranger(self, connection: "Connection") -> None:
        if connection not in self._strangers:
            return
        del self._strangers[connection]
        of_address = self._strangers_of[connection.address]
        del of_address[connection]
        if not of_address:
            del self._strangers_of[connection.address]

    def is_taken(self, terminal: str, address: str, asking: "Connection | None" = None) -> bool:
        """Return whether a terminal reports on another connection than the one that asks; note who asks.

        address : of whoever wants to report under its name
        """
        current = self._of_terminal.get(terminal)
        taken = current is not None and current is not asking and current.is_live
        if taken:
            self.strangers.note(terminal, address, asyncio.get_running_loop().time())
        return taken

    def joined(self, connection: "Connection") -> None:
        """Note an authenticated terminal; one that reconnects drops its old, half-dead connection."""
        terminal = connection.session.terminal
        old = self._of_terminal.get(terminal)
        if old is connection:
            return
        self._is_no_stranger(connection)
        self._of_terminal[terminal] = connection
        if old is not None:
            self.counts["terminal.replaced"] += 1
            old.abort()

    def left(self, connection: "Connection") -> None:
        """Forget a connection."""
        self._is_no_stranger(connection)
        if connection in self.connections:
            self.connections.discard(connection)
            self._of_address[connection.address] -= 1
            if self._of_address[connection.address] <= 0:
                del self._of_address[connection.address]
        terminal = connection.session.terminal
        if self._of_terminal.get(terminal) is connection:
            del self._of_terminal[terminal]


class Connection(asyncio.Protocol):
    """One peer."""

    def __init__(self, server: TerminalServer) -> None:
        self.session = Session(
            server.rules,
            server.counts,
            server.packages,
            lambda terminal: server.is_taken(terminal, self.address, self),
        )
        self.address = ""
        self._rhythm = Rhythm()  # of its positions
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._since_s = self._last_frame_s = self._loop.time()
        self._stuck_since_s: float | None = None  # the peer does not read its answers
        limits = server.limits
        self._bucket = TokenBucket.full(limits.rate_bytes_hz, limits.burst_bytes, self._since_s)
        self._frames = TokenBucket.full(limits.rate_frames_hz, limits.burst_frames, self._since_s)
        self._resume: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.address = str((transport.get_extra_info("peername") or ("",))[0])
        reason = self._server.enter(self, self.address)
        if reason is not None:
            self._server.counts[f"connection.{reason}"] += 1
            self.abort()
            return
        self._transport.set_write_buffer_limits(high=self._server.limits.unsent_bytes_max)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._resume is not None:
            self._resume.cancel()
        self.session.end()
        self._server.left(self)

    def data_received(self, data: bytes) -> None:
        arrived_ns = self._server.clock.now_ns()
        now_s = self._loop.time()
        received = self.session.receive(data, arrived_ns)
        if received.replies:
            self._last_frame_s = now_s  # a whole frame: single bytes do not keep a connection alive
            self._transport.write(bytes(received.replies))
        if self.session.phase == "authenticated":
            self._server.joined(self)
        if received.fixes:
            self._rhythm.note(now_s)
            self._server.deliver(received.fixes)
        self._deliver_answers()
        if self.session.phase == "closed":
            self.abort()
            return
        wait_s = self._bucket.spend(len(data), now_s)
        wait_s = max(wait_s, self._frames.spend(received.n_frames, now_s))
        if wait_s > 0.0:
            self._server.counts["connection.throttled"] += 1
            self._pause(wait_s)

    @property
    def is_live(self) -> bool:
        """Whether its terminal still reports, by its own rhythm."""
        if self.session.phase != "authenticated" or self._transport.is_closing():
            return False
        return self._rhythm.is_live(self._loop.time())

    def pause_writing(self) -> None:
        self._stuck_since_s = self._loop.time()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._stuck_since_s = None
        if self._resume is None:
            self._transport.resume_reading()

    def send_text(self, text: str) -> int:
        seq, frame = self.session.text(text)
        self._transport.write(frame)
        return seq

    def send_messages(self, make: MakeMessages) -> list[int]:
        seqs, data = self.session.commands(make)
        self._transport.write(data)
        return seqs

    def request_packages(self, now_ns: int) -> None:
        self._transport.write(self.session.requests(now_ns))

    def overdue(self, now_s: float) -> str | None:
        """Return why the connection should end now, if it should."""
        limits = self._server.limits
        if self._stuck_since_s is not None and now_s - self._stuck_since_s > limits.unsent_s:
            return "stuck"
        if self.session.phase != "authenticated" and now_s - self._since_s > limits.login_s:
            return "no_login"
        if now_s - self._last_frame_s > limits.idle_s:
            return "idle"
        return None

    def abort(self) -> None:
        self._transport.abort()

    def _deliver_answers(self) -> None:
        answers, self.session.answers = self.session.answers, []
        if answers:
            self._last_frame_s = self._loop.time()
        if self._server.answered is not None:
            for reply in answers:
                self._server.answered(self.session.terminal, reply.seq, reply.result)

    def _pause(self, wait_s: float) -> None:
        """Stop reading, so that TCP slows the peer down, until its bucket is out of debt."""
        self._transport.pause_reading()
        if self._resume is not None:
            self._resume.cancel()
        self._resume = self._loop.call_later(wait_s, self._resumed)

    def _resumed(self) -> None:
        self._resume = None
        if self._stuck_since_s is None:
            self._transport.resume_reading()
