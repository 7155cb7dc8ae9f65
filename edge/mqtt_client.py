"""The MQTT client of a link; only this module uses private parts of aiomqtt and paho.

aiomqtt has no call that writes without waiting, no callback for a message and no way out of a cancelled
connect. `constraints.txt` pins both libraries; tests/edge/test_link.py fails where one of them changes.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from typing import Any

import aiomqtt

KEEPALIVE_S = 5
PUBLISH_S = 2.5
PENDING_MAX = 256  # accepted and not yet sent or answered
PENDING_BYTES_MAX = 16_000_000  # of their payloads: sixteen of the longest message
UNCOUNTED_MAX = 16  # so few can't have more bytes
INFLIGHT_MAX = 64  # of QoS 1 on the wire: the client's cost grows with it
SOCKET_OPTIONS = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 5_000),  # a black-holed link gives no reset
]
LOGGER = logging.getLogger("petroroad.mqtt")  # aiomqtt's own lines; the link counts the events that matter
LOGGER.setLevel(logging.CRITICAL)
DENIED = (4, 5, 134, 135)  # MQTT 3.1.1 table 3.1, and what paho makes of it: bad login, not authorised
LINK_ERRORS = (aiomqtt.MqttError, OSError, TimeoutError)

OnMessage = Callable[[str, bytes, bool], None]  # topic, payload, retained


class MqttClient(aiomqtt.Client):
    """One connection to one broker: enter it, use it, leave it.

    on_message : called in the loop for each message; must neither block nor raise
    """

    def __init__(
        self, address: tuple[str, int], on_message: OnMessage, will: aiomqtt.Will | None, **settings: Any
    ) -> None:
        super().__init__(
            *address,
            protocol=aiomqtt.ProtocolVersion.V311,
            clean_session=True,
            keepalive=KEEPALIVE_S,
            timeout=PUBLISH_S,
            will=will,
            socket_options=SOCKET_OPTIONS,
            logger=LOGGER,
            max_inflight_messages=INFLIGHT_MAX,
            max_queued_outgoing_messages=2 * PENDING_MAX,
            queue_type=lambda maxsize: _Dispatch(on_message),  # type: ignore[arg-type]  # a factory serves too
            **settings,
        )
        self._loop = _Watching(self._loop)  # type: ignore[assignment]  # of a loop aiomqtt needs no more
        self.pending_calls_threshold = 2 * PENDING_MAX  # it warns beyond; the link has a bound

    def _on_disconnect(self, *arguments: Any) -> None:
        """Fail a connection that the broker closes instead of answering; aiomqtt waits for its time-out.

        A node of a cluster does that while it has no leader: the next one is tried sooner.
        """
        if not self._connected.done():
            self._connected.set_exception(aiomqtt.MqttError("closed without an answer"))
        super()._on_disconnect(*arguments)

    async def until_lost(self) -> None:
        """Raise one of LINK_ERRORS when the connection is lost."""
        async for _ in self.messages:  # never yields (see _Dispatch)
            raise AssertionError("messages go to the callback")

    def publish_unanswered(self, topic: str, payload: bytes, *, retain: bool) -> str | None:
        """Queue a QoS 0 message, which is written at the loop's next turn; return why it was refused.

        Nothing will answer it, so it needs no task: a gateway sends thousands a second.
        """
        mqtt = self._client
        if self._is_full():
            mqtt.loop_write()  # a long turn of the loop: write first, full is a blocked socket
        if self._is_full():
            return "link.full"
        if mqtt.publish(topic, payload, 0, retain).rc != 0:  # lost, and `until_lost` has not noticed yet
            return "link.down"
        return None

    def _is_full(self) -> bool:
        waiting = self._client._out_packet
        if len(waiting) <= UNCOUNTED_MAX:
            return False
        return len(waiting) >= PENDING_MAX or sum(len(p["packet"]) for p in waiting) >= PENDING_BYTES_MAX

    async def leave(self) -> None:
        """Leave the connection; aiomqtt alone fails after a cancelled connect, and keeps the socket open."""
        if self._connected.cancelled():
            self._connected = asyncio.get_running_loop().create_future()
        await self.__aexit__(None, None, None)


class _Watching:
    """The loop, as aiomqtt sees it: to watch a socket that is closed already does nothing.

    It connects in a thread and asks the loop for its next turn; until then a broker that refuses may have
    closed the socket. That the connection is lost, paho has said then.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._of = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._of, name)

    def add_reader(self, fd: int, callback: Callable[[], None]) -> None:
        """As the loop's."""
        self._watch(self._of.add_reader, fd, callback)

    def add_writer(self, fd: int, callback: Callable[[], None]) -> None:
        """As the loop's."""
        self._watch(self._of.add_writer, fd, callback)

    @staticmethod
    def _watch(add: Callable[..., None], fd: int, callback: Callable[[], None]) -> None:
        if fd >= 0:
            with contextlib.suppress(OSError):  # EBADF
                add(fd, callback)


class _Dispatch(asyncio.Queue[aiomqtt.Message]):
    """The queue that aiomqtt fills: it passes each message on at once, so nothing queues without limit."""

    def __init__(self, on_message: OnMessage) -> None:
        super().__init__()
        self._on_message = on_message

    def put_nowait(self, item: aiomqtt.Message) -> None:
        self._on_message(item.topic.value, _bytes(item.payload), item.retain)


def is_denied(error: BaseException) -> bool:
    """Say whether a broker refused the connection itself, for its name, password or rights."""
    code = error.rc if isinstance(error, aiomqtt.MqttCodeError) else None
    return getattr(code, "value", code) in DENIED


def _bytes(payload: Any) -> bytes:
    return payload if isinstance(payload, bytes) else bytes(payload or b"")
