"""A track from RSU to RSU: joined with the neighbour's own, under one id, with what was learnt."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st

from fusion import handover_adopt as adopt
from fusion.config import FusionConfig, Terminal
from fusion.handover import CarriedTrack
from fusion.layout import (
    BEND,
    BIAS_EAST,
    BIAS_NORTH,
    BOUND,
    PRESUMED,
    RADAR_NS,
    STAMP,
    STATUS,
    T_HIGH,
    TERMINAL,
    V_EAST,
)
from fusion.track_store import TrackStore
from fusion.tracker import Tracker
from tests.support.fusion_world import T0_NS, Vehicle, World, fix, pose, scan

GIVER, TAKER = pose("G", 0.0, -8.0, 0.0), pose("N", 400.0, -8.0, math.pi)
TRUCK = Terminal(terminal="A", length_m=14.0, width_m=2.5)


def given(seed: int = 1) -> World:
    """Return a world at whose giver truck A is bound."""
    world = World([Vehicle(60.0, 0.0, 20.0, "A")], [GIVER], seed)
    for _ in range(120):
        world.step()
    assert world.tracker.counts["identity.bound"] == 1
    return world


GIVEN = given()


def taker() -> Tracker:
    return Tracker(FusionConfig(), [TAKER], [TRUCK], id_base=8 << 32)


def sent(world: World, ids=None) -> list[CarriedTrack]:
    """Return the giver's tracks as they come off the wire."""
    tracks = world.tracker.carry(world.tracker.at(world.now_ns).track.tolist() if ids is None else ids)
    return msgspec.msgpack.decode(msgspec.msgpack.encode(tracks), type=list[CarriedTrack])


def watch(tracker: Tracker, world: World, steps: int, *, fixes: bool = False) -> None:
    """Let the taker's radar see what goes on at the giver's for a while."""
    for _ in range(steps):
        world.step()
        tracker.step(world.now_ns, scan(TAKER, world.now_ns, world.truth, world.rng.normal(size=(1, 3))))
        if fixes and world.n_steps % 20 == 0:
            east, north = world.truth[0, :2] + [0.5, -0.5]
            tracker.step(world.now_ns, fix("A", world.now_ns, east, north, speed_mps=20.0, heading_rad=0.0))


def test_a_track_unknown_to_the_taker_is_created_and_then_seen_by_its_radar():
    world, tracker = given(), taker()
    tracker.adopt(world.now_ns, sent(world))
    key = world.tracker.at(world.now_ns).track.tolist()
    assert tracker.at(world.now_ns).track.tolist() == key
    watch(tracker, world, 20)
    tracks = tracker.at(world.now_ns)
    assert tracks.track.tolist() == key
    assert tracks.terminal.tolist() == [0]
    assert tracks.radar_ns.tolist() == [world.now_ns]
    assert np.hypot(*(tracks.x[0, :2] - world.truth[0, :2])) < 1.0


def test_the_taker_s_own_radar_track_goes_on_under_the_carried_id():
    world, tracker = given(), taker()
    watch(tracker, world, 20)
    own = int(tracker.at(world.now_ns).track[0])
    (carried,) = sent(world)
    update = tracker.adopt(world.now_ns, [carried])
    assert (update.merged, update.ended) == (((own, carried.track),), ())
    tracks = tracker.at(world.now_ns)
    assert tracks.track.tolist() == [carried.track]
    assert tracks.terminal.tolist() == [0]
    assert tracks.length_m.tolist() == [14.0]


def test_own_radar_and_own_gnss_track_both_join():
    world, tracker = given(), taker()
    watch(tracker, world, 21, fixes=True)
    before = tracker.at(world.now_ns)
    assert len(before) == 1
    assert "identity.bound" not in tracker.counts, "presumed, not bound yet"
    (carried,) = sent(world)
    update = tracker.adopt(world.now_ns, [carried])
    after = tracker.at(world.now_ns)
    assert after.track.tolist() == [carried.track]
    assert [gone for gone, _ in update.merged] == before.track.tolist()
    assert not tracker.store.ints[:, PRESUMED].any(), "what the neighbour knows is not presumed"


