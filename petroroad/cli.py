"""The command line: one name for every process and tool of the site; imports only what a command needs."""

import sys
from importlib.metadata import version

from cyclopts import App
from cyclopts.exceptions import CycloptsError

from core.errors import CommandError, ConfigError, MapError, RecordingError

OPERATORS = (CommandError, ConfigError, MapError, RecordingError)  # printed in a line, without a traceback
# name: (its module, its line in --help). The line is here so that --help imports none of them.
COMMANDS = {
    "demo": (
        "petroroad.commands.demo:demo",
        "Everything on this machine: broker, gateway, RSUs, centre, traffic.",
    ),
    "rsu": ("petroroad.commands.rsu:app", "One roadside unit: sensors in, violations out."),
    "gateway": ("petroroad.commands.gateway:gateway", "The site's entrance for the vehicles' terminals."),
    "centre": ("petroroad.commands.centre:app", "The supervision centre and its page."),
    "broker": ("petroroad.commands.broker:broker", "The embedded MQTT broker."),
    "pki": ("petroroad.commands.pki:app", "The certificates of a site: issue, renew, revoke, show."),
    "sim": ("petroroad.commands.sim:app", "Simulate traffic, sensors and the 5G link."),
    "replay": ("petroroad.commands.replay:replay", "A recording through the pipeline again; its digest."),
    "score": ("petroroad.commands.score:score", "Compare tracks and violations with the truth."),
    "recording": ("petroroad.commands.recording:app", "Look into a recording, recover one, export it."),
    "evidence": ("petroroad.commands.evidence:app", "Look into an evidence file, verify it by replay."),
    "import": ("petroroad.commands.imports:app", "Measurements of other systems to a recording."),
    "map": ("petroroad.commands.map:app", "Check a map, list its contents."),
    "rules": ("petroroad.commands.rules:app", "Check rules, see what they would change, publish them."),
    "fences": ("petroroad.commands.fences:app", "Zones as fences of JT/T 808 terminals, and back."),
    "tail": ("petroroad.commands.tail:tail", "Live messages, decoded."),
    "commission": (
        "petroroad.commands.commission:commission",
        "Accept a radar: hold its survey against traffic.",
    ),
    "chaos": (
        "petroroad.commands.chaos:chaos",
        "The whole system under faults; fails where an alert is lost or comes twice.",
    ),
    "targets": ("petroroad.commands.targets:targets", "What Prometheus asks of a site, from its site file."),
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
    except CycloptsError:  # cyclopts has printed the error
        return 2
    except OPERATORS as error:
        return _report(error)
    except ExceptionGroup as group:  # of a process's tasks
        first = _first(group)
        if not isinstance(first, OPERATORS):
            raise
        return _report(first)
    return result if isinstance(result, int) else 0


def _first(error: Exception) -> Exception:
    """Return the first failure of several: the others follow from it."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _report(error: Exception) -> int:
    print(f"petroroad: {error}", file=sys.stderr)
    return error.status if isinstance(error, CommandError) else 2
