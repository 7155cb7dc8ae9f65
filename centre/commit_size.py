"""How many items the next transaction takes, by how long the last ones took. Pure.

A message that just came waits for one transaction of a backlog at most, so that one has to be short; but each
costs a wait for the disk, and as much work as 30 items: it is as large as the goal for its time allows.
"""

from dataclasses import dataclass

ITEMS_MIN, ITEMS_FIRST, ITEMS_MAX = 96, 96, 512
GOAL_S = 0.08  # of one transaction, with the wait for the disk
# The cycle collector visits what was made since its last run. A transaction makes some 20 objects for each
# item, none of them in a cycle: so seldom, it meets few of them (some 5 us less of 105 for an item).
OBJECTS_PER_COLLECTION = 10_000
GROWTH_MAX = 1.5  # from one transaction to the next; a single quick one proves little


@dataclass(slots=True)
class CommitSize:
    """The limit of items, between ITEMS_MIN and ITEMS_MAX."""

    n_items: int = ITEMS_FIRST

    def measure(self, n_items: int, took_s: float) -> None:
        """Note how long a transaction of so many items took; small ones say nothing about large ones."""
        if 2 * n_items < self.n_items or took_s <= 0.0:
            return
        factor = min(GROWTH_MAX, max(0.5, GOAL_S / took_s))
        self.n_items = min(ITEMS_MAX, max(ITEMS_MIN, round(self.n_items * factor)))
