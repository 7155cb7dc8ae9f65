"""A series of files replays as one recording would, from any of its files."""

import json

import pytest

from edge.recording import series as series_module
from edge.recording.file import END, SERIES
from edge.recording.names import files_of
from edge.recording.recorder import Reading, read_messages
from petroroad.__main__ import main
from petroroad.replay import run
from roadside import pipeline
from tests.support.roadside_drive import EXAMPLE
from tests.support.series_of import EPOCH, ESN, fed

NS = 10**9


def is_stalled(log_ns):
    """Nothing arrives around each seam: four ticks are run in one step, the state after the third of them."""
    return (log_ns + 220_000_000) % (2 * NS) < 350_000_000


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """(files of a series with a seam each two seconds, the one file of the same run)."""
    folder = tmp_path_factory.mktemp("series")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "STATE_EVERY_NS", NS)
        fed(folder / "one", 13.0, is_stalled=is_stalled)
        patch.setattr(series_module, "FILE_NS", 2 * NS)
        fed(folder / "series", 13.0, is_stalled=is_stalled)
    (one,) = files_of(folder / "one", ESN)
    return files_of(folder / "series", ESN), one


def replayed(capsys, *paths):
    capsys.readouterr()
    status = main(["replay", *map(str, paths), "--json"])
    said = capsys.readouterr()
    assert status == 0, said.err
    return json.loads(said.out)


def topics(path):
    return [message.topic for message in read_messages(path)]


def test_each_file_is_whole_and_begins_with_site_and_state(recorded):
    files, _ = recorded
    assert [path.name for path in files] == [f"{ESN}-{EPOCH}-{k:05d}.mcap" for k in range(len(files))]
    assert len(files) >= 5
    for k, path in enumerate(files):
        reading = Reading()
        messages = list(read_messages(path, reading))
        assert reading.text() == "whole"
        assert [message.topic for message in messages[:2]] == ["/site", f"/state/{ESN}" if k else "/input"]
        assert reading.metadata[SERIES] == {"esn": ESN, "epoch": str(EPOCH), "part": str(k)}
        assert ("seam_ns" in reading.metadata[END]) == (path != files[-1])
        assert reading.metadata[END]["dropped"] == "0"


def test_no_message_is_lost_or_there_twice_at_a_seam(recorded):
    files, one = recorded
    whole = [(message.topic, message.log_ns, message.body) for message in read_messages(one)]
    found = []
    for k, path in enumerate(files):
        rows = [(message.topic, message.log_ns, message.body) for message in read_messages(path)]
        found += rows[1:] if k else rows  # each file has `/site`
    assert found == whole


def test_another_process_may_read_a_series_ahead(recorded, capsys, monkeypatch):
    """From its begin, and from the state in a later file: seam, state and gateway's messages come as well."""
    files, _ = recorded
    wanted = [replayed(capsys, *some) for some in (files, files[2:4])]
    monkeypatch.setattr(run, "BYTES_MIN", 0)
    assert [replayed(capsys, *some, "--jobs", 2) for some in (files, files[2:4])] == wanted
    assert wanted[0]["violations"] > 0


def test_the_series_replays_to_the_digest_of_the_one_file(recorded, capsys):
    files, one = recorded
    want = replayed(capsys, one)
    assert want["violations"] == want["recorded_violations"] > 0
    found = replayed(capsys, *files)
    assert (found["digest"], found["digest_tracks"]) == (want["digest"], want["digest_tracks"])
    assert found == want
    assert replayed(capsys, *reversed(files)) == want  # in whatever order they are named
    assert replayed(capsys, files[0].parent) == want


def test_a_dry_run_of_rules_takes_a_series_for_the_one_file(recorded, capsys, tmp_path):
    """In whatever way it is named; in the first file alone it finds other episodes."""
    files, one = recorded
    deeper = "[rules.lane_departure]\nnotice = [{over = 9.0}]\nwarning = [{over = 9.0, for_s = 1.0}]\n"
    deeper += "violation = [{over = 9.0, for_s = 2.0}]\n"
    books = [tmp_path / "now.toml", tmp_path / "deeper.toml"]
    for book, text in zip(books, ("[rules]\n", deeper), strict=True):
        book.write_text(text, encoding="utf-8")
    args = ["rules", "diff", *map(str, books), "--site", str(EXAMPLE), "--json", "--recording"]

    def found(*named):
        assert main([*args, *map(str, named)]) == 0
        return json.loads(capsys.readouterr().out)

    capsys.readouterr()
    want = found(one)
    assert [row["rule"] for row in want["vanish"]] == ["lane_departure"]
    assert found(*files) == found(files[0].parent) == want
    assert found(files[0]) != want
    assert main([*args, str(one), str(one)]) == 2
    assert "named twice" in capsys.readouterr().err


def test_each_file_replays_alone_from_its_state(recorded, capsys):
    files, one = recorded
    want = replayed(capsys, one)
    alone = [replayed(capsys, path) for path in files]
    for found in alone:
        assert found["violations"] == found["recorded_violations"]
    assert sum(found["violations"] for found in alone) == want["violations"]
    assert sum(found["observations"] for found in alone) == want["observations"]
    without_one = replayed(capsys, *files[:2], *files[3:])  # a file is gone: the rest is as it was
    assert without_one["violations"] == want["violations"] - alone[2]["violations"]


def test_a_replay_of_single_files_gives_the_tracks_of_the_whole(recorded, capsys, tmp_path):
    files, one = recorded
    bodies = []
    for k, path in enumerate(files):
        out = tmp_path / f"{k}.mcap"
        assert main(["replay", str(path), "--out", str(out), "--json"]) == 0
        bodies += [message.body for message in read_messages(out) if message.topic.startswith("/tracks/")]
    assert bodies == [m.body for m in read_messages(one) if m.topic.startswith("/tracks/")]
