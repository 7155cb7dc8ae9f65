"""The largest and the last excess, read in one go, are those of the observations read one by one."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from centre.views.excess import (
    COLUMNS,
    EXCESS_M_MAX,
    excess_m_max,
    excesses_m,
    last_excess_m,
    last_violating_ns,
)

RULE, COLUMN = next(iter(COLUMNS.items()))
NUMBERS = st.one_of(
    st.floats(-2.0, 5.0), st.integers(-3, 9), st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([EXCESS_M_MAX, -EXCESS_M_MAX, 2 * EXCESS_M_MAX]),
)  # fmt: skip


def check(stamps: list[Any], values: list[Any], start_ns: int, end_ns: int | None) -> None:
    evidence = {"stamp_ns": stamps, COLUMN: values}
    found = excesses_m(RULE, "violation", evidence, start_ns, end_ns)
    assert excess_m_max(RULE, "violation", evidence, start_ns, end_ns) == max(found, default=None)
    assert last_excess_m(RULE, "violation", evidence, start_ns, end_ns) == (found[-1] if found else None)
    pairs = [pair for pair in zip(stamps, values, strict=False) if isinstance(pair[1], (int, float))]
    violating = [start_ns, *(stamp_ns for stamp_ns, value in pairs if value > 0.0)]
    assert last_violating_ns(RULE, evidence, start_ns, 99) == (max(violating) if pairs else 99)


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
