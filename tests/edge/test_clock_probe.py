"""A clock agrees with the centre's only by answers that are new and that it was not set since."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge import wire
from edge.age_clock import AgeClock
from edge.clock import Clock
from edge.clock_probe import FRESH_NS, ClockProbe
from edge.recording.retention import Limits, Retention
from edge.recording.series import Series

T0_NS, NS, YEAR_NS = 1_790_000_000 * 10**9, 10**9, 365 * 86_400 * 10**9
DAY_S = 86_400.0


class Set(Clock):
    """A clock that the test sets."""

    __slots__ = ()
    by_ns = 0

    def now_ns(self) -> int:
        return T0_NS + Set.by_ns + int((Passing.now_ns - 5 * NS) * self.rate)


class Passing:
    """A monotonic clock that the test moves."""

    now_ns = 5 * NS

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture(autouse=True)
def at_start() -> Iterator[None]:
    Passing.now_ns, Set.by_ns = 5 * NS, 0
    yield
    Passing.now_ns, Set.by_ns = 5 * NS, 0


def made(rate: float = 1.0) -> ClockProbe:
    return ClockProbe(Set(0, 0, rate), Passing())


def probed(probe: ClockProbe, centre_ahead_ns: int = 0, trip_ns: int = 2_000_000) -> list[str]:
    """Ask and answer once, by a centre whose clock is ahead of T0's; return what was counted."""
    counted: list[str] = []
    asked = wire.decode_clock_req(probe.ask())
    at_ns = T0_NS + centre_ahead_ns + int((Passing.now_ns - 5 * NS + trip_ns // 2) * probe._clock.rate)
    Passing.now_ns += trip_ns
    answer = wire.ClockRsp(seq=asked.seq, sent_ns=asked.sent_ns, received_ns=at_ns, answered_ns=at_ns)
    probe.receive(wire.encode(answer), counted.append)
    return counted


@pytest.mark.parametrize("rate", [1.0, 20.0])
def test_a_clock_agrees_while_answers_come_and_for_a_minute(rate: float) -> None:
    probe = made(rate)
    assert not probe.agrees()
    for _ in range(20):
        assert probed(probe) == []
        assert probe.agrees()
        Passing.now_ns += 2 * NS
    Passing.now_ns += FRESH_NS
    assert not probe.agrees()
    assert probe.offset_ms is not None


@pytest.mark.parametrize("by_ns", [11 * YEAR_NS, -11 * YEAR_NS, 3 * NS])
def test_what_was_found_before_our_clock_was_set_says_nothing_after(by_ns: int) -> None:
    probe = made()
    for _ in range(8):
        probed(probe)
    Set.by_ns = by_ns
    assert not probe.agrees()
    assert probe.offset_ms is None
    probed(probe, trip_ns=50_000_000)  # slower than those before
    assert probe.offset_ms == pytest.approx(by_ns / 1e6, abs=30.0)
    assert probe.agrees() == (abs(by_ns) < DAY_S * NS)


def test_an_answer_to_what_was_asked_before_our_clock_was_set_is_none() -> None:
    probe, counted = made(), list[str]()
    asked = wire.decode_clock_req(probe.ask())
    Set.by_ns = 10 * NS
    at_ns = T0_NS
    answer = wire.ClockRsp(seq=asked.seq, sent_ns=asked.sent_ns, received_ns=at_ns, answered_ns=at_ns)
    probe.receive(wire.encode(answer), counted.append)
    assert (counted, probe.offset_ms) == (["clock.implausible"], None)


def test_where_the_centres_clock_is_set_the_newest_answer_counts() -> None:
    probe = made()
    for _ in range(8):
        probed(probe)
    probed(probe, centre_ahead_ns=11 * YEAR_NS, trip_ns=50_000_000)
    assert not probe.agrees()
    assert probe.offset_ms == pytest.approx(-11 * YEAR_NS / 1e6, abs=30.0)


def test_of_answers_that_do_not_contradict_the_quickest_counts() -> None:
    probe = made()
    probed(probe, centre_ahead_ns=4_000_000, trip_ns=900_000_000)
    probed(probe, centre_ahead_ns=1_000_000)
    probed(probe, centre_ahead_ns=9_000_000, trip_ns=300_000_000)
    assert probe.offset_ms == pytest.approx(-1.0, abs=0.01)


@pytest.mark.parametrize("answers_after", [0, 4])
def test_a_clock_that_is_set_while_the_centre_answers_or_not_deletes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers_after: int
) -> None:
    probe = made()
    series = Series(tmp_path, "R1", 1, b"", Set(0, 0).now_ns())
    series.close()
    (old,) = tmp_path.glob("*.mcap")
    retention = Retention(tmp_path, "R1", Limits(7 * DAY_S, 2**40, 0), lambda _: None)
    retention.needed_since_ns, retention.is_clock_shown_right = None, probe.agrees
    monkeypatch.setattr("edge.recording.retention._esn_of", lambda _: "R1")
    monkeypatch.setattr("time.time", lambda: Set(0, 0).now_ns() / NS)
    retention._ages = AgeClock(lambda: Passing.now_ns / NS, tmp_path / "R1.age")
    open_path = tmp_path / "R1-2-00000.mcap"

    def looks(n: int, *, answers: int) -> None:
        for _ in range(n):
            for _ in range(answers):
                probed(probe)
                Passing.now_ns += 2 * NS
            retention.purge(open_path)
            Passing.now_ns += 10 * NS

    os.utime(old, ns=(T0_NS, T0_NS))
    looks(4, answers=2)
    Set.by_ns = 11 * YEAR_NS
    looks(6, answers=answers_after)
    assert old.exists()
    Set.by_ns = 0  # it is set right, and a month passes
    Passing.now_ns += 30 * 86_400 * NS
    looks(3, answers=1)
    assert not old.exists()
