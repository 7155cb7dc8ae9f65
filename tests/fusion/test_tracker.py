"""The tracker's life: starts, ends, late and odd data, restart, and the same bytes for the same inputs."""

import dataclasses
import math

import msgspec
import numpy as np
import pytest

from fusion.config import FusionConfig, Terminal
from fusion.layout import BOUND, RING_HEAD, RING_LEN, STATUS
from fusion.observations import ObjectScan
from fusion.track_store import RING, chi2_quantile
from fusion.tracker import Tracker
from fusion.tracker_state import TrackerState
from tests.support.fusion_world import NAN, T0_NS, Vehicle, World, fix, pose, scan

RADAR = pose("R", 0.0, 0.0, 0.0)
CAR = np.array([[100.0, 5.0, -20.0, 0.0]])


def tracker_of(*terminals: Terminal, radars=(RADAR,), **config) -> Tracker:
    return Tracker(FusionConfig(**config), radars, terminals, id_base=7 << 32)


def at(seconds: float) -> int:
    return T0_NS + round(seconds * 1e9)


def drive(tracker, begin_s, end_s, *, state=CAR, period_s=0.05, radar=RADAR):
    """Show one vehicle to the radar, noise-free; return its last read-out."""
    touched = None
    for step in range(round(begin_s / period_s), round(end_s / period_s) + 1):
        t = step * period_s
        moved = state + t * np.array([[state[0, 2], state[0, 3], 0.0, 0.0]])
        touched = tracker.step(at(t), scan(radar, at(t), moved)).touched
    return touched


def bytes_of(batch) -> bytes:
    return b"".join(np.ascontiguousarray(column).tobytes() for column in dataclasses.astuple(batch))


# ---- life


def test_a_track_is_tentative_then_confirmed_under_the_first_id():
    tracker = tracker_of()
    first = tracker.step(at(0.0), scan(RADAR, at(0.0), CAR)).touched
    assert first.track.tolist() == [0]
    assert not first.confirmed[0]
    assert len(tracker.at(at(0.0))) == 0
    batch = drive(tracker, 0.05, 0.5)
    assert batch.track.tolist() == [(7 << 32) + 1]
    assert batch.confirmed[0]
    assert batch.radar_ns[0] == batch.enforcing_ns[0] == at(0.5)
    np.testing.assert_allclose(batch.x[0], [90.0, 5.0, -20.0, 0.0], atol=0.2)


def test_a_radar_that_is_not_accepted_tracks_but_does_not_enforce():
    radar = pose("R", 0.0, 0.0, 0.0, accepted=False)
    batch = drive(tracker_of(radars=(radar,)), 0.0, 0.5, radar=radar)
    assert batch.radar_ns[0] == at(0.5)
    assert batch.enforcing_ns[0] == 0


def test_a_radar_track_ends_after_its_timeout_and_not_before():
    tracker = tracker_of()
    drive(tracker, 0.0, 0.5)
    assert tracker.tick(at(1.5)).ended == ()
    assert tracker.at(at(1.5)).coasting[0]
    assert tracker.tick(at(1.5) + 1).ended == ((7 << 32) + 1,)
    assert tracker.tick(at(1.5) + 2).ended == ()


def test_clutter_alone_confirms_nothing():
    tracker, rng = tracker_of(), np.random.default_rng(3)
    for step in range(600):
        polar = np.stack(
            [300 * np.sqrt(rng.random(2)), 2.1 * (rng.random(2) - 0.5), 15 * rng.normal(size=2)], 1
        )
        tracker.step(at(0.05 * step), scan(RADAR, at(0.05 * step), np.zeros((0, 4)), clutter=polar))
    assert len(tracker.at(at(30.0))) == 0


