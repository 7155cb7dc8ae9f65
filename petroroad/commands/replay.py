"""`petroroad replay`: recorded observations through the RSU's pipeline; the digest of its outputs."""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, validators

from core.errors import CommandError, UsageError
from edge.recording.chain import Part
from petroroad.commands.running import check_output, ended_whole
from petroroad.replay.files import chains_of, files_of
from petroroad.replay.run import Pace, Run, pace_of, replay_chain
from roadside.compare import digest


def replay(
    recordings: Annotated[list[Path], Parameter(negative=())],
    /,
    *,
    site: Path | None = None,
    rate: str = "max",
    jobs: Annotated[int | None, Parameter(validator=validators.Number(gte=1))] = None,
    out: Path | None = None,
    expect: str | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Replay recordings; fail where other violations come out than were recorded or expected.

    Parameters
    ----------
    recordings
        One, or those of several RSUs: then the digest goes over all, in the order of their RSUs. Files of a
        series that follow each other are one recording, a directory stands for all of its files; where the
        first file of a series is missing, the replay begins with the state in the next.
    site
        Another site file than the recordings' own.
    rate
        A factor of real time, max, or step (Enter before each message).
    jobs
        Processes that share the RSUs of a whole site's recording; one for each CPU unless named. With more
        than one of them another reads ahead. The outputs don't depend on it.
    out
        Where to write the outputs, as a recording.
    expect
        The digest that must come out.
    as_json
        One JSON object on stdout.
    """
    files = files_of(recordings)
    parts = chains_of(files)
    if out is not None and len(parts) > 1:
        raise UsageError("--out needs one recording at a time")
    if out is not None:
        check_output(out, *files)
    pace = pace_of(rate)
    jobs = jobs or len(os.sched_getaffinity(0))
    runs = []
    for chain in parts:
        if sys.stderr.isatty():
            sys.stderr.write(f"replaying {', '.join(str(part.path) for part in chain)}\n")
        runs.append(_replayed(chain, site, pace, out, jobs))
    result = summary(runs)
    print(json.dumps(result) if as_json else _text(result), flush=True)
    damaged = [run for run in runs if run.reading.damaged]
    faults = [
        f"{run.path}: {run.reading.text()}: its outputs can't be compared with the digest of the whole"
        for run in damaged
    ]
    if not site:
        faults += [found for run in runs if run not in damaged and (found := run.difference())]
    if expect is not None and expect != result["digest"]:
        faults.insert(0, f"the digest is {result['digest']}, not {expect}")
    if faults:
        raise CommandError("; ".join(faults))
    return 0


def _replayed(parts: list[Part], site: Path | None, pace: Pace, out: Path | None, jobs: int) -> Run:
    try:
        with ended_whole():
            return replay_chain(parts, site, pace, out, jobs=jobs)
    except OSError as error:  # the disk's, midway
        raise CommandError(str(error)) from error


def summary(runs: list[Run]) -> dict[str, Any]:
    """Return the counts over all runs; the digests go over their outputs in the order (esn, emission)."""
    violations = _joined(run.replayed.violations for run in runs)
    snapshots = _joined(run.replayed.snapshots for run in runs)
    tracks: set[int] = set().union(*(run.replayed.tracks for run in runs))
    rejected = sum((run.replayed.rejected for run in runs), Counter())
    return {
        "digest": digest(body for esn in sorted(violations) for body in violations[esn]),
        "digest_tracks": digest(body for esn in sorted(snapshots) for body in snapshots[esn]),
        "observations": sum(run.replayed.observations for run in runs),
        "rejected": dict(sorted(rejected.items())),
        "clocks": {esn: found for run in runs for esn, found in sorted(run.clocks.items())},
        "skipped": dict(sorted(_skipped(runs).items())),
        "messages_lost": sum(run.reading.lost for run in runs),
        "tracks": len(tracks),
        "violations": sum(len(bodies) for bodies in violations.values()),
        "recorded_violations": sum(len(bodies) for run in runs for bodies in run.recorded.values()),
    }


def _skipped(runs: list[Run]) -> Counter[str]:
    """Return messages that are no input and no output of ours, by channel, and inputs that go to no RSU."""
    skipped = sum((run.skipped for run in runs), Counter[str]())
    for run in runs:
        skipped.update(run.reading.foreign)
    return +skipped


def _joined(found: Iterable[dict[str, list[bytes]]]) -> dict[str, list[bytes]]:
    """Return the outputs by RSU; one that was started anew has several recordings, in the order given."""
    joined: dict[str, list[bytes]] = {}
    for outputs in found:
        for esn, bodies in outputs.items():
            joined.setdefault(esn, []).extend(bodies)
    return joined


def _text(result: dict[str, Any]) -> str:
    rejected = ", ".join(f"{reason} {n}" for reason, n in result["rejected"].items()) or "nothing"
    skipped = ", ".join(f"{channel} {n}" for channel, n in result["skipped"].items())
    wrong = ", ".join(
        f"{who} {fault['kind']} {fault['offset_s']:+} s{' (put right)' if fault['corrected'] else ''}"
        for found in result["clocks"].values()
        for who, fault in _named(found).items()
    )
    return (
        f"observations  {result['observations']}\nrejected      {rejected}\n"
        + (f"skipped       {skipped}\n" if skipped else "")
        + (f"lost          {result['messages_lost']} messages\n" if result["messages_lost"] else "")
        + (f"wrong clocks  {wrong}\n" if wrong else "")
        + f"tracks        {result['tracks']}\nviolations    {result['violations']}"
        f" ({result['recorded_violations']} recorded)\ndigest        {result['digest']}"
    )


def _named(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the wrong clocks of one RSU by their owner."""
    host = {"this host": found["host_clock"]} if found["host_clock"] is not None else {}
    named: dict[str, dict[str, Any]] = found["clocks"] | found["radar_clocks"] | host
    return named
