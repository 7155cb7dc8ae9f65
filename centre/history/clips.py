"""The clips that violations ask for: what happened around each, at the full rate. Pure."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from centre.history.gather import BLOCK_NS
from core.times import NS

AROUND_NS = 30 * NS  # before and after the violation's start
NEAR_M = 2_000.0  # half of what the page's detail strip shows
SETTLE_NS = 2 * NS  # for the last snapshots on their way
WISHES_MAX = 500  # that wait: a flood of violations costs no more memory than this


class Wish(NamedTuple):
    """A violation whose surroundings are to be kept.  esns : the RSUs around it"""

    violation: str
    start_ns: int
    s_m: float | None
    esns: frozenset[str]

    @property
    def from_ns(self) -> int:
        return self.start_ns - AROUND_NS

    @property
    def to_ns(self) -> int:
        return self.start_ns + AROUND_NS

    def is_due(self, now_ns: int) -> bool:
        """Say whether all of it has come."""
        return now_ns >= self.to_ns + BLOCK_NS + SETTLE_NS


def near(esn: str, s_m: float | None, stretches: Mapping[str, tuple[float, float]]) -> frozenset[str]:
    """Return the RSUs whose stretch is near a station, and the one that judged."""
    if s_m is None:
        return frozenset({esn})
    found = {each for each, (low, high) in stretches.items() if low - NEAR_M <= s_m <= high + NEAR_M}
    return frozenset(found | {esn})


class Wishes:
    """The violations whose clips are not written yet, each once."""

    def __init__(self) -> None:
        self._open: dict[str, Wish] = {}
        self.n_refused = 0

    def __len__(self) -> int:
        return len(self._open)

    def add(self, wish: Wish) -> None:
        """Note a violation; a later one where too many wait is counted only."""
        if wish.violation in self._open:
            return
        if len(self._open) >= WISHES_MAX:
            self.n_refused += 1
            return
        self._open[wish.violation] = wish

    def find(self, violation: str) -> Wish | None:
        return self._open.get(violation)

    def due(self, now_ns: int) -> Iterable[Wish]:
        """Remove and return those of which all has come."""
        found = [wish for wish in self._open.values() if wish.is_due(now_ns)]
        for wish in found:
            del self._open[wish.violation]
        return found

    def all(self) -> Iterable[Wish]:
        """Remove and return all: the centre ends."""
        found, self._open = list(self._open.values()), {}
        return found
