"""One MQTT 3.1.1 connection that restores itself: address rotation, will, birth, bounded publishing.

QoS 0 and 1. Nothing is kept for a broker that is away: violations wait in the outbox, and messages that are
repeated anyway (status, handovers, snapshots) are better new than late. `publish` returns whether it sent.
"""

import asyncio
import contextlib
import logging
import os
import socket
import ssl
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import aiomqtt

from core.errors import ConfigError
from edge.config import address_of
from edge.sections import MqttConfig

KEEPALIVE_S = 5
CONNECT_S = 3.0
PUBLISH_S = 2.5
LEAVE_S = 0.4  # a cancelled link ends within a second: twice this
BACKOFF_S_MIN, BACKOFF_S_MAX = 0.2, 5.0
STABLE_S = 5.0  # a connection that lasted this long starts the back-off anew
PENDING_MAX = 256  # accepted and not yet sent or answered
INFLIGHT_MAX = 64  # of QoS 1 on the wire: the client's cost grows with it
SOCKET_OPTIONS = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 5_000),  # a black-holed link gives no reset
]
LOGGER = logging.getLogger("petroroad.mqtt")  # aiomqtt's own words; what matters is counted
LOGGER.setLevel(logging.CRITICAL)
LINK_ERRORS = (aiomqtt.MqttError, OSError, TimeoutError)


