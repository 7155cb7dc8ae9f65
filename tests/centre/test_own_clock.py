"""A centre whose own clock is set by years believes the RSUs' stamps, and loses no alert for it."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from centre.own_clock import NO_TIME_NS, OFFSETS_NS, WITNESSES_MAX, OwnClock
from centre.store import QUARANTINE, VERSION
from edge import topics, wire
from edge.outbox.batches import Waiting
from edge.outbox.batches import payload as payload_of
from edge.outbox.changes import Key, Row
from geofence import violation as codec
from geofence.violation import Stamps
from tests.support.centre_ingest import Bench
from tests.support.centre_samples import T0_NS, item, payload, status, violation

pytestmark = pytest.mark.anyio

S, HOUR, YEAR = 10**9, 3_600 * 10**9, 365 * 86_400 * 10**9


class Passing:
    now_ns = 5 * S

    def __call__(self) -> int:
        return self.now_ns


@pytest.mark.parametrize("by_ns", [-20 * YEAR, -3 * YEAR, -2 * 24 * HOUR, 2 * 24 * HOUR, 6 * YEAR])
def test_a_clock_that_is_set_while_we_run_says_nothing_until_it_is_right_again(by_ns: int) -> None:
    passing = Passing()
    clock = OwnClock(T0_NS - HOUR, passing)
    assert clock.believed(T0_NS) == T0_NS
    passing.now_ns += S
    assert [clock.believed(T0_NS + S + by_ns) for _ in range(3)] == [NO_TIME_NS] * 3
    passing.now_ns += HOUR
    assert clock.believed(T0_NS + S + HOUR) == T0_NS + S + HOUR
    assert clock.n_doubts == 1


def test_a_start_with_an_impossible_time_says_nothing_until_it_is_set_right() -> None:
    for wrong_ns in (T0_NS - 2 * 24 * HOUR, T0_NS - 6 * YEAR, T0_NS + 6 * YEAR):
        clock = OwnClock(T0_NS, Passing())
        assert clock.believed(wrong_ns) == NO_TIME_NS
        assert clock.believed(T0_NS + HOUR) == T0_NS + HOUR


@pytest.mark.parametrize("newest_ns", [None, 70 * S])
def test_a_machine_that_boots_without_a_time_is_believed_once_it_has_one(newest_ns: int | None) -> None:
    """The first starts of a centre: its database is empty, or was written before the time was fetched."""
    passing = Passing()
    clock = OwnClock(newest_ns, passing)
    assert clock.believed(77 * S) == NO_TIME_NS
    passing.now_ns += HOUR
    assert clock.believed(T0_NS) == T0_NS
    passing.now_ns += S
    assert clock.believed(T0_NS - 3 * YEAR) == NO_TIME_NS


def test_a_day_of_small_corrections_and_a_simulations_pace_are_believed() -> None:
    passing, shown_ns = Passing(), T0_NS
    clock = OwnClock(None, passing)
    for _ in range(100):
        assert clock.believed(shown_ns) == shown_ns
        passing.now_ns += S
        shown_ns += 20 * S
    assert clock.n_doubts == 0


def test_a_second_start_under_the_same_wrong_clock_is_found_out_by_the_rsus() -> None:
    """What the first start stored came years ahead, so the newest row of the database proves nothing."""
    wrong_ns = T0_NS + 6 * YEAR
    clock = OwnClock(wrong_ns - HOUR, Passing())
    assert clock.believed(wrong_ns) == wrong_ns  # nothing speaks against it yet
    clock.note("RSU001", T0_NS)
    assert clock.believed(wrong_ns) == wrong_ns  # a single board may have booted in 2020
    clock.note("RSU002", T0_NS + HOUR)
    assert clock.believed(wrong_ns) == NO_TIME_NS
    assert (clock.is_doubted, clock.n_doubts) == (True, 1)


@pytest.mark.parametrize("newest_ns", [None, T0_NS, T0_NS + 6 * YEAR])
def test_a_clock_that_is_right_again_is_believed_again_where_an_rsu_agrees(newest_ns: int | None) -> None:
    """Say, after a suspend that the monotonic clock did not see, or after rows of a wrong clock."""
    passing = Passing()
    clock = OwnClock(newest_ns, passing)
    clock.believed(T0_NS)
    passing.now_ns += S
    shown_ns = T0_NS + 24 * 24 * HOUR
    assert clock.believed(shown_ns) == NO_TIME_NS
    clock.note("RSU001", shown_ns + 3 * S)
    assert clock.believed(shown_ns) == shown_ns
    passing.now_ns += HOUR
    assert clock.believed(shown_ns + HOUR) == shown_ns + HOUR
    assert not clock.is_doubted


def test_most_of_the_clocks_decide_and_only_those_of_the_last_hour() -> None:
    passing = Passing()
    clock = OwnClock(T0_NS, passing)
    for n, by_ns in enumerate((0, -6 * YEAR, -6 * YEAR, -6 * YEAR)):
        clock.note(f"RSU{n}", T0_NS + by_ns)
    assert clock.believed(T0_NS) == NO_TIME_NS
    clock.note("RSU1", T0_NS)
    assert clock.believed(T0_NS) == T0_NS  # two against two say nothing
    passing.now_ns += HOUR + S
    clock.note("RSU8", T0_NS - YEAR)
    clock.note("RSU9", T0_NS - YEAR)
    assert clock.believed(T0_NS + HOUR + S) == NO_TIME_NS


def test_no_more_witnesses_are_kept_than_a_site_has_rsus() -> None:
    clock = OwnClock(T0_NS, Passing())
    clock.note("RSU-old", T0_NS - YEAR)
    for n in range(WITNESSES_MAX):
        clock.note(f"RSU{n}", T0_NS)
    assert len(clock._witnesses) == WITNESSES_MAX
    assert "RSU-old" not in clock._witnesses


@pytest.mark.parametrize("by_ns", [-3 * YEAR, 6 * YEAR])
async def test_alerts_of_a_centre_whose_clock_is_set_are_stored_and_acknowledged(
    tmp_path: Path, by_ns: int
) -> None:
    """Quarantined they would be acknowledged too, and nobody would see them."""
    bench = Bench(tmp_path)
    for n, now_ns in ((1, T0_NS + S), (2, T0_NS + 2 * S + by_ns), (3, T0_NS + 3 * S)):
        bench.now_ns = now_ns
        bench.ingest.subscriptions.receive(topics.violation_up("RSU001"), payload(10, item(n, violation(n))))
        await bench.until(n)
    with bench.engine.connect() as db:
        assert db.scalar(sa.select(sa.func.count()).select_from(VERSION)) == 3
        assert db.scalar(sa.select(sa.func.count()).select_from(QUARANTINE)) == 0
    assert bench.violation_writer.counts["clock.doubted"] == 1
    # a stamp that no clock shows is refused whatever ours shows
    bench.now_ns = T0_NS + by_ns
    bench.ingest.subscriptions.receive(
        topics.violation_up("RSU001"), payload(10, item(4, violation(4, start_ns=77)))
    )
    await bench.until(4)
    with bench.engine.connect() as db:
        assert db.scalar(sa.select(sa.func.count()).select_from(QUARANTINE)) == 1
    bench.close()


async def test_batches_and_heartbeats_bear_witness_of_our_clock(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.now_ns = T0_NS + 6 * YEAR
    for n, esn in enumerate(("RSU001", "RSU002"), 1):
        found = violation(n, esn=esn)
        bench.ingest.subscriptions.receive(topics.violation_up(esn), payload(10, item(1, found)))
    await bench.until(2)
    bench.violation_writer.judged_ns(bench.now_ns)
    assert bench.violation_writer.counts["clock.doubted"] == 1
    passing = Passing()
    own = bench.ingest.own_clock = OwnClock(None, passing)
    assert own.believed(bench.now_ns) == bench.now_ns
    beat(bench, -6 * YEAR)
    pass_by(bench, passing, OFFSETS_NS)
    beat(bench, -6 * YEAR)
    assert own.believed(bench.now_ns) == NO_TIME_NS
    bench.close()


async def test_items_of_boards_that_were_ahead_bear_no_witness_once_those_are_set_right(
    tmp_path: Path,
) -> None:
    """An RSU never says that it sent an item before its detection: that proves nothing of its clock."""
    bench, by_ns = Bench(tmp_path), 11 * YEAR
    for esn in ("RSU001", "RSU002"):
        found = violation(
            esn=esn, start_ns=T0_NS + by_ns, confirmed_ns=T0_NS + by_ns, evidence={},
            stamps=Stamps(measured_ns=T0_NS + by_ns, arrived_ns=T0_NS + by_ns),
        )  # fmt: skip
        detected_ns = T0_NS + by_ns + S
        row = Row(Key(10, 1), detected_ns, codec.encode(found), None)
        bench.ingest.subscriptions.receive(topics.violation_up(esn), payload_of([Waiting(row)], T0_NS + S))
    await bench.until(2)
    assert bench.violation_writer.judged_ns(T0_NS + 2 * S) == T0_NS + 2 * S
    assert bench.violation_writer.counts["clock.doubted"] == 0
    bench.close()


def beat(bench: Bench, offset_ns: int) -> None:
    for esn in ("RSU001", "RSU002"):
        bench.ingest.subscriptions.receive(
            topics.status(esn), wire.encode(status(clock_offset_ms=offset_ns / 1e6))
        )


def pass_by(bench: Bench, passing: Passing, by_ns: int) -> None:
    bench.now_ns += by_ns
    passing.now_ns += by_ns


@pytest.mark.parametrize("by_ns", [6 * YEAR, -6 * YEAR])
async def test_offsets_from_the_clock_before_a_step_never_agree_with_the_one_after_it(
    tmp_path: Path, by_ns: int
) -> None:
    """An RSU's offset is the best of its last answers, so it lags; what a purge deletes meanwhile is gone."""
    bench, passing = Bench(tmp_path), Passing()
    own = bench.ingest.own_clock = OwnClock(T0_NS, passing)
    for _ in range(4):
        beat(bench, 0)
        pass_by(bench, passing, 20 * S)
    assert own.agrees(bench.now_ns)
    bench.now_ns += by_ns
    for k in range(5):
        beat(bench, 0 if k < 3 else -by_ns)
        assert not own.agrees(bench.now_ns)
        pass_by(bench, passing, 20 * S)
    assert own.believed(bench.now_ns) == NO_TIME_NS
    bench.now_ns -= by_ns
    for k in range(5):
        beat(bench, -by_ns if k < 3 else 0)
        pass_by(bench, passing, 20 * S)
    assert bench.ingest.counts == {}, "the gate let all pass"
    assert own.agrees(bench.now_ns)
    bench.close()


