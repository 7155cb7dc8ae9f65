"""`recording`, `replay` and `score` on damaged files: what is lost is printed, and the exit code says so."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge import wire
from edge.recording.recorder import Reading, Recorder, read_messages
from petroroad.__main__ import main

DAMAGED = Path(__file__).parents[1] / "data" / "first_chunk_damaged.mcap"  # of a trial: one flipped bit
US101 = Path(__file__).parents[1] / "data" / "golden" / "us101.mcap"


def shown(capsys, *arguments: object, status: int) -> tuple[dict, str]:
    """Return the JSON object on stdout and stderr."""
    assert main([str(argument) for argument in arguments]) == status
    out, err = capsys.readouterr()
    return json.loads(out), err


def flipped_chunk(source: Path, target: Path, k: int) -> None:
    """Copy a recording with one bit of its k-th chunk's data flipped."""
    data = bytearray(source.read_bytes())
    at = -1
    for _ in range(k + 1):
        at = data.index(b"\x04\x00\x00\x00zstd", at + 1)
    data[at + 40] ^= 1
    target.write_bytes(bytes(data))


def rewritten(source: Path, target: Path, more: tuple[str, ...] = ()) -> int:
    """Write a recording again, in today's form, with a message of each further topic; return how many."""
    n_messages = 0
    with Recorder(target) as recorder:
        for message in read_messages(source):
            recorder.write(message.topic, message.body, message.log_ns, message.publish_ns)
            n_messages += 1
        for topic in more:
            recorder.write(topic, b"\x80", message.log_ns)
    return n_messages + len(more)


def test_info_counts_what_the_damaged_first_chunk_took(capsys):
    facts, err = shown(capsys, "recording", "info", DAMAGED, "--json", status=1)
    assert (facts["messages"], facts["messages_lost"], facts["whole"]) == (190, 10, False)
    assert facts["channels"] == {"/gnss": 190}
    (damage,) = facts["damages"]
    assert (damage["from"], damage["to"]) == (
        "2023-11-14T22:13:20.000+00:00", "2023-11-14T22:13:20.900+00:00",
    )  # fmt: skip
    assert "10 messages lost" in err
    assert main(["recording", "info", str(DAMAGED)]) == 1
    assert "damaged, 10 messages lost" in capsys.readouterr().out


def test_recover_saves_the_sound_chunks_says_what_is_lost_and_has_done_its_job(tmp_path, capsys):
    out = tmp_path / "sound.mcap"
    facts, err = shown(capsys, "recording", "recover", DAMAGED, out, "--json", status=0)
    assert (facts["messages"], facts["messages_lost"], facts["damaged_chunks"]) == (190, 10, 1)
    assert "10 messages lost" in err
    facts, _ = shown(capsys, "recording", "info", out, "--json", status=0)
    assert (facts["messages"], facts["state"]) == (190, "whole")


def test_recover_of_nothing_fails(tmp_path, capsys):
    data = DAMAGED.read_bytes()
    (tmp_path / "cut.mcap").write_bytes(data[:400])
    assert main(["recording", "recover", str(tmp_path / "cut.mcap"), str(tmp_path / "o.mcap")]) == 1
    assert "no message can be recovered" in capsys.readouterr().err


def test_export_of_a_damaged_file_writes_the_rest_and_fails(tmp_path, capsys):
    flipped_chunk(DAMAGED, tmp_path / "x.mcap", 3)
    facts, err = shown(
        capsys, "recording", "export", tmp_path / "x.mcap", tmp_path / "o.geojson", "--geojson", "--json",
        status=1,
    )  # fmt: skip
    assert facts["messages_lost"] == 20
    assert "20 messages lost" in err
    assert (tmp_path / "o.geojson").exists()


def test_export_counts_messages_that_can_not_be_decoded(tmp_path, capsys):
    with Recorder(tmp_path / "r.mcap") as recorder:
        recorder.write("/tracks/A", b"\x80", 1)
        rows = wire.snapshot_of(np.zeros(2, wire.TRACK_DTYPE), esn="A", seq=1, stamp_ns=10**18, lanes=None)
        recorder.write("/tracks/A", wire.encode(msgspec.structs.replace(rows, data=rows.data[:-3])), 1)
        recorder.write("/violation/A", b"\x81\xa7lon_deg\x01", 2)
    facts, _ = shown(
        capsys, "recording", "export", tmp_path / "r.mcap", tmp_path / "o.geojson", "--geojson", "--json",
        status=0,
    )  # fmt: skip
    assert facts["unread"] == {"/tracks/A": 2, "/violation/A": 1}


