"""The connection to the broker as the centre's other parts use it.

The parts are built before the process shell opens the connection, so this stands in until `connect`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from edge.broker_ends import BrokerEnds
from edge.tls_causes import words


class Publisher(Protocol):
    """The part of `edge.link.Link` that the centre uses."""

    @property
    def connected(self) -> bool: ...

    @property
    def refused(self) -> str | None: ...

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool = False) -> bool: ...

    async def publish_confirmed(self, topic: str, payload: bytes) -> bool: ...


class BrokerLink:
    """Publishes through a link, and records since when the link is up or down."""

    def __init__(self, started_ns: int) -> None:
        self._link: Publisher | None = None
        self.link_counts: Callable[[], Mapping[str, int]] = dict
        self._since_ns: tuple[bool, int] = (False, started_ns)
        self.ends: BrokerEnds | None = None  # of the brokers' certificates

    def connect(self, link: Publisher, counts: Callable[[], Mapping[str, int]] = dict) -> None:
        """Use this link from now on; `counts()` returns the counters of all connections."""
        self._link, self.link_counts = link, counts

    @property
    def connected(self) -> bool:
        return self._link is not None and self._link.connected

    def publish(self, topic: str, payload: bytes, qos: int, *, retain: bool = False) -> bool:
        """Start sending; return False where there is no connection or too much in flight."""
        return self._link is not None and self._link.publish(topic, payload, qos=qos, retain=retain)

    async def publish_confirmed(self, topic: str, payload: bytes) -> bool:
        """Publish and wait for the broker's answer; False where there is none."""
        return self._link is not None and await self._link.publish_confirmed(topic, payload)

    def state(self, now_ns: int) -> dict[str, Any]:
        """Return `broker` of `/api/summary`: connected or not, since when, and why the broker refuses us."""
        if self._since_ns[0] != self.connected:
            self._since_ns = (self.connected, now_ns)
        connected, since_ns = self._since_ns
        cause = None if connected or self._link is None else self._link.refused
        return {"connected": connected, "since_ns": since_ns, "refused": cause and words(cause)}
