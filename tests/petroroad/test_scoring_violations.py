"""Matching raised to true: the table of who counts where (docs/design.md section 4)."""

from dataclasses import replace

import pytest

from petroroad.scoring.by_rule import figures_by_rule
from petroroad.scoring.violations import RaisedEvent, TrueEvent, distance_m, score

S = 1_000_000_000
T0 = 1_800_000_000 * S
END = T0 + 60 * S
HERE, THERE = (122.0, 41.0), (122.001, 41.0)  # 84 m apart


def true(i, start_s, end_s, rule="lane_departure", terminal="1", vehicle=7, terminals=()):
    return TrueEvent(
        id=f"t{i}", rule=rule, vehicle=vehicle, terminal=terminal,
        start_ns=T0 + start_s * S, end_ns=T0 + end_s * S, terminals=terminals,
    )  # fmt: skip


def raised(i, start_s, end_s, rule="lane_departure", terminal="1", place=HERE):
    return RaisedEvent(
        id=f"r{i}", rule=rule, terminal=terminal, start_ns=T0 + start_s * S,
        end_ns=None if end_s is None else T0 + end_s * S, at_ns=T0 + start_s * S, place=place,
    )  # fmt: skip


def place_of(vehicle, stamp_ns):
    return HERE if vehicle == 7 else None


@pytest.mark.parametrize(
    ("truths", "raiseds", "right", "false", "missed", "duplicates"),
    [
        ([true(1, 10, 15)], [raised(1, 11, 16)], 1, 0, 0, 0),
        ([true(1, 10, 15)], [raised(1, 18, 20)], 1, 0, 0, 0),  # 3 s late still is the same
        ([true(1, 10, 15)], [raised(1, 19, 20)], 0, 1, 1, 0),  # 4 s is not
        ([true(1, 10, 15)], [raised(1, 11, 12), raised(2, 14, 16)], 2, 0, 0, 1),  # two ids for one event
        ([true(1, 10, 15)], [raised(1, 11, 16, rule="wrong_way")], 0, 1, 1, 0),
        ([true(1, 10, 15)], [raised(1, 11, 16, terminal="2")], 0, 1, 1, 0),  # another vehicle
        # one cause, named by any of the terminals that it concerns
        ([true(1, 10, 15, terminals=("1", "2"))], [raised(1, 11, 16, terminal="2")], 1, 0, 0, 0),
        ([true(1, 10, 15)], [raised(1, 11, 16, terminal=None)], 1, 0, 0, 0),  # unidentified, at its place
        ([true(1, 10, 15)], [raised(1, 11, 16, terminal=None, place=THERE)], 0, 1, 1, 0),
        ([true(1, 10, 15, vehicle=8)], [raised(1, 11, 16, terminal=None)], 0, 1, 1, 0),  # place unknown
        ([true(1, 50, 55)], [], 0, 0, 1, 0),  # just settled
        ([true(1, 51, 55)], [], 0, 0, 0, 0),  # of the last 10 s: not missed,
        ([true(1, 51, 55)], [raised(1, 52, None)], 0, 0, 0, 0),  # nor right, nor false
        ([], [raised(1, 52, None)], 0, 1, 0, 0),  # but a false one of the last 10 s is false
        ([true(1, 10, 15), true(2, 17, 25)], [raised(1, 14, 24)], 1, 0, 1, 0),  # the longer overlap wins
        ([], [], 0, 0, 0, 0),
    ],
)
def test_score_counts_each_event_where_it_belongs(truths, raiseds, right, false, missed, duplicates):
    found = score(truths, raiseds, END, place_of)
    assert (len(found.matched), len(found.false), len(found.missed), len(found.duplicates)) == (
        right,
        false,
        missed,
        duplicates,
    )


def test_precision_and_recall_are_shares():
    found = score(
        [true(1, 10, 15), true(2, 30, 35)],
        [raised(1, 11, 15), raised(2, 20, 25, terminal="9")],
        END,
        place_of,
    )
    assert (found.precision, found.recall) == (0.5, 0.5)
    nothing = score([], [], END, place_of)
    assert (nothing.precision, nothing.recall) == (1.0, 1.0)


def test_distance_is_metres():
    assert distance_m(HERE, THERE) == pytest.approx(84.0, abs=0.1)
    assert distance_m(HERE, (122.0, 41.001)) == pytest.approx(111.3, abs=0.1)


FAULT, GHOST, DARK = "gnss_integrity", "ghost_report", "dark_vehicle"


@pytest.mark.parametrize(
    ("rule", "kind", "raised_rule", "reason", "want"),
    [
        (FAULT, "frozen", FAULT, "frozen", "found"),
        (FAULT, "replay", FAULT, "dragged", "found"),  # what is replayed is off by a way, as what is dragged
        (FAULT, None, FAULT, "frozen", "found"),  # the truth states no kind
        (FAULT, "frozen", FAULT, "dragged", "mislabelled"),
        (FAULT, "drag", GHOST, None, "mislabelled"),
        (GHOST, None, DARK, None, "mislabelled"),
        ("lane_departure", None, GHOST, None, "false"),  # a departure is no fault of a source
    ],
)
def test_a_source_is_found_by_the_kind_of_its_fault(rule, kind, raised_rule, reason, want):
    events = [replace(true(1, 10, 30, rule=rule), kind=kind)]
    found = score(events, [replace(raised(1, 15, 30, rule=raised_rule), reason=reason)], END, place_of)
    shown = {"found": len(found.matched), "mislabelled": len(found.mislabelled), "false": len(found.false)}
    assert shown == {
        "found": int(want == "found"),
        "mislabelled": int(want == "mislabelled"),
        "false": int(want != "found"),  # a wrong label is no finding
    }


def test_figures_by_rule_count_from_the_earliest_moment_of_a_warning():
    events = [
        replace(true(1, 10, 20), due_ns=T0 + 12 * S),
        replace(true(2, 30, 40), due_ns=T0 + 31 * S),
        true(3, 30, 40, terminal="2"),
        replace(true(4, 10, 40, rule=FAULT), kind="frozen"),
    ]
    alarms = [
        raised(1, 13, 20), raised(2, 15, 16), raised(3, 33, 40),  # the second is the first's duplicate
        replace(raised(4, 14, 20, rule=FAULT), reason="dragged"),
    ]  # fmt: skip
    records = [raised(5, 35, 50, terminal="2")]
    rows = figures_by_rule(score(events, alarms, END, place_of), records, END, place_of)
    assert list(rows) == [FAULT + ".dragged", FAULT + ".frozen", "lane_departure"]
    departures = rows["lane_departure"]
    assert (departures["true"], departures["found"], departures["missed"]) == (3, 2, 1)
    assert (departures["undecidable"], departures["false"]) == (1, 0)
    assert (departures["delay_p50"], departures["delay_max"]) == (1.0, 2.0)
    assert rows[FAULT + ".dragged"]["mislabelled"] == 1
    assert rows[FAULT + ".frozen"] == dict.fromkeys(rows[FAULT + ".frozen"], 0) | {
        "true": 1, "missed": 1, "delay_p50": None, "delay_p95": None, "delay_max": None,
    }  # fmt: skip
