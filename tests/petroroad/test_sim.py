"""`petroroad sim run`: what it prints, what it refuses."""

import json
from pathlib import Path

import pytest

from core.errors import CommandError, ConfigError
from edge.config import parse_site
from edge.recording.recorder import read_messages
from edge.wire import decode_site
from petroroad.commands.sim import run


def test_a_recorded_run_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, truth = tmp_path / "r.mcap", tmp_path / "t.mcap"
    assert run("panjin", seed=3, duration=1.0, record=path, truth=truth, rsus="RSU-23", as_json=True) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["rsus"] == ["RSU-23"]
    assert shown["counts"]["radar.scans"] == 40
    assert sum(m.topic.startswith("/radar") for m in read_messages(path)) == 40
    assert {m.topic for m in read_messages(truth)} == {"/site", "/truth"}


def test_a_paced_run_lasts_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(duration=0.5, rate="1000", rsus="RSU-23") == 0
    assert "duration_s" in capsys.readouterr().out


@pytest.mark.parametrize("rate", ["-1", "fast", "0"])
def test_a_rate_that_is_none_is_refused(rate: str) -> None:
    with pytest.raises(CommandError, match="rate"):
        run(duration=0.5, rate=rate)


def test_an_unknown_unit_or_scenario_is_refused() -> None:
    with pytest.raises(ConfigError, match="RSU-99"):
        run(duration=0.5, rsus="RSU-99")
    with pytest.raises(ConfigError, match="no such scenario"):
        run("mars", duration=0.5)


@pytest.mark.parametrize(("scenario", "sigmas"), [("panjin", {0.0}), ("board_hard", {None})])
def test_a_recording_calls_surveys_exact_only_where_they_are(
    tmp_path: Path, scenario: str, sigmas: set[float | None]
) -> None:
    path = tmp_path / "r.mcap"
    assert run(scenario, duration=0.1, record=path, rsus="RSU-23") == 0
    (record,) = [decode_site(m.body) for m in read_messages(path) if m.topic == "/site"]
    poses = parse_site(record.config, record.map, record.registry, "/site").radar_poses("RSU-23")
    assert {pose.sigma_place_m for pose in poses} == {pose.sigma_boresight_rad for pose in poses} == sigmas


@pytest.mark.parametrize(
    ("scenario", "reflects"),
    [
        ("panjin", "bodies"),
        ("rules", "bodies"),  # it is driven against the shipped site, which was commissioned so
        ("board_easy", "centres"),  # it said bodies: trucks were five metres behind, and radars were moved
    ],
)
def test_a_recording_states_what_its_radars_reflect(tmp_path: Path, scenario: str, reflects: str) -> None:
    path = tmp_path / "r.mcap"
    assert run(scenario, duration=0.1, record=path, rsus="RSU-23") == 0
    (record,) = [decode_site(m.body) for m in read_messages(path) if m.topic == "/site"]
    poses = parse_site(record.config, record.map, record.registry, "/site").radar_poses("RSU-23")
    assert {pose.reflects for pose in poses} == {reflects}
