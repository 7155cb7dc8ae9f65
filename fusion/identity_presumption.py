"""Presumed identity: one object is shown for a terminal and a track that are most likely one vehicle.

Until the two are bound, the state of radar's track is shown, with the terminal's name and its probability;
the terminal's own track stands by, without an id. The id that was shown before goes on, with what was judged
under it. Nothing of the terminal's is fused into radar's track.
"""

import numpy as np

from core.arrays import F1, U64x1
from core.kernel import checked_once, kernel
from fusion import layout as at
from fusion.layout import Terminals, Tracks
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


@kernel(inner=True)
def _sum(p: F1) -> float:
    """Return the sum of the probabilities (PAIRS,)."""
    return float(((p[0] + p[1]) + (p[2] + p[3])) + ((p[4] + p[5]) + (p[6] + p[7])))


@kernel
def withdraw_name(tracks: Tracks, terminals: Terminals, w: int) -> None:
    """Take the name of terminal w off the track that was presumed to be its vehicle."""
    i = terminals.ints[w, at.OTHER_ROW] - 1
    terminals.ints[w, at.OTHER_ROW] = 0
    if i >= 0 and tracks.ints[i, at.PRESUMED] == w + 1:
        tracks.ints[i, at.PRESUMED] = tracks.ints[i, at.GNSS_NS] = 0
        tracks.floats[i, at.IDENTITY_P] = 0.0


@kernel
def leave_one_id(tracks: Tracks, track: U64x1, own: int, i: int, now_ns: int) -> tuple[np.uint64, np.uint64]:
    """Leave one id to radar's track i and a terminal's track `own`, at i; return ids (gone, survivor).

    It is the one by which the vehicle is known: that of i, which lies closer to it, unless i has just been
    shown and the other for longer.
    """
    ints = tracks.ints
    gone, survivor = track[own], track[i]
    own_ns, radar_ns = ints[own, at.SHOWN_NS], ints[i, at.SHOWN_NS]
    is_new = radar_ns == 0 or (now_ns - radar_ns < JUST_NS and own_ns <= radar_ns)
    if gone != 0 and own_ns != 0 and is_new:
        gone, survivor = survivor, gone
        ints[i, at.SHOWN_NS] = own_ns
    track[i], track[own] = survivor, 0
    ints[own, at.SHOWN_NS] = 0
    return gone, survivor


@kernel
def presume(
    tracks: Tracks, terminals: Terminals, track: U64x1, w: int, p: F1, now_ns: int
) -> tuple[np.uint64, np.uint64]:
    """Show terminal w and the track that most likely is its vehicle as one object, or as two again.

    track : ids by row.  p : (PAIRS,) probabilities of its pairs, 0 for none
    Returns ids (gone, survivor); nothing is gone if they are equal or one is 0.
    """
    ints, k = tracks.ints, 0
    for n in range(1, p.shape[0]):
        k = n if p[n] > p[k] else k
    own, now = terminals.ints[w, at.ROW], terminals.ints[w, at.OTHER_ROW] - 1
    best, total = terminals.pair_ints[w, k, at.P_SLOT], _sum(p)
    keeps = now >= 0 and best == now
    # what is shown, and judged, does not make way for what may be clutter yet
    makes_way = ints[best, at.STATUS] == at.CONFIRMED or ints[own, at.SHOWN_NS] == 0
    is_likely = makes_way and p[k] > (SOMEWHERE_P if keeps else PRESUME_P)
    i = best if is_likely else -1
    if now != i:
        withdraw_name(tracks, terminals, w)
    gone = survivor = np.uint64(0)
    if i >= 0:
        if ints[i, at.PRESUMED] != 0 and ints[i, at.PRESUMED] != w + 1:
            withdraw_name(tracks, terminals, ints[i, at.PRESUMED] - 1)
        terminals.ints[w, at.OTHER_ROW], ints[i, at.PRESUMED] = i + 1, w + 1
        is_first = terminals.pair_ints[w, k, at.P_N] < 2
        tracks.floats[i, at.IDENTITY_P] = min(p[k], FIRST_P_MAX) if is_first else p[k]
        ints[i, at.GNSS_NS] = ints[own, at.GNSS_NS]  # its report counts as this vehicle's
    if ints[own, at.STATUS] == at.CONFIRMED and (
        is_likely or (total > SOMEWHERE_P and ints[own, at.SHOWN_NS] == 0)
    ):
        gone, survivor = leave_one_id(tracks, track, own, best, now_ns)
        ints[own, at.STATUS] = at.STANDBY
    elif ints[own, at.STATUS] == at.STANDBY and (
        total < DOUBT_P or (i < 0 and now_ns - ints[own, at.BORN] > UNNAMED_NS)
    ):
        ints[own, at.STATUS] = at.DUE
    return gone, survivor


_withdraw_name_once, _leave_one_id_once = checked_once(withdraw_name), checked_once(leave_one_id)


def withdraw(store: TrackStore, terminals: TerminalTable, w: int) -> None:
    """Take the name of terminal w off the track that was presumed to be its vehicle."""
    _withdraw_name_once(store.tracks, terminals.rows, w)


def join_ids(store: TrackStore, own: int, i: int, now_ns: int) -> tuple[int, int]:
    """Leave one id to radar's track i and a terminal's track `own`, at i; return ids (gone, survivor)."""
    gone, survivor = _leave_one_id_once(store.tracks, store.track, own, i, now_ns)
    return int(gone), int(survivor)


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
