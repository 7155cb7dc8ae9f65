"""One message of GNSS fixes: the fixes as measurements, then admit, fuse, weigh identity."""

import math
from typing import NamedTuple

import numpy as np

from core.arrays import B1, F1, F2, F64, I1, I2, I3, I64, Bools
from core.kernel import kernel, unchecked
from core.times import FUTURE_NS
from fusion import layout as at
from fusion.clocks import add_count
from fusion.config import FusionConfig
from fusion.doubt_clock import note_clocks
from fusion.doubt_jam import note_reports
from fusion.doubt_source import Received, distrust, note_fixes
from fusion.doubt_table import DoubtTable
from fusion.identity_binding import forget_pairs
from fusion.identity_likelihood import weigh
from fusion.layout import Fixes, Rings, Scratch, Settings, Terminals, Tracks
from fusion.observations import SIGMA_M_MAX, SPEED_MPS_MAX, TAU_S_MAX, GnssFixes
from fusion.rewind import begin, fuse, start
from fusion.sigma_scale import scale_of
from fusion.terminal_errors import begin_with_bias, learn
from fusion.timekeeping import Timekeeping
from fusion.track_life import learn_fix_period
from fusion.track_store import TerminalTable, TrackStore
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
    touched: I1  # (>= tally[T_TOUCHED],) rows that changed


class GnssUpdate(NamedTuple):
    """What `gnss_update` did."""

    touched: I64  # rows that changed, in the order of the fixes
    terminal: I64  # (n,) rows
    stamp_ns: I64  # (n,) corrected where that is sure
    weighed: Bools  # (n,)
    used: Bools  # (n,) fused, or refused as an outlier of its track


def gnss_update(
    store: TrackStore, terminals: TerminalTable, times: Timekeeping, config: FusionConfig, now_ns: int,
    seen: GnssFixes, counts: dict[str, int], doubts: DoubtTable,
) -> GnssUpdate:  # fmt: skip
    """Fuse one message's fixes in their order; fixes that were not fused are counted by reason."""
    n = len(seen.terminal)
    rows = [terminals.row_of(terminal) for terminal in seen.terminal]
    who = np.array(rows, dtype=np.int64)
    M, usable, n_odd = fix_rows(seen, who, config, terminals.lever_m)
    doubts.reserve(len(terminals.ids))
    stated_m = M[:, at.Z_SIGMA].copy()
    has_place = usable.copy()  # by the terminal's own word
    distrust(
        store.tracks,
        terminals.rows,
        doubts.rows,
        who,
        np.ascontiguousarray(seen.stamp_ns, np.int64),
        M,
        usable,
    )
    add_count(counts, "terminals.full", rows.count(-1))
    add_count(counts, "gnss.odd_speed", n_odd)
    stamp_ns, doubtful = times.fixes(now_ns, terminals.about, who, seen, usable, M[:, at.Z_SIGMA], counts)
    fixes = Fixes(
        M=M,
        terminal=np.maximum(who, 0),
        stamp_ns=np.ascontiguousarray(stamp_ns, np.int64),
        arrived_ns=np.ascontiguousarray(seen.arrived_ns, np.int64),
        source_seq=np.ascontiguousarray(seen.source_seq, np.int64),
        usable=usable & ~doubtful if doubtful.any() else usable,
        group=np.where(np.isfinite(seen.sigma_m), 0, 1),
    )
    done = Outcome(np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.int64))
    update = _update_unchecked if store.is_checked and terminals.is_checked else _update
    update(store.tracks, store.rings, terminals.rows, now_ns, fixes, store.settings, store.scratch, done)
    terminals.is_checked = True
    outcome, used = done.of, ~doubtful  # the usual case: all are fused, and none is doubtful
    new = (outcome == FUSED) | (outcome == OUTLIER) | (outcome == UNUSABLE)
    placed = np.isfinite(stated_m) & np.isfinite(M[:, at.Z_EAST] + M[:, at.Z_NORTH])
    new &= placed & ~doubtful & (who >= 0) & has_place
    note_reports(doubts.rows, who, fixes.stamp_ns, np.where(doubtful, -1, has_place.astype(np.int64)))
    received = Received(M, stated_m, fixes.terminal, fixes.stamp_ns, new)
    note_fixes(store.tracks, terminals.rows, doubts.rows, received)
    if note_clocks(store.tracks, terminals.rows, doubts.rows, received, fixes.arrived_ns):
        for w, offset_s in doubts.pop_clocks(fixes.terminal):
            times.terminals.shift(w, offset_s)
            forget_pairs(terminals, w)
            add_count(counts, "clock.terminal.shown")
    if outcome.any():
        _count_refused(outcome, doubtful & usable, counts)
        used = np.asarray((outcome == FUSED) | (outcome == OUTLIER))
    return GnssUpdate(
        touched=done.touched[: store.tally[at.T_TOUCHED]],
        terminal=who,
        stamp_ns=stamp_ns,
        weighed=done.weighed,
        used=used,
    )


