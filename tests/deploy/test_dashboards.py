"""The Grafana dashboards: valid by Grafana's own schema, and about metrics that our processes serve."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from edge.metric_names import METRICS, PREFIX
from tests.deploy.test_alerts import ROOT, promtool

FILES = sorted((ROOT / "deploy" / "grafana").glob("*.json"))
BOARDS: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text("utf-8")) for path in FILES}
OF_PROCESS = {
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
    "up",
}  # the library's, Prometheus'


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def expressions(board: dict[str, Any]) -> list[str]:
    """Return the queries of a dashboard, its variables filled in as Grafana would."""
    found = [target["expr"] for panel in panels(board) for target in panel["targets"]]
    filled = {"$__rate_interval": "1m", "$unit": "RSU-1", "$rsu": "RSU-1"}
    for name, value in filled.items():
        found = [text.replace(name, value) for text in found]
    assert not [text for text in found if "$" in text]
    return found


def test_there_are_the_four() -> None:
    assert set(BOARDS) == {"petroroad-centre", "petroroad-delivery", "petroroad-road", "petroroad-rsu"}


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_is_what_grafanas_schema_knows(name: str) -> None:
    """Read by Grafana's own models and written again: what they don't know would be missing."""
    register_default_plugins()
    back = json.loads(JSONEncoder().encode(Dashboard.from_json(BOARDS[name])))
    assert _missing(BOARDS[name], back, name) == []


def _missing(given: Any, back: Any, at: str) -> list[str]:
    """Return where `back` lacks something of `given`; defaults that were added are no fault."""
    if isinstance(given, dict) and isinstance(back, dict):
        absent = [f"{at}.{key}" for key in given if key not in back]
        return absent + [
            each for key in given if key in back for each in _missing(given[key], back[key], f"{at}.{key}")
        ]
    if isinstance(given, list) and isinstance(back, list) and len(given) == len(back):
        return [
            e for i, (a, b) in enumerate(zip(given, back, strict=True)) for e in _missing(a, b, f"{at}[{i}]")
        ]
    return [] if given == back else [at]


def test_the_schema_notices_a_field_that_it_does_not_know() -> None:
    wrong = json.loads(json.dumps(BOARDS["petroroad-road"]))
    next(p for p in wrong["panels"] if p["type"] == "stat")["fieldConfig"]["defaults"]["unitt"] = "s"
    register_default_plugins()
    back = json.loads(JSONEncoder().encode(Dashboard.from_json(wrong)))
    assert [at.rpartition(".")[2] for at in _missing(wrong, back, "x")] == ["unitt"]


@pytest.mark.parametrize("name", BOARDS)
def test_panels_lie_beside_each_other_and_have_what_they_need(name: str) -> None:
    board = BOARDS[name]
    assert board["uid"] == name
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    for panel in panels(board):
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["fieldConfig"]["defaults"]["unit"]
    named = {row["name"] for row in board["templating"]["list"]}
    used = set(re.findall(r"\$(\w+)", " ".join(t["expr"] for p in panels(board) for t in p["targets"])))
    assert used - {"__rate_interval"} <= named


def test_each_query_is_promql(tmp_path: Path) -> None:
    rules = [
        {"record": f"q:{i}", "expr": text}
        for i, text in enumerate(text for board in BOARDS.values() for text in expressions(board))
    ]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run([promtool(), "check", "rules", str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(rules) > 60


@pytest.mark.parametrize("name", BOARDS)
def test_each_metric_and_label_of_a_query_is_one_of_ours(name: str) -> None:
    variables = [
        row["query"]["query"] for row in BOARDS[name]["templating"]["list"] if row["type"] == "query"
    ]
    for text in (*expressions(BOARDS[name]), *variables):
        for metric, _, labels in re.findall(r"\b((?:petroroad|process)_\w+|up)(\{([^}]*)\})?", text):
            known = re.sub(r"_(bucket|count|sum)$", "", metric).removeprefix(PREFIX)
            assert metric in OF_PROCESS or known in METRICS, metric
            own = () if metric in OF_PROCESS else METRICS[known].labels
            asked = set(re.findall(r"(\w+)\s*=?[=~!]", labels))
            assert asked <= {*own, "part", "unit", "instance", "le"}, text


def test_prometheus_accepts_its_configuration(tmp_path: Path) -> None:
    for name in ("prometheus.yml", "alerts.yml"):
        (tmp_path / name).write_bytes((ROOT / "deploy" / name).read_bytes())
    (tmp_path / "petroroad.json").write_text("[]")
    done = subprocess.run(
        [promtool(), "check", "config", str(tmp_path / "prometheus.yml")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
