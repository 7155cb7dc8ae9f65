"""The ports of one process: one that can't be opened is tried again, and all else runs meanwhile.

An address may come later than the process (5G, a VLAN), and a port may still be held by what ran before.
Ended by that, a unit would supervise nothing until somebody drives there.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator

RETRY_S, RETRY_S_MAX = 1.0, 15.0
PORT_CLOSED = "port_closed"  # a reason in `degraded`, and the state of a sensor behind it


class Ports:
    """What listens in one process, by its key in the site file.

    warn(event, **facts) : says what happened
    closed : address, by key, of each that could not be opened at the last try
    """

    def __init__(self, warn: Callable[..., object]) -> None:
        self.counts: Counter[str] = Counter()
        self.closed: dict[str, str] = {}
        self._warn = warn
        self._tried: dict[str, asyncio.Event] = {}

    async def keep(
        self,
        key: str,
        address: str,
        serve: Callable[[Callable[[], None]], Awaitable[None]],
        stop: asyncio.Event | None = None,
    ) -> None:
        """Serve until `serve` returns, `stop` is set, or cancelled; after an OSError again, ever more rarely.

        serve : awaited with a function that it calls once it listens
        """
        tried = self._event(key)

        def note_open() -> None:
            if self.closed.pop(key, None) is not None:
                self._warn("port.opened", key=key, address=address)
            tried.set()

        for pause_s in _pauses_s():
            try:
                await serve(note_open)
                return
            except OSError as error:
                self.counts["port.closed"] += 1
                if key not in self.closed:
                    self._warn("port.closed", key=key, address=address, why=f"can't listen: {error}")
                self.closed[key] = address
                tried.set()
            await _sleep(pause_s, stop)
            if stop is not None and stop.is_set():
                return

    async def tried(self, *keys: str) -> None:
        """Wait until each of these was tried once."""
        for key in keys:
            await self._event(key).wait()

    def faults(self) -> tuple[str, ...]:
        """Return the reason that belongs into `degraded`, if any."""
        return (PORT_CLOSED,) if self.closed else ()

    def _event(self, key: str) -> asyncio.Event:
        return self._tried.setdefault(key, asyncio.Event())


def _pauses_s() -> Iterator[float]:
    pause_s = RETRY_S
    while True:
        yield pause_s
        pause_s = min(2 * pause_s, RETRY_S_MAX)


async def _sleep(pause_s: float, stop: asyncio.Event | None) -> None:
    if stop is None:
        await asyncio.sleep(pause_s)
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(pause_s):
            await stop.wait()
