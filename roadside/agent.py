"""The live RSU around the pure pipeline: its inbox, and where its outputs go.

One task owns the pipeline; all others only put arrivals into its bounded inbox, the ticks too.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from core.times import NS, TICK_NS
from edge import topics, wire
from edge.ask import decode_ask
from edge.clock import Clock, StepWatch, WallClock
from edge.config_down import ConfigDown, decode_config_down
from edge.figures import Counts
from edge.gnss_down import read_down
from edge.histograms import Histograms
from edge.journey_messages import JourneyShelf, decode_journey_ack
from edge.latency import ViolationLatency
from edge.link import Link
from edge.outbox.outbox import Outbox
from edge.recording.recorder import Recorder
from edge.subscriptions import Handler, Incoming, Subscription, Subscriptions
from geofence.clocks import judging_ns
from geofence.violation import Violation
from roadside.down_gate import DownGate
from roadside.handover_gate import HandoverGate
from roadside.inputs import (
    ENCODER,
    ClockStep,
    Control,
    GatewayPayload,
    HandoverAnswered,
    Input,
    Payload,
    RadarPayload,
    Stop,
    input_of,
)
from roadside.map_compiling import published_aside
from roadside.outputs import (
    HandoverOffer,
    Held,
    JourneyReleased,
    OfferAck,
    Output,
    Raised,
    Released,
    Snapshot,
    Travelled,
    WholeState,
    Withheld,
)
from roadside.pipeline import Pipeline
from roadside.pipeline_map import Published
from roadside.pipeline_setup import Setup

INBOX_MAX = 1_000
# of it for radars and ticks alone. What others have waiting is limited in bytes by its gate: `down_gate`
# 4 MB, `handover_gate` 4 MB of each neighbour, PUBLICATIONS_MAX maps
RADARS_ONLY = 400
RESYNC_NS = 10 * TICK_NS
PUBLICATIONS_MAX = 4


@dataclass(frozen=True, slots=True)
class Arrival:
    """A received payload, decoded, with its bytes and its channel of the recording."""

    topic: str  # of the recording
    body: bytes | None  # None: encoded when it is recorded
    publish_ns: int | None  # when it was measured; None: when it was accepted
    payload: Payload


@dataclass(slots=True)
class Agent:
    """One RSU's parts around its pipeline.

    alerts : the connection of violations, status and handovers.  snapshots : the one of snapshots
    """

    pipeline: Pipeline
    clock: Clock
    outbox: Outbox
    recorder: Recorder
    counts: Counts
    inbox: asyncio.Queue[Arrival | None] = field(default_factory=lambda: asyncio.Queue(INBOX_MAX))
    alerts: Link | None = None
    snapshots: Link | None = None
    gateways: frozenset[str] | None = None  # of the site: fixes of others are dropped; None: any
    journeys: JourneyShelf = field(default_factory=JourneyShelf)
    watch: StepWatch = field(default_factory=StepWatch)
    # publications that wait for a map to be compiled, and how many there are with the one that is
    publications: asyncio.Queue[Arrival] = field(default_factory=lambda: asyncio.Queue(PUBLICATIONS_MAX))
    n_compiling: int = 0
    compile_map: Callable[[ConfigDown, Setup], Awaitable[Published | None]] = published_aside
    last_ns: int = 0
    n_tracks: int = 0  # of the newest snapshot
    latency: ViolationLatency = field(default_factory=ViolationLatency)
    tick_times: Histograms = field(default_factory=lambda: Histograms("tick_seconds"))
    on_acknowledged: Callable[[wire.ViolationAck], None] = lambda ack: None
    down_gate: DownGate = field(init=False)
    handover_gate: HandoverGate = field(init=False)

    def __post_init__(self) -> None:
        self.down_gate = DownGate(self.counts.add, self.gateways)
        self.handover_gate = HandoverGate(self.counts.add, (), time.monotonic())

    @property
    def esn(self) -> str:
        """This RSU's name."""
        return self.pipeline.setup.esn

    # ---- in

    def enqueue(self, arrival: Arrival) -> bool:
        """Put an arrival into the inbox; when the pipeline is behind, the newest is dropped and counted."""
        is_scan = isinstance(arrival.payload, RadarPayload)
        if not is_scan and self.inbox.qsize() >= INBOX_MAX - RADARS_ONLY:
            self.counts.add("inbox.full")
            return False
        try:
            self.inbox.put_nowait(arrival)
        except asyncio.QueueFull:
            self.counts.add("inbox.full")
            return False
        return True

    def receive_scan(self, payload: RadarPayload) -> None:
        """Receive a radar's scan."""
        self.enqueue(Arrival(f"/radar/{payload.sensor}", None, payload.stamp_ns, payload))

    def receive_fix(self, fix: wire.GnssFix) -> None:
        """Receive a fix of a receiver or terminal of this RSU's own."""
        self.enqueue(Arrival("/gnss", wire.encode(fix), fix.stamp_ns, fix))

    def receive_control(self, control: Control) -> None:
        """Receive an input that is no observation."""
        self.enqueue(Arrival("/input", None, None, control))

    def subscriptions(self, neighbours: Sequence[str]) -> Subscriptions:
        """Return this RSU's topics: fixes, acknowledgements of violations, handovers both ways."""
        rows = [
            Subscription(
                topics.gnss_down(self.esn), 0, self._decoded(self._receive_down), admits=self._admits_down
            ),
            Subscription(topics.violation_ack(self.esn), 1, self._decoded(self._receive_violation_ack)),
            Subscription(topics.violation_ask(self.esn), 1, self._decoded(self._receive_violation_ask)),
            Subscription(topics.journey_ack(self.esn), 1, self._decoded(self._receive_journey_ack)),
        ]
        configure = self._decoded(self._receive_config)
        rows.append(Subscription(topics.config_down(self.esn), 1, configure, retained=True))
        self.handover_gate = HandoverGate(self.counts.add, neighbours, time.monotonic())
        for esn in neighbours:
            offer, ack = topics.handover(esn, self.esn), topics.handover_ack(esn, self.esn)
            rows += [
                Subscription(offer, 1, self._decoded(self._receive_handover), admits=self._admits_handover),
                Subscription(ack, 1, self._decoded(self._receive_handover_ack), admits=self._admits_handover),
            ]
        return Subscriptions(rows, self._count_unexpected)

    def _decoded(self, handler: Handler) -> Handler:
        """Return a handler that counts the messages that are too long or can't be decoded."""

        def handle(message: Incoming) -> None:
            if len(message.payload) > wire.PAYLOAD_BYTES_MAX:
                self.counts.add("mqtt.too_long")
                return
            try:
                handler(message)
            except (msgspec.DecodeError, ValueError):  # a peer's fault must not stop the site
                self.counts.add(f"mqtt.undecodable.{message.topic.tail}")

        return handle

    def _admits_down(self, message: Incoming) -> bool:
        """Say whether to read fixes: asked before their signature is computed, the costliest part of it."""
        found: list[bool] = []

        def ask(message: Incoming) -> None:
            found.append(self.down_gate.admits(message.payload, time.monotonic()))

        self._decoded(ask)(message)
        return found == [True]

    def _receive_down(self, message: Incoming) -> None:
        down = GatewayPayload(*read_down(message.payload))
        topic = f"/gateway/{down.message.gateway}"
        if self.enqueue(Arrival(topic, message.payload, None, down)):
            self.down_gate.queued(message.payload)

    def _receive_config(self, message: Incoming) -> None:
        if not message.payload:  # the publication was withdrawn: rules and map stay
            return
        down = decode_config_down(message.payload)
        arrival = Arrival("/config", message.payload, None, down)
        if down.map is None and not self.n_compiling:
            self.enqueue(arrival)
        elif self.publications.full():
            self.counts.add("config.full")
        else:  # later ones wait for it: an older one than the last is ignored
            self.n_compiling += 1
            self.publications.put_nowait(arrival)

    def _receive_violation_ack(self, message: Incoming) -> None:
        ack = wire.decode_ack(message.payload)
        self.on_acknowledged(ack)
        self.outbox.acknowledge(ack)

    def _receive_violation_ask(self, message: Incoming) -> None:
        self.outbox.answer(decode_ask(message.payload))

    def _receive_journey_ack(self, message: Incoming) -> None:
        for journey_id in self.journeys.acknowledge(decode_journey_ack(message.payload)):
            self.outbox.keep_journey(journey_id, None)

    def _admits_handover(self, message: Incoming) -> bool:
        return self.handover_gate.admits(message.topic.name, len(message.payload), time.monotonic())

    def _receive_handover(self, message: Incoming) -> None:
        if message.topic.peer != self.esn:
            self._count_unexpected()
            return
        handover = wire.decode_handover(message.payload)
        if self.enqueue(Arrival(f"/handover/{message.topic.name}", message.payload, None, handover)):
            self.handover_gate.queued(message.topic.name, len(message.payload))

    def _receive_handover_ack(self, message: Incoming) -> None:
        if message.topic.peer != self.esn:
            self._count_unexpected()
            return
        ack = wire.decode_handover_ack(message.payload)
        self.receive_control(HandoverAnswered.of(message.topic.name, ack))

    def _count_unexpected(self) -> None:
        self.counts.add("mqtt.unexpected")

    async def run_publications(self) -> None:
        """Compile published maps beside the loop, in their order."""
        while True:
            arrival = await self.publications.get()
            down, answered = arrival.payload, self.pipeline.config.state.answered
            assert isinstance(down, ConfigDown), "only publications are put there"
            is_new = answered is None or down.seq > answered.seq  # it is retained: each connection brings it
            compiled = None
            if down.map is not None and is_new:
                compiled = await self.compile_map(down, self.pipeline.setup)
                if compiled is None:
                    self.counts.add("config.not_compiled")
            if compiled is not None or down.map is None or not is_new:
                self.enqueue(replace(arrival, payload=compiled or down))
            self.n_compiling -= 1

    # ---- the one task that owns the pipeline

    async def run_pipeline(self) -> None:
        """Feed the pipeline in one total order, the same as a replay will."""
        while True:
            arrival = await self.inbox.get()
            self._notice_clock_step()
            self.accept(arrival)

    def _notice_clock_step(self) -> None:
        if not isinstance(self.clock, WallClock):
            return  # a paced clock can't be set
        stepped = self.watch.check(self.clock.now_ns(), time.monotonic_ns())
        if stepped is not None:
            self.last_ns = max(stepped[0], self.last_ns + 1)
            self._step(stepped[0], None)  # the ticks of the old grid, by the old clock
            self.last_ns = stepped[1] - 1
            self.accept(Arrival("/input", None, None, ClockStep(from_ns=stepped[0], to_ns=stepped[1])))

    def accept(self, arrival: Arrival | None) -> None:
        """Stamp one arrival, record it under that stamp, step the pipeline, pass its outputs on in order.

        The ticks before it are run before it is recorded: a state among their outputs may begin a file of the
        recording, which must then hold what the state does not.
        """
        self.last_ns = max(self.clock.now_ns(), self.last_ns + 1)
        item = None
        if arrival is not None:
            if isinstance(arrival.payload, GatewayPayload):
                self.down_gate.done(arrival.body)
            elif isinstance(arrival.payload, wire.Handover) and arrival.body is not None:
                self.handover_gate.done(arrival.topic.removeprefix("/handover/"), len(arrival.body))
            item = self._input_of(arrival)
            if item is None:
                return
            if not isinstance(item, ClockStep):  # its ticks are of another grid
                self._step(self.last_ns, None)
            body = arrival.body if arrival.body is not None else ENCODER.encode(arrival.payload)
            self.recorder.write(arrival.topic, body, self.last_ns, arrival.publish_ns)
        self._step(self.last_ns, item)

    def _step(self, now_ns: int, item: Input | None) -> None:
        begun_ns = time.monotonic_ns()
        outputs = self.pipeline.step(now_ns, item)
        if item is None and outputs:  # a tick was due: it yields a snapshot at least
            self.tick_times.observe((), (time.monotonic_ns() - begun_ns) / NS)
        for output in outputs:
            self._pass_on(output)

    def _input_of(self, arrival: Arrival) -> Input | None:
        try:
            return input_of(arrival.topic, arrival.payload, self.last_ns, self.pipeline.setup.frame)
        except ValueError:  # within the bounds of the wire but not ours: counted, not recorded
            self.counts.add("input.undecodable")
            return None

    # ---- out

    def _pass_on(self, output: Output) -> None:
        match output:
            case Raised(violation=violation, body=body, episode=episode):
                self.recorder.write(
                    f"/violation/{self.esn}", body, self.last_ns, violation.stamps.measured_ns
                )
                self._put(violation, body, episode)
            case Withheld(violation_id=violation_id, reason=reason, episode=episode):
                self.outbox.put_void(reason, self.clock.now_ns(), violation_id, episode)
            case Snapshot(stamp_ns=stamp_ns, n_tracks=n_tracks, body=body):
                self.n_tracks = n_tracks
                self.recorder.write(f"/tracks/{self.esn}", body, self.last_ns, stamp_ns)
                if self.snapshots is not None:
                    self.snapshots.publish_newest(topics.track_up(self.esn), body)
            case HandoverOffer(to=to, body=body):
                self._publish(topics.handover(self.esn, to), body)
            case OfferAck(giver=giver, body=body):
                self._publish(topics.handover_ack(self.esn, giver), body)
            case Released(episode_id=episode_id):
                self.outbox.release(episode_id)
            case Held(key=key, body=body):
                self.outbox.keep(key, body)
            case Travelled(stamp_ns=stamp_ns, journey_id=journey_id, version=version, body=body):
                self.recorder.write(f"/journey/{self.esn}", body, self.last_ns, stamp_ns)
                self.outbox.keep_journey(journey_id, body)
                self.journeys.put(journey_id, version, body, is_open=output.is_open)
            case JourneyReleased(journey_id=journey_id):
                self.outbox.keep_journey(journey_id, None)
                self.journeys.release(journey_id)
            case WholeState(stamp_ns=stamp_ns, body=body):
                self.recorder.write_state(f"/state/{self.esn}", body, self.last_ns, stamp_ns)

    def _put(self, violation: Violation, body: bytes, episode: bytes | None) -> None:
        now_ns, late = judging_ns(violation.stamps.arrived_ns, self.clock.now_ns()), violation.late
        self.outbox.put(body, now_ns, violation.id, episode)
        self.latency.decided(self.esn, violation.stamps, late=late, decided_ns=now_ns)

    def _publish(self, topic: str, body: bytes) -> None:
        if self.alerts is not None:
            self.alerts.publish(topic, body)

    # ---- ticks and the end

    async def run_ticks(self) -> None:
        """Put the ticks of the 100 ms UTC grid into the inbox, from the schedule, not from now."""
        due_ns = self.clock.now_ns() // TICK_NS * TICK_NS
        while True:
            due_ns += TICK_NS
            if abs(self.clock.now_ns() - due_ns) > RESYNC_NS:  # the clock was set, or the process slept
                due_ns = (self.clock.now_ns() // TICK_NS + 1) * TICK_NS
            await self.clock.sleep_until_ns(due_ns)
            await self.inbox.put(None)

    def finish(self) -> None:
        """Step the queued inputs, then a `Stop`: it is recorded, so that a replay ends there too."""
        self._notice_clock_step()
        while not self.inbox.empty():
            self.accept(self.inbox.get_nowait())
        self.accept(Arrival("/input", None, None, Stop()))
