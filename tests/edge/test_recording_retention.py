"""Which recordings an RSU deletes, and which it never does."""

import os
import time
from pathlib import Path

import pytest

from core.times import NS
from edge.recording.file import RecordingFile
from edge.recording.recorder import Recorded
from edge.recording.retention import Held, Limits, Retention, Space, excess
from tests.support.series_made import SITE, T0, feed, made

GIB = 2**30
DISK = 100 * GIB
MANY = [Held(Path(f"{k}"), GIB, 1_000.0 + k) for k in range(10)]


@pytest.mark.parametrize(
    ("space", "limits", "now_s", "want"),
    [
        (Space(0, 90 * GIB, DISK), Limits(1e9, DISK, GIB), 2_000.0, []),
        (Space(0, 90 * GIB, DISK), Limits(997.5, DISK, GIB), 2_000.0, ["age"] * 3),
        (Space(GIB, 90 * GIB, DISK), Limits(1e9, 9 * GIB, GIB), 2_000.0, ["size"] * 2),
        (Space(0, GIB // 2, DISK), Limits(1e9, DISK, 2 * GIB), 2_000.0, ["space"] * 2),
        (Space(0, GIB // 2, DISK), Limits(997.5, DISK, GIB), 2_000.0, ["space", "age", "age"]),
        (Space(0, GIB // 2, 4 * GIB), Limits(1e9, DISK, 2 * GIB), 2_000.0, []),  # a tenth of a small disk
        (Space(0, 0, DISK), Limits(1e9, DISK, 0), 2_000.0, []),
        (Space(0, 90 * GIB, DISK), Limits(1.0, DISK, GIB), 5.0, []),  # the clock was set back
    ],
)  # fmt: skip
def test_the_oldest_files_are_too_many(space, limits, now_s, want):
    found = excess(MANY, space, limits, now_s)
    assert [file for file, _ in found] == MANY[: len(want)]
    assert [reason for _, reason in found] == want


def kept(tmp_path, limits, **options):
    """A series of five hours, with a retention that has not looked yet."""
    series = made(tmp_path, **options)
    series.retention = Retention(tmp_path, "R1", limits, series.count)
    series.retention.needed_since_ns = None
    feed(series, 1, 4 * 3_600 + 10)
    series.close_chunk()
    return series


def names(tmp_path):
    return sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".age")


def test_the_oldest_files_go_first_and_never_the_open_one(tmp_path):
    series = kept(tmp_path, Limits(1e9, 1, 0))
    assert len(names(tmp_path)) == 5
    series.purge()
    assert names(tmp_path) == ["R1-7-00004.mcap"]
    assert series.counts["recording.purged.size"] == 4
    series.close()


def test_what_this_rsu_did_not_write_stays(tmp_path):
    others = made(tmp_path, esn="R1-2", epoch=5)  # its files are called as old ones of R1 were
    others.close()
    (tmp_path / "R1-2-5-00000.mcap").rename(tmp_path / "R1-3.mcap")
    (tmp_path / "R1-1-00000.mcap").write_bytes(b"no recording at all")
    (tmp_path / "notes.txt").write_text("an operator's")
    target = tmp_path / "elsewhere"
    target.write_bytes(b"another directory's")
    (tmp_path / "R1-2-00000.mcap").symlink_to(target)
    with RecordingFileOf(tmp_path / "R1-4.mcap", SITE):  # of an earlier version, ours
        pass
    series = kept(tmp_path, Limits(1e9, 1, 0))
    series.purge()
    assert names(tmp_path) == [
        "R1-1-00000.mcap", "R1-2-00000.mcap", "R1-3.mcap", "R1-7-00004.mcap", "elsewhere", "notes.txt",
    ]  # fmt: skip
    assert series.counts["recording.not_ours"] == 2
    series.close()


class RecordingFileOf:
    """One file as earlier versions made it: without a series, `/site` first."""

    def __init__(self, path, site):
        self.file, self.site = RecordingFile(path), site

    def __enter__(self):
        self.file.add(Recorded("/site", self.site, T0, T0))
        return self

    def __exit__(self, *_):
        self.file.end()
        self.file.flush()
        self.file.close()


def test_the_recording_of_a_violation_that_the_centre_lacks_is_kept(tmp_path):
    series = kept(tmp_path, Limits(1e9, 1, 0))
    series.keep_since(T0 + 2 * 3_600 * NS + 5 * NS)  # in the third file
    series.purge()
    assert names(tmp_path) == [f"R1-7-{k:05d}.mcap" for k in (2, 3, 4)]
    assert series.degraded == ()
    series.keep_since(0)  # the outbox is being read
    again(series)
    assert len(names(tmp_path)) == 3
    series.keep_since(None)
    again(series)
    assert names(tmp_path) == ["R1-7-00004.mcap"]
    series.close()


def again(series):
    series._purged_s = None
    series.purge()


def test_for_free_space_even_a_needed_one_goes_and_that_is_said(tmp_path, monkeypatch):
    series = kept(tmp_path, Limits(1e9, 100 * GIB, GIB))
    disk = os.statvfs(tmp_path)
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result([*disk[:4], 10, *disk[5:]]))
    series.keep_since(T0 + 3_600 * NS)
    series.purge()
    assert names(tmp_path) == ["R1-7-00004.mcap"]
    assert series.counts["recording.purged.space"] == 4
    assert series.counts["recording.purged_unacknowledged"] == 4  # the first one ends just before
    assert series.degraded == ("recording_short",)
    feed(series, 4 * 3_600 + 10, 4 * 3_600 + 70)  # the open file ends with the next state, and goes as well
    series.close_chunk()
    again(series)
    assert names(tmp_path) == ["R1-7-00005.mcap"]
    series.keep_since(None)  # delivered
    assert series.degraded == ()
    series.close()


def test_a_clock_that_is_set_years_ahead_deletes_nothing(tmp_path, monkeypatch):
    """The recordings are the second copy of each violation, and the only replay of what led to it."""
    series = kept(tmp_path, Limits(7 * 86_400.0, 100 * GIB, 0))
    series.purge()
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s + 5 * 365 * 86_400.0)
    again(series)
    assert len(names(tmp_path)) == 5
    series.retention = Retention(tmp_path, "R1", Limits(7 * 86_400.0, 100 * GIB, 0), series.count)
    series.keep_since(None)
    again(series)  # as after a restart with that clock
    assert len(names(tmp_path)) == 5
    series.close()
