"""One message of GNSS fixes: the fixes as measurements, then admit, fuse, weigh identity."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core.arrays import B1, F1, F2, F64, I1, I2, I3, I64, Bools
from core.kernel import checked_once, kernel
from core.times import FUTURE_NS
from fusion import layout as at
from fusion.body_sizes import note_registered
from fusion.clocks import add_count
from fusion.config import FusionConfig
from fusion.doubt_clock import note_clocks
from fusion.doubt_jam import note_report
from fusion.doubt_source import Received, distrust, note_fixes
from fusion.doubt_table import Doubts, DoubtTable
from fusion.identity_binding import forget_pairs
from fusion.identity_likelihood import weigh
from fusion.lateral import note_lateral
from fusion.layout import Fixes, Laterals, Rings, Scratch, Settings, Terminals, Tracks
from fusion.observations import SIGMA_M_MAX, SPEED_MPS_MAX, TAU_S_MAX, GnssFixes
from fusion.rewind import begin, fuse, start
from fusion.sigma_scale import scale_of
from fusion.terminal_errors import begin_with_bias, learn
from fusion.timekeeping import Timekeeping
from fusion.track_life import learn_fix_period
from fusion.track_store import TerminalTable, TrackStore, laterals_for
from fusion.visibility import is_followed

OUTLIERS_MAX = 3  # after so many fixes in a row outside the gate a track without radar starts anew
WEIGH_EVERY_NS = 500_000_000  # of a terminal whose vehicle radar follows: its identity changes rarely
SIGMA_M_MIN, TAU_S_MIN = 0.02, 0.1
# Outcome of a fix
FUSED, DUPLICATE, FUTURE, LATE, UNUSABLE, OUTLIER, NO_ROOM, CLOCK = 0, 1, 2, 3, 4, 5, 6, 7
REASONS = (
    "gnss.fused", "gnss.duplicate", "gnss.future", "gnss.late", "gnss.unusable", "gnss.outlier",
    "tracks.full", "gnss.clock",
)  # fmt: skip


class Outcome(NamedTuple):
    """The outcomes of n fixes."""

    of: I1  # (n,) FUSED and the others above
    weighed: B1  # (n,) its identity evidence was added
    touched: I1  # (n,) rows that changed, tally[T_TOUCHED] of them
    used: B1  # (n,) fused, or refused as an outlier of its track
    new: B1  # (n,) new, of a sound clock, with a position
    laterals: Laterals  # of the fixes


class GnssUpdate(NamedTuple):
    """What `gnss_update` did."""

    touched: I64  # rows that changed, in the order of the fixes
    terminal: I64  # (n,) rows
    stamp_ns: I64  # (n,) corrected where that is sure
    weighed: Bools  # (n,)
    used: Bools  # (n,) fused, or refused as an outlier of its track
    laterals: Laterals  # of the fixes


def gnss_update(
    store: TrackStore, terminals: TerminalTable, times: Timekeeping, config: FusionConfig, now_ns: int,
    seen: GnssFixes, counts: dict[str, int], doubts: DoubtTable,
) -> GnssUpdate:  # fmt: skip
    """Fuse one message's fixes in their order; fixes that were not fused are counted by reason."""
    rows = [terminals.row_of(terminal) for terminal in seen.terminal]
    doubts.reserve(len(terminals.ids))
    columns = fix_columns(seen, rows, terminals.lever_m)
    n_odd = _receive_once(
        columns, store.tracks, terminals.rows, doubts.rows, store.settings.radars, terminals.length_m,
        config.gnss_sigma_m, config.gnss_tau_s, config.gnss_stamp_sigma_s,
    )  # fmt: skip
    if -1 in rows:
        add_count(counts, "terminals.full", rows.count(-1))
    add_count(counts, "gnss.odd_speed", n_odd)
    M, usable = columns.M, columns.usable
    stamp_ns, doubtful = times.fixes(
        now_ns, terminals.about, columns.terminal, seen, usable, M[:, at.Z_SIGMA], counts
    )
    n = len(rows)
    flags, numbers = np.zeros((4, n), dtype=np.bool_), np.zeros((2, n), dtype=np.int64)
    np.greater(usable, doubtful, out=flags[3])
    fixes = Fixes(
        M=M,
        terminal=columns.terminal,
        stamp_ns=np.ascontiguousarray(stamp_ns, np.int64),
        arrived_ns=np.ascontiguousarray(seen.arrived_ns, np.int64),
        source_seq=columns.source_seq,
        usable=flags[3],
        group=columns.group,
    )
    done = Outcome(
        of=numbers[0], weighed=flags[0], touched=numbers[1], used=flags[1], new=flags[2],
        laterals=laterals_for(n),
    )  # fmt: skip
    received = Received(M, columns.stated_m, columns.terminal, fixes.stamp_ns, done.new)
    is_refused, is_timed = _fuse_once(
        store.tracks, store.rings, terminals.rows, doubts.rows, now_ns, fixes,
        received, doubtful, columns, store.settings, store.scratch, done,
    )  # fmt: skip
    if is_timed:
        for w, offset_s in doubts.pop_clocks(fixes.terminal):
            times.terminals.shift(w, offset_s)
            forget_pairs(terminals, w)
            add_count(counts, "clock.terminal.shown")
    if is_refused:
        _count_refused(done.of, doubtful & usable, counts)
    return GnssUpdate(
        touched=done.touched[: store.tally[at.T_TOUCHED]],
        terminal=columns.who,
        stamp_ns=stamp_ns,
        weighed=done.weighed,
        used=done.used,
        laterals=done.laterals,
    )


