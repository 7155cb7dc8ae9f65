"""`petroroad score`: the outputs of the pipeline against the truth."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from core.errors import CommandError, UsageError
from edge.figures import quantile
from edge.recording.recorder import Reading, read_messages
from geofence.violation import decode as decode_violation
from petroroad.scoring.by_rule import delay_s, figures_by_rule, first_raised
from petroroad.scoring.earliest import with_due
from petroroad.scoring.recorded_tracks import scope_of, score_tracks
from petroroad.scoring.recorded_violations import (
    Stored,
    event_row,
    raised_events,
    read_truth,
    undecidable_records,
)
from petroroad.scoring.replayed_tracks import score_replay
from petroroad.scoring.violations import score as score_violations
from petroroad.scoring.violations import was_undecidable

GROUPS = {  # by the first figure of each
    "gospa_m": "GOSPA (c 5 m, p 2)",
    "truths_per_frame": "vehicles, those that were missed and why",
    "false_per_frame": "false tracks and why",
    "owned_twice": "identities",
    "bindings": "bindings of terminals to radar's tracks",
    "position_rmse_m": "errors",
    "violations_true": "violations",
}


def score(
    recording: Path,
    /,
    *,
    truth: Path | None = None,
    replay: Annotated[bool, Parameter(negative=())] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> None:
    """Score a recording's tracks and violations against the truth.

    GOSPA has c = 5 m, p = 2, alpha = 2; the squares of its split add up to the square of gospa_rms_m. Counted
    are owned tracks (of an RSU without neighbours: confirmed ones). A truth beyond the RSUs' stretches, or
    neither in a radar's field of view nor with a terminal, costs nothing; it is counted apart. False tracks
    and missed vehicles are split by cause. NEES is the squared error over its variance (1 is right); a
    snapshot carries the lateral sigma only. docs/scoring.md defines every figure.

    Parameters
    ----------
    recording
        The recording that a replay wrote (--out), or an RSU's own.
    truth
        Where the truth is, when not in the same file.
    replay
        Replay the recording's inputs here, and score what comes out: then NEES is known on every axis.
    as_json
        One JSON object on stdout.
    """
    for path in (recording, truth or recording):
        if not path.is_file():
            raise UsageError(f"no such recording: {path}")
    readings = {path: Reading() for path in (recording, truth or recording)}
    try:
        result = _figures(recording, truth or recording, readings, replay)
    except (msgspec.MsgspecError, ValueError) as error:  # a recording of another kind
        named = f"{recording}" + (f" or {truth}" if truth else "")
        raise CommandError(f"{named}: holds a message that can't be read: {error}") from error
    damaged = {path: reading for path, reading in readings.items() if reading.damaged}
    if damaged:
        result["messages_lost"] = sum(reading.lost for reading in damaged.values())
    if as_json:
        print(json.dumps(result))
    else:
        print("\n".join(_lines(result)))
    if damaged:
        named = "; ".join(f"{path}: {reading.text()}" for path, reading in damaged.items())
        raise CommandError(f"{named}: the figures hold for the rest only")


def _lines(result: dict[str, Any]) -> Iterator[str]:
    """Yield the figures for a reader, in groups."""
    for key, value in result.items():
        if key in GROUPS:
            yield f"\n{GROUPS[key]}"
        match value:
            case dict():
                columns = list(next(iter(value.values()), ()))
                yield f"{key:31} " + " ".join(f"{name:>9}" for name in columns)
                for name, row in value.items():
                    yield f"  {name:29} " + " ".join(f"{_shown(cell):>9}" for cell in row.values())
            case list():
                yield from (f"{key:31} {row}" for row in value)
            case _:
                yield f"{key:31} {_shown(value)}"


def _shown(value: float | int | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _figures(recording: Path, truth: Path, readings: dict[Path, Reading], replay: bool) -> dict[str, Any]:
    bodies: list[bytes] | None = None
    if replay:
        score, run = score_replay(recording, truth)
        readings |= run.reading.parts
        bodies = run.replayed.in_order()
    else:
        score = score_tracks(recording, truth)
    result = score.figures()
    if not result["frames"]:
        how = "it holds no inputs" if replay else "replay it with --out and score that, or with --replay"
        raise CommandError(f"{recording}: no tracks at a moment whose truth is known; {how}")
    return result | violation_figures(recording, truth, readings, bodies)


def violation_figures(
    recording: Path,
    truth_path: Path,
    readings: dict[Path, Reading] | None = None,
    bodies: Iterable[bytes] | None = None,
) -> dict[str, Any]:
    """Return the violations' precision, recall and delay, and which were missed, false or raised twice.

    readings : the findings beside the messages of each of the two files
    bodies : the raised violations, in place of the recording's
    """
    readings = readings or {}
    truth = read_truth(truth_path, readings.get(truth_path) if truth_path != recording else None)
    if not truth.end_ns:
        raise CommandError(f"{truth_path}: no /truth")
    if bodies is None:
        messages = read_messages(recording, readings.get(recording))
        bodies = [message.body for message in messages if message.topic.startswith("/violation/")]
    versions = [Stored(decode_violation(body), None) for body in bodies]
    versions.sort(key=lambda row: (row.violation.id, row.violation.hop, row.violation.version))
    site = scope_of(truth_path).site
    events = truth.events if site is None else with_due(truth_path, site, truth.events)
    found = score_violations(events, raised_events(versions), truth.end_ns, truth.place_of)
    records = undecidable_records(versions)
    delays_s = [(raised.at_ns - true.start_ns) / 1e9 for true, raised in found.matched]
    late_s = [delay_s(true, at_ns) for true, at_ns in first_raised(found) if true.due_ns is not None]
    return {
        "violations_true": found.n_true,
        "violations_raised": found.n_raised,
        "violation_precision": found.precision,
        "violation_recall": found.recall,
        "violation_duplicates": len(found.duplicates),
        "violations_mislabelled": len(found.mislabelled),
        "detection_delay_s_p50": quantile(delays_s, 0.5),
        "detection_delay_s_max": max(delays_s, default=None),
        "after_due_s_p50": quantile(late_s, 0.5),
        "after_due_s_p95": quantile(late_s, 0.95),
        "missed": [
            event_row(event, events)
            | {"undecidable": was_undecidable(event, records, truth.end_ns, truth.place_of)}
            for event in found.missed
        ],
        "false": [event_row(event, events) for event in found.false],
        "doubled": [event_row(event, events) for event in found.duplicates],
        "mislabelled": [event_row(event, events) for event in found.mislabelled],
        "undecidable_records": len(records),
        "by_rule": figures_by_rule(found, records, truth.end_ns, truth.place_of),
    }
