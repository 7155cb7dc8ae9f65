"""`petroroad commission` on a short foreign recording, and what it refuses."""

import json
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from petroroad.cli import run
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
    assert "heading_deg = " in out
    assert "accepted = false" in out
    assert ET.parse(plot).getroot().tag.endswith("svg")


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