async def test_offsets_from_another_centres_clock_bear_no_witness_of_ours(tmp_path: Path) -> None:
    bench, passing, answers = Bench(tmp_path), Passing(), [True]
    own = bench.ingest.own_clock = OwnClock(T0_NS, passing)
    bench.ingest.peers.answers_clocks = lambda: answers[0]  # type: ignore[method-assign]
    bench.now_ns += 6 * YEAR
    for answers[0], n_beats in ((True, 1), (False, 4), (True, 3)):
        for _ in range(n_beats):
            beat(bench, 0)
            assert not own.agrees(bench.now_ns)
            pass_by(bench, passing, 20 * S)
    assert bench.ingest.counts == {}, "the gate let all pass"
    bench.close()


async def test_a_doubt_that_comes_while_the_counts_are_taken_is_counted_later(tmp_path: Path) -> None:
    """The writer's thread judges messages at any time; without its count nobody is shown the doubt."""

    class Interrupted(Counter[str]):
        def update(self, *given: Any, **named: Any) -> None:
            super().update(*given, **named)
            if given != (None,):  # a counter that is made calls it, too
                bench.violation_writer.judged_ns(T0_NS - 3 * YEAR)

    bench = Bench(tmp_path)
    bench.violation_writer.judged_ns(T0_NS)
    bench.writer.counts = Interrupted()
    await bench.writer.tend()
    await bench.writer.tend()
    assert bench.writer.counts["clock.doubted"] == 1
    bench.close()
