"""The half of an RSU that delivers, without sensors and pipeline: it starts in a tenth of the time.

Outbox, recordings, watch of the centre, link and heartbeats are wired as `roadside.rsu` does; it raises as
`raising_rsu.py`, and has its arguments.
"""

import asyncio
import contextlib
import sys
from pathlib import Path

import msgspec
import uvloop

from edge import log, topics, wire
from edge.ask import decode_ask
from edge.clock import Clock
from edge.config import Site, load_site
from edge.figures import Counts
from edge.link import Link, Outgoing, link_settings
from edge.link_security import LinkSecurity
from edge.metrics import Health
from edge.outbox.outbox import Outbox
from edge.recording.retention import Limits, Retention
from edge.recording.series import Series
from edge.subscriptions import Incoming, Subscription, Subscriptions
from edge.tls import Holder
from geofence import violation as codec
from petroroad.commands.running import until_signal
from roadside.centre_watch import CentreWatch
from tests.support.damage.raised import episode, exiting_by_name, note, requests

BEAT_S = 1.0


class DeliveringRsu:
    """Use `serve`."""

    def __init__(self, site: Site, esn: str, outbox: Outbox, recorder: Series, raised: Path) -> None:
        self.esn, self.outbox, self.recorder, self.raised = esn, outbox, recorder, raised
        self.clock, self.n, self.counts = Clock.wall(), 0, Counts()
        self.watch = CentreWatch(esn, outbox, self.clock, self.counts.add, outbox.resend)
        settings = link_settings(site.config.mqtt, f"rsu-{esn}", site.where, Holder("rsu", esn))
        rows = [
            Subscription(topics.violation_ack(esn), 1, self._acknowledge),
            Subscription(topics.violation_ask(esn), 1, self._answer),
            *self.watch.subscriptions(),
        ]
        inward = Subscriptions(rows, lambda: self.counts.add("mqtt.unexpected"))
        self.link = Link(
            settings, subscriptions=inward.filters(), on_message=inward.receive,
            will=lambda n: self._status("offline", n), birth=lambda n: self._status("online", n),
            on_up=self._on_up, on_down=self.watch.disconnected,
        )  # fmt: skip
        self.link.hold_s = self.watch.hold_s
        self.security = LinkSecurity(settings, {"link": self.link}, log.setup(part="rsu", esn=esn))

    def _on_up(self) -> None:
        self.watch.connected()
        self.outbox.resend()

    def _acknowledge(self, message: Incoming) -> None:
        ack = wire.decode_ack(message.payload)
        self.watch.acknowledged(ack)
        self.outbox.acknowledge(ack)

    def _answer(self, message: Incoming) -> None:
        self.outbox.answer(decode_ask(message.payload))

    def _status(self, state, connection: int) -> Outgoing:
        outbox = self.outbox
        body = wire.Status(
            state=state, epoch=outbox.epoch, connection=connection, last_seq=outbox.last_seq,
            pending=outbox.pending, outbox_depth=outbox.depth, config="1", map="synthetic-1",
            version="test", clock_offset_ms=None, sensors={}, counts={}, unjudged=(),
            degraded=self._degraded(), stamp_ns=self.clock.now_ns(),
            centres=self.watch.centres.seen(asyncio.get_running_loop().time()),
        )  # fmt: skip
        return Outgoing(topics.status(self.esn), wire.encode(body), 1, True)

    def _degraded(self) -> tuple[str, ...]:
        return (*self.outbox.degraded, *self.recorder.degraded, *self.security.faults())

    async def serve(self, address: str | None) -> None:
        """Run until cancelled."""
        health = Health(lambda: (self.link.connected, {"degraded": list(self._degraded())}))
        async with asyncio.TaskGroup() as tasks:
            send = self.outbox.run(lambda batch: self.link.publish(topics.violation_up(self.esn), batch))
            parts = (self.link.run(), self.security.run(), send, health.run(address), self._beat())
            for part in (*parts, self._raise_when_asked()):
                tasks.create_task(part)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            self.link.send(self._status("online", self.link.connection))
            self.recorder.keep_since(self.outbox.oldest_ns)

    async def _raise_when_asked(self) -> None:
        async for _ in requests():
            await note(self.raised, self.outbox, [body for _ in range(6) for body in self._raise()])

    def _raise(self) -> list[bytes]:
        self.n += 1
        found = episode(self.esn, self.outbox.epoch, self.n)
        for one in found:
            now_ns, body = self.clock.now_ns(), codec.encode(one)
            self.recorder.write(f"/violation/{self.esn}", body, now_ns)
            self.outbox.put(body, now_ns, one.id, None)
        return [codec.encode(one) for one in found]


@contextlib.asynccontextmanager
async def opened(site: Site, esn: str, state: Path):
    """Open outbox and recordings as `roadside.rsu.opened`, which would import the pipeline."""
    clock, recordings = Clock.wall(), state / "recordings"
    outbox = await Outbox.open(
        state / "outbox" / f"{esn}.sqlite", clock=clock, ballast_bytes=2**20, recordings=recordings, esn=esn
    )
    record = wire.encode(msgspec.structs.replace(site.record, esn=esn))
    recorder = Series(recordings, esn, outbox.epoch, record, clock.now_ns())
    limits = Limits(age_s=86_400.0, total_bytes=2**30, free_bytes=0)
    recorder.retention = Retention(recorder.directory, esn, limits, recorder.count)
    recorder.start()
    outbox.start(
        before_commit=recorder.make_durable,
        record=lambda body: recorder.write(f"/delivery/{esn}", body, clock.now_ns()),
    )
    try:
        yield outbox, recorder
    finally:
        await outbox.close()
        recorder.close()


async def run(site_file: str, esn: str, state: str, raised: str) -> None:
    """Serve until cancelled."""
    site = load_site(Path(site_file))
    async with opened(site, esn, Path(state)) as (outbox, recorder):
        await DeliveringRsu(site, esn, outbox, recorder, Path(raised)).serve(site.rsu(esn).health)


if __name__ == "__main__":
    with exiting_by_name():
        uvloop.run(until_signal(run(*sys.argv[1:])))
