"""No tool writes over what it reads, and each says at once where it can't write."""

import pytest
from mcap.writer import Writer

from edge.recording.recorder import Recorder, read_messages
from petroroad.__main__ import main
from petroroad.commands.running import check_output
from tests.support.demo_run import ROOT

NMEA = ROOT / "tests" / "data" / "nmea_cold_start.txt"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "r.mcap"
    assert main(["sim", "run", "--duration", "1", "--rsus", "RSU-23", "--record", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def replayed(recorded):
    path = recorded.with_name("o.mcap")
    assert main(["replay", str(recorded), "--out", str(path)]) == 0
    return path


@pytest.mark.parametrize(
    ("arguments", "source"),
    [
        (["replay", "{}", "--out", "link"], None),
        (["import", "nmea", "{}", "--out", "link"], NMEA),
        (["recording", "export", "--geojson", "{}", "link"], None),
    ],
)
def test_a_tool_leaves_what_it_reads_alone(recorded, tmp_path, capsys, monkeypatch, arguments, source):
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "mine"
    before = (source or recorded).read_bytes()
    mine.write_bytes(before)
    (tmp_path / "link").symlink_to(mine)
    assert main([word.format(mine) for word in arguments]) == 2
    assert "itself" in capsys.readouterr().err
    assert mine.read_bytes() == before


def writers(recorded, out):
    return [
        ["replay", str(recorded), "--out", out],
        ["import", "nmea", str(NMEA), "--out", out],
        ["recording", "recover", str(recorded), out],
        ["recording", "export", "--geojson", str(recorded), out],
        ["sim", "run", "--duration", "1", "--record", out],
        ["sim", "run", "--duration", "1", "--truth", out],
    ]


@pytest.mark.parametrize("number", range(6))
def test_a_place_that_can_not_be_written_is_wrong_use(recorded, capsys, number):
    assert main(writers(recorded, "/proc/petroroad.out")[number]) == 2
    shown = capsys.readouterr().err
    assert "/proc/petroroad.out: can't be written: " in shown
    assert len(shown.splitlines()) == 1


@pytest.mark.parametrize("number", [0, 1, 3, 4, 5])  # recover writes new files only
def test_what_a_full_disk_did_not_store_is_a_failure(recorded, capsys, number):
    """/dev/full takes nothing; a tool that ends well has written its file whole."""
    assert main(writers(recorded, "/dev/full")[number]) == 1
    assert "No space left" in capsys.readouterr().err


def test_record_and_truth_are_two_files(tmp_path, capsys):
    path = str(tmp_path / "r.mcap")
    assert main(["sim", "run", "--duration", "1", "--record", path, "--truth", path]) == 2
    assert "the same file" in capsys.readouterr().err


def test_recovering_another_program_s_recording_keeps_its_topics(tmp_path):
    with (tmp_path / "r.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start()
        schema = writer.register_schema("s", "jsonschema", b"{}")
        writer.add_message(writer.register_channel("weird", "json", schema), 1, b"{}", 1)
        writer.finish()
    assert main(["recording", "recover", str(tmp_path / "r.mcap"), str(tmp_path / "o.mcap")]) == 0
    assert [
        (message.topic, message.encoding) for message in read_messages(tmp_path / "o.mcap", foreign=True)
    ] == [("weird", "json")]


def test_a_recording_without_tracks_has_no_score(recorded, capsys):
    assert main(["score", str(recorded)]) == 1
    assert "replay it with --out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["replay", "{}", "{}"], "named twice"),
        (["replay", "{}", "--rate", "0"], "--rate 0: must be"),
        (["recording", "export", "--geojson", "."], ".: no recording in it"),
        (["sim", "run", "--rsus", "RSU-23,RSU-23"], "named twice"),
        (["sim", "run", "--health", "here"], "--health here: must be HOST:PORT"),
        (["sim", "run", "--duration", "inf"], "inf"),
        (["sim", "run", "--noise", "inf"], "inf"),
    ],
)
def test_wrong_use_is_reported(recorded, capsys, arguments, says):
    assert main([word.format(recorded) for word in arguments]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("topic", ["/site", "/tracks/RSU-23", "/truth", "/violation/RSU-23"])
def test_a_message_that_can_not_be_read_is_reported(replayed, tmp_path, capsys, topic):
    path = tmp_path / "r.mcap"
    with Recorder(path) as recorder:
        for message in read_messages(replayed):
            body = message.body if message.topic != topic else b"\xc1"
            recorder.write(message.topic, body, message.log_ns)
        if topic.startswith("/violation"):
            recorder.write(topic, b"\xc1", message.log_ns)
    capsys.readouterr()
    assert main(["score", str(path)]) == 1
    assert "can't be read" in capsys.readouterr().err
    assert main(["recording", "info", str(path)]) == 0
    assert ("its /site can't be read" in capsys.readouterr().out) is (topic == "/site")


def test_a_link_to_what_is_not_there_yet_stays(recorded, tmp_path):
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to(target)
    check_output(link, recorded)
    assert link.is_symlink()
    assert not target.exists()
