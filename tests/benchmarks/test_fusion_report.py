"""The report of docs/fusion.md and the names of the figures."""

import re

from benchmarks.fusion import boards, peers, report
from benchmarks.fusion.boards import NAMES, Scored
from benchmarks.fusion.peers import DEFAULTS, FILTERPY, GNN, OURS
from benchmarks.fusion.scenes import SceneScore
from benchmarks.harness import Line
from petroroad.scoring.consistency import AXES, CLASSES
from petroroad.scoring.tracks import TrackScore

KEYS = {key: 1.0 for key, value in TrackScore().figures().items() if not isinstance(value, dict | list)}
FIGURES = KEYS | {"bindings": 3, "bindings_wrong": 1, "owned_twice": 0}
FIGURES |= {"nees": {kind: {"n": 2} | dict.fromkeys(AXES, 0.5) for kind in CLASSES}}
BOARDS = [Scored(name, FIGURES, (7, 1, 0), 1.0) for name in NAMES]
SCORE = SceneScore(gospa_m=1.5, located_m=0.3, missed=0.0, false=0.0, switches=1, scan_s=1e-3)
SCORES = {OURS: SCORE, DEFAULTS: SCORE, FILTERPY: SCORE._replace(gospa_m=3.0)}

MEASURED = report.Measured(BOARDS, {"easy": [SCORES]}, {"as it ships": BOARDS[0]})


def test_a_report_that_is_written_again_is_the_same(tmp_path):
    path = tmp_path / "fusion.md"
    path.write_text(
        f"# Before\n\n{report.BEGIN}\nstale figures\n{report.END}\n\n## After\n", encoding="utf-8"
    )
    lines = [Line("fusion.scan.n300", 0.1, "ms"), Line("fusion.scan.n1000", 0.4, "ms"), *_lines()]
    written = []
    for _ in range(2):
        report.write(tmp_path, lines, MEASURED)
        written.append({file.name: file.read_bytes() for file in sorted(tmp_path.iterdir())})
    assert written[0] == written[1]
    assert set(written[0]) == {"fusion.md", "fusion-peers.svg", "fusion-scans.svg", "fusion-scenarios.svg"}
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# Before\n")
    assert text.endswith("## After\n")
    assert "stale figures" not in text
    assert re.search(r"Measured with the code of commit ([0-9a-f]{7,} of \d{4}-\d\d-\d\d|unknown),", text)


def _lines():
    return [*boards.lines_of(BOARDS), *peers.lines_of("easy", [SCORES])]


IDENTITY = ("precision", "recall", "wrong", "bind_s_p90", "within_five_reports")


def test_a_figure_that_misses_its_goal_is_bold():
    assert report._with_goal(0.985, 0.99) == "**0.985** (0.99)"
    assert report._with_goal(0.992, 0.99) == "0.992 (0.99)"
    assert report._with_goal(3.2, 3.0, at_least=False) == "**3.2** (3)"
    assert report._with_goal(None, 0.99) == report._number(None)


def test_each_scenario_has_its_figures():
    names = {line.name for line in _lines()}
    for name in NAMES:
        wanted = {f"fusion.{key}.{name}" for key in ("gospa", "switches_per_h", "lateral.p95")}
        wanted |= {f"fusion.identity.{key}.{name}" for key in IDENTITY}
        assert wanted <= names
    assert {f"fusion.nees.{axis}.{kind}" for axis in AXES for kind in CLASSES} <= names


def test_a_peer_that_is_not_installed_is_named():
    lines = {line.name: line for line in peers.lines_of("easy", [SCORES])}
    assert lines["fusion.peer.easy"].peer == f"{FILTERPY} ({peers.MISSING})"
    assert lines["fusion.peer.easy"].ratio == 2.0
    assert lines["fusion.peer.easy.speed.gnn"].ratio is None
    with_it = {line.name: line for line in peers.lines_of("easy", [SCORES | {GNN: SCORE}])}
    assert with_it["fusion.peer.easy"].ratio == 1.0
    assert with_it["fusion.peer.easy.speed.gnn"].ratio == 1.0
