"""The watchdog of `petroroad broker`: a program that is frozen is found, though its port accepts."""

import asyncio
import os
import signal

import pytest

from petroroad.processes import broker_probe
from petroroad.processes.broker import start_broker
from petroroad.processes.broker_probe import Probe, answers
from petroroad.processes.ports import kept_port
from tests.support.tls_links import skip_without

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("kind", ["nats", "mosquitto"])
async def test_a_broker_that_is_frozen_does_not_answer(tmp_path, kind, monkeypatch):
    skip_without(kind)
    with kept_port() as port:
        child = await start_broker(kind, tmp_path, "127.0.0.1", port)
        try:
            assert await answers("127.0.0.1", port)
            os.kill(child.process.pid, signal.SIGSTOP)
            monkeypatch.setattr(broker_probe, "ANSWER_S", 0.3)
            assert not await answers("127.0.0.1", port)
        finally:
            os.kill(child.process.pid, signal.SIGCONT)
            await child.stop(2.0)
        assert not await answers("127.0.0.1", port)


async def test_a_refusal_is_an_answer_and_progress():
    asked = asyncio.Event()

    async def hang_up(reader, writer):
        asked.set()
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    probe = Probe("127.0.0.1", server.sockets[0].getsockname()[1], 0.0)
    task = asyncio.create_task(probe.run())
    async with asyncio.timeout(30.0):
        while probe.n_answers < 2:
            await asyncio.sleep(0)
    task.cancel()
    server.close()
    assert asked.is_set()
