"""Onsets in a row of numbers, against a list of them."""

import numpy as np

from core.arrays import F1
from core.kernel import kernel
from core.onsets import advance_onsets

FIRST, N, WIDTH, OLDEST_S, RATIO = 2, 4, 3, 9.0, 1.6


@kernel
def advance(row: F1, dt_s: float) -> bool:
    """Advance N onsets."""
    return advance_onsets(row, FIRST, N, WIDTH, OLDEST_S, RATIO, dt_s)


def test_each_takes_the_place_of_one_that_is_too_old_and_the_youngest_begins_anew():
    rng, row, begun = np.random.default_rng(3), np.full(FIRST + N * WIDTH + 2, 7.0), 0
    row[FIRST : FIRST + N * WIDTH] = 0.0
    onsets = [[0.0] * WIDTH for _ in range(N)]
    for dt_s in rng.choice([0.1, 1.0, 1.1], 300).tolist():
        too_old = [each[0] > OLDEST_S / RATIO**j for j, each in enumerate(onsets)]
        behind = [*onsets[1:], [0.0] * WIDTH]
        onsets = [list(behind[j] if too_old[j] else onsets[j]) for j in range(N)]
        assert advance(row, dt_s) == too_old[-1]
        begun += too_old[-1]
        marks = rng.normal(size=N)  # what a caller adds to each
        for j, each in enumerate(onsets):
            each[0] += dt_s
            each[1] += marks[j]
            row[FIRST + j * WIDTH + 1] += marks[j]
        assert row[FIRST : FIRST + N * WIDTH].tolist() == [number for each in onsets for number in each]
    assert begun > 10
    assert row[[0, 1, -2, -1]].tolist() == [7.0] * 4, "the numbers beside them are others'"
