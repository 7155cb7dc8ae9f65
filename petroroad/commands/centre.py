"""`petroroad centre`: the supervision centre and its page, one process."""

import asyncio
import signal
import sys
from pathlib import Path

import uvloop

from centre.service import Service
from edge import log
from edge.clock import Clock
from edge.config import load_site

# The loop gives the GIL away at each read of a socket and, while the writer's thread works, waits this long
# to get it back; Python's own 5 ms make one message cost as much as ten (measured: a third more a second).
SWITCH_S = 0.0005


def centre(*, config: Path) -> None:
    """Take violations in, keep them and show them, until SIGINT or SIGTERM.

    Parameters
    ----------
    config
        The site file; `[centre]` names the database and the page's address.
    """
    site = load_site(config)
    sys.setswitchinterval(SWITCH_S)

    async def run() -> None:
        service = Service(site, Clock.from_env(), log.setup(part="centre"))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, service.stop.set)
        await service.run()

    if sys.stderr.isatty():
        sys.stderr.write(f"the page: http://{site.config.centre.http}/\n")
    uvloop.run(run())
