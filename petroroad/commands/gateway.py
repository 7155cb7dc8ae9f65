"""`petroroad gateway`: the site's entrance for the vehicles' terminals, one process."""

import asyncio
import signal
import sys
from pathlib import Path

import uvloop

from edge.clock import Clock
from edge.config import Site, load_site
from roadside import gateway_process


def gateway(*, config: Path) -> None:
    """Take the terminals' positions in and route them to the RSUs, until SIGINT or SIGTERM.

    Parameters
    ----------
    config
        The site file; `[gateway]` names the listeners.
    """
    site = load_site(config)
    if sys.stderr.isatty() and site.config.gateway is not None:
        sys.stderr.write(f"terminals: {', '.join(site.config.gateway.listeners)}\n")
    uvloop.run(_until_signal(site))


async def _until_signal(site: Site) -> None:
    serving = asyncio.create_task(gateway_process.run(site, Clock.from_env()), name="gateway")
    loop = asyncio.get_running_loop()
    asked = False

    def stop() -> None:
        nonlocal asked
        asked = True
        serving.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        await serving
    except asyncio.CancelledError:  # only a signal cancels it
        if not asked:
            raise
