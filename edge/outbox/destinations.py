"""Which centres must hold an item before it is deleted, and since when no centre has answered. Pure.

docs/design.md section 10. With one centre any acknowledgement suffices. With two, both must have
acknowledged; after AWAY_S without a word of one of them, while the link was up, the other one's suffices.
"""

from collections.abc import Container
from dataclasses import dataclass, field

AWAY_S = 60.0  # without a word, a centre is not waited for
ONE_CENTRE = "one_centre"  # degraded: one of two centres is not waited for


@dataclass(slots=True)
class Destinations:
    """The centres of one outbox; all times are monotonic [s].

    wanted : ids of the centres that must acknowledge; none: any one will do
    """

    wanted: tuple[str, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    _heard_s: dict[str, float] = field(default_factory=dict)  # by centre
    _databases: dict[str, str] = field(default_factory=dict)
    _connected_s: float | None = None  # None: the link is down
    _asked_s: float | None = None  # since when something that was sent waits without any answer

    def connected(self, now_s: float) -> None:
        """Note a new connection: each centre has AWAY_S again to be heard."""
        self._connected_s, self._asked_s = now_s, None

    def disconnected(self) -> None:
        """Note the loss of the connection: silence means nothing now."""
        self._connected_s = self._asked_s = None

    def heard(self, centre: str, now_s: float) -> None:
        """Note a live word of a centre: a status, or an acknowledgement."""
        if centre in self.wanted:
            self._heard_s[centre] = now_s

    def changed_database(self, centre: str, database: str) -> bool:
        """Note a centre's database; return whether it is another one: it lacks what the last one held."""
        before = self._databases.get(centre) if centre in self.wanted else None
        if centre in self.wanted:
            self._databases[centre] = database
        return before is not None and before != database

    def sent(self, now_s: float) -> None:
        """Note that something was sent."""
        if self._asked_s is None:
            self._asked_s = now_s

    def answered(self, centre: str, now_s: float, *, waits: bool) -> None:
        """Note an acknowledgement; waits : whether items that were sent still wait."""
        self._asked_s = now_s if waits else None
        if self.wanted and centre not in self.wanted:
            self._count("outbox.ack_stranger")
        self.heard(centre, now_s)

    def unanswered_s(self, now_s: float) -> float:
        """Return for how long something that was sent has waited without any acknowledgement."""
        return 0.0 if self._asked_s is None else now_s - self._asked_s

    def away(self, now_s: float) -> tuple[str, ...]:
        """Return the wanted centres that are not waited for now."""
        if len(self.wanted) < 2 or self._connected_s is None:
            return ()
        up_s = self._connected_s
        return tuple(one for one in self.wanted if now_s - max(self._heard_s.get(one, up_s), up_s) > AWAY_S)

    def suffices(self, held_by: Container[str], now_s: float) -> bool:
        """Return whether an item that these centres hold may be deleted; some centre holds it."""
        away = self.away(now_s)
        needed = [one for one in self.wanted if one not in away]
        return all(one in held_by for one in needed)

    def degraded(self, now_s: float) -> tuple[str, ...]:
        """Return why deliveries are less safe than configured."""
        return (ONE_CENTRE,) if self.away(now_s) else ()

    def _count(self, reason: str) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1
