"""Receivers of an RSU's own over real sockets: senders are told apart, bounded, and make room."""

import asyncio
import contextlib
import socket
from collections import Counter

import pytest

from edge.clock import Clock
from roadside import receivers
from roadside.devices.nmea_fields import checksum
from roadside.receivers import SENDERS_MAX, serve_receiver

pytestmark = pytest.mark.anyio
NS = 1_000_000_000
LON_DEG = 122.0


@pytest.fixture
def anyio_backend():
    return "asyncio"


def rmc(second):
    body = f"GPRMC,1200{second:02d}.00,A,4100.000,N,12200.000,E,0.0,0.0,150127,,,A".encode()
    return b"$" + body + b"*%02X\r\n" % checksum(body)


@contextlib.asynccontextmanager
async def receiver():
    """A listening receiver: its address, what it heard and counted."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        address = chosen.getsockname()
    fixes, counts = [], Counter()
    task = asyncio.create_task(
        serve_receiver(f"nmea://127.0.0.1:{address[1]}", Clock.wall(), fixes.append, counts)
    )
    await until(lambda: listens(address))
    try:
        yield address, fixes, counts
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def listens(address):
    with socket.socket() as probe:
        return probe.connect_ex(address) == 0


async def until(condition):
    async with asyncio.timeout(10.0):
        while not condition():
            await asyncio.sleep(0.005)


def send(address, *datagrams):
    """Send from a port that was not used before."""
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for datagram in datagrams:
        out.sendto(datagram, address)
    return out


async def test_sentences_of_two_senders_do_not_mix():
    async with receiver() as (address, fixes, counts):
        with send(address, rmc(1)[:20]) as one, send(address, rmc(1), rmc(2)):
            one.sendto(rmc(1)[20:] + rmc(2), address)
            await until(lambda: len(fixes) >= 4)  # two seconds of each
            assert [fix.lon_deg for fix in fixes] == [LON_DEG] * 4
            assert not counts


async def test_a_new_sender_takes_the_place_of_a_silent_one(monkeypatch):
    async with receiver() as (address, fixes, counts):
        for _ in range(SENDERS_MAX):
            send(address, b"$").close()
        send(address, rmc(1), rmc(2)).close()
        await until(lambda: counts["nmea.senders"] == 2)  # all others were heard just now
        assert fixes == []
        monkeypatch.setattr(receivers, "FORGET_NS", -1)  # ten seconds later
        send(address, rmc(1), rmc(2)).close()
        await until(lambda: fixes)


async def test_connections_are_bounded():
    async with receiver() as (address, fixes, counts):
        held = [await asyncio.open_connection(*address) for _ in range(SENDERS_MAX)]
        held[-1][1].write(rmc(1) + rmc(2))
        await until(lambda: fixes)
        reader, writer = await asyncio.open_connection(*address)
        assert await reader.read() == b""  # turned away
        assert counts["nmea.connections"] == 1
        for _, open_writer in [*held, (reader, writer)]:
            open_writer.close()
