"""The figures of a finished demo from its files: truth, the RSUs' recordings, the centre's database."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.figures import quantile
from edge.recording.recorder import read_messages
from edge.wire import FLAG_CONFIRMED, decode_snapshot, records_of
from geofence.violation import decode as decode_violation
from petroroad.demo.parts import RunDir
from petroroad.scoring.recorded_violations import Stored, Truth, event_row, raised_events, read_truth
from petroroad.scoring.violations import Score, score


def read_centre(database: Path) -> list[Stored]:
    """Read every version that the centre's database holds."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        rows = db.execute(
            "SELECT body, committed_ns FROM violation_version ORDER BY id, hop, version"
        ).fetchall()
    return [Stored(decode_violation(body), committed_ns) for body, committed_ns in rows]


@dataclass(slots=True)
class Sent:
    """The contents of the RSUs' recordings: versions sent, and tracks that were ever confirmed."""

    versions: set[tuple[str, int, str]] = field(default_factory=set)
    tracks: set[int] = field(default_factory=set)


def read_recordings(paths: Iterable[Path]) -> Sent:
    """Read the outputs that the RSUs recorded."""
    sent = Sent()
    for topic, body in _outputs(paths):
        if topic.startswith("/violation/"):
            violation = decode_violation(body)
            sent.versions.add((violation.id, violation.version, violation.esn))
        else:
            records = records_of(decode_snapshot(body))
            sent.tracks.update(records["track"][records["flags"] & FLAG_CONFIRMED != 0].tolist())
    return sent


def _outputs(paths: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    for path in paths:
        for message in read_messages(path):
            if message.topic.startswith(("/violation/", "/tracks/")):
                yield message.topic, message.body


def summarise(run_dir: RunDir, esns: Sequence[str]) -> dict[str, Any]:
    """Return the summary object of docs/design.md section 4, with the missed and wrong events beside it."""
    truth = read_truth(run_dir.truth)
    stored = read_centre(run_dir.database)
    sent = read_recordings(run_dir.recordings(esns))
    raised = raised_events(stored)
    held = {(row.violation.id, row.violation.version, row.violation.esn) for row in stored}
    result = score(truth.events, raised, truth.end_ns, truth.place_of)
    latencies = [event.latency_ms for event in raised if event.latency_ms is not None]
    return {
        "violations_true": result.n_true,
        "violations_raised": result.n_raised,
        "precision": result.precision,
        "recall": result.recall,
        "latency_ms_p50": quantile(latencies, 0.5),
        "latency_ms_p99": quantile(latencies, 0.99),
        "latency_samples": len(latencies),
        "lost": len(sent.versions - held),
        "duplicates": len(result.duplicates),
        "vehicles": truth.n_vehicles,
        "tracks": len(sent.tracks),
        "by_rule": _by_rule(truth, result),
        "missed": [event_row(event, truth.events) for event in result.missed],
        "false": [event_row(event, truth.events) for event in result.false],
        "doubled": [event_row(event, truth.events) for event in result.duplicates],
        "run_directory": str(run_dir.path),
    }


def _by_rule(truth: Truth, result: Score) -> dict[str, dict[str, int]]:
    """Return the number of true, missed and false events of each rule, the last 10 s included."""
    rows: dict[str, dict[str, int]] = defaultdict(lambda: {"true": 0, "missed": 0, "false": 0})
    for name, events in (("true", truth.events), ("missed", result.missed), ("false", result.false)):
        for event in events:
            rows[event.rule][name] += 1
    return {rule: rows[rule] for rule in sorted(rows)}


def table(summary: dict[str, Any]) -> str:
    """Return the summary for a reader."""

    def ms(value: float | None) -> str:
        return "-" if value is None else f"{value:.1f} ms"

    return (
        f"violations   {summary['violations_true']} true, {summary['violations_raised']} raised: "
        f"precision {summary['precision']:.3f}, recall {summary['recall']:.3f}\n"
        f"delivery     lost {summary['lost']}, duplicates {summary['duplicates']}\n"
        f"latency      p50 {ms(summary['latency_ms_p50'])}, p99 {ms(summary['latency_ms_p99'])} "
        f"({summary['latency_samples']} samples)\n"
        f"traffic      {summary['vehicles']} vehicles, {summary['tracks']} tracks"
    )
