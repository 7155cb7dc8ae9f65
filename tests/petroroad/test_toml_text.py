"""The site's copy is written by a writer of our own; the standard library's reader is its oracle."""

import tomllib
from datetime import timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petroroad.toml_text import dumps

PLAIN = st.one_of(
    st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(max_size=20),
    st.datetimes(timezones=st.just(timezone(timedelta(hours=8)))),
)  # fmt: skip
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=4), max_leaves=8)
TABLES = st.recursive(
    st.dictionaries(st.text(max_size=8), VALUES, max_size=4),
    lambda inner: st.dictionaries(
        st.text(max_size=8), st.one_of(VALUES, inner, st.lists(inner, max_size=3)), max_size=4
    ),
    max_leaves=12,
)


@given(TABLES)
def test_what_is_written_reads_back(table):
    assert tomllib.loads(dumps(table)) == table


def test_a_value_that_toml_lacks_is_refused():
    with pytest.raises(TypeError, match="NoneType"):
        dumps({"a": {"b": None}})
