"""Two tracks in one place become one; two vehicles side by side or in a platoon never do."""

import numpy as np
import pytest

from fusion import duplicate_tracks
from fusion.config import FusionConfig
from fusion.layout import BORN, CONFIRMED, EXTENT, HEADING, PRESUMED, RADAR_NS, STAMP, STATUS, TERMINAL
from fusion.track_store import TrackStore

T0_NS = 1_800_000_000 * 10**9
HELD_NS = duplicate_tracks.HELD_NS


def store_of(*states, terminals=(-1, -1)):
    """Two confirmed tracks, ids 1 and 2, the first the older one; states: east, north, v_east, v_north."""
    store = TrackStore(FusionConfig(tracks_max=8), ())
    for i, (state, terminal) in enumerate(zip(states, terminals, strict=True)):
        store.X[i, :4] = state
        store.X[i, HEADING] = 0.0  # heading east
        for column, value in (
            (STATUS, CONFIRMED), (TERMINAL, terminal), (BORN, T0_NS + i), (STAMP, T0_NS), (RADAR_NS, T0_NS)
        ):  # fmt: skip
            store.ints[i, column] = value
        store.track[i] = i + 1
    return store


@pytest.mark.parametrize(
    ("other", "terminals", "want"),
    [
        ((1.0, 1.0, 16.0, 0.0), (-1, -1), [(1, 0)]),  # the older stays
        ((1.0, 1.0, 16.0, 0.0), (-1, 3), [(0, 1)]),  # the identified stays
        ((1.0, 1.0, 16.0, 0.0), (2, 3), []),  # two terminals are two vehicles
        ((0.0, 3.75, 16.0, 0.0), (-1, -1), []),  # side by side in two lanes
        ((8.0, 0.0, 16.0, 0.0), (-1, -1), []),  # one behind the other
        ((1.0, 1.0, -16.0, 0.0), (-1, -1), []),  # passing the other way
    ],
)
def test_twins_step(other, terminals, want):
    store = store_of((0.0, 0.0, 16.0, 0.0), other, terminals=terminals)
    rows = np.array([0, 1])
    held, joined = duplicate_tracks.step(store, rows, T0_NS, {})
    assert joined == [], "not at first sight"
    store.ints[:2, RADAR_NS] += HELD_NS
    store.ints[:2, STAMP] += HELD_NS
    assert duplicate_tracks.step(store, rows, T0_NS + HELD_NS, held)[1] == want


@pytest.mark.parametrize(("extents_m", "apart", "want"), [
    ((5.0, 5.0), (7.5, 0.5, 0.0), [(1, 0)]),  # the flank of a lorry was taken for its end
    ((6.7, 2.3), (6.5, 0.5, 0.0), [(1, 0)]),  # one of them for a car's
    ((5.0, 5.0), (8.5, 0.5, 0.0), []),  # their extents may be too long
    ((5.0, 5.0), (8.0, 2.5, 0.0), []),  # one comes back into the lane before the other
    ((5.0, 5.0), (8.0, 0.5, 2.0), []),  # one passes the other
    ((6.7, 6.7), (13.0, 0.5, 0.0), []),  # lorries may be shorter than that
])  # fmt: skip
def test_bodies_that_would_overlap_are_one(extents_m, apart, want):
    along_m, across_m, faster_mps = apart
    store = store_of((0.0, 0.0, 16.0, 0.0), (along_m, across_m, 16.0 + faster_mps, 0.0))
    store.X[:2, EXTENT] = extents_m
    store.P[:2, EXTENT, EXTENT] = 1.0
    store.ints[:2, TERMINAL] = -1
    assert duplicate_tracks.step(store, np.array([0, 1]), T0_NS, {(1, 2): T0_NS - HELD_NS})[1] == want
    store.ints[0, TERMINAL] = 3
    assert duplicate_tracks.step(store, np.array([0, 1]), T0_NS, {(1, 2): T0_NS - HELD_NS})[1] == []


@pytest.mark.parametrize(("sigmas", "goes_on_from"), [((0.5, 0.3), 1), ((0.3, 0.5), 0)])
def test_the_older_goes_on_from_the_surer_state_where_radar_sees_both(sigmas, goes_on_from):
    """One vehicle's detections were shared out: those that lay off were drawn by the one that stood off."""
    store = store_of((0.0, 1.8, 16.0, 0.0), (0.0, 0.0, 16.0, 0.0))
    for i, sigma in enumerate(sigmas):
        store.P[i, 0, 0] = store.P[i, 1, 1] = sigma**2
    north = store.X[goes_on_from, 1]
    assert duplicate_tracks.step(store, np.array([0, 1]), T0_NS, {(1, 2): T0_NS - HELD_NS})[1] == [(1, 0)]
    assert store.X[0, 1] == north


def test_a_pair_that_parts_starts_anew():
    store = store_of((0.0, 0.0, 16.0, 0.0), (1.0, 1.0, 16.0, 0.0))
    held, _ = duplicate_tracks.step(store, np.array([0, 1]), T0_NS, {})
    store.X[1, 0] = 9.0
    parted, _ = duplicate_tracks.step(store, np.array([0, 1]), T0_NS, held)
    assert (held, parted) == ({(1, 2): T0_NS}, {})


