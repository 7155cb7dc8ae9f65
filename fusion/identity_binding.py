"""Binding a terminal to the radar track of its vehicle, and releasing it."""

import math
from typing import NamedTuple

import numpy as np

from core.arrays import F64
from fusion import layout as at
from fusion.births import note_vehicle
from fusion.body_sizes import known_extent
from fusion.extent_prior import set_prior
from fusion.heading import heading_of
from fusion.identity_extent import follow_extent
from fusion.identity_presumption import join_ids, withdraw
from fusion.models import update
from fusion.rewind import restart
from fusion.track_store import TerminalTable, TrackStore, free_row

OF_FIXES = (at.GNSS_NS, at.FIX_PERIOD_NS, at.FIX_ACCEPTED_NS)  # of a track's terminal: they move with it
OF_TERMINAL = slice(at.BOUND, at.BIAS_DELAY + 1)  # of the memory of a state


class Own(NamedTuple):
    """What the terminal's own track knew of its error."""

    bias: F64  # (2,)
    memory: F64  # of the state: OF_TERMINAL
    P: F64  # (2, 2) of the bias


def describe(store: TrackStore, terminals: TerminalTable, i: int) -> None:
    """Give track i the size and class that the registry has for its terminal."""
    about = terminals.about[int(store.ints[i, at.TERMINAL])]
    if about.length_m is not None:
        store.floats[i, at.LENGTH] = about.length_m
    if about.width_m is not None:
        store.floats[i, at.WIDTH] = about.width_m
    if about.kind:
        store.ints[i, at.KIND] = about.kind


def rebase(store: TrackStore, i: int) -> None:
    """Make the present state of track i the base of its ring: older measurements can't be fused any more."""
    M = store.detections.M
    M[0] = 0.0
    M[0, at.WHAT] = at.BASE
    restart(store.tracks, store.rings, i, int(store.ints[i, at.STAMP]), M, 0)


def release(store: TrackStore, terminals: TerminalTable, i: int) -> None:
    """Unbind the terminal from track i and remove its registry data; radar continues the track."""
    terminals.rows.ints[store.ints[i, at.TERMINAL], at.ROW] = -1
    store.ints[i, at.TERMINAL] = -1
    store.ints[i, [at.KIND, at.INTEGRITY, at.OUTLIERS, *OF_FIXES]] = 0
    store.floats[i, at.IDENTITY_P], store.floats[i, at.LENGTH], store.floats[i, at.WIDTH] = (
        0.0,
        math.nan,
        math.nan,
    )
    store.X[i, at.BIAS_EAST : at.N_DIM] = 0.0
    store.X[i, at.BOUND : at.BIAS_DELAY + 1] = 0.0
    store.P[i, at.N_RADAR :, :] = 0.0
    store.P[i, :, at.N_RADAR :] = 0.0
    rebase(store, i)


def bind(
    store: TrackStore, terminals: TerminalTable, w: int, k: int, p: float, now_ns: int, *, apart: bool
) -> tuple[int, int]:
    """Make the radar track of pair k the track of terminal w, and keep the state that radar measured.

    apart : the terminal's present track is another vehicle and continues without it; else both are merged.
    Returns ids (gone, survivor); nothing is gone if they are equal or one is 0.
    """
    i = int(terminals.rows.pair_ints[w, k, at.P_SLOT])
    withdraw(store, terminals, w)
    if store.ints[i, at.PRESUMED]:
        withdraw(store, terminals, int(store.ints[i, at.PRESUMED]) - 1)
    own = int(terminals.rows.ints[w, at.ROW])
    before = Own(
        bias=store.X[own, at.BIAS_EAST : at.N_DIM].copy(), memory=store.X[own, OF_TERMINAL].copy(),
        P=store.P[own, at.N_RADAR :, at.N_RADAR :].copy(),
    )  # fmt: skip
    own_fixes = store.ints[own, OF_FIXES]
    gone, survivor = 0, int(store.track[i])
    if apart:
        release(store, terminals, own)
    else:
        gone, survivor = join_ids(store, own, i, now_ns)
        free_row(store.tracks, own)
    if store.ints[i, at.STATUS] == at.TENTATIVE:  # its terminal confirms it
        note_vehicle(store.tracks, store.rings, i, store.settings)
    store.ints[i, at.STATUS] = at.CONFIRMED
    store.ints[i, at.TERMINAL], terminals.rows.ints[w, at.ROW] = w, i
    store.ints[i, OF_FIXES], store.floats[i, at.IDENTITY_P] = own_fixes, p
    describe(store, terminals, i)
    if terminals.about[w].length_m is not None:  # first: the pair took the extent to be registered
        new = known_extent(store.tracks, i, store.settings.radars)
        set_prior(store.tracks, store.rings, i, new, store.settings, store.scratch.vector)
    _learn_bias(store, before, terminals, w, i, k)
    rebase(store, i)
    return gone, survivor


def _learn_bias(store: TrackStore, own: Own, terminals: TerminalTable, w: int, i: int, k: int) -> None:
    """Give track i the terminal's bias, and what pair k learnt of fix - track along and across the course.

    The difference is bias and error of the track together, so both learn from it: an extent that is not known
    must not become a bias. The pair's mean and variance are taken apart into prior and measurement.
    """
    states, P = store.tracks.states, store.P
    P[i, at.N_RADAR :, :] = 0.0
    P[i, :, at.N_RADAR :] = 0.0
    P[i, at.N_RADAR :, at.N_RADAR :] = own.P
    store.X[i, at.BIAS_EAST : at.N_DIM] = own.bias
    store.X[i, OF_TERMINAL] = own.memory
    heading = heading_of(states, i)
    c, s = (1.0, 0.0) if math.isnan(heading) else (math.cos(heading), math.sin(heading))
    follow_extent(terminals.rows.pairs[w, k], states, i, heading)
    pair = terminals.rows.pairs[w, k, at.ONE : at.ONE + 4]
    for axis, mean, var in ((np.array([c, s]), *pair[:2]), (np.array([-s, c]), *pair[2:])):
        by_extent = float(axis @ P[i, : at.V_EAST, at.EXTENT]) ** 2 / max(
            float(P[i, at.EXTENT, at.EXTENT]), 1e-6
        )
        prior = float(axis @ own.P @ axis) + by_extent
        if var < prior:  # else it learnt nothing
            r = 1.0 / (1.0 / var - 1.0 / prior)
            residual = (float(mean) - float(axis @ own.bias)) * (1.0 + r / prior)
            h = (float(axis[0]), float(axis[1]), 0.0, 0.0, 0.0)
            update(states, i, h, 1.0, residual, r, store.scratch.vector)


def forget_pairs(terminals: TerminalTable, w: int) -> None:
    """Drop the identity evidence of a terminal, after a binding proved wrong."""
    terminals.rows.pair_ints[w, :, at.P_N] = 0
