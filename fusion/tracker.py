"""The tracker: observations in, tracks with identity out. Kernels do the arithmetic."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.arrays import I64, U8, Bools
from core.kernel import checked_once
from fusion import duplicate_tracks
from fusion import fix_step as part
from fusion import layout as at
from fusion.births import note_clutter
from fusion.body_sizes import SEVERAL, learn_shares
from fusion.clocks import add_count
from fusion.config import FusionConfig, RadarPose, Terminal
from fusion.doubt_ghost import look_for_ghosts
from fusion.doubt_jam import look_for_jams
from fusion.doubt_table import DoubtTable
from fusion.extent_prior import review
from fusion.fix_actions import act_on, count_refused, look_at_clocks, rows_of, shift_clocks, wanted_of
from fusion.fix_message import N_TOUCHED, Message, MessageMemory
from fusion.handover import CarriedTrack, carried, is_sound
from fusion.handover_adopt import adopt, contradicts, has_room
from fusion.identity_binding import describe
from fusion.identity_decision import PRESUMES
from fusion.identity_presumption import give_back, withdraw
from fusion.layout import LaneCells
from fusion.observations import GnssFixes, ObjectScan, Observation, RadarScan
from fusion.radar_update import Scans, radar_update
from fusion.registration import Registered, Registration
from fusion.scan_readout import read_scan
from fusion.strangers import free_silent
from fusion.timekeeping import SILENT_NS, ClockReport, LooseReports, Timekeeping
from fusion.track_life import overdue, shown, unseen
from fusion.track_store import TerminalTable, TrackStore, free_row
from fusion.tracker_state import BODIES, TrackerState, restore, snapshot, stored_tracks
from fusion.tracks import BatchMemory, TrackBatch, batch_of
from fusion.visibility import note_outside

SEEN_NS = 300_000_000  # by radar so lately that its extent is of now
NO_ROWS: I64 = np.zeros(0, dtype=np.int64)
_overdue_once, _shown_once, _unseen_once = checked_once(overdue), checked_once(shown), checked_once(unseen)
_note_outside_once, _look_for_ghosts_once = checked_once(note_outside), checked_once(look_for_ghosts)
_look_for_jams_once, _note_clutter_once = checked_once(look_for_jams), checked_once(note_clutter)
_free_row_once = checked_once(free_row)


@dataclass(slots=True, kw_only=True)  # frozen, it would cost 1 us for each observation
class TrackerUpdate:
    """The changes of one call: the caller must apply the first three."""

    touched: TrackBatch  # the measured tracks at their newest states; id 0: not shown yet
    merged: tuple[tuple[int, int], ...] = ()  # pairs of ids (gone, survivor)
    ended: tuple[int, ...] = ()  # ids
    late: tuple[tuple[int, int], ...] = ()  # fixes that came too late to be fused: place, corrected stamp
    freed: Sequence[tuple[int, str]] = ()  # rows of terminals that are another's from now on; who had them


class Tracker:
    """The tracks of one RSU; see docs/fusion.md. Equal inputs give equal bytes."""

    def __init__(
        self,
        config: FusionConfig,
        radars: Sequence[RadarPose],
        terminals: Sequence[Terminal],
        *,
        id_base: int,
        lanes: LaneCells | None = None,
        n_reused: int = 0,
    ) -> None:
        """n_reused : `touched` of a step of up to so many tracks is overwritten by a later step."""
        self.config = config
        self._radars = tuple(radars)
        self.store = TrackStore(config, self._radars, lanes)
        self.terminals = TerminalTable(terminals)
        self.sensor_row = {radar.sensor: q for q, radar in enumerate(radars)}
        self.scans = Scans(len(radars))
        self.registration = Registration(self._radars, config.self_calibration)
        self.registration.impose(self.store)
        self.times = Timekeeping(config.history_s, len(radars))
        self.doubts = DoubtTable()
        self.counts: dict[str, int] = {}
        self.id_base, self.n_ids = id_base, 0
        self.duplicates: dict[tuple[int, int], int] = {}  # ids of two tracks in one place, and since when
        self._found = part.memory()
        self._nothing = batch_of(self.store, NO_ROWS, 0)  # of a tick, which measures no track
        self._batches, self._messages = BatchMemory(n_reused), MessageMemory()
        self._merged: list[tuple[int, int]] = []  # of this call
        self._ended: list[int] = []
        self._late: tuple[tuple[int, int], ...] = ()
        self._wanted = (config, wanted_of(config))

    @property
    def terminal_ids(self) -> list[str]:
        """The terminals by row: registered first, then strangers; empty: a free row."""
        return self.terminals.ids

    # ---- observations

    def step(self, now_ns: int, observation: Observation) -> TrackerUpdate:
        """Fuse one arrival."""
        if isinstance(observation, GnssFixes):
            return self._fuse_fixes(now_ns, observation)
        filled = self._batches.of_size(self._fuse_scan(now_ns, observation))
        return self._changes(read_scan(self.store, filled))

    def _changes(self, touched: TrackBatch) -> TrackerUpdate:
        if not (self._merged or self._ended or self._late):  # the usual case
            return TrackerUpdate(touched=touched)
        update = TrackerUpdate(
            touched=touched, merged=tuple(self._merged), ended=tuple(self._ended), late=self._late
        )
        self._merged, self._ended, self._late = [], [], ()
        return update

    def _fuse_scan(self, now_ns: int, seen: RadarScan | ObjectScan) -> int:
        """Fuse a scan; return how many tracks it touched."""
        if (q := self.sensor_row.get(seen.sensor)) is None:
            self._count("radar.unknown")
            return 0
        seen, store, late_ns = self.registration.corrected(q, seen), self.store, self.config.history_s * 1e9
        n = radar_update(store, self.scans, self.times.radars, late_ns, now_ns, q, seen, self.counts)
        if n and store.tally[at.T_DUE]:
            self._confirm(store.scratch.touched[:n])
        return n

    def _fuse_fixes(self, now_ns: int, seen: GnssFixes) -> TrackerUpdate:
        store, terminals, found, report = self.store, self.terminals, self._found, self._found.report
        who = rows_of(now_ns, seen.terminal, terminals, self.times, self.doubts, self.counts)
        message, filled = self._messages.message_of(seen, who), self._batches.of_size(len(who))
        next_part, (config, wanted) = part.RECEIVE, self._wanted
        if config is not self.config:
            wanted = wanted_of(self.config)
            self._wanted = (self.config, wanted)
        while True:
            next_part = part.step_of_fixes(
                next_part, now_ns, message, store.tracks, store.rings, terminals.rows, self.doubts.rows,
                store.settings, store.scratch, store.track, terminals.vehicles, len(terminals.ids),
                self.times.usual(), wanted, found, filled.columns, *filled.observed,
            )  # fmt: skip
            if next_part == part.DONE:  # the usual case
                return self._changes(filled.batch)
            if next_part == part.READ:
                filled = self._batches.of_size(int(report[part.R_TRACKS]))
            elif next_part == part.IDENTIFY_NEXT:
                self._identify(who[report[part.R_NEXT] - 1], now_ns)
            elif next_part == part.IDENTIFY:
                self._note_fused(message)
            else:
                self._count("gnss.odd_speed", int(report[part.R_ODD]))
                if report[part.R_TIMED]:
                    look_at_clocks(terminals, self.times, now_ns, seen, message, self.counts)

    def _note_fused(self, message: Message) -> None:
        """Note what fusing a message's fixes found beside their tracks."""
        report, tally = self._found.report, self.store.tally
        if report[part.R_TIMED]:
            shift_clocks(self.terminals, self.times, self.doubts, message, self.counts)
        if report[part.R_REFUSED]:
            self._late = count_refused(message, self.counts)
        if tally[at.T_DUE]:
            self._confirm(message.numbers[N_TOUCHED, : tally[at.T_TOUCHED]])

    def _confirm(self, rows: I64) -> None:
        """Give ids to the tracks that are due, in the order of `rows`."""
        store = self.store
        for i in rows[store.ints[rows, at.STATUS] == at.DUE].tolist():
            if store.ints[i, at.STATUS] != at.DUE:  # the same row twice
                continue
            self._name(i)
            store.ints[i, at.STATUS] = at.CONFIRMED
            if store.ints[i, at.TERMINAL] >= 0:
                describe(store, self.terminals, i)

    def _name(self, i: int) -> None:
        """Give row i an id, unless it was shown under one already."""
        if not self.store.track[i]:
            self.n_ids += 1
            self.store.track[i] = self.id_base + self.n_ids

    def _identify(self, w: int, now_ns: int) -> None:
        """Act as was decided of terminal w."""
        store, own = self.store, int(self.terminals.rows.ints[w, at.ROW])
        what, *merged = act_on(store, self.terminals, self._found, w, now_ns, self.counts)
        self._merge(*merged)
        if what == PRESUMES and store.ints[own, at.STATUS] == at.DUE:
            self._confirm(np.array([own], dtype=np.int64))

    def _merge(self, gone: int, survivor: int) -> None:
        if gone and survivor and gone != survivor:
            self._merged.append((gone, survivor))

    # ---- time

    def tick(self, t_ns: int) -> TrackerUpdate:
        """End the tracks that were not measured for too long, and merge duplicates."""
        store = self.store
        config, rows = self.config, store.scratch.touched
        self.registration.tick(store, t_ns)
        _note_outside_once(store.tracks, t_ns, store.settings, store.scratch.predicted)
        timeouts_ns = config.radar_timeout_s * 1e9, config.gnss_timeout_s * 1e9
        n = _overdue_once(store.tracks, t_ns, *timeouts_ns, float(store.settings.tuning[at.LLR_DROP]), rows)
        for i in rows[:n].tolist():
            self._end(i)
        self._learn_bodies(t_ns)
        confirmed = self._confirmed()
        if len(confirmed) < 2:
            self.duplicates, joined = {}, list[tuple[int, int]]()
        else:
            self.duplicates, joined = duplicate_tracks.step(store, confirmed, t_ns, self.duplicates)
        for goes, stays in joined:
            self._merge(int(store.track[goes]), int(store.track[stays]))
            store.track[goes] = 0
            self._end(goes)
            self._count("tracks.twins")
        self._note_shown(t_ns)
        _look_for_ghosts_once(
            store.tracks, self.terminals.rows, self.doubts.rows, t_ns, store.settings, self._works(t_ns),
            store.scratch.predicted,
        )  # fmt: skip
        self.doubts.reserve(len(self.terminals.ids))
        _look_for_jams_once(
            store.tracks, self.terminals.rows, self.doubts.rows, len(self.terminals.ids), t_ns
        )
        freed = free_silent(t_ns, self.terminals, self.times, self.doubts)
        return replace(self._changes(self._nothing), freed=freed)

    def _learn_bodies(self, t_ns: int) -> None:
        """Learn from identified vehicles where radar sees their bodies; see fusion.extent."""
        store = self.store
        ints = store.ints[: store.tally[at.T_HIGH]]
        named = np.flatnonzero(ints[:, at.RADAR] >= 0)  # few: those that one radar alone has measured
        named = named[(ints[named, at.TERMINAL] >= 0) & (t_ns - ints[named, at.RADAR_NS] <= SEEN_NS)]
        if not len(named):
            return
        length_m = self.terminals.vehicles.length_m[ints[named, at.TERMINAL]]
        if learn_shares(store.tracks, store.settings.radars, named, length_m):
            told = (ints[:, at.TERMINAL] >= 0) & (ints[:, at.RADAR] == SEVERAL)
            rows = np.flatnonzero((ints[:, at.STATUS] != at.FREE) & ~told)
            review(store.tracks, store.rings, rows, store.settings, store.scratch.vector)

    def _end(self, i: int) -> None:
        store, w = self.store, int(self.store.ints[i, at.TERMINAL])
        if store.ints[i, at.STATUS] == at.TENTATIVE:
            _note_clutter_once(store.tracks, store.rings, i, store.settings)
        give_back(store, self.terminals, i)
        if w >= 0:
            withdraw(store, self.terminals, w)
            self.terminals.rows.ints[w, at.ROW] = -1
        if store.track[i]:
            self._ended.append(int(store.track[i]))
            store.track[i] = 0
        _free_row_once(store.tracks, i)

    def unseen(self, t_ns: int) -> tuple[TrackBatch, TrackBatch]:
        """Return the tracks that every sensor misses at t_ns, predicted and at their last measurements."""
        touched = self.store.scratch.touched
        rows = touched[: _unseen_once(self.store.tracks, t_ns, touched)].copy()
        if not len(rows):  # nearly always
            return self._nothing, self._nothing
        return batch_of(self.store, rows, t_ns), batch_of(self.store, rows, 0)

    def end(self, ids: Sequence[int]) -> TrackerUpdate:
        """End the tracks with these ids: the map shows that their vehicles are gone."""
        by_id = {int(self.store.track[i]): int(i) for i in self._confirmed()} if len(ids) else {}
        for i in [by_id[key] for key in ids if key in by_id]:
            self._end(i)
        return self._changes(self._nothing)

    def at(self, t_ns: int) -> TrackBatch:
        """Return the tracks shown at t_ns, ordered by id; a state newer than t_ns stays at its stamp."""
        rows = self._shown(t_ns)
        rows = rows[self.store.track[rows] != 0]  # likely ones get their ids at the tick
        return batch_of(self.store, rows[np.argsort(self.store.track[rows], kind="stable")], t_ns)

    def _shown(self, t_ns: int) -> I64:
        store, rows, works = self.store, self.store.scratch.touched, self._works(t_ns)
        n = _shown_once(
            store.tracks, store.rings, self.terminals.rows, t_ns, store.settings, works,
            store.scratch.predicted, rows,
        )  # fmt: skip
        return rows[:n]

    def _note_shown(self, t_ns: int) -> None:
        """Note since when each track is shown; give ids to those that are likely only."""
        rows, since_ns = self._shown(t_ns), self.store.ints[:, at.SHOWN_NS]
        for i in rows[self.store.track[rows] == 0].tolist():
            self._name(i)
        since_ns[rows[since_ns[rows] <= 0]] = t_ns

    def _works(self, t_ns: int) -> Bools:
        """Return the mask (n_radars,) of the radars that scan."""
        return np.array([t_ns - newest_ns <= SILENT_NS for newest_ns in self.scans.newest_ns], dtype=np.bool_)

    def _confirmed(self) -> I64:
        store = self.store
        rows = np.flatnonzero(store.ints[: store.tally[at.T_HIGH], at.STATUS] == at.CONFIRMED)
        return rows[np.argsort(store.track[rows], kind="stable")]

    def clear(self, *, keep_passages: bool = False) -> None:
        """Remove all tracks and stamps, after a step of the clock; ids are not used again."""
        learnt = self.store.settings.radars[:, BODIES]
        self.store = TrackStore(self.config, self._radars, self.store.settings.lanes)
        self.store.settings.radars[:, BODIES] = learnt  # of the radars, not of their tracks
        self.terminals = TerminalTable(self.terminals.about, self.terminals.n_registered)
        self.scans = Scans(len(self._radars))
        self.times = Timekeeping(self.config.history_s, len(self._radars))
        self.duplicates, self.doubts = {}, DoubtTable()
        if not keep_passages:  # their stamps are of the other clock
            self.registration.passages.ints[:] = -1
        self.registration.impose(self.store)

    # ---- the state of sensors and clocks

    def doubt(self, tracks: TrackBatch) -> U8:
        """Return the kinds of doubt (fusion.doubt_table) in the terminals of n tracks, as bits (n,)."""
        return self.doubts.kinds(tracks.terminal.astype(np.int64)) | self.doubts.in_jam(*tracks.x[:, :2].T)

    def sensor_state(self, t_ns: int) -> dict[str, str]:
        """Return each radar's state: online, silent (over a second), never (no scan yet), clock (wrong)."""
        return {
            sensor: self.times.radar_state(q, t_ns)
            or ("never" if not newest_ns else "silent" if t_ns - newest_ns > SILENT_NS else "online")
            for (sensor, q), newest_ns in zip(self.sensor_row.items(), self.scans.newest_ns, strict=True)
        }

    def loose_reports(self, t_ns: int, within_ns: int) -> LooseReports:
        """Return the reports of the last `within_ns` whose stamps are unusable."""
        return self.times.terminals.loose(t_ns, within_ns)

    def clock_report(self, t_ns: int) -> ClockReport:
        """Return the wrong clocks at t_ns."""
        return self.times.report(t_ns, self.terminals.ids, list(self.sensor_row))

    def registration_report(self) -> dict[str, Registered]:
        """Return the errors of the radars' poses by sensor, as far as traffic has shown them."""
        return self.registration.report() if self.config.self_calibration != "off" else {}

    # ---- across RSUs and restarts

    def carry(self, ids: Sequence[int]) -> list[CarriedTrack]:
        """Return the tracks with these ids in named fields, for a neighbour; unknown ids are left out."""
        by_id = {int(self.store.track[i]): int(i) for i in self._confirmed()}
        return [carried(self.store, self.terminals, by_id[key], self.doubts) for key in ids if key in by_id]

    def believes(self, now_ns: int, track: CarriedTrack) -> bool:
        """Whether a neighbour's track is possible and does not contradict our track of the vehicle."""
        return is_sound(track, now_ns) and not contradicts(self.store, self.terminals, track)

    def has_room(self, tracks: Sequence[CarriedTrack]) -> bool:
        """Whether there is room to adopt all of a neighbour's tracks."""
        return has_room(self.store, self.terminals, tracks)

    def adopt(self, now_ns: int, tracks: Sequence[CarriedTrack]) -> TrackerUpdate:
        """Adopt a neighbour's tracks under their ids; each is joined with our track of its vehicle."""
        for track in tracks:
            if track.terminal in self.terminals.row:  # the neighbour knows: there is nothing to presume
                withdraw(self.store, self.terminals, self.terminals.row[track.terminal])
            outcome, gone = adopt(self.store, self.terminals, now_ns, track, self.doubts)
            self._count(f"handover.{outcome}")
            for key in gone:
                self._merge(key, track.track)
        return self._changes(self._nothing)

    def drop(self, ids: Sequence[int]) -> None:
        """Remove the tracks with these ids; they are not reported as ended."""
        if not ids:
            return
        by_id = {int(self.store.track[i]): int(i) for i in self._confirmed()}
        for key in ids:
            if key in by_id:
                self.store.track[by_id[key]] = 0
                self._end(by_id[key])

    def state(self, *, has_tracks: bool = True) -> TrackerState:
        """Return the whole state, on which the next step depends; tracks may be taken apart from it."""
        return snapshot(
            self.store, self.terminals, self.n_ids, self.counts, self.duplicates,
            self.scans, self.times, self.doubts, self.registration,
            stored_tracks(self.store, self.terminals) if has_tracks else (),
        )  # fmt: skip

    def restore(self, state: TrackerState) -> None:
        """Continue exactly from `state`, under the same configuration and id_base."""
        self.registration = Registration(self._radars, self.config.self_calibration)
        self.registration.restore(state.registration)
        self.clear(keep_passages=True)
        self.terminals = TerminalTable(state.terminals, self.terminals.n_registered)
        restore(self.store, self.terminals, self.times, state)
        self.doubts.restore(state.doubts)
        self.n_ids = state.n_ids
        self.scans.restore(state.newest_ns, state.scans)
        self.scans.objects.restore(state.object_keys, state.objects, tuple(self.sensor_row))
        self.counts = dict(state.counts)
        self.duplicates = {(one, other): since_ns for one, other, since_ns in state.duplicates}

    def _count(self, reason: str, times: int = 1) -> None:
        add_count(self.counts, reason, times)
