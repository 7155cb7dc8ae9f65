"""Receivers of an RSU's own over real sockets: senders are told apart, bounded, and make room."""

import asyncio
import contextlib
import dataclasses
import socket
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from edge.clock import Clock
from edge.config import load_site
from edge.sections import GnssInputConfig
from importers.nmea import read as read_log
from roadside import receivers
from roadside.devices.jt808.client import Client
from roadside.devices.jt808.session import SessionRules
from roadside.devices.nmea.fields import checksum
from roadside.gateway.gateway import terminal_rules
from roadside.gateway.terminals import Limits
from roadside.receivers import SENDERS_MAX, Terminals, serve_receiver
from tests.support.roadside_drive import EXAMPLE

pytestmark = pytest.mark.anyio
NS = 1_000_000_000
LON_DEG = 122.0
ALL = SessionRules()


def rmc(second):
    body = f"GPRMC,1200{second:02d}.00,A,4100.000,N,12200.000,E,0.0,0.0,150127,,,A".encode()
    return b"$" + body + b"*%02X\r\n" % checksum(body)


@contextlib.asynccontextmanager
async def receiver(scheme="nmea", rules=ALL, source=None, limits=None):
    """A listening receiver: its address, what it heard and counted."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        address = chosen.getsockname()
    fixes, counts = [], Counter()
    config = GnssInputConfig(input=f"{scheme}://127.0.0.1:{address[1]}", source=source)
    task = asyncio.create_task(
        serve_receiver(config, Clock.wall(), fixes.append, counts, Terminals(rules, limits))
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


async def test_a_new_sender_replaces_a_silent_one(monkeypatch):
    async with receiver() as (address, fixes, counts):
        with contextlib.ExitStack() as open_senders:  # a closed one's port may be the next one's
            for _ in range(SENDERS_MAX):
                open_senders.enter_context(send(address, b"$"))
            open_senders.enter_context(send(address, rmc(1), rmc(2)))
            await until(lambda: counts["nmea.senders"] == 2)  # all others were heard just now
            assert fixes == []
            monkeypatch.setattr(receivers, "FORGET_NS", -1)  # ten seconds later
            open_senders.enter_context(send(address, rmc(1), rmc(2)))
            await until(lambda: fixes)


async def test_connections_are_bounded():
    async with receiver() as (address, fixes, counts):
        held = [await asyncio.open_connection(*address) for _ in range(SENDERS_MAX)]
        for _, each in held:
            each.write(rmc(1) + rmc(2))
        await until(lambda: len(fixes) >= SENDERS_MAX)
        reader, writer = await asyncio.open_connection(*address)
        assert await reader.read() == b""  # turned away
        assert counts["nmea.connections"] == 1
        for _, open_writer in [*held, (reader, writer)]:
            open_writer.close()


async def test_connections_that_say_nothing_lock_no_receiver_out():
    async with receiver() as (address, fixes, counts):
        held = [await asyncio.open_connection(*address) for _ in range(SENDERS_MAX)]
        held[1][1].write(b"no sentence at all\r\n")
        _, writer = await asyncio.open_connection(*address)
        writer.write(rmc(1) + rmc(2))
        await until(lambda: fixes)
        assert await held[0][0].read() == b"", "the oldest has left"
        assert counts["nmea.crowded"] == 1
        assert not counts["nmea.connections"]
        for _, open_writer in [*held, (None, writer)]:
            open_writer.close()


async def test_a_silent_connection_is_ended(monkeypatch):
    monkeypatch.setattr(receivers, "SWEEP_S", 0.01)
    monkeypatch.setattr(receivers, "IDLE_S", 0.0)
    async with receiver() as (address, _, counts):
        reader, writer = await asyncio.open_connection(*address)
        assert await reader.read() == b""
        assert counts["nmea.idle"] >= 1
        writer.close()


@pytest.mark.parametrize(("source", "n_fixes"), [("127.0.0.1", 4), ("::ffff:127.0.0.1", 4), ("10.0.0.9", 0)])
async def test_a_receiver_is_believed_from_its_own_address_only(source, n_fixes):
    async with receiver(source=source) as (address, fixes, counts):
        _, writer = await asyncio.open_connection(*address)
        writer.write(rmc(1) + rmc(2))
        with send(address, rmc(1), rmc(2)):
            # the probe that waits for the listener is a stranger, too
            await until(lambda: len(fixes) == n_fixes and (n_fixes or counts["nmea.stranger"] >= 4))
        writer.close()


async def test_an_rsus_own_terminals_are_held_to_the_sites_connections_of_one_address():
    async with receiver("jt808", limits=Limits(address_max=1)) as (address, _, counts):
        held = [await asyncio.open_connection(*address) for _ in range(3)]
        await until(lambda: counts["connection.crowded"] >= 2)
        for _, writer in held:
            writer.close()


def test_an_rsus_own_terminals_are_held_to_the_gateways_rules():
    site = load_site(EXAMPLE)
    assert site.config.gateway is not None
    strict = msgspec.structs.replace(site.config.gateway, accept_unknown=False)
    config = msgspec.structs.replace(site.config, gateway=strict)
    rules = terminal_rules(dataclasses.replace(site, config=config))
    assert (rules.refuse_unknown, site.vehicles[0].terminal in rules.known) == (True, True)


@pytest.mark.parametrize("terminal", ["13900000001", "13900000002"])
async def test_an_unknown_terminal_is_refused_where_the_setting_says_so(terminal):
    rules = SessionRules(known=frozenset(["13900000001"]), refuse_unknown=True)
    client = Client(terminal, "")
    async with receiver("jt808", rules) as (address, _, counts):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(client.greeting())
        async with asyncio.timeout(10.0):
            while not client.ready and not counts["terminal.refused"]:
                writer.write(client.receive(await reader.read(1_000)))
        writer.close()
    assert client.ready == (terminal in rules.known)


async def test_what_a_live_receiver_reads_is_what_an_import_reads():
    log = (Path(__file__).parents[1] / "data" / "nmea_cold_start.txt").read_bytes()
    skipped = Counter()
    wanted = read_log(log, wanted_counts := Counter(), skipped)
    async with receiver() as (address, fixes, counts):
        _, writer = await asyncio.open_connection(*address)
        writer.write(b"".join(line for line in log.splitlines(True) if not line.startswith(b"#")))
        writer.close()  # ends the last epoch
        await until(lambda: len(fixes) == len(wanted))
    assert [dataclass_of(fix) for fix in fixes] == [dataclass_of(fix) for fix in wanted]
    assert counts == wanted_counts + skipped


def dataclass_of(fix):
    return msgspec.structs.replace(fix, terminal="", arrived_ns=None)
