"""Paced and wall clocks, and noticing that the wall clock was set."""

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

import edge.clock
from core.times import NS
from edge.clock import Clock, StepWatch, WallClock

pytestmark = pytest.mark.anyio


def test_a_child_shows_the_same_time():
    clock = Clock.paced(10**18, 7.25)
    child = Clock.from_env(clock.to_env())
    assert child == clock
    before_ns = clock.now_ns()
    assert before_ns <= child.now_ns() <= clock.now_ns()


def test_without_a_word_it_is_the_wall_clock():
    assert isinstance(Clock.from_env({}), WallClock)
    assert Clock.wall().to_env() == {}
    assert abs(Clock.wall().now_ns() - time.time_ns()) < NS


async def test_sleep_is_scaled_and_never_early():
    begun_s = time.monotonic()  # before the clock's own begin: it must not seem to be early
    clock = Clock.paced(10**18, 100.0)
    await clock.sleep_until_ns(10**18 + 5 * NS)  # 50 ms of real time
    assert clock.now_ns() >= 10**18 + 5 * NS
    assert 0.045 < time.monotonic() - begun_s < 1.0


async def test_sleep_into_the_past_yields_once():
    ran = []
    asyncio.get_running_loop().call_soon(ran.append, 1)
    for clock in (Clock.paced(10**18), Clock.wall()):
        await clock.sleep_until_ns(0)
    assert ran == [1]


async def test_wall_clock_sleeps_until_due():
    clock = Clock.wall()
    due_ns = clock.now_ns() + 20_000_000
    await clock.sleep_until_ns(due_ns)
    assert clock.now_ns() >= due_ns


@pytest.mark.parametrize(
    ("moved_ns", "noticed"),
    [
        (0, False),
        (NS, False),  # slewing is none; the limit itself is not beyond
        (NS + 1, True),
        (-NS - 1, True),  # backwards as well
    ],
)
def test_a_set_clock_is_noticed(moved_ns, noticed):
    watch = StepWatch()
    assert watch.check(10**18, 5) is None
    step = watch.check(10**18 + 10 + moved_ns, 15)
    assert step == ((10**18 + 10, 10**18 + 10 + moved_ns) if noticed else None)


@given(st.lists(st.integers(-NS, NS), max_size=20))
def test_small_corrections_are_never_a_step(slews_ns):
    watch, clock_ns, monotonic_ns = StepWatch(), 10**18, 0
    for slew_ns in slews_ns:
        monotonic_ns += NS
        clock_ns += NS + slew_ns
        assert watch.check(clock_ns, monotonic_ns) is None


async def test_a_wall_clock_that_is_set_back_is_not_waited_for(monkeypatch):
    """The beat would stand still until the time came round again."""
    monkeypatch.setattr(edge.clock, "STEP_NS", NS // 50)
    clock, real, set_back = Clock.wall(), time.time_ns, []
    monkeypatch.setattr(edge.clock.time, "time_ns", lambda: real() - 3_600 * NS * len(set_back))
    asyncio.get_running_loop().call_soon(set_back.append, 1)
    async with asyncio.timeout(30.0):
        await clock.sleep_until_ns(clock.now_ns() + NS // 50)
    assert set_back


async def test_a_wall_clock_that_only_goes_slow_is_waited_for(monkeypatch):
    clock, real = Clock.wall(), time.time_ns
    due_ns = clock.now_ns() + NS // 50
    monkeypatch.setattr(edge.clock.time, "time_ns", lambda: real() - NS // 100)
    await clock.sleep_until_ns(due_ns)
    assert clock.now_ns() >= due_ns
