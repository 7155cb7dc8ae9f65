"""`petroroad centre`: the supervision centre and its page, one process."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Annotated

import uvloop
from cyclopts import Parameter

from centre.process import CentreProcess, standby_of
from edge import log
from edge.clock import Clock
from edge.config import load_site


def centre(
    *, config: Path, standby: Annotated[bool, Parameter(name="--standby", negative=())] = False
) -> None:
    """Receive violations, store them and show them, until SIGINT or SIGTERM.

    Parameters
    ----------
    config
        The site file; `[centre]` names the database and the page's address.
    standby
        Run the site's second centre, which `[standby]` configures.
    """
    site, main_id = load_site(config), None
    if standby:
        site, main_id = standby_of(site), site.config.centre.id

    async def run() -> None:
        service = CentreProcess(site, Clock.from_env(), log.setup(part="centre"), main_id=main_id)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, service.stop.set)
        await service.run()

    if sys.stderr.isatty():
        sys.stderr.write(f"the page: http://{site.config.centre.http}/\n")
    uvloop.run(run())
