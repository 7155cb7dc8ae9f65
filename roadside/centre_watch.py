"""What an RSU does about its centres, and about another RSU of its name.

It sends again when a centre begins to serve, takes the higher epoch that a centre knows, notes who
acknowledges, and stays away for a while where a twin takes over its connections.
"""

import asyncio
import os
import time
from collections.abc import Callable

import msgspec

from edge import topics, wire
from edge.centre_status import Centres, decode_centre_status, decode_epoch_known
from edge.clock import Clock
from edge.outbox.outbox import Outbox
from edge.status_order import AGE_NS, age_ns
from edge.subscriptions import Incoming, Subscription
from edge.takeover import TWIN, TakeoverWatch

# Some hundred RSUs must not all send at the same moment; the wait after a centre's return stays below 2 s
BIRTH_JITTER_S = 0.5
# An acknowledgement after so long without one says that the way is open again, whatever had closed it
SILENT_S, RESUME_AGAIN_S = 3.0, 10.0
OWN_EPOCHS_MAX = 64  # each conflict makes one
EPOCH_S = 10.0  # between two epochs that are taken from outside: each needs a new connection


class CentreWatch:
    """The centres that this RSU hears; `resend` sends again all that waits."""

    def __init__(
        self, esn: str, outbox: Outbox, clock: Clock, count: Callable[[str], None], resend: Callable[[], None]
    ) -> None:
        self.centres = Centres()
        self._esn = esn
        self._raised_s = self._resumed_s = float("-inf")
        self._own_epochs: dict[int, None] = {outbox.epoch: None}  # of this run
        self.takeovers = TakeoverWatch(_share)
        self._outbox, self._clock, self._count, self._resend = outbox, clock, count, resend
        self._later: asyncio.TimerHandle | None = None
        # how far our clock is ahead of the centre's, None while unknown; whose status is sent again, and why
        self.offset_ms: Callable[[], float | None] = lambda: None
        self.on_replayed: Callable[[str, str], None] = lambda _who, _reason: None

    def subscriptions(self) -> list[Subscription]:
        """Return the topics of the centres' statuses."""
        return [
            Subscription(topics.centre_status("+"), 1, self._receive_status, retained=True),
            Subscription(topics.epoch_down(self._esn), 1, self._receive_epoch),
            Subscription(topics.status(self._esn), 1, self._receive_own_status, retained=True),
        ]

    def connected(self) -> None:
        """Note a new connection."""
        self._outbox.destinations.connected(time.monotonic())

    def disconnected(self) -> None:
        """Note the loss of the connection."""
        self.takeovers.lost(time.monotonic())
        self._outbox.destinations.disconnected()

    def hold_s(self) -> float:
        """Return how long to stay away after a loss."""
        return self.takeovers.hold_s(time.monotonic())

    @property
    def degraded(self) -> tuple[str, ...]:
        """Why deliveries are worse than they should be."""
        now_s = time.monotonic()
        twin = (TWIN,) if self.takeovers.is_twin(now_s) else ()
        return (*self._outbox.destinations.degraded(now_s), *twin)

    def unanswered_s(self, now_s: float) -> float:
        """Return for how long what was sent has waited without an acknowledgement."""
        return self._outbox.destinations.unanswered_s(now_s)

    def acknowledged(self, ack: wire.ViolationAck) -> None:
        """Note who acknowledged, before the outbox does; the first word after a silence ends the back-off."""
        now_s = time.monotonic()
        if self.unanswered_s(now_s) > SILENT_S and now_s - self._resumed_s > RESUME_AGAIN_S:
            self._resumed_s = now_s
            self._count("outbox.resumed")
            self._resend_soon()
        self.centres.acknowledged(ack.by or ack.centre, now_s=now_s, now_ns=max(0, self._clock.now_ns()))

    def _receive_own_status(self, message: Incoming) -> None:
        """Look whether it is ours: a cloned card makes a second RSU of this name."""
        self._own_epochs[self._outbox.epoch] = None
        if len(self._own_epochs) > OWN_EPOCHS_MAX:
            del self._own_epochs[next(iter(self._own_epochs))]
        try:
            status = wire.decode_status(message.payload)
        except (msgspec.DecodeError, ValueError):
            self._count("mqtt.undecodable.status")
            return
        if status.state == "online" and status.epoch not in self._own_epochs:
            age = self._age_of_own(status)
            if not message.retained and age is not None and abs(age) > AGE_NS:
                self._count("status.replayed")
                self.on_replayed(f"rsu/{self._esn}", "stale")
                return
            self._count("link.foreign_status")
            self.takeovers.foreign(time.monotonic())

    def _age_of_own(self, status: wire.Status) -> int | None:
        """Return how old a status of our name is; its sender and we know the centre's clock, or None."""
        if status.stamp_ns is None or status.clock_offset_ms is None:
            return None
        return self._age_ns(status.stamp_ns - round(status.clock_offset_ms * 1e6))

    def _receive_epoch(self, message: Incoming) -> None:
        """Take a higher epoch that the centre knows: this board's clock is behind, its disk new, say."""
        now_s = time.monotonic()
        try:
            known = decode_epoch_known(message.payload)
        except (msgspec.DecodeError, ValueError):
            self._count("mqtt.undecodable.epoch")
            return
        if known.epoch <= self._outbox.epoch or now_s - self._raised_s < EPOCH_S:
            self._count("epoch.ignored")
            return
        self._raised_s = now_s
        self._count("epoch.raised")
        self._outbox.raise_epoch(known.epoch)

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
        age = self._age_ns(status.stamp_ns)
        receipt = self.centres.receive(status, retained=message.retained, now_s=now_s, age=age)
        if receipt == "replayed":
            self.on_replayed(f"centre/{status.centre}", "repeated")
        if receipt not in ("known", "began"):
            return
        if destinations.changed_database(status.centre, status.database):
            self._outbox.forget_held(status.centre)
        if status.state == "online" and not message.retained:
            destinations.heard(status.centre, now_s)
        if receipt == "began":
            self._resend_soon()

    def _age_ns(self, stamp_ns: int | None) -> int | None:
        """Return how old a stamp of the centre's clock is; None while we don't know that clock."""
        offset_ms = self.offset_ms()
        return None if offset_ms is None else age_ns(stamp_ns, -offset_ms, self._clock.now_ns())

    def _resend_soon(self) -> None:
        if self._later is not None:
            self._later.cancel()
        self._later = asyncio.get_running_loop().call_later(BIRTH_JITTER_S * _share(), self._resend)


def _share() -> float:
    return int.from_bytes(os.urandom(2)) / 65_535
