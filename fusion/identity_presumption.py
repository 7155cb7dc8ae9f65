"""Presumed identity: one object is shown for a terminal and a track that are most likely one vehicle.

Until the two are bound, the state of radar's track is shown, with the terminal's name and its probability;
the terminal's own track stands by, without an id. The id that was shown before goes on, with what was judged
under it. Nothing of the terminal's is fused into radar's track.
"""

import numpy as np

from core.arrays import F64
from fusion import layout as at
from fusion.sigma_scale import P_ODD
from fusion.track_store import TerminalTable, TrackStore

SOMEWHERE_P = 0.5  # radar more likely has a track of the vehicle, whichever it is: one object is enough
DOUBT_P = 0.25  # and no longer so: half of it, that the picture does not flicker
# Which it is. The first report is weighed with errors that its receiver states: of what it calls 0.9 to 0.99,
# a quarter was wrong where lorries hide each other (0.5 to 0.9: more than half), and a wrong name takes one
# vehicle's id and record to another
PRESUME_P = 0.9
# One fix in fifty is wild: a name that rests on one alone is never surer, whatever the stated sigma says
FIRST_P_MAX = 1.0 - P_ODD
UNNAMED_NS = 3_000_000_000  # so long a terminal's vehicle may be one of several
JUST_NS = 500_000_000  # a track that is shown for so short a time is not yet what the vehicle is known by


def presume(store: TrackStore, terminals: TerminalTable, w: int, p: F64, now_ns: int) -> tuple[int, int]:
    """Show terminal w and the track that most likely is its vehicle as one object, or as two again.

    p : (PAIRS,) probabilities of its pairs, 0 for none
    Returns ids (gone, survivor); nothing is gone if they are equal or one is 0.
    """
    ints, rows = store.ints, terminals.rows
    own, k = int(rows.ints[w, at.ROW]), int(np.argmax(p))
    now = rows.ints[w, at.OTHER_ROW] - 1
    keeps = now >= 0 and rows.pair_ints[w, k, at.P_SLOT] == now
    best, total = int(rows.pair_ints[w, k, at.P_SLOT]), float(p.sum())
    # what is shown, and judged, does not make way for what may be clutter yet
    makes_way = ints[best, at.STATUS] == at.CONFIRMED or not ints[own, at.SHOWN_NS]
    is_likely = makes_way and p[k] > (SOMEWHERE_P if keeps else PRESUME_P)
    i = best if is_likely else -1
    if now != i:
        withdraw(store, terminals, w)
    gone = survivor = 0
    if i >= 0:
        if ints[i, at.PRESUMED] not in (0, w + 1):
            withdraw(store, terminals, int(ints[i, at.PRESUMED]) - 1)
        rows.ints[w, at.OTHER_ROW], ints[i, at.PRESUMED] = i + 1, w + 1
        is_first = rows.pair_ints[w, k, at.P_N] < 2
        store.floats[i, at.IDENTITY_P] = min(float(p[k]), FIRST_P_MAX) if is_first else p[k]
        ints[i, at.GNSS_NS] = ints[own, at.GNSS_NS]  # its report counts as this vehicle's
    if ints[own, at.STATUS] == at.CONFIRMED and (
        is_likely or (total > SOMEWHERE_P and not ints[own, at.SHOWN_NS])
    ):
        gone, survivor = join_ids(store, own, best, now_ns)
        ints[own, at.STATUS] = at.STANDBY
    elif ints[own, at.STATUS] == at.STANDBY and (
        total < DOUBT_P or (i < 0 and now_ns - ints[own, at.BORN] > UNNAMED_NS)
    ):
        ints[own, at.STATUS] = at.DUE
    return gone, survivor


def withdraw(store: TrackStore, terminals: TerminalTable, w: int) -> None:
    """Take the name of terminal w off the track that was presumed to be its vehicle."""
    i = int(terminals.rows.ints[w, at.OTHER_ROW]) - 1
    terminals.rows.ints[w, at.OTHER_ROW] = 0
    if i >= 0 and store.ints[i, at.PRESUMED] == w + 1:
        store.ints[i, at.PRESUMED] = store.ints[i, at.GNSS_NS] = 0
        store.floats[i, at.IDENTITY_P] = 0.0


def join_ids(store: TrackStore, own: int, i: int, now_ns: int) -> tuple[int, int]:
    """Leave one id to radar's track i and a terminal's track `own`, at i; return ids (gone, survivor).

    It is the one by which the vehicle is known: that of i, which lies closer to it, unless i has just been
    shown and the other for longer.
    """
    ints, track = store.ints, store.track
    gone, survivor = int(track[own]), int(track[i])
    own_ns, radar_ns = int(ints[own, at.SHOWN_NS]), int(ints[i, at.SHOWN_NS])
    is_new = not radar_ns or (now_ns - radar_ns < JUST_NS and own_ns <= radar_ns)
    if gone and own_ns and is_new:
        gone, survivor = survivor, gone
        ints[i, at.SHOWN_NS] = own_ns
    track[i], track[own] = survivor, 0
    ints[own, at.SHOWN_NS] = 0
    return gone, survivor


def give_back(store: TrackStore, terminals: TerminalTable, i: int) -> None:
    """Let the terminal whose vehicle track i was presumed to be go on under its id: track i ends."""
    w = int(store.ints[i, at.PRESUMED]) - 1
    if w < 0:
        return
    withdraw(store, terminals, w)
    own = int(terminals.rows.ints[w, at.ROW])
    if own >= 0 and store.ints[own, at.STATUS] == at.STANDBY and store.track[i]:
        store.ints[own, at.STATUS] = at.CONFIRMED
        store.track[own], store.track[i] = store.track[i], 0
        store.ints[own, at.SHOWN_NS] = store.ints[i, at.SHOWN_NS]
