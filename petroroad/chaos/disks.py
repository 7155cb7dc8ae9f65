"""Small disks for the RSUs' outboxes, that can be filled: a tmpfs each for root, else a limit of file sizes.

The tmpfs lies in a mount namespace of this process, so that it is gone with the last of its children,
whatever ends them.
"""

import contextlib
import ctypes
import os
import resource
import subprocess
from pathlib import Path
from typing import Literal

DiskKind = Literal["tmpfs", "file size limit"]
SIZE_MIB, BALLAST_MIB = 24, 4  # the ballast is filled where there is room for four times as much
BLOCK_BYTES = 65_536
LIMIT_BYTES = 65_536  # of a file: a log may grow on, the outbox's write-ahead log soon may not
CLONE_NEWNS = 0x20000


def private_mounts() -> bool:
    """Give this process mounts that nobody else sees; returns whether that is possible here.

    Call it before any thread is started: it holds for the calling thread and for what that starts.
    """
    if os.geteuid() != 0 or ctypes.CDLL(None).unshare(CLONE_NEWNS) != 0:
        return False
    return _succeeds("mount", "--make-rprivate", "/")


class Disk:
    """The disk of one RSU's outbox; `has_mounts` as `private_mounts` returned it."""

    def __init__(self, folder: Path, *, has_mounts: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        options = f"size={SIZE_MIB}m"
        mounted = has_mounts and _succeeds("mount", "-t", "tmpfs", "-o", options, "petroroad", str(folder))
        self.kind: DiskKind = "tmpfs" if mounted else "file size limit"

    def fill(self, pid: int | None) -> None:
        """Leave no room; again where the ballast was given up meanwhile.

        pid : the process that writes there, for a limit of its files' sizes
        """
        if self.kind == "tmpfs":
            for n_bytes in (BLOCK_BYTES, 512):
                with contextlib.suppress(OSError), (self.folder / "filler").open("ab", buffering=0) as file:
                    while True:
                        file.write(bytes(n_bytes))
        elif pid is not None:
            self._limit(pid, LIMIT_BYTES)

    def heal(self, pid: int | None) -> None:
        """Make room again."""
        (self.folder / "filler").unlink(missing_ok=True)
        if self.kind != "tmpfs" and pid is not None:
            self._limit(pid, resource.RLIM_INFINITY)

    def release(self) -> None:
        """Give the disk back."""
        if self.kind == "tmpfs":
            _succeeds("umount", "--lazy", str(self.folder))

    def _limit(self, pid: int, n_bytes: int) -> None:
        """Refuse to write beyond n_bytes of a file; Python ignores the signal, so writes fail only."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (n_bytes, hard))


def _succeeds(*argv: str) -> bool:
    try:
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0
    except OSError:  # no such program
        return False
