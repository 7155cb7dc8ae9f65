"""Binding a terminal to the radar track of its vehicle, and releasing it."""

import math

from fusion import layout as at
from fusion.heading import heading_of
from fusion.identity_presumption import join_ids, withdraw
from fusion.rewind import restart
from fusion.track_store import TerminalTable, TrackStore, free_row

OF_FIXES = (at.GNSS_NS, at.FIX_PERIOD_NS, at.FIX_ACCEPTED_NS)  # of a track's terminal: they move with it


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
    own_bias = store.X[own, at.BOUND : at.BIAS_DELAY + 1].copy()
    own_fixes = store.ints[own, OF_FIXES]
    gone, survivor = 0, int(store.track[i])
    if apart:
        release(store, terminals, own)
    else:
        gone, survivor = join_ids(store, own, i, now_ns)
        free_row(store.tracks, own)
    store.ints[i, at.STATUS] = at.CONFIRMED
    store.ints[i, at.TERMINAL], terminals.rows.ints[w, at.ROW] = w, i
    store.ints[i, OF_FIXES], store.floats[i, at.IDENTITY_P] = own_fixes, p
    describe(store, terminals, i)
    _learn_bias(store, terminals, w, i, k)
    store.X[i, at.BOUND : at.BIAS_DELAY + 1] = own_bias
    rebase(store, i)
    return gone, survivor


def _learn_bias(store: TrackStore, terminals: TerminalTable, w: int, i: int, k: int) -> None:
    """Start the bias of track i with the error that the pair's filter has along and across the course."""
    heading = heading_of(store.tracks.states, i)
    c, s = (1.0, 0.0) if math.isnan(heading) else (math.cos(heading), math.sin(heading))
    along, var_along, across, var_across = terminals.rows.pairs[w, k, at.ONE : at.ONE + 4]
    store.P[i, at.N_RADAR :, :] = 0.0
    store.P[i, :, at.N_RADAR :] = 0.0
    store.X[i, at.BIAS_EAST], store.X[i, at.BIAS_NORTH] = c * along - s * across, s * along + c * across
    store.P[i, at.BIAS_EAST, at.BIAS_EAST] = c * c * var_along + s * s * var_across
    store.P[i, at.BIAS_NORTH, at.BIAS_NORTH] = s * s * var_along + c * c * var_across
    store.P[i, at.BIAS_EAST, at.BIAS_NORTH] = store.P[i, at.BIAS_NORTH, at.BIAS_EAST] = (
        s * c * (var_along - var_across)
    )


def forget_pairs(terminals: TerminalTable, w: int) -> None:
    """Drop the identity evidence of a terminal, after a binding proved wrong."""
    terminals.rows.pair_ints[w, :, at.P_N] = 0
