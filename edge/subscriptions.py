"""The topics that a process subscribes to, each with its handler."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from edge import topics


def nothing() -> None:
    """Where nobody waits."""


class Incoming(NamedTuple):
    """A received message.

    settle : called once it is stored, or once it is known that it never will be: a queue may forget it then
    """

    topic: topics.Topic
    payload: bytes
    retained: bool
    settle: Callable[[], None] = nothing


Handler = Callable[[Incoming], None]  # runs in the event loop; must neither block nor raise
Admits = Callable[[Incoming], bool]  # says by topic, length and rate whether to read a message
MAIN = "link"  # the connection of everything that has no connection of its own


class Subscription(NamedTuple):
    """A topic filter with its QoS and handler.

    retained : whether the handler accepts retained messages too: they are of another time
    link : the connection it belongs to
    admits : None: each message is read
    """

    pattern: str
    qos: int
    handler: Handler
    retained: bool = False
    link: str = MAIN
    admits: Admits | None = None


class Subscriptions:
    """Dispatches each message to the handler of its kind of topic; a message without one is counted."""

    def __init__(self, rows: Iterable[Subscription], count_unexpected: Callable[[], None]) -> None:
        self._rows: list[Subscription] = []
        self._by_kind: dict[tuple[str, str], Subscription] = {}
        self._count_unexpected = count_unexpected
        for row in rows:
            self.add(row)

    def add(self, row: Subscription) -> None:
        """Add a subscription before the links run; rows of one kind of topic share their handler."""
        self._rows.append(row)
        self._by_kind[topics.kind(row.pattern)] = row

    def filters(self, link: str = MAIN) -> Sequence[tuple[str, int]]:
        """Return (filter, QoS) of each subscription of a connection."""
        return [(row.pattern, row.qos) for row in self._rows if row.link == link]

    def receive(
        self, topic: str, payload: bytes, retained: bool = False, settle: Callable[[], None] = nothing
    ) -> None:
        """Dispatch one message if it is admitted; else it is settled at once."""
        if self.admits(topic, payload, retained):
            self.dispatch(topic, payload, retained, settle)
        else:
            settle()

    def admits(self, topic: str, payload: bytes, retained: bool = False) -> bool:
        """Say whether a message has a handler that wants to read it; what has none is counted."""
        parts = topics.parse(topic)
        row = None if parts is None else self._by_kind.get((parts.realm, parts.tail))
        if parts is None or row is None or (retained and not row.retained):
            self._count_unexpected()
            return False
        return row.admits is None or row.admits(Incoming(parts, payload, retained))

    def dispatch(
        self, topic: str, payload: bytes, retained: bool = False, settle: Callable[[], None] = nothing
    ) -> None:
        """Pass an admitted message to its handler."""
        parts = topics.parse(topic)
        assert parts is not None, "it was admitted"
        self._by_kind[parts.realm, parts.tail].handler(Incoming(parts, payload, retained, settle))
