"""Versions of journeys that wait for the database, the newest of each, and their acknowledgements. Pure.

Each RSU has a queue of its own, and they are read in turn: none waits for the journeys of another.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from centre.commands import ReceivedJourney
from edge.journey_messages import JourneyAck, JourneyKey, decode_journeys
from edge.subscriptions import nothing
from edge.wire import Count, Name
from geofence.journeys.journey import decoded

WAITING_MAX = 4_096  # of one RSU, which sends again what is dropped
WAITING_BYTES_MAX = 16_000_000  # of one RSU
WAITING_ALL_BYTES_MAX = 64_000_000
COMMIT_MAX = 48  # of one transaction: some 20 ms beside the violations in it
AHEAD_NS = 86_400 * 10**9  # a journey of a later day is of no clock of ours


class _Named(msgspec.Struct, frozen=True):
    """What must be readable of a broken journey to be acknowledged."""

    id: Name
    version: Count


_decode_name = msgspec.msgpack.Decoder(_Named).decode
Acknowledge = Callable[[str, JourneyAck], None]  # the RSU and what it may forget


@dataclass(slots=True)
class _Queue:
    versions: OrderedDict[str, ReceivedJourney] = field(default_factory=OrderedDict)  # by journey
    n_bytes: int = 0


class _Message:
    """Settles a message once none of its versions waits."""

    def __init__(self, settle: Callable[[], None]) -> None:
        self.n_waiting, self._settle = 1, settle

    def settle_one(self) -> None:
        self.n_waiting -= 1
        if self.n_waiting == 0:
            self._settle()


NOTHING = _Queue()  # of an RSU without a queue; never changed


class JourneyInbox:
    """`receive` never blocks; `pop` gives what one transaction stores, `acks` what it acknowledges."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._waiting: OrderedDict[str, _Queue] = OrderedDict()  # by RSU; the next turn is the first one's
        self._n_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def receive(
        self, esn: str, payload: bytes, now_ns: int, settle: Callable[[], None] = nothing
    ) -> JourneyAck | None:
        """Queue the versions of a message; return the acknowledgement of those that nobody can store.

        settle : called once none of its versions waits any more
        """
        try:
            bodies = decode_journeys(payload).journeys
        except (msgspec.MsgspecError, ValueError):
            self._counts["journeys.unreadable"] += 1
            settle()
            return None
        message = _Message(settle)
        refused = []
        for body in bodies:
            journey = decoded(body)
            if journey is None or journey.esn != esn or journey.start_ns > now_ns + AHEAD_NS:
                self._counts["journey.refused"] += 1
                refused += _key_of(body)
                continue
            older = self._remove(esn, journey.id)
            if older is not None:
                older.settle()
            if not self._add(esn, ReceivedJourney(journey, body, now_ns, message.settle_one)):
                self._counts["journey.full"] += 1
                break
            message.n_waiting += 1
        message.settle_one()  # the message itself has waited until all of it was read
        return JourneyAck(stored=tuple(refused)) if refused else None

    def pop(self) -> list[ReceivedJourney]:
        """Return the versions of the next transaction, the oldest of each RSU in turn."""
        found: list[ReceivedJourney] = []
        while self._waiting and len(found) < COMMIT_MAX:
            esn, queue = next(iter(self._waiting.items()))
            self._waiting.move_to_end(esn)
            received = self._remove(esn, next(iter(queue.versions)))
            assert received is not None, "it was just found"
            found.append(received)
        return found

    def put_back(self, versions: Iterable[ReceivedJourney]) -> None:
        """Queue versions again that were not committed, unless a newer one came meanwhile."""
        for received in versions:
            queue = self._waiting.get(received.journey.esn)
            if queue is None or received.journey.id not in queue.versions:
                self._put(received.journey.esn, received)
            else:
                received.settle()

    def _add(self, esn: str, received: ReceivedJourney) -> bool:
        """Queue a version where there is room; return whether there was."""
        queue = self._waiting.get(esn, NOTHING)
        n_bytes = len(received.body)
        if len(queue.versions) >= WAITING_MAX or queue.n_bytes + n_bytes > WAITING_BYTES_MAX:
            return False
        if self._n_bytes + n_bytes > WAITING_ALL_BYTES_MAX:
            return False
        self._put(esn, received)
        return True

    def _put(self, esn: str, received: ReceivedJourney) -> None:
        queue = self._waiting.setdefault(esn, _Queue())
        queue.versions[received.journey.id] = received
        queue.n_bytes += len(received.body)
        self._n_bytes += len(received.body)

    def _remove(self, esn: str, journey_id: str) -> ReceivedJourney | None:
        """Remove and return a version, if it waits."""
        queue = self._waiting.get(esn, NOTHING)
        received = queue.versions.pop(journey_id, None)
        if received is None:
            return None
        queue.n_bytes -= len(received.body)
        self._n_bytes -= len(received.body)
        if not queue.versions:
            del self._waiting[esn]
        return received


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
