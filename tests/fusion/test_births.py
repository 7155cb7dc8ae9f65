"""A track's beginning: shown once it is likelier a vehicle than clutter, judged when it is confirmed."""

import msgspec
import numpy as np

from fusion import layout as at
from fusion.config import FusionConfig, Terminal
from fusion.radar_field import SUM, birth_odds, cell_at
from fusion.track_life import LIKELY
from fusion.tracker import Tracker
from fusion.tracker_state import TrackerState
from tests.support.fusion_world import T0_NS, fix, pose, scan

RADAR = pose("R", 0.0, 0.0, 0.0)
CAR = np.array([[150.0, 5.0, -20.0, 0.0]])
FIRST = (7 << 32) + 1
SCAN_NS, TICK_NS = 50_000_000, 100_000_000


def tracker_of(n_born: float, per_m2: float = 1e-4) -> Tracker:
    """A tracker that has seen clutter of a density for long, and n_born vehicles appear where CAR does."""
    tracker = Tracker(FusionConfig(), [RADAR], [Terminal(terminal="A")], id_base=7 << 32)
    settings = tracker.store.settings
    field, scans = settings.field[0], 2_000.0
    field[SUM, at.C_SCANS] = scans
    field[:, at.C_FALSE] = per_m2 * scans * field[:, at.C_AREA]
    field[[cell_at(settings, 0, *CAR[0, :2]), SUM], at.C_BORN] = n_born
    return tracker


def see(tracker: Tracker, n_scans: int, first: int = 0, *, sees: bool = True) -> None:
    """Show CAR to the radar in n_scans, the one numbered `first` on; it drives meanwhile."""
    for k in range(first, first + n_scans):
        t_ns = T0_NS + k * SCAN_NS
        moved = CAR + k * SCAN_NS * 1e-9 * np.array([[CAR[0, 2], CAR[0, 3], 0.0, 0.0]])
        tracker.step(t_ns, scan(RADAR, t_ns, moved if sees else moved[:0]))


def shown_at(tracker: Tracker, scans: int):
    t_ns = T0_NS + scans * SCAN_NS
    ended = tracker.tick(t_ns).ended
    return tracker.at(t_ns), ended


def test_where_vehicles_appear_one_is_shown_before_it_is_confirmed_and_keeps_its_id():
    tracker = tracker_of(100.0)
    see(tracker, 2)
    batch, _ = shown_at(tracker, 2)
    assert batch.track.tolist() == [FIRST]
    assert batch.confirmed.tolist() == [False]
    assert tracker.carry([FIRST]) == [], "no neighbour is offered what may be clutter"
    see(tracker, 8, first=2)
    batch, _ = shown_at(tracker, 10)
    assert batch.track.tolist() == [FIRST]
    assert batch.confirmed.tolist() == [True]
    assert tracker.n_ids == 1
    assert tracker.store.settings.field[0, SUM, at.C_BORN] == 101.0


def test_where_clutter_is_dense_and_nothing_appears_it_takes_longer():
    counts = []
    for per_m2 in (1e-5, 1e-2):
        tracker = tracker_of(0.0, per_m2)
        for k in range(40):
            see(tracker, 1, first=k)
            if len(shown_at(tracker, k)[0]):
                break
        counts.append(k)
    assert counts[0] < counts[1]


def test_one_detection_is_shown_only_where_births_outnumber_false_detections():
    for n_born, per_m2, is_shown in ((2e4, 1e-6, True), (0.0, 1e-6, False), (2e4, 1e-3, False)):
        tracker = tracker_of(n_born, per_m2)
        see(tracker, 1)
        store = tracker.store
        odds = birth_odds(store.tracks, store.rings, store.tally[at.T_HIGH] - 1, store.settings)
        assert (odds > LIKELY) == is_shown
        assert len(shown_at(tracker, 1)[0]) == is_shown


def test_a_shown_track_that_turns_out_to_be_clutter_is_told_as_ended():
    tracker = tracker_of(100.0)
    see(tracker, 2)
    assert shown_at(tracker, 2)[0].track.tolist() == [FIRST]
    told = []
    for k in range(2, 20):
        see(tracker, 1, first=k, sees=False)
        batch, ended = shown_at(tracker, k + 1)
        told += ended
        assert len(batch) == 0 or k < 6
    assert told == [FIRST]
    assert tracker.store.tally[at.T_FREE] == len(tracker.store.track)


def report(tracker: Tracker, k: int) -> None:
    """Let terminal A, on CAR, report at scan k."""
    t_ns = T0_NS + k * SCAN_NS
    tracker.step(t_ns, fix("A", t_ns, CAR[0, 0] - k, CAR[0, 1], speed_mps=20.0, heading_rad=np.pi))


def test_a_shown_track_is_named_before_it_is_confirmed():
    tracker = tracker_of(100.0)
    see(tracker, 2)
    shown_at(tracker, 2)
    report(tracker, 2)
    batch, _ = shown_at(tracker, 2)
    assert (batch.track.tolist(), batch.confirmed.tolist()) == ([FIRST], [False])
    assert (batch.terminal.tolist(), batch.presumed.tolist()) == ([0], [True])


def test_a_binding_confirms_the_track():
    tracker = tracker_of(100.0)
    see(tracker, 2)
    shown_at(tracker, 2)
    for k in (2, 12, 22):  # radar has lost it for now; none of its misses is told
        report(tracker, k)
    batch, ended = shown_at(tracker, 22)
    assert (batch.track.tolist(), batch.confirmed.tolist(), ended) == ([FIRST], [True], ())
    assert tracker.counts["identity.bound"] == 1
    assert tracker.store.settings.field[0, SUM, at.C_BORN] == 101.0


def test_the_terminal_keeps_the_id_when_the_track_was_clutter():
    tracker = tracker_of(100.0)
    see(tracker, 2)
    shown_at(tracker, 2)
    report(tracker, 2)
    for k in range(3, 20):
        see(tracker, 1, first=k, sees=False)
        batch, ended = shown_at(tracker, k + 1)
        assert ended == ()
    assert (batch.track.tolist(), batch.terminal.tolist()) == ([FIRST], [0])
    assert not batch.radar_ns.any()


def test_a_terminal_s_track_that_is_shown_stays_until_radar_s_is_confirmed():
    tracker = tracker_of(100.0)
    report(tracker, -40)
    shown, _ = shown_at(tracker, -5)
    see(tracker, 2)
    shown_at(tracker, 2)
    report(tracker, 2)
    batch, _ = shown_at(tracker, 2)
    assert batch.confirmed[batch.track == shown.track[0]].tolist() == [True]
    see(tracker, 12, first=2)
    report(tracker, 14)
    batch, _ = shown_at(tracker, 14)
    assert batch.track.tolist() == shown.track.tolist()


def test_a_restored_state_shows_and_ends_the_same():
    one = tracker_of(100.0)
    see(one, 2)
    shown_at(one, 2)
    other = Tracker(FusionConfig(), [RADAR], [Terminal(terminal="A")], id_base=7 << 32)
    other.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(one.state()), type=TrackerState))
    for first, sees in ((2, True), (4, False), (6, True)):
        for tracker in (one, other):
            see(tracker, 2, first=first, sees=sees)
            shown_at(tracker, first + 2)
        assert one.state() == other.state()
