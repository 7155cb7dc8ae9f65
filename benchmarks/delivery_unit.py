"""A process that delivers as an RSU does, for the delivery benchmarks: outbox, link, centre watch."""

import asyncio
import contextlib
import multiprocessing
import sys
import time
from collections.abc import AsyncIterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.delivery_site import violation
from edge import topics, wire
from edge.clock import Clock
from edge.config import load_site
from edge.figures import Counts
from edge.link import Link, link_settings
from edge.outbox.outbox import Outbox
from edge.service import SWITCH_S
from edge.subscriptions import Incoming, Subscription, Subscriptions
from edge.tls import Holder
from petroroad.chaos.waiting import until
from roadside.centre_watch import CentreWatch

LIVE_PERIOD_S = 0.05
BACKLOG_AGE_NS = 60_000_000_000  # of an outage: what came just now would be live
LIVE_WAITING = 20  # a backlog of so few is none: live ones are always on their way
LIVE_FIRST = 1_000_000  # numbers of live violations begin here: `track` in their bytes
TRICKLE_PERIOD_S, TRICKLE_FIRST = 0.2, 2_000_000  # as LIVE_FIRST: another process numbered before
ANSWER_S = 120.0


class Unit:
    """The benchmark's end of such a process."""

    def __init__(self, esn: str, site: Path, folder: Path) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, far = spawn.Pipe()
        self.process = spawn.Process(target=serve, args=(esn, site, folder, far), daemon=True)
        self.process.start()

    async def ask(self, word: str, number: int = 0) -> float:
        """Give a command; return its answer."""
        self._pipe.send((word, number))
        answered = await asyncio.to_thread(self._pipe.poll, ANSWER_S)
        if not answered:
            raise TimeoutError(f"a unit does not answer {word} within {ANSWER_S:.0f} s")
        return float(self._pipe.recv())

    async def end(self) -> None:
        """End the process."""
        await self.ask("end")
        await asyncio.to_thread(self.process.join, ANSWER_S)


def serve(esn: str, site: Path, folder: Path, pipe: "Connection[Any, Any]") -> None:
    """Serve commands until `end`, on the loop that an RSU uses."""
    sys.setswitchinterval(SWITCH_S)  # as the shell of an RSU does
    uvloop.run(_serve(esn, site, folder, pipe))


async def _serve(esn: str, site: Path, folder: Path, pipe: "Connection[Any, Any]") -> None:
    outbox = await Outbox.open(folder / f"{esn}.sqlite", clock=Clock.wall())
    link = link_of(esn, site, outbox)
    outbox.start()
    commands = _Commands(esn, outbox, link)
    async with _sending(esn, outbox, link):
        while True:
            word, number = await asyncio.to_thread(pipe.recv)
            if word == "end":
                pipe.send(0.0)
                return
            pipe.send(await getattr(commands, word)(number))


def link_of(esn: str, site: Path, outbox: Outbox) -> Link:
    """Return the main connection of an RSU as `roadside.rsu` makes it: it hears the centre's birth."""
    loaded, counts = load_site(site), Counts()
    watch = CentreWatch(esn, outbox, Clock.wall(), counts.add, outbox.resend)

    def receive_ack(message: Incoming) -> None:
        ack = wire.decode_ack(message.payload)
        watch.acknowledged(ack)
        outbox.acknowledge(ack)

    def connected() -> None:
        watch.connected()
        outbox.resend()

    rows = [Subscription(topics.violation_ack(esn), 1, receive_ack), *watch.subscriptions()]
    subscriptions = Subscriptions(rows, lambda: counts.add("mqtt.unexpected"))
    settings = link_settings(loaded.config.mqtt, f"rsu-{esn}", loaded.where, Holder("rsu", esn))
    link = Link(settings, on_up=connected, on_down=watch.disconnected)
    link.subscribe(subscriptions.filters(), subscriptions.receive)
    link.hold_s = watch.hold_s
    return link


@contextlib.asynccontextmanager
async def _sending(esn: str, outbox: Outbox, link: Link) -> AsyncIterator[None]:
    topic = topics.violation_up(esn)
    sending = asyncio.create_task(outbox.run(lambda body: link.publish(topic, body)))
    try:
        yield
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await outbox.close()


class _Commands:
    """What a unit does; each returns one figure."""

    def __init__(self, esn: str, outbox: Outbox, link: Link) -> None:
        self._esn, self._outbox, self._link = esn, outbox, link
        self._n, self._n_live = 0, 0
        self._linking: asyncio.Task[None] | None = None  # ends with the process

    def _put(self, number: int, age_ns: int = 0) -> None:
        detected_ns = time.time_ns() - age_ns
        self._outbox.put(violation(self._esn, number, detected_ns), detected_ns, "", None)

    async def fill(self, number: int) -> float:
        """Put a backlog of so many, BACKLOG_AGE_NS old; answers when all are on the disk."""
        for _ in range(number):
            self._n += 1
            self._put(self._n, BACKLOG_AGE_NS)
            if self._n % 100 == 0:
                await asyncio.sleep(0)
        await until(lambda: self._outbox.last_seq >= self._n, ANSWER_S)  # the keeper's news come by the loop
        return float(self._outbox.depth)

    async def connect(self, _: int) -> float:
        """Run the link; answers at once."""
        self._linking = asyncio.create_task(self._link.run())
        return time.monotonic()

    async def drain(self, _: int) -> float:
        """Answer with the monotonic time at which the backlog was acknowledged; live ones come meanwhile."""
        live = asyncio.create_task(self._live())
        try:
            await until(lambda: self._outbox.depth <= LIVE_WAITING, ANSWER_S)
        finally:
            live.cancel()
            await asyncio.gather(live, return_exceptions=True)
        await self._outbox.drained()
        return time.monotonic()

    async def _live(self) -> None:
        while True:
            self._n_live += 1
            self._put(LIVE_FIRST + self._n_live)
            await asyncio.sleep(LIVE_PERIOD_S)

    async def one(self, _: int) -> float:
        """Put one; answer with the monotonic time at which nothing waits any more."""
        self._n += 1
        self._put(self._n)
        await self._outbox.drained()
        return time.monotonic()

    async def trickle(self, number: int) -> float:
        """Put one each TRICKLE_PERIOD_S, so many; answer with the time at which nothing waits any more."""
        for _ in range(number):
            self._n += 1
            self._put(TRICKLE_FIRST + self._n)
            await asyncio.sleep(TRICKLE_PERIOD_S)
        await self._outbox.drained()
        return time.monotonic()