def test_of_a_track_that_radar_lost_its_terminal_must_tell():
    """Until it has, the two may be one vehicle: a pair in doubt, and not made one."""
    store = store_of((0.0, 0.0, 0.0, 16.0), (0.0, 0.0, 0.0, 16.0), terminals=(3, -1))
    since = {(1, 2): T0_NS + duplicate_tracks.LOST_NS + 1}
    for later_ns, want in (
        (duplicate_tracks.LOST_NS + HELD_NS + 1, since),
        (duplicate_tracks.DOUBT_NS + 1, {}),
    ):
        store.ints[1, RADAR_NS] = T0_NS + later_ns
        assert duplicate_tracks.step(store, np.array([0, 1]), T0_NS + later_ns, since) == (want, [])


@pytest.mark.parametrize(
    ("after_ns", "joined"), [(duplicate_tracks.LOST_NS, [(1, 0)]), (duplicate_tracks.LOST_NS + 1, [])]
)
def test_what_radar_finds_anew_within_a_second_is_joined_though_the_hold_ends_later(after_ns, joined):
    """A truck passes the blind spot at a pole, 0.7 s, and is found outside of its gate."""
    store = store_of((0.0, 0.0, 16.0, 0.0), (0.0, 0.0, 16.0, 0.0), terminals=(3, -1))
    now_ns = T0_NS + after_ns + HELD_NS
    store.ints[1, [RADAR_NS, STAMP]] = now_ns
    store.ints[1, BORN] = T0_NS + after_ns
    store.X[1, 0] = (now_ns - T0_NS) * 1e-9 * 16.0
    held = {(1, 2): T0_NS + after_ns}
    assert duplicate_tracks.step(store, np.array([0, 1]), now_ns, held) == (held, joined)


def test_two_that_radar_lost_are_no_pair():
    store = store_of((0.0, 0.0, 16.0, 0.0), (1.0, 1.0, 16.0, 0.0))
    late_ns = T0_NS + duplicate_tracks.LOST_NS + 1
    assert duplicate_tracks.step(store, np.array([0, 1]), late_ns, {}) == ({}, [])


@pytest.mark.parametrize("born_ns", [T0_NS - 3_000_000_000, T0_NS + 100_000_000])
def test_a_track_beside_which_another_was_seen_is_not_that_one_when_radar_loses_it(born_ns):
    """One lorry overtakes and hides another, which drifts to within 2.5 m: they were two before."""
    store = store_of((0.0, 0.0, 16.0, 0.0), (0.0, 2.5, 16.0, 0.0))
    now_ns = T0_NS + 600_000_000
    store.ints[1, [RADAR_NS, STAMP, BORN]] = now_ns, now_ns, born_ns
    store.X[1, 0] += 0.6 * 16.0
    found = duplicate_tracks.close_pairs(store, np.array([0, 1]), now_ns)
    assert found == ([(0, 1)] if born_ns > T0_NS else [])


@pytest.mark.parametrize(("terminal", "presumed", "want"), [(3, 5, []), (3, 4, [(0, 1)]), (-1, 5, [(0, 1)])])
def test_two_names_are_two_vehicles_also_a_presumed_one(terminal, presumed, want):
    store = store_of((0.0, 0.0, 16.0, 0.0), (1.0, 1.0, 16.0, 0.0), terminals=(terminal, -1))
    store.ints[1, PRESUMED] = presumed  # row of the terminal + 1
    assert duplicate_tracks.close_pairs(store, np.array([0, 1]), T0_NS) == want


def test_the_older_goes_on_from_where_radar_sees_the_vehicle():
    """Radar lost the first one in a swerve and found the vehicle again as the second, 2 m beside."""
    store = store_of((0.0, 0.0, 16.0, 0.0), (0.0, 2.0, 16.0, 1.0))
    now_ns = T0_NS + 600_000_000
    store.ints[1, [RADAR_NS, STAMP]] = now_ns
    store.ints[1, BORN] = T0_NS + 50_000_000
    store.X[1, 0] += 0.6 * 16.0
    held, _ = duplicate_tracks.step(store, np.array([0, 1]), now_ns, {})
    later_ns = now_ns + duplicate_tracks.HELD_NS - 100_000_000
    assert duplicate_tracks.step(store, np.array([0, 1]), later_ns, dict.fromkeys(held, T0_NS))[1] == [(1, 0)]
    assert store.X[0, :4].tolist() == store.X[1, :4].tolist()
    assert store.ints[0, RADAR_NS] == now_ns


def test_no_track_is_its_own_twin_where_many_are_near():
    """More pairs than there is room for at first: the rows are read again."""
    store = TrackStore(FusionConfig(tracks_max=16), ())
    n = 12
    for i in range(n):
        store.X[i, :4] = (2.0 * i % 6, 3.0 * (i // 3), 5.0, 0.0)
        for column, value in ((STATUS, CONFIRMED), (TERMINAL, -1), (BORN, T0_NS), (STAMP, T0_NS)):
            store.ints[i, column] = value
        store.ints[i, RADAR_NS] = T0_NS
        store.track[i] = i + 1
    store.X[5, 2] = 0.1  # stands: none of the twins
    pairs = duplicate_tracks.close_pairs(store, np.arange(n), T0_NS)
    assert pairs
    assert all(i != j and 5 not in (i, j) for i, j in pairs)
