"""Recorded heartbeats of a unit: they keep no dead unit online, whoever sends them again."""

import time
from pathlib import Path

import pytest

from centre.unit_registry import STALE_NS, UnitRegistry
from edge import topics, wire
from edge.centre_status import CentreStatus, encode
from edge.signing.guard import Guard
from edge.status_order import AGE_NS
from tests.support.centre_ingest import Bench
from tests.support.centre_samples import T0_NS, status

S = 1_000_000_000
ESN = "RSU001"


def registry(started_s: float = 0.0) -> UnitRegistry:
    return UnitRegistry("rsu", [ESN], T0_NS + round(started_s * S))


def beat(at_s: float, **changed) -> bytes:
    fields = {"stamp_ns": T0_NS + round(at_s * S), "clock_offset_ms": 0.0} | changed
    return wire.encode(status(**fields))


def receive(it: UnitRegistry, body: bytes, at_s: float, *, retained: bool = False, judges_age=True) -> None:
    now_ns = T0_NS + round(at_s * S)
    it.receive_status(ESN, body, retained=retained, now_ns=now_ns, judges_age=judges_age)


def state(it: UnitRegistry, at_s: float) -> tuple[str, bool]:
    return it.state(ESN, T0_NS + round(at_s * S))


def epoch_of(it: UnitRegistry) -> int:
    found = it.rows()[ESN].status
    assert found is not None
    return found.epoch


def test_recorded_heartbeats_keep_no_dead_unit_online_and_name_it() -> None:
    it, named = registry(), []
    it.on_replayed = lambda who, reason: named.append((who, reason))
    recorded = [beat(2.0 * n) for n in range(5)]
    for n, body in enumerate(recorded):
        receive(it, body, 2.0 * n)
    for n in range(40):
        receive(it, recorded[n % 5], 10.0 + 2.0 * n)
    assert state(it, 8.0 + STALE_NS / S + 0.1) == ("online", True), "overdue: the loss is raised"
    assert it.counts["status.replayed"] == 40
    assert named[0] == (f"rsu/{ESN}", "repeated")
    assert named[-1] == (f"rsu/{ESN}", "stale")


def test_after_a_will_no_recorded_heartbeat_counts() -> None:
    it, recorded = registry(), beat(2.0)
    receive(it, recorded, 2.0)
    receive(it, beat(0.0, state="offline"), 3.0)
    receive(it, recorded, 4.0)
    receive(it, recorded, 20.0)
    assert state(it, 20.0) == ("offline", False)


def test_a_reader_that_has_just_started_believes_no_recording_of_before() -> None:
    it = registry(started_s=1_000.0)
    for n in range(20):
        receive(it, beat(2.0 * n), 1_001.0 + 2.0 * n)  # it grows, and was never read here
    assert state(it, 1_020.0) == ("never", False)
    receive(it, beat(38.0), 1_041.0, retained=True)
    assert state(it, 1_041.0)[0] == "online", "the last word that the broker keeps"
    assert state(it, 1_041.0)[1], "of which nobody knows when it was said"


def test_without_a_known_offset_a_recording_lasts_as_long_as_it_grows() -> None:
    it = registry(started_s=1_000.0)
    recorded = [beat(2.0 * n, clock_offset_ms=None) for n in range(3)]
    for n in range(20):
        receive(it, recorded[min(n, 2)], 1_001.0 + 2.0 * n)
    assert state(it, 1_005.0) == ("online", False)
    assert state(it, 1_005.0 + STALE_NS / S + 0.1) == ("online", True)


def test_a_recording_of_an_earlier_start_is_not_returned_to() -> None:
    it = registry()
    receive(it, beat(0.0, epoch=11), 0.0)
    for n in range(20):
        receive(it, beat(-100.0 + 2.0 * n, epoch=10, clock_offset_ms=None), 10.0 + 2.0 * n)
    assert epoch_of(it) == 11
    assert state(it, 50.0) == ("online", True)


def test_a_unit_whose_disk_is_new_and_clock_behind_is_believed_once_it_shows_its_age() -> None:
    it, behind_s = registry(), 180 * 86_400.0
    receive(it, beat(0.0, epoch=11), 0.0)
    for at_s in (8.0, 10.0):
        receive(it, beat(at_s - behind_s, epoch=10, clock_offset_ms=None), at_s)
    assert epoch_of(it) == 11
    receive(it, beat(12.0 - behind_s, epoch=10, clock_offset_ms=-behind_s * 1e3), 12.0)
    assert epoch_of(it) == 10
    assert state(it, 12.0) == ("online", False)


def test_a_sender_of_an_earlier_release_whose_clock_was_set_back_is_believed_again() -> None:
    it = registry()
    receive(it, beat(0.0), 0.0)
    receive(it, beat(-3_598.0, clock_offset_ms=None), 2.0)
    assert it.counts["status.replayed"] == 1
    receive(it, beat(-3_592.0, clock_offset_ms=-3_600_000.0), 8.0)
    receive(it, beat(-3_590.0, clock_offset_ms=-3_600_000.0), 10.0)
    assert it.counts["status.replayed"] == 1
    assert state(it, 10.0) == ("online", False)


@pytest.mark.parametrize("judges_age", [False, True])
def test_the_age_counts_where_the_offset_is_from_our_clock(judges_age: bool) -> None:
    it = registry()
    receive(it, beat(0.0), AGE_NS / S + 1.0, judges_age=judges_age)
    assert it.counts["status.replayed"] == int(judges_age)


def test_what_the_broker_keeps_is_no_forgery_when_it_comes_with_our_subscription() -> None:
    it = registry()
    receive(it, beat(2.0), 2.0)
    receive(it, beat(2.0), 4.0, retained=True)
    assert not it.counts
    assert state(it, 4.0) == ("online", False)


def test_a_site_with_signatures_counts_whose_status_is_sent_again(tmp_path: Path) -> None:
    bench, guard = Bench(tmp_path), Guard(None, {}, time.time_ns)
    bench.ingest.report_replays(guard.refuse)
    for _ in range(3):
        bench.ingest.subscriptions.dispatch(topics.status(ESN), beat(0.0), retained=False)
    centre = CentreStatus(
        centre="other", state="online", database="db", epoch=1, connection=1, stamp_ns=1, version="1"
    )
    for _ in range(2):
        bench.ingest.subscriptions.dispatch(topics.centre_status("other"), encode(centre), retained=False)
    bench.close()
    assert guard.counts == {"signature.repeated": 3}
    assert guard.refused == {(f"rsu/{ESN}", "repeated"): 2, ("centre/other", "repeated"): 1}
