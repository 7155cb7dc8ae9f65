"""The registry of radars, and the sockets of one RSU's radars."""

import asyncio
import socket
import time

import pytest

from core.errors import ConfigError
from edge.clock import Clock
from edge.config import RADARS, parse_site
from petroroad.processes.ports import kept_port
from roadside.devices import radar_udp
from roadside.devices.radars import DECODERS, RadarPort, radars_by_url, serve_radars
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
        ((url, radars),) = radars_by_url(made.rsu("R1").radar).items()
        opened = asyncio.Event()
        serving = asyncio.create_task(
            serve_radars(url, radars, Clock.paced(T0_NS), scans.append, count, opened.set)
        )
        await asyncio.wait_for(opened.wait(), 30.0)
    with socket.socket(type=socket.SOCK_DGRAM) as radar:
        for body in (scan("rear"), b"PRAD", scan("other")):
            radar.sendto(body, ("127.0.0.1", port))
        async with asyncio.timeout(30.0):
            while len(counted) < 2:
                came.clear()
                await came.wait()
    serving.cancel()
    assert [payload.sensor for payload in scans] == ["rear"]
    assert counted[1] == "radar.unknown_sensor"


@pytest.mark.parametrize(
    ("sources", "host", "sensor", "want"),
    [
        ({"front": "10.0.0.5", "rear": "10.0.0.6"}, "10.0.0.5", "front", []),
        ({"front": "10.0.0.5", "rear": "10.0.0.6"}, "::ffff:10.0.0.5", "front", []),
        ({"front": "10.0.0.5", "rear": "10.0.0.6"}, "10.0.0.6", "front", ["radar.stranger"]),  # its neighbour
        ({"front": "10.0.0.5", "rear": "10.0.0.6"}, "10.0.0.7", "front", ["radar.stranger"]),
        ({"front": "10.0.0.5", "rear": "10.0.0.6"}, "10.0.0.7", None, ["radar.stranger"]),  # not decoded
        ({"front": "10.0.0.5"}, "10.0.0.7", "rear", []),  # it may send from anywhere
        ({"front": "10.0.0.5"}, "10.0.0.7", "front", ["radar.stranger"]),
        ({"front": "fe80::1"}, "fe80::1%eth0", "front", []),
        ({}, "10.0.0.7", "front", []),
    ],
)
def test_a_radar_is_believed_from_its_own_address_only(sources, host, sensor, want):
    scans, counted = [], []
    ids = (
        frozenset(("front", "rear")) if len(sources) != 1 or "fe80::1" not in sources.values() else {"front"}
    )
    port = RadarPort(Clock.paced(T0_NS), radar_udp.decode, ids, scans.append, counted.append, sources)
    port.datagram_received(b"garbage" if sensor is None else scan(sensor), (host, 17_000))
    assert counted == want
    assert len(scans) == (not want)
    meant = {"front", "rear"} if len(sources) == len(ids) and host not in sources.values() else {sensor}
    shown = port.strangers.shown(time.monotonic())
    assert shown == (dict.fromkeys(meant, host) if want else {}), (
        "the address is named, under each radar meant"
    )


def test_an_address_to_send_from_is_an_ip_address():
    text = f'[[rsu.radar]]\nid = "front"\ninput = "udp://127.0.0.1:17000"\nfrom = "radar.local"\n{RADAR_POSE}'
    with pytest.raises(ConfigError, match=r"rsu\[0\]\.radar\[0\]\.from: must be an IP address"):
        parse_site(SITE + text, "{}", None, "site.toml", {})


@pytest.mark.parametrize(
    ("url", "source", "said"),
    [
        ("nmea://127.0.0.1:17009", "receiver.local", "must be an IP address"),
        ("jt808://127.0.0.1:17009", "10.0.0.1", "is for nmea:// only"),
    ],
)
def test_a_receivers_address_to_send_from_is_checked(url, source, said):
    text = f'[[rsu.gnss]]\ninput = "{url}"\nfrom = "{source}"\n'
    with pytest.raises(ConfigError, match=rf"rsu\[0\]\.gnss\[0\]\.from: {said}"):
        parse_site(SITE + text, "{}", None, "site.toml", {})


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_an_address_in_use_is_refused():
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        radars = site(("front", f"127.0.0.1:{taken.getsockname()[1]}")).rsu("R1").radar
        with pytest.raises(OSError, match="in use"):
            await serve_radars(radars[0].input, radars, Clock.wall(), print, print)
