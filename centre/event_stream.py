"""Server-sent events: committed changes, each once and in order, and the present state.

The only state of a client is its cursor. It reads from the shared tail of the feed, or from the database
where it is further behind, so a slow client costs no memory.
"""

import asyncio
import itertools
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from typing import NamedTuple

from centre.faults import UnreadableError

TAIL_EVENTS_MAX = 1_000
READ_EVENTS_MAX = 200
TURN_S = 0.02  # after a read: what is committed meanwhile is read at once, and leaves for each page at once
RETRY_S = 1.0  # after a failed read of the database


class Event(NamedTuple):
    """One committed change: its number in the feed, and the lines that a client receives."""

    n: int
    lines: bytes


def lines_of(name: str, data: bytes, n: int | None = None) -> bytes:
    """Return one event in the format `text/event-stream`.

    data : JSON, which has no line end.  n : the number of a committed change; None for the present state
    """
    head = b"" if n is None else b"id: %d\n" % n
    return head + b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


class Next(NamedTuple):
    """What all clients receive that have the events up to `after` while `newest` is the newest one."""

    after: int
    newest: int
    lines: tuple[bytes, ...]
    last: int  # number of the last event of these lines


NOTHING = Next(-1, -1, (), -1)


class EventFeed:
    """The newest part of the feed, shared by all clients, and the newest present state by name."""

    def __init__(
        self,
        read: Callable[[int, int], Awaitable[Sequence[Event]]],
        bounds: Callable[[], Awaitable[tuple[int, int]]],
    ) -> None:
        """`read(after, limit)` returns the next events, `bounds()` the newest and oldest numbers kept.

        Both may raise UnreadableError; the feed then reads again until the database answers.
        """
        self._read = read
        self._bounds = bounds
        self._tail: deque[Event] = deque(maxlen=TAIL_EVENTS_MAX)
        self._shared = NOTHING
        self._newest = 0
        self._n_clients = 0
        self._passed_over = False  # changes were committed while there was no client
        self._states: dict[str, tuple[int, bytes]] = {}
        self._changed = asyncio.Event()
        self._wake = asyncio.Event()
        self.followers: list[Callable[[], None]] = []  # other readers of the committed feed
        self.counts: Counter[str] = Counter()

    @property
    def n_clients(self) -> int:
        return self._n_clients

    async def start(self) -> None:
        """Begin at the newest committed change; raises UnreadableError."""
        self._newest, _ = await self._bounds()

    def wake(self) -> None:
        """Read the database again: there may be more committed changes."""
        self._wake.set()
        for follow in self.followers:
            follow()

    async def run(self) -> None:
        """Read committed changes into the tail while there are clients, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if not self._n_clients:  # none would receive the events: not even their numbers are read
                self._pass_over()
                continue
            try:
                if self._passed_over:
                    self._newest, _ = await self._bounds()
                    self._passed_over = False
                    self._notify()  # the client that has come since
                while self._n_clients and (events := await self._read(self._newest, READ_EVENTS_MAX)):
                    self._tail.extend(events)
                    self._newest = events[-1].n
                    self._notify()
                if not self._n_clients:  # the last one left, perhaps before all was read
                    self._pass_over()
                await asyncio.sleep(TURN_S)
            except UnreadableError:
                self._wake.set()
                await asyncio.sleep(RETRY_S)

    def _pass_over(self) -> None:
        self._tail.clear()
        self._shared = NOTHING
        self._passed_over = True

    def publish_state(self, name: str, data: bytes) -> None:
        """Send the present state `name` to all clients; a client that is behind gets only the newest."""
        turn, _ = self._states.get(name, (0, b""))
        self._states[name] = (turn + 1, lines_of(name, data))
        self._notify()

    async def follow(self, after: int | None) -> AsyncGenerator[tuple[bytes, ...], None]:
        """Yield the events that a client with cursor `after` has not received, those of one moment together.

        Clients that are equally far get the same object of committed events: what is made of it for one fits
        all. Present states are each client's own.
        after : None: from now on
        """
        self._n_clients += 1
        if self._passed_over:
            self._wake.set()
        try:
            async for events in self._follow(after):
                yield events
        finally:
            self._n_clients -= 1

    async def _follow(self, after: int | None) -> AsyncIterator[tuple[bytes, ...]]:
        cursor: int | None = None
        seen: dict[str, int] = {}
        while True:
            changed, unread = self._changed, False
            committed: tuple[bytes, ...] = ()
            reset: list[bytes] = []
            try:
                if cursor is None:
                    cursor, is_reset = await self._begin(after)
                    if is_reset:
                        reset.append(lines_of("reset", b'{"cursor":%d}' % cursor, cursor))
                _, _, committed, cursor = await self._next(cursor)
            except UnreadableError:
                unread = True
            states = []
            for name, (turn, lines) in self._states.items():
                if seen.get(name) != turn:
                    seen[name] = turn
                    states.append(lines)
            for found in (tuple(reset), committed, tuple(states)):
                if found:
                    yield found
            if unread or cursor is None or cursor >= self._newest:
                await changed.wait()  # the present state changes each second, so a failed read is tried again

    async def _begin(self, after: int | None) -> tuple[int, bool]:
        """Return the cursor at which a client begins, and whether it missed changes (a reset)."""
        newest, oldest = await self._bounds()
        cursor = newest if after is None else after
        if cursor <= newest and cursor + 1 >= oldest:
            return cursor, False
        self.counts["feed.reset"] += 1  # of another database, or older than the feed keeps
        return newest, True

    async def _next(self, cursor: int) -> Next:
        """Return the events after a cursor; `last` is the cursor itself where there are none."""
        newest = self._newest
        if cursor >= newest:
            return Next(cursor, newest, (), cursor)
        if (self._shared.after, self._shared.newest) == (cursor, newest):
            return self._shared
        if self._tail and self._tail[0].n <= cursor + 1:
            newer = list(itertools.takewhile(lambda event: event.n > cursor, reversed(self._tail)))
            self._shared = _next_of(cursor, newest, newer[: -READ_EVENTS_MAX - 1 : -1])
            return self._shared
        self.counts["feed.read_back"] += 1
        return _next_of(cursor, newest, await self._read(cursor, READ_EVENTS_MAX))

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _next_of(after: int, newest: int, events: Sequence[Event]) -> Next:
    lines = tuple(event.lines for event in events)
    return Next(after, newest, lines, events[-1].n if events else after)
