"""Which of the last messages came before, by 64 bits of each: two generations in memory of fixed size. Pure.

Sets were as long as what came, and their numbers, made over minutes between all other objects, kept the heap
from shrinking: a gateway grew by megabytes an hour with nothing in it.
"""

from array import array

SLOTS = 131_072  # of a generation: twice as many as it holds
KEYS_MAX = SLOTS // 2
_LAST = SLOTS - 1


class Seen:
    """The numbers of this generation, of KEYS_MAX at most, and of the one before."""

    def __init__(self) -> None:
        self._now, self._before = _empty(), _empty()
        self.n = 0  # in this generation

    def holds(self, key: int) -> bool:
        """Say whether a number of 64 bits is there."""
        key = key or 1  # 0 is a free slot
        return _place(self._now, key) < 0 or _place(self._before, key) < 0

    def add(self, key: int) -> bool:
        """Add a number that is not there; say whether a new generation begins, since this one is full."""
        key = key or 1
        self._now[_place(self._now, key)] = key
        self.n += 1
        if self.n < KEYS_MAX:
            return False
        self.turn()
        return True

    def turn(self) -> None:
        """Forget the older generation."""
        self._now, self._before, self.n = _empty(), self._now, 0


def _empty() -> "array[int]":
    return array("q", bytes(8 * SLOTS))


def _place(slots: "array[int]", key: int) -> int:
    """Return the free slot of a number, -1 where it is there."""
    at = key & _LAST
    while found := slots[at]:
        if found == key:
            return -1
        at = (at + 1) & _LAST
    return at
