"""The largest excess, read in one go, is that of the observations read one by one."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from centre.views.excess import COLUMNS, EXCESS_M_MAX, excess_m_max, excesses_m

RULE, COLUMN = next(iter(COLUMNS.items()))
NUMBERS = st.one_of(
    st.floats(-2.0, 5.0), st.integers(-3, 9), st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([EXCESS_M_MAX, -EXCESS_M_MAX, 2 * EXCESS_M_MAX]),
)  # fmt: skip


def check(stamps: list[Any], values: list[Any], start_ns: int, end_ns: int | None) -> None:
    evidence = {"stamp_ns": stamps, COLUMN: values}
    wanted = max(excesses_m(RULE, "violation", evidence, start_ns, end_ns), default=None)
    assert excess_m_max(RULE, "violation", evidence, start_ns, end_ns) == wanted


@given(
    st.lists(st.tuples(st.integers(0, 20), NUMBERS), max_size=12), st.booleans(), st.integers(0, 20),
    st.one_of(st.none(), st.integers(0, 25)),
)  # fmt: skip
def test_numbers(rows: list[tuple[int, Any]], is_sorted: bool, start_ns: int, end_ns: int | None) -> None:
    ordered = sorted(rows, key=lambda row: row[0]) if is_sorted else rows
    check([row[0] for row in ordered], [row[1] for row in ordered], start_ns, end_ns)


@given(st.lists(st.one_of(NUMBERS, st.none(), st.text(max_size=2)), min_size=1, max_size=6))
def test_whatever_an_older_rsu_sent(values: list[Any]) -> None:
    check(list(range(len(values))), values, 0, None)
    check(list(range(len(values) + 2)), values, 1, None)
