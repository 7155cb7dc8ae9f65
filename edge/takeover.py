"""Whether another process of our name keeps taking over our connection, and how long to stay away. Pure.

A broker has one connection for each client id: two RSUs of one ESN end each other's for ever, and neither
gets a batch through. Each stays away for a while after a loss: they take turns until one is switched off.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

WINDOW_S = 30.0  # nats-server lets a client that flaps wait: there, 20 s hold three losses at most
LOSSES_MAX = 3  # within the window; more, while another one reports under our name, are takeovers
HOLD_S = 30.0  # to stay away after a loss
HEALS_S = 60.0  # without another one's status
TWIN = "twin"  # degraded


@dataclass(slots=True)
class TakeoverWatch:
    """Losses of the connection, and statuses of our own topic that are not ours; times are monotonic [s].

    jitter : returns a random share, 0 to 1.  on_begin : called when takeovers are noticed
    """

    jitter: Callable[[], float]
    on_begin: Callable[[], None] = lambda: None
    _lost_s: deque[float] = field(default_factory=lambda: deque(maxlen=LOSSES_MAX + 1))
    _foreign_s: float = float("-inf")
    _is_held: bool = False

    def lost(self, now_s: float) -> None:
        """Note the loss of a connection."""
        self._lost_s.append(now_s)
        many = len(self._lost_s) > LOSSES_MAX and now_s - self._lost_s[0] <= WINDOW_S
        if many and now_s - self._foreign_s <= WINDOW_S and not self._is_held:
            self._is_held = True
            self.on_begin()

    def foreign(self, now_s: float) -> None:
        """Note a status of our topic that another process made."""
        self._foreign_s = now_s

    def is_twin(self, now_s: float) -> bool:
        """Say whether another one takes over our connections, until HEALS_S without a status of it."""
        self._is_held = self._is_held and now_s - self._foreign_s <= HEALS_S
        return self._is_held

    def hold_s(self, now_s: float) -> float:
        """Return how long to stay away after a loss."""
        return HOLD_S * (0.5 + self.jitter()) if self.is_twin(now_s) else 0.0
