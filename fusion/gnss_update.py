"""One message of GNSS fixes: the fixes as measurements, then admit, fuse, weigh identity."""

import math

from core.arrays import F1, F2, I2, I3
from core.kernel import kernel
from core.times import FUTURE_NS
from fusion import layout as at
from fusion.body_sizes import note_registered
from fusion.doubt_clock import note_clocks
from fusion.doubt_jam import note_report
from fusion.doubt_source import note_fixes
from fusion.doubt_table import Doubts
from fusion.fix_message import (
    DOUBTFUL,
    N_OUTCOME,
    N_STAMP,
    N_TOUCHED,
    N_WHO,
    NEW,
    PLACED,
    SOUND,
    USABLE,
    USED,
    WEIGHED,
    Message,
    fill_fixes,
    fixes_of,
    received_of,
    weigh_by_doubt,
)
from fusion.fresh_errors import fresh_m, learn_fresh
from fusion.identity_likelihood import weigh
from fusion.lateral import note_lateral
from fusion.layout import Fixes, Rings, Scratch, Settings, Terminals, Tracks
from fusion.observations import F_ARRIVED
from fusion.prompt_clocks import UsualClocks, note_usual
from fusion.rewind import begin, fuse, start
from fusion.sigma_scale import scale_of
from fusion.terminal_errors import begin_with_bias, learn
from fusion.track_life import learn_fix_period
from fusion.visibility import is_followed

OUTLIERS_MAX = 3  # after so many fixes in a row outside the gate a track without radar starts anew
WEIGH_EVERY_NS = 500_000_000  # of a terminal whose vehicle radar follows: its identity changes rarely
# Outcome of a fix
FUSED, DUPLICATE, FUTURE, LATE, UNUSABLE, OUTLIER, NO_ROOM, CLOCK = 0, 1, 2, 3, 4, 5, 6, 7


@kernel(inner=True)
def receive(
    message: Message, tracks: Tracks, terminals: Terminals, doubts: Doubts, radars: F2, lever_m: F2,
    length_m: F1, now_ns: int, clocks: UsualClocks, sigma_m: float, tau_s: float, stamp_sigma_s: float,
) -> tuple[int, bool]:  # fmt: skip
    """Fill the message, with less weight for doubtful terminals.

    Returns how many speeds are impossible, and whether all clocks are beyond doubt.
    lever_m, length_m : of the terminals' vehicles;  sigma_m and on : as of `fill_fixes`
    """
    n_odd = fill_fixes(message, lever_m, sigma_m, tau_s, stamp_sigma_s)
    weigh_by_doubt(tracks, terminals, doubts, message)
    note_registered(message.M, radars, length_m, message.who)
    numbers, flags = message.numbers, message.flags
    is_prompt = note_usual(
        now_ns, numbers[N_WHO], numbers[N_STAMP], message.ints[F_ARRIVED], flags[USABLE], clocks
    )
    return n_odd, is_prompt


@kernel(inner=True)
def _is_known(ints: I2, keys: I3, w: int, stamp_ns: int, source_seq: int) -> bool:
    """Return whether terminal w sent (stamp, source_seq) before; remember it."""
    size = keys.shape[1]
    for k in range(min(size, ints[w, at.N_KEYS])):
        if keys[w, k, 0] == stamp_ns and keys[w, k, 1] == source_seq:
            return True
    k = ints[w, at.N_KEYS] % size
    keys[w, k, 0], keys[w, k, 1] = stamp_ns, source_seq
    ints[w, at.N_KEYS] += 1
    return False


@kernel(inner=True)
def _fuse_own(
    tracks: Tracks, rings: Rings, terminals: Terminals, now_ns: int, fixes: Fixes, j: int, settings: Settings,
    vector: F1,
) -> int:  # fmt: skip
    """Fuse fix j with the track of its terminal, or start one; return the outcome."""
    ints, w = tracks.ints, fixes.terminal[j]
    stamp_ns, arrived_ns = fixes.stamp_ns[j], fixes.arrived_ns[j]
    i = terminals.ints[w, at.ROW]
    outcome = FUSED
    if i < 0:
        i = start(tracks, rings, stamp_ns, arrived_ns, fixes.M, j, settings)
        if i < 0:
            return NO_ROOM
        ints[i, at.STATUS], ints[i, at.TERMINAL] = at.DUE, w
        tracks.floats[i, at.IDENTITY_P] = 1.0
        terminals.ints[w, at.ROW] = i
        begin_with_bias(tracks, rings, terminals, w, i, stamp_ns, fixes.M, j)
    else:
        by_radar = abs(stamp_ns - ints[i, at.RADAR_NS]) <= settings.tuning[at.RADAR_TIMEOUT_NS]
        ends = fuse(tracks, rings, i, stamp_ns, fixes.M, j, settings, vector)
        if ends == 2:
            return LATE
        if ends == 1:
            outcome = OUTLIER
            ints[i, at.OUTLIERS] += 1
            ints[i, at.INTEGRITY] = 1
            if not by_radar and ints[i, at.OUTLIERS] >= OUTLIERS_MAX and stamp_ns >= ints[i, at.STAMP]:
                begin(tracks, rings, i, stamp_ns, fixes.M, j, settings)
                ints[i, at.OUTLIERS] = 0
        else:
            ints[i, at.OUTLIERS], ints[i, at.INTEGRITY] = 0, 0
        if not by_radar and stamp_ns > ints[i, at.GNSS_NS]:
            ints[i, at.PERIOD_NS] = stamp_ns - ints[i, at.GNSS_NS]
    learn_fix_period(ints, i, stamp_ns)
    ints[i, at.GNSS_NS] = max(ints[i, at.GNSS_NS], stamp_ns)
    ints[i, at.FIX_ACCEPTED_NS] = max(ints[i, at.FIX_ACCEPTED_NS], now_ns)
    ints[i, at.ARRIVED] = max(arrived_ns, ints[i, at.ARRIVED])
    return outcome


