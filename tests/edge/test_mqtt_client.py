"""One connection to a broker, where the broker behaves oddly."""

import asyncio
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
