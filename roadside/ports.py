"""The RSU's radars over UDP: bytes become scans here, stamped with their arrival, or are counted."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from edge.clock import Clock
from edge.config import address_of
from roadside.devices import radar_udp
from roadside.devices.errors import DeviceError
from roadside.inputs import RadarPayload

Count = Callable[[str], None]
OnRadar = Callable[[RadarPayload], None]


@dataclass(slots=True)
class RadarPort(asyncio.DatagramProtocol):
    """One UDP address; only the radars that the site wires to it are heard."""

    clock: Clock
    sensors: frozenset[str]
    on_scan: OnRadar
    count: Count

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Decode one scan, stamped with its arrival."""
        arrived_ns = self.clock.now_ns()
        try:
            payload = radar_udp.decode(data, arrived_ns, self.count)
        except DeviceError as error:  # one sensor's fault must not stop the site
            self.count(error.reason)
            return
        if payload.sensor not in self.sensors:
            self.count("radar.unknown_sensor")
            return
        self.on_scan(payload)

    def error_received(self, exc: Exception) -> None:
        """An ICMP error of a socket that only listens says nothing of the radar."""
        self.count("radar.socket")


async def open_radar_ports(
    inputs: dict[str, list[str]], clock: Clock, on_scan: OnRadar, count: Count
) -> list[asyncio.DatagramTransport]:
    """Bind each `udp://` address once; `inputs` maps an address to the ids of its radars.

    Raises OSError where an address is taken.
    """
    loop = asyncio.get_running_loop()
    transports = []
    for url, sensors in inputs.items():

        def port(sensors: list[str] = sensors) -> RadarPort:
            return RadarPort(clock, frozenset(sensors), on_scan, count)

        transport, _ = await loop.create_datagram_endpoint(port, local_addr=address_of(url))
        transports.append(transport)
    return transports
