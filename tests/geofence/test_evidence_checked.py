"""The check of evidence columns gives the verdicts of a plain loop over their values."""

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from geofence.plausible import _is_in

# a sum of ten is still a float; and what is none
NUMBERS = st.one_of(st.floats(-1e300, 1e300), st.sampled_from([math.nan, math.inf, -math.inf]))
RANGES = st.sampled_from([(-1.0, 1.0), (-math.inf, math.inf), (0, 2**40)])
VALUES = st.one_of(
    st.floats(-2.0, 2.0), st.integers(-3, 3), st.none(), st.booleans(), st.integers(), NUMBERS,
    st.text(max_size=2), st.lists(st.floats(), max_size=1),
)  # fmt: skip


def is_in(values: list[Any], low: float, high: float) -> bool:
    """Say it value by value."""
    return all(
        value is None
        or (isinstance(value, int | float) and math.isfinite(float(value)) and low <= value <= high)
        for value in values
    )


def small(values: list[Any]) -> bool:
    """Say whether no number is beyond those that a float holds: such ones are refused by another path."""
    return all(not isinstance(value, int) or abs(value) < 2**60 for value in values)


@given(st.lists(VALUES, max_size=10).filter(small), RANGES)
def test_any_values(values: list[Any], between: tuple[float, float]) -> None:
    assert _is_in(values, *between) == is_in(values, *between)


@given(st.lists(st.floats(-1e6, 1e6), max_size=40), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_columns_of_floats(values: list[float], low: float, high: float) -> None:
    assert _is_in(values, low, high) == is_in(values, low, high)
