"""`petroroad commission` on a short foreign recording, and what it refuses."""

import json
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from petroroad.cli import run
from petroroad.commands import commission
from petroroad.commissioning.checks import commissioned
from tests.support.foreign.generate import generate
from tests.support.foreign.scenario import SCENARIOS
from tests.support.foreign.tape import record


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("commission") / "easy.mcap"
    record(generate(replace(SCENARIOS["easy"], duration_s=20.0), 5), path)
    return path


def command(capsys, *arguments):
    status = run(["commission", *map(str, arguments)])
    out, err = capsys.readouterr()
    return status, out, err


def test_it_prints_verdict_checks_and_lines_and_draws(recording, tmp_path, capsys):
    plot = tmp_path / "radar.svg"
    status, out, err = command(capsys, "F1U", recording, "--plot", plot)
    assert status == 1
    assert "radar F1U: undecided" in err
    assert "survey: across, far" in out
    assert "record more traffic" in out
    assert "heading_deg = " not in out, "an undecided error is not to be put in place of the survey's"
    assert ET.parse(plot).getroot().tag.endswith("svg")


@pytest.mark.parametrize(
    ("wrong", "verdict", "said", "accepted"),
    [
        ({}, "accepted", "with what was found taken off", "true"),
        ({"survey: along": "rejected"}, "rejected", "commission again with --site FILE", "false"),
        ({"survey: along": "rejected", "timing": "undecided"}, "rejected", "with --site FILE", "false"),
        ({"survey: time": "rejected"}, "rejected", "put right first: survey: time.", None),
        (
            {"survey: along": "rejected", "mounting": "rejected"},
            "rejected",
            "put right first: mounting.",
            None,
        ),
        ({"traffic": "undecided"}, "undecided", "record more traffic", None),
    ],
)
def test_lines_are_printed_where_they_are_worth_copying(
    recording, capsys, monkeypatch, wrong, verdict, said, accepted
):
    def judged(passes, pose):
        found = commissioned(passes, pose)
        checks = [replace(check, verdict=wrong.get(check.name, "accepted")) for check in found.checks]
        return replace(found, checks=checks)

    monkeypatch.setattr(commission, "commissioned", judged)
    status, out, _ = command(capsys, "F1U", recording)
    assert status == (verdict != "accepted")
    assert f"radar F1U: {verdict}" in out
    assert said in out
    lines = dict(line.split("  #")[0].split(" = ") for line in out.splitlines() if " = " in line)
    if accepted is None:
        assert lines == {}
    else:
        assert lines["accepted"] == accepted
        assert 0.2 <= float(lines["sigma_place_m"]) < 5.0, "0.2 m along is what the model leaves out"
        assert 0.0 < float(lines["sigma_heading_deg"]) < 5.0


def test_json_has_each_estimate_with_its_sigma(recording, capsys):
    _, out, _ = command(capsys, "F1U", recording, "--json")
    found = json.loads(out)
    assert found["estimate"].keys() == found["sigma"].keys() == {
        "forward_m", "left_m", "rotation_deg", "time_s", "range_m", "share",
    }  # fmt: skip
    assert abs(found["estimate"]["rotation_deg"]) < 4.0 * found["sigma"]["rotation_deg"] + 0.1


def test_what_is_not_there_is_named(recording, tmp_path, capsys):
    status, _, err = command(capsys, "F9", recording)
    assert status != 0
    assert "no radar F9; it has: F0D, F0U" in err
    status, _, err = command(capsys, "F1U", recording, recording)
    assert status != 0
    assert "hold scans of F1U at the same time" in err
    status, _, err = command(capsys, "F1U", tmp_path / "none.mcap")
    assert status != 0
    assert "no such recording" in err
