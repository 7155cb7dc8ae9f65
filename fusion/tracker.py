"""The tracker: observations in, tracks with identity out. It only orchestrates; kernels do the arithmetic."""

import math
from collections.abc import Sequence

import numpy as np

from core.classes import N_CLASSES
from core.kernel import F64, I64
from core.times import FUTURE_NS
from fusion import duplicate_tracks as twins
from fusion.arrivals import object_rows, polar_rows
from fusion.batch import batch_of
from fusion.config import FusionConfig, RadarPose, Terminal
from fusion.duplicate_scans import Copies
from fusion.gnss_update import DUPLICATE, FUSED, FUTURE, LATE, NO_ROOM, OUTLIER, UNUSABLE, fixes
from fusion.handover import CarriedTrack, TrackerState, carried, is_sound, restore, snapshot
from fusion.handover_adopt import adopt, contradicts, has_room
from fusion.identity_binding import bind, describe, forget_pairs, release
from fusion.identity_likelihood import decide
from fusion.layout import (
    CONFIRMED,
    DUE,
    FIX,
    FREE,
    GNSS_NS,
    IDENTITY_P,
    N_MEAS,
    RADAR_NS,
    ROW,
    SOURCE,
    STATUS,
    TERMINAL,
    WHAT,
    Z0,
    Z1,
    Z2,
    Z3,
    Z4,
    Z5,
    Z6,
    Z7,
    Z8,
)
from fusion.observations import (
    SIGMA_M_MAX,
    SPEED_MPS_MAX,
    TAU_S_MAX,
    GnssFixes,
    ObjectScan,
    Observation,
    RadarScan,
)
from fusion.radar_update import T_DUE, T_FALLEN, T_FULL, T_HIGH, T_LATE, T_PAIRS, T_TOUCHED, free_row, scan
from fusion.terminal_clocks import ClockReport, LooseReports
from fusion.timekeeping import Timekeeping
from fusion.track_store import Table, Terminals
from fusion.tracks import TrackBatch

SILENT_NS = 1_000_000_000
PERIOD_NS_MIN, PERIOD_NS_MAX = 10_000_000, 1_000_000_000
SIGMA_M_MIN, TAU_S_MIN = 0.02, 0.1
WEIGHED = 64  # of a fix's outcome: identity evidence came in
CLOCK = 7  # of a fix's outcome, beside those of fusion.fixes: its terminal's clock is wrong
OUTCOMES = {
    FUSED: "gnss.fused", DUPLICATE: "gnss.duplicate", FUTURE: "gnss.future", LATE: "gnss.late",
    UNUSABLE: "gnss.unusable", OUTLIER: "gnss.outlier", NO_ROOM: "tracks.full",
    CLOCK: "gnss.clock",
}  # fmt: skip


