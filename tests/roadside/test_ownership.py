"""Ownership by stretch: who judges a track, tick by tick."""

import numpy as np
import pytest

from roadside.ownership import Ownership

SECOND_NS = 1_000_000_000
T0_NS = 1_800_000_000 * SECOND_NS
NEIGHBOURS = (("BEFORE", -500.0, 0.0), ("AFTER", 500.0, 1_000.0))


def walk(stations, *, stretch_m=(0.0, 500.0), own=None):
    """Step one track through `stations`, a tenth of a second apart; return (owned at the end, leaving)."""
    ownership = Ownership(stretch_m, NEIGHBOURS)
    track = np.array([7], dtype=np.uint64)
    leaving = {}
    for i, station in enumerate(stations):
        if i == 0 and own:
            ownership.set(7, own)
        leaving = ownership.advance(T0_NS + i * SECOND_NS // 10, track, np.array([station]))
    return bool(ownership.owned(track)[0]), leaving


@pytest.mark.parametrize(
    ("stations", "own", "want", "leaving"),
    [
        ([250.0], None, True, {}),  # no neighbour sees so far: nobody else can own it
        ([60.0], None, True, {}),  # so far inside BEFORE must have offered it, had it owned it
        ([59.0] * 10, None, False, {}),  # nine tenths of a second inside: its owner may yet speak
        ([59.0] * 11, None, True, {}),  # a whole second: nobody owns it
        ([440.0] * 10, None, False, {}),  # the same beside AFTER
        ([-5.0] + [250.0] * 10, None, False, {}),  # it came from where a neighbour owns
        ([-5.0] + [10.0] * 20, None, False, {}),  # came from outside: within 20 m its owner still has it
        ([-5.0] + [33.0] * 11, None, True, {}),  # beyond that nobody has spoken for a second
        # it was hidden, and begins here: BEFORE may have it under another id until the offer has come
        ([1.0 + 1.5 * k for k in range(21)], None, False, {}),
        ([1.0 + 1.5 * k for k in range(22)], None, True, {}),
        ([30.0 - 1.5 * k for k in range(11)], None, True, {}),  # towards BEFORE: it can't come from there
        ([1.0] * 50, None, False, {}),
        ([1.0] * 51, None, True, {}),  # it stands: BEFORE would have shown it by now, or never will
        ([float("nan")] * 10, None, False, {}),  # off the road: it may be a neighbour's
        ([float("nan")] * 11, None, True, {}),  # off the road: routed to us, so ours
        ([519.0], "owned", True, {}),  # hysteresis
        ([521.0], "owned", True, {"AFTER": [7]}),  # leaves, and is ours until it is answered
        ([-21.0], "owned", True, {"BEFORE": [7]}),
        ([1_200.0], "owned", True, {}),  # no neighbour there: we keep it
        ([250.0] * 90, "given", False, {}),  # given away: not taken back at once
        ([250.0] * 101, "given", True, {}),  # it came back, and its new owner died
        ([700.0] * 30, None, False, {}),  # seen in the overlap, never ours
    ],
)
def test_ownership_step(stations, own, want, leaving):
    assert walk(stations, own=own) == (want, leaving)


@pytest.mark.parametrize(
    ("station", "own", "unseen", "gone"),
    [
        (651.0, "given", True, [7]),
        (649.0, "given", True, []),  # its fixes still come to us
        (651.0, "given", False, []),  # our radar sees it
        (651.0, "giving", True, []),  # not answered: still ours
        (651.0, "owned", True, []),
        (float("nan"), "given", True, []),  # off the road: routed to who had it last
    ],
)
def test_what_a_neighbour_has_is_forgotten(station, own, unseen, gone):
    ownership = Ownership((0.0, 500.0), NEIGHBOURS)
    ownership.set(7, own)
    assert ownership.departed(np.array([7], np.uint64), np.array([station]), np.array([unseen])) == gone


def test_without_a_stretch_everything_is_ours():
    assert walk([9_999.0] * 11, stretch_m=None) == (True, {})


@pytest.mark.parametrize(
    ("gone", "survivor", "want"),
    [
        ("owned", "free", "owned"),
        ("owned", "given", "owned"),
        ("giving", "free", "giving"),  # the message under way tells all of it; unanswered, we judge
        ("giving", "given", "giving"),
        ("free", "giving", "giving"),
        ("given", "owned", "owned"),
        ("giving", "owned", "owned"),
        ("owned", "giving", "owned"),  # the message under way lacks what was judged of the other
        ("giving", "giving", "owned"),
        ("given", "free", "free"),  # a neighbour's, most likely; else nobody's, and taken in a second
    ],
)
def test_a_survivor_is_judged_where_either_was(gone, survivor, want):
    ownership = Ownership((0.0, 500.0), NEIGHBOURS)
    ownership.set(1, gone)
    ownership.set(2, survivor)
    ownership.merge(1, 2)
    assert (ownership.phase(1), ownership.phase(2)) == ("free", want)


def test_a_state_holds_since_when_a_track_is_under_way():
    """Its own news wait for the answer, for a second; after a restore too."""
    ownership, track = Ownership((0.0, 500.0), NEIGHBOURS), np.array([7], np.uint64)
    ownership.give(7, T0_NS)
    restored = Ownership((0.0, 500.0), NEIGHBOURS)
    restored.restore(ownership.state())
    for each in (ownership, restored):
        assert not each.may_open(track, T0_NS + SECOND_NS - 1)[0]
        assert each.may_open(track, T0_NS + SECOND_NS)[0]
