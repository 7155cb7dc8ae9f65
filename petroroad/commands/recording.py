"""`petroroad recording`: look into a recording, recover a cut one, export it."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from core.errors import CommandError, RecordingError, UsageError
from edge.recording.damage import time_text
from edge.recording.recorder import Reading, read_messages
from edge.recording.recorder import recover as recover_file
from edge.wire import decode_site
from petroroad.commands.running import check_output, ended_whole
from petroroad.export import ExportError, LeftOut, to_foxglove, to_geojson, to_parquet

app = App(name="recording", help="Look into a recording, recover one, export it.")
AsJson = Annotated[bool, Parameter(name="--json", negative=())]
Flag = Annotated[bool, Parameter(negative=())]


@app.command
def info(path: Path, /, *, as_json: AsJson = False) -> None:
    """Show the contents of a recording, channel by channel; fails where part of it is lost.

    Parameters
    ----------
    path
        The recording.
    as_json
        One JSON object on stdout.
    """
    _check_source(path)
    reading = Reading()
    facts = _checked(path, lambda source: _facts(source, reading))
    if as_json:
        print(json.dumps(facts, ensure_ascii=False))
        _check_whole(path, reading)
        return
    for key, value in facts.items():
        if isinstance(value, dict):
            print(f"{key}:")
            for name, item in value.items():
                print(f"  {name:40} {item}")
        elif not isinstance(value, list):  # the damages are in the state
            print(f"{key:16} {value}")
    _check_whole(path, reading)


@app.command
def recover(path: Path, out: Path, /, *, as_json: AsJson = False) -> None:
    """Copy every whole message of a cut or damaged recording into a sound one, and report the losses.

    Fails where no message is left. Losses alone are no failure here: info fails for them.

    Parameters
    ----------
    path
        The recording.
    out
        The new file.
    as_json
        One JSON object on stdout.
    """
    if out.exists():
        raise UsageError(f"{out} is there already")
    _check_source(path)
    check_output(out)
    n_messages, reading = _checked(path, lambda source: recover_file(source, out))
    facts = {"messages": n_messages} | reading.facts()
    print(json.dumps(facts, ensure_ascii=False) if as_json else f"{out}: {n_messages} messages")
    if not n_messages:
        raise CommandError(f"{path}: no message can be recovered ({reading.text()})")
    if reading.cut or reading.damaged:
        sys.stderr.write(f"petroroad: {path}: {reading.text()}\n")


@app.command
def export(
    path: Path,
    out: Path | None = None,
    /,
    *,
    foxglove: Flag = False,
    parquet: Flag = False,
    geojson: Flag = False,
    as_json: AsJson = False,
) -> None:
    """Write a recording's tracks and violations for other tools; fails where part of it is lost.

    Parameters
    ----------
    path
        The recording.
    out
        The new file; left out, beside the recording.
    foxglove
        An MCAP file that Foxglove's map panel shows.
    parquet
        A row for each track of each snapshot; needs pyarrow.
    geojson
        A line for each track, a point for each version of a violation.
    as_json
        One JSON object on stdout.
    """
    if [foxglove, parquet, geojson].count(True) != 1:
        raise UsageError("choose one of --foxglove, --parquet, --geojson")
    suffix, write = (
        (".foxglove.mcap", to_foxglove) if foxglove
        else (".parquet", to_parquet) if parquet
        else (".geojson", to_geojson)
    )  # fmt: skip
    _check_source(path)
    target = out if out is not None else path.with_suffix(suffix)
    check_output(target, path)
    left_out = LeftOut()
    n_written = _checked(path, lambda source: write(source, target, left_out))
    facts: dict[str, Any] = {"out": str(target), "written": n_written}
    if left_out.unread or left_out.reading.text() != "whole":
        facts |= {"unread": dict(sorted(left_out.unread.items())), **left_out.reading.facts()}
    unread = f"; left out: {_counted(left_out.unread)}" if left_out.unread else ""
    print(json.dumps(facts, ensure_ascii=False) if as_json else f"{target}: {n_written}{unread}")
    _check_whole(path, left_out.reading)


def _check_source(path: Path) -> None:
    if not path.is_file():
        raise UsageError(f"no such recording: {path}")


def _checked(path: Path, work: Any) -> Any:
    try:
        with ended_whole():
            return work(path)
    except (ExportError, OSError) as error:  # a missing package, or the disk
        raise CommandError(str(error)) from error
    except RecordingError as error:
        raise UsageError(str(error)) from error


def _check_whole(path: Path, reading: Reading) -> None:
    """Fail where messages of the file are lost; of a cut one all whole chunks are there."""
    if reading.damaged:
        raise CommandError(f"{path}: {reading.text()}")


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in sorted(counts.items()))


def _facts(path: Path, reading: Reading) -> dict[str, Any]:
    channels: dict[str, int] = {}
    first_ns, last_ns, site, unread = None, None, None, ""
    for message in read_messages(path, reading, foreign=True):
        channels[message.topic] = channels.get(message.topic, 0) + 1
        first_ns = message.log_ns if first_ns is None else min(first_ns, message.log_ns)
        last_ns = message.log_ns if last_ns is None else max(last_ns, message.log_ns)
        if message.topic == "/site" and site is None:
            try:
                site = decode_site(message.body)
            except msgspec.DecodeError as error:
                unread = f"its /site can't be read: {error}"
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "messages": sum(channels.values()),
        "from": time_text(first_ns),
        "duration_s": 0.0 if first_ns is None or last_ns is None else round((last_ns - first_ns) / 1e9, 3),
        "esn": site.esn if site else None,
        "whole": not reading.cut and not reading.damaged,
        "state": "; ".join(filter(None, (reading.text(), unread))),
        **reading.facts(),
        "channels": dict(sorted(channels.items())),
        "made_by": reading.metadata.get("petroroad", {}),
    }
