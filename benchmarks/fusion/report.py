"""The report of docs/fusion.md: tables between two marks, written anew by each long run; its plots."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.fusion import plots
from benchmarks.fusion.boards import Scored, by_scenario, mean_of, nees_of
from benchmarks.fusion.peers import DEFAULTS, OURS, Scores
from benchmarks.fusion.peers import mean_of as peers_mean_of
from benchmarks.harness import Line

BEGIN = "<!-- written by python -m benchmarks.fusion; what is between the marks is replaced -->"
END = "<!-- end of what is written by python -m benchmarks.fusion -->"
GOALS = {  # of the issue: GOSPA, false, missed, switches per vehicle-hour, precision, recall, lateral p95
    "easy": (3.0, 0.5, 0.3, 2.0, 0.985, 0.985, 0.45),
    "hard": (5.0, 1.0, 0.5, 5.0, 0.97, 0.97, 0.75),
    "platoon": (6.5, 2.2, 1.0, 8.0, 0.98, 0.98, 0.58),
    "dark": (4.0, 0.8, 0.3, 3.0, 0.97, 0.98, None),
    "handover": (4.0, 0.6, 0.4, 12.0, 0.98, 0.97, None),
    "easy-bodies": (4.5, 1.5, 0.4, 8.0, 0.96, 0.96, None),
    "hard-bodies": (7.0, 2.5, 0.8, 15.0, 0.96, 0.96, None),
    "platoon-bodies": (9.0, 4.0, 1.5, 15.0, 0.96, 0.96, None),
}
KEYS = (
    "gospa_m", "false_per_frame", "missed_per_frame", "id_switches_per_vehicle_hour", "identity_precision",
    "identity_recall", "lateral_m_p95",
)  # fmt: skip
AT_LEAST = ("identity_precision", "identity_recall")
Row = Sequence[str]


def write(
    docs: Path, lines: Sequence[Line], boards: Sequence[Scored], rivals: dict[str, list[Scores]]
) -> None:
    """Replace the report in docs/fusion.md and its plots."""
    path = docs / "fusion.md"
    text = path.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    body = "\n".join(_report(lines, boards, rivals))
    path.write_text(f"{head.rstrip()}\n\n{BEGIN}\n{body}\n{END}\n{tail.lstrip()}", encoding="utf-8")
    plots.scenarios(docs / "fusion-scenarios.svg", boards, {name: goal[0] for name, goal in GOALS.items()})
    plots.rivals(docs / "fusion-peers.svg", rivals)
    plots.scans(docs / "fusion-scans.svg", lines)


def _report(
    lines: Sequence[Line], boards: Sequence[Scored], rivals: dict[str, list[Scores]]
) -> Iterator[str]:
    n_seeds = max(len(rows) for rows in by_scenario(boards).values())
    yield ""
    yield f"### Scenarios ({n_seeds} seeds each, means; bold: the goal, in brackets, is missed)"
    yield ""
    yield from _table(
        ("", "GOSPA m", "false", "missed", "switches/h", "precision", "recall", "lateral p95 m"),
        [_scenario_row(name, rows) for name, rows in by_scenario(boards).items()],
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
        [_identity_row(name, rows) for name, rows in by_scenario(boards).items()],
    )
    yield ""
    yield "### NEES by axis: points, bodies (1 is honest)"
    yield ""
    yield from _nees(boards)
    yield ""
    yield from _peers(rivals)
    yield ""
    yield "### Cost"
    yield ""
    yield from _table(
        ("figure", "value", "against", "times better"), [_line_row(line) for line in _costs(lines)]
    )
    yield ""
    yield "![time of a scan by the number of tracks](fusion-scans.svg)"
    yield ""


def _scenario_row(name: str, rows: Sequence[Scored]) -> Row:
    mean, cells = mean_of(rows), [name]
    for key, goal in zip(KEYS, GOALS[name], strict=True):
        value = mean[key]
        shown = _number(value)
        if goal is not None and value is not None:
            missed = value < goal if key in AT_LEAST else value > goal
            shown = f"**{shown}** ({goal:g})" if missed else f"{shown} ({goal:g})"
        cells.append(shown)
    return cells


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
        _number(mean["bound_within_five_reports"]),
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


def _peers(rivals: dict[str, list[Scores]]) -> Iterator[str]:
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
    ratio = "" if line.ratio is None else f"{line.ratio:.3g}"
    return f"`{line.name}`", f"{_number(line.value)} {line.unit}".rstrip(), line.peer or "", ratio


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _table(head: Row, rows: Sequence[Row]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
