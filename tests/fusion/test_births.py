"""A track's beginning: shown once it is likelier a vehicle than clutter, judged when it is confirmed."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fusion import layout as at
from fusion.births import ALONE, BESIDE, NO_ODDS, odds_learnt, pace_mps
from fusion.config import FusionConfig, Terminal
from fusion.lanes import lane_cells
from fusion.radar_field import SUM, birth_odds, cell_at
from fusion.track_life import LIKELY
from fusion.track_store import settings_of
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


# ---- the first detection alone


def along_lane(tracker_lanes: bool):
    """Return a tracker, of which the lane leads west through CAR's place, or without a map."""
    points = np.stack([np.linspace(0.0, 300.0, 200), np.full(200, CAR[0, 1])], axis=1)
    lanes = lane_cells(points, np.full(200, math.pi), np.array([-10.0, -50.0]), np.array([310.0, 50.0]))
    return Tracker(
        FusionConfig(), [RADAR], [Terminal(terminal="A")], id_base=7 << 32,
        lanes=lanes if tracker_lanes else None,
    )  # fmt: skip


def scanned(tracker: Tracker, n_scans: float) -> Tracker:
    """Let the radar have scanned for so long that all who were there have been found."""
    tracker.store.settings.field[0, SUM, at.C_SCANS] = n_scans
    return tracker


def learn(tracker: Tracker, began: int, n_true: float, n_false: float) -> None:
    """Let so many first detections where CAR is have become vehicles, and none."""
    of = tracker.store.settings
    for cell in (cell_at(of, 0, *CAR[0, :2]), SUM):
        of.field[0, cell, at.C_FIRST_TRUE + 2 * (began - 1)] = n_true
        of.field[0, cell, at.C_FIRST_FALSE + 2 * (began - 1)] = n_false


