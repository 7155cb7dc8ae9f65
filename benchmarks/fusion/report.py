"""The report of docs/fusion.md: tables between two marks, written anew by each long run; its plots."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.fusion import plots, variants
from benchmarks.fusion.boards import Scored, by_scenario, mean_of, nees_of
from benchmarks.fusion.peers import DEFAULTS, OURS, Scores
from benchmarks.fusion.peers import mean_of as peers_mean_of
from benchmarks.harness import Line

BEGIN = "<!-- written by python -m benchmarks.fusion; what is between the marks is replaced -->"
END = "<!-- end of what is written by python -m benchmarks.fusion -->"
# What a supervisor's page needs, set before the tracker was built, from what prototypes and the Kalman bound
# gave: GOSPA, false, missed, switches per vehicle-hour, precision, recall, lateral p95; None: no goal
GOALS = {
    "easy": (3.0, 0.5, 0.3, 2.0, 0.985, 0.985, 0.45),
    "hard": (5.0, 1.0, 0.5, 5.0, 0.97, 0.97, 0.75),
    "platoon": (6.5, 2.2, 1.0, 8.0, 0.98, 0.98, 0.58),
    "dark": (4.0, 0.8, 0.3, 3.0, 0.97, 0.98, None),
    "handover": (4.0, 0.6, 0.4, 12.0, 0.98, 0.97, None),
    "easy-bodies": (4.5, 1.5, 0.4, 8.0, 0.96, 0.96, None),
    "hard-bodies": (7.0, 2.5, 0.8, 15.0, 0.96, 0.96, None),
    "platoon-bodies": (9.0, 4.0, 1.5, 15.0, 0.96, 0.96, None),
}
WITHIN_FIVE, WITHIN_FIVE_HARD = 0.99, 0.95  # share bound within five reports of both sensors seeing the truck
KEYS = (
    "gospa_m", "false_per_frame", "missed_per_frame", "id_switches_per_vehicle_hour", "identity_precision",
    "identity_recall", "lateral_m_p95",
)  # fmt: skip
AT_LEAST = ("identity_precision", "identity_recall")
Row = Sequence[str]


class Measured(NamedTuple):
    """What is scored: recordings, rivals by kind of scene and seed, variants of the model."""

    boards: Sequence[Scored]
    rivals: Mapping[str, Sequence[Scores]]
    variants: Mapping[str, Scored]


def write(docs: Path, lines: Sequence[Line], found: Measured) -> None:
    """Replace the report in docs/fusion.md and its plots."""
    path = docs / "fusion.md"
    text = path.read_text(encoding="utf-8")
    assert BEGIN in text, f"{path} has no place for the report"
    assert END in text, f"{path} has no end of the report"
    head, _, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2]
    body = "\n".join(_report(lines, found))
    path.write_text(f"{head}{BEGIN}\n{body}\n{END}{tail}", encoding="utf-8")
    plots.scenarios(docs / "fusion-scenarios.svg", found.boards, {name: of[0] for name, of in GOALS.items()})
    plots.rivals(docs / "fusion-peers.svg", found.rivals)
    plots.scans(docs / "fusion-scans.svg", lines)


def _report(lines: Sequence[Line], found: Measured) -> Iterator[str]:
    by_name = by_scenario(found.boards)
    n_seeds = max(len(rows) for rows in by_name.values())
    yield ""
    yield _measured_at()
    yield ""
    yield f"### Scenarios: means over {n_seeds} recordings; in brackets the goal, bold: missed"
    yield ""
    yield from _table(
        ("", "GOSPA m", "false", "missed", "switches/h", "precision", "recall", "lateral p95 m"),
        [_scenario_row(name, rows) for name, rows in by_name.items()],
    )
    yield ""
    yield "![GOSPA of each scenario](fusion-scenarios.svg)"
    yield ""
    yield from _table(
        (
            "",
            "bindings, wrong",
            "bind p90 s",
            "within five reports",
            "owned twice",
            "departures, missed, false",
        ),
        [_identity_row(name, rows) for name, rows in by_name.items()],
    )
    yield ""
    yield "### NEES by axis: vehicles as points, as bodies (1 is honest)"
    yield ""
    yield from _nees(found.boards)
    yield ""
    yield from _variants(found.variants)
    yield from _peers(found.rivals)
    yield ""
    yield "### Cost"
    yield ""
    yield from _table(
        ("figure", "value", "against", "times better"), [_line_row(line) for line in _costs(lines)]
    )
    yield ""
    yield "![time of a scan by the number of tracks](fusion-scans.svg)"
    yield ""


def _measured_at() -> str:
    """Return a line that names the commit and the day of the figures."""
    words = ("git", "log", "-1", "--format=%h of %cs")
    said = subprocess.run(words, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    return f"Measured with the code of commit {said.stdout.strip() or 'unknown'}, on one machine, in one run."


def _variants(by_name: Mapping[str, Scored]) -> Iterator[str]:
    if not by_name:
        return
    yield f"### What the parts of the model buy (`{variants.SCENARIO}`, one recording; NEES of named tracks)"
    yield ""
    rows = [(name, *(_number(value) for value in variants.row_of(one))) for name, one in by_name.items()]
    yield from _table(("", *variants.COLUMNS), rows)
    yield ""


def _scenario_row(name: str, rows: Sequence[Scored]) -> Row:
    mean, cells = mean_of(rows), [name]
    cells += [
        _with_goal(mean[key], goal, at_least=key in AT_LEAST)
        for key, goal in zip(KEYS, GOALS[name], strict=True)
    ]
    return cells


def _with_goal(value: float | None, goal: float | None, *, at_least: bool = True) -> str:
    """Return a figure with its goal in brackets, bold where it misses it."""
    shown = _number(value)
    if goal is None or value is None:
        return shown
    missed = value < goal if at_least else value > goal
    return f"**{shown}** ({goal:g})" if missed else f"{shown} ({goal:g})"


def _identity_row(name: str, rows: Sequence[Scored]) -> Row:
    total = {
        key: sum(row.figures[key] for row in rows) for key in ("bindings", "bindings_wrong", "owned_twice")
    }
    mean = mean_of(rows)
    true, missed, false = (sum(row.departures[i] for row in rows) for i in range(3))
    return (
        name,
        f"{total['bindings']}, {total['bindings_wrong']}",
        _number(mean["time_to_bind_s_p90"]),
        _with_goal(mean["bound_within_five_reports"], WITHIN_FIVE_HARD if "hard" in name else WITHIN_FIVE),
        str(total["owned_twice"]),
        f"{true}, {missed}, {false}",
    )


def _nees(boards: Sequence[Scored]) -> Iterator[str]:
    parts = [
        nees_of([b for b in boards if b.scenario.endswith("-bodies") is bodies]) for bodies in (False, True)
    ]
    axes, kinds = (list(dict.fromkeys(key[i] for key in parts[0])) for i in range(2))
    rows = [
        (kind, *(", ".join(_number(part.get((axis, kind))) for part in parts) for axis in axes))
        for kind in kinds
    ]
    yield from _table(("", *axes), rows)


def _peers(rivals: Mapping[str, Sequence[Scores]]) -> Iterator[str]:
    n_seeds = max(len(by_seed) for by_seed in rivals.values())
    yield f"### Peers on the same bytes ({n_seeds} seeds each: GOSPA m / id switches / ms per scan)"
    yield ""
    means = {
        kind: {name: peers_mean_of([scores[name] for scores in by_seed]) for name in by_seed[0]}
        for kind, by_seed in rivals.items()
    }
    names = [name for name in next(iter(means.values())) if name != DEFAULTS]
    rows = [
        (
            name,
            *(
                f"{of[name].gospa_m:.3f} / {of[name].switches:g} / {of[name].scan_s * 1e3:.2f}"
                for of in means.values()
            ),
        )
        for name in [OURS, DEFAULTS, *names[1:]]
    ]
    yield from _table(("", *means), rows)
    yield ""
    yield "![GOSPA of each tracker by kind of traffic](fusion-peers.svg)"


def _costs(lines: Sequence[Line]) -> Iterator[Line]:
    costs = (
        "fusion.cv",
        "fusion.polar",
        "fusion.scan",
        "fusion.late",
        "fusion.ready",
        "replay.",
        "fusion.peer",
    )
    for line in lines:
        if line.name.startswith(costs) and (".peer." not in line.name or ".speed." in line.name):
            yield line


def _line_row(line: Line) -> Row:
    ratio = "" if line.ratio is None else _number(line.ratio)
    return line.name, f"{_number(line.value)} {line.unit}".rstrip(), line.peer or "", ratio


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if abs(value) >= 100.0 else f"{value:.3g}"


def _table(head: Row, rows: Sequence[Row]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
