"""The RSU's core: inputs in, outputs out, time from stamps alone. Live and replay are two shells around it.

`step(now_ns, input)` first runs the ticks that are due on the 100 ms UTC grid, then the input. No I/O, no
clock, no task: the same inputs give the same bytes.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.kernel import F64, Bools
from core.times import TICK_NS
from edge.wire import Handover, HandoverAck, TrackNames, UnjudgedStretch, encode
from fusion.config import FusionConfig, RadarPose, Terminal
from fusion.handover import CarriedTrack
from fusion.observations import GnssFixes, ObjectScan, RadarScan
from fusion.terminal_clocks import ClockReport
from fusion.tracker import Tracker, TrackerUpdate
from fusion.tracks import TrackBatch
from geofence.config import RulesConfig, VehicleConfig
from geofence.map.frames import SiteFrame
from geofence.map.roadmap import RoadMap
from geofence.monitor import Monitor
from geofence.plausible import WITHHELD, bounds_of, fault_of, plain
from geofence.violation import Violation
from geofence.violation import encode as encode_violation
from roadside.handover import CarriedVehicle, Reading, Received, episodes_of, pack, read
from roadside.inputs import ClockStep, Feed, HandedOver, HandoverAnswered, Input, Start, Stop
from roadside.outputs import Answer, Give, Output, Raised, Released, Snapshot, State, Withheld
from roadside.ownership import REPEAT_NS, Giving, Ownership
from roadside.snapshot import Names, rounded_p
from roadside.snapshot import pack as pack_records
from roadside.whole import PipelineState
from roadside.whole import encode as encode_state

UNSEEN_NS = 2_000_000_000
STATE_EVERY_NS = 60_000_000_000
GATEWAY_SILENT_NS = 3_000_000_000
PLACE_BITS, COUNTER_BITS = 9, 23  # of a track id, below the epoch's 32
GIVING_MAX = 256
GIVE_TRACKS_MAX = 50  # in one message: some 6 kB each with its evidence, and brokers refuse 1 MB


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What an RSU is told of itself, its sensors, its rules and its road."""

    esn: str
    place: int  # the RSU's index in the site file
    stretch_m: tuple[float, float] | None
    neighbours: tuple[tuple[str, float, float], ...]
    fusion: FusionConfig
    radars: tuple[RadarPose, ...]
    terminals: tuple[Terminal, ...]
    rules: RulesConfig
    vehicles: tuple[VehicleConfig, ...]
    road: RoadMap
    frame: SiteFrame
    expects_gateway: bool


