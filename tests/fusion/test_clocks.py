"""Wrong clocks, told from slow transport by how the ages of what arrives behave."""

import numpy as np
import pytest

from fusion.clocks import KINDS, Clocks, common_offset_s

NS = 10**9
T0_NS = 1_800_000_000 * NS
HOUR_S, DAY_S = 3_600, 86_400
LATE_NS = 2_500_000_000


def named(ages_s, period_s=1.0, *, sound_before=False, clocks=None):
    """Return (kind, offset [s]) after messages of these ages, one each period; None if nothing is named."""
    clocks = clocks or Clocks(1, LATE_NS)
    if sound_before:
        clocks.note(0, T0_NS - NS, T0_NS - NS - NS // 10, 0)
    now_ns = T0_NS
    for k, age_s in enumerate(ages_s):
        now_ns = T0_NS + round(k * period_s * 1e9)
        clocks.note(0, now_ns, now_ns - round(age_s * 1e9), k + 1)
    fault = clocks.fault(0, now_ns)
    return None if fault is None else (fault.kind, fault.offset_s)


def jitter(n, scale_s=0.1):
    return np.random.Generator(np.random.Philox(3)).exponential(scale_s, n)


@pytest.mark.parametrize(("offset_s", "want"), [
    (-8 * HOUR_S, ("time_zone", -8 * HOUR_S)),  # sends UTC where GMT+8 is expected
    (8 * HOUR_S, ("time_zone", 8 * HOUR_S)),
    (5.5 * HOUR_S, ("time_zone", 5.5 * HOUR_S)),
    (-DAY_S, ("offset", -DAY_S)),  # a day is no time zone
    (18, ("offset", 17.9)),  # GPS time: leap seconds forgotten
    (-14, ("offset", -14.1)),
    (4, ("offset", 3.9)),
    (-4, ("offset", -4.1)),
    (-26.9 * 365.25 * DAY_S, ("offset", -848_899_440.1)),  # never set: 2000
    (60, ("offset", 59.9)),
])  # fmt: skip
def test_a_steady_offset_is_named_with_its_size(offset_s, want):
    found = named(0.1 - offset_s + np.array([0.02, 0.0, 0.3, 0.05, 0.01, 0.1]))
    assert found is not None
    assert found[0] == want[0]
    assert found[1] == pytest.approx(want[1], abs=0.15)


@pytest.mark.parametrize("ages_s", [
    0.08 + jitter(60),  # usual
    3.0 + jitter(60, 4.0),  # a bad cell: always late, never by the same
    np.tile([0.1, 9.0, 4.0], 20),  # live ones between late ones
    np.r_[0.1, np.arange(60.0, 0.0, -1.0), 0.1],  # stored ones all at once, the oldest first
    np.r_[0.1, np.arange(600.0, 0.0, -39.0), 0.1],  # the same in batches
    np.r_[0.1, np.full(40, 300.0), 0.1],  # a backlog that drains no faster than it grows, for 40 s
    np.linspace(3.0, 200.0, 60),  # a backlog that grows
], ids=["live", "bad cell", "mixed", "stored", "batches", "backlog", "growing"])  # fmt: skip
def test_what_is_only_late_is_no_wrong_clock(ages_s):
    assert named(ages_s, sound_before=True) is None


@pytest.mark.parametrize("delay", [
    lambda rng, n: rng.uniform(0.0, 8.0, n),  # each for itself
    lambda rng, n: rng.uniform(2.6, 8.0, n),  # and never in time
    lambda rng, n: 3.0 + rng.exponential(4.0, n),
    lambda rng, n: 4.5 + 3.5 * np.sin(np.arange(n) / 20.0) + rng.uniform(-0.5, 0.5, n),  # comes and goes
])  # fmt: skip
def test_a_way_of_varying_seconds_is_no_wrong_clock(delay):
    """Nor is it in the first minute, when nobody knows yet that the clock was right."""
    rng = np.random.Generator(np.random.Philox(5))
    assert [named(delay(rng, 160)) for _ in range(50)].count(None) >= 48


def test_one_report_in_time_ends_the_doubt_about_a_clock_that_seemed_seconds_behind():
    """Behind by 4 s, no report could come within 2.5 s."""
    clocks = Clocks(1, LATE_NS)
    assert named([4.1] * 20, clocks=clocks) == ("offset", -4.1)
    assert named([0.4], clocks=clocks) is None


def test_stored_reports_that_come_at_once_are_no_wrong_clock():
    """Even of a terminal that nobody heard before."""
    assert named(np.arange(400.0, 0.0, -5.0), period_s=0.05) is None


def test_a_clock_that_stands_still_is_named():
    assert named(np.arange(10.0, 18.0))[0] == "stopped"


def test_a_report_sent_again_and_again_is_no_clock_that_stands_still():
    clocks = Clocks(1, LATE_NS)
    for k in range(10):
        clocks.note(0, T0_NS + k * NS, T0_NS - 60 * NS, 7)
    assert clocks.fault(0, T0_NS + 10 * NS) is None


def test_a_clock_without_reason_is_named_where_its_stamps_lie_ahead():
    assert named([-50.0, -900.0, -3.0, -40_000.0, -700.0, -20.0])[0] == "erratic"


def test_a_free_running_clock_is_followed():
    """2 % too slow, from the year 2000: the offset is that of the newest ages."""
    clocks = Clocks(1, LATE_NS)
    found = named(8.5e8 + 0.02 * np.arange(600.0), clocks=clocks)
    assert found[0] == "offset"
    assert found[1] == pytest.approx(-8.5e8 - 12.0, abs=1.0)


def test_a_terminal_that_reports_each_half_minute_is_named_after_its_fourth():
    assert named([28_800.1] * 3, period_s=30.0) is None
    assert named([28_800.1] * 4, period_s=30.0) == ("time_zone", -28_800.0)


def test_a_clock_that_was_right_is_doubted_only_after_a_minute():
    assert named([28_800.1] * 55, sound_before=True) is None
    assert named([28_800.1] * 65, sound_before=True) == ("time_zone", -28_800.0)
    assert named([-28_800.1] * 5, sound_before=True) is not None  # no store sends from the future


def test_a_clock_that_is_set_right_is_named_no_longer():
    clocks = Clocks(1, LATE_NS)
    assert named([28_800.1] * 10 + [0.1] * 2, clocks=clocks) is not None
    assert named([0.1] * 3, clocks=clocks) is None


def test_one_odd_stamp_among_many_is_nothing():
    assert named([0.1] * 5 + [-1e9, 1e8, 5e4] + [0.1] * 5) is None


def test_the_common_offset_is_that_of_the_most():
    assert common_offset_s([10.0, 11.0, 11.5, 400.0, -3.0]) == (11.0, 3)
    assert common_offset_s([]) == (0.0, 0)


def test_the_kinds_have_names_of_their_own():
    assert len(set(KINDS)) == len(KINDS)
