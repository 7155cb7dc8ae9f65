"""A client that says what no part of the site would: bytes of chance, oversize, strangers' violations."""

import time
from collections.abc import Iterator, Sequence
from functools import partial

import msgspec
import numpy as np

from edge import topics
from edge.link import Link, LinkSettings
from petroroad.chaos.waiting import until
from petroroad.processes.children import NotReadyError

STRANGER = "STRANGER"  # an RSU that the site lacks
OVERSIZE_BYTES = 900_000  # what the brokers still pass on
NESTED = b"\x91" * 5_000 + b"\xc0"  # a list in a list in a list
BURST_S = 3.0
CONNECT_S = 15.0  # that a cluster may need after it has lost its leaders


def burst(chance: np.random.Generator, esns: Sequence[str], gateway: str) -> Iterator[tuple[str, bytes]]:
    """Yield (topic, payload) of one burst; none of it can be a true message of a part that runs."""
    for esn in esns:
        noise = chance.bytes(int(chance.integers(1, 400)))
        for topic in (
            topics.violation_up(esn), topics.violation_ack(esn), topics.journey_up(esn), topics.track_up(esn),
            topics.status(esn), topics.gnss_down(esn), topics.clock_rsp(esn), topics.handover(STRANGER, esn),
        ):  # fmt: skip
            yield topic, noise
            yield topic, b""
            yield topic, NESTED
        yield topics.violation_up(esn), bytes(OVERSIZE_BYTES)
        yield topics.violation_up(esn), msgspec.msgpack.encode({"epoch": 1, "items": [{"seq": -1}] * 2_000})
    yield topics.gateway_command_down(gateway), chance.bytes(100)
    batch = {"epoch": 1, "items": [{"seq": seq, "void": "a stranger's"} for seq in range(1, 33)]}
    yield topics.violation_up(STRANGER), msgspec.msgpack.encode(batch)
    yield topics.status(STRANGER), msgspec.msgpack.encode({"state": "online", "epoch": 1})


class Hostile:
    """Run `link.run()` beside it."""

    def __init__(self, settings: LinkSettings, esns: Sequence[str], gateway: str) -> None:
        self._esns, self._gateway = esns, gateway
        self.n_said = 0
        self.link = Link(settings)

    async def say(self, chance: np.random.Generator) -> None:
        """Publish one burst once there is a connection; what the broker does not take in time is dropped.

        A fault of the same plan may have ended the broker just now.
        """
        await until(self._is_connected, CONNECT_S)
        end_s = time.monotonic() + BURST_S
        for topic, payload in burst(chance, self._esns, self._gateway):
            if await until(partial(self.link.publish, topic, payload), end_s - time.monotonic()):
                self.n_said += 1

    async def must_say(self, chance: np.random.Generator) -> None:
        """Publish a burst where none got out so far; raises NotReadyError where this one does not either.

        A hostile client that the broker never got a word of proves nothing.
        """
        if self.n_said == 0:
            await self.say(chance)
        if self.n_said == 0:
            why = self.link.refused or "no broker took a word of it"
            raise NotReadyError(f"the hostile client never got out: {why}")

    def _is_connected(self) -> bool:
        return self.link.connected
