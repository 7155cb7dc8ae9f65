"""The newest blocks of all RSUs at the full rate, in memory: what a violation's clip is made of. Pure."""

from collections import deque
from typing import NamedTuple

from core.times import NS

RING_NS = 75 * NS  # a clip begins 30 s before its violation and is made 35 s after it


class Held(NamedTuple):
    """One encoded block.  stations_m : the lowest and the highest of its vehicles; None: none has one"""

    esn: str
    from_ns: int
    to_ns: int
    lanes: tuple[str, ...]
    stations_m: tuple[float, float] | None
    n_rows: int
    data: bytes


class Ring:
    """Blocks in the order of their arrival; the oldest leave by age, and where all are too large."""

    def __init__(self, bytes_max: int) -> None:
        self._blocks: deque[tuple[int, Held]] = deque()  # each with its arrival
        self._bytes_max = bytes_max
        self.n_bytes = 0
        self.n_early = 0  # that left before their time

    def add(self, block: Held, now_ns: int) -> None:
        """Keep a block as the newest. Its age counts from `now_ns`, by no RSU's own clock."""
        self._blocks.append((now_ns, block))
        self.n_bytes += len(block.data)
        while self._blocks and now_ns - self._blocks[0][0] > RING_NS:
            self._drop()
        while self.n_bytes > self._bytes_max:
            self._drop()
            self.n_early += 1

    def _drop(self) -> None:
        self.n_bytes -= len(self._blocks.popleft()[1].data)

    def between(self, from_ns: int, to_ns: int) -> list[Held]:
        """Return the blocks that have a snapshot in [from_ns, to_ns], oldest first."""
        return [each for _, each in self._blocks if each.to_ns >= from_ns and each.from_ns <= to_ns]