def _count_refused(outcome: I64, doubtful: Bools, counts: dict[str, int]) -> None:
    """Count the fixes (n,) that were not fused by reason; a wrong clock is the reason of a doubtful stamp."""
    outcome[doubtful & np.isin(outcome, (LATE, FUTURE, UNUSABLE))] = CLOCK
    for reason, n_fixes in zip(*np.unique(outcome, return_counts=True), strict=True):
        if reason != FUSED:
            add_count(counts, REASONS[int(reason)], int(n_fixes))


class Columns(NamedTuple):
    """The columns of n fixes as a kernel reads them, and what it makes of them."""

    who: I1  # (n,) rows of the terminals, -1 none
    stamp_ns: I1
    source_seq: I1
    numbers: F2  # (7, n) east, north, speed, heading, sigma, tau, usable
    lever_m: F2  # (terminals, 2)
    M: F2  # (n, N_MEAS)
    usable: B1  # (n,) has a position that a receiver can mean


@kernel
def _fill_fixes(columns: Columns, sigma_m: float, tau_s: float, stamp_sigma_s: float) -> int:
    """Fill M and `usable`; return how many speeds are impossible.

    sigma_m, tau_s : of fixes that state none.  stamp_sigma_s : of stamps in whole seconds
    """
    who, M, lever_m = columns.who, columns.M, columns.lever_m
    east, north, speed, heading, sigma, tau, usable = range(7)
    n_odd = 0
    for j in range(who.shape[0]):
        n, w = columns.numbers, max(who[j], 0)
        stated_m, stated_s = n[sigma, j], n[tau, j]
        M[j, at.WHAT], M[j, at.SOURCE] = at.FIX, who[j]
        M[j, at.Z_EAST], M[j, at.Z_NORTH] = n[east, j], n[north, j]
        M[j, at.Z_SPEED] = n[speed, j] if 0.0 <= n[speed, j] <= SPEED_MPS_MAX else math.nan
        n_odd += n[speed, j] > SPEED_MPS_MAX
        M[j, at.Z_HEADING] = n[heading, j]
        M[j, at.Z_SIGMA] = max(stated_m if math.isfinite(stated_m) else sigma_m, SIGMA_M_MIN)
        M[j, at.Z_TAU] = min(max(stated_s if math.isfinite(stated_s) else tau_s, TAU_S_MIN), TAU_S_MAX)
        whole = columns.stamp_ns[j] % 1_000_000_000 == 0 and columns.source_seq[j] >= 0  # JT/T 808
        M[j, at.Z_DELAY] = stamp_sigma_s if whole else 0.0
        M[j, at.Z_FORWARD], M[j, at.Z_LEFT] = lever_m[w, 0], lever_m[w, 1]
        placed = math.isfinite(n[east, j]) and math.isfinite(n[north, j])
        known = who[j] >= 0 and n[usable, j] > 0.0
        # a sigma above the limit: the receiver itself states that it has no position
        columns.usable[j] = placed and known and not n[sigma, j] > SIGMA_M_MAX
    return n_odd


def fix_rows(seen: GnssFixes, who: I64, config: FusionConfig, lever_m: F64) -> tuple[F64, Bools, int]:
    """Return the fixes as measurements (n, N_MEAS), which have a position (n,), how many speeds are odd.

    The configuration replaces errors that are not stated.
    """
    columns = Columns(
        who=who,
        stamp_ns=np.ascontiguousarray(seen.stamp_ns, np.int64),
        source_seq=np.ascontiguousarray(seen.source_seq, np.int64),
        numbers=np.array(
            (
                seen.east_m, seen.north_m, seen.speed_mps, seen.heading_rad, seen.sigma_m, seen.tau_s,
                seen.usable,
            ),
            dtype=np.float64,
        ),
        lever_m=lever_m,
        M=np.zeros((len(who), at.N_MEAS)),
        usable=np.zeros(len(who), dtype=np.bool_),
    )  # fmt: skip
    n_odd = _fill_fixes(columns, config.gnss_sigma_m, config.gnss_tau_s, config.gnss_stamp_sigma_s)
    return columns.M, columns.usable, n_odd


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


@kernel
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
            done.touched[n_touched] = about[w, at.ROW]
            n_touched += 1
            known = is_followed(tracks.ints, about[w, at.ROW], stamp_ns, tuning[at.RADAR_TIMEOUT_NS])
            odd = outcome[j] == OUTLIER and tracks.ints[about[w, at.ROW], at.OUTLIERS] < OUTLIERS_MAX
            if known and odd:  # one wild fix says nothing of whose it is; three in a row do
                continue
            if not known or stamp_ns - about[w, at.WEIGHED_NS] >= WEIGH_EVERY_NS:
                about[w, at.WEIGHED_NS] = max(stamp_ns, about[w, at.WEIGHED_NS])
                weigh(tracks, rings, terminals, w, stamp_ns, fixes.M, j, settings, scratch.predicted)
                learn(tracks, rings, terminals, w, stamp_ns, fixes.M, j, tuning, scratch.predicted)
                done.weighed[j] = True
    tally[at.T_TOUCHED] = n_touched


_update_unchecked = unchecked(_update)
