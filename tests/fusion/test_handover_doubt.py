"""Doubt in a terminal crosses to the next RSU, and holds there until that has looked for itself."""

import math

import msgspec
import numpy as np
import pytest

from fusion import doubt_table as col
from fusion import layout as at
from fusion.config import FusionConfig, Terminal
from fusion.doubt_table import ASTRAY, BEARS_JAM, DRAGGED, FROZEN, GHOST, JAMMED, OVERCONFIDENT
from fusion.handover import CarriedTrack
from fusion.handover_doubt import CarriedDoubt, CarriedJam
from fusion.tracker import Tracker
from tests.fusion.test_handover import GIVEN, TAKER, given, sent, taker, watch
from tests.support.fusion_world import fix

NS = 10**9


def kinds(tracker, t_ns):
    batch = tracker.at(t_ns)
    return int(np.bitwise_or.reduce(tracker.doubt(batch)[batch.terminal >= 0]))


def doubted(bits, **floats):
    """Return the giver's truck as it is sent, with doubt in its terminal written by hand."""
    world = given()
    rows = world.tracker.doubts.rows
    rows.ints[0, col.KINDS] = bits
    for name, value in floats.items():
        rows.floats[0, getattr(col, name)] = value
    tracks = sent(world)
    if bits & GHOST:  # no radar ever measured it
        tracks = [msgspec.structs.replace(track, radar_ns=0, enforcing_ns=0) for track in tracks]
    return world, tracks


