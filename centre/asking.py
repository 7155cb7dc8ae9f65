"""Which missing items an RSU is asked for, and when. Pure.

A gap is usual for a moment: an item is on its way, or waits in the RSU's outbox. It is asked for once it
lasts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from edge.wire import ACKNOWLEDGED_MAX

LASTS_S = 5.0  # before a missing item is asked for
WAITING_S = 30.0  # the same where the RSU's outbox may still hold it
ANSWER_S = 30.0  # an RSU answers one ask at a time; after this it is asked for others
AGAIN_S, AGAIN_S_MAX = 65.0, 300.0  # an RSU ignores an equal ask within 60 s; doubled each time


class Key(NamedTuple):
    """The transport key of an item of one RSU."""

    epoch: int
    seq: int


@dataclass(slots=True)
class _Missing:
    since_s: float
    times: int = 0  # asked
    asked_s: float = float("-inf")

    @property
    def again_s(self) -> float:
        return self.asked_s + min(AGAIN_S * 2.0 ** (self.times - 1), AGAIN_S_MAX) if self.times else 0.0


@dataclass(slots=True)
class Asking:
    """The missing items of one RSU, and which of them it was asked for."""

    missing: dict[Key, _Missing] = field(default_factory=dict)
    n_recovered: int = 0  # asked for, and there since

    @property
    def n_asked(self) -> int:
        """How many of the missing items were asked for."""
        return sum(each.times > 0 for each in self.missing.values())

    def update(self, now_s: float, keys: Sequence[Key]) -> list[Key]:
        """Set which items are missing now, the oldest of all; return those that were asked for and came."""
        present = dict.fromkeys(keys)
        came = [key for key, each in self.missing.items() if key not in present and each.times]
        self.missing = {key: self.missing.get(key) or _Missing(now_s) for key in present}
        return came

    def next_ask(self, now_s: float, outbox_depth: int) -> tuple[Key, ...]:
        """Return the items of one epoch to ask for now, none where it is not yet time.

        outbox_depth : items that wait at the RSU, by its last heartbeat
        """
        if any(now_s - each.asked_s < ANSWER_S for each in self.missing.values()):
            return ()
        lasts_s = LASTS_S if len(self.missing) > outbox_depth else WAITING_S
        due = [
            key
            for key, each in self.missing.items()
            if now_s - each.since_s >= lasts_s and each.again_s <= now_s
        ]
        return tuple(key for key in due if key.epoch == due[0].epoch)[:ACKNOWLEDGED_MAX]

    def asked(self, now_s: float, keys: Sequence[Key]) -> None:
        """Record that the RSU was asked for these."""
        for key in keys:
            each = self.missing[key]
            each.times, each.asked_s = each.times + 1, now_s
