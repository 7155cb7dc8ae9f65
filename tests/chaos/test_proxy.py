"""The proxy over real sockets: what it lets through, holds back, resets and slows down."""

import asyncio
import contextlib
import time

import pytest

from petroroad.chaos.proxy import Proxy, Ways
from petroroad.demo.site import LOOPBACK
from petroroad.processes.ports import kept_port

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def echoing():
    """A proxy in front of a server that sends back what it gets, and a connection through it."""

    async def echo(reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, LOOPBACK, 0)
    with kept_port() as port:
        proxy = Proxy(LOOPBACK, port, server.sockets[0].getsockname()[:2])
        await proxy.open()
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            yield proxy, reader, writer
        finally:
            writer.transport.abort()
            await proxy.close()
            server.close()


async def silent(reader, seconds=0.3):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await reader.read(1)


async def test_it_passes_both_ways_and_the_end():
    async with echoing() as (_, reader, writer):
        writer.write(b"a" * 200_000)
        assert await reader.readexactly(200_000) == b"a" * 200_000
        writer.write_eof()
        assert await reader.read() == b""


@pytest.mark.parametrize("directions", [("up", "down"), ("up",), ("down",)])
async def test_a_hole_holds_back_and_loses_nothing(directions):
    async with echoing() as (proxy, reader, writer):
        with proxy.hole(*directions):
            writer.write(b"held")
            await silent(reader)
            with proxy.hole("up"):
                pass
            await silent(reader)  # a second hole's end does not end the first
        assert await reader.readexactly(4) == b"held"


async def test_a_cut_resets_and_the_next_connection_works():
    async with echoing() as (proxy, reader, writer):
        writer.write(b"x")
        await reader.readexactly(1)
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        again, writer = await asyncio.open_connection(proxy.host, proxy.port)
        writer.write(b"y")
        assert await again.readexactly(1) == b"y"
        writer.transport.abort()


async def test_delay_and_throttle_slow_down_and_end():
    async with echoing() as (proxy, reader, writer):
        for slow in (proxy.delay(0.2), proxy.throttle(10.0)):  # 4 bytes: 0.4 s there, 0.4 s back
            with slow:
                begun_s = time.monotonic()
                writer.write(b"slow")
                await reader.readexactly(4)
                assert time.monotonic() - begun_s > 0.35
        took_s = []
        for _ in range(5):  # the quickest: another program may have the core for a while
            begun_s = time.monotonic()
            writer.write(b"fast")
            await reader.readexactly(4)
            took_s.append(time.monotonic() - begun_s)
        assert min(took_s) < 0.3, took_s


async def test_a_target_that_is_away_ends_the_connection():
    with kept_port() as port, kept_port() as nobody:
        proxy = Proxy(LOOPBACK, port, (LOOPBACK, nobody))
        await proxy.open()
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.transport.abort()
        await proxy.close()


async def test_what_is_wrong_with_a_part_is_wrong_with_each_of_its_ways():
    async with echoing() as (one, *first), echoing() as (two, *second):
        ways = Ways([one, two])
        with ways.hole("up"):
            for reader, writer in (first, second):
                writer.write(b"held")
                await silent(reader)
        for reader, _ in (first, second):
            assert await reader.readexactly(4) == b"held"
        ways.cut()
        for reader, _ in (first, second):
            with pytest.raises(ConnectionError):
                await reader.read(1)
