"""Terminals that the registry lacks: however many names come, the tables stay as long as what is live."""

import numpy as np
import pytest

from fusion import strangers
from fusion.config import FusionConfig, Terminal
from fusion.strangers import LOOK_NS, SILENT_NS
from fusion.track_store import FREE, STRANGERS_MAX, TerminalTable
from fusion.tracker import Tracker
from tests.support.fusion_world import T0_NS, fix

REGISTERED = Terminal(terminal="ours")
AT_MOST = 64


def at(seconds):
    return T0_NS + round(seconds * 1e9)


def tracker_of(*registered):
    return Tracker(FusionConfig(tracks_max=64), (), registered, id_base=7 << 32)


def hour_of_names(tracker, n, every_s):
    """Let n terminals report once each, one each `every_s`, with a tick of the grid each second."""
    freed = []
    for k in range(n):
        now_s = k * every_s
        tracker.step(at(now_s), fix(f"stranger {k}", at(now_s), 50.0 * k, 0.0))
        freed += tracker.tick(at(now_s) // LOOK_NS * LOOK_NS).freed
    return freed


def lengths(tracker):
    terminals, times = tracker.terminals, tracker.times.terminals
    return {
        len(terminals.ids), len(terminals.about), len(terminals.row), times.n,
        len(tracker.state().terminals),
    }  # fmt: skip


def test_rows_are_used_again():
    tracker = tracker_of(REGISTERED)
    freed = hour_of_names(tracker, 600, 20.0)  # three hours and more
    assert max(lengths(tracker)) <= SILENT_NS // (20 * 10**9) + 5
    assert len(freed) > 500
    assert dict(freed).keys().isdisjoint({0})
    assert tracker.terminals.row["ours"] == 0, "a registered one keeps its row"


def test_a_row_begins_anew():
    tracker, other = tracker_of(REGISTERED), tracker_of(REGISTERED)
    for k in range(30):
        tracker.step(at(k), fix("gone", at(k) - 3_600 * 10**9, 10.0 * k, 0.0))  # of a wrong clock
    late_s = 30 + 2 * SILENT_NS // 10**9
    tracker.tick(at(late_s) // LOOK_NS * LOOK_NS)
    assert "gone" not in tracker.terminals.row
    for each in (tracker, other):
        each.step(at(late_s), fix("new", at(late_s) - 10**8, 0.0, 0.0))
    mine, fresh = tracker.terminals, other.terminals
    assert mine.row["new"] == fresh.row["new"] == 1
    for one, another in zip(mine.rows[:-1], fresh.rows[:-1], strict=True):
        np.testing.assert_array_equal(one[1], another[1])
    np.testing.assert_array_equal(tracker.doubts.rows.ints[1], other.doubts.rows.ints[1])
    assert tracker.clock_report(at(late_s)).terminals == {}


def test_who_has_a_track_keeps_its_row():
    tracker = tracker_of(REGISTERED)
    tracker.step(at(0.1), fix("drives", at(0.0), 0.0, 0.0))
    late_ns = at(0.0) // LOOK_NS * LOOK_NS + SILENT_NS + 2 * LOOK_NS
    assert strangers.free_silent(late_ns, *parts(tracker)) == []
    tracker.tick(at(60.0))  # ends it
    assert strangers.free_silent(late_ns, *parts(tracker)) == [(1, "drives")]


def parts(tracker):
    return tracker.terminals, tracker.times, tracker.doubts


def test_a_flood_finds_no_room_beyond_the_bound(monkeypatch):
    monkeypatch.setattr("fusion.track_store.STRANGERS_MAX", AT_MOST)
    tracker = tracker_of(REGISTERED)
    hour_of_names(tracker, 200, 0.01)
    assert len(tracker.terminals.row) == AT_MOST + 1
    assert tracker.counts["terminals.full"] == 200 - AT_MOST
    tracker.step(at(3.0), fix("ours", at(2.9), 0.0, 0.0))
    assert tracker.counts["terminals.full"] == 200 - AT_MOST, "a registered one has its row"


def test_a_state_continues_with_the_free_rows():
    tracker = tracker_of(REGISTERED)
    hour_of_names(tracker, 100, 20.0)
    restarted = tracker_of(REGISTERED)
    restarted.restore(tracker.state())
    assert FREE in restarted.terminals.about
    for each in (tracker, restarted):
        for k in range(100, 160):
            each.step(at(20.0 * k), fix(f"stranger {k}", at(20.0 * k), 50.0 * k, 0.0))
            each.tick(at(20.0 * k) // LOOK_NS * LOOK_NS)
    assert tracker.terminals.ids == restarted.terminals.ids
    assert tracker.state() == restarted.state()


@pytest.mark.parametrize("n_registered", [None, 0])
def test_without_a_registry_nobody_is_a_stranger(n_registered):
    table = TerminalTable((), n_registered)
    assert [table.row_of(f"t{k}") for k in range(STRANGERS_MAX + 2)][-1] == STRANGERS_MAX + 1
