"""`petroroad recording`: look into a recording, recover a cut one, export it."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from core.errors import CommandError, RecordingError, UsageError
from edge.recording.chain import Readings, files_in, read_chain
from edge.recording.damage import time_text
from edge.recording.file import END, SERIES
from edge.recording.recorder import Reading
from edge.recording.recorder import recover as recover_file
from edge.wire import decode_site
from petroroad.commands.running import check_output, ended_whole
from petroroad.export import ExportError, LeftOut, to_foxglove, to_geojson, to_parquet

app = App(name="recording", help="Look into a recording, recover one, export it.")
AsJson = Annotated[bool, Parameter(name="--json", negative=())]
Flag = Annotated[bool, Parameter(negative=())]


@app.command
def info(path: Path, /, *more: Path, as_json: AsJson = False) -> None:
    """Show the contents of a recording, channel by channel; fails where part of it is lost.

    Parameters
    ----------
    path
        The recording, or a directory with a series of files.
    more
        Further files of the series.
    as_json
        One JSON object on stdout.
    """
    files = _sources(path, *more)
    readings = Readings()
    facts = _checked(files, lambda sources: _facts(sources, readings))
    if as_json:
        print(json.dumps(facts, ensure_ascii=False))
        _check_whole(path, readings)
        return
    for key, value in facts.items():
        if isinstance(value, dict):
            print(f"{key}:")
            for name, item in value.items():
                print(f"  {name:40} {item}")
        elif not isinstance(value, list):  # the damages are in the state
            print(f"{key:16} {value}")
        elif key == "files":
            for row in value:
                print(f"  {row['file']}  {row['from']}  {row['messages']} messages, {row['state']}")
    _check_whole(path, readings)


@app.command
def recover(path: Path, out: Path, /, *, as_json: AsJson = False) -> None:
    """Copy every whole message of a cut or damaged recording into a sound one, and report the losses.

    Fails where no message is left. Losses alone are no failure here: info fails for them.

    Parameters
    ----------
    path
        The recording, or a directory with a series of files.
    out
        The new file; for a directory a new directory, which gets a file of the same name for each.
    as_json
        One JSON object on stdout.
    """
    if out.exists():
        raise UsageError(f"{out} is there already")
    files = _sources(path)
    targets = [out / file.name for file in files] if path.is_dir() else [out]
    n_messages, readings = 0, Readings()
    for file, target in zip(files, targets, strict=True):
        if not file.stat().st_size and len(files) > 1:
            continue
        check_output(target)
        n_copied, readings.parts[file] = _checked([file], partial(_recovered, target))
        n_messages += n_copied
    facts = {"messages": n_messages} | readings.facts()
    print(json.dumps(facts, ensure_ascii=False) if as_json else f"{out}: {n_messages} messages")
    if not n_messages:
        raise CommandError(f"{path}: no message can be recovered ({readings.text()})")
    if readings.cut or readings.damaged:
        sys.stderr.write(f"petroroad: {path}: {readings.text()}\n")


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
        The recording, or a directory with a series of files.
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
    files = _sources(path)
    target = out if out is not None else path.with_name(path.stem + suffix)
    check_output(target, *files)
    left_out = LeftOut()
    n_written = _checked(files, lambda sources: write(sources, target, left_out))
    facts: dict[str, Any] = {"out": str(target), "written": n_written}
    if left_out.unread or left_out.reading.text() != "whole":
        facts |= {"unread": dict(sorted(left_out.unread.items())), **left_out.reading.facts()}
    unread = f"; left out: {_counted(left_out.unread)}" if left_out.unread else ""
    print(json.dumps(facts, ensure_ascii=False) if as_json else f"{target}: {n_written}{unread}")
    _check_whole(path, left_out.reading)


def _recovered(target: Path, files: list[Path]) -> tuple[int, Reading]:
    return recover_file(files[0], target)


def _sources(*paths: Path) -> list[Path]:
    """Return the files that are meant, in order; UsageError where there is none."""
    for path in paths:
        if not path.exists():
            raise UsageError(f"no such recording: {path}")
    files = [file for file in files_in(paths) if not file.is_dir()]
    if not files:
        raise UsageError(f"{paths[0]}: no recording in it")
    return files


def _checked(files: list[Path], work: Callable[[list[Path]], Any]) -> Any:
    try:
        with ended_whole():
            return work(files)
    except (ExportError, OSError) as error:  # a missing package, or the disk
        raise CommandError(str(error)) from error
    except RecordingError as error:
        raise UsageError(str(error)) from error


def _check_whole(path: Path, readings: Readings) -> None:
    """Fail where messages of the files are lost; of a cut one all whole chunks are there."""
    if readings.damaged:
        raise CommandError(f"{path}: {readings.text()}")


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in sorted(counts.items()))


def _facts(files: list[Path], readings: Readings) -> dict[str, Any]:
    """Return what the files hold; of several, the sums, and a row for each."""
    rows = [_facts_of(file, readings) for file in files if file.stat().st_size or len(files) == 1]
    if len(rows) == 1:
        return rows[0]
    keys = ("file", "bytes", "messages", "from", "duration_s", "esn", "state")
    channels: Counter[str] = Counter()
    for row in rows:
        channels.update(row["channels"])
    return {
        "bytes": sum(row["bytes"] for row in rows),
        "messages": sum(row["messages"] for row in rows),
        "from": min((row["from"] for row in rows if row["from"]), default=None),
        "duration_s": round(sum(row["duration_s"] for row in rows), 3),
        "whole": not readings.cut and not readings.damaged,
        "dropped": readings.dropped,
        **readings.facts(),
        "files": [{key: row[key] for key in keys} for row in rows],
        "channels": dict(sorted(channels.items())),
    }


def _facts_of(path: Path, readings: Readings) -> dict[str, Any]:
    channels: dict[str, int] = {}
    first_ns, last_ns, site, unread = None, None, None, ""
    for message in read_chain([path], readings, foreign=True):
        channels[message.topic] = channels.get(message.topic, 0) + 1
        first_ns = message.log_ns if first_ns is None else min(first_ns, message.log_ns)
        last_ns = message.log_ns if last_ns is None else max(last_ns, message.log_ns)
        if message.topic == "/site" and site is None:
            try:
                site = decode_site(message.body)
            except msgspec.DecodeError as error:
                unread = f"its /site can't be read: {error}"
    reading = readings.parts[path]
    series = {key: reading.metadata[key] for key in (SERIES, END) if key in reading.metadata}
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
        **{name.rpartition(":")[2]: found for name, found in series.items()},
    }
