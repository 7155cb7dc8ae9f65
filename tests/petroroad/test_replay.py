"""What `petroroad replay` tells of several recordings."""

from pathlib import Path

import pytest

from edge.recording.recorder import Recorder, read_messages
from petroroad.__main__ import main
from petroroad.commands.replay import summary
from petroroad.replay.run import Run
from petroroad.replay.source import JUMP_NS
from roadside.compare import digest
from roadside.inputs import ENCODER, ClockStep
from roadside.replay import Replayed


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Record one simulated second of one RSU's radars."""
    path = tmp_path_factory.mktemp("replay") / "a.mcap"
    assert main(["sim", "run", "--duration", "1", "--rsus", "RSU-23", "--record", str(path)]) == 0
    return path


def test_an_rsu_that_was_started_anew_has_two_recordings_and_one_digest():
    first = Run(Path("A-1.mcap"), Replayed(violations={"A": [b"1", b"2"]}, snapshots={"A": [b"s"]}))
    other = Run(Path("B-1.mcap"), Replayed(violations={"B": [b"4"]}))
    again = Run(Path("A-2.mcap"), Replayed(violations={"A": [b"3"]}, snapshots={"A": [b"t"]}))
    shown = summary([first, other, again])
    assert shown["violations"] == 4
    assert shown["digest"] == digest([b"1", b"2", b"3", b"4"])
    assert shown["digest_tracks"] == digest([b"s", b"t"])


def test_a_time_that_jumps_by_years_ends_the_replay_instead_of_being_ticked_through(sound, tmp_path, capsys):
    damaged = tmp_path / "b.mcap"
    with Recorder(damaged) as recorder:
        for i, message in enumerate(read_messages(sound)):
            recorder.write(message.topic, message.body, message.log_ns + (i > 40) * 10**17)
    assert main(["replay", str(damaged)]) == 1
    assert "log times jump by 27778 h" in capsys.readouterr().err


@pytest.mark.parametrize("off_ns", [-(10**18), 3 * 10**18])
def test_log_times_that_no_snapshot_can_bear_end_the_replay_with_a_word(sound, tmp_path, capsys, off_ns):
    damaged = tmp_path / "b.mcap"
    with Recorder(damaged) as recorder:
        for message in read_messages(sound):
            recorder.write(message.topic, message.body, message.log_ns + off_ns)
    assert main(["replay", str(damaged)]) == 1
    assert "is no time of ours" in capsys.readouterr().err


def test_a_pause_of_days_that_an_importer_records_is_no_damage(sound, tmp_path):
    """It logs the step by the old clock, just before the first message after the pause."""
    paused = tmp_path / "b.mcap"
    last_ns, pause_ns = 0, 3 * JUMP_NS
    with Recorder(paused) as recorder:
        for i, message in enumerate(read_messages(sound)):
            if i == 41:
                step = ClockStep(from_ns=last_ns, to_ns=message.log_ns + pause_ns - 1)
                recorder.write("/input", ENCODER.encode(step), last_ns + 1)
            last_ns = message.log_ns
            recorder.write(message.topic, message.body, last_ns + (i > 40) * pause_ns)
    assert main(["replay", str(paused)]) == 0
