"""From the broker into the database: queue each message, commit what is queued, then acknowledge it.

An acknowledgement leaves only after the commit, so an RSU never deletes a violation that is not stored.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from centre.commands import (
    EPOCHS_MAX,
    Acknowledgement,
    StatusChange,
    StoreBatches,
    StoreJourneys,
    StoreStatuses,
)
from centre.faults import NotWrittenError
from centre.gate import Gate
from centre.inbox import Inbox, QueuedBatch, is_live
from centre.journey_inbox import JourneyInbox, acks_of
from centre.own_clock import OwnClock
from centre.peers import Peers
from centre.track_hub import TrackHub
from centre.unit_registry import Unit, UnitRegistry
from centre.writer import Writer
from edge import topics, wire
from edge.centre_status import EpochKnown
from edge.centre_status import encode as encode_known
from edge.subscriptions import Incoming, Subscription, Subscriptions

# The name of the second connection, for what comes in bulk: violations don't wait behind it. Nor does the
# broker's PUBACK for an acknowledgement; without it in time, the link would take the connection for lost.
TRACKS = "flow"
INBOX_MESSAGES_MAX = 4_000  # of one RSU: it has 512 items in flight, and sends again what is dropped
INBOX_SENDER_BYTES_MAX = 24_000_000  # of one RSU
INBOX_BYTES_MAX = 96_000_000  # of all RSUs together
# A live message waits for two commits at most: that under way, and its own. These limits and the size that
# the writer chooses keep one at some 80 ms.
COMMIT_MESSAGES_MAX = 96
COMMIT_BYTES_MAX = 2_000_000
SINGLE_ACKS_MAX = 48  # of one commit; more are joined by RSU and epoch, since a publish is costly
RETRY_S = 1.0  # after a failed commit
ACK_RETRY_S = 0.02  # first, after the link refused an acknowledgement
UNSENT_MAX = 1_024  # pairs of RSU and epoch

Publish = Callable[[str, bytes, int], bool]  # topic, payload, QoS
# everything; everything but what workers store; what a worker stores
Share = Literal["all", "units", "items"]


class Ingest:
    """Receives messages as they arrive; one task commits and acknowledges them."""

    def __init__(
        self,
        *,
        writer: Writer,
        centre: str,
        now_ns: Callable[[], int],
        rsus: UnitRegistry,
        gateways: UnitRegistry,
        tracks: TrackHub,
        publish: Publish,
        centre_id: str | None = None,
        main_id: str | None = None,
        share: Share = "all",
        own_clock: OwnClock | None = None,
    ) -> None:
        """`publish(topic, payload, qos)` starts sending, or returns False.

        centre, centre_id : the names of its database and of the centre itself, for the acknowledgements
        main_id : the site's first centre; None: this one.  share : which messages it receives
        own_clock : that the writer follows too
        """
        self.own_clock = own_clock or OwnClock()
        self._writer, self._centre, self._now_ns = writer, centre, now_ns
        self._centre_id = centre_id
        self._rsus, self._gateways, self._tracks = rsus, gateways, tracks
        self._publish = publish
        self._inbox = Inbox(INBOX_MESSAGES_MAX, INBOX_BYTES_MAX, INBOX_SENDER_BYTES_MAX)
        self._statuses: dict[tuple[str, str], StatusChange] = {}
        self._unsent: dict[tuple[str, int], Acknowledgement] = {}  # acknowledgements that wait for the link
        self._wake = asyncio.Event()
        self.counts: Counter[str] = Counter()
        self._journeys = JourneyInbox(self.counts)
        self.gate = Gate({"rsu": rsus.rows(), "gateway": gateways.rows()}, self.counts)
        own = centre_id or "centre"
        self.peers = Peers(own=own, database=centre, main=main_id or own, counts=self.counts)
        self.subscriptions = Subscriptions(self._rows(share), self._count_unknown)

    def report_replays(self, refuse: Callable[[str, str], None]) -> None:
        """Call `refuse(ROLE/NAME, reason)` for each status that somebody sends again."""
        self._rsus.on_replayed = self._gateways.on_replayed = self.peers.on_replayed = refuse

    @property
    def waiting(self) -> tuple[int, int]:
        """How many batches wait for a commit, and their bytes."""
        return self._inbox.n_messages, self._inbox.n_bytes

    def add(self, row: Subscription) -> None:
        """Add a topic of the units, before the link runs; the gate admits its messages too."""
        self.subscriptions.add(row._replace(admits=self._admits))

    def _rows(self, share: Share) -> list[Subscription]:
        """Return the topics of all units, each with its handler; no handler blocks."""
        items = [
            Subscription(topics.violation_up("+"), 1, self._receive_batch, retained=True),
            Subscription(topics.journey_up("+"), 1, self._receive_journeys, retained=True, link=TRACKS),
        ]
        rows = [
            Subscription(topics.status("+"), 1, self._receive_rsu_status, retained=True),
            Subscription(topics.gateway_status("+"), 1, self._receive_gateway_status, retained=True),
            # nobody retains these three: one that a broker keeps is somebody's garbage, or of another time
            Subscription(topics.clock_req("+"), 0, self._answer_rsu_clock, link=TRACKS),
            Subscription(topics.gateway_clock_req("+"), 0, self._answer_gateway_clock, link=TRACKS),
            Subscription(topics.track_up("+"), 0, self._receive_snapshot, link=TRACKS),
        ]
        chosen = {"all": items + rows, "units": rows, "items": items}[share]
        admitted = [row._replace(admits=self._admits) for row in chosen]
        if share == "items":
            return admitted
        # no unit's: the gate knows the names of units only, and `Peers` keeps a few centres
        centres = [
            Subscription(topics.centre_status("+"), 1, self.peers.receive, retained=True),
            Subscription(topics.centre_desk("+"), 1, self.peers.receive_desk, retained=True),
        ]
        return admitted + [row._replace(admits=self.gate.is_short) for row in centres]

    def _admits(self, message: Incoming) -> bool:
        return self.gate.admits(message, time.monotonic())

    def _receive_batch(self, message: Incoming) -> None:
        """Queue a batch; where the inbox is full it is dropped, and its RSU sends it again."""
        esn = message.topic.name
        now_ns = self._now_ns()
        live = is_live(message.payload, now_ns)
        batch = QueuedBatch(
            topics.violation_up(esn), esn, message.payload, now_ns, live, settle=message.settle
        )
        if self._inbox.contains(batch):
            self.counts["inbox.repeated"] += 1
            message.settle()
            return
        n_dropped = self._inbox.add(batch)
        if n_dropped:
            self.counts["inbox.full"] += n_dropped
        self._wake.set()

    def _receive_journeys(self, message: Incoming) -> None:
        """Queue versions of journeys; acknowledge at once those that can't be true, or they'd come again."""
        esn = message.topic.name
        ack = self._journeys.receive(esn, message.payload, self._now_ns(), message.settle)
        if ack is not None:
            self._publish(topics.journey_ack(esn), wire.encode(ack), 1)
        self._wake.set()

    def _receive_rsu_status(self, message: Incoming) -> None:
        name, now_ns = message.topic.name, self._now_ns()
        answers = self.peers.answers_clocks()  # then its offset is that from our clock
        change = self._rsus.receive_status(
            name, message.payload, retained=message.retained, now_ns=now_ns, judges_age=answers
        )
        self._queue_status(change)
        if answers:
            self._note_clock(self._rsus.rows().get(name), name, now_ns)
        else:
            self.own_clock.forget_offsets()
        for esn, epoch in self._rsus.pop_behind().items():
            self.counts["epoch.given"] += 1
            known = EpochKnown(centre=self._centre_id or "centre", epoch=epoch)
            self._publish(topics.epoch_down(esn), encode_known(known), 1)

    def _note_clock(self, unit: Unit | None, name: str, now_ns: int) -> None:
        """Note what the clock of an RSU shows, by its newest heartbeat."""
        if unit is not None and unit.status is not None and unit.beat_ns == now_ns:
            offset_ms = unit.status.clock_offset_ms
            if offset_ms is not None:
                self.own_clock.note_offset(name, now_ns, int(offset_ms * 1e6))

    def _receive_gateway_status(self, message: Incoming) -> None:
        self._queue_status(
            self._gateways.receive_status(
                message.topic.name,
                message.payload,
                retained=message.retained,
                now_ns=self._now_ns(),
                judges_age=self.peers.answers_clocks(),
            )
        )

    def _receive_snapshot(self, message: Incoming) -> None:
        self._tracks.queue(message.topic.name, message.payload, self._now_ns())

    def _answer_rsu_clock(self, message: Incoming) -> None:
        self._answer_clock(topics.clock_rsp(message.topic.name), message.payload)

    def _answer_gateway_clock(self, message: Incoming) -> None:
        self._answer_clock(topics.gateway_clock_rsp(message.topic.name), message.payload)

    def _count_unknown(self) -> None:
        self.counts["topic.unknown"] += 1

    async def run(self) -> None:
        """Commit and acknowledge what is queued, until cancelled."""
        retry_s = ACK_RETRY_S
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(retry_s if self._unsent else None):
                    await self._wake.wait()
            self._wake.clear()
            self._publish_unsent()
            retry_s = min(2.0 * retry_s, RETRY_S) if self._unsent else ACK_RETRY_S
            while self._statuses or self._inbox or self._journeys:
                await self._commit_next()
                self._publish_unsent()

    def _answer_clock(self, answer_to: str, payload: bytes) -> None:
        """Answer a four-stamp probe (RFC 5905, sec. 8): the unit computes its clock's offset from it."""
        now_ns = self._now_ns()
        if not self.peers.answers_clocks():  # two answers would mix two clocks
            return
        try:
            asked = wire.decode_clock_req(payload)
        except msgspec.MsgspecError:
            self.counts["clock.unreadable"] += 1
            return
        answer = wire.ClockRsp(
            seq=asked.seq, sent_ns=asked.sent_ns, received_ns=now_ns, answered_ns=self._now_ns()
        )
        self._publish(answer_to, wire.encode(answer), 0)

    def _queue_status(self, change: StatusChange | None) -> None:
        if change is not None:
            key = (change.kind, change.id)
            self._statuses[key] = _joined_changes(self._statuses.get(key), change)
            self._wake.set()

    async def _commit_next(self) -> None:
        batches = self._inbox.next_batches(COMMIT_MESSAGES_MAX, COMMIT_BYTES_MAX)
        statuses, self._statuses = self._statuses, {}
        journeys = self._journeys.pop()
        try:
            outcome = await self._writer.execute(
                StoreBatches(batches), StoreStatuses(list(statuses.values())), StoreJourneys(journeys)
            )
        except NotWrittenError:  # nothing is acknowledged, so the RSUs send the batches again
            for key, change in statuses.items():
                self._statuses[key] = _joined_changes(change, self._statuses.get(key))
            self._journeys.put_back(journeys)
            await asyncio.sleep(RETRY_S)
            return
        self._inbox.return_batches(outcome.remaining)
        done = batches[: len(batches) - len(outcome.remaining)]
        for batch in done:
            batch.settle()
        acks = [ack for ack in outcome.committed.acknowledgements if ack.stored or ack.conflict]
        for ack in acks:
            if ack.stored:
                self._rsus.prove_epoch(ack.esn, ack.epoch)
        for ack in acks if len(acks) <= SINGLE_ACKS_MAX else _joined_by_epoch(acks):
            self._acknowledge(ack)
        for received in journeys:
            received.settle()
        refused = outcome.committed.refused_journeys
        kept = [received for received in journeys if received.journey.id not in refused]
        for esn, found in acks_of(kept).items():  # where the link refuses one, the RSU sends again
            for journey_ack in found:
                self._publish(topics.journey_ack(esn), wire.encode(journey_ack), 1)

    def _acknowledge(self, ack: Acknowledgement) -> None:
        """Publish an acknowledgement; where the link refuses it, keep it, joined with others of its epoch."""
        key = (ack.esn, ack.epoch)
        if key not in self._unsent and self._try_publish(ack):
            return
        before = self._unsent.get(key)
        if before is not None:
            ack = _union(before, ack)
        full = before is None and len(self._unsent) >= UNSENT_MAX
        if full or max(len(ack.stored), len(ack.conflict)) > wire.ACKNOWLEDGED_MAX:
            self.counts["ack.unsent"] += 1  # the RSU sends the batch again, and it is acknowledged again
            return
        self._unsent[key] = ack

    def _publish_unsent(self) -> None:
        """Publish the acknowledgements that wait, until the link refuses one again."""
        for key in list(self._unsent):
            if not self._try_publish(self._unsent[key]):
                return
            del self._unsent[key]

    def _try_publish(self, ack: Acknowledgement) -> bool:
        message = wire.ViolationAck(
            centre=self._centre,
            by=self._centre_id,
            epoch=ack.epoch,
            stored=ack.stored,
            conflict=ack.conflict,
        )
        return self._publish(topics.violation_ack(ack.esn), wire.encode(message), 1)