class Pipeline:
    """One RSU: fuses, locates, judges and hands over."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.counts: dict[str, int] = {}
        self.monitor = Monitor(
            setup.rules,
            setup.road,
            setup.frame,
            setup.vehicles,
            esn=setup.esn,
            stretch_m=setup.stretch_m,
            radars=setup.radars,
        )
        axis, frame = setup.road.axis, setup.frame
        stations = [] if axis is None else [axis.k0_m, axis.k0_m + axis.length_m, *(setup.stretch_m or ())]
        self._bounds = bounds_of((frame.lon_deg, frame.lat_deg), stations)
        self.epoch = 0
        self.tracker = self._tracker(0)
        self.ownership = Ownership(setup.stretch_m, setup.neighbours)
        self._report_ns = int(setup.rules.dark_report_s * 1e9)
        self._plates = {vehicle.terminal: vehicle.plate for vehicle in setup.vehicles}
        self._names = Names(tuple(lane.lane for lane in setup.road.lanes))
        self._next_tick_ns: int | None = None
        self._feed_ns: int | None = None
        self._received = Received()
        self._giving: dict[int, Giving] = {}
        self._give_seq = 0
        self._snapshot_seq = 0
        self.unjudged: tuple[UnjudgedStretch, ...] = ()

    def step(self, now_ns: int, item: Input | None) -> list[Output]:
        """Run the ticks due at `now_ns`, then fuse and judge the input; return what came of it, in order."""
        outputs: list[Output] = []
        if self._next_tick_ns is None:
            self._next_tick_ns = (now_ns // TICK_NS + 1) * TICK_NS
        until_ns = item.from_ns if isinstance(item, ClockStep) else now_ns
        while self._next_tick_ns <= until_ns:
            self._tick(self._next_tick_ns, outputs)
            self._next_tick_ns += TICK_NS
        if item is not None:
            self._take(now_ns, item, outputs)
        return outputs

    def _take(self, now_ns: int, item: Input, outputs: list[Output]) -> None:
        match item:
            case RadarScan() | ObjectScan() | GnssFixes():
                self._observe(now_ns, item, outputs)
            case Feed(fixes=fixes, n_refused=n_refused):
                self._feed_ns = now_ns
                self._count("gnss.implausible", n_refused)
                if len(fixes.terminal):
                    self._observe(now_ns, fixes, outputs)
            case HandedOver():
                self._adopt(now_ns, item, outputs)
            case HandoverAnswered():
                self._answered(now_ns, item, outputs)
            case Start(epoch=epoch, episodes=episodes):
                self.epoch = epoch
                self.tracker = self._tracker(epoch)
                self.monitor.start(now_ns, episodes)
            case ClockStep():
                self._reset_clock(item, outputs)
            case Stop():
                pass

    def _observe(self, now_ns: int, item: RadarScan | ObjectScan | GnssFixes, outputs: list[Output]) -> None:
        update = self.tracker.step(now_ns, item)
        self._settle(now_ns, update, outputs)
        touched = update.touched
        if len(touched):
            located = self.monitor.locate(touched, self.tracker.terminal_ids)
            owned = self.ownership.owned(touched.track)
            may_open = self._may_open(touched, now_ns)
            found = self.monitor.judge(now_ns, touched, located, owned, tick=False, may_open=may_open)
            self._raise(now_ns, found, outputs)

    def _may_open(self, tracks: TrackBatch, now_ns: int) -> Bools | None:
        """Return of which tracks news may be told: not in a handover, nor while two are in one place.

        None, of all, most of the time: then no track is asked for one by one.
        """
        if not self._giving and not self.tracker.duplicates:
            return None
        doubtful = [track for pair in self.tracker.duplicates for track in pair]
        return self.ownership.may_open(tracks.track, now_ns) & ~np.isin(tracks.track, doubtful)

    def _settle(self, t_ns: int, update: TrackerUpdate, outputs: list[Output]) -> None:
        """Follow tracks that became one, and those that ended."""
        for gone, survivor in update.merged:
            self.ownership.merge(gone, survivor)
            under_way = self.ownership.phase(survivor) == "giving"
            for giving in self._giving.values():
                giving.merge(gone, survivor, under_way=under_way)
        if update.merged:
            self.monitor.merged(update.merged)
        ended = update.ended
        if not ended:
            return
        lost = [key for key in ended if self.ownership.phase(key) == "giving"]
        if lost:
            self._raise(t_ns, self.monitor.close_handover_lost(t_ns, lost), outputs)
        self._raise(t_ns, self.monitor.ended(t_ns, ended), outputs)
        for key in ended:
            self.ownership.forget(key)

    def _tick(self, t_ns: int, outputs: list[Output]) -> None:
        self._settle(t_ns, self.tracker.tick(t_ns), outputs)
        tracks = self.tracker.at(t_ns)
        located = self.monitor.locate(tracks, self.tracker.terminal_ids)
        leaving = self.ownership.step(t_ns, tracks.track, located.s_m)
        owned = self.ownership.owned(tracks.track)
        self.monitor.gateway_present = self._gateway_present(t_ns)
        self.monitor.sensor_states = self.tracker.sensor_state(t_ns)
        self.monitor.loose_reports = self.tracker.loose_reports(t_ns, self._report_ns)
        may_open = self._may_open(tracks, t_ns)
        found = self.monitor.judge(t_ns, tracks, located, owned, tick=True, may_open=may_open)
        self._raise(t_ns, found, outputs)
        self._give(t_ns, leaving, outputs)
        self.unjudged = tuple(
            UnjudgedStretch(
                road=row.road, from_m=row.from_m, to_m=row.to_m, reason=row.reason, since_ns=row.since_ns
            )
            for row in self.monitor.unjudged(t_ns)
        )
        records = pack_records(t_ns, tracks, located, owned, self.setup.frame)
        self._snapshot_seq += 1
        body = self._names.pack(self.setup.esn, self._snapshot_seq, t_ns, records, self._names_of(tracks))
        outputs.append(Snapshot(t_ns, len(records), body))
        self._forget_gone_on(t_ns, tracks, located.s_m)
        if self._snapshot_seq == 1 or t_ns % STATE_EVERY_NS == 0:
            outputs.append(State(t_ns, encode_state(self.state(t_ns))))

    def _forget_gone_on(self, t_ns: int, tracks: TrackBatch, s_m: F64) -> None:
        """A bound track lives on by its terminal's next fix; of what a neighbour has, that never comes."""
        unseen = (t_ns - tracks.radar_ns > UNSEEN_NS) & (t_ns - tracks.gnss_ns > UNSEEN_NS)
        gone_on = self.ownership.gone_on(tracks.track, s_m, unseen)
        self.tracker.drop(gone_on)
        self.monitor.drop(gone_on)
        for key in gone_on:
            self.ownership.forget(key)

    def _gateway_present(self, t_ns: int) -> bool:
        if not self.setup.expects_gateway:
            return True
        return self._feed_ns is not None and t_ns - self._feed_ns <= GATEWAY_SILENT_NS

    def _names_of(self, tracks: TrackBatch) -> TrackNames:
        named = [
            (track, self.tracker.terminal_ids[row], rounded_p(p))
            for track, row, p in zip(
                tracks.track.tolist(), tracks.terminal.tolist(), tracks.identity_p.tolist(), strict=True
            )
            if row >= 0
        ]
        return TrackNames(
            track=tuple(track for track, _, _ in named),
            terminal=tuple(terminal for _, terminal, _ in named),
            plate=tuple(self._plates.get(terminal) for _, terminal, _ in named),
            identity_p=tuple(p for _, _, p in named),
        )

    # ---- handover

    def _give(self, t_ns: int, leaving: dict[str, list[int]], outputs: list[Output]) -> None:
        parts = [
            (to, keys[at : at + GIVE_TRACKS_MAX])
            for to, keys in leaving.items()
            for at in range(0, len(keys), GIVE_TRACKS_MAX)
        ]
        for to, keys in parts:
            if len(self._giving) >= GIVING_MAX:
                self._count("handover.full")
                continue
            self._give_seq += 1
            vehicles = self._carried(keys)
            body = pack(self.epoch, self._give_seq, vehicles)
            ids = episodes_of(vehicles)
            self._giving[self._give_seq] = Giving(self._give_seq, to, keys, body, t_ns, episodes=ids)
            outputs.append(Give(to, self._give_seq, body))
            for key in keys:
                self.ownership.give(key, t_ns)
        for giving in list(self._giving.values()):
            if not any(self.ownership.phase(key) == "giving" for key in giving.tracks):
                del self._giving[giving.seq]  # all its tracks are gone
            elif t_ns - giving.sent_ns >= REPEAT_NS:
                giving.sent_ns = t_ns
                outputs.append(Give(giving.to, giving.seq, giving.body))

    def _carried(self, keys: Sequence[int]) -> list[CarriedVehicle]:
        judgements = {judgement.track: judgement for judgement in self.monitor.carry(keys)}
        return [
            CarriedVehicle(track=track, judgement=judgements.get(track.track))
            for track in self.tracker.carry(keys)
        ]

    def _answered(self, now_ns: int, answer: HandoverAnswered, outputs: list[Output]) -> None:
        """Leave to the neighbour what it took; what it refused is judged here until it is gone."""
        giving = self._giving.get(answer.seq) if answer.epoch == self.epoch else None
        if giving is None or giving.to != answer.by:
            self._count("handover.unknown_answer")
            return
        del self._giving[answer.seq]
        refused = set(answer.refused)
        given = [
            key
            for place, key in zip(giving.places, giving.tracks, strict=True)
            if place not in refused and self.ownership.phase(key) == "giving"
        ]
        self._count("handover.not_taken", len(refused))
        for key in given:
            self.ownership.set(key, "given")
        # what opened since the message was packed did not travel: nobody else could ever close it
        self._raise(now_ns, self.monitor.close_left_behind(now_ns, given, giving.episodes), outputs)
        outputs.extend(Released(episode_id) for episode_id in self.monitor.drop(given))

    def _adopt(self, now_ns: int, handed: HandedOver, outputs: list[Output]) -> None:
        """Take a handover and answer it, a repeat too; unanswered, its giver goes on judging."""
        message = handed.message
        key = (handed.giver, message.epoch, message.seq)
        refused = self._received.refused(*key)
        if refused is None:
            reading = self._acceptable(now_ns, message)
            if reading is None:
                return
            refused, vehicles = tuple(reading.refused), reading.vehicles
            self._received.add(*key, refused)
            update = self.tracker.adopt(now_ns, [vehicle.track for vehicle in vehicles])
            self._settle(now_ns, update, outputs)
            judged = [vehicle.judgement for vehicle in vehicles if vehicle.judgement is not None]
            self.monitor.adopt(now_ns, judged)
            for vehicle in vehicles:
                self.ownership.set(vehicle.track.track, "owned")
        ack = HandoverAck(epoch=message.epoch, seq=message.seq, refused=refused)
        outputs.append(Answer(handed.giver, encode(ack)))

    def _acceptable(self, now_ns: int, message: Handover) -> Reading | None:
        """Return what a handover carries; None, counted, where it must stay unanswered.

        A giver of an earlier version reads any answer as one to all of its vehicles: it gets none for a part.
        """
        reading = read(message, now_ns, self.setup.frame, lambda track: self._believes(now_ns, track))
        for reason in reading.refused.values():
            self._count(reason)
        if reading.refused and not (message.partial and reading.vehicles):
            return None
        if not self.tracker.has_room([vehicle.track for vehicle in reading.vehicles]):
            self._count("handover.no_room")
            return None
        return reading

    def _believes(self, now_ns: int, track: CarriedTrack) -> bool:
        """Whether a neighbour's track can be true; an id of ours that we never gave would be given again."""
        place = track.track >> COUNTER_BITS & (1 << PLACE_BITS) - 1
        ours = place == self.setup.place and track.track > self.tracker.id_base + self.tracker.n_ids
        return not ours and self.tracker.believes(now_ns, track)

    # ---- the whole state

    def state(self, t_ns: int) -> PipelineState:
        """Return everything that the next step depends on, after tick `t_ns`."""
        told, told_ns = self._names.told()
        return PipelineState(
            stamp_ns=t_ns,
            epoch=self.epoch,
            tracker=self.tracker.state(),
            monitor=self.monitor.state(),
            holdings=self.ownership.packed(),
            giving=tuple(giving.packed() for giving in self._giving.values()),
            received={giver: tuple(keys) for giver, keys in self._received.keys.items()},
            give_seq=self._give_seq,
            snapshot_seq=self._snapshot_seq,
            feed_ns=self._feed_ns,
            told=told,
            told_ns=told_ns,
            counts=dict(self.counts),
        )

    def restore(self, state: PipelineState) -> None:
        """Go on exactly where `state` was taken; the next inputs are those from its stamp on."""
        self.epoch = state.epoch
        self.tracker = self._tracker(state.epoch)
        self.tracker.restore(state.tracker)
        self.monitor.restore(state.monitor)
        self.ownership.unpack(state.holdings)
        self._giving = {row.seq: Giving.unpacked(row) for row in state.giving}
        self._received = Received({giver: list(keys) for giver, keys in state.received.items()})
        self._give_seq, self._snapshot_seq = state.give_seq, state.snapshot_seq
        self._feed_ns, self._next_tick_ns = state.feed_ns, state.stamp_ns + TICK_NS
        self._names.go_on(state.told, state.told_ns)
        self.counts = dict(state.counts)

    # ---- the rest

    def _reset_clock(self, step: ClockStep, outputs: list[Output]) -> None:
        """Stamps before and after don't compare: every track ends, and the grid starts anew."""
        last_ns = (self._next_tick_ns or step.to_ns) - TICK_NS
        keys = self.tracker.at(last_ns).track.tolist()
        self._raise(last_ns, self.monitor.ended(last_ns, keys), outputs)
        self.tracker.clear()
        self.ownership.holdings.clear()
        self._giving.clear()
        self._next_tick_ns = (step.to_ns // TICK_NS + 1) * TICK_NS
        self._feed_ns = None
        self._count("clock.step")

    def _tracker(self, epoch: int) -> Tracker:
        setup = self.setup
        id_base = epoch << (PLACE_BITS + COUNTER_BITS) | setup.place << COUNTER_BITS
        return Tracker(setup.fusion, setup.radars, setup.terminals, id_base=id_base)

    def _raise(self, t_ns: int, violations: Sequence[Violation], outputs: list[Output]) -> None:
        """Publish what can be true; in place of the rest the centre gets a void with the reason."""
        for violation in violations:
            episode = None if violation.phase == "close" else self.monitor.open_episode(violation.id)
            fault = fault_of(violation, self._bounds, t_ns)
            if fault is None:
                outputs.append(Raised(violation, encode_violation(violation), episode))
                continue
            self._count(f"violation.implausible.{fault.field}")
            outputs.append(Withheld(violation.id, plain(f"{WITHHELD}{violation.rule}: {fault}"), episode))

    def _count(self, reason: str, times: int = 1) -> None:
        if times:
            self.counts[reason] = self.counts.get(reason, 0) + times

    def clock_report(self, t_ns: int) -> ClockReport:
        """Return whose clocks are wrong at `t_ns`, for the status."""
        return self.tracker.clock_report(t_ns)

    def all_counts(self) -> dict[str, int]:
        """Return what was counted here, in the tracker and in the monitor, by reason."""
        return dict(Counter(self.counts) + Counter(self.tracker.counts) + Counter(self.monitor.counts))