@pytest.mark.parametrize("bits", [GHOST, DRAGGED, FROZEN, OVERCONFIDENT, DRAGGED | OVERCONFIDENT])
def test_a_flag_holds_while_the_taker_sees_nothing(bits):
    world, tracks = doubted(bits, UNSEEN=-13.8, FAST_E=30.0, SQUARES=90.0, LOOKS=9.0, ANCHOR_E=1.0)
    tracker = taker()
    tracker.adopt(world.now_ns, tracks)
    for k in range(1, 32):  # then it ends, without a fix
        tracker.tick(world.now_ns + k * NS // 10)
        assert kinds(tracker, world.now_ns + k * NS // 10) & bits == bits
    row = tracker.doubts.rows.floats[0]
    assert (row[col.FAST_E], row[col.SQUARES], row[col.LOOKS]) == (30.0, 90.0, 9.0)


def test_a_ghost_that_the_takers_radar_sees_is_none_any_more():
    world, tracks = doubted(GHOST, UNSEEN=-13.8)
    tracker = taker()
    tracker.adopt(world.now_ns, tracks)
    tracker.tick(world.now_ns)
    assert kinds(tracker, world.now_ns) == GHOST
    for _ in range(70):
        watch(tracker, world, 2, fixes=True)
        tracker.tick(world.now_ns)
    assert kinds(tracker, world.now_ns) == 0


def test_whose_terminal_was_proved_is_astray_and_no_ghost():
    world = given()
    world.tracker.doubts.rows.ints[0, [col.KINDS, col.PROVED]] = ASTRAY, 1
    world.tracker.doubts.rows.floats[0, col.UNSEEN] = -13.8
    tracker = taker()
    tracker.adopt(world.now_ns, [msgspec.structs.replace(sent(world)[0], radar_ns=0, enforcing_ns=0)])
    tracker.tick(world.now_ns + NS // 10)
    assert kinds(tracker, world.now_ns + NS // 10) == ASTRAY | DRAGGED


def test_what_the_taker_has_found_out_itself_stays():
    world, tracks = doubted(GHOST | FROZEN, UNSEEN=-13.8, SQUARES=90.0, LOOKS=9.0)
    tracker = taker()
    for _ in range(40):
        watch(tracker, world, 2, fixes=True)
        tracker.tick(world.now_ns)
    assert tracker.counts["identity.bound"] == 1
    tracker.doubts.rows.ints[0, col.ANCHOR_NS] = world.now_ns
    tracker.doubts.rows.floats[0, [col.AGE_S, col.SQUARES, col.LOOKS]] = 12.0, 2.0, 1.0
    tracker.adopt(world.now_ns, tracks)
    tracker.tick(world.now_ns + NS // 10)
    assert kinds(tracker, world.now_ns + NS // 10) == 0
    assert tracker.doubts.rows.floats[0, col.LOOKS] == 1.0


def test_a_jam_crosses_with_the_one_that_bears_its_name():
    world = given()
    doubts = world.tracker.doubts.rows
    doubts.jam_ints[2] = world.now_ns - 9 * NS, world.now_ns, 1
    doubts.jams[2] = 200.0, 5.0, 80.0
    (track,) = sent(world)
    assert track.doubt.jam == CarriedJam(since_ns=world.now_ns - 9 * NS, place_m=(200.0, 5.0), reach_m=80.0)
    tracker = taker()
    tracker.adopt(world.now_ns, [track])
    tracker.adopt(world.now_ns, [track])  # the same one again is the same jam
    assert np.count_nonzero(tracker.doubts.rows.jam_ints[:, col.J_SINCE_NS]) == 1
    tracker.tick(world.now_ns + NS // 10)
    assert kinds(tracker, world.now_ns + NS // 10) & BEARS_JAM


def test_without_a_word_of_doubt_nothing_is_doubted():
    (track,) = sent(GIVEN)
    assert track.doubt == CarriedDoubt(
        **{name: getattr(track.doubt, name) for name in CarriedDoubt.__struct_fields__} | {"kinds": 0}
    )
    tracker = taker()
    tracker.adopt(GIVEN.now_ns, [msgspec.structs.replace(track, doubt=None)])
    assert not tracker.doubts.rows.ints[:, [col.KINDS, col.SERIAL]].any()


def test_an_earlier_version_reads_a_track_with_doubt():
    """It ignores the field; `/state`, whose doubt lies elsewhere, has none."""
    older = msgspec.defstruct(
        "CarriedTrack",
        [(f.name, f.type, f.default) if not f.required else (f.name, f.type)
         for f in msgspec.structs.fields(CarriedTrack) if f.name != "doubt"],
        kw_only=True,
    )  # fmt: skip
    world, (track,) = doubted(GHOST, UNSEEN=-13.8)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(track), type=older).track == track.track
    assert all(stored.track.doubt is None for stored in world.tracker.state().tracks)


@pytest.mark.parametrize(
    "changes",
    [
        {"kinds": JAMMED},  # the place's, not the terminal's
        {"kinds": 1 << 40},
        {"unseen": 0.1},
        {"unseen": math.nan},
        {"unseen": -1e9},  # no look would ever clear it
        {"squares": -1.0},
        {"looks": math.inf},
        {"error_m": (1e9, 0.0)},
        {"anchor_ns": 2**62},
        {"repeats": 2**40},
        {"stood_m": (math.nan, 0.0)},
        {"jam": CarriedJam(since_ns=0, place_m=(0.0, 0.0), reach_m=1.0)},
        {"jam": CarriedJam(since_ns=1, place_m=(0.0, math.nan), reach_m=1.0)},
        {"jam": CarriedJam(since_ns=1, place_m=(0.0, 0.0), reach_m=-1.0)},
    ],
)
def test_doubt_that_can_not_be_true_is_not_believed(changes):
    (track,) = sent(GIVEN)
    tracker = Tracker(FusionConfig(), [TAKER], [Terminal(terminal="A")], id_base=1 << 32)
    assert tracker.believes(GIVEN.now_ns, track)
    doubt = msgspec.structs.replace(track.doubt, **changes)
    assert not tracker.believes(GIVEN.now_ns, msgspec.structs.replace(track, doubt=doubt))


def test_a_frozen_terminal_whose_vehicle_the_taker_follows_stays_frozen():
    """Its anchor crosses: the next equal fix says so again, where without it the flag would be dropped."""
    world = given()
    rows = world.tracker.doubts.rows
    east, north = 150.0, 0.0
    rows.ints[0, [col.KINDS, col.ANCHOR_NS, col.REPEATS]] = FROZEN, world.now_ns - 2 * NS, 4
    rows.floats[0, [col.ANCHOR_E, col.ANCHOR_N, col.STOOD_E, col.STOOD_N]] = east, north, east, north
    tracks = sent(world)
    tracker = taker()
    watch(tracker, world, 10)
    tracker.adopt(world.now_ns, tracks)
    tracker.step(world.now_ns, fix("A", world.now_ns, east, north, speed_mps=20.0, heading_rad=0.0))
    tracker.tick(world.now_ns)
    assert kinds(tracker, world.now_ns) & FROZEN
    assert tracker.store.ints[0, at.TERMINAL] >= 0