def test_what_was_learnt_of_the_terminal_s_error_is_carried():
    world, tracker = given(), taker()
    watch(tracker, world, 20)
    tracker.adopt(world.now_ns, sent(world))
    bound = np.flatnonzero(tracker.store.X[:, BOUND])[0]
    learnt = tracker.store.X[bound, BIAS_EAST : BIAS_NORTH + 1]
    assert np.hypot(*(learnt - world.vehicles[0].bias_m)) < 1.0


def adopted_beside_one(world, tracker, steps):
    """Let the taker's radar see a vehicle in the next lane only, then adopt; its id, and the carried."""
    for _ in range(steps):
        world.step()
        beside = world.truth + np.array([0.0, 3.75, 0.0, 0.0])
        tracker.step(world.now_ns, scan(TAKER, world.now_ns, beside, world.rng.normal(size=(1, 3))))
    own = int(tracker.at(world.now_ns).track[0])
    (carried,) = sent(world)
    return own, carried, tracker.adopt(world.now_ns, [carried])


def test_a_neighbour_in_the_next_lane_is_not_taken_for_the_carried_one():
    world, tracker = given(), taker()
    own, carried, update = adopted_beside_one(world, tracker, 20)
    assert tracker.at(world.now_ns).track.tolist() == sorted([own, carried.track])
    assert update.merged == ()


@given_any(
    st.integers(0, 2**32 - 1), st.floats(-6.0, 6.0), st.floats(0.0, 40.0), st.floats(-3.0, 3.0), st.booleans()
)
def test_of_many_own_tracks_the_same_one_joins_as_if_all_were_predicted(seed, later_s, fast, bend, known):
    rng, config = np.random.default_rng(seed), FusionConfig(tracks_max=64)
    store, n = TrackStore(config, [TAKER]), 60
    store.tally[T_HIGH] = n
    store.ints[:n, STATUS], store.ints[:n, TERMINAL] = rng.integers(0, 4, n), rng.integers(-1, 2, n)
    store.ints[:n, STAMP] = T0_NS + rng.integers(0, 300, n) * 1_000_000
    store.ints[:n, RADAR_NS] = store.ints[:n, STAMP] - rng.integers(0, 2, n) * 3_000_000_000
    store.X[:n, :2] = rng.normal((later_s * fast, 0.0), 15.0, (n, 2))
    store.X[:n, V_EAST], store.X[:n, BEND] = fast, rng.normal(0.0, 2.0, n)
    store.P[:] = np.diag([4.0, 4.0, 1.0, 1.0, 0.1, 0.0, 0.0, 0.0])
    (carried,) = sent(GIVEN)
    stamp_ns = T0_NS - int(later_s * 1e9)
    state = msgspec.structs.replace(
        carried.state, position_m=(0.0, 0.0), velocity_mps=(fast, 0.0), bend_mps2=bend
    )
    carried = msgspec.structs.replace(
        carried,
        stamp_ns=stamp_ns,
        radar_ns=stamp_ns,
        state=state,
        terminal=carried.terminal if known else None,
    )
    found = adopt._by_place(store, carried)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adopt, "_near", lambda store, track: range(int(store.tally[T_HIGH])))
        assert found == adopt._by_place(store, carried)


def test_a_place_that_fixes_alone_tell_takes_nobody_s_radar_track():
    """The giver never saw truck A; a vehicle 4 m beside its fixes need not be it."""
    world = World([Vehicle(130.0, 0.0, 20.0, "A")], [], 1)
    tracker = taker()
    own, carried, _ = adopted_beside_one(world, tracker, 60)
    tracks = tracker.at(world.now_ns)
    assert dict(zip(tracks.track.tolist(), tracks.terminal.tolist(), strict=True)) == {
        own: -1,
        carried.track: 0,
    }


