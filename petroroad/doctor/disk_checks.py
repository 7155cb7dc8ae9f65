"""Checks of the disks that a site writes to: read-only, out of room or inodes, too small for recordings."""

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy.exc import ArgumentError

from centre.database_file import path_of
from edge.config import Site
from edge.recording.retention import FLOOR_SHARE
from petroroad.doctor.checks import FREE_BYTES_MIN, Check, Level

INODE_SHARE_MIN = 0.02  # free: an outbox, a log and recordings need a few hundred
SPAN_S_MIN = 3_600.0  # of recordings, from which their growth is told
GIB = 2**30
DAY_S = 86_400.0


def disk_checks(site: Site, state: Path) -> list[Check]:
    """Return one check for each folder that parts on this machine write to, and one of the recordings.

    state : directory of outbox and recordings; what does not exist is looked at where it would be made
    """
    recordings = state / "recordings"
    folders = {"outbox": state / site.config.outbox.directory, "recordings": recordings}
    database = _database(site)
    if database is not None:
        folders["database"] = database.parent
    checks = [_folder(f"disk.{name}", folder) for name, folder in folders.items()]
    files = sorted(recordings.glob("*.mcap")) if recordings.is_dir() else []
    return [*checks, *([recordings_check(site, recordings, files)] if files else [])]


def _database(site: Site) -> Path | None:
    try:
        return path_of(site.config.centre.database)
    except ArgumentError:  # the centre's own start names what is wrong with it
        return None


def _folder(name: str, folder: Path) -> Check:
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    try:
        disk = os.statvfs(there)
    except OSError as error:
        return Check(name, "fail", f"{there}: {error.strerror}: look at its disk")
    fails, warns = [], []
    if disk.f_flag & os.ST_RDONLY:
        fails.append("mounted read-only: look into `dmesg`, then remount or replace the disk")
    elif not os.access(there, os.W_OK | os.X_OK):
        fails.append(f"user {os.getuid()} may not write there: chown or chmod it")
    free = disk.f_bavail * disk.f_frsize
    if free < FREE_BYTES_MIN and free < FLOOR_SHARE * disk.f_blocks * disk.f_frsize:
        warns.append("nearly full: delete what is not needed")
    if disk.f_files and disk.f_favail < INODE_SHARE_MIN * disk.f_files:
        warns.append(f"only {disk.f_favail} inodes are free: delete small files")
    text = f"{free / GIB:.1f} GiB free at {there}"
    level: Level = "fail" if fails else "warn" if warns else "ok"
    return Check(name, level, "; ".join([text, *fails, *warns]))


def recordings_check(site: Site, folder: Path, files: Sequence[Path]) -> Check:
    """Say how fast recordings grow, and whether disk and `[retention]` hold as many days as are wanted."""
    retention = site.config.retention
    sizes, oldest_s, newest_s = _sizes(files)
    held, span_s = sum(sizes), newest_s - oldest_s
    if span_s < SPAN_S_MIN:
        return Check("disk.recordings.days", "ok", f"{held / GIB:.2f} GiB; their growth is not known yet")
    disk = os.statvfs(folder)
    floor = min(retention.free_mib * 2**20, FLOOR_SHARE * disk.f_blocks * disk.f_frsize)
    room = min(retention.recordings_gib * GIB, held + disk.f_bavail * disk.f_frsize - floor)
    a_day = held / span_s * DAY_S
    days = max(0.0, room) / a_day
    text = f"{held / GIB:.1f} GiB, {a_day / GIB:.2f} GiB a day: room for {days:.1f} days"
    wanted = retention.recordings_days
    if days >= wanted:
        return Check("disk.recordings.days", "ok", f"{text}, {wanted:g} are kept")
    remedy = f"[retention] recordings_days asks for {wanted:g}: a larger disk, or a higher recordings_gib"
    return Check("disk.recordings.days", "warn", f"{text}; {remedy}")


def _sizes(files: Sequence[Path]) -> tuple[list[int], float, float]:
    """Return the sizes, and from when to when they were written, of the files that are still there."""
    found = list(_stats(files))
    now_s = time.time()
    oldest_s = min((each.st_mtime for each in found), default=now_s)
    newest_s = max((each.st_mtime for each in found), default=now_s)
    return [each.st_size for each in found], oldest_s, newest_s


def _stats(files: Sequence[Path]) -> Iterator[os.stat_result]:
    for path in files:
        try:
            yield path.stat()
        except OSError:
            continue
