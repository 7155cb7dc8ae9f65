"""The workers' side of the cluster's queues: makes them, pulls messages from them, acknowledges those.

A round asks for a number of messages and bytes, and ends when they came or after PULL_S. Nothing is lost with
a round that fails: what it was sent comes again after the consumer's time-out, or from its RSU.
"""

import asyncio
import contextlib
import json
import ssl
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.errors import ConnectionClosedError
from nats.errors import Error as NatsError

from edge import queues
from edge.log import Logger
from edge.queues import Queue
from edge.sections import NatsConfig

PULL_MESSAGES, PULL_BYTES = 256, 4_000_000  # of one round
PULL_S = 1.0  # a round without a message; a new leader of the queue is asked after so long
SPARE_S = 0.5  # that its answer may take
CONNECT_S, REQUEST_S = 2, 5.0
MEASURE_S = 1.0  # for the depth of a queue
RETRY_S = 1.0
PING_S, PINGS_MAX = 2, 2  # a node that froze is left after 4 to 6 s
SAME_NAME = 10_058  # error code: the queue is there, with other limits
SENDING_MAX = 10_000  # acknowledgements, of either kind, that the node does not read
WAITING_BYTES_MAX = 8_000_000  # of answers that our loop has not read; beyond it they are dropped
ACK = "$JS.ACK."

Settle = Callable[[], None]
Receive = Callable[[str, bytes, Settle], None]  # topic, payload, and what acknowledges it to the queue