def test_a_standing_target_stays_one_track():
    state = np.array([[80.0, -10.0, 0.0, 0.0]])
    tracker, rng = tracker_of(), np.random.default_rng(4)
    for step in range(400):
        tracker.step(at(0.05 * step), scan(RADAR, at(0.05 * step), state, rng.normal(size=(1, 3))))
        assert tracker.tick(at(0.05 * step)).ended == ()
    batch = tracker.at(at(20.0))
    assert batch.track.tolist() == [(7 << 32) + 1]
    assert math.hypot(*batch.x[0, 2:]) < 3.0 * math.sqrt(batch.P[0, 2, 2] + batch.P[0, 3, 3]) < 3.0
    assert np.hypot(*(batch.x[0, :2] - state[0, :2])) < 0.5


def test_a_second_echo_of_a_truck_starts_no_second_track():
    tracker = tracker_of()
    drive(tracker, 0.0, 0.5)
    for step in range(11, 40):
        t = 0.05 * step
        truck = CAR + t * np.array([[-20.0, 0.0, 0.0, 0.0]])
        tracker.step(
            at(t), scan(RADAR, at(t), np.stack([truck[0], truck[0] + np.array([3.5, 0.8, 0.0, 0.0])]))
        )
    assert len(tracker.at(at(2.0))) == 1


def test_a_full_table_is_counted_not_raised():
    tracker = tracker_of(tracks_max=3)
    targets = np.array([[50.0 + 20.0 * i, 0.0, 0.0, 0.0] for i in range(8)])
    tracker.step(at(0.0), scan(RADAR, at(0.0), targets))
    assert tracker.counts["tracks.full"] == 5


# ---- odd data


@pytest.mark.parametrize("n", [0, 1, 512, 700])  # none, one, the wire's limit, beyond the first buffers
def test_any_number_of_detections_passes(n):
    targets = np.stack([20.0 + 0.4 * np.arange(n), np.zeros(n), np.zeros(n), np.zeros(n)], axis=1)
    tracker = tracker_of()
    for step in range(3):
        tracker.step(at(0.05 * step), scan(RADAR, at(0.05 * step), targets))


def test_odd_scans_are_counted():
    tracker = tracker_of()
    seen = scan(RADAR, at(0.0), np.repeat(CAR, 4, axis=0))
    seen.range_m[0], seen.azimuth_rad[1], seen.range_m[2] = NAN, math.inf, -1.0
    tracker.step(at(0.0), seen)
    tracker.step(at(0.0), dataclasses.replace(seen, sensor="unknown"))
    tracker.step(at(0.0), scan(RADAR, at(1.1), CAR))
    tracker.step(at(9.0), scan(RADAR, at(6.4), CAR))
    assert tracker.counts == {
        "radar.odd_detection": 3,
        "radar.unknown": 1,
        "radar.future": 1,
        "radar.late": 1,
    }


def test_a_scan_that_comes_twice_is_fused_once():
    """Switches mirror and bonded links double: errors that repeat are no new evidence, clutter no vehicle."""
    once, twice = tracker_of(), tracker_of()
    for k in range(40):
        targets = CAR + 0.05 * k * np.array([[-20.0, 0.0, 0.0, 0.0]])
        seen = scan(RADAR, at(0.05 * k), targets, clutter=np.array([[90.0, 0.3, 1.0 + k % 7]]))
        for tracker, times in ((once, 1), (twice, 3)):
            for _ in range(times):
                tracker.step(at(0.05 * k), seen)
    assert bytes_of(once.at(at(2.0))) == bytes_of(twice.at(at(2.0)))
    assert twice.counts == once.counts | {"radar.duplicate": 80}


def test_a_copy_is_known_after_a_restart_and_when_it_is_late():
    tracker, fresh = tracker_of(), tracker_of()
    sent = [scan(RADAR, at(0.05 * k), CAR) for k in range(40)]
    for k, seen in enumerate(sent):
        tracker.step(at(0.05 * k), seen)
    fresh.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(tracker.state()), type=TrackerState))
    for seen in sent:
        fresh.step(at(2.0), seen)
    assert fresh.counts["radar.duplicate"] == 40
    assert bytes_of(fresh.at(at(2.0))) == bytes_of(tracker.at(at(2.0)))


