"""Binding a terminal to the radar track of its vehicle, and letting go, done to the table."""

import math

from fusion.heading import heading_of
from fusion.identity_likelihood import ONE, P_N
from fusion.layout import (
    BASE,
    BIAS_DELAY,
    BIAS_EAST,
    BIAS_SIGMA,
    BORN,
    CONFIRMED,
    GNSS_NS,
    HEADING,
    IDENTITY_P,
    INTEGRITY,
    KIND,
    LENGTH,
    N_CV,
    N_DIM,
    OUTLIERS,
    ROW,
    STAMP,
    STATUS,
    TERMINAL,
    WHAT,
    WIDTH,
)
from fusion.radar_update import free_row
from fusion.rewind import restart
from fusion.track_store import Table, Terminals


def describe(table: Table, terminals: Terminals, i: int) -> None:
    """Give track i the size and class that the registry has for its terminal."""
    about = terminals.about[int(table.ints[i, TERMINAL])]
    if about.length_m is not None:
        table.floats[i, LENGTH] = about.length_m
    if about.width_m is not None:
        table.floats[i, WIDTH] = about.width_m
    if about.kind:
        table.ints[i, KIND] = about.kind


def rebase(table: Table, i: int) -> None:
    """Make track i as it stands the base of its ring: what lies before can't be replayed any more."""
    table.M[0] = 0.0
    table.M[0, WHAT] = BASE
    restart(
        table.X,
        table.P,
        i,
        table.ints,
        table.stamps,
        table.meas,
        table.states,
        int(table.ints[i, STAMP]),
        table.M,
        0,
    )


def release(table: Table, terminals: Terminals, i: int) -> None:
    """Take the terminal off track i, with all that the registry says; it lives on as radar's alone."""
    terminals.ints[table.ints[i, TERMINAL], ROW] = -1
    table.ints[i, TERMINAL] = -1
    table.ints[i, [KIND, INTEGRITY, OUTLIERS, GNSS_NS]] = 0
    table.floats[i, IDENTITY_P], table.floats[i, LENGTH], table.floats[i, WIDTH] = 0.0, math.nan, math.nan
    table.X[i, BIAS_EAST : BIAS_DELAY + 1] = [0.0, 0.0, table.X[i, HEADING], 0.0, 0.0, 0.0]
    table.P[i, N_CV + 1 :, :] = 0.0
    table.P[i, :, N_CV + 1 :] = 0.0
    rebase(table, i)


def bind(
    table: Table, terminals: Terminals, w: int, i: int, k: int, p: float, *, apart: bool
) -> tuple[int, int]:
    """Make radar track i the track of terminal w, by its pair k; radar's state wins.

    apart : the terminal's track so far is another vehicle's and lives on without it; else the two become one.
    Returns (gone, survivor) ids, equal or with 0 where nothing that was told of is gone.
    """
    own = int(terminals.ints[w, ROW])
    own_bias = table.X[own, BIAS_SIGMA : BIAS_DELAY + 1].copy()
    own_gnss_ns = int(table.ints[own, GNSS_NS])
    gone, survivor = 0, int(table.track[i])
    if apart:
        release(table, terminals, own)
    else:
        gone = int(table.track[own])
        if gone and table.ints[own, BORN] <= table.ints[i, BORN]:
            gone, survivor = survivor, gone
            table.ints[i, BORN] = table.ints[own, BORN]
        table.track[own] = 0
        free_row(table.ints, table.free, table.tally, own)
    table.track[i] = survivor
    table.ints[i, STATUS] = CONFIRMED
    table.ints[i, TERMINAL], terminals.ints[w, ROW] = w, i
    table.ints[i, GNSS_NS], table.floats[i, IDENTITY_P] = own_gnss_ns, p
    describe(table, terminals, i)
    _learn_bias(table, terminals, w, i, k)
    table.X[i, BIAS_SIGMA : BIAS_DELAY + 1] = own_bias
    rebase(table, i)
    return gone, survivor


def _learn_bias(table: Table, terminals: Terminals, w: int, i: int, k: int) -> None:
    """Start the terminal's error where the pair's own filter has it, along and across the course."""
    heading = heading_of(table.X, table.P, i)
    c, s = (1.0, 0.0) if math.isnan(heading) else (math.cos(heading), math.sin(heading))
    along, var_along, across, var_across = terminals.pairs[w, k, ONE : ONE + 4]
    table.P[i, N_CV + 1 :, :] = 0.0
    table.P[i, :, N_CV + 1 :] = 0.0
    table.X[i, 5], table.X[i, 6] = c * along - s * across, s * along + c * across
    table.P[i, 5, 5] = c * c * var_along + s * s * var_across
    table.P[i, 6, 6] = s * s * var_along + c * c * var_across
    table.P[i, 5, 6] = table.P[i, 6, 5] = s * c * (var_along - var_across)
    assert table.P.shape[1] == N_DIM, "the last two dimensions are the bias"


def forget_pairs(terminals: Terminals, w: int) -> None:
    """Drop the evidence of a terminal: what it was weighed against has proved wrong."""
    terminals.pair_ints[w, :, P_N] = 0
