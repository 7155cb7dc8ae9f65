"""The centre's connection to the broker as its other parts see it; not connected until a link is set."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol


class Link(Protocol):
    """What the centre needs of `edge.link.Link`."""

    @property
    def connected(self) -> bool: ...

    def publish(self, topic: str, payload: bytes, *, qos: int) -> bool: ...


class BrokerLink:
    """Publishes through the link, and knows since when it is connected or not."""

    def __init__(self, started_ns: int) -> None:
        self._link: Link | None = None
        self.link_counts: Callable[[], Mapping[str, int]] = dict
        self._since_ns: tuple[bool, int] = (False, started_ns)

    def connect(self, link: Link, counts: Callable[[], Mapping[str, int]] = dict) -> None:
        """Use this link from now on; `counts()` are its counters."""
        self._link, self.link_counts = link, counts

    @property
    def connected(self) -> bool:
        return self._link is not None and self._link.connected

    def publish(self, topic: str, payload: bytes, qos: int) -> bool:
        """Start sending; False where there is no link or it is full."""
        return self._link is not None and self._link.publish(topic, payload, qos=qos)

    def state(self, now_ns: int) -> dict[str, Any]:
        """Return `broker` of `/api/summary`."""
        if self._since_ns[0] != self.connected:
            self._since_ns = (self.connected, now_ns)
        connected, since_ns = self._since_ns
        return {"connected": connected, "since_ns": since_ns}
