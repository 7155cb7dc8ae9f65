"""What an RSU does about its centres: it sends again when one begins to serve."""

import asyncio
import os
import time
from collections.abc import Callable

import msgspec

from edge import topics, wire
from edge.centre_status import Centres, decode_centre_status
from edge.clock import Clock
from edge.outbox.outbox import Outbox
from edge.subscriptions import Incoming, Subscription

# Some hundred RSUs must not all send at the same moment; the wait after a centre's return stays below 2 s
BIRTH_JITTER_S = 0.5


class CentreWatch:
    """The centres that this RSU hears; `resend` sends again all that waits."""

    def __init__(
        self, outbox: Outbox, clock: Clock, count: Callable[[str], None], resend: Callable[[], None]
    ) -> None:
        self.centres = Centres()
        self._outbox, self._clock, self._count, self._resend = outbox, clock, count, resend
        self._later: asyncio.TimerHandle | None = None

    def subscriptions(self) -> list[Subscription]:
        """Return the topics of the centres' statuses."""
        return [Subscription(topics.centre_status("+"), 1, self._receive_status, retained=True)]

    def connected(self) -> None:
        """Note a new connection."""
        self._outbox.destinations.connected(time.monotonic())

    def disconnected(self) -> None:
        """Note the loss of the connection."""
        self._outbox.destinations.disconnected()

    def unanswered_s(self, now_s: float) -> float:
        """Return for how long what was sent has waited without an acknowledgement."""
        return self._outbox.destinations.unanswered_s(now_s)

    def acknowledged(self, ack: wire.ViolationAck) -> None:
        """Note who acknowledged."""
        self.centres.acknowledged(
            ack.by or ack.centre, now_s=time.monotonic(), now_ns=max(0, self._clock.now_ns())
        )

    def _receive_status(self, message: Incoming) -> None:
        if len(message.payload) > wire.PAYLOAD_BYTES_MAX:
            self._count("mqtt.too_long")
            return
        try:
            status = decode_centre_status(message.payload)
            if status.centre != message.topic.name:
                raise ValueError("another centre's topic")
        except (msgspec.DecodeError, ValueError):  # a peer's fault must not stop the site
            self._count("mqtt.undecodable.centre")
            return
        now_s, destinations = time.monotonic(), self._outbox.destinations
        if destinations.changed_database(status.centre, status.database):
            self._outbox.forget_held(status.centre)
        if status.state == "online" and not message.retained:
            destinations.heard(status.centre, now_s)
        if self.centres.receive(status, retained=message.retained, now_s=now_s):
            self._resend_soon()

    def _resend_soon(self) -> None:
        if self._later is not None:
            self._later.cancel()
        share = int.from_bytes(os.urandom(2)) / 65_535
        self._later = asyncio.get_running_loop().call_later(BIRTH_JITTER_S * share, self._resend)
