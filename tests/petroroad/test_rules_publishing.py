"""A publication's number is above all that its RSU has answered, whichever clock numbered those."""

import pytest

from petroroad.rules_publishing import AHEAD_NS, SEQ_MAX, beyond

NOW_NS = 1_790_000_000 * 10**9
YEAR_NS = 366 * 86_400 * 10**9


@pytest.mark.parametrize(
    ("answered", "want"),
    [
        (NOW_NS - YEAR_NS, NOW_NS),  # an older one
        (NOW_NS, NOW_NS),  # its own
        (NOW_NS + 5 * 10**9, NOW_NS),  # another operator's, a moment later: it counts
        (NOW_NS + AHEAD_NS, NOW_NS),
        (NOW_NS + YEAR_NS, NOW_NS + YEAR_NS + 1),  # of a clock that was ahead
        (SEQ_MAX - 10**9, NOW_NS),  # no number is left: a hostile RSU's
        (SEQ_MAX, NOW_NS),
    ],
)
def test_the_number_is_raised_only_above_one_of_a_clock_that_was_ahead(answered: int, want: int) -> None:
    assert beyond(NOW_NS, answered, NOW_NS) == want


def test_two_operators_numbers_above_the_same_one_differ() -> None:
    """Else an RSU would answer for the one, and the other would read that his rules are accepted."""
    answered = NOW_NS + YEAR_NS
    mine, others = (beyond(NOW_NS + k, answered, NOW_NS) for k in (123_456_789, 987_654_321))
    assert answered < mine < others < SEQ_MAX
    assert beyond(mine, others, NOW_NS) > others, "the one that is not answered yet follows the other"
