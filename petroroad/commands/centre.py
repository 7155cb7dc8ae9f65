"""`petroroad centre`: the supervision centre and its page, one process."""

import asyncio
import signal
import sys
from pathlib import Path

import uvloop

from centre.process import CentreProcess
from edge import log
from edge.clock import Clock
from edge.config import load_site


def centre(*, config: Path) -> None:
    """Receive violations, store them and show them, until SIGINT or SIGTERM.

    Parameters
    ----------
    config
        The site file; `[centre]` names the database and the page's address.
    """
    site = load_site(config)

    async def run() -> None:
        service = CentreProcess(site, Clock.from_env(), log.setup(part="centre"))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, service.stop.set)
        await service.run()

    if sys.stderr.isatty():
        sys.stderr.write(f"the page: http://{site.config.centre.http}/\n")
    uvloop.run(run())
