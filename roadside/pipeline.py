"""The RSU's core: inputs in, outputs out; it knows the time from stamps only. Live and replay run it alike.

`step(now_ns, input)` first runs the ticks that are due on the 100 ms UTC grid, then the input. It has no I/O,
clock or task: the same inputs give the same bytes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from core.arrays import F64, Bools
from core.times import TICK_NS
from edge.config_down import ConfigDown
from edge.wire import UnjudgedStretch
from fusion.observations import GnssFixes, ObjectScan, Observation, RadarScan
from fusion.tracker import TrackerUpdate
from fusion.tracks import TrackBatch
from geofence.episode_book import Judged
from geofence.leaving import has_left_lanes
from geofence.located import Located
from roadside.found_again import FoundAgain
from roadside.handover import CarriedVehicle, Handovers
from roadside.inputs import (
    ClockStep,
    EpisodesFound,
    GatewayFixes,
    HandedOver,
    HandoverAnswered,
    Input,
    Start,
    Stop,
)
from roadside.outputs import Held, Output, Raised, Released, Snapshot, WholeState, raised, stretches_of
from roadside.ownership import Ownership
from roadside.pipeline_alarms import TerminalAlarms
from roadside.pipeline_config import PublishedConfig
from roadside.pipeline_configured import Configured
from roadside.pipeline_late import LatePipeline, judged_rows
from roadside.pipeline_learnt import LearntMemory
from roadside.pipeline_map import Published
from roadside.pipeline_rows import may_open, only_reported
from roadside.pipeline_setup import Setup, journeys_of, monitor_of
from roadside.pipeline_state import PipelineState, encode_apart
from roadside.pipeline_tracker import tracker_of
from roadside.side_messages import SideMessages
from roadside.snapshot import Names, names_of, pack_records, with_doubt
from roadside.travelling import Travelling

UNSEEN_NS = 2_000_000_000
STATE_EVERY_NS = 60_000_000_000
GATEWAY_SILENT_NS = 3_000_000_000


class Pipeline(Configured):
    """One RSU: fuses, locates, judges and hands over."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.counts: dict[str, int] = {}
        self.monitor = monitor_of(setup)
        self.travelling = Travelling(journeys_of(setup, self._count), self._count)
        self.epoch = 0
        self.tracker = tracker_of(setup, 0)
        self.late = LatePipeline(setup, self._count, self.travelling.journeys)
        self.config = PublishedConfig(setup, self._count)
        self.learnt = LearntMemory(setup, self._count)
        self.alarms = TerminalAlarms(self._count)
        self.ownership = Ownership(setup.stretch_m, setup.neighbours)
        self.found_again = FoundAgain()
        side = (setup.neighbours, setup.frame, self.found_again, self.monitor)
        self._side_messages = SideMessages(*side, self.travelling.journeys.past)
        self.handovers = Handovers(setup.place, setup.frame, self.ownership, self._count)
        self._report_ns = int(setup.rules.dark_report_s * 1e9)
        self._plates = {vehicle.terminal: vehicle.plate for vehicle in setup.vehicles}
        self._names = Names()
        self._next_tick_ns: int | None = None
        self.feed_ns: int | None = None
        self._snapshot_seq = 0
        self.sensor_states: Mapping[str, str] = {}  # at the last tick
        self.unjudged: tuple[UnjudgedStretch, ...] = ()
        self._read_map()

    def step(self, now_ns: int, item: Input | None) -> list[Output]:
        """Run the ticks due at `now_ns`, then fuse and judge the input; return the outputs in order."""
        is_early = self._next_tick_ns is not None and now_ns < self._next_tick_ns
        if is_early and isinstance(item, Observation):  # the usual case
            return self._observe(now_ns, item)
        outputs: list[Output] = []
        if self._next_tick_ns is None:
            self._next_tick_ns = (now_ns // TICK_NS + 1) * TICK_NS
        until_ns = item.from_ns if isinstance(item, ClockStep) else now_ns
        while self._next_tick_ns <= until_ns:
            outputs += self._tick(self._next_tick_ns)
            self._next_tick_ns += TICK_NS
        if item is not None:
            outputs += self._dispatch(now_ns, item)
        return outputs

    def _dispatch(self, now_ns: int, item: Input) -> list[Output]:
        match item:
            case RadarScan() | ObjectScan() | GnssFixes():
                return self._observe(now_ns, item)
            case GatewayFixes(fixes=fixes, n_refused=n_refused):
                self.feed_ns = now_ns
                self._count("gnss.implausible", n_refused)
                return self._observe(now_ns, fixes) if len(fixes.terminal) else []
            case HandedOver():
                return [*self._read_side_message(now_ns, item), *self._adopt(now_ns, item)]
            case HandoverAnswered():
                return self._acknowledged(now_ns, item)
            case Start(epoch=epoch, episodes=episodes, journeys=journeys):
                self.epoch = epoch
                self.tracker, episodes = self.learnt.start(now_ns, self.setup, epoch, episodes)
                others = self.travelling.start(journeys, episodes)
                accepted, others = self.config.start(self.late.start(now_ns, self.tracker.id_base, others))
                self._put_in_force(accepted)
                return self._emit(now_ns, self.monitor.start(now_ns, others))
            case EpisodesFound(episodes=episodes, ended=ended):
                closes = self._emit(now_ns, self.monitor.start(now_ns, episodes))
                return closes + [Released(key) for key in self.monitor.drop_ended(ended)]
            case ConfigDown() | Published():
                return self._configure(now_ns, item)
            case ClockStep():
                return self._reset_clock(item)
            case Stop():
                return [self.learnt.kept(now_ns, self.tracker)]

    def _observe(self, now_ns: int, item: Observation) -> list[Output]:
        fixes = item if isinstance(item, GnssFixes) else None
        states_alarms = fixes is not None and fixes.states_alarms()
        if fixes is not None and states_alarms:
            self.travelling.read_alarms(now_ns, fixes)
        update = self.tracker.step(now_ns, item)
        touched = update.touched
        outputs = self._settle(now_ns, update) if update.merged or update.ended else []
        if fixes is not None and (states_alarms or self.alarms.has_any):
            self.alarms.note(now_ns, fixes)
        if update.late and fixes is not None:
            n_known, row = len(self.setup.terminals), self.tracker.terminals.row
            late = [each for each in update.late if not n_known or row[fixes.terminal[each[0]]] < n_known]
            self.late.receive(now_ns, fixes, late, self.tracker)
        if len(touched.track):
            found = self.monitor.judge(
                now_ns, touched, self.tracker.terminal_ids, self.ownership.owned(touched.track),
                lambda: self._may_open(touched, now_ns),
            )  # fmt: skip
            outputs += self._emit(now_ns, found) if found else []
        return outputs

    def _may_open(self, tracks: TrackBatch, now_ns: int) -> Bools | None:
        """Return the mask (n,) of tracks that may open a new episode; None: all may.

        A track on its way to a neighbour may not, nor one whose episodes a neighbour asks for, nor one of two
        tracks in one place, nor one whose name is only presumed: it would be judged by another vehicle's
        permissions. Nor one that only an unregistered terminal reports: anyone may connect one.
        """
        presumed, asked = tracks.presumed, self._side_messages.asked_for(now_ns)
        reported = only_reported(tracks, len(self.setup.terminals), now_ns)
        held = self.handovers.offered or self.tracker.duplicates or asked or reported is not None
        if not held and True not in presumed.tolist():
            return None
        free = self.ownership.may_open(tracks.track, now_ns)
        if reported is not None:
            free &= ~reported
        if asked:
            row = self.tracker.terminals.row
            free &= ~np.isin(tracks.terminal, [row[name] for name in asked if name in row])
        return may_open(tracks, free, self.tracker.duplicates)

    def _settle(self, t_ns: int, update: TrackerUpdate) -> list[Output]:
        """Follow the tracks that merged and those that ended."""
        for gone, survivor in update.merged:
            self.ownership.merge(gone, survivor)
            self.handovers.merge(gone, survivor)
        if update.merged:
            self.monitor.merge(update.merged)
            self.found_again.forget([gone for gone, _ in update.merged])
        if not (ended := update.ended):
            return []
        outputs: list[Output] = []
        lost = [key for key in ended if self.ownership.phase(key) == "giving"]
        outputs += self._emit(t_ns, self.monitor.close_handover_lost(t_ns, lost)) if lost else []
        outputs += self._emit(t_ns, self.monitor.end(t_ns, ended))
        for key in ended:
            self.ownership.forget(key)
        return outputs

    def _tick(self, t_ns: int) -> list[Output]:
        outputs = self._settle(t_ns, update := self.tracker.tick(t_ns))
        self.late.drop(update.freed)
        tracks = self.tracker.at(t_ns)
        located = self.monitor.locate(tracks, self.tracker.terminal_ids)
        held = self.tracker.store.track
        found_again = self.found_again.step(
            t_ns, tracks, located, self.ownership.unknown(tracks.track), held[held != 0].tolist()
        )
        if found_again:
            self.tracker.store.rename(found_again)
            self.monitor.merge(found_again)
            self._count("tracks.found_again", len(found_again))
            tracks = self.tracker.at(t_ns)
            located = self.monitor.locate(tracks, self.tracker.terminal_ids)
        leaving = self.ownership.advance(t_ns, tracks.track, located.s_m)
        owned = self.ownership.owned(tracks.track)
        self.sensor_states = self.tracker.sensor_state(t_ns)
        self.unjudged = stretches_of(self.monitor.unjudged(t_ns, self.sensor_states))
        gateway_present = self._gateway_present(t_ns)
        may_open = self._may_open(tracks, t_ns)
        doubt = self.tracker.doubt(tracks)
        loose = self.tracker.loose_reports(t_ns, self._report_ns)
        outputs += self.travelling.tick(
            t_ns, tracks, located, with_doubt(tracks, doubt, owned)[1],  # a ghost is on no journey
            self.unjudged, gateway_present=gateway_present, loose_reports=loose,
        )  # fmt: skip
        found = self.monitor.tick(
            t_ns, tracks, located, owned, may_open, gateway_present=gateway_present,
            loose_reports=loose, doubt=doubt,
            trips=self.travelling.journeys,
        )  # fmt: skip
        outputs += [*self._emit(t_ns, found), *self._judge_late(t_ns, tracks, located)]
        outputs += self.handovers.offer(t_ns, self.epoch, leaving, self._carried)
        outputs += self._side_messages.send(t_ns, self.epoch, tracks, self.handovers)
        flagged = self.ownership.flagged(tracks.track, t_ns)
        published, flagged = with_doubt(tracks, doubt, flagged)
        frame, dtype = self.setup.frame, self._track_dtype
        records = pack_records(t_ns, published, located, flagged, ~tracks.confirmed, frame, dtype)
        self._snapshot_seq += 1
        names = names_of(tracks, self.tracker.terminal_ids, self._plates)
        body = self._names.encode(self.setup.esn, self._snapshot_seq, t_ns, records, names)
        outputs.append(Snapshot(t_ns, len(records), body, tracks))
        self._forget_departed(t_ns, tracks, located.s_m)
        outputs += self._end_off_road(t_ns)
        if self._snapshot_seq == 1 or t_ns % STATE_EVERY_NS == 0:
            outputs.append(WholeState(t_ns, encode_apart(self.state(t_ns, has_tracks=False), self.tracker)))
        if t_ns % STATE_EVERY_NS == 0:
            outputs.append(self.learnt.kept(t_ns, self.tracker))
        return outputs

    def _judge_late(self, t_ns: int, tracks: TrackBatch, located: Located) -> list[Output]:
        """Judge stored fixes, but none of a time at which its vehicle was judged live."""
        judged_ns = self.monitor.judged_ns(located.rows)
        self.late.times.note(*judged_rows(tracks.terminal.astype(np.int64), judged_ns))
        found, states = self.late.tick(t_ns, self.tracker)
        self.alarms.tick(t_ns, self.late.times)
        outputs = self._emit(t_ns, [Judged(violation, None) for violation in found])
        return [*outputs, *(Held(key, body) for key, body in states)]

    def _forget_departed(self, t_ns: int, tracks: TrackBatch, s_m: F64) -> None:
        """Drop tracks that the neighbour owns: their fixes go there, so they would never time out here."""
        unseen = (t_ns - tracks.radar_ns > UNSEEN_NS) & (t_ns - tracks.gnss_ns > UNSEEN_NS)
        departed = self.ownership.departed(tracks.track, s_m, unseen)
        self.tracker.drop(departed)
        self.monitor.drop(departed)
        self.found_again.forget(departed)
        for key in departed:
            self.ownership.forget(key)

    def _end_off_road(self, t_ns: int) -> list[Output]:
        """End the tracks that nobody sees and whose prediction has left the map's lanes."""
        if not self.setup.road.lanes:
            return []
        now, last = self.tracker.unseen(t_ns)
        if not len(now):
            return []
        gone = now.track[has_left_lanes(self.setup.road.strips, last, now)].tolist()
        return self._settle(t_ns, self.tracker.end(gone))

    def _gateway_present(self, t_ns: int) -> bool:
        is_fed = self.feed_ns is not None and t_ns - self.feed_ns <= GATEWAY_SILENT_NS
        return is_fed or not self.setup.expects_gateway

    # ---- handover

    def _carried(self, keys: Sequence[int]) -> list[CarriedVehicle]:
        """Return the tracks with their judgements and journeys, for a neighbour."""
        return self.travelling.pack(self.tracker.carry(keys), self.monitor.carry(keys))

    def _acknowledged(self, now_ns: int, ack: HandoverAnswered) -> list[Output]:
        """Release the tracks that the neighbour adopted, or the waiting episodes that it continues."""
        self.travelling.acknowledge(ack, self.epoch)
        if ack.resumed or ack.trips:
            return [Released(key) for key in self.monitor.drop_waiting(ack.resumed)]
        given = self.handovers.acknowledge(ack, self.epoch)
        # an episode opened since the offer is not in it: only this RSU can close it
        outputs = self._emit(now_ns, self.monitor.close_left_behind(now_ns, given.tracks, given.episodes))
        self.found_again.forget(given.tracks)
        outputs += self.travelling.release(given.tracks)
        return [*outputs, *(Released(episode_id) for episode_id in self.monitor.drop(given.tracks))]

    def _adopt(self, now_ns: int, handed: HandedOver) -> list[Output]:
        """Adopt the vehicles of a handover and acknowledge it; a repeat is acknowledged again."""
        reception = self.handovers.receive(now_ns, handed, self.tracker)
        if reception is None:
            return []
        if reception.vehicles is None:
            return [reception.ack]
        update = self.tracker.adopt(now_ns, [vehicle.track for vehicle in reception.vehicles])
        outputs = self._settle(now_ns, update)
        judged = [vehicle.judgement for vehicle in reception.vehicles if vehicle.judgement is not None]
        self.monitor.adopt(judged)
        outputs += self._emit(now_ns, self.monitor.restate(now_ns, judged))
        outputs += self.travelling.adopt(now_ns, reception.vehicles)
        for vehicle in reception.vehicles:
            self.ownership.adopt(vehicle.track.track, handed.message.offered_ns, now_ns)
        return [*outputs, reception.ack]

    def _read_side_message(self, now_ns: int, handed: HandedOver) -> list[Output]:
        """Read what a neighbour says beside its tracks."""
        offered = self.handovers.episodes_offered(handed.giver)
        judged, ack = self._side_messages.read(now_ns, handed, lambda: self._terminals_here(now_ns), offered)
        return [*self._emit(now_ns, judged), *([] if ack is None else [ack])]

    def _terminals_here(self, now_ns: int) -> list[str]:
        """Return the terminals whose vehicles, for certain, are on our stretch and no neighbour's."""
        tracks, ids = self.tracker.at(now_ns), self.tracker.terminal_ids
        here = self.ownership.on_stretch(tracks.track, self.monitor.locate(tracks, ids).s_m)
        here &= (tracks.terminal >= 0) & tracks.confirmed & ~tracks.presumed
        return [ids[w] for w in tracks.terminal[here].tolist()]

    # ---- the whole state

    def state(self, t_ns: int, *, has_tracks: bool = True) -> PipelineState:
        """Return the whole state after tick `t_ns`: the next step depends on nothing else."""
        names, names_ns = self._names.published()
        return PipelineState(
            stamp_ns=t_ns,
            epoch=self.epoch,
            tracker=self.tracker.state(has_tracks=has_tracks),
            monitor=self.monitor.state(),
            holdings=self.ownership.state(),
            giving=self.handovers.offers_state(),
            received=self.handovers.received_state(),
            give_seq=self.handovers.seq,
            snapshot_seq=self._snapshot_seq,
            feed_ns=self.feed_ns,
            published_names=names,
            published_names_ns=names_ns,
            counts=dict(self.counts),
            nameless=self.found_again.state(),
            late=self.late.state(),
            config=self.config.state,
            alarms=self.alarms.state(),
            journeys=self.travelling.journeys.state(),
            asked_ns=self._side_messages.state(),
        )

    def restore(self, state: PipelineState) -> None:
        """Continue exactly from `state`; the next inputs are those from its stamp on."""
        self.epoch = state.epoch
        self.tracker = tracker_of(self.setup, state.epoch)
        self.tracker.restore(state.tracker)
        self._put_in_force(self.config.restore(state.config))
        self.monitor.restore(state.monitor)
        self.ownership.restore(state.holdings)
        self.found_again.restore(state.nameless)
        self.travelling.journeys.restore(state.journeys)
        self._side_messages.restore(state.asked_ns)
        self.handovers.restore(state.giving, state.received, state.give_seq)
        self._snapshot_seq = state.snapshot_seq
        self.feed_ns, self._next_tick_ns = state.feed_ns, state.stamp_ns + TICK_NS
        self.alarms.restore(state.alarms)
        self.late.restore(state.late, self.tracker.id_base)
        self._names.restore(state.published_names, state.published_names_ns)
        self.counts = dict(state.counts)

    # ---- the rest

    def _reset_clock(self, step: ClockStep) -> list[Output]:
        """End every track and start the grid anew: stamps before and after the step don't compare."""
        last_ns = (self._next_tick_ns or step.to_ns) - TICK_NS
        outputs = self._emit(last_ns, self.monitor.end(last_ns, self.tracker.at(last_ns).track.tolist()))
        self.learnt.reset_clock(self.tracker, step)
        self.found_again.restore(())
        self.ownership.holdings.clear()
        self.handovers.clear()
        self._side_messages.restore({})
        self.late.clear(step.to_ns)
        self.travelling.journeys.clear(step.to_ns)
        self._next_tick_ns = (step.to_ns // TICK_NS + 1) * TICK_NS
        self.feed_ns = None
        self._count("clock.step")
        return outputs

    def _emit(self, t_ns: int, found: Sequence[Judged]) -> list[Output]:
        """Return the violations that can be true, and in place of each other one the reason for a void."""
        marked = [Judged(self.alarms.marked(violation), episode) for violation, episode in found]
        outputs = raised(marked, self._bounds, t_ns, self._count)
        self.late.times.note_raised(output.violation for output in outputs if isinstance(output, Raised))
        self.travelling.note(outputs)
        return outputs

    def _count(self, reason: str, times: int = 1) -> None:
        if times:
            self.counts[reason] = self.counts.get(reason, 0) + times

    def all_counts(self) -> dict[str, int]:
        """Return the counters of the pipeline, the tracker and the monitor, by reason."""
        return dict(Counter(self.counts) + Counter(self.tracker.counts) + Counter(self.monitor.counts))
