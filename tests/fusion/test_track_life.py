"""The life of a track: how long it may go without its sensors, and when it is shown."""

import dataclasses

import numpy as np
import pytest

from fusion import layout
from fusion.config import FusionConfig, RadarPose, Terminal
from fusion.track_life import shown
from fusion.track_store import TerminalTable, TrackStore, take_row
from fusion.tracker import Tracker
from tests.support.fusion_world import T0_NS, fix, pose, scan

TRUCK = Terminal(terminal="T", length_m=14.0, width_m=2.5)


def at(seconds: float) -> int:
    return T0_NS + round(seconds * 1e9)


def tracker_of(*radars: RadarPose) -> Tracker:
    return Tracker(FusionConfig(), radars, [TRUCK], id_base=7 << 32)


def report(tracker: Tracker, stamps_s: list[float], late_s: float = 0.1) -> None:
    """Send a fix of a truck that drives 20 m/s east at each of the stamps."""
    for t in stamps_s:
        message = fix("T", at(t), 20.0 * t, 0.0, speed_mps=20.0, heading_rad=0.0)
        tracker.step(at(t + late_s), dataclasses.replace(message, arrived_ns=np.array([at(t + late_s)])))


@pytest.mark.parametrize(
    ("stamps_s", "late_s", "lives_s", "ends_s"),
    [
        ([0.1 * k for k in range(21)], 0.1, 3.3, 3.5),  # 10 Hz: 2.1 + 3 * 0.1 + 1
        ([0.0, 1.0, 2.0, 3.0], 0.1, 7.0, 7.2),  # 1 Hz: 3.1 + 3 + 1
        ([0.0, 30.0], 0.1, 65.0, 65.2),  # each 30 s: the cap of 35 s holds
        ([0.0], 0.1, 35.0, 35.2),  # one fix: its period is not known yet
        ([0.0, 1.0, 2.0, 4.0], 0.1, 8.8, 8.9),  # one lost report is a quarter more: 4.1 + 3 * 1.25 + 1
        ([0.1 * k for k in range(21)], 2.0, 5.2, 5.4),  # a slow way: counted from the arrival
        ([0.0, 0.001, 0.002], 0.1, 1.3, 1.5),  # a batch is no period of a millisecond: 0.1 + 3 * 0.1 + 1
    ],
)
def test_a_terminals_track_ends_after_three_of_its_own_periods(stamps_s, late_s, lives_s, ends_s):
    tracker = tracker_of()
    report(tracker, stamps_s, late_s)
    assert tracker.tick(at(lives_s)).ended == ()
    assert len(tracker.tick(at(ends_s)).ended) == 1


@pytest.mark.parametrize(
    ("stamps_s", "seen_s", "missed_s"),
    [
        ([0.0, 1.0, 2.0], 3.5, 3.7),  # 1 Hz: 2.1 + 1 + 0.5
        ([0.1 * k for k in range(21)], 2.65, 2.75),  # 10 Hz: 2.1 + 0.1 + 0.5
        ([0.0], 1.5, 1.7),  # one fix: taken as 1 Hz; 0.1 + 1 + 0.5
    ],
)
def test_a_track_is_unseen_when_its_next_report_is_missing(stamps_s, seen_s, missed_s):
    tracker = tracker_of()
    report(tracker, stamps_s)
    assert len(tracker.unseen(at(seen_s))[0]) == 0
    if missed_s is not None:
        now, last = tracker.unseen(at(missed_s))
        assert (now.stamp_ns[0], last.stamp_ns[0]) == (at(missed_s), at(stamps_s[-1]))
        assert tracker.end(now.track.tolist()).ended == ((7 << 32) + 1,)
        assert tracker.end(now.track.tolist()).ended == ()


@pytest.mark.parametrize(("reports_until_s", "lives_s", "ends_s"), [(10.0, 14.0, 14.3), (60.0, 37.0, 37.2)])
def test_reports_without_a_position_keep_a_track_but_not_for_ever(reports_until_s, lives_s, ends_s):
    tracker = tracker_of()
    report(tracker, [0.0, 1.0, 2.0])
    for t in np.arange(3.0, min(reports_until_s, lives_s) + 0.5):
        tracker.step(at(t + 0.1), fix("T", at(t), 0.0, 0.0, usable=0.0))
    assert tracker.tick(at(lives_s)).ended == ()
    assert len(tracker.tick(at(ends_s)).ended) == 1


def test_a_period_travels_with_the_track():
    giver, taker = tracker_of(), tracker_of()
    report(giver, [0.0, 1.0, 2.0, 3.0])
    taker.adopt(at(3.2), giver.carry(giver.at(at(3.2)).track.tolist()))
    restarted = tracker_of()
    restarted.restore(giver.state())
    for tracker in (taker, restarted):
        assert tracker.tick(at(7.0)).ended == ()
        assert len(tracker.tick(at(7.2)).ended) == 1


