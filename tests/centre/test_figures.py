"""The figures of the page: counted over all episodes, over a window of time, and over live samples only."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from centre.reader import EpisodeFilter
from centre.views.excess import last_violating_ns
from centre.views.figures import BIN_NS, Sample, latency
from geofence.violation import Stamps
from tests.support.centre_database import Centre
from tests.support.centre_samples import MS, T0_NS, episode_id, item, payload, violation

S = 1_000 * MS


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    it = Centre(tmp_path / "centre.sqlite")
    yield it
    it.engine.dispose()


def test_sections_count_all_episodes_however_many_a_page_loads(centre: Centre) -> None:
    rows = [("warning", "open"), ("violation", "close"), ("warning", "close"), ("notice", "open")]
    rows += [("undecidable", "close")] * 2
    for n, (grade, phase) in enumerate(rows, 1):
        centre.send(n, violation(n, grade=grade, phase=phase))
    figures = centre.reader.figures(centre.now_ns)
    assert figures["sections"] == {"open": 1, "ended": 2, "record": 3, "record_open": 1}
    centre.send(9, violation(4, version=2, grade="notice", phase="close"))
    assert centre.reader.figures(centre.now_ns)["sections"]["record_open"] == 0


def test_the_ended_alarms_are_paged_to_the_first_and_the_record_apart(centre: Centre) -> None:
    for n in range(1, 8):
        centre.send(n, violation(n, phase="close", grade="notice" if n % 2 else "warning"))
    seen: dict[str, list[str]] = {}
    for kind in ("alarm", "record"):
        before, seen[kind] = None, []
        while True:
            page = centre.reader.episodes(EpisodeFilter(kind=kind, state="closed", before=before, limit=2))
            seen[kind] += [row["id"] for row in page["items"]]
            if (before := page["next"]) is None:
                break
    assert seen == {
        "alarm": [episode_id(n) for n in (6, 4, 2)],
        "record": [episode_id(n) for n in (7, 5, 3, 1)],
    }


def test_alarms_are_counted_by_ten_minutes_over_two_hours(centre: Centre) -> None:
    begun_ns = centre.now_ns
    for n, minutes in enumerate((0, 1, 30, 119, 121, 122), 1):
        centre.now_ns = begun_ns + minutes * 60 * S
        centre.send(n, violation(n, grade="notice" if minutes == 122 else "warning"))
    now_ns = begun_ns + 125 * 60 * S
    for _ in range(2):  # what is older is not looked through again
        alarms = centre.reader.figures(now_ns)["alarms"]
        assert (alarms["last_10_min"], alarms["last_hour"]) == (2, 2)
        assert [i for i, n in enumerate(alarms["per_10_min"]) for _ in range(n)] == [2, 11, 11]
    later = centre.reader.figures(now_ns + 12 * BIN_NS)["alarms"]
    assert later == {"last_10_min": 0, "last_hour": 0, "per_10_min": [0] * 12}


def test_latency_is_of_the_window_and_what_waited_in_an_outbox_is_counted_apart(centre: Centre) -> None:
    for n, waited_ns in enumerate((2 * MS, 45 * S, 3 * MS), 1):
        arrived_ns = centre.now_ns - waited_ns - 10 * MS
        found = violation(n, stamps=Stamps(measured_ns=arrived_ns - MS, arrived_ns=arrived_ns))
        body = item(n, found)
        body = type(body)(
            seq=n,
            detected_ns=arrived_ns + MS,
            sent_ns=arrived_ns + MS + waited_ns,
            violation=body.violation,
        )
        centre.commit(payload(10, body))
        centre.now_ns += 60 * S
    samples = centre.reader.latencies()
    assert [sample.deferred for sample in samples] == [False, True, False]
    figures = latency(samples)
    assert (figures["n"], figures["deferred"]) == (2, 1)
    assert figures["p50_ms"] < 100.0  # 45 s of outage are no latency
    assert len(centre.reader.latencies(centre.now_ns - 90 * S)) == 1


def test_latency_without_live_samples_has_no_figure() -> None:
    assert latency([Sample("RSU001", 45 * S, deferred=True)]) == {
        "p50_ms": None, "p99_ms": None, "n": 0, "deferred": 1,
    }  # fmt: skip


def test_a_p99_needs_twenty_samples() -> None:
    samples = [Sample("RSU001", n * MS, deferred=False) for n in range(1, 21)]
    assert latency(samples[:19])["p99_ms"] is None
    assert latency(samples[:19])["p50_ms"] == 10.0
    assert latency(samples)["p99_ms"] == 20.0


@pytest.mark.parametrize(
    ("rule", "evidence", "want_s"),
    [
        ("lane_departure", {"stamp_ns": [1, 2, 3], "excess_m": [0.4, 0.2, -0.1]}, 2),  # back for a second
        ("lane_departure", {"stamp_ns": [1, 2, 3], "excess_m": [0.4, 0.2, 0.1]}, 3),
        ("lane_departure", {"stamp_ns": [1, 2], "excess_m": [-0.4, -0.2]}, 0),  # back before its columns
        ("lane_departure", {}, 9),  # an older RSU's: the deciding observation
        ("lane_departure", {"stamp_ns": [None, "x"], "excess_m": [1.0, 1.0]}, 9),
        ("overspeed", {"stamp_ns": [1, 2, 3], "p_violation": [0.99, 0.6, 0.01]}, 2),
    ],
)
def test_the_time_until_which_a_rule_was_broken_comes_from_the_evidence(
    rule: str, evidence: dict[str, list[Any]], want_s: int
) -> None:
    assert last_violating_ns(rule, evidence, 0, 9) == want_s


def test_a_rule_that_counts_time_is_broken_until_its_version() -> None:
    """Its columns hold zeros, no probabilities: they do not say that it was kept."""
    evidence = {"stamp_ns": [1, 2, 3], "p_violation": [0.0, 0.0, 0.0]}
    assert last_violating_ns("dark_vehicle", evidence, 0, 9) == 9
    assert last_violating_ns("overspeed", evidence, 0, 9) == 0


def test_an_open_episode_shows_its_last_violating_observation_and_its_detection(
    centre: Centre,
) -> None:
    late = violation(
        version=2, phase="update", evidence={"stamp_ns": [T0_NS, T0_NS + S], "excess_m": [1.0, -0.5]}
    )
    centre.send(1, late)
    (row,) = centre.shown()
    assert row["last_violating_ns"] == str(T0_NS)
    assert row["first_detected_ns"] == row["detected_ns"]
    centre.send(2, violation(version=3, phase="close", end_ns=T0_NS + 300 * MS))
    assert centre.shown()[0]["last_violating_ns"] == str(T0_NS + 300 * MS)


def test_an_ended_episode_shows_where_it_was_decided_not_where_it_was_back(centre: Centre) -> None:
    centre.send(1, violation(grade="notice", s_m=100.0))
    centre.send(2, violation(version=2, phase="update", grade="violation", s_m=150.0, speed_mps=21.0))
    centre.send(3, violation(version=3, phase="update", grade="violation", s_m=200.0))
    centre.send(4, violation(version=4, phase="close", grade="notice", s_m=300.0, lane="hazmat"))
    (row,) = centre.shown()
    assert (row["s_m"], row["decided"]["s_m"], row["decided"]["speed_mps"]) == (300.0, 150.0, 21.0)
    centre.send(5, violation(2, grade="undecidable", phase="close", s_m=7.0))
    assert centre.shown()[0]["decided"]["s_m"] == 7.0
