"""The size of a transaction follows the disk: large where it is quick, small where it is slow."""

import pytest

from centre.commit_size import GOAL_S, ITEMS_FIRST, ITEMS_MAX, ITEMS_MIN, CommitSize


@pytest.mark.parametrize(
    ("item_s", "flush_s", "low", "high"),
    [
        (50e-6, 0.002, ITEMS_MAX, ITEMS_MAX),  # 28 ms for the largest
        (200e-6, 0.010, 340, 360),  # 80 ms
        (0.0, 0.200, ITEMS_MIN, ITEMS_MIN),  # no size helps: the smallest
        (2e-3, 0.002, ITEMS_MIN, ITEMS_MIN),
    ],
)
def test_the_size_settles_where_a_transaction_takes_the_goal(
    item_s: float, flush_s: float, low: int, high: int
) -> None:
    size = CommitSize()
    for _ in range(30):
        size.measure(size.n_items, flush_s + size.n_items * item_s)
    assert low <= size.n_items <= high


def test_a_small_transaction_changes_nothing() -> None:
    size = CommitSize()
    size.measure(1, 10 * GOAL_S)
    assert size.n_items == ITEMS_FIRST