def _count_refused(outcome: I64, doubtful: Bools, counts: dict[str, int]) -> None:
    """Count the fixes (n,) that were not fused by reason; a wrong clock is the reason of a doubtful stamp."""
    found = [
        CLOCK if is_doubtful and reason in (LATE, FUTURE, UNUSABLE) else reason
        for reason, is_doubtful in zip(outcome.tolist(), doubtful.tolist(), strict=True)
    ]
    for reason in sorted(set(found)):
        if reason != FUSED:
            add_count(counts, REASONS[reason], found.count(reason))


class Columns(NamedTuple):
    """The columns of n fixes as a kernel reads them, and what it makes of them."""

    who: I1  # (n,) rows of the terminals, -1 none
    stamp_ns: I1
    source_seq: I1
    east_m: F1
    north_m: F1
    speed_mps: F1
    heading_rad: F1
    sigma_m: F1
    tau_s: F1
    has_place: F1
    lever_m: F2  # (terminals, 2)
    M: F2  # (n, N_MEAS)
    stated_m: F1  # (n,) sigma before doubt adds to it
    usable: B1  # (n,) has a position that a receiver can mean
    terminal: I1  # (n,) `who`, 0 in place of -1
    group: I1  # (n,) 0 its sigma is stated, 1 it is the configuration's


@kernel
def fill_fixes(columns: Columns, sigma_m: float, tau_s: float, stamp_sigma_s: float) -> int:
    """Fill M and the columns below it; return how many speeds are impossible.

    sigma_m, tau_s : of fixes that state none.  stamp_sigma_s : of stamps in whole seconds
    """
    n, who, M, lever_m = columns, columns.who, columns.M, columns.lever_m
    n_odd = 0
    for j in range(who.shape[0]):
        w, stated_m, stated_s = max(who[j], 0), n.sigma_m[j], n.tau_s[j]
        M[j, at.WHAT], M[j, at.SOURCE] = at.FIX, who[j]
        M[j, at.Z_EAST], M[j, at.Z_NORTH] = n.east_m[j], n.north_m[j]
        M[j, at.Z_SPEED] = n.speed_mps[j] if 0.0 <= n.speed_mps[j] <= SPEED_MPS_MAX else math.nan
        n_odd += n.speed_mps[j] > SPEED_MPS_MAX
        M[j, at.Z_HEADING] = n.heading_rad[j]
        M[j, at.Z_SIGMA] = max(stated_m if math.isfinite(stated_m) else sigma_m, SIGMA_M_MIN)
        M[j, at.Z_TAU] = min(max(stated_s if math.isfinite(stated_s) else tau_s, TAU_S_MIN), TAU_S_MAX)
        whole = n.stamp_ns[j] % 1_000_000_000 == 0 and n.source_seq[j] >= 0  # JT/T 808
        M[j, at.Z_DELAY] = stamp_sigma_s if whole else 0.0
        M[j, at.Z_FORWARD], M[j, at.Z_LEFT] = lever_m[w, 0], lever_m[w, 1]
        placed = math.isfinite(n.east_m[j]) and math.isfinite(n.north_m[j])
        known = who[j] >= 0 and n.has_place[j] > 0.0
        # a sigma above the limit: the receiver itself states that it has no position
        n.usable[j] = placed and known and not stated_m > SIGMA_M_MAX
        n.stated_m[j], n.terminal[j] = M[j, at.Z_SIGMA], w
        n.group[j] = 0 if math.isfinite(stated_m) else 1
    return n_odd


@kernel
def _receive(
    columns: Columns, tracks: Tracks, terminals: Terminals, doubts: Doubts, radars: F2, length_m: F1,
    sigma_m: float, tau_s: float, stamp_sigma_s: float,
) -> int:  # fmt: skip
    """Fill the columns, with less weight for doubtful terminals; return how many speeds are impossible.

    length_m : of the terminals' vehicles;  sigma_m and on : as of `fill_fixes`
    """
    n_odd = fill_fixes(columns, sigma_m, tau_s, stamp_sigma_s)
    for j in range(columns.who.shape[0]):
        columns.has_place[j] = 1.0 if columns.usable[j] else 0.0  # by the terminal's own word
    distrust(tracks, terminals, doubts, columns.who, columns.stamp_ns, columns.M, columns.usable)
    note_registered(columns.M, radars, length_m, columns.who)
    return n_odd