def _joined_by_epoch(acks: Iterable[Acknowledgement]) -> list[Acknowledgement]:
    """Join the acknowledgements of each RSU and epoch, up to the number of seqs that one message may name."""
    joined: list[Acknowledgement] = []
    newest: dict[tuple[str, int], int] = {}  # place in `joined`
    for ack in acks:
        place = newest.get((ack.esn, ack.epoch))
        union = ack if place is None else _union(joined[place], ack)
        if place is None or max(len(union.stored), len(union.conflict)) > wire.ACKNOWLEDGED_MAX:
            newest[ack.esn, ack.epoch] = len(joined)
            joined.append(ack)
        else:
            joined[place] = union
    return joined


def _union(before: Acknowledgement, after: Acknowledgement) -> Acknowledgement:
    return Acknowledgement(
        esn=after.esn,
        epoch=after.epoch,
        stored=tuple(dict.fromkeys(before.stored + after.stored)),
        conflict=tuple(dict.fromkeys(before.conflict + after.conflict)),
    )


def _joined_changes(before: StatusChange | None, after: StatusChange | None) -> StatusChange:
    """Join two changes of one unit; either may be None, not both."""
    if before is None or after is None:
        change = before or after
        assert change is not None, "one of the two is a change"
        return change
    last_seqs = sorted((dict(before.last_seqs) | dict(after.last_seqs)).items())
    return StatusChange(
        kind=after.kind,
        id=after.id,
        epoch=after.epoch,
        connection=after.connection,
        since_ns=after.since_ns,
        body=after.body,
        announce=before.announce or after.announce,
        last_seqs=tuple(last_seqs[-EPOCHS_MAX:]),
    )
