"""The other end of an outbox in tests: takes what it sends, answers as a centre would."""

import asyncio
import contextlib
from functools import partial

import msgspec
import pytest

from edge.clock import Clock
from edge.decoding import decoder
from edge.outbox import batches as batches_module
from edge.outbox import outbox as outbox_module
from edge.outbox.outbox import Outbox
from edge.wire import ViolationAck, ViolationBatch

NS = 1_790_000_000_000_000_000
CLOCK = Clock.paced(NS)
LONG_S = 3_600.0
read_batch = decoder(msgspec.msgpack.Decoder(ViolationBatch))  # whole; the centre reads item by item


class Wire:
    """Takes what the outbox sends; `up` False refuses it."""

    def __init__(self):
        self.batches, self.up = [], True
        self.news = asyncio.Event()

    def send(self, body):
        if self.up:
            self.batches.append(read_batch(body))
            self.news.set()
        return self.up

    def keys(self):
        return [(batch.epoch, item.seq) for batch in self.batches for item in batch.items]

    def ack(self, outbox, *, conflict=()):
        """Answer everything received as a centre would."""
        batches, self.batches = self.batches, []
        for batch in batches:
            seqs = [item.seq for item in batch.items]
            outbox.acknowledge(
                ViolationAck(
                    centre="c",
                    epoch=batch.epoch,
                    stored=tuple(seq for seq in seqs if seq not in conflict),
                    conflict=tuple(seq for seq in seqs if seq in conflict),
                )
            )


@contextlib.contextmanager
def patient():
    """Nothing is sent again only because the disk under the test took a second for what comes next."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches_module, "RESEND_S_MIN", LONG_S)
        patch.setattr(outbox_module, "_Waiting", partial(outbox_module._Waiting, backoff_s=LONG_S))
        yield


@contextlib.asynccontextmanager
async def running(path, *, resends=False, **options):
    """A running outbox and the wire that it sends into; without `resends` it waits long for an answer."""
    with contextlib.nullcontext() if resends else patient():
        async with _running(path, **options) as both:
            yield both


@contextlib.asynccontextmanager
async def _running(path, before_commit=lambda: None, **options):
    outbox, wire = await Outbox.open(path, clock=CLOCK, **options), Wire()
    outbox.start(before_commit)
    task = asyncio.create_task(outbox.run(wire.send))
    try:
        yield outbox, wire
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await outbox.close()


async def until(condition):
    async with asyncio.timeout(10.0):
        while not condition():
            await asyncio.sleep(0.002)


def put(outbox, body=b"v", episode=None, episode_id="e"):
    outbox.put(body, CLOCK.now_ns(), episode_id, episode)
