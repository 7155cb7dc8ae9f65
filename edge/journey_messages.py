"""`journey/up` and `journey/ack` (docs/design.md section 7), and the versions that wait for the centre."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from edge.decoding import decoder
from edge.wire import Count, Name
from geofence.journeys.journey import Journey, decoded

JOURNEYS_MAX = 64  # of one message: some 1 kB each
JOURNEY_BYTES_MAX = 32_000  # of one
RESEND_S = 5.0  # until what the centre does not acknowledge is sent again
WAITING_MAX = 8_192  # journeys that wait for the centre; beyond, the oldest open one's version is dropped


class JourneyBatch(msgspec.Struct, frozen=True, kw_only=True):
    """`journey/up`: the newest versions of journeys, each its own bytes."""

    journeys: Annotated[
        tuple[Annotated[bytes, Meta(max_length=JOURNEY_BYTES_MAX)], ...],
        Meta(min_length=1, max_length=JOURNEYS_MAX),
    ]


class JourneyKey(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a journey."""

    id: Name
    version: Count


class JourneyAck(msgspec.Struct, frozen=True, kw_only=True):
    """`journey/ack`: the versions that the centre's database holds committed, or never will."""

    stored: Annotated[tuple[JourneyKey, ...], Meta(max_length=JOURNEYS_MAX)] = ()


decode_journeys = decoder(msgspec.msgpack.Decoder(JourneyBatch))
decode_journey_ack = decoder(msgspec.msgpack.Decoder(JourneyAck))


@dataclass(slots=True)
class _Waiting:
    version: int
    body: bytes
    is_open: bool
    due_s: float = 0.0


class JourneyShelf:
    """The newest version of each journey that the centre has not acknowledged; times are monotonic [s]."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()
        self.counts: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def load(self, bodies: tuple[bytes, ...]) -> list[Journey]:
        """Put the versions of the run before; return the open ones, whose vehicles may come again."""
        found = [decoded(body) for body in bodies]
        if None in found:
            self._count("journeys.unreadable")
        known = [journey for journey in found if journey is not None]
        for journey, body in zip(found, bodies, strict=True):
            if journey is not None:
                self.put(journey.id, journey.version, body, is_open=journey.is_open)
        return [journey for journey in known if journey.is_open]

    def put(self, journey_id: str, version: int, body: bytes, *, is_open: bool) -> None:
        """Put the next version in place of the one before."""
        self._waiting.pop(journey_id, None)
        self._waiting[journey_id] = _Waiting(version, body, is_open)
        if len(self._waiting) > WAITING_MAX:
            oldest = next((key for key, row in self._waiting.items() if row.is_open), None)
            self._waiting.pop(oldest or next(iter(self._waiting)))
            self._count("journeys.dropped")

    def put_found(self, bodies: Iterable[bytes]) -> None:
        """Put versions of ended journeys that a damaged outbox lacked; one that waits stays."""
        for body in bodies:
            journey = decoded(body)
            if journey is not None and journey.id not in self._waiting:
                self.put(journey.id, journey.version, body, is_open=journey.is_open)

    def release(self, journey_id: str) -> None:
        """Forget a journey that a neighbour continues: its next version comes from there."""
        self._waiting.pop(journey_id, None)

    def due(self, now_s: float) -> list[bytes]:
        """Return the messages to be sent now, oldest first, and when they are due again after RESEND_S."""
        rows = [row for row in self._waiting.values() if row.due_s <= now_s]
        for row in rows:
            row.due_s = now_s + RESEND_S
        bodies = [row.body for row in rows]
        return [
            msgspec.msgpack.encode(JourneyBatch(journeys=tuple(bodies[at : at + JOURNEYS_MAX])))
            for at in range(0, len(bodies), JOURNEYS_MAX)
        ]

    def again(self) -> None:
        """Send everything again at once: the connection is new."""
        for row in self._waiting.values():
            row.due_s = 0.0

    def acknowledge(self, ack: JourneyAck) -> list[str]:
        """Forget what the centre holds; return the ids of the journeys that ended with it."""
        ended = []
        for key in ack.stored:
            row = self._waiting.get(key.id)
            if row is None or row.version > key.version:
                continue  # a newer version waits
            del self._waiting[key.id]
            if not row.is_open:
                ended.append(key.id)
        return ended

    def _count(self, reason: str) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1
