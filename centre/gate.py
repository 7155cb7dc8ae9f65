"""What may come in: messages of the site's own units, no longer and no oftener than an honest unit's. Pure.

It looks at the topic and the length only, so that a message that is refused costs next to nothing. A unit
sends again what it needs acknowledged; what it repeats anyway may be lost.
"""

from collections import Counter
from collections.abc import Container, Mapping
from typing import NamedTuple

from edge.subscriptions import Incoming
from edge.token_bucket import TokenBucket
from edge.wire import PAYLOAD_BYTES_MAX

STRANGERS_MAX = 64  # names that are kept; all are counted


class Allowance(NamedTuple):
    """How much of one kind of message one unit may send, in the long run and at once."""

    messages_hz: float
    messages: float
    bytes_hz: float
    n_bytes: float


# Several times what a unit sends at its worst: an RSU has 512 items of its backlog in flight, sends snapshots
# at 10 Hz, a heartbeat and a clock probe each 2 s, and up to 8192 journeys, 64 in a message, at a reconnect.
ALLOWANCES: Mapping[str, Allowance] = {
    "violation/up": Allowance(400.0, 5_000.0, 16e6, 64e6),
    "journey/up": Allowance(40.0, 400.0, 2e6, 32e6),
    "status": Allowance(4.0, 40.0, 1e6, 4e6),
    "clock/req": Allowance(4.0, 40.0, 4e3, 40e3),
    "track/up": Allowance(20.0, 60.0, 4e6, 8e6),
    "command/up": Allowance(40.0, 120.0, 1e6, 4e6),  # pieces of a clip leave an RSU at 0.5 MB/s
}
OTHER = Allowance(4.0, 40.0, 1e6, 4e6)


class Gate:
    """Decides message by message; `strangers` has the names that the site lacks, and how often each tried."""

    def __init__(self, units: Mapping[str, Container[str]], counts: Counter[str]) -> None:
        """units : the ids of the site's units by realm."""
        self.strangers: Counter[str] = Counter()
        self._units, self._counts = units, counts
        self._buckets: dict[tuple[str, str, str], tuple[TokenBucket, TokenBucket]] = {}

    def admits(self, message: Incoming, now_s: float) -> bool:
        """Return whether to read a message; one that is refused is counted.

        now_s : a monotonic time
        """
        topic = message.topic
        if topic.name not in self._units.get(topic.realm, ()):
            self._count_stranger(f"{topic.realm}/{topic.name}", topic.tail)
            return False
        if not self.is_short(message):
            return False
        key = (topic.realm, topic.name, topic.tail)
        found = self._buckets.get(key)
        if found is None:  # at most one for each unit and kind: strangers don't come here
            found = self._buckets[key] = _buckets(ALLOWANCES.get(topic.tail, OTHER), now_s)
        messages, n_bytes = found
        if messages.take(1.0, now_s) and n_bytes.take(len(message.payload), now_s):
            return True
        self._counts[f"too_often.{topic.tail}"] += 1
        return False

    def is_short(self, message: Incoming) -> bool:
        """Return whether a message is no longer than an honest sender's; one that is longer is counted."""
        if len(message.payload) <= PAYLOAD_BYTES_MAX:
            return True
        self._counts[f"too_long.{message.topic.tail}"] += 1
        return False

    def _count_stranger(self, name: str, tail: str) -> None:
        self._counts[f"stranger.{tail}"] += 1
        if name in self.strangers or len(self.strangers) < STRANGERS_MAX:
            self.strangers[name] += 1


def _buckets(allowed: Allowance, now_s: float) -> tuple[TokenBucket, TokenBucket]:
    return (
        TokenBucket.full(allowed.messages_hz, allowed.messages, now_s),
        TokenBucket.full(allowed.bytes_hz, allowed.n_bytes, now_s),
    )
