"""Three small plots of the report, as SVG that is equal for equal figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.fusion.boards import Scored, by_scenario, mean_of
from benchmarks.fusion.peers import Scores
from benchmarks.fusion.peers import mean_of as peers_mean_of
from benchmarks.harness import Line

WIDTH_IN = 7.0
mpl.rcParams |= {"svg.hashsalt": "petroroad", "svg.fonttype": "none", "font.size": 8.0}


def scenarios(path: Path, boards: Sequence[Scored], goals: Mapping[str, float]) -> None:
    """Draw GOSPA of each recording, and the goal of each scenario as a line."""
    figure = Figure((WIDTH_IN, 2.6), layout="constrained")
    axes = figure.subplots()
    for i, (name, rows) in enumerate(by_scenario(boards).items()):
        axes.bar(i, mean_of(rows)["gospa_m"] or 0.0, 0.6, color="#7aa6c2")
        axes.plot([i] * len(rows), [row.figures["gospa_m"] for row in rows], "k.", markersize=3)
        axes.plot([i - 0.4, i + 0.4], [goals[name]] * 2, color="#b03a2e")
    names = list(by_scenario(boards))
    axes.set_xticks(range(len(names)), [name.replace("-", "\n") for name in names])
    axes.set_ylabel("GOSPA (c 5 m, p 2), goal red")
    _save(figure, path)


def rivals(path: Path, by_kind: Mapping[str, Sequence[Scores]]) -> None:
    """Draw GOSPA of each tracker in each kind of traffic: the mean, and each seed."""
    figure = Figure((WIDTH_IN, 2.6), layout="constrained")
    axes = figure.subplots()
    names = list(next(iter(by_kind.values()))[0])
    width = 0.8 / len(names)
    for i_name, name in enumerate(names):
        for i_kind, by_seed in enumerate(by_kind.values()):
            x = i_kind + (i_name - (len(names) - 1) / 2.0) * width
            runs = [scores[name] for scores in by_seed]
            axes.bar(
                x,
                peers_mean_of(runs).gospa_m,
                0.9 * width,
                color=f"C{i_name}",
                label=None if i_kind else name,
            )
            axes.plot([x] * len(runs), [run.gospa_m for run in runs], "k.", markersize=2)
    axes.set_xticks(range(len(by_kind)), list(by_kind))
    axes.set_ylabel("GOSPA (c 5 m, p 2)")
    axes.legend(fontsize=7.0)
    _save(figure, path)


def scans(path: Path, lines: Sequence[Line]) -> None:
    """Draw the median time of a scan by the number of tracks, and constant cost per track beside it."""
    found = {
        int(line.name.rpartition(".n")[2]): line.value
        for line in lines
        if line.name.startswith("fusion.scan.n") and line.value is not None
    }
    figure = Figure((WIDTH_IN / 2.0, 2.4), layout="constrained")
    axes = figure.subplots()
    sizes = sorted(found)
    axes.loglog(sizes, [found[n] for n in sizes], "o-", label="a scan")
    axes.loglog(sizes, [found[sizes[0]] / sizes[0] * n for n in sizes], ":", label="as many times the first")
    axes.set_xlabel("tracks")
    axes.set_ylabel("ms")
    axes.legend()
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None, "Creator": None})