@pytest.mark.parametrize(
    ("radar", "scans", "shown_after_s"),
    [
        (pose("R", -50.0, -8.0, 0.0), True, 1.0),  # in its field: the radar is given a moment
        (pose("R", -50.0, -8.0, 0.0), False, 0.1),  # a silent radar finds nobody
        (pose("R", -50.0, -8.0, 3.14), True, 0.1),  # it looks the other way
        (pose("R", -400.0, -8.0, 0.0), True, 0.1),  # too far
    ],
)
def test_a_terminals_new_track_waits_for_the_radar_in_whose_field_it_is(radar, scans, shown_after_s):
    tracker, nobody = tracker_of(radar), np.zeros((0, 4))
    for k in range(16):
        if scans:
            tracker.step(at(0.1 * k), scan(radar, at(0.1 * k), nobody))
        report(tracker, [0.1 * k + 0.01], late_s=0.0)
        shown = len(tracker.at(at(0.1 * k + 0.1)))
        assert shown == (0.1 * k + 0.1 >= shown_after_s + 0.01 or shown_after_s < 1.0)


@pytest.mark.parametrize(("lorry_north_m", "waits"), [(-3.75, False), (30.0, True)])
def test_a_terminals_new_track_that_a_lorry_hides_waits_for_no_radar(lorry_north_m, waits):
    """The radar stands right of the road; a lorry of 16 m drives between it and the truck, or far off."""
    radar = pose("R", 100.0, -11.0, 1.57, height_m=4.0)
    lorry = Terminal(terminal="L", length_m=16.0, width_m=2.5)
    tracker = Tracker(FusionConfig(), [radar], [TRUCK, lorry], id_base=7 << 32)
    shown = set()
    for k in range(70):
        t, east = 0.05 * k, 60.0 + 20.0 * 0.05 * k
        tracker.step(at(t), scan(radar, at(t), np.array([[east, lorry_north_m, 20.0, 0.0]])))
        if k % 4 == 0:
            tracker.step(at(t), fix("L", at(t), east, lorry_north_m, speed_mps=20.0, heading_rad=0.0))
        if k >= 42 and k % 4 == 2:
            message = fix("T", at(t), east, 0.0, speed_mps=20.0, heading_rad=0.0, sigma_m=0.4)
            tracker.step(at(t), message)
        tracker.tick(at(t))
        if 44 <= k < 58:  # within a second of its first report
            shown |= {bool((tracker.at(at(t)).terminal == 0).any())}
    assert shown == {not waits}


@pytest.mark.parametrize(
    ("car", "waits"),
    [
        ((0.0, 20.0), True),  # where the truck is predicted, as fast: radar found it
        ((4.5, 20.0), False),  # in the next lane, beyond its sigma
        ((0.0, -20.0), False),  # the other way
    ],
)
def test_radars_new_track_waits_where_it_is_likely_a_shown_terminals_vehicle(car, waits):
    """The truck reports each 2 s, before any radar; then radar sees a vehicle at its place, or another."""
    radar = pose("R", 0.0, -8.0, 0.0, range_m_max=900.0, sigma_azimuth_rad=0.001)
    tracker, (north_m, speed_mps) = tracker_of(radar), car
    for t in (0.0, 2.0, 4.0):
        values = {"speed_mps": 20.0, "heading_rad": 0.0, "sigma_m": 0.8}
        tracker.step(at(t + 0.05), fix("T", at(t), 100.0 + 20.0 * t, 0.0, **values))
        tracker.tick(at(t + 0.1))
    for k in range(6):
        t = 4.5 + 0.05 * k
        tracker.step(
            at(t), scan(radar, at(t), np.array([[190.0 + speed_mps * (t - 4.5), north_m, speed_mps, 0.0]]))
        )
        tracker.tick(at(t))
    assert ((tracker.at(at(t)).terminal < 0).sum() == 0) == waits


