"""`petroroad gateway`: the site's entrance for the vehicles' terminals, one process."""

import sys
from pathlib import Path

import uvloop

from edge.clock import Clock
from edge.config import load_site
from petroroad.commands.running import until_signal
from roadside.gateway import process as gateway_process


def gateway(*, config: Path) -> None:
    """Receive the terminals' positions and route them to the RSUs, until SIGINT or SIGTERM.

    Parameters
    ----------
    config
        The site file; `[gateway]` names the listeners.
    """
    site = load_site(config)
    if sys.stderr.isatty() and site.config.gateway is not None:
        sys.stderr.write(f"terminals: {', '.join(site.config.gateway.listeners)}\n")
    uvloop.run(until_signal(gateway_process.run(site, Clock.from_env())))
