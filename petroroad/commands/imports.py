"""`petroroad import`: real measurements and recordings of others to a recording of ours."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter, validators

from core.errors import CommandError, UsageError
from petroroad.commands.running import check_output, ended_whole

app = App(name="import", help="Real measurements of others to a recording.")
Noise = Annotated[float, Parameter(validator=validators.Number(gte=0.0, lte=1e3))]
AsJson = Annotated[bool, Parameter(name="--json", negative=())]


@app.command
def nmea(file: Path, /, *, out: Path, as_json: AsJson = False) -> None:
    """Import a satellite receiver's NMEA 0183 log, binary messages between the sentences or not.

    Parameters
    ----------
    file
        The log.
    out
        The recording to write.
    as_json
        One JSON object on stdout: messages, fixes, rejected by reason, skipped sentences by kind.
    """
    from importers.nmea import import_nmea

    result = _run(import_nmea, file, out)
    _print(result, as_json)
    if result["fixes"] == 0:
        _without_a_fix(file, result)


@app.command(name="openv2x-radar")
def openv2x_radar(file: Path, /, *, out: Path, as_json: AsJson = False) -> None:
    """Import a pole radar's log as OpenV2X's roadmocker carries it (a JSON array of records with targets).

    Parameters
    ----------
    file
        The log.
    out
        The recording to write; the radar's pose in its /site is estimated from the targets.
    as_json
        One JSON object on stdout: scans, targets, each fault counted by reason, the estimated pose.
    """
    from importers.openv2x.recording import import_openv2x_radar

    _print(_run(import_openv2x_radar, file, out), as_json)


@app.command(name="ngsim-commonroad")
def ngsim_commonroad(
    file: Path,
    /,
    *,
    out: Path,
    noise: Noise = 1.0,
    seed: int = 1,
    terminals: Annotated[int, Parameter(validator=validators.Number(gte=0))] = 0,
    as_json: AsJson = False,
) -> None:
    """Import recorded traffic from a CommonRoad XML file: the truth, and the scans of simulated sensors.

    Parameters
    ----------
    file
        The scenario (commonRoadVersion 2018b or 2020a).
    out
        The recording to write.
    noise
        Factor of the sensors' errors.
    seed
        Of the sensors' chance.
    terminals
        How many of the vehicles report their position.
    as_json
        One JSON object on stdout: vehicles, truth, scans, fixes, rejected by reason.
    """
    from importers.ngsim import import_ngsim

    def run(source: Path, target: Path) -> dict[str, Any]:
        return import_ngsim(source, target, noise=noise, seed=seed, n_terminals=terminals)

    _print(_run(run, file, out), as_json)


def _run(importer: Callable[[Path, Path], dict[str, Any]], file: Path, out: Path) -> dict[str, Any]:
    if not file.is_file():
        raise UsageError(f"no such file: {file}")
    check_output(out, file)
    if sys.stderr.isatty():
        sys.stderr.write(f"importing {file}\n")
    try:
        with ended_whole():
            return importer(file, out)
    except (OSError, ValueError) as error:  # neither the disk nor a file of another kind is ours to mend
        raise CommandError(f"{file}: {error}") from error


def _without_a_fix(file: Path, result: dict[str, Any]) -> None:
    """Say why a log holds no fix; CommandError where it holds no position at all."""
    reasons = _text(result["rejected"])
    if not result["messages"]:
        raise CommandError(f"{file}: no position at all: {reasons}")
    sys.stderr.write(f"{file}: no fix that can be used, the quality of all is none: {reasons}\n")


def _print(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(result, ensure_ascii=False))
        return
    for key, value in result.items():
        print(f"{key:16} {_text(value)}")


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {number}" for name, number in value.items()) or "nothing"
    return str(value)
