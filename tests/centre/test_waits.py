"""How long a sign-in waits after failed ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from centre.accounts import waits
from centre.accounts.waits import NS

NOW_NS = 1_800_000_000 * NS


@pytest.mark.parametrize(
    ("n", "wait_s"), [(0, 0), (4, 0), (5, 1), (6, 2), (9, 16), (13, 256), (14, 300), (99, 300)]
)
def test_each_further_failure_doubles_the_wait_up_to_its_limit(n: int, wait_s: float) -> None:
    assert waits.wait_s("n:wang", n, NOW_NS, NOW_NS) == wait_s
    assert waits.wait_s("n:wang", n, NOW_NS - wait_s * NS, NOW_NS) == 0


def test_failures_are_forgotten() -> None:
    day_ns = 86_400 * NS
    assert waits.count_now("n:wang", 9, NOW_NS - day_ns, NOW_NS) == 9
    assert waits.count_now("n:wang", 9, NOW_NS - day_ns - 1, NOW_NS) == 0


@given(
    st.sampled_from(["a:10.0.0.1", "n:wang", "k:wang@10.0.0.1"]), st.integers(0, 10**9),
    st.integers(-(10**18), 2 * 10**18),
)  # fmt: skip
def test_no_wait_is_longer_than_its_limit_whatever_the_clock_does(key: str, n: int, at_ns: int) -> None:
    assert 0.0 <= waits.wait_s(key, n, at_ns, NOW_NS) <= waits.rule_of(key).wait_s_max


def test_an_address_of_ipv6_counts_as_its_network() -> None:
    assert waits.address_key("2001:db8::1") == waits.address_key("2001:db8::ffff:1")
    assert waits.address_key("2001:db8::1") != waits.address_key("2001:db8:0:1::1")
    assert waits.address_key("::1") == "a:::1"
    assert waits.address_key("10.0.0.1") == "a:10.0.0.1"
    assert waits.address_key("?" * 500) == "a:" + "?" * 64
