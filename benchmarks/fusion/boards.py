"""Recordings of the foreign generator through the pipelines, scored: docs/scoring.md defines each figure.

The generator is tests/support/foreign, which shares no code with the product; `SEEDS` are for reporting,
nothing is tuned on them. A recording begins in the middle of traffic: all its vehicles appear at once, which
no road does. A whole recording is scored from that instant; of the few seconds of a quick one the first four
are not scored (bindings and departures are).
"""

import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness import Line
from edge.wire import decode_snapshot
from geofence.violation import decode as decode_violation
from petroroad.replay.run import Run, pace_of, replay_file
from petroroad.scoring.consistency import AXES, CLASSES
from petroroad.scoring.recorded_tracks import Scorer, scope_of
from petroroad.scoring.recorded_violations import Stored, raised_events, read_truth
from petroroad.scoring.tracks import TrackScore
from petroroad.scoring.violations import score as score_violations
from roadside.outputs import Output, Snapshot
from tests.support.foreign.generate import T0_NS, generate
from tests.support.foreign.generate import Run as ForeignRun
from tests.support.foreign.scenario import SCENARIOS
from tests.support.foreign.tape import record

NAMES = ("easy", "hard", "platoon", "dark", "handover", "easy-bodies", "hard-bodies", "platoon-bodies")
SEEDS = range(31, 41)
QUICK_S, SETTLED_S = 10.0, 4.0  # of traffic with --quick, and from when it is scored
DEPARTURE = "lane_departure"


class Scored(NamedTuple):
    """One recording's figures, and its departures: true, not raised, raised without cause."""

    scenario: str
    figures: dict[str, Any]
    departures: tuple[int, int, int]
    seconds: float


def scored(scenario: str, seed: int, quick: bool) -> Scored:
    """Generate, replay and score one recording."""
    plan = SCENARIOS[scenario]
    if quick:
        plan = replace(plan, duration_s=QUICK_S)
    return scored_run(scenario, generate(plan, seed), T0_NS + round(SETTLED_S * 1e9) if quick else 0)


def scored_run(scenario: str, made: ForeignRun, from_ns: int) -> Scored:
    """Replay and score one recording; its snapshots from `from_ns` on."""
    begun_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="petroroad-board-") as folder:
        path = Path(folder) / "inputs.mcap"
        record(made, path)
        score, run = _score(path, from_ns)
        departures = _departures(path, run.replayed.in_order())
    return Scored(scenario, score.figures(), departures, time.monotonic() - begun_s)


def _score(path: Path, from_ns: int) -> tuple[TrackScore, Run]:
    """Replay a whole site's recording and score its snapshots from `from_ns` on."""
    scope = scope_of(path)
    assert scope.site is not None, "the generator's recordings hold their site"
    scorer = Scorer(scope.site, [rsu.esn for rsu in scope.site.config.rsu], scope.sensors, path)
    begun = False

    def watch(_: str, __: int, output: Output) -> None:
        nonlocal begun
        if not isinstance(output, Snapshot):
            return
        snapshot = decode_snapshot(output.body)
        if not begun and snapshot.stamp_ns >= from_ns:
            begun = True
            before = scorer.finish()  # what it knows of vehicles and bindings stays, its sums do not
            scorer.score = TrackScore(causes=before.causes, bindings=before.bindings, _last=before._last)
        scorer.add(snapshot, output.tracks)

    run = replay_file(path, None, pace_of("max"), None, watch)
    return scorer.finish(), run


def _departures(path: Path, bodies: Iterable[bytes]) -> tuple[int, int, int]:
    """Return how many departures were true and settled, of these not raised, and raised without cause."""
    truth = read_truth(path, None)
    versions = [Stored(decode_violation(body), None) for body in bodies]
    versions.sort(key=lambda row: (row.violation.id, row.violation.hop, row.violation.version))
    found = score_violations(truth.events, raised_events(versions), truth.end_ns, truth.place_of)
    n_missed = sum(event.rule == DEPARTURE for event in found.missed)
    n_found = len({true.id for true, _ in found.matched if true.rule == DEPARTURE})
    return n_found + n_missed, n_missed, sum(event.rule == DEPARTURE for event in found.false)


def mean_of(boards: Sequence[Scored]) -> dict[str, float | None]:
    """Return the means of all plain figures over recordings; None where none of them has one."""
    found: dict[str, float | None] = {}
    for key in boards[0].figures:
        values = [board.figures[key] for board in boards if isinstance(board.figures[key], int | float)]
        found[key] = float(np.mean(values)) if values else None
    return found


def nees_of(boards: Sequence[Scored]) -> dict[tuple[str, str], float | None]:
    """Return the NEES of (axis, class) over all tracks and stamps of the recordings."""
    found: dict[tuple[str, str], float | None] = {}
    for kind in CLASSES:
        rows = [board.figures["nees"][kind] for board in boards]
        for axis in AXES:
            parts = [(row["n"], row[axis]) for row in rows if row[axis] is not None]
            n = sum(part[0] for part in parts)
            found[axis, kind] = sum(n_one * mean for n_one, mean in parts) / n if n else None
    return found


def by_scenario(boards: Sequence[Scored]) -> dict[str, list[Scored]]:
    """Return the recordings of each scenario, in the order of NAMES."""
    found = {name: [board for board in boards if board.scenario == name] for name in NAMES}
    return {name: rows for name, rows in found.items() if rows}


def lines_of(boards: Sequence[Scored]) -> Iterator[Line]:
    """Yield the figures of each scenario, then NEES over all scenarios whose vehicles are points."""
    for name, rows in by_scenario(boards).items():
        yield from _scenario_lines(name, mean_of(rows), rows)
    points = [board for board in boards if not board.scenario.endswith("-bodies")]
    for (axis, kind), value in nees_of(points).items():
        yield Line(f"fusion.nees.{axis}.{kind}", value, "")


def _scenario_lines(name: str, mean: Mapping[str, float | None], rows: Sequence[Scored]) -> Iterator[Line]:
    yield Line(f"fusion.gospa.{name}", mean["gospa_m"], "m")
    yield Line(f"fusion.false.{name}", mean["false_per_frame"], "per stamp")
    yield Line(f"fusion.missed.{name}", mean["missed_per_frame"], "per stamp")
    yield Line(f"fusion.switches_per_h.{name}", mean["id_switches_per_vehicle_hour"], "per vehicle-hour")
    yield Line(f"fusion.identity.precision.{name}", mean["identity_precision"], "")
    yield Line(f"fusion.identity.recall.{name}", mean["identity_recall"], "")
    n_wrong = sum(row.figures["bindings_wrong"] for row in rows)
    yield Line(f"fusion.identity.wrong.{name}", n_wrong, f"of {sum(row.figures['bindings'] for row in rows)}")
    yield Line(f"fusion.identity.bind_s_p90.{name}", mean["time_to_bind_s_p90"], "s")
    yield Line(f"fusion.identity.within_five_reports.{name}", mean["bound_within_five_reports"], "")
    yield Line(f"fusion.lateral.p95.{name}", mean["lateral_m_p95"], "m")
    if name == "handover":
        yield Line("fusion.owned_twice.handover", mean["owned_twice"], "vehicle-stamps")
