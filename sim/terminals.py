"""The simulated trucks' terminals on the network: one JT/T 808-2019 connection each, to the gateway."""

import asyncio
import contextlib
from collections import Counter

from edge.wire import GnssFix
from roadside.devices.jt808.client import Client

HEARTBEAT_S = 30.0  # of real time, as keepalives are
RETRY_S = (0.2, 5.0)  # after a refused or lost connection; doubles up to the second
CONNECT_S = 5.0
UNSENT_BYTES_MAX = 64 * 1024  # a gateway that does not read: newer reports are dropped
READ_BYTES = 4_096


class SimulatedTerminal:
    """Connects, registers, authenticates, reports; begins again when the connection is lost."""

    def __init__(self, host: str, port: int, terminal: str, plate: str, counts: Counter[str]) -> None:
        self._host, self._port = host, port
        self._client = Client(terminal, plate)
        self._counts = counts
        self._writer: asyncio.StreamWriter | None = None
        self.signed_in = asyncio.Event()  # at least once

    @property
    def ready(self) -> bool:
        """Whether the gateway accepts its reports."""
        return self._writer is not None and self._client.ready

    def report(self, fix: GnssFix) -> None:
        """Send a report now, or count why not."""
        writer = self._writer
        if writer is None or not self._client.ready:
            self._counts["terminal.unready"] += 1
        elif writer.transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            self._counts["terminal.congested"] += 1
        else:
            writer.write(self._client.report(fix))
            self._counts["terminal.reports"] += 1

    async def run(self) -> None:
        """Stay connected until cancelled; then sign off."""
        wait_s = RETRY_S[0]
        while True:
            try:
                await self._session()
                wait_s = RETRY_S[0]
            except (OSError, TimeoutError):  # the gateway's or the network's fault: again, less often
                self._counts["terminal.connect"] += 1
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, RETRY_S[1])

    async def _session(self) -> None:
        """Hold one connection until the other side ends it."""
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(self._host, self._port)
        self._writer = writer
        try:
            writer.write(self._client.greeting())
            async with asyncio.TaskGroup() as tasks:
                beat = tasks.create_task(self._beat(writer))
                while data := await reader.read(READ_BYTES):
                    writer.write(self._client.receive(data))
                    if self._client.ready:
                        self.signed_in.set()
                beat.cancel()
        except* OSError:
            self._counts["terminal.lost"] += 1
        finally:
            self._writer = None
            self._sign_off(writer)

    async def _beat(self, writer: asyncio.StreamWriter) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            writer.write(self._client.heartbeat())

    def _sign_off(self, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, RuntimeError):  # the connection may be gone, or the loop ending
            if self._client.ready and not writer.is_closing():
                writer.write(self._client.logout())
            writer.close()