@settings(deadline=None)
@given(*[st.floats(0.0, 1e4)] * 4, st.sampled_from([ALONE, BESIDE]))
def test_the_odds_are_those_of_a_beta_posterior(true, false, more_true, more_false, began):
    of = settings_of(FusionConfig(), [RADAR])
    columns = [at.C_FIRST_TRUE + 2 * (began - 1), at.C_FIRST_FALSE + 2 * (began - 1)]
    of.field[0, 9, columns] = true, false
    of.field[0, SUM, columns] = true + more_true, false + more_false
    all_true, all_false = of.field[0, SUM, columns]
    whole = float(stats.beta.mean(max(all_true, 1e-300), all_false + 2.0))
    p = float(stats.beta.mean(max(true + 2.0 * whole, 1e-300), false + 2.0 * (1.0 - whole)))
    assert odds_learnt(of, 0, 9, began) == pytest.approx(p / (1.0 - p), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(
    ("what", "numbers", "lane", "both_ways", "pace"),
    [
        ("polar", (-10.0, 1.0, 0.0), math.pi, 0.0, 10.0),  # towards the radar, and the lane leads there
        ("polar", (10.0, 1.0, 0.0), math.pi, 0.0, -10.0),  # against the lane
        ("polar", (10.0, 1.0, 0.0), math.pi, 1.0, 10.0),  # which is driven both ways
        ("polar", (5.0, 0.5, math.sqrt(0.75)), 0.0, 0.0, 10.0),  # askew: the rate is half of the speed
        ("polar", (5.0, 0.2, math.sqrt(0.96)), 0.0, 0.0, math.nan),  # nearly across the beam
        ("polar", (math.nan, 1.0, 0.0), 0.0, 0.0, math.nan),  # a radar without range rates
        ("polar", (10.0, 1.0, 0.0), math.nan, 0.0, math.nan),  # beside the lanes
        ("object", (3.0, 4.0), math.atan2(4.0, 3.0), 0.0, 5.0),
        ("object", (3.0, 4.0), math.nan, 0.0, math.nan),
    ],
)
def test_the_pace_along_the_lane(what, numbers, lane, both_ways, pace):
    of = along_lane(True).store.settings
    M = np.zeros((1, at.N_MEAS))
    M[0, at.Z_LANE], M[0, at.Z_BOTH_WAYS] = lane, both_ways
    if what == "polar":
        M[0, [at.WHAT, at.Z_RATE, at.Z_COS, at.Z_SIN]] = at.POLAR, *numbers
    else:
        M[0, [at.WHAT, at.Z_V_EAST, at.Z_V_NORTH]] = at.OBJECT, *numbers
    assert pace_mps(M, 0, of) == pytest.approx(pace, nan_ok=True)


@pytest.mark.parametrize(
    ("n_true", "n_false", "is_shown"),
    [
        (0.0, 0.0, False),  # nothing is known
        (5.0, 1.0, True),
        (60.0, 50.0, False),  # nearly every second one was clutter
        (80.0, 30.0, True),
    ],
)
def test_one_detection_is_shown_where_most_like_it_became_vehicles(n_true, n_false, is_shown):
    tracker = scanned(along_lane(True), 2_000.0)
    learn(tracker, ALONE, n_true, n_false)
    see(tracker, 1)
    batch, _ = shown_at(tracker, 1)
    assert len(batch) == is_shown
    assert not batch.confirmed.any()


def test_what_stands_or_lies_beside_the_lanes_is_not_shown_at_its_first_detection():
    for other in (
        CAR * [1.0, 1.0, 0.0, 0.0],
        CAR + np.array([0.0, 30.0, 0.0, 0.0]),
        CAR * [1.0, 1.0, -1.0, 1.0],
    ):
        tracker = scanned(along_lane(True), 2_000.0)
        learn(tracker, ALONE, 100.0, 0.0)
        tracker.step(T0_NS, scan(RADAR, T0_NS, other))
        assert len(shown_at(tracker, 1)[0]) == 0
        assert tracker.store.tracks.floats[0, at.BEGAN_ODDS] == NO_ODDS


def test_who_was_on_the_lanes_before_the_radar_began_is_no_entry():
    tracker = scanned(along_lane(True), 0.0)
    see(tracker, 1)
    assert len(shown_at(tracker, 1)[0]) == 0
    see(tracker, 12, first=1)
    assert not tracker.store.settings.field[:, :, at.C_FIRST_TRUE :].any()


@pytest.mark.parametrize(("n_seen", "counts"), [(40, [1.0, 0.0, 0.0, 0.0]), (1, [0.0, 1.0, 0.0, 0.0])])
def test_each_outcome_is_counted_once_where_it_began(n_seen, counts):
    tracker = scanned(along_lane(True), 2_000.0)
    see(tracker, n_seen)
    see(tracker, 40, first=n_seen, sees=False)
    of = tracker.store.settings
    cell = cell_at(of, 0, *CAR[0, :2])
    assert of.field[0, [cell, SUM], at.C_FIRST_TRUE :].tolist() == [counts] * 2


def test_shown_at_its_first_detection_it_is_reported_as_ended_when_it_was_clutter():
    one = scanned(along_lane(True), 2_000.0)
    learn(one, ALONE, 30.0, 10.0)
    see(one, 1)
    assert shown_at(one, 1)[0].track.tolist() == [FIRST]
    other = scanned(along_lane(True), 0.0)
    other.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(one.state()), type=TrackerState))
    ends = []
    for k in range(1, 8):
        for tracker in (one, other):
            see(tracker, 1, first=k, sees=False)
        (batch, ended), again = shown_at(one, k + 1), shown_at(other, k + 1)
        assert (batch.track.tolist(), ended) == (again[0].track.tolist(), again[1])
        assert len(batch) == 0, "one miss outweighs what three in four are"
        ends += ended
    assert ends == [FIRST]
    assert one.state() == other.state()
    assert one.store.settings.field[0, SUM, at.C_FIRST_FALSE] == 11.0


@pytest.mark.parametrize(("lorry_north_m", "is_hidden"), [(5.0, True), (9.9, False)])
def test_a_glimpse_in_a_shadow_is_not_shown_at_once(lorry_north_m, is_hidden):
    tracker = scanned(along_lane(True), 2_000.0)
    learn(tracker, ALONE, 1e6, 0.0)
    lorry = np.array([[100.0, lorry_north_m, -20.0, 0.0]])
    for k in range(13):
        t_ns = T0_NS + k * SCAN_NS
        now = lorry + np.array([-1.0 * k, 0.0, 0.0, 0.0])
        behind = np.array([[118.0, 6.7, -20.0, 0.0]] if k == 12 else np.zeros((0, 4)))
        tracker.step(t_ns, scan(RADAR, t_ns, np.concatenate([now, behind])))
    assert (tracker.store.tracks.floats[1, at.BEGAN_ODDS] == NO_ODDS) == is_hidden
    assert len(shown_at(tracker, 13)[0]) == (1 if is_hidden else 2)


def test_a_single_detection_bears_no_name():
    tracker = scanned(along_lane(True), 2_000.0)
    learn(tracker, ALONE, 100.0, 1.0)
    see(tracker, 1)
    shown_at(tracker, 1)
    report(tracker, 1)
    batch, _ = shown_at(tracker, 2)
    assert (batch.track.tolist(), batch.terminal.tolist()) == ([FIRST], [-1]), "one object, nameless"
    see(tracker, 1, first=2)
    report(tracker, 3)
    batch, _ = shown_at(tracker, 4)
    assert (batch.track.tolist(), batch.terminal.tolist()) == ([FIRST], [0])
