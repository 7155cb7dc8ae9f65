"""Reports to systemd (sd_notify): started, alive, how it stands, and at its end.

Without `NOTIFY_SOCKET` in the environment nothing is sent. The watchdog of systemd ends a process that is
silent for `WatchdogSec`; ours reports only while its work makes progress, so a loop that turns and does
nothing is ended, too.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping

PINGS_PER_PERIOD = 3  # one that comes late does no harm


class Notifier:
    """The datagram socket of systemd; sending to it never blocks and never raises."""

    def __init__(self, address: str | None, watchdog_s: float | None = None) -> None:
        """address : path of a socket, or @NAME of an abstract one; None: nowhere

        watchdog_s : systemd's time-out; None: it has none for this process
        """
        self.watchdog_s = watchdog_s if address else None
        self._address = "\0" + address[1:] if address and address.startswith("@") else address

    @staticmethod
    def from_env(environ: Mapping[str, str] = os.environ) -> "Notifier":
        """Return the notifier that systemd asks for: `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`."""
        usec, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", str(os.getpid()))
        wanted = usec.isdecimal() and int(usec) > 0 and pid == str(os.getpid())
        return Notifier(environ.get("NOTIFY_SOCKET"), int(usec) / 1e6 if wanted else None)

    def send(self, *lines: str) -> bool:
        """Send lines such as READY=1; return whether they left."""
        if not self._address:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
                sending.setblocking(False)
                sending.sendto("\n".join(lines).encode(), self._address)
        except OSError:  # systemd is restarting, or its queue is full: the next report says the same
            return False
        return True

    def ready(self) -> None:
        self.send("READY=1")

    def stopping(self) -> None:
        self.send("STOPPING=1")

    async def watch(self, progress: Callable[[], int | None], status: Callable[[], str]) -> None:
        """Report being alive until cancelled, as long as `progress` returns ever new numbers, or None.

        status : one line for `systemctl status`
        """
        if self.watchdog_s is None:
            await asyncio.Event().wait()
            return
        last: int | None = None
        while True:
            made = progress()
            if made is None or made != last:
                self.send("WATCHDOG=1", f"STATUS={status().splitlines()[0]}")
            last = made
            await asyncio.sleep(self.watchdog_s / PINGS_PER_PERIOD)
