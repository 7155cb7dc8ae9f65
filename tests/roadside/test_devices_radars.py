"""The registry of radars, and the sockets of one RSU's radars."""

import asyncio
import socket

import pytest

from core.errors import ConfigError
from edge.clock import Clock
from edge.config import RADARS, parse_site
from petroroad.demo.site import kept_port
from roadside.devices import radar_udp
from roadside.devices.radars import DECODERS, open_radar_ports
from roadside.inputs import ObjectColumns, RadarPayload
from tests.support.site_text import ONE_RSU, RADAR_POSE

T0_NS = 1_790_000_000 * 10**9
SITE = ONE_RSU


def site(*radars):
    texts = (
        f'[[rsu.radar]]\nid = "{name}"\ninput = "udp://{address}"\n{RADAR_POSE}' for name, address in radars
    )
    return parse_site(SITE + "".join(texts), "{}", None, "site.toml", {})


def scan(sensor):
    empty = ObjectColumns(id=(), x_m=(), y_m=(), vx_mps=(), vy_mps=(), length_m=(), width_m=(), class_=())
    return radar_udp.encode(RadarPayload(sensor=sensor, stamp_ns=T0_NS, scan=1, objects=empty))


def test_a_site_file_may_name_exactly_the_radars_that_have_a_decoder():
    assert set(DECODERS) == set(RADARS)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_radars_of_one_address_share_a_socket_and_a_stranger_is_counted():
    scans, counted = [], []
    came = asyncio.Event()

    def count(reason):
        counted.append(reason)
        came.set()

    with kept_port() as port:
        address = f"127.0.0.1:{port}"
        made = site(("front", address), ("rear", address))
        (transport,) = await open_radar_ports(made, "R1", Clock.paced(T0_NS), scans.append, count)
    with socket.socket(type=socket.SOCK_DGRAM) as radar:
        for body in (scan("rear"), b"PRAD", scan("other")):
            radar.sendto(body, ("127.0.0.1", port))
        async with asyncio.timeout(5.0):
            while len(counted) < 2:
                came.clear()
                await came.wait()
    transport.close()
    assert [payload.sensor for payload in scans] == ["rear"]
    assert counted[1] == "radar.unknown_sensor"


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_an_address_in_use_is_the_operators_error():
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        made = site(("front", f"127.0.0.1:{taken.getsockname()[1]}"))
        with pytest.raises(ConfigError, match=r"site\.toml: rsu\.radar\.input: can't be opened"):
            await open_radar_ports(made, "R1", Clock.wall(), print, print)
