"""Ports of a site's devices at which anyone on the network may send in a device's name. Pure."""

from collections.abc import Iterator

from edge.config import address_of
from edge.log import Logger
from edge.sections import GatewayConfig, RsuConfig
from edge.tls import is_loopback


def open_ports_of_gateway(gateway: GatewayConfig) -> Iterator[str]:
    """Yield what lets others report in a terminal's name."""
    for url in gateway.listeners:
        if is_loopback(address_of(url)[0]):
            continue
        if gateway.registration in ("open", "listed"):
            yield (
                f"{url} hands a registered terminal's code to anyone who says its number: "
                f'gateway.registration is "{gateway.registration}"'
            )
        if gateway.secret is None:
            yield f"{url} draws other codes at each start: it lacks gateway.secret, and no gateway starts so"


def open_ports_of_rsu(rsu: RsuConfig) -> Iterator[str]:
    """Yield the radars and receivers whose data may come from any address."""
    for radar in rsu.radar:
        if radar.source is None and not is_loopback(address_of(radar.input)[0]):
            yield f"{radar.id} at {radar.input} accepts datagrams from any address: it lacks `from`"
    for receiver in rsu.gnss:
        is_nmea = receiver.input.startswith("nmea://")
        if is_nmea and receiver.source is None and not is_loopback(address_of(receiver.input)[0]):
            yield f"{receiver.input} accepts sentences from any address: it lacks `from`"


def warn_open_ports(logger: Logger, found: Iterator[str]) -> None:
    """Log at the start each port that is open to anyone."""
    for reason in found:
        logger.warning("port.open", reason=reason)