_receive_once = checked_once(_receive)


def fix_columns(seen: GnssFixes, who: Sequence[int], lever_m: F64) -> Columns:
    """Return the columns of n fixes, to be filled; who : rows of the terminals.  lever_m : (terminals, 2)"""
    n = len(who)
    ints = np.array((who, who, who), dtype=np.int64)
    return Columns(
        who=ints[0],
        stamp_ns=np.ascontiguousarray(seen.stamp_ns, np.int64),
        source_seq=np.ascontiguousarray(seen.source_seq, np.int64),
        east_m=np.ascontiguousarray(seen.east_m, np.float64),
        north_m=np.ascontiguousarray(seen.north_m, np.float64),
        speed_mps=np.ascontiguousarray(seen.speed_mps, np.float64),
        heading_rad=np.ascontiguousarray(seen.heading_rad, np.float64),
        sigma_m=np.ascontiguousarray(seen.sigma_m, np.float64),
        tau_s=np.ascontiguousarray(seen.tau_s, np.float64),
        has_place=np.ascontiguousarray(seen.usable, np.float64),
        lever_m=lever_m,
        M=np.zeros((n, at.N_MEAS)),
        stated_m=np.empty(n),
        usable=np.empty(n, dtype=np.bool_),
        terminal=ints[1],
        group=ints[2],
    )


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
    tracks: Tracks, rings: Rings, terminals: Terminals, now_ns: int, fixes: Fixes, settings: Settings,
    scratch: Scratch, done: Outcome,
) -> None:  # fmt: skip
    """Fuse the fixes in their order; `done` returns the outcome of each, and the rows that changed."""
    tally, tuning, outcome, about = tracks.tally, settings.tuning, done.of, terminals.ints
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
        outcome[j] = _fuse_own(tracks, rings, terminals, now_ns, fixes, j, settings, scratch.vector)
        if outcome[j] == FUSED or outcome[j] == OUTLIER:
            i = about[w, at.ROW]
            if outcome[j] == FUSED:
                note_lateral(
                    tracks, rings, i, stamp_ns, fixes.M, j, settings, scratch.predicted, done.laterals, j
                )
            done.touched[n_touched] = i
            n_touched += 1
            known = is_followed(tracks.ints, about[w, at.ROW], stamp_ns, tuning[at.RADAR_TIMEOUT_NS])
            odd = outcome[j] == OUTLIER and tracks.ints[about[w, at.ROW], at.OUTLIERS] < OUTLIERS_MAX
            if known and odd:  # one outlier is no evidence of identity; three in a row are
                continue
            if not known or stamp_ns - about[w, at.WEIGHED_NS] >= WEIGH_EVERY_NS:
                about[w, at.WEIGHED_NS] = max(stamp_ns, about[w, at.WEIGHED_NS])
                weigh(tracks, rings, terminals, w, stamp_ns, fixes.M, j, settings, scratch.predicted)
                learn(tracks, rings, terminals, w, stamp_ns, fixes.M, j, tuning, scratch.predicted)
                done.weighed[j] = True
    tally[at.T_TOUCHED] = n_touched
    tally[at.T_DUE] = 0
    for k in range(n_touched):
        tally[at.T_DUE] += tracks.ints[done.touched[k], at.STATUS] == at.DUE


@kernel
def _fuse(
    tracks: Tracks, rings: Rings, terminals: Terminals, doubts: Doubts, now_ns: int, fixes: Fixes,
    received: Received, doubtful: B1, columns: Columns, settings: Settings, scratch: Scratch, done: Outcome,
) -> tuple[bool, bool]:  # fmt: skip
    """Fuse the fixes in their order and look for doubt in them.

    Returns whether any was not fused, and whether a clock is found wrong.
    doubtful : (n,) its clock is wrong
    """
    _update(tracks, rings, terminals, now_ns, fixes, settings, scratch, done)
    outcome, M, is_refused = done.of, received.M, False
    for j in range(outcome.shape[0]):
        done.used[j] = outcome[j] == FUSED or outcome[j] == OUTLIER
        is_known = done.used[j] or outcome[j] == UNUSABLE
        is_placed = math.isfinite(received.stated_m[j]) and math.isfinite(M[j, at.Z_EAST] + M[j, at.Z_NORTH])
        has_place = columns.has_place[j] > 0.0
        done.new[j] = is_known and is_placed and not doubtful[j] and columns.who[j] >= 0 and has_place
        note_report(doubts, columns.who[j], fixes.stamp_ns[j], -1 if doubtful[j] else int(has_place))
        is_refused = is_refused or outcome[j] != FUSED
    note_fixes(tracks, terminals, doubts, received)
    return is_refused, note_clocks(tracks, terminals, doubts, received, fixes.arrived_ns)


_fuse_once = checked_once(_fuse)
