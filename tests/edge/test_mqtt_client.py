"""One connection to a broker, where the broker behaves oddly."""

import asyncio
import socket
import time

import aiomqtt
import pytest

from edge.mqtt_client import PUBLISH_S, MqttClient

pytestmark = pytest.mark.anyio


async def test_a_broker_that_closes_instead_of_answering_is_left_at_once():
    async def refuse(reader, writer):
        await reader.read(1)  # of CONNECT
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        client = MqttClient(server.sockets[0].getsockname(), lambda *_: None, None, identifier="x")
        begun_s = time.monotonic()
        with pytest.raises(aiomqtt.MqttError, match="closed without an answer"):
            await client.__aenter__()
        assert time.monotonic() - begun_s < PUBLISH_S / 2
        await client.leave()


@pytest.mark.parametrize("register", ["_on_socket_open", "_on_socket_register_write"])
async def test_a_socket_that_a_broker_closes_at_once_is_not_watched(register: str) -> None:
    """The thread that connects asks the loop to watch it; when the loop comes to that it is closed."""
    failures: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: failures.append(context))
    try:
        client = MqttClient(("127.0.0.1", 1), lambda *_: None, None)
        ours, theirs = socket.socketpair()
        getattr(client, register)(client._client, None, ours)
        ours.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        theirs.close()
        if client._misc_task is not None:
            client._misc_task.cancel()
    finally:
        loop.set_exception_handler(before)
    assert failures == []
