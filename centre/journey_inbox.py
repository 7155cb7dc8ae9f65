"""Versions of journeys that wait for the database, the newest of each, and their acknowledgements. Pure."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence

import msgspec

from centre.commands import ReceivedJourney
from edge.journey_messages import JourneyAck, JourneyKey, decode_journeys
from edge.wire import Count, Name
from geofence.journeys.journey import decoded

WAITING_MAX = 20_000  # RSUs send again what is dropped
COMMIT_MAX = 48  # of one transaction: some 20 ms beside the violations in it
AHEAD_NS = 86_400 * 10**9  # a journey of a later day is of no clock of ours


class _Named(msgspec.Struct, frozen=True):
    """What must be readable of a broken journey to be acknowledged."""

    id: Name
    version: Count


_decode_name = msgspec.msgpack.Decoder(_Named).decode
Acknowledge = Callable[[str, JourneyAck], None]  # the RSU and what it may forget


class JourneyInbox:
    """`receive` never blocks; `pop` gives what one transaction stores, `acks` what it acknowledges."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._waiting: OrderedDict[tuple[str, str], ReceivedJourney] = OrderedDict()  # by RSU and journey

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def receive(self, esn: str, payload: bytes, now_ns: int) -> JourneyAck | None:
        """Queue the versions of a message; return the acknowledgement of those that nobody can store."""
        try:
            bodies = decode_journeys(payload).journeys
        except (msgspec.MsgspecError, ValueError):
            self._counts["journeys.unreadable"] += 1
            return None
        refused = []
        for body in bodies:
            journey = decoded(body)
            if journey is None or journey.esn != esn or journey.start_ns > now_ns + AHEAD_NS:
                self._counts["journey.refused"] += 1
                refused += _key_of(body)
                continue
            self._waiting.pop((esn, journey.id), None)
            if len(self._waiting) >= WAITING_MAX:
                self._counts["journey.full"] += 1
                break
            self._waiting[esn, journey.id] = ReceivedJourney(journey, body, now_ns)
        return JourneyAck(stored=tuple(refused)) if refused else None

    def pop(self) -> list[ReceivedJourney]:
        """Return the versions of the next transaction, the oldest first."""
        keys = list(self._waiting)[:COMMIT_MAX]
        return [self._waiting.pop(key) for key in keys]

    def put_back(self, versions: Iterable[ReceivedJourney]) -> None:
        """Queue versions again that were not committed, unless a newer one came meanwhile."""
        for received in versions:
            self._waiting.setdefault((received.journey.esn, received.journey.id), received)


def acks_of(versions: Sequence[ReceivedJourney]) -> dict[str, list[JourneyAck]]:
    """Return the acknowledgements of committed versions by RSU; a message names at most 64."""
    keys: dict[str, list[JourneyKey]] = {}
    for received in versions:
        journey = received.journey
        keys.setdefault(journey.esn, []).append(JourneyKey(id=journey.id, version=journey.version))
    return {
        esn: [JourneyAck(stored=tuple(found[at : at + 64])) for at in range(0, len(found), 64)]
        for esn, found in keys.items()
    }


def _key_of(body: bytes) -> list[JourneyKey]:
    try:
        named = _decode_name(body)
    except (msgspec.MsgspecError, ValueError):
        return []
    return [JourneyKey(id=named.id, version=named.version)]
