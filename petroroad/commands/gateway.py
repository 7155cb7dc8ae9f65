"""`petroroad gateway`: the site's entrance for the vehicles' terminals, one process."""

import sys
from pathlib import Path

import uvloop

from core.errors import ConfigError
from edge.clock import Clock
from edge.config import Site, load_site
from petroroad.commands.running import until_signal
from roadside.gateway import process as gateway_process
from roadside.gateway.gateway import gateway_config, terminal_rules


def gateway(*, config: Path, codes: bool = False) -> None:
    """Receive the terminals' positions and route them to the RSUs, until SIGINT or SIGTERM.

    Parameters
    ----------
    config
        The site file; `[gateway]` names the listeners.
    codes
        Print the code of each registered terminal as CSV, for whoever sets the terminals up, and end.
    """
    site = load_site(config)
    if codes:
        _print_codes(site)
        return
    if sys.stderr.isatty() and site.config.gateway is not None:
        sys.stderr.write(f"terminals: {', '.join(site.config.gateway.listeners)}\n")
    uvloop.run(until_signal(gateway_process.run(site, Clock.from_env())))


def _print_codes(site: Site) -> None:
    if gateway_config(site).secret is None:
        raise ConfigError(site.where, "gateway.secret", "is missing: without it each start draws other codes")
    code_of = terminal_rules(site).code_of
    print("terminal,code")
    for vehicle in site.vehicles:
        print(f"{vehicle.terminal},{code_of(vehicle.terminal)}")
