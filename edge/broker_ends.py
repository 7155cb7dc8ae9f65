"""When the certificates of a site's brokers end: each shows its own at the handshake."""

import asyncio
import ssl
import time
from collections.abc import Sequence
from typing import NamedTuple

from edge.tls import EXPIRED, EXPIRES, EXPIRES_DAYS, Credentials
from edge.tls_causes import cause_of

ASK_S = 3.0
LOOK_S = 600.0  # between two looks at all of them
DAY_S = 86_400.0


class BrokerFault(NamedTuple):
    """A broker, as HOST:PORT, and what people must be shown of its certificate."""

    broker: str
    fault: str


class BrokerEnds:
    """The ends of several brokers' certificates [Unix time]; of one that does not answer the last known one.

    credentials : None for a site without TLS: there is nothing to look at
    """

    def __init__(self, addresses: Sequence[tuple[str, int]], credentials: Credentials | None) -> None:
        self._addresses, self._credentials = addresses, credentials
        self.ends_s: dict[str, float] = {}

    async def run(self) -> None:
        """Look at all of them again and again until cancelled."""
        while self._credentials is not None:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Look at all of them once."""
        assert self._credentials is not None, "asked only of a site with TLS"
        for address in self._addresses:
            end_s = await _end_s(address, self._credentials.context)
            if end_s is not None:
                self.ends_s["{}:{}".format(*address)] = end_s

    def faults(self, now_s: float) -> list[BrokerFault]:
        """Return the brokers whose certificate ends soon or has ended; now_s : Unix time."""
        return [
            BrokerFault(broker, EXPIRES if end_s > now_s else EXPIRED)
            for broker, end_s in self.ends_s.items()
            if end_s - now_s < EXPIRES_DAYS * DAY_S
        ]


async def _end_s(address: tuple[str, int], context: ssl.SSLContext) -> float | None:
    """Return when a broker's certificate ends; now where it has ended, None where it can't be asked."""
    try:
        async with asyncio.timeout(ASK_S):
            _, writer = await asyncio.open_connection(*address, ssl=context)
    except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
        return time.time() if cause_of(error) == "broker_expired" else None
    try:
        shown = writer.get_extra_info("ssl_object").getpeercert()
        return float(ssl.cert_time_to_seconds(shown["notAfter"]))
    finally:
        writer.transport.abort()