@pytest.mark.parametrize(
    ("lost_s", "age_s", "east_m", "waits"),
    [
        (0.7, 0.3, 1.8, True),  # a truck behind the blind spot at a pole, found outside of its gate
        (0.7, 0.8, 1.8, False),  # by then they would have been joined
        (0.2, 0.1, 1.8, False),  # radar sees both
        (0.7, 0.3, 8.0, False),  # the next one in the lane
        (1.1, 0.3, 1.8, False),  # it has no terminal to wait for
    ],
)
def test_radars_new_track_waits_where_it_is_likely_one_that_radar_has_just_lost(lost_s, age_s, east_m, waits):
    store, t_ns, terminals = TrackStore(FusionConfig(tracks_max=8), ()), at(5.0), TerminalTable(())
    for i, (seen_s, born_s, shown_s, east) in enumerate(
        [(5.0 - lost_s, 0.0, 1.0, -20.0 * lost_s), (5.0, 5.0 - age_s, 0.0, east_m)]
    ):
        row = take_row(store.tracks, at(born_s), at(born_s))
        store.X[row, :4] = east, 0.0, 20.0, 0.0
        store.P[row, :4, :4] = np.diag([0.3, 0.1, 0.1, 0.1])
        store.ints[row, [layout.STATUS, layout.STAMP, layout.RADAR_NS]] = (
            layout.CONFIRMED,
            at(seen_s),
            at(seen_s),
        )
        store.ints[row, layout.SHOWN_NS] = at(shown_s) if shown_s else 0
        store.track[row] = i + 1
    rows, works = np.zeros(8, dtype=np.int64), np.zeros(0, dtype=np.bool_)
    n = shown(
        store.tracks, store.rings, terminals.rows, t_ns, store.settings, works, store.scratch.predicted, rows
    )
    assert store.track[rows[:n]].tolist() == ([1] if waits else [1, 2])


CONFIRMED, TENTATIVE = layout.CONFIRMED, layout.TENTATIVE


@pytest.mark.parametrize(
    ("status", "odds", "llr", "seen_s", "east_m", "waits"),
    [
        (CONFIRMED, 0.0, 9.0, 4.9, -2.0, True),
        (CONFIRMED, 0.0, 9.0, 4.6, -20.0, True),  # 0.4 s ago: by now it is 8 m behind
        (CONFIRMED, 0.0, 9.0, 4.6, -2.0, False),  # it is 10 m ahead by now
        (TENTATIVE, 3.0, 0.0, 4.9, -2.0, True),  # shown at its first detection
        (TENTATIVE, 3.0, 2.0, 4.9, -2.0, True),  # a second one takes nothing from its odds
        (TENTATIVE, 3.0, -3.0, 4.9, -2.0, False),  # missed since: nobody shows it
        (TENTATIVE, -9.0, 20.0, 4.9, -2.0, True),  # shown by its likelihoods
        (TENTATIVE, -9.0, 2.0, 4.9, -2.0, False),  # as likely clutter
    ],
)
def test_what_is_detected_once_waits_beside_an_older_track_that_is_or_will_be_shown(
    status, odds, llr, seen_s, east_m, waits
):
    """An older track, 30 m/s east, and one that radar has just detected at the origin for the first time."""
    store, terminals = (
        TrackStore(FusionConfig(tracks_max=8), [pose("R", -100.0, 0.0, 0.0)]),
        TerminalTable(()),
    )
    rows = []
    for seen, east, state, began, ratio in (
        (seen_s, east_m, status, odds, llr),
        (5.0, 0.0, TENTATIVE, 3.0, 0.0),
    ):
        row = take_row(store.tracks, at(seen), at(seen))
        store.X[row, :4] = east, 0.0, 30.0, 0.0
        store.P[row, :4, :4] = np.diag([0.3, 0.1, 0.1, 0.1])
        store.ints[row, [layout.STATUS, layout.STAMP, layout.RADAR_NS, layout.RING_LEN]] = (
            state,
            at(seen),
            at(seen),
            1,
        )
        store.floats[row, [layout.BEGAN_ODDS, layout.LLR]] = began, ratio
        store.rings.meas[row, 0, [layout.WHAT, layout.Z_EAST, layout.Z_RATE]] = layout.OBJECT, east, np.nan
        rows.append(row)
    found, works = np.zeros(8, dtype=np.int64), np.ones(1, dtype=np.bool_)
    n = shown(
        store.tracks, store.rings, terminals.rows, at(5.0), store.settings, works,
        store.scratch.predicted, found,
    )  # fmt: skip
    assert (rows[1] not in found[:n].tolist()) == waits


def test_what_radar_misses_in_its_sight_is_unseen_before_its_next_report_is_due():
    radar = pose("R", 0.0, -8.0, 0.0, range_m_max=400.0)
    for vanishes in (True, False):
        tracker = tracker_of(radar)
        for k in range(60):
            t = 0.05 * k
            there = not vanishes or t < 2.05
            truth = np.array([[50.0 + 20.0 * t, 0.0, 20.0, 0.0]])[: int(there)]
            tracker.step(at(t), scan(radar, at(t), truth))
            if k in (20, 40):
                message = fix("T", at(t), 50.0 + 20.0 * t, 0.0, speed_mps=20.0, heading_rad=0.0)
                tracker.step(at(t), message)
            tracker.tick(at(t))
        assert len(tracker.at(at(2.95))) == 1
        assert len(tracker.unseen(at(2.95))[0]) == int(vanishes)  # its report is due at 4 s
