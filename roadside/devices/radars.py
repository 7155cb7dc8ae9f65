"""The radars that an RSU can read: their decoders by scheme, and the sockets their datagrams arrive at.

A radar of another make is a decoder in a file of its own, a row of `DECODERS`, and its scheme in
`edge.sections.RadarScheme`, by which a site file is checked where nothing of `roadside` is loaded.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv6Address, ip_address
from typing import Any

from core.errors import DeviceError
from edge.clock import Clock
from edge.config import address_of
from edge.sections import RadarConfig, RadarScheme
from roadside.devices import radar_udp
from roadside.inputs import RadarPayload

Count = Callable[[str], None]
OnScan = Callable[[RadarPayload], None]
# datagram, arrived_ns, counter of targets that can't be true -> scan; raises DeviceError
Decode = Callable[[bytes, int, Count], RadarPayload]
DECODERS: Mapping[RadarScheme, Decode] = {"udp": radar_udp.decode}


@dataclass(slots=True)
class RadarPort(asyncio.DatagramProtocol):
    """One UDP address; it accepts scans of the radars that the site wires to it, and counts others."""

    clock: Clock
    decode: Decode
    sensors: frozenset[str]
    on_scan: OnScan
    count: Count
    sources: Mapping[str, str]  # host that each sensor sends from; one that is not listed may send from any

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Decode one scan, stamped with its arrival.

        Where every radar of the port has a known host, a datagram from elsewhere is not even decoded.
        """
        host = _plain_host(str(addr[0])) if self.sources else ""
        if len(self.sources) == len(self.sensors) and host not in self.sources.values():
            self.count("radar.stranger")
            return
        arrived_ns = self.clock.now_ns()
        try:
            payload = self.decode(data, arrived_ns, self.count)
        except DeviceError as error:  # one sensor's fault must not stop the site
            self.count(error.reason)
            return
        if payload.sensor not in self.sensors:
            self.count("radar.unknown_sensor")
            return
        if self.sources.get(payload.sensor, host) != host:
            self.count("radar.stranger")
            return
        self.on_scan(payload)

    def error_received(self, exc: Exception) -> None:
        """Count an ICMP error: this socket only listens, so it is no sign of the radar."""
        self.count("radar.socket")


def radars_by_url(radars: Sequence[RadarConfig]) -> dict[str, list[RadarConfig]]:
    """Return an RSU's radars by their address: each address is bound once."""
    found: dict[str, list[RadarConfig]] = {}
    for radar in radars:
        found.setdefault(radar.input, []).append(radar)
    return found


async def serve_radars(
    url: str,
    radars: Sequence[RadarConfig],
    clock: Clock,
    on_scan: OnScan,
    count: Count,
    on_open: Callable[[], None] = lambda: None,
) -> None:
    """Receive at one address until cancelled; OSError where it can't be bound.

    on_open : called once it is bound
    """
    ids = frozenset(radar.id for radar in radars)
    sources = {radar.id: _plain_host(radar.source) for radar in radars if radar.source is not None}
    port = partial(RadarPort, clock, _decoder_of(url), ids, on_scan, count, sources)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(port, local_addr=address_of(url))
    try:
        on_open()
        await asyncio.Event().wait()
    finally:
        transport.close()


def _decoder_of(url: str) -> Decode:
    found = {str(name): decode for name, decode in DECODERS.items()}.get(url.partition("://")[0])
    assert found is not None, "edge.config refuses a scheme without a decoder"
    return found


def _plain_host(text: str) -> str:
    """Return an IP address in one spelling; IPv4 is the same where an IPv6 socket received it."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)