@kernel(inner=True)
def _update(
    tracks: Tracks, rings: Rings, terminals: Terminals, now_ns: int, message: Message, settings: Settings,
    scratch: Scratch,
) -> None:  # fmt: skip
    """Fuse the fixes in their order; the message gets the outcome of each, and the rows that changed."""
    fixes, touched, outcome = fixes_of(message), message.numbers[N_TOUCHED], message.numbers[N_OUTCOME]
    tally, tuning, about = tracks.tally, settings.tuning, terminals.ints
    n_touched = 0
    tally[at.T_FULL] = 0
    for j in range(fixes.stamp_ns.shape[0]):
        w, stamp_ns = fixes.terminal[j], fixes.stamp_ns[j]
        if stamp_ns > now_ns + FUTURE_NS:
            outcome[j] = FUTURE
            continue
        if _is_known(about, terminals.keys, w, stamp_ns, fixes.source_seq[j]):
            outcome[j] = DUPLICATE
            continue
        if stamp_ns < now_ns - tuning[at.HISTORY_NS]:
            outcome[j] = LATE
            continue
        if not fixes.usable[j]:
            outcome[j] = UNUSABLE
            if about[w, at.ROW] >= 0:  # it reports, if not where: its vehicle has not ended
                i = about[w, at.ROW]
                tracks.ints[i, at.FIX_ACCEPTED_NS] = max(tracks.ints[i, at.FIX_ACCEPTED_NS], now_ns)
            continue
        about[w, at.NEWEST_NS] = max(about[w, at.NEWEST_NS], stamp_ns)
        terminals.errors[w, at.E_GROUP] = float(fixes.group[j])
        fixes.M[j, at.Z_SIGMA] *= scale_of(terminals, w)
        learn_fresh(tracks, rings, terminals, w, stamp_ns, fixes.M, j, tuning, scratch.predicted)
        fixes.M[j, at.Z_FRESH] = fresh_m(terminals, w, fixes.M[j, at.Z_SIGMA])
        outcome[j] = _fuse_own(tracks, rings, terminals, now_ns, fixes, j, settings, scratch.vector)
        if outcome[j] == FUSED or outcome[j] == OUTLIER:
            i = about[w, at.ROW]
            known = is_followed(tracks.ints, i, stamp_ns, tuning[at.RADAR_TIMEOUT_NS])
            if outcome[j] == FUSED or not known:  # without radar, all that it says is asked for
                note_lateral(
                    tracks, rings, i, stamp_ns, fixes.M, j, settings, scratch.predicted, message.laterals, j
                )
            touched[n_touched] = i
            n_touched += 1
            odd = outcome[j] == OUTLIER and tracks.ints[i, at.OUTLIERS] < OUTLIERS_MAX
            if known and odd:  # one outlier is no evidence of identity; three in a row are
                continue
            if not known or stamp_ns - about[w, at.WEIGHED_NS] >= WEIGH_EVERY_NS:
                about[w, at.WEIGHED_NS] = max(stamp_ns, about[w, at.WEIGHED_NS])
                weigh(tracks, rings, terminals, w, stamp_ns, fixes.M, j, settings, scratch.predicted)
                learn(tracks, rings, terminals, w, stamp_ns, fixes.M, j, tuning, scratch.predicted)
                message.flags[WEIGHED, j] = True
    tally[at.T_TOUCHED] = n_touched
    tally[at.T_DUE] = 0
    for k in range(n_touched):
        tally[at.T_DUE] += tracks.ints[touched[k], at.STATUS] == at.DUE


@kernel(inner=True)
def fuse_fixes(
    tracks: Tracks, rings: Rings, terminals: Terminals, doubts: Doubts, now_ns: int, message: Message,
    settings: Settings, scratch: Scratch,
) -> tuple[bool, bool]:  # fmt: skip
    """Fuse the fixes in their order and look for doubt in them.

    Returns whether any was not fused, and whether a clock is found wrong.
    """
    M, flags, outcome, is_refused = message.M, message.flags, message.numbers[N_OUTCOME], False
    for j in range(outcome.shape[0]):
        flags[SOUND, j] = flags[USABLE, j] and not flags[DOUBTFUL, j]
    _update(tracks, rings, terminals, now_ns, message, settings, scratch)
    for j in range(outcome.shape[0]):
        w, is_doubtful, has_place = message.who[j], flags[DOUBTFUL, j], flags[PLACED, j]
        flags[USED, j] = outcome[j] == FUSED or outcome[j] == OUTLIER
        is_known = flags[USED, j] or outcome[j] == UNUSABLE
        is_finite = math.isfinite(message.stated_m[j]) and math.isfinite(M[j, at.Z_EAST] + M[j, at.Z_NORTH])
        flags[NEW, j] = is_known and is_finite and not is_doubtful and w >= 0 and has_place
        note_report(doubts, w, message.numbers[N_STAMP, j], -1 if is_doubtful else int(has_place))
        is_refused = is_refused or outcome[j] != FUSED
    received = received_of(message)
    note_fixes(tracks, terminals, doubts, received)
    is_timed = note_clocks(tracks, terminals, doubts, received, message.ints[F_ARRIVED])
    return is_refused, is_timed
