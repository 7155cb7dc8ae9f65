"""`petroroad import`, `replay` and `score` on what was imported, as a user types them."""

import json
from pathlib import Path

import pytest

from petroroad.__main__ import main

DATA = Path(__file__).parents[1] / "data"
STANDS_MPS = 0.5


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict:
    assert main([str(argument) for argument in arguments]) == 0
    found: dict = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize(("kind", "file", "messages", "tracks"), [
    ("nmea", "nmea_cold_start.txt", 5, 1),
    ("openv2x-radar", "openv2x_radar.json", 13, 12),
])  # fmt: skip
def test_import_replays_without_a_site_file(tmp_path, capsys, kind, file, messages, tracks):
    out = tmp_path / "r.mcap"
    shown = run(capsys, "import", kind, DATA / file, "--out", out, "--json")
    assert shown["rejected" if kind == "nmea" else "faults"]
    replayed = run(capsys, "replay", out, "--json")
    assert (replayed["observations"], replayed["tracks"]) == (messages, tracks)
    again = run(capsys, "replay", out, "--rate", "100", "--json", "--expect", replayed["digest"])
    assert again["digest_tracks"] == replayed["digest_tracks"]


def test_standing_targets_of_the_pole_radar_stay_tracks_that_stay(tmp_path, capsys):
    from edge.recording.recorder import read_messages
    from edge.wire import decode_snapshot, records_of

    out = tmp_path / "o.mcap"
    run(capsys, "replay", DATA / "golden" / "openv2x_radar.mcap", "--out", out, "--json")
    bodies = [m.body for m in read_messages(out) if m.topic.startswith("/tracks/")]
    last = records_of(decode_snapshot(bodies[-1]))
    assert len(last) == 45  # 44 stand, one drives
    assert (last["speed_cmps"] / 100.0 < STANDS_MPS).sum() == 44


def test_us101_is_tracked(tmp_path, capsys):
    out = tmp_path / "o.mcap"
    run(capsys, "replay", DATA / "golden" / "us101.mcap", "--out", out, "--json")
    figures = run(capsys, "score", out, "--json")
    assert figures["frames"] == 32
    assert figures["gospa_m"] < 5.0  # its site does not state that the radar reports centres
    assert figures["gospa_m_p50"] < 4.5  # once all twelve are confirmed: 1.2 m each along the road
    assert figures["id_switches"] == 0
    assert figures["lateral_rmse_m"] < 0.4
    assert 0.2 < figures["anees_lateral"] < 2.0  # three seconds do not show how good the survey was
    assert figures["missed_outside_cover_per_frame"] == 0.0


def test_score_reads_the_truth_from_another_file(tmp_path, capsys):
    out = tmp_path / "o.mcap"
    recording = DATA / "golden" / "us101.mcap"
    run(capsys, "replay", recording, "--out", out, "--json")
    assert run(capsys, "score", out, "--truth", recording, "--json") == run(capsys, "score", out, "--json")


def test_score_of_a_replay_in_process_agrees_and_has_nees_on_every_axis(tmp_path, capsys):
    out = tmp_path / "o.mcap"
    recording = DATA / "golden" / "us101.mcap"
    run(capsys, "replay", recording, "--out", out, "--json")
    recorded, replayed = (
        run(capsys, "score", out, "--json"),
        run(capsys, "score", recording, "--replay", "--json"),
    )
    nees = recorded.pop("nees"), replayed.pop("nees")
    assert replayed == {key: pytest.approx(value, abs=0.02) for key, value in recorded.items()}
    assert [row["n"] for row in nees[0].values()] == [row["n"] for row in nees[1].values()]
    row = nees[1]["radar_nameless"]
    assert all(0.01 < row[axis] < 3.0 for axis in ("along", "across", "v_along", "v_across", "state"))
    assert main(["score", str(recording), "--replay"]) == 0
    text = capsys.readouterr().out
    assert "\nfalse tracks and why\n" in text
    assert f"  {'radar_nameless':29} {row['n']:>9} {row['along']:>9.4g}" in text


def test_score_of_outputs_alone_can_not_be_replayed(tmp_path, capsys):
    out = tmp_path / "o.mcap"
    run(capsys, "replay", DATA / "golden" / "us101.mcap", "--out", out, "--json")
    assert main(["score", str(out), "--replay"]) == 1
    assert "it holds no inputs" in capsys.readouterr().err


@pytest.mark.parametrize(("kind", "content", "says"), [
    ("openv2x-radar", b"<xml/>", "no record with a sound target"),
    ("ngsim-commonroad", b"{}", "no CommonRoad scenario"),
])  # fmt: skip
def test_file_of_another_kind_is_one_line_and_no_traceback(tmp_path, capsys, kind, content, says):
    source = tmp_path / "x"
    source.write_bytes(content)
    assert main(["import", kind, str(source), "--out", str(tmp_path / "r.mcap")]) == 1
    shown = capsys.readouterr().err
    assert says in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize(
    ("log", "status", "says"),
    [
        (b"no log", 1, "no position at all: nmea.no_sentence 1"),
        (b"$GPGGA,120000.00,4052.0,N,12203.0,E,1,05,1.9,4.4,M,7.1,M,,*55\r\n", 1, "nmea.no_date 1"),
        ((DATA / "devices" / "n3_rmc_simulator_mode.nmea").read_bytes(), 0, "nmea.simulated 5"),
    ],
)
def test_log_without_a_fix_says_why(tmp_path, capsys, log, status, says):
    source = tmp_path / "log"
    source.write_bytes(log)
    assert main(["import", "nmea", str(source), "--out", str(tmp_path / "r.mcap"), "--json"]) == status
    shown = capsys.readouterr()
    assert says in shown.err
    assert json.loads(shown.out)["fixes"] == 0


def test_missing_file_and_missing_option_are_reported(tmp_path, capsys):
    assert main(["import", "nmea", str(tmp_path / "none"), "--out", str(tmp_path / "r.mcap")]) == 2
    assert "no such file" in capsys.readouterr().err
    assert main(["import", "nmea", str(DATA / "nmea_cold_start.txt")]) == 2
    for option in (["--noise", "nan"], ["--noise", "-1"], ["--terminals", "-5"]):
        source, out = str(tmp_path / "none"), str(tmp_path / "r.mcap")
        assert main(["import", "ngsim-commonroad", source, "--out", out, *option]) == 2
        assert option[0] in capsys.readouterr().err