def test_replay_and_score_of_a_damaged_file_print_their_figures_and_fail(tmp_path, capsys):
    whole, damaged = tmp_path / "whole.mcap", tmp_path / "x.mcap"
    n_messages = rewritten(US101, whole)
    flipped_chunk(whole, damaged, 1)
    reading = Reading()
    n_left = sum(1 for _ in read_messages(damaged, reading))
    assert reading.lost == n_messages - n_left > 0
    result, err = shown(capsys, "replay", damaged, "--out", tmp_path / "o.mcap", "--json", status=1)
    assert result["messages_lost"] == reading.lost
    assert result["observations"] > 0
    assert "can't be compared" in err
    figures, err = shown(capsys, "score", tmp_path / "o.mcap", "--truth", damaged, "--json", status=1)
    assert figures["messages_lost"] == reading.lost
    assert "for the rest only" in err


def test_replay_of_a_file_whose_site_is_lost_asks_for_the_site_file_and_uses_it(tmp_path, capsys):
    recording, damaged = tmp_path / "a.mcap", tmp_path / "b.mcap"
    assert main(["sim", "run", "--duration", "2", "--rsus", "RSU-23", "--record", str(recording)]) == 0
    out = tmp_path / "o.mcap"
    assert main(["replay", str(recording), "--out", str(out)]) == 0
    with Recorder(tmp_path / "both.mcap") as recorder:  # as an RSU records: inputs and outputs
        rows = sorted(
            [(m.log_ns, i, m) for path in (recording, out) for i, m in enumerate(read_messages(path))
             if path == recording or m.topic == "/tracks/RSU-23"],
            key=lambda row: row[:2],
        )  # fmt: skip
        for _, _, message in rows:
            recorder.write(message.topic, message.body, message.log_ns, message.publish_ns)
    flipped_chunk(tmp_path / "both.mcap", damaged, 0)
    capsys.readouterr()
    assert main(["replay", str(damaged)]) == 2
    assert "name the site file with --site" in capsys.readouterr().err
    from petroroad.demo.site import SHIPPED

    result, err = shown(capsys, "replay", damaged, "--site", SHIPPED, "--json", status=1)
    assert result["observations"] > 0
    assert "can't be compared" in err


def test_replay_counts_channels_that_are_none_of_ours(tmp_path, capsys):
    rewritten(US101, tmp_path / "r.mcap", more=("/weird", "/camera/1"))
    result, _ = shown(capsys, "replay", tmp_path / "r.mcap", "--json", status=0)
    assert result["skipped"] == {"/camera/1": 1, "/weird": 1}


@pytest.mark.parametrize("command", ["info", "export"])
def test_an_empty_file_is_named_as_one(tmp_path, capsys, command):
    (tmp_path / "r.mcap").write_bytes(b"")
    more = ["--geojson"] if command == "export" else []
    assert main(["recording", command, str(tmp_path / "r.mcap"), *more]) == 2
    assert "is empty" in capsys.readouterr().err


def test_replay_counts_scans_of_a_radar_that_the_site_lacks(tmp_path, capsys):
    """A whole site's recording: no RSU has this radar, so nobody would count it."""
    source, other = tmp_path / "a.mcap", tmp_path / "b.mcap"
    assert main(["sim", "run", "--duration", "1", "--rsus", "RSU-23", "--record", str(source)]) == 0
    capsys.readouterr()
    renamed = 0
    with Recorder(other) as recorder:
        for message in read_messages(source):
            body = message.body
            if message.topic.startswith("/radar/"):
                scan = msgspec.msgpack.decode(body)
                body, renamed = msgspec.msgpack.encode(scan | {"sensor": "R9"}), renamed + 1
            recorder.write(message.topic, body, message.log_ns, message.publish_ns)
    result, _ = shown(capsys, "replay", other, "--json", status=0)
    assert result["skipped"]["scan of an unknown radar"] == renamed > 0
