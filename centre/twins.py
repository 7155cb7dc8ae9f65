"""Two units of one name, such as an RSU and its cloned card: their epochs take turns. Pure.

A unit never uses an epoch again once it has another one, and its connections count up. A live status of an
epoch (or, within one epoch, of a connection) that another one had followed is a return; several within
TWIN_NS are no late messages of one unit, but two units that take over each other's client id.
"""

from collections import deque
from dataclasses import dataclass, field

TWIN_NS = 60_000_000_000  # it heals after so long without a return
RETURNS_MIN = 2  # one may be a message that came late by another broker
RETURNS_KEPT = 1_000
EPOCHS_KEPT = 16  # the last live ones


@dataclass(slots=True)
class TwinWatch:
    """The live epochs of one unit, and the times of the returns."""

    _last: tuple[int, int] | None = None  # epoch, connection
    _connections: dict[int, int] = field(default_factory=dict)  # the last of each live epoch, oldest first
    _returns_ns: deque[int] = field(default_factory=lambda: deque(maxlen=RETURNS_KEPT))

    def receive(self, epoch: int, connection: int, now_ns: int) -> None:
        """Note a live `online` status."""
        before = self._connections.pop(epoch, None)
        last, self._last = self._last, (epoch, connection)
        if last is not None and before is not None and (last[0] != epoch or connection < before):
            self._returns_ns.append(now_ns)
        self._connections[epoch] = connection
        while len(self._connections) > EPOCHS_KEPT:
            del self._connections[next(iter(self._connections))]

    def n_returns(self, now_ns: int) -> int:
        """Return the number of returns within TWIN_NS where they show a twin, else 0."""
        while self._returns_ns and now_ns - self._returns_ns[0] > TWIN_NS:
            self._returns_ns.popleft()
        return len(self._returns_ns) if len(self._returns_ns) >= RETURNS_MIN else 0
