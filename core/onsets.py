"""Onsets of a change: hypotheses of when it began, from the oldest on, each so many times as old as the next.

Each is some numbers in a row, of which the first is its age.
"""

from core.arrays import F1
from core.kernel import kernel


@kernel(inner=True)
def advance_onsets(
    row: F1, first: int, n: int, width: int, oldest_s: float, ratio: float, dt_s: float
) -> bool:
    """Add a step to the ages of n onsets; the next younger one takes the place of one that is too old.

    first, width : the column where the onsets begin, and how many numbers each has
    oldest_s, ratio : age at which the oldest makes way, and how many times that of the next one it is
    Returns whether the youngest begins anew: zeros but for its age, which is dt_s.
    """
    begins = False
    for j in range(n):
        r = first + j * width
        if row[r] > oldest_s:
            begins = j + 1 == n
            for k in range(width):
                row[r + k] = 0.0 if begins else row[r + width + k]
        row[r] += dt_s
        oldest_s /= ratio
    return begins
