"""Matching raised to true: the table of who counts where (docs/design.md section 4)."""

import pytest

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