class WorkerQueue:
    """One connection to the cluster: `run` pulls from all queues, `publish` sends acknowledgements."""

    def __init__(
        self,
        config: NatsConfig,
        servers: Sequence[str],
        worker: str,
        tls: Callable[[], ssl.SSLContext | None],
        log: Logger,
    ) -> None:
        """servers : URLs of the nodes.  tls : the context for the next connection, None without TLS"""
        self._config, self._servers, self._worker, self._tls, self._log = config, servers, worker, tls, log
        self.counts: Counter[str] = Counter()
        self._client: Client | None = None
        self._fault: str | None = "not connected yet"
        self._turn = 0  # of the nodes
        self._sending: set[asyncio.Task[None]] = set()
        self.depths: dict[str, int] = {}  # messages in each queue, by its name, as last asked

    @property
    def fault(self) -> str | None:
        """Why nothing is pulled now; None while all is well."""
        if self._client is None or not self._client.is_connected:
            return self._fault or "no node can be reached"
        return self._fault

    @property
    def connected(self) -> bool:
        return self._client is not None and self._client.is_connected

    def publish(self, topic: str, payload: bytes) -> bool:
        """Send an acknowledgement to an RSU; False without a connection."""
        if self._client is None or not self._client.is_connected:
            return False
        if len(self._sending) >= SENDING_MAX:
            return False
        self._begin(self._client.publish(queues.subject_of(topic), payload))
        return True

    async def measure(self) -> None:
        """Ask how many messages each queue holds; a queue that does not answer has no depth."""
        found: dict[str, int] = {}
        client = self._client
        for queue in queues.QUEUES:
            if client is None or not client.is_connected:
                break
            with contextlib.suppress(NatsError, OSError, TimeoutError, ValueError, KeyError, TypeError):
                answer = await self._ask(client, f"STREAM.INFO.{queue.stream}", timeout_s=MEASURE_S)
                found[queue.name] = int(answer["state"]["messages"])
        self.depths = found

    def reconnect(self) -> None:
        """Connect anew: our certificate is another one."""
        if self._client is not None:
            self._begin(self._client.close())

    async def run(self, receive: Receive) -> None:
        """Connect, make the queues and pull, until cancelled; after each failure again."""
        while True:
            try:
                await self._serve(receive)
            except* (OSError, TimeoutError, ValueError, NatsError) as errors:
                error = _first(errors)
                self._fault = f"{type(error).__name__}: {error}".rstrip(": ")
                self.counts["queue.failed"] += 1
                self._log.warning("queue.failed", why=self._fault)
            await asyncio.sleep(RETRY_S)

    async def _serve(self, receive: Receive) -> None:
        client = self._client = Client()
        self._turn += 1
        try:
            await client.connect(
                servers=self._servers[self._turn % len(self._servers)],
                name=self._worker,
                inbox_prefix=queues.inbox_of(self._worker).encode(),
                tls=self._tls(),
                connect_timeout=CONNECT_S,
                allow_reconnect=False,  # `run` does, with the certificate of then
                ping_interval=PING_S,
                max_outstanding_pings=PINGS_MAX,
                error_cb=self._count_error,
            )
            self.counts["queue.connected"] += 1
            for queue in queues.QUEUES:
                await self._make(client, queue)
            self._fault = None
            async with asyncio.TaskGroup() as tasks:
                for queue in queues.QUEUES:
                    tasks.create_task(self._pull(client, queue, receive), name=f"worker.{queue.stream}")
        finally:
            self._client = None
            with contextlib.suppress(NatsError, OSError, TimeoutError):
                await asyncio.wait_for(client.close(), RETRY_S)

    async def _count_error(self, error: Exception) -> None:
        self.counts[f"queue.error.{type(error).__name__}"] += 1

    async def _make(self, client: Client, queue: Queue) -> None:
        """Make a queue and its consumer, or give them the limits of the site file."""
        config = queues.stream_config(queue, self._config)
        try:
            await self._ask(client, f"STREAM.CREATE.{queue.stream}", config)
        except _RefusedError as error:
            if error.code != SAME_NAME:
                raise
            await self._ask(client, f"STREAM.UPDATE.{queue.stream}", config)
        consumer = {"stream_name": queue.stream, "config": queues.consumer_config()}
        await self._ask(client, f"CONSUMER.DURABLE.CREATE.{queue.stream}.{queues.CONSUMER}", consumer)

    async def _ask(
        self, client: Client, what: str, body: object = None, timeout_s: float = REQUEST_S
    ) -> dict[str, Any]:
        asked = b"" if body is None else json.dumps(body).encode()
        message = await client.request(f"$JS.API.{what}", asked, timeout=timeout_s)
        answer: dict[str, Any] = json.loads(message.data)
        error = answer.get("error")
        if error is not None:
            raise _RefusedError(what, int(error.get("err_code", 0)), str(error.get("description", "")))
        return answer

    async def _pull(self, client: Client, queue: Queue, receive: Receive) -> None:
        """Ask for rounds of messages for ever; raises NatsError once the connection is gone."""
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{queue.stream}.{queues.CONSUMER}"
        wanted = {"batch": PULL_MESSAGES, "max_bytes": PULL_BYTES, "expires": int(PULL_S * 1e9)}
        body = json.dumps(wanted).encode()
        inbox, turn = client.new_inbox(), 0
        answers = await client.subscribe(f"{inbox}.*", pending_bytes_limit=WAITING_BYTES_MAX)
        while True:
            if not client.is_connected:
                raise ConnectionClosedError
            turn += 1
            await client.publish(subject, body, reply=f"{inbox}.{turn}")
            try:
                async with asyncio.timeout(PULL_S + SPARE_S):
                    await self._round(client, answers, f".{turn}", receive)
            except TimeoutError:  # the leader is gone, say; the next round finds another
                self.counts["queue.unanswered"] += 1

    async def _round(self, client: Client, answers: Subscription, end: str, receive: Receive) -> None:
        """Receive the messages of one round, whose last word comes on a subject with this end.

        Late messages of an earlier round are as good as those of this one.
        """
        for _ in range(PULL_MESSAGES):
            message = await answers.next_msg(timeout=None)
            while not message.reply.startswith(ACK):
                if message.subject.endswith(end):  # no more for now
                    return
                message = await answers.next_msg(timeout=None)
            self.counts["queue.received"] += 1
            receive(
                queues.topic_of(message.subject), message.data, partial(self._settle, client, message.reply)
            )

    def _settle(self, client: Client, reply: str) -> None:
        """Acknowledge a message to its queue, which deletes it; without the connection it comes again."""
        if client.is_connected:
            self._begin(client.publish(reply, b"+ACK"))

    def _begin(self, sending: Coroutine[Any, Any, None]) -> None:
        """Send while we go on: the client buffers, so this ends at once as long as the node reads."""
        task = asyncio.create_task(sending)
        self._sending.add(task)
        task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.counts["queue.unsent"] += 1  # it comes again


class _RefusedError(ValueError):
    """JetStream refuses a request."""

    def __init__(self, what: str, code: int, why: str) -> None:
        super().__init__(f"{what}: {why} ({code})")
        self.code = code


def _first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group
