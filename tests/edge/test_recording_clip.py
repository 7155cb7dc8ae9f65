"""A clip of a recording: a replay of it gives the very violations of its time."""

import hashlib

import pytest

from core.times import NS
from edge.recording.chain import part_of, read_chain
from edge.recording.clip import NoClipError, cut
from edge.recording.names import files_of
from edge.recording.reader import read_messages
from petroroad.replay.run import pace_of, part_to_replay, replay_chain
from tests.support.series_made import T0, feed, made, seconds_of
from tests.support.series_of import ESN, fed


def clip_of(series, folder, from_s, to_s, **options):
    folder.mkdir()
    files = files_of(series.directory, series.esn)
    return cut(files, series.esn, T0 + from_s * NS, T0 + to_s * NS, folder, **options)


def test_it_begins_with_the_last_state_before_the_time_and_ends_with_the_time(tmp_path):
    series = made(tmp_path / "recordings")
    feed(series, 0, 400)
    series.close()
    clip = clip_of(series, tmp_path / "clip", 130, 200)
    assert seconds_of(clip.files) == list(range(120, 201))
    assert (part_of(clip.files[0]).continues, clip.reason) == (True, "")
    (described,) = clip.described
    assert described.sha256 == hashlib.sha256(clip.files[0].read_bytes()).digest()
    assert described.n_bytes == clip.files[0].stat().st_size


def test_it_spans_the_parts_of_a_series_and_the_starts_of_an_rsu(tmp_path):
    first = made(tmp_path / "recordings", file_bytes_max=10_000)
    feed(first, 0, 400)
    first.close()
    second = made(tmp_path / "recordings", epoch=8, now_ns=T0 + 500 * NS)
    feed(second, 501, 700, state_each_s=1_000)
    second.close()
    assert len(files_of(first.directory, "R1")) > 2
    clip = clip_of(second, tmp_path / "clip", 130, 600)
    assert [part_of(path).epoch for path in clip.files] == [7, 8]
    assert [part_of(path).continues for path in clip.files] == [True, False]
    assert seconds_of(clip.files) == [*range(120, 400), *range(501, 601)]


def test_what_is_deleted_or_too_long_is_said(tmp_path):
    series = made(tmp_path / "recordings", now_ns=T0 + 60 * NS)
    feed(series, 60, 400)
    series.close()
    clip = clip_of(series, tmp_path / "late", 10, 100)
    assert "50.0 s later than asked" in clip.reason
    with pytest.raises(NoClipError, match="no recording of that time"):
        clip_of(series, tmp_path / "none", 500, 600)
    with pytest.raises(NoClipError, match="longer than 1000 bytes") as found:
        clip_of(series, tmp_path / "long", 60, 400, bytes_max=1_000)
    assert found.value.outcome == "too_large"


def test_damage_within_is_named(tmp_path):
    series = made(tmp_path / "recordings")
    feed(series, 0, 400)
    series.close()
    (path,) = files_of(series.directory, "R1")
    body = bytearray(path.read_bytes())
    for at in range(len(body) // 2, len(body) // 2 + 400):
        body[at] ^= 0xFF
    path.write_bytes(body)
    assert path.name in clip_of(series, tmp_path / "clip", 0, 400).reason


def test_a_replay_of_it_gives_the_recorded_violations(tmp_path):
    series = fed(tmp_path / "recordings", 13.0)
    (path,) = files_of(series.directory, ESN)
    raised = [message for message in read_messages(path) if message.topic == f"/violation/{ESN}"]
    assert len(raised) > 1
    folder = tmp_path / "clip"
    folder.mkdir()
    clip = cut([path], ESN, raised[0].log_ns - 2 * NS, raised[1].log_ns, folder)
    kept = [message.body for message in read_chain(clip.files) if message.topic == f"/violation/{ESN}"]
    assert kept == [message.body for message in raised if message.log_ns <= raised[1].log_ns]
    run = replay_chain([part_to_replay(clip.files[0])], None, pace_of("max"), None)
    assert run.difference() is None
    assert run.replayed.violations[ESN] == kept
