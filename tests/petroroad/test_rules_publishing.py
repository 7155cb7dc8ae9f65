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
        (SEQ_MAX, NOW_NS),  # no number is left: a hostile RSU's
    ],
)
def test_the_number_is_raised_only_above_one_of_a_clock_that_was_ahead(answered: int, want: int) -> None:
    assert beyond(NOW_NS, answered, NOW_NS) == want
