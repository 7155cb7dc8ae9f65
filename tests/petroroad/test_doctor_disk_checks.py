"""What `doctor` says of real disks: read-only, full, out of inodes, and of recordings that outgrow them."""

import os
import time
from pathlib import Path

import pytest

from edge.config import parse_site
from petroroad.doctor.disk_checks import disk_checks
from tests.support.centre_road import MAP, SITE
from tests.support.small_disk import SmallDisk, small_disk

MIB = 2**20
DAY_S = 86_400.0


def found(state: Path, text: str = "") -> dict[str, tuple[str, str]]:
    site = parse_site(SITE + text, MAP, None, "site.toml", {})
    return {check.name: (check.level, check.detail) for check in disk_checks(site, state)}


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "disk", "64m") as made:
        yield made


def test_a_folder_that_is_not_there_yet_is_looked_at_where_it_would_be(disk: SmallDisk) -> None:
    checks = found(disk.folder / "state" / "deep")
    assert checks["disk.outbox"] == ("ok", f"0.1 GiB free at {disk.folder}")
    assert set(checks) == {"disk.outbox", "disk.recordings", "disk.database"}


def test_a_read_only_disk_fails_with_what_to_do(disk: SmallDisk) -> None:
    (disk.folder / "recordings").mkdir()
    disk.remount("ro")
    level, text = found(disk.folder)["disk.recordings"]
    assert (level, "mounted read-only: look into `dmesg`" in text) == ("fail", True)


def test_a_full_disk_and_one_without_inodes_are_named(disk: SmallDisk) -> None:
    disk.fill()
    assert "nearly full" in found(disk.folder)["disk.outbox"][1]
    (disk.folder / "filler").unlink()
    disk.remount("nr_inodes=300")
    for i in range(296):
        (disk.folder / f"small-{i}").touch()
    level, text = found(disk.folder)["disk.outbox"]
    assert (level, "inodes are free" in text) == ("warn", True)


@pytest.mark.parametrize(
    ("n_files", "mib_each", "gib", "level", "days"),
    [
        (24, 1, 32.0, "warn", "2."),  # 24 MiB a day, 64 MiB of disk with a floor of a tenth
        (24, 1, 0.02, "warn", "0.9"),  # as [retention] limits it
        (2, 0, 32.0, "ok", None),
    ],
)
def test_recordings_are_held_against_disk_and_retention(disk, n_files, mib_each, gib, level, days) -> None:
    folder = disk.folder / "recordings"
    folder.mkdir()
    now_s = time.time()
    for i in range(n_files):
        path = folder / f"RSU001-{i}.mcap"
        path.write_bytes(bytes(mib_each * MIB + 1))
        os.utime(path, (now_s, now_s - DAY_S * i / (n_files - 1)))
    got, text = found(disk.folder, f"[retention]\nrecordings_gib = {gib}\n")["disk.recordings.days"]
    assert got == level, text
    assert days is None or f"room for {days}" in text
    assert level == "ok" or "recordings_days asks for 7" in text
