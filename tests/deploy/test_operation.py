"""The page of operation agrees with the code, and `petroroad targets` with the site file."""

import json
from pathlib import Path

import pytest

from edge.config import parse_site
from edge.histograms import BOUNDS_S
from edge.latency import Kind, Stage
from edge.metric_names import METRICS
from petroroad.cli import run
from petroroad.commands.targets import Target, targets_of
from tests.deploy.test_alerts import ROOT
from tests.support.centre_road import MAP, SITE
from tests.support.centre_site import write_site

PAGE = (ROOT / "docs" / "operation.md").read_text(encoding="utf-8")


def rows(head: str) -> list[list[str]]:
    lines = PAGE[PAGE.index(f"\n| {head} |") + 1 :].splitlines()[2:]
    table = lines[: next(i for i, line in enumerate(lines) if not line.startswith("|"))]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_each_metric_has_its_row() -> None:
    found = {}
    for names, kind, parts, labels, help_ in rows("metric"):
        for name in names.replace("`", "").split(", "):
            found[name] = (kind, parts, labels, help_)
    assert set(found) == set(METRICS)
    for name, about in METRICS.items():
        kind, parts, labels, help_ = found[name]
        assert (kind, parts) == (about.kind, ", ".join(about.parts))
        assert labels.replace("`", "").replace("–", "") == ", ".join(about.labels)
        assert help_ == about.help or name.startswith(("rsus_", "gateways_"))


def test_each_stage_and_kind_is_told() -> None:
    assert [row[0].strip("`") for row in rows("stage")] == list(Stage.__args__)
    assert all(f"`{kind}`" in PAGE for kind in Kind.__args__)
    assert (BOUNDS_S[0], BOUNDS_S[-1]) == (0.001, 60.0)


def test_the_targets_of_a_site_are_its_health_addresses() -> None:
    text = SITE.replace('id = "GW1"', 'id = "GW1"\nhealth = "10.0.0.5:9102"').replace(
        'esn = "RSU002"', 'esn = "RSU002"\nhealth = "10.0.1.2:9101"'
    )
    text += '[standby]\nid = "second"\nhealth = "10.0.0.6:9103"\n'
    site = parse_site(text, MAP, None, "site.toml", {})
    assert list(targets_of(site)) == [
        Target("10.0.1.2:9101", "rsu", "RSU002"),
        Target("10.0.0.5:9102", "gateway", "GW1"),
        Target("127.0.0.1:8080", "centre", "centre"),  # no health: the page's address
        Target("10.0.0.6:9103", "centre", "second"),
    ]


def test_the_file_is_what_file_sd_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = write_site(tmp_path, broker="127.0.0.1:1", http="127.0.0.1:8123")
    out = tmp_path / "petroroad.json"
    assert run(["targets", "--config", str(site), "--broker", "127.0.0.1:9107", "--out", str(out)]) == 0
    assert json.loads(out.read_text()) == [
        {"targets": ["127.0.0.1:8123"], "labels": {"part": "centre", "unit": "centre"}},
        {"targets": ["127.0.0.1:9107"], "labels": {"part": "broker", "unit": "broker"}},
    ]
    assert sorted(path.name for path in tmp_path.glob("petroroad*")) == ["petroroad.json"]
    assert run(["targets", "--config", str(site)]) == 0
    assert json.loads(capsys.readouterr().out)[0]["labels"]["part"] == "centre"
    assert run(["targets", "--config", str(site), "--broker", "nonsense"]) == 2
    assert run(["targets", "--config", str(site), "--worker", "127.0.0.1:9108"]) == 0
    assert json.loads(capsys.readouterr().out)[-1] == {
        "targets": ["127.0.0.1:9108"], "labels": {"part": "worker", "unit": "worker"},
    }  # fmt: skip
    assert run(["targets", "--config", str(site), "--worker", "w1=127.0.0.1:9108"]) == 0
    assert json.loads(capsys.readouterr().out)[-1]["labels"] == {"part": "worker", "unit": "w1"}
    assert run(["targets", "--config", str(site), "--worker", "9108"]) == 2
    assert run(["targets", "--config", str(site), "--out", str(out / "x.json")]) == 2, "as other tools say it"
    assert run(["targets", "--config", str(site), "--out", str(site)]) == 2, "the site file stays"
