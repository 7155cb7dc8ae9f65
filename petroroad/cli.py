"""The command line: one name for every process and tool of the site; imports only what the command needs."""

import sys
from importlib.metadata import version

from cyclopts import App
from cyclopts.exceptions import CycloptsError

from petroroad.errors import CommandError

# name: (where it lives, its line in --help). The line stands here so that --help imports none of them.
COMMANDS = {
    "demo": (
        "petroroad.commands.demo:demo",
        "Everything on this machine: broker, gateway, RSUs, centre, traffic.",
    ),
    "rsu": ("petroroad.commands.rsu:rsu", "One roadside unit: sensors in, violations out."),
    "gateway": ("petroroad.commands.gateway:gateway", "The site's entrance for the vehicles' terminals."),
    "centre": ("petroroad.commands.centre:centre", "The supervision centre and its page."),
    "broker": ("petroroad.commands.broker:broker", "The embedded MQTT broker."),
    "sim": ("petroroad.commands.sim:app", "Simulate traffic, sensors and the 5G link."),
    "replay": ("petroroad.commands.replay:replay", "A recording through the pipeline again; its digest."),
    "score": ("petroroad.commands.score:score", "Hold tracks and violations against the truth."),
    "recording": ("petroroad.commands.recording:app", "Look into a recording, recover one, export it."),
    "import": ("petroroad.commands.imports:app", "Real measurements of others to a recording."),
    "map": ("petroroad.commands.map:app", "Check a map, tell what is in it."),
    "tail": ("petroroad.commands.tail:tail", "Live messages, decoded."),
    "doctor": ("petroroad.commands.doctor:doctor", "Check clock, ports, broker, disk, map and kernels."),
}


def build() -> App:
    """Return the command line with every command registered and none imported."""
    app = App(
        name="petroroad",
        help="Supervises hazardous-goods traffic lane by lane.",
        version=version("petroroad"),
        result_action="return_value",
    )
    for name, (path, line) in COMMANDS.items():
        app.command(path, name=name, help=line)
    return app


def run(arguments: list[str] | None) -> int:
    """Run one command; 0 done, 1 failed, 2 wrong use or configuration."""
    try:
        result = build()(arguments, exit_on_error=False, print_error=True)
    except CycloptsError:  # cyclopts has said what is wrong
        return 2
    except Exception as error:
        first = _first(error)
        if not isinstance(first, (CommandError, *_wrong_configuration())):
            raise
        return _told(first)
    return result if isinstance(result, int) else 0


def _wrong_configuration() -> tuple[type[Exception], ...]:
    """Imported when something was raised: it takes the kernels along, which --help can do without."""
    from edge.config import ConfigError
    from edge.recording import RecordingError
    from geofence.map.frames import MapError

    return ConfigError, MapError, RecordingError


def _first(error: Exception) -> Exception:
    """Return what went wrong first where an error is a group of several: of tasks, one of which found out."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _told(error: Exception) -> int:
    print(f"petroroad: {error}", file=sys.stderr)
    return error.status if isinstance(error, CommandError) else 2