class Tracker:
    """Tracks of one RSU; see docs/fusion.md and docs/architecture.md. Same inputs, same bytes."""

    def __init__(
        self,
        config: FusionConfig,
        radars: Sequence[RadarPose],
        terminals: Sequence[Terminal],
        *,
        id_base: int,
    ) -> None:
        self.config = config
        self._radars = tuple(radars)
        self.table = Table(config, self._radars)
        self.terminals = Terminals(terminals)
        self.sensor_row = {radar.sensor: q for q, radar in enumerate(radars)}
        self.heard_ns = [0] * len(radars)  # newest stamp of each radar
        self.copies = Copies(len(radars))
        self.times = Timekeeping(config.history_s, len(radars))
        self.counts: dict[str, int] = {}
        self.id_base, self.n_ids = id_base, 0
        self.ended: list[int] = []
        self.merged: list[tuple[int, int]] = []
        self.twins: dict[tuple[int, int], int] = {}
        self._accept = math.log(config.identity_accept_p / (1.0 - config.identity_accept_p))

    @property
    def terminal_ids(self) -> list[str]:
        """The terminals by row: registered first, then as they were heard."""
        return self.terminals.ids

    # ---- observations

    def step(self, now_ns: int, observation: Observation) -> TrackBatch:
        """Fuse one arrival; return the tracks it touched at their newest states, tentative ones with id 0."""
        if isinstance(observation, GnssFixes):
            rows = self._fixes(now_ns, observation)
        else:
            rows = self._scan(now_ns, observation)
        return batch_of(self.table, rows, 0)

    def _scan(self, now_ns: int, seen: RadarScan | ObjectScan) -> I64:
        table, tally = self.table, self.table.tally
        q = self.sensor_row.get(seen.sensor)
        if q is None:
            self._count("radar.unknown")
            return np.zeros(0, dtype=np.int64)
        self.times.scan(q, now_ns, seen, self.counts)
        if seen.stamp_ns > now_ns + FUTURE_NS:
            self._count("radar.future")
            return np.zeros(0, dtype=np.int64)
        if seen.stamp_ns < now_ns - self.config.history_s * 1e9:
            self._count("radar.late")
            return np.zeros(0, dtype=np.int64)
        if self.copies.note(q, seen):
            self._count("radar.duplicate")
            return np.zeros(0, dtype=np.int64)
        period_ns = min(max(seen.stamp_ns - self.heard_ns[q], PERIOD_NS_MIN), PERIOD_NS_MAX)
        self.heard_ns[q] = max(self.heard_ns[q], seen.stamp_ns)
        n, odd = polar_rows(table, seen, q) if isinstance(seen, RadarScan) else object_rows(table, seen, q)
        scan(
            table.X, table.P, table.ints, table.floats, table.stamps, table.meas, table.states, table.free,
            tally, seen.stamp_ns, seen.arrived_ns, period_ns, table.M, table.about, n, table.radars, q,
            table.tuning, table.WX, table.WP, table.rows, table.miss, table.seen, table.next_of, table.grid,
            table.pairs,
            table.costs, table.det_of, table.track_of, table.parent, table.order, table.start, table.names,
            table.cost, table.work, table.touched, table.scratch,
        )  # fmt: skip
        self._count("radar.odd_detection", odd)
        if isinstance(seen, ObjectScan):
            self._count("radar.odd_class", int(np.count_nonzero((seen.kind < 0) | (seen.kind >= N_CLASSES))))
        self._count("assignment.fallback", int(tally[T_FALLEN]))
        self._count("tracks.full", int(tally[T_FULL]))
        self._count("radar.late_detection", int(tally[T_LATE]))
        self._count("gate.full", int(tally[T_PAIRS] >= len(table.costs)))
        rows = table.touched[: tally[T_TOUCHED]].copy()
        if tally[T_DUE]:
            self._confirm(rows)
        return rows

    def _fixes(self, now_ns: int, seen: GnssFixes) -> I64:
        table, terminals, n = self.table, self.terminals, len(seen.terminal)
        who = np.array([terminals.row_of(terminal) for terminal in seen.terminal], dtype=np.int64)
        usable = (seen.usable > 0.0) & np.isfinite(seen.east_m) & np.isfinite(seen.north_m) & (who >= 0)
        usable &= ~(seen.sigma_m > SIGMA_M_MAX)  # it says itself that it knows no place
        self._count("terminals.full", int(np.count_nonzero(who < 0)))
        self._count("gnss.odd_speed", int(np.count_nonzero(seen.speed_mps > SPEED_MPS_MAX)))
        outcome, touched = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        M = self._fix_rows(seen, who)
        stamp_ns, doubtful = self.times.fixes(
            now_ns, terminals.about, who, seen, usable, M[:, Z4], self.counts
        )
        fixes(
            table.X, table.P, table.ints, table.floats, table.stamps, table.meas, table.states, table.free,
            table.tally, terminals.ints, terminals.keys, terminals.pair_ints, terminals.pairs, now_ns, n,
            np.maximum(who, 0), stamp_ns, np.ascontiguousarray(seen.arrived_ns),
            np.ascontiguousarray(seen.source_seq), usable & ~doubtful, M, table.radars,
            table.tuning, table.WX, table.WP, table.scratch, outcome, touched,
        )  # fmt: skip
        outcome[doubtful & usable & np.isin(outcome, (LATE, FUTURE, UNUSABLE))] = CLOCK
        for reason, times in zip(*np.unique(outcome & (WEIGHED - 1), return_counts=True), strict=True):
            if reason != FUSED:
                self._count(OUTCOMES[int(reason)], int(times))
        rows = touched[: table.tally[T_TOUCHED]]
        self._confirm(rows)
        for j in np.flatnonzero(outcome >= WEIGHED):
            self._identify(int(who[j]), int(stamp_ns[j]))
        fused = dict.fromkeys(
            who[(outcome & (WEIGHED - 1) == FUSED) | (outcome & (WEIGHED - 1) == OUTLIER)].tolist()
        )
        alive = [int(terminals.ints[w, ROW]) for w in fused]
        return np.array([i for i in alive if i >= 0], dtype=np.int64)

    def _fix_rows(self, seen: GnssFixes, who: I64) -> F64:
        """Return the fixes as measurements; what a source does not state, the configuration does."""
        config, M = self.config, np.zeros((len(who), N_MEAS))
        whole = (seen.stamp_ns % 1_000_000_000 == 0) & (seen.source_seq >= 0)  # JT/T 808
        M[:, WHAT], M[:, SOURCE] = FIX, who
        M[:, Z0], M[:, Z1] = seen.east_m, seen.north_m
        moves = (seen.speed_mps >= 0.0) & (seen.speed_mps <= SPEED_MPS_MAX)
        M[:, Z2] = np.where(moves, seen.speed_mps, math.nan)
        M[:, Z3] = seen.heading_rad
        M[:, Z4] = np.fmax(
            np.where(np.isfinite(seen.sigma_m), seen.sigma_m, config.gnss_sigma_m), SIGMA_M_MIN
        )
        tau_s = np.where(np.isfinite(seen.tau_s), seen.tau_s, config.gnss_tau_s)
        M[:, Z5] = np.clip(tau_s, TAU_S_MIN, TAU_S_MAX)
        M[:, Z6] = np.where(whole, config.gnss_stamp_sigma_s, 0.0)
        M[:, Z7], M[:, Z8] = self.terminals.lever_m[who].T
        return M

    def _confirm(self, rows: I64) -> None:
        """Give ids to the tracks that are due, in the order of `rows`."""
        table = self.table
        for i in rows[table.ints[rows, STATUS] == DUE].tolist():
            if table.ints[i, STATUS] != DUE:  # the same row twice
                continue
            self.n_ids += 1
            table.track[i] = self.id_base + self.n_ids
            table.ints[i, STATUS] = CONFIRMED
            if table.ints[i, TERMINAL] >= 0:
                describe(table, self.terminals, i)

    def _identify(self, w: int, t_ns: int) -> None:
        """Act on what the evidence says of terminal w: bind, follow its probability, or let go."""
        table, terminals = self.table, self.terminals
        own = int(terminals.ints[w, ROW])
        if own < 0:
            return
        best, k, p, own_odds = decide(
            table.ints, terminals.ints, len(terminals.ids), terminals.pair_ints, terminals.pairs, w, t_ns,
            table.tuning, self._accept,
        )  # fmt: skip
        by_radar = not math.isnan(own_odds)
        if best >= 0:  # p counts the own track as a rival: it was left behind by as much as a binding needs
            self._merge(*bind(table, terminals, w, int(best), int(k), p, apart=by_radar))
            self._count("identity.bound")
        elif by_radar and own_odds < -self._accept:
            release(table, terminals, own)
            forget_pairs(terminals, w)
            self._count("identity.rejected")
        elif by_radar:
            table.floats[own, IDENTITY_P] = p

    def _merge(self, gone: int, survivor: int) -> None:
        if gone and survivor and gone != survivor:
            self.merged.append((gone, survivor))

    # ---- time

    def tick(self, t_ns: int) -> None:
        """End the tracks that nobody fed for too long."""
        table = self.table
        ints = table.ints[: table.tally[T_HIGH]]
        no_radar = t_ns - ints[:, RADAR_NS] > self.config.radar_timeout_s * 1e9
        no_fix = (ints[:, TERMINAL] < 0) | (t_ns - ints[:, GNSS_NS] > self.config.gnss_timeout_s * 1e9)
        for i in np.flatnonzero((ints[:, STATUS] != FREE) & no_radar & no_fix).tolist():
            self._end(i)
        self.twins, joined = twins.step(table, self._confirmed(), t_ns, self.twins)
        for goes, stays in joined:
            self._merge(int(table.track[goes]), int(table.track[stays]))
            table.track[goes] = 0
            self._end(goes)
            self._count("tracks.twins")

    def _end(self, i: int) -> None:
        table = self.table
        if table.ints[i, TERMINAL] >= 0:
            self.terminals.ints[table.ints[i, TERMINAL], ROW] = -1
        if table.track[i]:
            self.ended.append(int(table.track[i]))
            table.track[i] = 0
        free_row(table.ints, table.free, table.tally, i)

    def at(self, t_ns: int) -> TrackBatch:
        """Return all confirmed tracks predicted to t_ns (newer ones as they are), ordered by id."""
        return batch_of(self.table, self._confirmed(), t_ns)

    def _confirmed(self) -> I64:
        table = self.table
        rows = np.flatnonzero(table.ints[: table.tally[T_HIGH], STATUS] == CONFIRMED)
        return rows[np.argsort(table.track[rows], kind="stable")]

    def take_ended(self) -> list[int]:
        """Return the ids that ended since asked."""
        ended, self.ended = self.ended, []
        return ended

    def take_merged(self) -> list[tuple[int, int]]:
        """Return (gone, survivor) of the tracks that became one since asked."""
        merged, self.merged = self.merged, []
        return merged

    def clear(self) -> None:
        """Forget every track and stamp, after a step of the clock; ids go on."""
        self.table = Table(self.config, self._radars)
        self.terminals = Terminals(self.terminals.about)
        self.heard_ns = [0] * len(self.heard_ns)
        self.copies = Copies(len(self.heard_ns))
        self.times = Timekeeping(self.config.history_s, len(self.heard_ns))
        self.twins = {}

    # ---- who is heard

    def unheard(self, t_ns: int) -> list[str]:
        """Return the terminals that report positions while no radar sees their track."""
        table, w = self.table, np.flatnonzero(self.terminals.ints[: len(self.terminals.ids), ROW] >= 0)
        rows = self.terminals.ints[w, ROW]
        blind = t_ns - table.ints[rows, RADAR_NS] > self.config.radar_timeout_s * 1e9
        return [self.terminals.ids[k] for k in w[blind]]

    def sensor_state(self, t_ns: int) -> dict[str, str]:
        """Return each radar's state: online, silent (for more than a second), never heard, clock (wrong)."""
        return {
            sensor: self.times.radar_state(q, t_ns)
            or ("never" if not heard_ns else "silent" if t_ns - heard_ns > SILENT_NS else "online")
            for (sensor, q), heard_ns in zip(self.sensor_row.items(), self.heard_ns, strict=True)
        }

    def loose_reports(self, t_ns: int, within_ns: int) -> LooseReports:
        """Return terminals' reports of the last `within_ns` whose stamps don't say where the vehicle is."""
        return self.times.terminals.loose(t_ns, within_ns)

    def clock_report(self, t_ns: int) -> ClockReport:
        """Return whose clock is wrong."""
        return self.times.report(t_ns, self.terminals.ids, list(self.sensor_row))

    # ---- across RSUs and restarts

    def carry(self, ids: Sequence[int] | None) -> list[CarriedTrack]:
        """Return the named tracks as they stand, without rings; None: all that have ids, with rings."""
        rows = self._confirmed()
        if ids is None:
            return [carried(self.table, self.terminals, int(i), ring=True) for i in rows]
        by_id = {int(self.table.track[i]): int(i) for i in rows}
        return [carried(self.table, self.terminals, by_id[key], ring=False) for key in ids if key in by_id]

    def believes(self, now_ns: int, track: CarriedTrack) -> bool:
        """Whether a neighbour's track can be taken: of this version's layout, by the same clock, and not
        against what is known here of the same vehicle."""
        return is_sound(track, now_ns) and not contradicts(self.table, self.terminals, track)

    def has_room(self, tracks: Sequence[CarriedTrack]) -> bool:
        """Whether `adopt` can take all of a neighbour's tracks, which it believes."""
        return has_room(self.table, self.terminals, tracks)

    def adopt(self, now_ns: int, tracks: Sequence[CarriedTrack]) -> None:
        """Take a neighbour's tracks under their ids, each joined with the own one of its vehicle."""
        for track in tracks:
            outcome, gone = adopt(self.table, self.terminals, now_ns, track)
            self._count(f"handover.{outcome}")
            for key in gone:
                self._merge(key, track.track)

    def drop(self, ids: Sequence[int]) -> None:
        """Forget the named tracks, without calling them ended."""
        by_id = {int(self.table.track[i]): int(i) for i in self._confirmed()}
        for key in ids:
            if key in by_id:
                self.table.track[by_id[key]] = 0
                self._end(by_id[key])

    def state(self) -> TrackerState:
        """Return everything that the next step depends on."""
        return snapshot(
            self.table, self.terminals, self.n_ids, self.heard_ns, self.counts, self.ended, self.merged,
            self.twins, self.copies, self.times,
        )  # fmt: skip

    def restore(self, state: TrackerState) -> None:
        """Go on exactly where `state` was taken, under the same configuration and id_base."""
        self.clear()
        self.terminals = Terminals(())
        restore(self.table, self.terminals, self.times, state)
        self.n_ids, self.heard_ns = state.n_ids, list(state.heard_ns)
        self.copies.unpack(state.copies)
        self.counts = dict(state.counts)
        self.twins = {(one, other): since_ns for one, other, since_ns in state.twins}
        self.ended, self.merged = list(state.ended), [(gone, survivor) for gone, survivor in state.merged]

    def _count(self, reason: str, times: int = 1) -> None:
        if times:
            self.counts[reason] = self.counts.get(reason, 0) + times