def test_the_other_half_of_a_scan_is_no_copy():
    tracker = tracker_of()
    for k in range(20):
        for ahead_m in (0.0, 60.0):
            targets = CAR + np.array([[ahead_m - k, 0.0, 0.0, 0.0]])
            tracker.step(at(0.05 * k), scan(RADAR, at(0.05 * k), targets))
    assert "radar.duplicate" not in tracker.counts
    assert len(tracker.at(at(1.0))) == 2


def test_odd_fixes_are_counted_and_move_nothing():
    tracker = tracker_of()
    tracker.step(at(0.0), fix("T", at(0.0), 1.0, 2.0))
    before = bytes_of(tracker.at(at(0.5)))
    odd = [
        fix("T", at(0.0), 1.0, 2.0),  # again
        fix("T", at(2.0), 1.0, 2.0),  # more than a second ahead of 0.5
        fix("T", at(-2.1), 1.0, 2.0),  # older than the history
        fix("T", at(-0.5), 1.0, 2.0),  # older than its track
        fix("T", at(0.1), 90.0, 2.0, usable=0.0),
        fix("T", at(0.2), NAN, 2.0),
    ]
    for message in odd:
        assert len(tracker.step(at(0.5), message).touched) == 0
    assert bytes_of(tracker.at(at(0.5))) == before
    assert tracker.counts == {"gnss.duplicate": 1, "gnss.future": 1, "gnss.late": 2, "gnss.unusable": 2}


def test_objects_of_a_radar_that_tracks_are_tracked():
    tracker = tracker_of(radars=(pose("R", 10.0, 20.0, math.pi / 2),))
    for step in range(20):
        t = 0.1 * step
        n = np.array
        tracker.step(
            at(t),
            ObjectScan(
                sensor="R", stamp_ns=at(t), arrived_ns=at(t), scan=step, object_id=n([5]),
                x_m=n([50.0 + 10 * t]), y_m=n([-3.0]), vx_mps=n([10.0]), vy_mps=n([0.0]),
                length_m=n([12.5]), width_m=n([0.0]), kind=n([3]),
            ),
        )  # fmt: skip
    batch = tracker.at(at(1.9))
    np.testing.assert_allclose(batch.x[0], [13.0, 89.0, 0.0, 10.0], atol=0.05)
    assert (batch.length_m[0], batch.kind[0]) == (12.5, 3)
    assert math.isnan(batch.width_m[0])


# ---- time


def fixes_along(times):
    return [
        fix("T", at(t), 20.0 * t, math.sin(t), speed_mps=20.0, heading_rad=0.1 * math.cos(t)) for t in times
    ]


@pytest.mark.parametrize("late", [1, 4, 7])  # by so many messages
def test_a_late_fix_gives_the_very_state_of_one_in_time(late):
    times = [0.0, 0.2, 0.4, 0.5, 0.8, 1.0, 1.2, 1.5, 1.9]
    in_time, delayed = tracker_of(), tracker_of()
    messages = fixes_along(times)
    for message in messages:
        in_time.step(at(2.0), message)
    delayed_one = messages.pop(1)
    messages.insert(1 + late, delayed_one)
    for message in messages:
        delayed.step(at(2.0), message)
    assert bytes_of(in_time.at(at(2.0))) == bytes_of(delayed.at(at(2.0)))


def test_a_late_scan_gives_the_very_state_of_one_in_time():
    in_time, delayed = tracker_of(), tracker_of()
    drive(in_time, 0.0, 1.0)
    drive(delayed, 0.0, 0.7)
    scans = [
        scan(RADAR, at(t), CAR + t * np.array([[-20.0, 0.0, 0.0, 0.0]])) for t in 0.05 * np.arange(15, 21)
    ]
    for k in (1, 3, 0, 5, 2, 4):
        delayed.step(at(1.0), scans[k])
    np.testing.assert_array_equal(in_time.at(at(1.0)).x, delayed.at(at(1.0)).x)
    np.testing.assert_array_equal(in_time.at(at(1.0)).P, delayed.at(at(1.0)).P)


def test_at_never_predicts_backwards():
    tracker = tracker_of()
    drive(tracker, 0.0, 1.0)
    assert tracker.at(at(0.9)).stamp_ns.tolist() == [at(1.0)]
    assert tracker.at(at(1.2)).stamp_ns.tolist() == [at(1.2)]