def test_the_same_handover_twice_changes_nothing_more():
    world, tracker = given(), taker()
    watch(tracker, world, 20)
    tracks = sent(world)
    tracker.adopt(world.now_ns, tracks)
    before = tracker.at(world.now_ns)
    assert tracker.adopt(world.now_ns, tracks).merged == ()
    np.testing.assert_array_equal(tracker.at(world.now_ns).x, before.x)
    assert len(tracker.at(world.now_ns)) == 1


def test_what_does_not_fit_is_counted():
    world, tracker = given(), taker()
    (carried,) = sent(world)
    state, replaced = carried.state, msgspec.structs.replace
    covariance, bias = state.covariance, state.bias
    states = [
        replaced(state, covariance=replaced(covariance, position=(math.nan, *covariance.position[1:]))),
        replaced(state, covariance=replaced(covariance, position=(-1.0, *covariance.position[1:]))),
        replaced(state, covariance=replaced(covariance, velocity=(1.0, 0.0))),
        replaced(state, position_m=(math.nan, 0.0)),
        replaced(state, position_m=(1e300, 0.0)),
        replaced(state, velocity_mps=(0.0, math.inf)),
        replaced(state, bias=replaced(bias, sigma_m=0.0)),
        replaced(state, bias=replaced(bias, tau_s=-1.0)),
        replaced(state, manoeuvre=replaced(state.manoeuvre, calm=(1.5, 0.5))),
        replaced(state, manoeuvre=replaced(state.manoeuvre, calm=(0.5, math.nan))),
        replaced(state, manoeuvre=replaced(state.manoeuvre, corrections=(1e9, 0.0))),
        replaced(state, manoeuvre=replaced(state.manoeuvre, kept=-0.1)),
    ]
    broken = [
        *(replaced(carried, state=broken) for broken in states),
        replaced(carried, identity_p=1.5),
        replaced(carried, period_ns=2**63),
        replaced(carried, outliers=-1),
        *(replaced(carried, track=key) for key in (0, -1, 2**64)),
    ]
    tracker.adopt(world.now_ns, broken)
    assert tracker.counts == {"handover.misfit": len(broken)}
    assert len(tracker.at(world.now_ns)) == 0


def test_a_track_of_a_neighbour_whose_clock_is_ahead_is_not_believed():
    """It would never be silent long enough to end, and every own measurement would come late for it."""
    world, tracker = given(), taker()
    tracker.adopt(world.now_ns - 5_000_000_000, sent(world))
    assert tracker.counts == {"handover.misfit": 1}
    assert len(tracker.at(world.now_ns)) == 0


def test_a_full_table_has_room_for_what_joins_its_own_tracks_only():
    world = given()
    tracker = Tracker(FusionConfig(tracks_max=1), [TAKER], [TRUCK], id_base=8 << 32)
    (carried,) = sent(world)
    moved = msgspec.structs.replace(carried.state, position_m=(200.0, carried.state.position_m[1]))
    stranger = msgspec.structs.replace(carried, track=5, terminal=None, state=moved)
    assert tracker.has_room([carried])
    assert not tracker.has_room([carried, stranger])
    tracker.adopt(world.now_ns, [carried])
    assert tracker.has_room([carried])
    assert not tracker.has_room([stranger])
    assert not tracker.has_room([carried, msgspec.structs.replace(carried, track=6)]), "one row for two"


def test_drop_forgets_without_calling_it_ended():
    world = given()
    keys = world.tracker.at(world.now_ns).track.tolist()
    world.tracker.drop([*keys, 99])
    assert len(world.tracker.at(world.now_ns)) == 0
    assert world.tracker.tick(world.now_ns).ended == ()
    assert sent(world, [T0_NS, *keys]) == []