class Outgoing(NamedTuple):
    """A message to publish."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """How to reach the brokers, in turn, and as whom."""

    addresses: tuple[tuple[str, int], ...]
    client_id: str
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None


def link_settings(mqtt: MqttConfig, client_id: str, where: str = "site") -> LinkSettings:
    """Build the settings from `[mqtt]`; ConfigError where it names no broker or unreadable TLS files."""
    if not mqtt.brokers:
        raise ConfigError(where, "mqtt.brokers", "must name at least one HOST:PORT")
    tls = None
    if mqtt.ca_file or mqtt.cert_file or mqtt.key_file:
        try:
            tls = ssl.create_default_context(cafile=mqtt.ca_file)
            if mqtt.cert_file:
                tls.load_cert_chain(mqtt.cert_file, mqtt.key_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(where, "mqtt", f"TLS files can't be loaded: {error}") from error
    return LinkSettings(
        addresses=tuple(address_of(address) for address in mqtt.brokers),
        client_id=client_id,
        username=mqtt.username,
        password=mqtt.password,
        tls=tls,
    )


class Link:
    """One connection; use it from the event loop that runs it.

    on_message(topic, payload, retained) : called in the loop for each message; must not block or raise
    will(connection), birth(connection) : the message that the broker publishes when the connection is lost
        (at a clean end we publish it), and the one that we publish on connecting; `connection` counts every
        attempt from 1
    on_up, on_down : after each birth, after each loss
    """

    def __init__(
        self,
        settings: LinkSettings,
        *,
        subscriptions: Sequence[tuple[str, int]] = (),
        on_message: Callable[[str, bytes, bool], None] | None = None,
        will: Callable[[int], Outgoing] | None = None,
        birth: Callable[[int], Outgoing] | None = None,
        on_up: Callable[[], None] = lambda: None,
        on_down: Callable[[], None] = lambda: None,
    ) -> None:
        assert settings.addresses, "a link needs an address"
        self.settings = settings
        self.connection = 0
        self.counts: dict[str, int] = {}
        self.on_up, self.on_down = on_up, on_down
        self.subscribe(subscriptions, on_message)
        self.announce(will=will, birth=birth)
        self._client: aiomqtt.Client | None = None  # while connected
        self._sending: set[asyncio.Task[None]] = set()
        self._newest: dict[str, Outgoing] = {}
        self._newest_waits = asyncio.Event()
        self._leave_asked = asyncio.Event()
        self._failure: Exception | None = None
        self._stopping = False

    def subscribe(
        self,
        subscriptions: Sequence[tuple[str, int]],
        on_message: Callable[[str, bytes, bool], None] | None,
    ) -> None:
        """Set the (filter, QoS) pairs to subscribe to and what receives their messages; before `run`."""
        self._subscriptions, self._on_message = list(subscriptions), on_message

    def announce(
        self, *, will: Callable[[int], Outgoing] | None, birth: Callable[[int], Outgoing] | None
    ) -> None:
        """Set will and birth; before `run`."""
        self._will, self._birth = will, birth

    @property
    def connected(self) -> bool:
        return self._client is not None

    def send(self, message: Outgoing) -> bool:
        """Publish a message as it is."""
        return self.publish(message.topic, message.payload, qos=message.qos, retain=message.retain)

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        """Start sending; False (and counted) where there is no connection or too much in flight.

        Messages of one QoS leave in order.
        """
        if self._client is None:
            return self._refuse("link.down")
        if qos == 0:
            return self._send_unanswered(self._client, topic, payload, retain=retain)
        if len(self._sending) >= PENDING_MAX:
            return self._refuse("link.full")
        task = asyncio.create_task(self._send(self._client, Outgoing(topic, payload, qos, retain)))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return True

    def publish_newest(self, topic: str, payload: bytes, *, qos: int = 0) -> None:
        """Send as soon as what is before it has left; one still waiting for the same topic is replaced."""
        if self._client is None:
            self._count("link.down")
            return
        if topic in self._newest:
            self._count("link.replaced")
        self._newest[topic] = Outgoing(topic, payload, qos)
        self._newest_waits.set()

    def reconnect(self) -> None:
        """Leave and come back, so that the broker learns a new will."""
        self._leave_asked.set()

    async def run(self) -> None:
        """Stay connected until cancelled."""
        inner = asyncio.create_task(self._stay())
        try:
            await asyncio.shield(inner)
        finally:
            # aiomqtt uses asyncio.wait_for, which can swallow a cancellation before Python 3.12: say it twice
            self._stopping = True
            self._leave_asked.set()
            inner.cancel()
            await asyncio.wait([inner])

    async def _stay(self) -> None:
        turn, backoff_s = 0, BACKOFF_S_MIN
        while not self._stopping:
            begun_s = time.monotonic()
            try:
                await self._serve(self.settings.addresses[turn % len(self.settings.addresses)])
                continue  # it was asked to come back
            except LINK_ERRORS as error:  # the network's or the broker's fault: try the next address
                self._count(f"link.{type(error).__name__}")
            turn += 1
            if time.monotonic() - begun_s > STABLE_S:
                backoff_s = BACKOFF_S_MIN
            await asyncio.sleep(backoff_s * _jitter())
            backoff_s = min(2.0 * backoff_s, BACKOFF_S_MAX)

    async def _serve(self, address: tuple[str, int]) -> None:
        """Hold one connection; returns when asked to leave, raises when it is lost."""
        self.connection += 1
        self._failure = None
        if not self._stopping:
            self._leave_asked.clear()
        will = self._will(self.connection) if self._will else None
        await _reach(address)
        client = self._new_client(address, will)
        try:
            await client.__aenter__()
            await self._greet(client)
            self._client = client
            self._count("link.connected")
            self.on_up()
            await self._until_left(client)
        finally:
            if self._stopping and self.connected and will is not None:
                await _within(LEAVE_S, client.publish(*will))  # a clean end makes the broker drop the will
            lost, self._client = self.connected, None
            self._newest.clear()
            for task in tuple(self._sending):
                task.cancel()
            if client._connected.cancelled():  # aiomqtt would trip over it and leave the socket open
                client._connected = asyncio.get_running_loop().create_future()
            await _within(LEAVE_S, client.__aexit__(None, None, None))
            if lost:
                self.on_down()

    def _new_client(self, address: tuple[str, int], will: Outgoing | None) -> aiomqtt.Client:
        settings = self.settings
        client = aiomqtt.Client(
            *address,
            identifier=settings.client_id,
            username=settings.username,
            password=settings.password,
            tls_context=settings.tls,
            protocol=aiomqtt.ProtocolVersion.V311,
            clean_session=True,
            keepalive=KEEPALIVE_S,
            timeout=PUBLISH_S,
            will=aiomqtt.Will(*will) if will else None,
            socket_options=SOCKET_OPTIONS,
            logger=LOGGER,
            max_inflight_messages=INFLIGHT_MAX,
            max_queued_outgoing_messages=2 * PENDING_MAX,
            queue_type=self._inbox,  # type: ignore[arg-type]  # what makes a queue serves as well as its type
        )
        client.pending_calls_threshold = 2 * PENDING_MAX  # it warns beyond; we bound
        return client

    def _inbox(self, maxsize: int) -> "_Inbox":
        return _Inbox(self._receive)

    def _receive(self, message: aiomqtt.Message) -> None:
        try:
            if self._on_message is not None:
                self._on_message(message.topic.value, _bytes(message.payload), message.retain)
        except Exception as error:  # our bug must end us, not vanish in the client's read callback
            self._fail(error)

    async def _greet(self, client: aiomqtt.Client) -> None:
        if self._subscriptions:
            granted = await client.subscribe(self._subscriptions)
            if any((code if isinstance(code, int) else code.value) >= 128 for code in granted):
                self._count("link.subscription_refused")
        if self._birth is not None:
            await client.publish(*self._birth(self.connection))

    async def _until_left(self, client: aiomqtt.Client) -> None:
        """Return when asked to leave, raise when the connection is lost."""
        tasks = [
            asyncio.create_task(_until_lost(client)),
            asyncio.create_task(self._pump_newest(client)),
            asyncio.create_task(self._leave_asked.wait()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        if self._failure is not None:
            raise self._failure
        for task in done:
            task.result()

    async def _pump_newest(self, client: aiomqtt.Client) -> None:
        while True:
            await self._newest_waits.wait()
            self._newest_waits.clear()
            while self._newest:
                message = self._newest.pop(next(iter(self._newest)))
                await client.publish(*message)  # returns once the socket took it

    def _send_unanswered(self, client: aiomqtt.Client, topic: str, payload: bytes, *, retain: bool) -> bool:
        """Hand a QoS 0 message to the client, which writes at the loop's next turn.

        Nothing will answer it, so it needs no task: a gateway sends thousands a second.
        """
        mqtt = client._client
        if len(mqtt._out_packet) >= PENDING_MAX:
            mqtt.loop_write()  # a long turn of the loop: write first, full is a blocked socket
        if len(mqtt._out_packet) >= PENDING_MAX:
            return self._refuse("link.full")
        if mqtt.publish(topic, payload, 0, retain).rc != 0:  # lost, and `_until_left` has not noticed yet
            return self._refuse("link.down")
        return True

    async def _send(self, client: aiomqtt.Client, message: Outgoing) -> None:
        try:
            await client.publish(*message)
        except LINK_ERRORS as error:  # no answer in time: the link is dead though TCP has not noticed
            self._count("link.publish_failed")
            if self._client is client:
                self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._failure = error
        self._leave_asked.set()

    def _refuse(self, reason: str) -> bool:
        self._count(reason)
        return False

    def _count(self, reason: str) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1


class _Inbox(asyncio.Queue[aiomqtt.Message]):
    """Stands where aiomqtt puts what arrived: hands it on at once, so that nothing queues without limit."""

    def __init__(self, receive: Callable[[aiomqtt.Message], None]) -> None:
        super().__init__()
        self._hand_on = receive

    def put_nowait(self, item: aiomqtt.Message) -> None:
        self._hand_on(item)


async def _until_lost(client: aiomqtt.Client) -> None:
    async for _ in client.messages:  # never yields (see _Inbox); raises when the connection is lost
        raise AssertionError("messages go to the callback")


async def _reach(address: tuple[str, int]) -> None:
    """Open and close a TCP connection: aiomqtt connects in a thread, which could not be cancelled."""
    async with asyncio.timeout(CONNECT_S):
        _, writer = await asyncio.open_connection(*address)
        writer.close()
        await writer.wait_closed()


async def _within(seconds: float, awaitable: Coroutine[Any, Any, Any]) -> None:
    """Give it that long; a link that is lost anyway raises nothing here."""
    with contextlib.suppress(*LINK_ERRORS):
        async with asyncio.timeout(seconds):
            await awaitable


def _bytes(payload: Any) -> bytes:
    return payload if isinstance(payload, bytes) else bytes(payload or b"")


def _jitter() -> float:
    """Return 0.5 to 1.0 by the system's chance: many RSUs must not come back in step."""
    return 0.5 + int.from_bytes(os.urandom(2)) / 131_070
