"""The live RSU: sockets, broker, outbox and recording around the pure pipeline.

One task owns the pipeline; all others only put arrivals into its bounded inbox. The beat is one of them.
"""

import asyncio
import time
from dataclasses import dataclass, field

import msgspec

from core.times import TICK_NS
from edge import topics, wire
from edge.clock import Clock, StepWatch, WallClock
from edge.gnss_down import read_down
from edge.link import Link
from edge.metrics import Counts
from edge.outbox.outbox import Outbox
from edge.recording.recorder import Recorder
from roadside.inputs import (
    ENCODER,
    ClockStep,
    Control,
    Down,
    HandoverAnswered,
    Input,
    Payload,
    RadarPayload,
    Stop,
    input_of,
)
from roadside.outputs import HandoverOffer, OfferAck, Output, Raised, Released, Snapshot, State, Withheld
from roadside.pipeline import Pipeline

INBOX_MAX = 1_000
RESYNC_NS = 10 * TICK_NS
GATEWAYS_MAX = 16


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a port heard: the payload of a recording's channel, and the bytes as received."""

    topic: str
    body: bytes | None  # None: encoded when it is recorded
    publish_ns: int | None  # when it was measured; None: when it was accepted
    payload: Payload


@dataclass(slots=True)
class Agent:
    """One RSU's parts, wired; `serve` runs them."""

    pipeline: Pipeline
    clock: Clock
    outbox: Outbox
    recorder: Recorder
    counts: Counts
    inbox: asyncio.Queue[Arrival | None] = field(default_factory=lambda: asyncio.Queue(INBOX_MAX))
    alerts: Link | None = None  # violations, status, handovers
    snapshots: Link | None = None  # a second connection: an alert never queues behind tracks
    gateways: set[str] = field(default_factory=set)  # that sent fixes
    watch: StepWatch = field(default_factory=StepWatch)
    last_ns: int = 0

    @property
    def esn(self) -> str:
        """This RSU's name."""
        return self.pipeline.setup.esn

    # ---- in

    def hear(self, arrival: Arrival) -> None:
        """Put an arrival into the inbox; when the pipeline is behind, the newest is dropped and counted."""
        try:
            self.inbox.put_nowait(arrival)
        except asyncio.QueueFull:
            self.counts.add("inbox.full")

    def hear_scan(self, payload: RadarPayload) -> None:
        """A radar's scan."""
        self.hear(Arrival(f"/radar/{payload.sensor}", None, payload.stamp_ns, payload))

    def hear_fix(self, fix: wire.GnssFix) -> None:
        """A fix of a receiver or terminal of this RSU's own."""
        self.hear(Arrival("/gnss", wire.encode(fix), fix.stamp_ns, fix))

    def hear_message(self, topic: str, body: bytes, retained: bool) -> None:
        """A message of the broker: a gateway's fixes, a neighbour's handover or answer, the centre's ack."""
        parts = topics.parse(topic)
        if parts is None or retained:
            self.counts.add("mqtt.unexpected")
            return
        if len(body) > wire.PAYLOAD_BYTES_MAX:
            self.counts.add("mqtt.too_long")
            return
        try:
            self._sort_message(parts, body)
        except (msgspec.DecodeError, ValueError):  # a peer's fault must not stop the site
            self.counts.add(f"mqtt.undecodable.{parts.tail}")

    def _sort_message(self, parts: topics.Topic, body: bytes) -> None:
        if parts.tail == "gnss/down":
            self._hear_down(body)
        elif parts.tail == "handover" and parts.peer == self.esn:
            self.hear(Arrival(f"/handover/{parts.name}", body, None, wire.decode_handover(body)))
        elif parts.tail == "handover/ack" and parts.peer == self.esn:
            ack = wire.decode_handover_ack(body)
            self.hear_control(
                HandoverAnswered(by=parts.name, epoch=ack.epoch, seq=ack.seq, refused=ack.refused)
            )
        elif parts.tail == "violation/ack":
            self.outbox.acknowledge(wire.decode_ack(body))
        else:
            self.counts.add("mqtt.unexpected")

    def _hear_down(self, body: bytes) -> None:
        down = Down(*read_down(body))
        gateway = down.message.gateway
        if gateway not in self.gateways and len(self.gateways) >= GATEWAYS_MAX:
            self.counts.add("gateway.too_many")  # each name is a channel of the recording
            return
        self.gateways.add(gateway)
        self.hear(Arrival(f"/gateway/{gateway}", body, None, down))

    def hear_control(self, control: Control) -> None:
        """An input that is no observation."""
        self.hear(Arrival("/input", None, None, control))

    # ---- the one task that thinks

    async def think(self) -> None:
        """Feed the pipeline in one total order, the same as a replay will."""
        while True:
            arrival = await self.inbox.get()
            self._notice_clock_step()
            self.accept(arrival)

    def _notice_clock_step(self) -> None:
        if not isinstance(self.clock, WallClock):
            return  # a paced clock can't be set
        stepped = self.watch.step(self.clock.now_ns(), time.monotonic_ns())
        if stepped is not None:
            self.last_ns = stepped[1] - 1
            self.accept(Arrival("/input", None, None, ClockStep(from_ns=stepped[0], to_ns=stepped[1])))

    def accept(self, arrival: Arrival | None) -> None:
        """Stamp one arrival, record it under that stamp, step, and hand the outputs on in order."""
        self.last_ns = max(self.clock.now_ns(), self.last_ns + 1)
        item = None
        if arrival is not None:
            item = self._input_of(arrival)
            if item is None:
                return
            body = arrival.body if arrival.body is not None else ENCODER.encode(arrival.payload)
            self.recorder.write(arrival.topic, body, self.last_ns, arrival.publish_ns)
        for output in self.pipeline.step(self.last_ns, item):
            self._hand_on(output)

    def _input_of(self, arrival: Arrival) -> Input | None:
        try:
            return input_of(arrival.topic, arrival.payload, self.last_ns, self.pipeline.setup.frame)
        except ValueError:  # passed the wire's bounds but not ours: counted, not recorded
            self.counts.add("input.undecodable")
            return None

    # ---- out

    def _hand_on(self, output: Output) -> None:
        match output:
            case Raised(violation=violation, body=body, episode=episode):
                self.recorder.write(
                    f"/violation/{self.esn}", body, self.last_ns, violation.stamps.measured_ns
                )
                self.outbox.put(body, self.clock.now_ns(), violation.id, episode)
            case Withheld(violation_id=violation_id, reason=reason, episode=episode):
                self.outbox.put_void(reason, self.clock.now_ns(), violation_id, episode)
            case Snapshot(stamp_ns=stamp_ns, body=body):
                self.recorder.write(f"/tracks/{self.esn}", body, self.last_ns, stamp_ns)
                if self.snapshots is not None:
                    self.snapshots.publish_newest(topics.track_up(self.esn), body)
            case HandoverOffer(to=to, body=body):
                self._publish(topics.handover(self.esn, to), body)
            case OfferAck(giver=giver, body=body):
                self._publish(topics.handover_ack(self.esn, giver), body)
            case Released(episode_id=episode_id):
                self.outbox.release(episode_id)
            case State(stamp_ns=stamp_ns, body=body):
                self.recorder.write(f"/state/{self.esn}", body, self.last_ns, stamp_ns)

    def _publish(self, topic: str, body: bytes) -> None:
        if self.alerts is not None:
            self.alerts.publish(topic, body)

    # ---- rhythm

    async def beat(self) -> None:
        """Put the ticks of the 100 ms UTC grid into the inbox, from the schedule, not from now."""
        due_ns = self.clock.now_ns() // TICK_NS * TICK_NS
        while True:
            due_ns += TICK_NS
            if abs(self.clock.now_ns() - due_ns) > RESYNC_NS:  # the clock was set, or the process slept
                due_ns = (self.clock.now_ns() // TICK_NS + 1) * TICK_NS
            await self.clock.sleep_until_ns(due_ns)
            await self.inbox.put(None)

    def finish(self) -> None:
        """Take what still waits, then the clean end: recorded, so that a replay ends there too."""
        self._notice_clock_step()
        while not self.inbox.empty():
            self.accept(self.inbox.get_nowait())
        self.accept(Arrival("/input", None, None, Stop()))
