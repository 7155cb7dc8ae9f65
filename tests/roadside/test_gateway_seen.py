"""Numbers that were seen lately: as a set would say, in memory of a fixed size."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from roadside.gateway import seen as module
from roadside.gateway.seen import KEYS_MAX, SLOTS, Seen

NUMBERS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-4, 4).map(lambda k: k * SLOTS),  # all in one place
    st.integers(SLOTS - 4, SLOTS + 4),  # at the end of the table
)


@given(steps=st.lists(st.one_of(NUMBERS, st.none()), max_size=300))
def test_it_holds_what_two_sets_hold(steps):
    table, now, before = Seen(), set(), set()
    for key in steps:
        if key is None:
            table.turn()
            now, before = set(), now
            continue
        key = key or 1
        assert table.holds(key) == (key in now or key in before)
        if not table.holds(key):
            assert not table.add(key)
            now.add(key)
        assert table.n == len(now)


def test_nil_is_a_number_too():
    table = Seen()
    assert not table.holds(0)
    table.add(0)
    assert table.holds(0)


def test_a_full_generation_becomes_the_one_before(monkeypatch):
    monkeypatch.setattr(module, "KEYS_MAX", 8)
    table = Seen()
    assert [table.add(key) for key in range(1, 9)] == [False] * 7 + [True]
    assert table.holds(1)
    assert [table.add(key) for key in range(11, 19)] == [False] * 7 + [True]
    assert (table.holds(1), table.holds(11)) == (False, True)


def test_what_it_remembers_costs_no_further_memory():
    table = Seen()
    tracemalloc.start()
    try:
        for key in range(1, 5_000):
            table.add(hash(("terminal", key)))
        assert tracemalloc.get_traced_memory()[0] < 50_000
        for key in range(5_000, KEYS_MAX + 5_000):  # another table in the place of one
            table.add(hash(("terminal", key)))
        assert tracemalloc.get_traced_memory()[0] < 10 * SLOTS, "sets would need 50 bytes and more for each"
    finally:
        tracemalloc.stop()
