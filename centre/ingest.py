"""From the broker into the database: what is queued is committed at once, and acknowledged only then."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterable

import msgspec

from centre.commands import EPOCHS_MAX, Answer, CommitBatches, KeepStatuses, StatusChange
from centre.inbox import Inbox, Message
from centre.track_hub import Tracks
from centre.unit_registry import Reporters
from centre.writer import NotWrittenError, Writer
from edge import topics, wire
from edge.subscriptions import Incoming, Subscription, Subscriptions

TRACKS = "flow"  # the connection of the snapshots: a violation never waits behind them
INBOX_MESSAGES_MAX = 20_000  # of one RSU: what is dropped comes again and costs twice
INBOX_BYTES_MAX = 256_000_000  # of all
# A message of another RSU waits for two commits at most. These bounds, and the writer's bound of items,
# make a commit some 50 ms long.
COMMIT_MESSAGES_MAX = 96
COMMIT_BYTES_MAX = 2_000_000
SINGLE_ANSWERS_MAX = 48  # of one commit; more are joined by RSU and epoch, since each publish costs as a read
RETRY_S = 1.0  # after the database refused
ANSWER_RETRY_S = 0.02  # after the link was full of acknowledgements
UNSENT_MAX = 1_024  # RSUs and their epochs

Publish = Callable[[str, bytes, int], bool]  # topic, payload, QoS


class Ingest:
    """Takes messages as they arrive; one task commits them."""

    def __init__(
        self,
        *,
        writer: Writer,
        centre: str,
        now_ns: Callable[[], int],
        rsus: Reporters,
        gateways: Reporters,
        tracks: Tracks,
        publish: Publish,
    ) -> None:
        """`publish(topic, payload, qos)` starts sending and returns whether it could."""
        self._writer, self._centre, self._now_ns = writer, centre, now_ns
        self._rsus, self._gateways, self._tracks = rsus, gateways, tracks
        self._publish = publish
        self._inbox = Inbox(INBOX_MESSAGES_MAX, INBOX_BYTES_MAX)
        self._statuses: dict[tuple[str, str], StatusChange] = {}
        self._unsent: dict[tuple[str, int], Answer] = {}  # acknowledgements that wait for the link
        self._wake = asyncio.Event()
        self.counts: Counter[str] = Counter()
        self.subscriptions = Subscriptions(self._rows(), self._count_unknown)

    def _rows(self) -> list[Subscription]:
        """Return the topics of all units with their handlers, none of which blocks."""
        return [
            Subscription(topics.violation_up("+"), 1, self._receive_batch, retained=True),
            Subscription(topics.status("+"), 1, self._receive_rsu_status, retained=True),
            Subscription(topics.gateway_status("+"), 1, self._receive_gateway_status, retained=True),
            Subscription(topics.clock_req("+"), 0, self._answer_rsu_clock, retained=True),
            Subscription(topics.gateway_clock_req("+"), 0, self._answer_gateway_clock, retained=True),
            Subscription(topics.track_up("+"), 0, self._receive_snapshot, retained=True, link=TRACKS),
        ]

    def _receive_batch(self, message: Incoming) -> None:
        """Queue a batch; one that finds the inbox full is sent again by its RSU."""
        esn = message.topic.name
        batch = Message(topics.violation_up(esn), esn, message.payload, self._now_ns())
        if self._inbox.holds(batch):
            self.counts["inbox.repeated"] += 1
            return
        n_dropped = self._inbox.put(batch)
        if n_dropped:
            self.counts["inbox.full"] += n_dropped
        self._wake.set()

    def _receive_rsu_status(self, message: Incoming) -> None:
        self._change(
            self._rsus.hear(
                message.topic.name, message.payload, retained=message.retained, now_ns=self._now_ns()
            )
        )

    def _receive_gateway_status(self, message: Incoming) -> None:
        self._change(
            self._gateways.hear(
                message.topic.name, message.payload, retained=message.retained, now_ns=self._now_ns()
            )
        )

    def _receive_snapshot(self, message: Incoming) -> None:
        self._tracks.hear(message.topic.name, message.payload, self._now_ns())

    def _answer_rsu_clock(self, message: Incoming) -> None:
        self._answer_clock(topics.clock_rsp(message.topic.name), message.payload)

    def _answer_gateway_clock(self, message: Incoming) -> None:
        self._answer_clock(topics.gateway_clock_rsp(message.topic.name), message.payload)

    def _count_unknown(self) -> None:
        self.counts["topic.unknown"] += 1

    async def run(self) -> None:
        """Commit what is queued and answer it, for ever."""
        retry_s = ANSWER_RETRY_S
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(retry_s if self._unsent else None):
                    await self._wake.wait()
            self._wake.clear()
            self._answer_unsent()
            retry_s = min(2.0 * retry_s, RETRY_S) if self._unsent else ANSWER_RETRY_S
            while self._statuses or self._inbox:
                await self._drain()
                self._answer_unsent()

    def _answer_clock(self, answer_to: str, payload: bytes) -> None:
        """Answer a four-stamp probe (RFC 5905, sec. 8), by which a unit learns how far our clock is ahead."""
        now_ns = self._now_ns()
        try:
            asked = wire.decode_clock_req(payload)
        except msgspec.MsgspecError:
            self.counts["clock.unreadable"] += 1
            return
        answer = wire.ClockRsp(
            seq=asked.seq, sent_ns=asked.sent_ns, received_ns=now_ns, answered_ns=self._now_ns()
        )
        self._publish(answer_to, wire.encode(answer), 0)

    def _change(self, change: StatusChange | None) -> None:
        if change is not None:
            key = (change.kind, change.id)
            self._statuses[key] = _joined(self._statuses.get(key), change)
            self._wake.set()

    async def _drain(self) -> None:
        taken = self._inbox.take(COMMIT_MESSAGES_MAX, COMMIT_BYTES_MAX)
        statuses, self._statuses = self._statuses, {}
        try:
            outcome = await self._writer.execute(CommitBatches(taken), KeepStatuses(list(statuses.values())))
        except NotWrittenError:  # nothing is stored, so nothing is acknowledged: RSUs send batches again
            for key, change in statuses.items():
                self._statuses[key] = _joined(change, self._statuses.get(key))
            await asyncio.sleep(RETRY_S)
            return
        self._inbox.put_back(outcome.left)
        answers = [answer for answer in outcome.done.answers if answer.stored or answer.conflict]
        for answer in answers if len(answers) <= SINGLE_ANSWERS_MAX else _joined_answers(answers):
            self._answer(answer)

    def _answer(self, answer: Answer) -> None:
        """Publish an acknowledgement; one that the link does not take waits, joined with its RSU's others."""
        key = (answer.esn, answer.epoch)
        if key not in self._unsent and self._publish_answer(answer):
            return
        before = self._unsent.get(key)
        if before is not None:
            answer = _both(before, answer)
        full = before is None and len(self._unsent) >= UNSENT_MAX
        if full or max(len(answer.stored), len(answer.conflict)) > wire.ACKNOWLEDGED_MAX:
            self.counts["ack.unsent"] += 1  # the RSU sends again and is answered again
            return
        self._unsent[key] = answer

    def _answer_unsent(self) -> None:
        """Publish what the link did not take before, an RSU after the other, until it is full again."""
        for key in list(self._unsent):
            if not self._publish_answer(self._unsent[key]):
                return
            del self._unsent[key]

    def _publish_answer(self, answer: Answer) -> bool:
        ack = wire.ViolationAck(
            centre=self._centre, epoch=answer.epoch, stored=answer.stored, conflict=answer.conflict
        )
        return self._publish(topics.violation_ack(answer.esn), wire.encode(ack), 1)


def _joined_answers(answers: Iterable[Answer]) -> list[Answer]:
    """Return the answers with those to one RSU and epoch as one, as far as one message may name seqs."""
    joined: list[Answer] = []
    newest: dict[tuple[str, int], int] = {}  # place in `joined`
    for answer in answers:
        place = newest.get((answer.esn, answer.epoch))
        both = answer if place is None else _both(joined[place], answer)
        if place is None or max(len(both.stored), len(both.conflict)) > wire.ACKNOWLEDGED_MAX:
            newest[answer.esn, answer.epoch] = len(joined)
            joined.append(answer)
        else:
            joined[place] = both
    return joined


def _both(before: Answer, after: Answer) -> Answer:
    return Answer(
        esn=after.esn,
        epoch=after.epoch,
        stored=tuple(dict.fromkeys(before.stored + after.stored)),
        conflict=tuple(dict.fromkeys(before.conflict + after.conflict)),
    )


def _joined(before: StatusChange | None, after: StatusChange | None) -> StatusChange:
    """Return two changes of one reporter as one."""
    if before is None or after is None:
        change = before or after
        assert change is not None, "nothing to join"
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