def test_sensor_states():
    tracker = tracker_of(radars=(RADAR, pose("S", 0.0, 0.0, 0.0)))
    drive(tracker, 0.0, 0.5)
    assert tracker.sensor_state(at(1.5)) == {"R": "online", "S": "never"}
    assert tracker.sensor_state(at(1.6)) == {"R": "silent", "S": "never"}


# ---- restart, and the same again


def small_world(seed: int = 5) -> World:
    vehicles = [Vehicle(0.0, 0.0, 20.0, "A"), Vehicle(-30.0, 0.0, 20.5, "B"), Vehicle(10.0, 3.75, 22.0)]
    return World(vehicles, [pose("R", 100.0, -8.0, 0.0), pose("S", 350.0, -8.0, math.pi)], seed)


def test_the_same_inputs_give_the_same_bytes():
    one, other = small_world(), small_world()
    for _ in range(200):
        one.step()
        other.step()
        assert bytes_of(one.tracker.at(one.now_ns)) == bytes_of(other.tracker.at(other.now_ns))
    assert len(one.tracker.at(one.now_ns)) == 3


def ring_of(tracker: Tracker, i: int) -> list[list[float]]:
    """The live part of a track's ring: stamps, then the packed states, oldest first."""
    store, rings = tracker.store, tracker.store.rings
    order = (store.ints[i, RING_HEAD] + np.arange(store.ints[i, RING_LEN])) % RING
    pairs = zip(rings.packed[i, order], rings.bound[i, order], strict=True)
    states = [[*packed.tolist(), *(bound.tolist() if packed[BOUND] else ())] for packed, bound in pairs]
    return [rings.stamps[i, order].tolist(), *(["nan" if v != v else v for v in row] for row in states)]


def test_a_restart_from_its_state_goes_on_to_the_byte():
    kept, restarted = small_world(), small_world()
    for _ in range(130):  # in the middle of identity, with fixes under way
        kept.step()
        restarted.step()
    packed = msgspec.msgpack.encode(restarted.tracker.state())
    fresh = Tracker(FusionConfig(), restarted.radars, [], id_base=7 << 32)
    fresh.restore(msgspec.msgpack.decode(packed, type=TrackerState))
    for i in kept.tracker.store.ints[:, STATUS].nonzero()[0].tolist():
        assert ring_of(fresh, i) == ring_of(kept.tracker, i), "built again from its base"
    restarted.tracker = fresh
    for _ in range(150):
        kept.step()
        restarted.step()
        assert bytes_of(kept.tracker.at(kept.now_ns)) == bytes_of(fresh.at(kept.now_ns))
    assert kept.tracker.counts == fresh.counts
    assert kept.tracker.terminal_ids == fresh.terminal_ids
    assert kept.merged == restarted.merged != []


def test_a_registered_terminal_that_was_never_heard_costs_a_state_little():
    some = tracker_of()
    many = tracker_of(*(Terminal(terminal=f"{n:012d}", kind=4) for n in range(1_000)))
    sizes = [len(msgspec.msgpack.encode(tracker.state())) for tracker in (some, many)]
    assert sizes[1] - sizes[0] < 300 * 1_000
    fresh = tracker_of()
    fresh.restore(many.state())
    assert fresh.terminal_ids == many.terminal_ids
    assert fresh.state() == many.state()


def test_clear_forgets_tracks_but_never_an_id():
    tracker = tracker_of()
    drive(tracker, 0.0, 0.5)
    tracker.clear()
    assert len(tracker.at(at(0.5))) == 0
    assert drive(tracker, 0.55, 1.0).track.tolist() == [(7 << 32) + 2]


def test_the_quantile_is_the_distributions():
    from scipy.stats import chi2

    for p in (0.5, 0.99, 0.9999):
        assert chi2_quantile(p, 2) == pytest.approx(chi2.ppf(p, 2), rel=1e-9)
        assert chi2_quantile(p, 3) == pytest.approx(chi2.ppf(p, 3), rel=1e-9)
