"""The live shell against real sockets: a gateway and the radar ports of RSUs, both in this process."""

import asyncio
import contextlib
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.errors import ConfigError
from core.times import NS
from edge.clock import Clock
from edge.config import Site, parse_site
from edge.recording.recorder import read_messages
from edge.wire import GnssFix
from roadside.devices import radar_udp
from roadside.devices.jt808.session import Session, SessionRules
from roadside.inputs import RadarPayload
from sim.drive import Drive, radar_ports, terminal_port
from sim.record import T0_NS, Tape
from sim.scenario import load_scenario
from sim.world import Setting, World
from tests.support.sim_world import panjin

pytestmark = pytest.mark.anyio
RATE = 4.0


class Roadside:
    """What a gateway and RSUs would hear."""

    def __init__(self) -> None:
        self.fixes: list[GnssFix] = []
        self.scans: list[RadarPayload] = []
        self.counts: Counter[str] = Counter()
        self.connections = 0
        self.drop_first = 0  # connections that are cut after their first bytes
        self._writers: list[asyncio.StreamWriter] = []

    def listen(self, ears: socket.socket) -> None:
        """Take datagrams in until an empty one; a thread, since RSUs share no loop with the simulator."""
        while datagram := ears.recv(65_536):
            self.scans.append(radar_udp.decode(datagram))

    async def serve_terminal(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        cut = self.connections <= self.drop_first
        session = Session(SessionRules(), self.counts)
        while data := await reader.read(4_096):
            if cut:
                break
            received = session.receive(data, time.time_ns())
            self.fixes += received.fixes
            writer.write(bytes(received.replies))
        writer.close()


@contextlib.asynccontextmanager
async def roadside() -> AsyncIterator[tuple[Roadside, Site]]:
    """Yield a listening roadside and the site that names its ports: two RSUs' radars share one socket."""
    received = Roadside()
    server = await asyncio.start_server(received.serve_terminal, "127.0.0.1", 0)
    ears = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ears.bind(("127.0.0.1", 0))
    listening = threading.Thread(target=received.listen, args=(ears,))
    listening.start()
    tcp_port, udp_port = server.sockets[0].getsockname()[1], ears.getsockname()[1]
    text = panjin().config_text.replace("jt808://127.0.0.1:17808", f"jt808://127.0.0.1:{tcp_port}")
    lines = [
        f'input = "udp://127.0.0.1:{udp_port}"' if line.startswith("input") else line
        for line in text.split("\n")
    ]
    try:
        yield received, parse_site("\n".join(lines), panjin().map_text, panjin().registry_text, "test.toml")
    finally:
        ears.sendto(b"", ears.getsockname())
        listening.join()
        ears.close()
        server.close()


def small_world(site: Site) -> World:
    scenario = load_scenario("panjin")
    return World(site, Setting(scenario=scenario, seed=41, vehicles=20, esns=("RSU-23", "RSU-23-5")), T0_NS)


async def test_trucks_and_radars_reach_their_ports(tmp_path: Path) -> None:
    async with roadside() as (received, site):
        world, clock = small_world(site), Clock.paced(T0_NS, RATE)
        drive = Drive(world, clock, 3.0, (Tape(tmp_path / "t.mcap", truth_only=True, live=True),))
        await drive.run()
        async with asyncio.timeout(10.0):  # what was sent is still on its way on a busy machine
            while len(received.fixes) < drive.counts["terminal.reports"]:
                await asyncio.sleep(0.01)
    assert len(received.scans) == drive.counts["radar.scans"] == 3 * 20 * 4
    assert {scan.sensor for scan in received.scans} == {pose.sensor for pose in world.radars}
    hazmat = len(world.reporting())
    assert len(received.fixes) == drive.counts["terminal.reports"] >= 3 * hazmat - 6
    assert all(fix.stamp_ns % NS == 0 for fix in received.fixes)
    assert {fix.terminal for fix in received.fixes} >= {
        world.traffic.fleet.terminal[i] for i in world.reporting()
    }
    truth = [m for m in read_messages(tmp_path / "t.mcap") if m.topic == "/truth"]
    assert len(truth) == 30
    assert truth[0].log_ns > T0_NS


async def test_a_lost_connection_is_made_again() -> None:
    async with roadside() as (received, site):
        received.drop_first = 5
        world = small_world(site)
        drive = Drive(world, Clock.paced(T0_NS, RATE), 2.0)
        await drive.run()
    assert received.connections >= len(world.reporting()) + 5
    assert {fix.terminal for fix in received.fixes} >= {
        world.traffic.fleet.terminal[i] for i in world.reporting()
    }


async def test_cancelling_ends_it_within_a_second_with_whole_files(tmp_path: Path) -> None:
    path = tmp_path / "t.mcap"
    async with roadside() as (_, site):
        drive = Drive(
            small_world(site), Clock.paced(T0_NS, RATE), None, (Tape(path, truth_only=True, live=True),)
        )
        running = asyncio.create_task(drive.run())
        async with asyncio.timeout(20.0):
            while drive.counts["truth"] < 5:
                await asyncio.sleep(0.01)
        assert drive.ready()[0]
        begun_s = time.monotonic()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert time.monotonic() - begun_s < 1.0
    assert sum(m.topic == "/truth" for m in read_messages(path)) >= 5


async def test_nobody_listening_is_counted_and_no_end() -> None:
    async with roadside() as (_, site):
        pass
    world = small_world(site)
    drive = Drive(world, Clock.paced(T0_NS, 20.0), 1.0)
    drive.patience_s = 0.1
    await drive.run()
    assert drive.counts["terminal.connect"] >= len(world.reporting())
    assert drive.counts["terminal.unready"] > 0
    assert drive.counts["radar.ConnectionRefusedError"] > 0


def ports(site: Site) -> list[tuple[str, int]]:
    return [terminal_port(site), *radar_ports(small_world(site))]


def test_ports_that_cannot_be_driven_are_the_operators_fault() -> None:
    text = panjin().config_text
    for old, new, key in (
        ("udp://127.0.0.1:", "can://", "input"),
        ("jt808://127.0.0.1:17808", "nmea://127.0.0.1:17808", "listeners"),
    ):
        site = parse_site(text.replace(old, new), panjin().map_text, panjin().registry_text, "test.toml")
        with pytest.raises(ConfigError, match=key):
            ports(site)
