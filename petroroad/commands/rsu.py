"""`petroroad rsu`: one roadside unit, one process."""

import sys
from pathlib import Path

import uvloop

from edge.clock import Clock
from edge.config import load_site
from petroroad.commands.until_signal import until_signal
from roadside import rsu as unit


def rsu(*, config: Path, esn: str, state: Path = Path()) -> None:
    """Fuse, locate, judge and deliver for one stretch of road, until SIGINT or SIGTERM.

    Parameters
    ----------
    config
        The site file.
    esn
        Which of its `[[rsu]]`.
    state
        Directory of the outbox and the recordings.
    """
    site = load_site(config)
    radars = ", ".join(radar.input for radar in site.rsu(esn).radar)
    if sys.stderr.isatty():
        sys.stderr.write(f"{esn}: radars at {radars or '(none)'}; state in {state.resolve()}\n")
    uvloop.run(until_signal(unit.run(site, esn, state, Clock.from_env())))
