"""The radars that an RSU can read: their decoders by scheme, and the sockets their datagrams arrive at.

A radar of another make is a decoder in a file of its own, a row of `DECODERS`, and its scheme in
`edge.sections.RadarScheme`, by which a site file is checked where nothing of `roadside` is loaded.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from core.errors import DeviceError
from edge.clock import Clock
from edge.config import address_of
from edge.sections import RadarConfig, RadarScheme
from edge.strangers import Strangers
from roadside.devices import radar_udp
from roadside.devices.sources import plain_host
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
    strangers: Strangers = field(default_factory=Strangers)  # by radar

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Decode one scan, stamped with its arrival.

        Where every radar of the port has a known host, a datagram from elsewhere is not even decoded.
        """
        host = plain_host(str(addr[0])) if self.sources else ""
        if len(self.sources) == len(self.sensors) and host not in self.sources.values():
            self._refuse(self.sensors, host)
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
            self._refuse((payload.sensor,), host)
            return
        self.on_scan(payload)

    def _refuse(self, sensors: Iterable[str], host: str) -> None:
        """Count a datagram of a stranger, who may mean any of these radars."""
        self.count("radar.stranger")
        now_s = time.monotonic()
        for sensor in sensors:
            self.strangers.note(sensor, host, now_s)

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
    strangers: Strangers | None = None,
) -> None:
    """Receive at one address until cancelled; OSError where it can't be bound.

    on_open : called once it is bound
    strangers : by radar, who else sent under its name
    """
    ids = frozenset(radar.id for radar in radars)
    sources = {radar.id: plain_host(radar.source) for radar in radars if radar.source is not None}
    port = partial(RadarPort, clock, _decoder_of(url), ids, on_scan, count, sources, strangers or Strangers())
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
