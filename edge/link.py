"""One MQTT 3.1.1 connection that restores itself: address rotation, will, birth, bounded publishing.

QoS 0 and 1. Nothing is kept for a broker that is away: violations wait in the outbox, and messages that are
repeated anyway (status, handovers, snapshots) are better new than late. `publish` returns whether it sent.
"""

import asyncio
import contextlib
import os
import ssl
import time
import zlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import aiomqtt

from core.errors import ConfigError
from edge.config import address_of
from edge.mqtt_client import LINK_ERRORS, PENDING_BYTES_MAX, PENDING_MAX, MqttClient, OnMessage, is_denied
from edge.sections import MqttConfig
from edge.signing.site_guard import SiteGuard, site_guard
from edge.tls import Credentials, Holder, check_addresses, credentials
from edge.tls_causes import cause_of, why_refused

CONNECT_S = 3.0
LEAVE_S = 0.4  # a cancelled link ends within a second: twice this
BACKOFF_S_MIN, BACKOFF_S_MAX = 0.2, 5.0
CLUSTER_BACKOFF_S_MAX = 1.5  # its other nodes serve, or will within seconds
STABLE_S = 5.0  # a connection that lasted this long starts the back-off anew


class Outgoing(NamedTuple):
    """A message to publish."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """How to reach the brokers, in turn, and as whom.

    qos_max : messages and subscriptions above it go at this QoS
    backoff_s_max : the longest wait between two attempts to connect
    """

    addresses: tuple[tuple[str, int], ...]
    client_id: str
    username: str | None = None
    password: str | None = None
    tls: Credentials | None = None
    signing: SiteGuard | None = None
    qos_max: int = 1
    backoff_s_max: float = BACKOFF_S_MAX


def link_settings(
    mqtt: MqttConfig, client_id: str, where: str = "site", holder: Holder | None = None
) -> LinkSettings:
    """Build the settings from `[mqtt]`; ConfigError where it names no broker or unusable TLS files.

    holder : the part that our certificate must name
    """
    if not mqtt.brokers:
        raise ConfigError(where, "mqtt.brokers", "must name at least one HOST:PORT")
    addresses = tuple(address_of(address) for address in mqtt.brokers)
    if mqtt.cluster:
        at = zlib.crc32(client_id.encode()) % len(addresses)
        addresses = addresses[at:] + addresses[:at]
    check_addresses(mqtt, [host for host, _ in addresses], where)
    return LinkSettings(
        addresses=addresses,
        client_id=client_id,
        username=mqtt.username,
        password=mqtt.password,
        tls=credentials(mqtt, where, holder),
        signing=site_guard(mqtt, where, holder),
        qos_max=0 if mqtt.cluster else 1,
        backoff_s_max=CLUSTER_BACKOFF_S_MAX if mqtt.cluster else BACKOFF_S_MAX,
    )


class Link:
    """One connection; use it from the event loop that runs it.

    on_message(topic, payload, retained) : called in the loop for each message; must not block or raise
    will(connection), birth(connection) : the message that the broker publishes when the connection is lost
        (at a clean end we publish it), and the one that we publish on connecting; `connection` counts every
        attempt from 1
    on_up, on_down : after each birth, after each loss
    on_refused(address, cause) : when a broker and we do not agree on TLS or login, with a cause of
        edge.tls_causes
    """

    def __init__(
        self,
        settings: LinkSettings,
        *,
        subscriptions: Sequence[tuple[str, int]] = (),
        on_message: OnMessage | None = None,
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
        self.guard = None if settings.signing is None else settings.signing.guard
        self.refused: str | None = None  # why the last attempt was refused, where that is known
        self.on_refused: Callable[[tuple[str, int], str], None] = lambda _address, _cause: None
        self.hold_s: Callable[[], float] = lambda: 0.0  # how long to stay away after a loss, at least
        self.subscribe(subscriptions, on_message)
        self.announce(will=will, birth=birth)
        self._client: MqttClient | None = None  # while connected
        self._sending: dict[asyncio.Task[None], int] = {}  # and the bytes of each
        self._newest: dict[str, Outgoing] = {}
        self._newest_waits = asyncio.Event()
        self._leave_asked = asyncio.Event()
        self._failure: Exception | None = None
        self._turn = 0  # of the addresses
        self._stopping = self._moving = False

    def subscribe(
        self,
        subscriptions: Sequence[tuple[str, int]],
        on_message: OnMessage | None,
        admits: Callable[[str, bytes, bool], bool] = lambda _topic, _payload, _retained: True,
    ) -> None:
        """Set the (filter, QoS) pairs to subscribe to, and the callback for their messages; before `run`.

        admits(topic, payload, retained) : says by rates and lengths whether to read a message at all; it is
            asked before the signature is computed
        """
        self._subscriptions, self._on_message, self._admits = list(subscriptions), on_message, admits

    def announce(
        self, *, will: Callable[[int], Outgoing] | None, birth: Callable[[int], Outgoing] | None
    ) -> None:
        """Set will and birth; before `run`."""
        self._will, self._birth = will, birth

    @property
    def connected(self) -> bool:
        return self._client is not None

    @property
    def at(self) -> int:
        """The index of the address that is used, or tried next."""
        return self._turn % len(self.settings.addresses)

    def send(self, message: Outgoing) -> bool:
        """Publish a message as it is."""
        return self.publish(message.topic, message.payload, qos=message.qos, retain=message.retain)

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        """Start sending; False (and counted) where there is no connection or too much in flight.

        Messages of one QoS leave in order.
        """
        if self._client is None:
            return self._refuse("link.down")
        qos = min(qos, self.settings.qos_max)
        if qos and self._is_full():  # before it is signed: that is the costly part
            return self._refuse("link.full")
        payload = self._signed(topic, payload)
        if qos == 0:
            reason = self._client.publish_unanswered(topic, payload, retain=retain)
            return reason is None or self._refuse(reason)
        task = asyncio.create_task(self._send(self._client, Outgoing(topic, payload, qos, retain)))
        self._sending[task] = len(payload)
        task.add_done_callback(self._sending.pop)
        return True

    def _is_full(self) -> bool:
        return len(self._sending) >= PENDING_MAX or sum(self._sending.values()) >= PENDING_BYTES_MAX

    async def publish_confirmed(self, topic: str, payload: bytes) -> bool:
        """Publish at QoS 1 and wait for the broker's answer; False where there is none."""
        if self._client is None:
            return self._refuse("link.down")
        message = Outgoing(topic, self._signed(topic, payload), min(1, self.settings.qos_max))
        try:
            await self._client.publish(*message)
        except LINK_ERRORS:
            return self._refuse("link.publish_failed")
        return True

    def publish_newest(self, topic: str, payload: bytes, *, qos: int = 0) -> None:
        """Send once the earlier messages have left; it replaces one of the same topic that still waits."""
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

    def move_to(self, at: int) -> None:
        """Leave for another address, by its index; the one that is left gets our will, which shows us off."""
        if at != self.at:
            self._turn, self._moving = at, True
            self._leave_asked.set()

    async def run(self) -> None:
        """Stay connected until cancelled."""
        inner = asyncio.create_task(self._stay())
        try:
            await asyncio.shield(inner)
        finally:
            # aiomqtt uses asyncio.wait_for, which can swallow a cancellation before Python 3.12: ask twice
            self._stopping = True
            self._leave_asked.set()
            inner.cancel()
            await asyncio.wait([inner])

    async def _stay(self) -> None:
        backoff_s = BACKOFF_S_MIN
        while not self._stopping:
            begun_s = time.monotonic()
            address = self.settings.addresses[self.at]
            try:
                await self._serve(address)
                continue  # `reconnect` or `move_to` asked for a new connection
            except LINK_ERRORS as error:  # the network's or the broker's fault: try the next address
                self._count(f"link.{type(error).__name__}")
                await self._explain(address, error)
            self._turn += 1
            if time.monotonic() - begun_s > STABLE_S:
                backoff_s = BACKOFF_S_MIN
            await asyncio.sleep(max(backoff_s * _jitter(), self.hold_s()))
            backoff_s = min(2.0 * backoff_s, self.settings.backoff_s_max)

    async def _explain(self, address: tuple[str, int], error: Exception) -> None:
        """Count and report why a broker refused us, where that can be known."""
        cause = "not_authorised" if is_denied(error) else cause_of(error)
        if cause is None and self.settings.tls is not None and not self._stopping:
            cause = await why_refused(address, self.settings.tls.context)
        if cause is not None:
            self.refused = cause
            self._count(f"link.refused.{cause}")
            self.on_refused(address, cause)

    async def _serve(self, address: tuple[str, int]) -> None:
        """Hold one connection; returns when asked to leave, raises when it is lost."""
        self.connection += 1
        self._failure = None
        if not self._stopping:
            self._leave_asked.clear()
            self._moving = False
        will = self._announcement(self._will)
        await _reach(address, None if self.settings.tls is None else self.settings.tls.context)
        client = self._new_client(address, will)
        try:
            await client.__aenter__()
            await self._greet(client)
            self._client = client
            self.refused = None
            self._count("link.connected")
            self.on_up()
            await self._until_left(client)
        finally:
            if (self._stopping or self._moving) and self.connected and will is not None:
                await _within(LEAVE_S, client.publish(*will))  # a clean end makes the broker drop the will
            lost, self._client = self.connected, None
            self._newest.clear()
            for task in tuple(self._sending):
                task.cancel()
            await _within(LEAVE_S, client.leave())
            if lost:
                self.on_down()

    def _signed(self, topic: str, payload: bytes) -> bytes:
        return payload if self.guard is None else self.guard.signed(topic, payload)

    def _announcement(self, make: Callable[[int], Outgoing] | None) -> Outgoing | None:
        """Return the signed will or birth of this connection; None where there is none."""
        if make is None:
            return None
        message = make(self.connection)
        qos = min(message.qos, self.settings.qos_max)
        return message._replace(payload=self._signed(message.topic, message.payload), qos=qos)

    def _new_client(self, address: tuple[str, int], will: Outgoing | None) -> MqttClient:
        settings = self.settings
        return MqttClient(
            address,
            self._receive,
            aiomqtt.Will(*will) if will else None,
            identifier=settings.client_id,
            username=settings.username,
            password=settings.password,
            tls_context=None if settings.tls is None else settings.tls.context,
        )

    def _receive(self, topic: str, payload: bytes, retained: bool) -> None:
        def admits() -> bool:
            return self._admits(topic, payload, retained)

        try:
            if self._on_message is None:
                return
            if admits() if self.guard is None else self.guard.accepts(topic, payload, admits):
                self._on_message(topic, payload, retained)
        except Exception as error:  # our bug must end us, not vanish in the client's read callback
            self._fail(error)

    async def _greet(self, client: MqttClient) -> None:
        if self._subscriptions:
            most = self.settings.qos_max
            granted = await client.subscribe(
                [(pattern, min(qos, most)) for pattern, qos in self._subscriptions]
            )
            if any((code if isinstance(code, int) else code.value) >= 128 for code in granted):
                self._count("link.subscription_refused")
        birth = self._announcement(self._birth)
        if birth is not None:
            await client.publish(*birth)

    async def _until_left(self, client: MqttClient) -> None:
        """Return when asked to leave, raise when the connection is lost."""
        tasks = [
            asyncio.create_task(client.until_lost()),
            asyncio.create_task(self._pump_newest(client)),
            asyncio.create_task(self._leave_asked.wait()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)  # several may fail of one lost connection
        if self._failure is not None:
            raise self._failure
        for task in done:
            task.result()

    async def _pump_newest(self, client: MqttClient) -> None:
        while True:
            await self._newest_waits.wait()
            self._newest_waits.clear()
            while self._newest:
                message = self._newest.pop(next(iter(self._newest)))
                await client.publish(*message)  # returns once the socket has accepted it

    async def _send(self, client: MqttClient, message: Outgoing) -> None:
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


async def _reach(address: tuple[str, int], context: ssl.SSLContext | None) -> None:
    """Open and close a connection: aiomqtt connects in a thread, which could not be cancelled.

    With TLS up to the end of the handshake: paho leaves the socket open when that fails.
    """
    shutdown_s = None if context is None else LEAVE_S
    async with asyncio.timeout(CONNECT_S):
        _, writer = await asyncio.open_connection(*address, ssl=context, ssl_shutdown_timeout=shutdown_s)
        writer.close()
        with contextlib.suppress(ConnectionError, TimeoutError):  # a broker that leaves without a word
            await writer.wait_closed()


async def _within(seconds: float, awaitable: Coroutine[Any, Any, Any]) -> None:
    """Await for at most that long; a link that is lost anyway raises nothing here."""
    with contextlib.suppress(*LINK_ERRORS):
        async with asyncio.timeout(seconds):
            await awaitable


def _jitter() -> float:
    """Return a random factor of 0.5 to 1.0: many RSUs must not reconnect at the same moment."""
    return 0.5 + int.from_bytes(os.urandom(2)) / 131_070
