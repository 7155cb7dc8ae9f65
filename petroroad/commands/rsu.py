"""`petroroad rsu`: one roadside unit, one process; a backup of its outbox."""

import sys
from pathlib import Path

import uvloop
from cyclopts import App

from core.errors import UsageError
from edge.clock import Clock
from edge.config import load_site
from edge.outbox.backup import back_up
from edge.sections import OutboxConfig
from petroroad.commands.running import until_signal
from roadside import rsu as unit

app = App(name="rsu", help="One roadside unit: sensors in, violations out.")


@app.default
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
    _make(state)
    radars = ", ".join(radar.input for radar in site.rsu(esn).radar)
    if sys.stderr.isatty():
        sys.stderr.write(f"{esn}: radars at {radars or '(none)'}; state in {state.resolve()}\n")
    uvloop.run(until_signal(unit.run(site, esn, state, Clock.from_env())))


@app.command
def backup(*, esn: str, to: Path, state: Path = Path(), config: Path | None = None) -> None:
    """Copy the outbox to a directory while the RSU runs, and list the recordings that complete it.

    Parameters
    ----------
    esn
        Which RSU's.
    to
        The directory; a copy that it holds already is replaced once the new one is whole.
    state
        Directory of the outbox and the recordings.
    config
        The site file, where its `[outbox]` names another directory.
    """
    outbox = OutboxConfig() if config is None else load_site(config).config.outbox
    made = back_up(state / outbox.directory / f"{esn}.sqlite", esn, state / "recordings", to)
    print(f"{to / made.file}: {made.items} items wait, {len(made.recordings)} recordings listed, sound")


def _make(state: Path) -> None:
    """Make the directory; one that is there and can't be written is no mistake of the operator's.

    A card that went read-only, or full, must not end the supervision: the RSU runs and reports it.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--state {state}: can't be written: {error}") from error
