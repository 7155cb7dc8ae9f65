"""An RSU's sending half and a centre that acknowledges, both on a real broker; no test itself."""

import asyncio
import contextlib
import socket
import time
from pathlib import Path

import msgspec

from edge import topics
from edge.centre_status import CentreStatus, encode
from edge.clock import Clock
from edge.decoding import decoder
from edge.failover import Failover
from edge.link import Link, LinkSettings, Outgoing
from edge.outbox.outbox import Outbox
from edge.subscriptions import Incoming, Subscription, Subscriptions
from edge.wire import ViolationAck, ViolationBatch, decode_ack
from edge.wire import encode as encode_wire
from petroroad.processes.broker import start_broker
from petroroad.processes.ports import kept_port
from roadside.centre_watch import CentreWatch

ESN = "RSU-1"
TEST_S = 30.0
read_batch = decoder(msgspec.msgpack.Decoder(ViolationBatch))


@contextlib.asynccontextmanager
async def broker(folder: Path, kind: str = "nats"):
    """A real broker; yields its port."""
    folder.mkdir(parents=True, exist_ok=True)
    with kept_port() as port:
        child = await start_broker(kind, folder, "127.0.0.1", port)
        try:
            yield port
        finally:
            await child.stop(2.0)


def addresses(*ports: int) -> tuple[tuple[str, int], ...]:
    return tuple(("127.0.0.1", port) for port in ports)


class StubCentre:
    """Acknowledges what comes, with a birth and a will as the centre has; keeps the keys in `stored`."""

    def __init__(self, *ports: int, centre: str = "centre", database: str = "db-1") -> None:
        self.ports, self.centre, self.database = ports, centre, database
        self.starts, self.mute = 0, False
        self.stored: dict[tuple[int, int], bytes | None] = {}
        self.up = asyncio.Event()
        self.up_s = 0.0
        self.link: Link | None = None
        self._task: asyncio.Task | None = None

    async def start(self) -> None:
        """Start anew: another epoch, and the clean session of a new process."""
        self.starts += 1
        self.up.clear()
        self.link = Link(
            LinkSettings(addresses=addresses(*self.ports), client_id=self.centre),
            subscriptions=[(topics.violation_up("+"), 1)],
            on_message=self._receive,
            will=lambda n: self.word("offline", n),
            birth=lambda n: self.word("online", n),
            on_up=self._on_up,
        )
        self._task = asyncio.create_task(self._run(self.link))
        await asyncio.wait_for(self.up.wait(), TEST_S)

    def word(self, state: str, connection: int) -> Outgoing:
        status = CentreStatus(
            centre=self.centre, state=state, database=self.database, epoch=1_790_000_000 + self.starts,
            connection=connection, stamp_ns=time.time_ns(), version="stub",
        )  # fmt: skip
        return Outgoing(topics.centre_status(self.centre), encode(status), 1, True)

    async def kill(self) -> None:
        """End without a word, as kill -9 does: the broker publishes the will."""
        link, self.link = self.link, None
        assert link is not None
        assert self._task is not None
        with contextlib.suppress(OSError, AttributeError):
            link._client._client._sock.shutdown(socket.SHUT_RDWR)
        link._will = None  # it says nothing itself
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self, link: Link) -> None:
        beating = asyncio.create_task(self._beat(link))
        try:
            await link.run()
        finally:
            beating.cancel()

    async def _beat(self, link: Link) -> None:
        while True:
            await asyncio.sleep(2.0)
            link.send(self.word("online", link.connection))

    def _on_up(self) -> None:
        self.up_s = time.monotonic()
        self.up.set()

    def _receive(self, topic: str, payload: bytes, retained: bool) -> None:
        batch, esn = read_batch(payload), topics.parse(topic).name
        if self.mute or self.link is None:
            return
        for item in batch.items:
            self.stored[batch.epoch, item.seq] = item.violation
        ack = ViolationAck(
            centre=self.database, by=self.centre, epoch=batch.epoch,
            stored=tuple(item.seq for item in batch.items),
        )  # fmt: skip
        self.link.publish(topics.violation_ack(esn), encode_wire(ack))


class RsuEnd:
    """Outbox, link and watch of one RSU, wired as `roadside.rsu` does."""

    def __init__(self, outbox: Outbox, link: Link, esn: str = ESN) -> None:
        self.outbox, self.link, self.esn = outbox, link, esn
        self.counts: dict[str, int] = {}
        self.watch = CentreWatch(esn, outbox, Clock.wall(), self.count, outbox.resend)
        self.moves: list[dict] = []
        self.failover = Failover(
            link, (), self.watch.unanswered_s, self.watch.centres.any_serves,
            lambda _event, **facts: self.moves.append(facts), is_old=self.watch.centres.is_old,
        )  # fmt: skip

    def count(self, reason: str) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1

    def on_up(self) -> None:
        self.watch.connected()
        self.outbox.resend()

    def put(self, n: int = 1) -> None:
        for i in range(n):
            self.outbox.put(b"violation %d" % i, time.time_ns(), f"e{i}", None)

    def send(self, body: bytes) -> bool:
        return self.link.publish(topics.violation_up(self.esn), body)

    def acknowledge(self, message: Incoming) -> None:
        ack = decode_ack(message.payload)
        self.watch.acknowledged(ack)
        self.outbox.acknowledge(ack)

    async def until_delivered(self) -> None:
        async with asyncio.timeout(TEST_S):
            await self.outbox.drained()


@contextlib.asynccontextmanager
async def rsu_end(
    folder: Path,
    *ports: int,
    esn: str = ESN,
    client_id: str | None = None,
    wanted=(),
    settings=None,
    **options,
):
    """A running RSU's sending half.

    settings : of its link, instead of plain ones to `ports`
    """
    client_id = client_id or f"rsu-{esn}"
    outbox = await Outbox.open(folder / f"{client_id}.sqlite", clock=Clock.wall(), **options)
    outbox.destinations.wanted = wanted
    link = Link(settings or LinkSettings(addresses=addresses(*ports), client_id=client_id))
    rsu = RsuEnd(outbox, link, esn)
    rows = [Subscription(topics.violation_ack(esn), 1, rsu.acknowledge), *rsu.watch.subscriptions()]
    subscriptions = Subscriptions(rows, lambda: rsu.count("unexpected"))
    link.subscribe(subscriptions.filters(), subscriptions.receive)
    link.hold_s = rsu.watch.hold_s
    link.on_up, link.on_down = rsu.on_up, rsu.watch.disconnected
    outbox.start()
    parts = (link.run(), outbox.run(rsu.send), rsu.failover.run())
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        yield rsu
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await outbox.close()
