"""`petroroad rsu`: one roadside unit, one process."""

import os
import sys
from pathlib import Path

import uvloop

from core.errors import UsageError
from edge.clock import Clock
from edge.config import load_site
from petroroad.commands.running import until_signal
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
    site.rsu(esn)
    _make(state / site.config.outbox.directory, state)  # that of the recordings may come later
    radars = ", ".join(radar.input for radar in site.rsu(esn).radar)
    if sys.stderr.isatty():
        sys.stderr.write(f"{esn}: radars at {radars or '(none)'}; state in {state.resolve()}\n")
    uvloop.run(until_signal(unit.run(site, esn, state, Clock.from_env())))


def _make(folder: Path, state: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--state {state}: can't be written: {error}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"--state {state}: can't be written: no right to write in {folder}")
